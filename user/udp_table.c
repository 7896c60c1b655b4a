/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_table.c - see udp_table.h.
 *
 * Why SipHash: with a hash that clients can predict, a few thousand chosen source ports make every look-up walk one chain.
 * Owns: the buckets. Never: allocates after udp_table_init().
 * See: siphash.h.
 */
#include "udp_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"

_Static_assert(sizeof(struct udp_key) == 4 * 18 + 4, "padding would be hashed");

/* --- keys ---------------------------------------------------------------------------------------- */

static void point_make(struct udp_point *point, const struct addr *from)
{
	struct addr wide;

	if (!from || (addr_family(from) != AF_INET && addr_family(from) != AF_INET6))
		return;
	wide = *from;
	addr_map(&wide);
	memcpy(point->ip, &wide.in6.sin6_addr, sizeof(point->ip));
	point->port = addr_port(from);
}

void udp_key_make(struct udp_key *key, const struct addr *peer, const struct addr *local, const struct addr *client,
		  const struct addr *client_dst)
{
	memset(key, 0, sizeof(*key));
	point_make(&key->peer, peer);
	point_make(&key->local, local);
	point_make(&key->client, client);
	point_make(&key->client_dst, client_dst);
	key->zone = addr_family(peer) == AF_INET6 ? peer->in6.sin6_scope_id : 0;
}

bool udp_key_equal(const struct udp_key *a, const struct udp_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- list by use ---------------------------------------------------------------------------------- */

static void list_append(struct udp_table *table, struct udp_entry *entry)
{
	entry->newer = NULL;
	entry->older = table->newest;
	if (table->newest)
		table->newest->newer = entry;
	else
		table->oldest = entry;
	table->newest = entry;
}

static void list_remove(struct udp_table *table, struct udp_entry *entry)
{
	*(entry->older ? &entry->older->newer : &table->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &table->newest) = entry->older;
}

/* --- table ---------------------------------------------------------------------------------------- */

int udp_table_init(struct udp_table *table, size_t max, const uint64_t seed[2])
{
	size_t buckets = 16;

	while (buckets < max)
		buckets *= 2;
	*table = (struct udp_table){.mask = buckets - 1, .max = max, .seed = {seed[0], seed[1]}};
	table->buckets = calloc(buckets, sizeof(struct udp_entry *));
	return table->buckets ? 0 : -ENOMEM;
}

void udp_table_fini(struct udp_table *table)
{
	free(table->buckets);
	table->buckets = NULL;
}

static struct udp_entry **bucket_of(const struct udp_table *table, uint64_t hash)
{
	return &table->buckets[hash & table->mask];
}

struct udp_entry *udp_table_find(const struct udp_table *table, const struct udp_key *key)
{
	uint64_t hash = siphash(table->seed, key, sizeof(*key));
	struct udp_entry *entry = *bucket_of(table, hash);

	while (entry && (entry->hash != hash || !udp_key_equal(&entry->key, key)))
		entry = entry->chain;
	return entry;
}

void udp_table_insert(struct udp_table *table, struct udp_entry *entry, uint64_t now_ns)
{
	struct udp_entry **bucket;

	assert(!udp_table_is_full(table));
	entry->hash = siphash(table->seed, &entry->key, sizeof(entry->key));
	entry->used_ns = now_ns;
	bucket = bucket_of(table, entry->hash);
	entry->chain = *bucket;
	*bucket = entry;
	list_append(table, entry);
	table->count++;
}

void udp_table_touch(struct udp_table *table, struct udp_entry *entry, uint64_t now_ns)
{
	entry->used_ns = now_ns;
	if (table->newest == entry)
		return;
	list_remove(table, entry);
	list_append(table, entry);
}

void udp_table_remove(struct udp_table *table, struct udp_entry *entry)
{
	struct udp_entry **at = bucket_of(table, entry->hash);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	list_remove(table, entry);
	table->count--;
}
