/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_udp_table.c - keys that differ in one place, the order of use, the limit, and the hash against its paper.
 *
 * See: include/udp_table.h.
 */
#include "siphash.h"
#include "udp_table.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const uint64_t seed[2] = {1, 2};

static struct addr at(const char *ip, uint16_t port)
{
	struct addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&a, ip, strlen(ip), port), 0);
	return a;
}

static struct udp_key key_of(const char *peer, uint16_t port, const char *client)
{
	struct addr p = at(peer, port), l = at("192.0.2.1", 53), c = {0}, d = {0};
	struct udp_key key;

	if (client) {
		c = at(client, port);
		d = l;
	}
	udp_key_make(&key, &p, &l, &c, &d);
	return key;
}

/* The reference's vectors: key 00..0f, messages 00, 00 01, ... */
static void test_hash(void)
{
	static const uint64_t sip_key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const struct {
		size_t len;
		uint64_t want;
	} rows[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}};
	uint8_t text[16];

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(siphash(sip_key, text, rows[i].len), rows[i].want);
}

static void test_seed_matters(void)
{
	static const uint64_t other[2] = {1, 3};
	struct udp_key key = key_of("198.51.100.1", 1, NULL);

	CU_ASSERT_NOT_EQUAL(siphash(seed, &key, sizeof(key)), siphash(other, &key, sizeof(key)));
}

static void test_keys(void)
{
	struct udp_key a = key_of("198.51.100.1", 1000, NULL), b;
	struct addr peer = at("198.51.100.1", 1000), local = at("192.0.2.2", 53);

	b = key_of("198.51.100.1", 1000, NULL);
	CU_ASSERT(udp_key_equal(&a, &b));
	b = key_of("198.51.100.1", 1001, NULL);
	CU_ASSERT_FALSE(udp_key_equal(&a, &b));
	b = key_of("198.51.100.2", 1000, NULL);
	CU_ASSERT_FALSE(udp_key_equal(&a, &b));
	b = key_of("198.51.100.1", 1000, "203.0.113.1");
	CU_ASSERT_FALSE(udp_key_equal(&a, &b));
	udp_key_make(&b, &peer, &local, NULL, NULL);
	CU_ASSERT_FALSE(udp_key_equal(&a, &b));
	addr_map(&peer); /* what a dual-stack socket says is the same client */
	local = at("192.0.2.1", 53);
	udp_key_make(&b, &peer, &local, NULL, NULL);
	CU_ASSERT(udp_key_equal(&a, &b));
}

static void test_zone(void)
{
	struct addr peer = at("fe80::1", 1), local = at("fe80::2", 53);
	struct udp_key a, b;

	udp_key_make(&a, &peer, &local, NULL, NULL);
	peer.in6.sin6_scope_id = 2;
	udp_key_make(&b, &peer, &local, NULL, NULL);
	CU_ASSERT_FALSE(udp_key_equal(&a, &b));
}

enum { MANY = 1000 };

static void insert_many(struct udp_table *table, struct udp_entry *entries, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		entries[i].key = key_of("198.51.100.1", (uint16_t)(i + 1), i % 2 ? "203.0.113.1" : NULL);
		CU_ASSERT_PTR_NULL(udp_table_find(table, &entries[i].key));
		udp_table_insert(table, &entries[i], i);
	}
}

static void test_find_and_remove(void)
{
	struct udp_entry *entries = calloc(MANY, sizeof(*entries));
	struct udp_table table;

	CU_ASSERT_EQUAL_FATAL(udp_table_init(&table, MANY, seed), 0);
	insert_many(&table, entries, MANY);
	CU_ASSERT(udp_table_is_full(&table));
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_PTR_EQUAL(udp_table_find(&table, &entries[i].key), &entries[i]);
	for (unsigned i = 0; i < MANY; i += 3)
		udp_table_remove(&table, &entries[i]);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_PTR_EQUAL(udp_table_find(&table, &entries[i].key), i % 3 ? &entries[i] : NULL);
	CU_ASSERT_EQUAL(table.count, MANY - (MANY + 2) / 3);
	CU_ASSERT_FALSE(udp_table_is_full(&table));
	udp_table_fini(&table);
	udp_table_fini(&table);
	free(entries);
}

static void check_order(const struct udp_table *table, const struct udp_entry *entries, const char *order)
{
	const struct udp_entry *entry = table->oldest, *before = NULL;

	for (; *order; order++, before = entry, entry = entry->newer) {
		CU_ASSERT_PTR_EQUAL_FATAL(entry, &entries[*order - '0']);
		CU_ASSERT_PTR_EQUAL(entry->older, before);
	}
	CU_ASSERT_PTR_NULL(entry);
	CU_ASSERT_PTR_EQUAL(table->newest, before);
}

static void test_order_of_use(void)
{
	struct udp_entry entries[4] = {0};
	struct udp_table table;

	CU_ASSERT_EQUAL_FATAL(udp_table_init(&table, 4, seed), 0);
	insert_many(&table, entries, 4);
	check_order(&table, entries, "0123");
	udp_table_touch(&table, &entries[1], 10);
	CU_ASSERT_EQUAL(entries[1].used_ns, 10);
	check_order(&table, entries, "0231");
	udp_table_touch(&table, &entries[1], 11);
	udp_table_touch(&table, &entries[0], 12);
	check_order(&table, entries, "2310");
	udp_table_remove(&table, &entries[3]);
	check_order(&table, entries, "210");
	udp_table_remove(&table, &entries[0]);
	udp_table_remove(&table, &entries[2]);
	check_order(&table, entries, "1");
	udp_table_remove(&table, &entries[1]);
	check_order(&table, entries, "");
	udp_table_fini(&table);
}

/* One chain holds them all: removal from its head, middle and end. */
static void test_one_bucket(void)
{
	struct udp_entry entries[3] = {0};
	struct udp_table table;

	CU_ASSERT_EQUAL_FATAL(udp_table_init(&table, 3, seed), 0);
	table.mask = 0;
	insert_many(&table, entries, 3);
	udp_table_remove(&table, &entries[1]);
	CU_ASSERT_PTR_EQUAL(udp_table_find(&table, &entries[0].key), &entries[0]);
	CU_ASSERT_PTR_EQUAL(udp_table_find(&table, &entries[2].key), &entries[2]);
	udp_table_remove(&table, &entries[0]);
	udp_table_remove(&table, &entries[2]);
	CU_ASSERT_EQUAL(table.count, 0);
	udp_table_fini(&table);
}

static const struct unit_case cases[] = {
	{"the hash is SipHash-2-4", test_hash},
	{"another seed, another hash", test_seed_matters},
	{"keys differ in each address", test_keys},
	{"keys differ in the zone", test_zone},
	{"find and remove", test_find_and_remove},
	{"order of use", test_order_of_use},
	{"one bucket", test_one_bucket},
};

UNIT_MAIN("udp_table", cases)
