/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_outside.h - datagrams between one client and the world: sockets towards any target, names, lists, counts.
 *
 * Why apart from the protocols: UDP ASSOCIATE, UDP-TUN and relay's BIND differ in how the client's datagrams reach us, no more.
 * Why one socket for each family: it serves every target, so an association costs a few descriptors, whatever it does. A port that
 * the client asked for is one socket at that address.
 * Owns: the sockets, datagrams that wait for their target's address. Never: cuts a datagram, goes round a chain (its user
 * dials where there is one), resolves but through the service's hosts and resolver.
 * See: user/handler_socks5_udp.c, user/handler_udp_tun.c, user/handler_outside_chain.c.
 */
#pragma once

#include "loop.h"
#include "proto_socks.h"
#include "resolver.h"
#include "session.h"

struct outside;
struct outside_chain;

enum { OUTSIDE_LOOKUPS = 4, OUTSIDE_ROOM = 512 };

struct outside_ops {
	/* OUTSIDE_ROOM bytes in front of payload may be written to. False: it is lost. */
	bool (*arrived)(struct outside *o, uint8_t *payload, size_t len, const struct addr *from);
	void (*paused)(struct outside *o); /* those that came together are through; may be NULL */
	/* Through a chain: the way is there, or error says why there is none. */
	void (*ready)(struct outside *o, const char *error);
	void (*lost)(struct outside *o, int err); /* and later: it is gone; err 0: in order, otherwise -errno */
};

struct outside_lookup {
	struct resolver_request req;
	struct resolver *resolver;
	struct outside *outside;
	uint8_t *data; /* NULL: free */
	size_t len;
};

struct outside {
	struct session *s;
	const struct outside_ops *ops;
	struct loop_io io[2]; /* IPv4 and IPv6, from the first datagram for one on; bound: the first is for both */
	struct addr at; /* of the port that was opened; unset: none was */
	struct outside_chain *chain; /* instead of sockets */
	bool too_big;
	uint64_t sent, returned, dropped;
	struct outside_lookup lookups[OUTSIDE_LOOKUPS];
};

void outside_init(struct outside *o, struct session *s, const struct outside_ops *ops);
void outside_close(struct outside *o); /* nothing more comes or goes; also from inside a callback; idempotent */
void outside_free(struct outside *o);  /* what is left of it; not from inside a callback */
/* Listens at at (o->at says where that is); every datagram leaves from there. 0 or -errno. */
int outside_bind(struct outside *o, const struct addr *at);
/* Through the service's chain: in SESSION_EXCHANGE; ends in ready(). 0, or -errno: it has none that could. */
int outside_dial(struct outside *o);
/* To a target that the service's lists allow; counted as sent or dropped. */
void outside_send(struct outside *o, const struct socks_target *to, const uint8_t *data, size_t len);
/* Those that were sent together have been. May end the session. */
void outside_flush(struct outside *o);
/* One record with the counts. */
void outside_log_totals(const struct outside *o);

/* A datagram socket with room for a burst, or -errno. */
int outside_socket(const struct socket_place *place, int family);
