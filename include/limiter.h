/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limiter.h - the connections of one service counted: how many a client has, how fast they come, how fast each may go.
 *
 * Why: one table for all three kinds of limit, because all three ask who the client is. All workers share it, so
 * it is cut into shards with a lock each; what counts for the whole service are atomics.
 * Owns: an entry for each client that has connections, and for a limited number that had some lately (their rate must be
 * remembered). Never: reads a clock, touches a socket.
 * See: user/limiter.c, user/limiter_bandwidth.c, limit_rules.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "limit_rules.h"

struct limiter;
struct limiter_entry;

#define LIMITER_IDLE_MAX 16384 /* clients without a connection that are remembered; the one seen longest ago goes */

/* Borrowed for the limiter's life; NULL: no limits of that kind. seed: random numbers that clients do not know. */
struct limiter_setup {
	const struct limit_rules *connections, *rate, *bandwidth;
	unsigned ipv6_bits; /* of an IPv6 address that say who a client is; 0: all */
	uint64_t seed[2];
};

int limiter_new(struct limiter **out, const struct limiter_setup *cfg);
void limiter_free(struct limiter *l); /* after every lease was returned */

enum limiter_verdict {
	LIMITER_PASS,
	LIMITER_CONNECTIONS, /* too many at the same time */
	LIMITER_RATE,        /* too many lately */
	LIMITER_MEMORY,
};

enum limiter_way { LIMITER_IN, LIMITER_OUT, LIMITER_WAYS }; /* from the client, to the client */

/* One connection's place. Zeroed before first use. */
struct limiter_lease {
	struct limiter_entry *entry; /* NULL: no rule is about this client alone */
	bool held;
	bool busy;
	uint64_t full_ns[LIMITER_WAYS]; /* of limiter_take() */
};

/* Anything but LIMITER_PASS counted nothing. now_ns: monotonic. */
enum limiter_verdict limiter_enter(struct limiter *l, struct limiter_lease *lease, const struct addr *client,
				   uint64_t now_ns);
void limiter_leave(struct limiter *l, struct limiter_lease *lease, uint64_t now_ns); /* idempotent */

/* Bytes each second; 0: not limited. in: from the client. */
struct limiter_pace {
	uint64_t in_bytes_s, out_bytes_s;
};
/*
 * What this connection may do now. What several share ("$", an address or network) is divided by those that are busy,
 * with this one among them.
 */
void limiter_pace(const struct limiter *l, const struct limiter_lease *lease, struct limiter_pace *out);
/* A connection begins busy when it is first told to be. */
void limiter_set_busy(struct limiter *l, struct limiter_lease *lease, bool busy);
bool limiter_has_bandwidth(const struct limiter *l);
/* Whether limiter_pace() may change while the lease is held. */
bool limiter_is_shared(const struct limiter *l, const struct limiter_lease *lease);

/* A datagram of so many bytes: false: it is over one of the limits, and counted against none. */
bool limiter_take(struct limiter *l, struct limiter_lease *lease, enum limiter_way way, size_t bytes, uint64_t now_ns);

/* For tests and metrics: connections that hold a lease, and clients in the table. */
unsigned limiter_connections(const struct limiter *l);
unsigned limiter_clients(struct limiter *l);
