/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_keys.c - see config_keys.h. The table, and finding a row in it.
 *
 * Why: adding an option is adding a row. Order matters in two places: an unscoped key of -L takes the
 * first row of its name (so proxyProtocol means receive), and --help prints rows as they stand.
 * Never: knows where a text came from; the caller puts the place before the sentence.
 * See: config_key_value.c for the types, config_keys.h for the columns.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

#define FIELD(type, member)                                                                                  \
	.offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define SERVICE_FIELD(member)  FIELD(service_options, member)
#define NODE_FIELD(member)     FIELD(node_options, member)
#define SELECTOR_FIELD(member) FIELD(selector_config, member)
#define PROCESS_FIELD(member)  FIELD(process_options, member)
#define CHAIN_FIELD(member)    FIELD(chain_node_options, member)

#define MS   UINT64_C(1000000)
#define HOUR (3600 * 1000 * MS)
#define YEAR (8760 * HOUR)
#define MIB  (UINT64_C(1) << 20)
#define TIB  (UINT64_C(1) << 40)

/* Three or four lines a row, in the order of the columns. */
/* clang-format off */
const struct config_key config_keys[] = {
	{ .name = "proxyProtocol", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_RECEIVE,
	  SERVICE_FIELD(recv_proxy), .preset = "0", .reloadable = true,
	  .doc = "a PROXY header (version 1 or 2) may open a client's connection" },
	{ .name = "proxyProtocol.timeout", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_DURATION, .min = MS, .max = HOUR, SERVICE_FIELD(recv_proxy_timeout_ns),
	  .preset = "10s", .reloadable = true,
	  .doc = "time for the whole PROXY header to arrive" },
	{ .name = "proxyProtocol.maxSize", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_SIZE, .min = 16, .max = 65551, SERVICE_FIELD(recv_proxy_max), .preset = "4096",
	  .reloadable = true,
	  .doc = "longest PROXY header that is accepted" },
	{ .name = "proxyProtocol.policy", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_POLICY, SERVICE_FIELD(recv_policy), .preset = "use", .reloadable = true,
	  .doc = "header optional, demanded, refused, taken off unbelieved, or not looked for" },
	{ .name = "proxyProtocol.from", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_NETWORKS, SERVICE_FIELD(recv_from), .reloadable = true,
	  .doc = "peers whose headers are believed, such as 10.0.0.0/8,2001:db8::1; unset: all" },
	{ .name = "proxyProtocol.untrusted", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_UNTRUSTED, SERVICE_FIELD(recv_untrusted), .preset = "reject", .reloadable = true,
	  .doc = "what to do with the header of any other peer" },
	{ .name = "proxyProtocol.versions", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_VERSIONS, SERVICE_FIELD(recv_versions), .preset = "1,2", .reloadable = true,
	  .doc = "versions that are accepted" },
	{ .name = "proxyProtocol.crc32c", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_CRC, SERVICE_FIELD(recv_crc), .preset = "verify", .reloadable = true,
	  .doc = "checksum of a version 2 header: right if present, must be present, not looked at" },
	{ .name = "proxyProtocol.wait", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_DURATION, .min = MS, .max = HOUR, SERVICE_FIELD(recv_wait_ns), .reloadable = true,
	  .doc = "after this a client that has sent nothing is one without header; unset: the timeout" },
	{ .name = "proxyProtocol.logTLV", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_BOOL, SERVICE_FIELD(recv_log_tlv), .preset = "false", .reloadable = true,
	  .doc = "AUTHORITY, UNIQUE_ID and the AWS endpoint of the header in the log" },
	{ .name = "proxyProtocol.remember", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_BOOL, SERVICE_FIELD(recv_remember), .preset = "false", .reloadable = true,
	  .doc = "udp: a header also counts for later datagrams of its sender that have none" },
	{ .name = "proxyProtocol.unspec", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_UNSPEC, SERVICE_FIELD(recv_reject_unspec), .preset = "accept", .reloadable = true,
	  .doc = "version 2 headers that name no client (UNSPEC, not LOCAL)" },
	{ .name = "proxyProtocol.v4InTCP6", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE,
	  .type = KEY_BOOL, SERVICE_FIELD(recv_v4_in_tcp6), .preset = "false", .reloadable = true,
	  .doc = "accept IPv4 text in a TCP6 line, as old nginx sends it" },
	{ .name = "engine", .scopes = SCOPE_SERVICE | SCOPE_HANDLER, .home = SCOPE_SERVICE,
	  .type = KEY_ENGINE, SERVICE_FIELD(engine), .reloadable = true,
	  .doc = "what moves the bytes; unset: the process-wide engine" },
	{ .name = "dialTimeout", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_DURATION,
	  .min = MS, .max = HOUR, SERVICE_FIELD(dial_timeout_ns), .preset = "15s", .reloadable = true,
	  .doc = "time for one connection to a target to be made" },
	{ .name = "idleTimeout", .scopes = SCOPE_SERVICE | SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_DURATION, .zero = true, .min = MS, .max = YEAR, SERVICE_FIELD(idle_timeout_ns),
	  .preset = "0", .reloadable = true,
	  .doc = "a session that moves no byte either way for this long is closed; 0: never" },
	{ .name = "userTimeout", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_DURATION,
	  .zero = true, .min = MS, .max = 576 * HOUR, SERVICE_FIELD(user_timeout_ns), .preset = "0",
	  .reloadable = true,
	  .doc = "TCP_USER_TIMEOUT of both sockets; 0: the kernel's default" },
	{ .name = "limiter.ipv6Prefix", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_UINT,
	  .min = 16, .max = 128, SERVICE_FIELD(limit_ipv6_bits), .preset = "128",
	  .doc = "limits count IPv6 clients by networks of this many bits" },
	{ .name = "transparent", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_BOOL,
	  SERVICE_FIELD(transparent), .preset = "false",
	  .doc = "connect to targets from the client's own address; see gostbpf routes" },
	{ .name = "so_mark", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_UINT,
	  .max = UINT32_MAX, SERVICE_FIELD(so_mark), .preset = "0",
	  .doc = "mark of connections to targets, for ip rule and nft; 0: none" },
	{ .name = "interface", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_INTERFACES,
	  SERVICE_FIELD(interface),
	  .doc = "devices or own addresses to connect to targets from, first choice first; NAME!: no other after it" },
	{ .name = "netns", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_NETNS,
	  SERVICE_FIELD(netns),
	  .doc = "network namespace to listen in: a name of ip netns, or a path" },
	{ .name = "netns.out", .scopes = SCOPE_SERVICE, .home = SCOPE_SERVICE, .type = KEY_NETNS,
	  SERVICE_FIELD(netns_out),
	  .doc = "network namespace to connect to targets from" },

	{ .name = "proxyProtocol", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_SEND,
	  SERVICE_FIELD(send_proxy), .preset = "0", .reloadable = true,
	  .doc = "version of the PROXY header sent to targets; 0: none" },
	{ .name = "proxyProtocol.udp", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_UDP_HEADER, SERVICE_FIELD(udp_header), .preset = "each", .reloadable = true,
	  .doc = "udp: which datagrams get the PROXY header, each or the first of a session" },
	{ .name = "proxyProtocol.dst", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_DST,
	  SERVICE_FIELD(send_dst_local), .preset = "received", .reloadable = true,
	  .doc = "destination sent: the one received, if any, or always our own" },
	{ .name = "proxyProtocol.pass", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_TLV_TYPES, SERVICE_FIELD(send_pass), .reloadable = true,
	  .doc = "TLVs of the received header that are sent on: names, 0xNN, or all" },
	{ .name = "proxyProtocol.add", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_TLVS,
	  SERVICE_FIELD(send_add), .reloadable = true,
	  .doc = "TLVs added: text with {unique-id} {client} {service} {sid}, or hex:6162" },
	{ .name = "proxyProtocol.sendCrc32c", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_BOOL, SERVICE_FIELD(send_crc32c), .preset = "false", .reloadable = true,
	  .doc = "put a checksum into version 2 headers" },
	{ .name = "bind", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_BOOL,
	  SERVICE_FIELD(bind), .preset = "false", .reloadable = true,
	  .readers = "socks5 socks relay auto",
	  .doc = "socks5, relay: clients may open ports here" },
	{ .name = "comp", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_BOOL,
	  SERVICE_FIELD(comp), .preset = "false", .reloadable = true,
	  .readers = "socks5 socks auto",
	  .doc = "socks5: visitors of an opened port come without their address, as GOST 2 wants it" },
	{ .name = "udpBufferSize", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_SIZE, .min = 1, .max = 65535,
	  SERVICE_FIELD(udp_buffer), .preset = "65535", .reloadable = true,
	  .readers = "relay socks5 socks auto",
	  .doc = "accepted; datagrams of every length are relayed" },
	{ .name = "mux.version", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_UINT, .min = 1, .max = 2,
	  SERVICE_FIELD(mux_version), .preset = "1", .reloadable = true,
	  .readers = "relay socks5 socks auto",
	  .doc = "smux of the tunnels of opened ports; the client must speak the same" },
	{ .name = "udp", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_BOOL,
	  SERVICE_FIELD(udp), .preset = "false", .reloadable = true,
	  .readers = "socks5 socks auto",
	  .doc = "socks5: clients may send datagrams (UDP ASSOCIATE)" },
	{ .name = "notls", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_BOOL,
	  SERVICE_FIELD(notls), .preset = "false", .reloadable = true,
	  .readers = "socks5 socks auto",
	  .doc = "socks5: accepted; TLS inside SOCKS is never spoken" },
	{ .name = "authBasicRealm", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_TEXT,
	  SERVICE_FIELD(auth_realm), .preset = "gost", .reloadable = true,
	  .readers = "http auto",
	  .doc = "http: realm that a client without credentials is told" },
	{ .name = "proxyAgent", .alias = "http.proxyAgent", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_TEXT, SERVICE_FIELD(proxy_agent), .preset = "gost/3.0", .reloadable = true,
	  .readers = "http auto",
	  .doc = "http: what answers to CONNECT name as Proxy-Agent" },
	{ .name = "hash", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_HASH,
	  SERVICE_FIELD(hash_host), .preset = "client", .reloadable = true,
	  .readers = "http socks socks4 socks4a socks5 relay auto",
	  .doc = "what strategy hash of a chain goes by: the client's address, or the host and port asked for" },
	{ .name = "readTimeout", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_DURATION,
	  .min = MS, .max = HOUR, SERVICE_FIELD(handshake_timeout_ns), .preset = "15s", .reloadable = true,
	  .readers = "http socks socks4 socks4a socks5 relay auto tls",
	  .doc = "time for a client to say where it wants to go, and for its TLS handshake" },
	{ .name = "nodelay", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_BOOL,
	  SERVICE_FIELD(nodelay), .preset = "false", .reloadable = true,
	  .readers = "relay",
	  .doc = "relay: accepted; the answer always leaves at once" },
	{ .name = "retries", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER, .type = KEY_UINT,
	  .field = true, .max = 100, SERVICE_FIELD(retries), .preset = "0", .reloadable = true,
	  .doc = "further attempts to connect when one fails" },

	{ .name = "keepalive", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER, .type = KEY_BOOL,
	  SERVICE_FIELD(keepalive), .preset = "true", .reloadable = true,
	  .doc = "TCP keep-alive probes" },
	{ .name = "keepalive.idle", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER,
	  .type = KEY_SECONDS, .min = 1, .max = 32767, SERVICE_FIELD(keepalive_idle_s), .preset = "15s",
	  .reloadable = true,
	  .doc = "silence before the first probe" },
	{ .name = "keepalive.interval", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER,
	  .type = KEY_SECONDS, .min = 1, .max = 32767, SERVICE_FIELD(keepalive_interval_s),
	  .preset = "15s", .reloadable = true,
	  .doc = "time between probes" },
	{ .name = "keepalive.count", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER, .type = KEY_UINT,
	  .min = 1, .max = 127, SERVICE_FIELD(keepalive_count), .preset = "9", .reloadable = true,
	  .doc = "unanswered probes before the connection is given up" },
	{ .name = "backlog", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER, .type = KEY_UINT,
	  .min = 1, .max = 65535, SERVICE_FIELD(backlog), .preset = "4096",
	  .doc = "connections that may wait to be accepted" },
	{ .name = "reuseport", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER, .type = KEY_TRUE,
	  .preset = "true",
	  .doc = "SO_REUSEPORT, one socket for each worker; cannot be turned off" },

	{ .name = "keepalive", .alias = "http.keepalive", .scopes = SCOPE_HANDLER, .home = SCOPE_HANDLER,
	  .type = KEY_BOOL, SERVICE_FIELD(http_keepalive), .preset = "true", .reloadable = true,
	  .readers = "http auto",
	  .doc = "http: a connection to a target may serve the same client's next request" },

	{ .name = "ttl", .alias = "keepalive.ttl", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER,
	  .type = KEY_DURATION, .min = MS, .max = YEAR, SERVICE_FIELD(ttl_ns), .preset = "5s",
	  .reloadable = true,
	  .doc = "udp: a session that moves no datagram for this long ends, unless idleTimeout says otherwise" },
	{ .name = "readBufferSize", .alias = "udp.bufferSize", .scopes = SCOPE_LISTENER,
	  .home = SCOPE_LISTENER, .type = KEY_SIZE, .min = 1, .max = 65535, SERVICE_FIELD(read_buffer),
	  .preset = "65535",
	  .doc = "udp: longest datagram of a client; a longer one is dropped, never cut" },
	{ .name = "udp.sessions", .scopes = SCOPE_LISTENER, .home = SCOPE_LISTENER, .type = KEY_UINT,
	  .min = 1, .max = 1000000, SERVICE_FIELD(udp_sessions), .preset = "4096",
	  .doc = "udp: sessions on one worker; one more ends the one unused longest" },

	{ .name = "proxyProtocol", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_SEND,
	  NODE_FIELD(send_proxy), .reloadable = true,
	  .doc = "version of the PROXY header sent to this target; unset: the handler's" },
	{ .name = "proxyProtocol.dst", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_DST,
	  NODE_FIELD(send_dst_local), .reloadable = true, .doc = "the same for this target" },
	{ .name = "proxyProtocol.pass", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_TLV_TYPES,
	  NODE_FIELD(send_pass), .reloadable = true, .doc = "the same for this target" },
	{ .name = "proxyProtocol.add", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_TLVS,
	  NODE_FIELD(send_add), .reloadable = true, .doc = "the same for this target" },
	{ .name = "proxyProtocol.sendCrc32c", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_BOOL,
	  NODE_FIELD(send_crc32c), .reloadable = true, .doc = "the same for this target" },
	{ .name = "weight", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_UINT, .min = 1,
	  .max = 65535, NODE_FIELD(weight), .preset = "1", .reloadable = true,
	  .doc = "share of this target with strategy random" },
	{ .name = "backup", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_BOOL,
	  NODE_FIELD(backup), .preset = "false", .reloadable = true,
	  .doc = "used only while no other target works" },
	{ .name = "maxFails", .alias = "max_fails", .scopes = SCOPE_NODE, .home = SCOPE_NODE,
	  .type = KEY_UINT, .zero = true, .min = 1, .max = 1000000, NODE_FIELD(max_fails), .preset = "0",
	  .reloadable = true, .doc = "failures in a row after which this target is left out; 0: the selector's" },
	{ .name = "failTimeout", .alias = "fail_timeout", .scopes = SCOPE_NODE, .home = SCOPE_NODE,
	  .type = KEY_DURATION, .zero = true, .min = MS, .max = YEAR, NODE_FIELD(fail_timeout_ns),
	  .preset = "0", .reloadable = true, .doc = "how long it is left out; 0: the selector's" },
	{ .name = "probe.interval", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_DURATION,
	  .zero = true, .min = 10 * MS, .max = YEAR, NODE_FIELD(probe_interval_ns), .preset = "0",
	  .doc = "connect to this target this often, and leave it out while that fails; 0: never" },
	{ .name = "probe.timeout", .scopes = SCOPE_NODE, .home = SCOPE_NODE, .type = KEY_DURATION,
	  .min = MS, .max = HOUR, NODE_FIELD(probe_timeout_ns), .preset = "2s",
	  .doc = "time for such a connection to be made" },

	{ .name = "strategy", .scopes = SCOPE_SELECTOR, .home = SCOPE_SELECTOR, .type = KEY_STRATEGY,
	  SELECTOR_FIELD(strategy), .preset = "round", .reloadable = true,
	  .doc = "how a target is chosen: round, random, fifo, hash or parallel (all at once)" },
	{ .name = "maxFails", .alias = "max_fails", .scopes = SCOPE_SELECTOR, .home = SCOPE_SELECTOR,
	  .type = KEY_UINT, .zero = true, .min = 1, .max = 1000000, SELECTOR_FIELD(max_fails),
	  .preset = "1", .reloadable = true,
	  .doc = "failures in a row after which a target is left out; 0: the default" },
	{ .name = "failTimeout", .alias = "fail_timeout", .scopes = SCOPE_SELECTOR,
	  .home = SCOPE_SELECTOR, .type = KEY_DURATION, .zero = true, .min = MS, .max = YEAR,
	  SELECTOR_FIELD(fail_timeout_ns), .preset = "10s", .reloadable = true,
	  .doc = "how long it is left out; 0: the default (30s where -L gives another of the three)" },

	{ .name = "proxyProtocol", .scopes = SCOPE_HOP | SCOPE_PROXY, .home = SCOPE_HOP, .type = KEY_SEND,
	  CHAIN_FIELD(send_proxy), .reloadable = true,
	  .doc = "version of the PROXY header sent to the proxy; 0: none" },
	{ .name = "interface", .scopes = SCOPE_HOP | SCOPE_PROXY, .home = SCOPE_HOP, .type = KEY_INTERFACES,
	  CHAIN_FIELD(interface), .reloadable = true,
	  .doc = "interface or local address to connect from" },
	{ .name = "so_mark", .scopes = SCOPE_HOP | SCOPE_PROXY, .home = SCOPE_HOP, .type = KEY_UINT,
	  .min = 1, .max = UINT32_MAX, CHAIN_FIELD(so_mark), .reloadable = true,
	  .doc = "SO_MARK of the connection to the proxy" },
	{ .name = "netns", .scopes = SCOPE_HOP | SCOPE_PROXY, .home = SCOPE_HOP, .type = KEY_NETNS,
	  CHAIN_FIELD(netns), .reloadable = true,
	  .doc = "network namespace to connect from" },
	{ .name = "weight", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY, .type = KEY_UINT, .min = 1,
	  .max = 65535, CHAIN_FIELD(weight), .preset = "1", .reloadable = true,
	  .doc = "share of this node with strategy random" },
	{ .name = "backup", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY, .type = KEY_BOOL,
	  CHAIN_FIELD(backup), .preset = "false", .reloadable = true,
	  .doc = "used only while no other node of the hop works" },
	{ .name = "maxFails", .alias = "max_fails", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY,
	  .type = KEY_UINT, .zero = true, .min = 1, .max = 1000000, CHAIN_FIELD(max_fails),
	  .reloadable = true, .doc = "instead of the selector's" },
	{ .name = "failTimeout", .alias = "fail_timeout", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY,
	  .type = KEY_DURATION, .zero = true, .min = MS, .max = YEAR, CHAIN_FIELD(fail_timeout_ns),
	  .reloadable = true, .doc = "instead of the selector's" },
	{ .name = "probe.interval", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY, .type = KEY_DURATION,
	  .zero = true, .min = 10 * MS, .max = YEAR, CHAIN_FIELD(probe_interval_ns), .preset = "0",
	  .doc = "connect to this proxy this often, and leave it out while that fails; 0: never" },
	{ .name = "probe.timeout", .scopes = SCOPE_PROXY, .home = SCOPE_PROXY, .type = KEY_DURATION,
	  .min = MS, .max = HOUR, CHAIN_FIELD(probe_timeout_ns), .preset = "2s",
	  .doc = "time for such a connection to be made" },
	{ .name = "timeout", .alias = "connectTimeout", .scopes = SCOPE_CONNECTOR,
	  .home = SCOPE_CONNECTOR, .type = KEY_DURATION, .zero = true, .min = MS, .max = HOUR,
	  CHAIN_FIELD(connect_timeout_ns), .preset = "0", .reloadable = true,
	  .readers = "http socks socks4 socks4a socks5 relay",
	  .doc = "time for the proxy to answer, within dialTimeout; 0: no other limit" },
	{ .name = "disable4a", .scopes = SCOPE_CONNECTOR, .home = SCOPE_CONNECTOR, .type = KEY_BOOL,
	  CHAIN_FIELD(no_4a), .preset = "false", .reloadable = true,
	  .readers = "socks4 socks4a",
	  .doc = "socks4: names are resolved here" },
	{ .name = "notls", .scopes = SCOPE_CONNECTOR, .home = SCOPE_CONNECTOR, .type = KEY_BOOL,
	  CHAIN_FIELD(notls), .preset = "false", .reloadable = true,
	  .readers = "socks5 socks",
	  .doc = "socks5: accepted; TLS inside SOCKS is never spoken" },
	{ .name = "mux.version", .scopes = SCOPE_CONNECTOR, .home = SCOPE_CONNECTOR, .type = KEY_UINT, .min = 1, .max = 2,
	  CHAIN_FIELD(mux_version), .preset = "1", .reloadable = true,
	  .readers = "relay socks5 socks",
	  .doc = "smux of a reverse tunnel; the server must speak the same" },
	{ .name = "nodelay", .scopes = SCOPE_CONNECTOR, .home = SCOPE_CONNECTOR, .type = KEY_BOOL,
	  CHAIN_FIELD(nodelay), .preset = "false", .reloadable = true,
	  .readers = "relay",
	  .doc = "relay: wait for the server's answer; only for servers that give it at once" },

	{ .name = "workers", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_UINT,
	  .max = 64, PROCESS_FIELD(workers), .preset = "0",
	  .doc = "threads; 0: one for each CPU" },
	{ .name = "engine", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_ENGINE,
	  PROCESS_FIELD(engine), .preset = "auto", .reloadable = true,
	  .doc = "engine of services that do not name one" },
	{ .name = "budget", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_SIZE,
	  .min = MIB, .max = TIB, PROCESS_FIELD(budget_bytes), .preset = "256M",
	  .reloadable = true,
	  .doc = "kernel memory that all spliced flows together may fill" },
	{ .name = "flowBudget", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_SIZE,
	  .min = MIB, .max = TIB, PROCESS_FIELD(flow_budget_bytes), .preset = "16M",
	  .reloadable = true,
	  .doc = "kernel memory that one spliced flow may fill" },
	{ .name = "drainTimeout", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_DURATION,
	  .zero = true, .min = MS, .max = YEAR, PROCESS_FIELD(drain_timeout_ns), .preset = "30s",
	  .reloadable = true,
	  .doc = "how long SIGTERM waits for sessions to end; 0: not at all" },
	{ .name = "shake", .scopes = SCOPE_PROCESS, .home = SCOPE_PROCESS, .type = KEY_DURATION,
	  .zero = true, .min = MS, .max = YEAR, PROCESS_FIELD(shake_ns), .preset = "0",
	  .doc = "for tests: flows join and leave the kernel path at random, about this often; 0: never" },
};
/* clang-format on */
const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

