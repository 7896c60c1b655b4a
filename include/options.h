/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - typed settings of a service, of a target and of the process, filled from the key table.
 *
 * Why: every key that somebody reads is one field here and one row in config_keys.c; the model in config.h keeps what
 * was written. A new key does not touch the model.
 * Owns: nothing: texts are borrowed from the metadata they were written in. Never: has a function.
 * See: config.h, config_keys.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy_policy.h"
#include "settings.h"

struct node_options {
	int send_proxy;	 /* -1 = the handler's, 0, 1, 2 */
	unsigned weight; /* for strategy random; default 1 */
	bool backup;
	unsigned max_fails;                 /* 0 = the selector's */
	uint64_t fail_timeout_ns;           /* 0 = the selector's */
	uint64_t probe_interval_ns;         /* active health check; 0 = none */
	uint64_t probe_timeout_ns;          /* default 2 s */
	int send_dst_local, send_crc32c;    /* -1 = the handler's, 0, 1 */
	const char *send_pass, *send_add;   /* as in service_options; NULL = the handler's */
};

/* Where our PROXY header stands when the payload is datagrams. */
enum udp_header { UDP_HEADER_EACH, UDP_HEADER_FIRST };

/* Typed view of a service's metadata, filled by config_resolve() from the key table. */
struct service_options {
	bool recv_proxy;		/* proxyProtocol: a PROXY header may open a connection */
	uint64_t recv_proxy_timeout_ns; /* whole header; default 10 s */
	size_t recv_proxy_max;		/* bytes; default 4096, 16..65551 */
	enum proxy_policy recv_policy, recv_untrusted;
	unsigned recv_versions;		/* bit 1: version 1, bit 2: version 2 */
	enum proxy_crc recv_crc;
	uint64_t recv_wait_ns;		/* for a silent client, where a header is optional; default the timeout */
	const char *recv_from;		/* trusted networks, checked text in the metadata; NULL: everybody */
	bool recv_log_tlv, recv_reject_unspec, recv_v4_in_tcp6;
	bool recv_remember; /* udp: a header counts for its sender's later datagrams, too */
	int send_proxy;			/* handler.proxyProtocol: 0, 1 or 2 */
	int send_dst_local, send_crc32c; /* 0 or 1 */
	const char *send_pass, *send_add; /* TLVs: lists as checked text in the metadata; NULL: none */
	enum engine_kind engine;
	bool comp;                     /* socks5: streams of an opened port do not say who came (GOST 2) */
	bool bind, udp, notls;         /* socks5: commands that are allowed; notls changes nothing */
	uint64_t udp_buffer;           /* socks5, relay: changes nothing */
	unsigned mux_version;          /* socks5, relay: of smux in a tunnel; 0: 1 */
	bool nodelay;		       /* relay: accepted; its server always answers at once */
	uint64_t handshake_timeout_ns; /* readTimeout: the conversation with the client; default 15 s */
	const char *auth_realm;	       /* http: named in the answer to who has no credentials */
	const char *proxy_agent;       /* http: Proxy-Agent of answers to CONNECT */
	bool http_keepalive;	       /* http: connections to targets are used again; default true */
	bool hash_host;		       /* strategy hash of a chain: by the target, not by the client */
	uint64_t dial_timeout_ns;      /* per connection to a target; default 15 s */
	uint64_t idle_timeout_ns;      /* no byte either way; 0 = never */
	bool keepalive;		       /* default true */
	unsigned keepalive_idle_s;     /* default 15 (Go's) */
	unsigned keepalive_interval_s; /* default 15 */
	unsigned keepalive_count;      /* default 9 */
	uint64_t user_timeout_ns;      /* TCP_USER_TIMEOUT both sides; 0 = the kernel's default */
	unsigned backlog;	       /* listen(2); default 4096 */
	unsigned retries;	       /* further attempts at a target; default 0 */
	enum udp_header udp_header;    /* udp: in front of each datagram (default) or of a session's first */
	uint64_t ttl_ns;	       /* udp: idle limit of a session where idle_timeout_ns is 0; default 5 s */
	uint64_t read_buffer;	       /* udp: longest datagram of a client; default 65535 */
	unsigned udp_sessions;	       /* udp: on one worker; default 4096 */
	unsigned so_mark;	       /* of connections to targets; 0: none */
	const char *interface;	       /* of connections to targets: checked text in the metadata; NULL: none */
	const char *netns, *netns_out; /* where it listens, where it connects; NULL: the process's own */
	unsigned limit_ipv6_bits;      /* limits: bits of an IPv6 address that say who a client is; default 128 */
	bool transparent;	       /* connect from the client's address */
};

/* Process-wide settings: the gostbpf: section of YAML, and flags of the same names (flags win). */
struct process_options {
	unsigned workers;	    /* 0 = online CPUs */
	enum engine_kind engine;    /* default for services that do not say */
	uint64_t budget_bytes;	    /* kernel memory for all spliced flows; default 256 MiB */
	uint64_t flow_budget_bytes; /* at most for one flow; default 16 MiB */
	uint64_t drain_timeout_ns;  /* SIGTERM; default 30 s */
	uint64_t shake_ns;	    /* tests: flows join and leave the kernel path at random, about so often; 0: never */
};
