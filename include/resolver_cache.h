/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_cache.h - what is known about a name, and whether that is good enough now.
 *
 * Why: the rules about age (fresh, stale, failed lately) are easy to get wrong, so they are here without
 * sockets and with the time as an argument.
 * Owns: the entries. An entry in flight is never evicted, so its address may be given to c-ares.
 * Never: asks anybody, reads a clock.
 * See: resolver.c, RFC 8767 (serving stale data), tests/unit/test_resolver_cache.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "addr.h"
#include "loop.h"
#include "resolver.h"

#define RESOLVER_CACHE_MAX   4096
#define RESOLVER_TTL_MIN_NS  (1ULL * 1000 * 1000 * 1000)
#define RESOLVER_TTL_MAX_NS  (3600ULL * 1000 * 1000 * 1000)
#define RESOLVER_STALE_NS    (24 * RESOLVER_TTL_MAX_NS) /* after it expired; RFC 8767 suggests 1 to 3 days */
#define RESOLVER_FAILURE_NS  (1ULL * 1000 * 1000 * 1000)
#define RESOLVER_PATIENCE_NS (2ULL * 1000 * 1000 * 1000) /* for a new answer, while a stale one is at hand */

struct resolver_entry {
	UT_hash_handle hh;
	struct resolver *resolver;
	struct resolver_request *waiters; /* the last one first */
	struct resolver_entry *next_done;
	struct loop_timer patience;
	bool in_flight;
	bool impatient; /* in flight for too long: the stale answer is given meanwhile */
	int failure;	/* of the last lookup: -errno, or 0 */
	uint64_t failed_until_ns;
	uint64_t fresh_until_ns, stale_until_ns; /* of addrs */
	size_t count;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char host[]; /* lower case */
};

struct resolver_cache {
	struct resolver_entry *by_host; /* uthash; its order is the order of insertion */
};

struct resolver_entry *resolver_cache_find(const struct resolver_cache *cache, const char *host);
/* host must be new. Evicts the oldest idle entries. NULL when out of memory. */
struct resolver_entry *resolver_cache_add(struct resolver_cache *cache, const char *host);
/* Frees every entry, whatever its state. */
void resolver_cache_fini(struct resolver_cache *cache);

/* A good answer: interleaves families, drops repeats, keeps at most RESOLVER_ADDRS_MAX. ttl_ns is clamped. */
void resolver_cache_store(struct resolver_entry *entry, const struct addr *addrs, size_t count,
			  uint64_t ttl_ns, uint64_t now_ns);
/* A failed lookup: -ENOENT is an answer and ends what was known before, everything else is not. */
void resolver_cache_fail(struct resolver_entry *entry, int status, uint64_t now_ns);

enum resolver_verdict { RESOLVER_ASK, RESOLVER_USE, RESOLVER_REFUSE };
/* ASK (or wait for the lookup in flight), USE addrs, or REFUSE with entry->failure. */
enum resolver_verdict resolver_cache_judge(const struct resolver_entry *entry, uint64_t now_ns);
/* True when there are addresses that may be given if nothing better comes. */
bool resolver_cache_has_stale(const struct resolver_entry *entry, uint64_t now_ns);
