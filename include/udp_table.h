/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_table.h - which UDP session a datagram belongs to: a bounded hash table that is also a list by last use.
 *
 * Why: anybody can invent source addresses, so the number of sessions has a limit, the hash has a secret key, and the one to
 * go is always at hand. All sessions of a table have the same idle limit, so the order of use is the order of expiry.
 * Owns: the buckets. Entries are embedded in what the caller allocates.
 * Never: frees an entry, reads a clock, belongs to two threads.
 * See: include/udp_service.h, tests/unit/test_udp_table.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/* IPv4 as v4-mapped, so that one form fits both. Without padding: keys are compared and hashed as bytes. */
struct udp_point {
	uint8_t ip[16];
	uint16_t port;
};

struct udp_key {
	struct udp_point peer, local;        /* the datagram's own addresses */
	struct udp_point client, client_dst; /* from a PROXY header; zero without one */
	uint32_t zone;                       /* of a link-local peer */
};

/* client and client_dst: NULL or unset without a header. */
void udp_key_make(struct udp_key *key, const struct addr *peer, const struct addr *local, const struct addr *client,
		  const struct addr *client_dst);
bool udp_key_equal(const struct udp_key *a, const struct udp_key *b);

struct udp_entry {
	struct udp_key key;
	uint64_t hash, used_ns;
	struct udp_entry *chain; /* same bucket */
	struct udp_entry *older, *newer;
};

struct udp_table {
	struct udp_entry **buckets;
	size_t mask, count, max;
	uint64_t seed[2];
	struct udp_entry *oldest, *newest;
};

/* 0 or -ENOMEM. seed: random numbers that clients do not know. */
int udp_table_init(struct udp_table *table, size_t max, const uint64_t seed[2]);
void udp_table_fini(struct udp_table *table); /* of an empty table; idempotent */

struct udp_entry *udp_table_find(const struct udp_table *table, const struct udp_key *key);
/* entry->key is set and not in the table, which is not full. */
void udp_table_insert(struct udp_table *table, struct udp_entry *entry, uint64_t now_ns);
void udp_table_touch(struct udp_table *table, struct udp_entry *entry, uint64_t now_ns);
void udp_table_remove(struct udp_table *table, struct udp_entry *entry);

static inline bool udp_table_is_full(const struct udp_table *table)
{
	return table->count >= table->max;
}
