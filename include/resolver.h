/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver.h - names to addresses, asynchronously, with a cache that respects TTLs.
 *
 * Why: a lookup must never hold up a loop, and an upstream that moves must be followed. One resolver per
 * worker (c-ares channel on the worker's loop), so no locks. Stale answers are served while a refresh fails.
 * Owns: the c-ares channel, the cache. Callers own their requests (embedded).
 * Never: blocks, calls back after resolver_cancel().
 * See: ares_getaddrinfo(3), user/resolver.c, resolver_cache.h (what is kept, and for how long).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct loop;
struct resolver;
struct resolver_request;

#define RESOLVER_ADDRS_MAX 8

/*
 * status 0: addrs in the order to try them (RFC 6724 as c-ares sorts, families interleaved), port already set.
 * status <0: -errno (-ENOENT: no such host), error is a sentence ("lookup x: no such host"). Borrowed for the
 * call. The request is no longer pending: it may be freed or used again from inside.
 */
typedef void (*resolver_fn)(struct resolver_request *req, int status, const struct addr *addrs, size_t count,
			    const char *error);

/* Embedded in its user; zeroed before first use. */
struct resolver_request {
	struct resolver_request *next, **prev; /* waiters of one lookup; prev NULL = not pending */
	uint16_t port;
	resolver_fn fn;
};

int resolver_new(struct resolver **out, struct loop *loop);
/* Pending requests are forgotten without a call. Before loop_free(); not from inside a resolver_fn. */
void resolver_free(struct resolver *r);

/*
 * Numeric text (a zone as in fe80::1%eth0 too) and cached names answer at once, from inside this call. An
 * empty host is this machine: 127.0.0.1 then ::1 (Go's meaning of ":80" in a dial). port in host byte order.
 */
void resolver_lookup(struct resolver *r, struct resolver_request *req, const char *host, uint16_t port,
		     resolver_fn fn);
void resolver_cancel(struct resolver *r, struct resolver_request *req); /* idempotent */

/* Where and how to ask; a zeroed member means the default. */
struct resolver_config {
	const char *servers;	 /* "10.0.0.1:53,[2001:db8::1]:53"; default: from resolv.conf */
	const char *resolv_conf; /* default /etc/resolv.conf; its changes are followed */
	uint16_t port;		 /* of servers without one; default 53 */
	unsigned timeout_ms;	 /* of the first try, doubled with each further one; default 1500 */
	unsigned tries;		 /* per server; default 3 */
	bool tcp;		 /* ask by TCP only */
	int prefer;		 /* AF_INET or AF_INET6: these addresses lead; default: as RFC 6724 sorts */
};
/* Copies what it needs; keeps the cache. 0, -EINVAL (servers), -EBUSY (a lookup in flight), or -ENOMEM. */
int resolver_configure(struct resolver *r, const struct resolver_config *cfg);
/* The same with only other servers. */
int resolver_set_servers(struct resolver *r, const char *csv);
