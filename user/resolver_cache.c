/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_cache.c - see resolver_cache.h.
 *
 * Why: uthash keeps its elements in insertion order, so its head is the oldest entry without a list of our
 * own. A name in use that is evicted costs one more lookup, which is why not even that is avoided.
 */
#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include "resolver_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct resolver_entry *resolver_cache_find(const struct resolver_cache *cache, const char *host)
{
	struct resolver_entry *entry;

	HASH_FIND_STR(cache->by_host, host, entry);
	return entry;
}

static bool insert(struct resolver_cache *cache, struct resolver_entry *entry)
{
	HASH_ADD_KEYPTR(hh, cache->by_host, entry->host, strlen(entry->host), entry);
	return entry->hh.tbl != NULL;
}

static void drop(struct resolver_cache *cache, struct resolver_entry *entry)
{
	HASH_DEL(cache->by_host, entry);
	free(entry);
}

/* Makes room for one. Entries in flight stay: their number is bounded by those who wait. */
static void evict(struct resolver_cache *cache)
{
	struct resolver_entry *entry = cache->by_host, *next;
	unsigned excess = HASH_COUNT(cache->by_host) + 1;

	excess = excess > RESOLVER_CACHE_MAX ? excess - RESOLVER_CACHE_MAX : 0;
	for (; entry && excess; entry = next) {
		next = entry->hh.next;
		if (entry->in_flight)
			continue;
		drop(cache, entry);
		excess--;
	}
}

struct resolver_entry *resolver_cache_add(struct resolver_cache *cache, const char *host)
{
	size_t size = strlen(host) + 1;
	struct resolver_entry *entry = calloc(1, sizeof(*entry) + size);

	if (!entry)
		return NULL;
	memcpy(entry->host, host, size);
	evict(cache);
	if (insert(cache, entry))
		return entry;
	free(entry);
	return NULL;
}

void resolver_cache_fini(struct resolver_cache *cache)
{
	while (cache->by_host)
		drop(cache, cache->by_host);
}

static bool contains(const struct resolver_entry *entry, const struct addr *a)
{
	for (size_t i = 0; i < entry->count; i++)
		if (addr_equal(&entry->addrs[i], a))
			return true;
	return false;
}

/* The next address of (or, with same false, not of) the family, from *at on. */
static const struct addr *next_of(const struct addr *addrs, size_t count, size_t *at, int family, bool same)
{
	while (*at < count) {
		const struct addr *a = &addrs[(*at)++];
		if ((addr_family(a) == family) == same)
			return a;
	}
	return NULL;
}

/* RFC 8305 section 4: the first family leads, then they alternate, so that a dead family costs one try. */
static void interleave(struct resolver_entry *entry, const struct addr *addrs, size_t count)
{
	size_t lead_at = 0, other_at = 0;
	bool lead = true;

	entry->count = 0;
	while ((lead_at < count || other_at < count) && entry->count < RESOLVER_ADDRS_MAX) {
		const struct addr *a =
			next_of(addrs, count, lead ? &lead_at : &other_at, addr_family(&addrs[0]), lead);
		if (a && !contains(entry, a))
			entry->addrs[entry->count++] = *a;
		lead = !lead;
	}
}

static uint64_t clamp(uint64_t v, uint64_t least, uint64_t most)
{
	return v < least ? least : v > most ? most : v;
}

void resolver_cache_store(struct resolver_entry *entry, const struct addr *addrs, size_t count,
			  uint64_t ttl_ns, uint64_t now_ns)
{
	interleave(entry, addrs, count);
	entry->failure = 0;
	entry->fresh_until_ns = now_ns + clamp(ttl_ns, RESOLVER_TTL_MIN_NS, RESOLVER_TTL_MAX_NS);
	entry->stale_until_ns = entry->fresh_until_ns + RESOLVER_STALE_NS;
}

void resolver_cache_fail(struct resolver_entry *entry, int status, uint64_t now_ns)
{
	entry->failure = status;
	entry->failed_until_ns = now_ns + RESOLVER_FAILURE_NS;
	if (status == -ENOENT)
		entry->count = 0;
}

bool resolver_cache_has_stale(const struct resolver_entry *entry, uint64_t now_ns)
{
	return entry->count && now_ns < entry->stale_until_ns;
}

enum resolver_verdict resolver_cache_judge(const struct resolver_entry *entry, uint64_t now_ns)
{
	bool failed = entry->failure && now_ns < entry->failed_until_ns;

	if (entry->count && now_ns < entry->fresh_until_ns)
		return RESOLVER_USE;
	if ((failed || entry->impatient) && resolver_cache_has_stale(entry, now_ns))
		return RESOLVER_USE;
	return failed ? RESOLVER_REFUSE : RESOLVER_ASK;
}
