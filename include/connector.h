/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector.h - an outbound protocol: how to ask a proxy for a connection to somewhere else.
 *
 * Why: a connector is a conversation of a few messages, not I/O: it is given what the proxy said and appends what to say
 * next. So each is tested with byte arrays, and chain, TLS, deadlines and sockets are route.c's alone.
 * Owns: nothing; a connection's state is struct connector, embedded in its user.
 * Never: reads past the end of its own conversation: bytes behind it are the next one's (consumed says where it ended).
 * See: user/registry.c (names them), user/route.c (runs them).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct connector;
struct connector_ops;
struct datagram_framing;

enum connector_result {
	CONNECTOR_MORE,   /* feed it what comes next */
	CONNECTOR_DONE,   /* the way is open */
	CONNECTOR_FAILED, /* the proxy refused or broke the protocol: error says what */
};

enum connector_command {
	CONNECTOR_CONNECT,
	CONNECTOR_BIND,     /* a port for one peer, whose connection this one becomes */
	CONNECTOR_UDP,      /* a way for datagrams to one target: framed as connector_ops.udp says */
	CONNECTOR_UDP_BIND, /* a port for datagrams of many, framed as connector_ops.udp_bind says */
	CONNECTOR_MUX_BIND, /* a port for many: behind the answer smux begins, each peer is a stream that the proxy opens */
};

/* What is asked for. Borrowed for the whole conversation. */
struct connector_request {
	enum connector_command command;
	const char *host; /* a name or a numeric address without brackets; "" where only a port is known (MUX_BIND) */
	uint16_t port;
	const char *user, *password; /* NULL: none */
	const char *agent;           /* http: User-Agent; NULL: the default */
	unsigned mux_version;        /* MUX_BIND: of smux behind the answer; 0: 1 */
	bool no_4a;                  /* socks4: only numeric IPv4 (disable4a) */
	bool nodelay;                /* relay: the proxy answers at once, so its answer is awaited */
};

#define CONNECTOR_OUT_MAX  2048 /* the longest single message of any connector */
#define CONNECTOR_IN_MAX   16384 /* the most one answer may take */

struct connector {
	const struct connector_ops *ops;
	const struct connector_request *req;
	uint8_t step;             /* the protocol's own */
	uint8_t scratch[30];      /* the same */
	bool late;                /* set by begin(): the way may be used before the answer, which is then in front of the
				     first payload: whoever has the connection takes it off with input() */
	struct addr bound;        /* what the proxy says it connected from or bound; may be unset */
	struct addr peer;         /* CONNECTOR_BIND: who came, where the connection itself becomes the way (socks5) */
	char error[160];          /* CONNECTOR_FAILED: a sentence without the node's name */
	uint8_t out[CONNECTOR_OUT_MAX];
	size_t out_len;           /* filled by begin() and input(); its user sends it and sets it to 0 */
};

struct connector_ops {
	const char *name;
	bool transparent; /* speaks nothing: the node's connection itself is the way ("tcp", "forward") */
	/* Fills out with the first message. 0, or -errno with error filled (a name too long for the protocol, ...). */
	int (*begin)(struct connector *c);
	/*
	 * CONNECTOR_BIND with socks5 is told twice: bound is set while the answer is still CONNECTOR_MORE (a peer may take
	 * its time, so no deadline then), peer with CONNECTOR_DONE.
	 * len bytes are there, all that is unread. Sets *consumed to what it took (on CONNECTOR_MORE it may be less than len:
	 * the rest comes again with more behind it). Takes no byte behind its own last one.
	 */
	enum connector_result (*input)(struct connector *c, const uint8_t *data, size_t len, size_t *consumed);
	/* What a stream begins with (CONNECTOR_MUX_BIND): who is there. NULL: the protocol has no such command. */
	enum connector_result (*visitor)(const uint8_t *data, size_t len, struct addr *peer, size_t *consumed);
	const struct datagram_framing *udp, *udp_bind; /* NULL: the protocol carries no datagrams */
};

extern const struct connector_ops connector_tcp_ops;
extern const struct connector_ops connector_http_ops;
extern const struct connector_ops connector_forward_ops;
extern const struct connector_ops connector_socks4_ops, connector_socks4a_ops, connector_socks5_ops, connector_socks_ops;
extern const struct connector_ops connector_relay_ops;
extern const struct connector_ops connector_http_ops;
