/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_table.c - see udp_table.h.
 *
 * Why SipHash: with a hash that clients can predict, a few thousand chosen source ports make every look-up walk one chain.
 * Owns: the buckets. Never: allocates after udp_table_init().
 * See: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 */
#include "udp_table.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* --- hash ---------------------------------------------------------------------------------------- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *s, int rounds)
{
	while (rounds--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

uint64_t udp_table_hash(const uint64_t seed[2], const void *data, size_t len)
{
	const uint8_t *in = data;
	struct sip s = {seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d, seed[0] ^ 0x6c7967656e657261,
			seed[1] ^ 0x7465646279746573};
	uint64_t word, last = 0;

	for (size_t left = len; left >= sizeof(word); left -= sizeof(word), in += sizeof(word)) {
		memcpy(&word, in, sizeof(word));
		sip_word(&s, le64toh(word));
	}
	memcpy(&last, in, len % sizeof(last));
	sip_word(&s, le64toh(last) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
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
	uint64_t hash = udp_table_hash(table->seed, key, sizeof(*key));
	struct udp_entry *entry = *bucket_of(table, hash);

	while (entry && (entry->hash != hash || !udp_key_equal(&entry->key, key)))
		entry = entry->chain;
	return entry;
}

void udp_table_insert(struct udp_table *table, struct udp_entry *entry, uint64_t now_ns)
{
	struct udp_entry **bucket;

	assert(!udp_table_is_full(table));
	entry->hash = udp_table_hash(table->seed, &entry->key, sizeof(entry->key));
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