const char *config_scope_name(unsigned scope)
{
	switch (scope) {
	case SCOPE_SERVICE:
		return "service";
	case SCOPE_HANDLER:
		return "handler";
	case SCOPE_LISTENER:
		return "listener";
	case SCOPE_NODE:
		return "node";
	case SCOPE_SELECTOR:
		return "selector";
	case SCOPE_PROCESS:
		return "gostbpf";
	case SCOPE_HOP:
		return "hop";
	case SCOPE_PROXY:
		return "node";
	case SCOPE_CONNECTOR:
		return "connector";
	case SCOPE_DIALER:
		return "dialer";
	case SCOPE_CHAIN:
		return "-F";
	default:
		return "-L";
	}
}

static bool lists(const char *words, const char *type)
{
	size_t len = strlen(type);

	for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == len && !strncasecmp(p, type, len))
			return true;
	return false;
}

bool config_key_is_read_by(const struct config_key *key, const char *type, const char *below)
{
	return !key->readers || (type && lists(key->readers, type)) || (below && lists(key->readers, below));
}

static bool is_named(const struct config_key *key, const char *name)
{
	return !strcasecmp(key->name, name) || (key->alias && !strcasecmp(key->alias, name));
}

static const struct config_key *find_row(const char *name, unsigned scopes)
{
	for (size_t i = 0; i < config_key_count; i++)
		if ((config_keys[i].scopes & scopes) && is_named(&config_keys[i], name))
			return &config_keys[i];
	return NULL;
}

