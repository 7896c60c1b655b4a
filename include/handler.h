/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.h - an inbound protocol: what happens between the PROXY header and the choice of a target.
 *
 * Why: a new protocol is one file that fills this and one row in the registry. The session keeps time and size, reads and
 * closes; a handler looks at bytes and decides.
 * Owns: nothing but what it puts into s->handshake. Never: touches the sockets after session_connect(): the engine has
 * them then.
 * See: include/session.h, user/registry.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct route_result;
struct session;

/* Why there is no way to the target. */
enum dial_outcome {
	DIAL_OK,
	DIAL_NO_NODE,     /* nothing to choose from */
	DIAL_BYPASSED,    /* the configuration forbids it */
	DIAL_UNRESOLVED,  /* no such name */
	DIAL_REFUSED,     /* the target's host answered: refused */
	DIAL_UNREACHABLE, /* no route, network down */
	DIAL_TIMEOUT,
	DIAL_CHAIN,       /* a hop on the way failed */
};

struct handler_ops {
	const char *name;
	bool needs_target; /* forwards to the forwarder's nodes */
	bool chooses;      /* only finds out whose session it is (auto): its own records are for debugging */
	size_t input_max;  /* longest that may be unconsumed during the handshake; 0: nothing is read before the dial */
	/* The session is in SESSION_HANDSHAKE. Ends in session_connect*(), session_refuse() or session_fail(), now or later. */
	void (*start)(struct session *s);
	/* There is (more) in s->input; after start() too, when the PROXY header had bytes behind it. */
	void (*input)(struct session *s);
	/* The upstream is there: session_reply() the good news; or session_take(). NULL: nothing to say. */
	void (*connected)(struct session *s);
	/* The same where s->datagrams was set: a datagram socket, or a stream framed as res->last says. Ends in session_take(). */
	void (*datagrams)(struct session *s, const struct route_result *res);
	/* It cannot be had: session_refuse(). NULL: the client is reset. */
	void (*refused)(struct session *s, enum dial_outcome why);
	/* The process ends: who only waits for others should end, too. NULL: nobody does. */
	void (*drain)(struct session *s);
	/* Frees s->handshake. Called once, also after start() failed half-way. */
	void (*release)(struct session *s);
};

extern const struct handler_ops handler_tcp_ops;
extern const struct handler_ops handler_socks4_ops;
extern const struct handler_ops handler_socks5_ops;
extern const struct handler_ops handler_auto_ops;
extern const struct handler_ops handler_http_ops;
extern const struct handler_ops handler_relay_ops;