/* What a service reads and what a chain reads are two worlds: a key of one is not misplaced in the other. */
static unsigned same_side(unsigned scopes)
{
	unsigned chains = SCOPE_CHAIN & ~SCOPE_SELECTOR;

	return scopes & chains ? SCOPE_CHAIN : ~chains;
}

/* Where to write it instead: every scope of the same side in which some row of this name is read. */
static void list_places(const char *name, unsigned side, char *out, size_t cap)
{
	static const struct {
		unsigned scope;
		const char *place;
	} places[] = {
		{SCOPE_SERVICE, "service"},   {SCOPE_HANDLER, "handler"},
		{SCOPE_LISTENER, "listener"}, {SCOPE_NODE, "nodes[].metadata (YAML)"},
		{SCOPE_SELECTOR, "selector"}, {SCOPE_HOP, "hop"}, {SCOPE_PROXY, "node of a hop"},
		{SCOPE_CONNECTOR, "connector"}, {SCOPE_DIALER, "dialer"},
		{SCOPE_PROCESS, "gostbpf section (YAML) or a flag"},
	};
	unsigned scopes = 0;
	size_t len = 0;

	for (size_t i = 0; i < config_key_count; i++)
		if (is_named(&config_keys[i], name))
			scopes |= config_keys[i].scopes;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (scopes & side & places[i].scope)
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? ", " : "",
						places[i].place);
}

static int fail_misplaced(const char *name, unsigned scopes, unsigned side, struct config_error *err)
{
	char places[240];

	list_places(name, side, places, sizeof(places));
	return config_fail(err, "key \"%s\" is not read in %s; it belongs in: %s", name,
			   config_scope_name(scopes), places);
}

static int fail_unknown(const char *name, unsigned scopes, struct config_error *err)
{
	char hint[CONFIG_HINT_MAX];
	struct config_nearest near = {.word = name};

	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].scopes & scopes)
			config_nearest_offer(&near, config_keys[i].name);
	for (size_t i = 0; i < config_key_count; i++)
		config_nearest_offer(&near, config_keys[i].name);
	config_nearest_offer_list(&near, config_gost_keys);
	return config_fail(err, "unknown key \"%s\"%s", name, config_nearest_hint(&near, hint));
}

int config_key_find(const char *name, unsigned scopes, const struct config_key **out,
		    struct config_error *err)
{
	const struct config_key *key = find_row(name, scopes);

	if (key) {
		*out = key;
		return 0;
	}
	if (find_row(name, same_side(scopes)))
		return fail_misplaced(name, scopes, same_side(scopes), err);
	if (config_list_has(config_gost_keys, name))
		return config_fail(err, "key \"%s\" is not supported yet", name);
	if (find_row(name, ~0u))
		return fail_misplaced(name, scopes, ~0u, err);
	return fail_unknown(name, scopes, err);
}
