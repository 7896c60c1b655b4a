/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_limit_rules.c - texts of limits as tables: what they mean, or what the error must say.
 *
 * See: include/limit_rules.h.
 */
#include "limit_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define MIB (UINT64_C(1) << 20)

struct row {
	enum limit_kind kind;
	char *text;
	enum limit_key key;
	uint64_t a, b; /* connections; interval and burst; in and out */
};

static struct row rows[] = {
	{LIMIT_CONNECTIONS, "$ 1000", LIMIT_SERVICE, 1000, 0},
	{LIMIT_CONNECTIONS, "$$ 100", LIMIT_DEFAULT, 100, 0},
	{LIMIT_CONNECTIONS, "192.168.1.1  10", LIMIT_NETWORK, 10, 0},
	{LIMIT_CONNECTIONS, "2001:db8::/32\t1 ", LIMIT_NETWORK, 1, 0},
	{LIMIT_CONNECTIONS, " 10.0.0.0/8 100000000", LIMIT_NETWORK, 100000000, 0},
	{LIMIT_RATE, "$ 100", LIMIT_SERVICE, 10000000, 101},
	{LIMIT_RATE, "$$ 0.5", LIMIT_DEFAULT, 2000000000, 1},
	{LIMIT_RATE, "$$ 1.25", LIMIT_DEFAULT, 800000000, 2},
	{LIMIT_RATE, "10.0.0.1 0.000001", LIMIT_NETWORK, UINT64_C(1000000000000000), 1},
	{LIMIT_RATE, "$ 100000000", LIMIT_SERVICE, 10, 100000001},
	{LIMIT_BANDWIDTH, "$ 100MB 100MB", LIMIT_SERVICE, 100 * MIB, 100 * MIB},
	{LIMIT_BANDWIDTH, "$$ 10MB", LIMIT_DEFAULT, 10 * MIB, 0},
	{LIMIT_BANDWIDTH, "192.168.1.1  512KB 1MB", LIMIT_NETWORK, MIB / 2, MIB},
	{LIMIT_BANDWIDTH, "192.168.0.0/16  1MB  5MB 9MB", LIMIT_NETWORK, MIB, 5 * MIB},
	{LIMIT_BANDWIDTH, "$ 0 1000", LIMIT_SERVICE, 0, 1000},
	{LIMIT_BANDWIDTH, "$ 1000B 1k", LIMIT_SERVICE, 1000, 1024},
	{LIMIT_BANDWIDTH, "$ 1KiB 1gib", LIMIT_SERVICE, 1024, 1024 * MIB},
	{LIMIT_BANDWIDTH, "$ 4T", LIMIT_SERVICE, UINT64_C(1) << 42, 0},
};

static void check_values(const struct row *row, const struct limit_rule *rule)
{
	CU_ASSERT_EQUAL(rule->key, row->key);
	switch (row->kind) {
	case LIMIT_CONNECTIONS:
		CU_ASSERT_EQUAL(rule->connections, row->a);
		break;
	case LIMIT_RATE:
		CU_ASSERT_EQUAL(rule->interval_ns, row->a);
		CU_ASSERT_EQUAL(rule->burst, row->b);
		break;
	case LIMIT_BANDWIDTH:
		CU_ASSERT_EQUAL(rule->in_bytes_s, row->a);
		CU_ASSERT_EQUAL(rule->out_bytes_s, row->b);
		break;
	}
}

static void test_good(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limit_rules rules = {0};
		char why[200] = "";
		int rc = limit_rules_parse(&rules, rows[i].kind, &rows[i].text, 1, why, sizeof(why));
		if (rc)
			printf("    \"%s\": %s\n", rows[i].text, why);
		CU_ASSERT_EQUAL_FATAL(rc, 0);
		CU_ASSERT_EQUAL_FATAL(rules.count, 1);
		check_values(&rows[i], &rules.rules[0]);
		limit_rules_free(&rules);
	}
}

/* No prefix is taken for something else without a word. */
static void test_prefixes(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len < strlen(rows[i].text); len++)
			for (int kind = LIMIT_CONNECTIONS; kind <= LIMIT_BANDWIDTH; kind++) {
				struct limit_rules rules = {.count = 77};
				char why[200] = "", *copy = strndup(rows[i].text, len);
				if (limit_rules_parse(&rules, (enum limit_kind)kind, &copy, 1, why, sizeof(why))) {
					CU_ASSERT(why[0] && rules.count == 77);
				} else {
					CU_ASSERT_EQUAL(rules.count, 1);
					limit_rules_free(&rules);
				}
				free(copy);
			}
}

static void test_bad(void)
{
	static struct {
		enum limit_kind kind;
		char *text, *why;
	} bad[] = {
		{LIMIT_CONNECTIONS, "", "\"\" is not a key and a limit"},
		{LIMIT_CONNECTIONS, "$", "\"$\" is not a key and a limit"},
		{LIMIT_CONNECTIONS, "100", "\"100\" is not a key and a limit"},
		{LIMIT_CONNECTIONS, "$ 0", "\"$ 0\" is not a key and a number of connections"},
		{LIMIT_CONNECTIONS, "$ -1", "\"$ -1\" is not a key and a number of connections"},
		{LIMIT_CONNECTIONS, "$ 1.5", "\"$ 1.5\" is not a key and a number of connections"},
		{LIMIT_CONNECTIONS, "$ 100000001", "\"$ 100000001\" is not a key and a number of connections"},
		{LIMIT_CONNECTIONS, "$ 99999999999999999999", "\"$ 99999999999999999999\" is not a key and a number"},
		{LIMIT_CONNECTIONS, "$ 1 2", "\"$ 1 2\" is not a key and a number of connections"},
		{LIMIT_CONNECTIONS, "$$$ 1", "\"$$$\" is not an IPv4 or IPv6 address or network"},
		{LIMIT_CONNECTIONS, "host 1", "\"host\" is not an IPv4 or IPv6 address or network"},
		{LIMIT_CONNECTIONS, "10.0.0.1/8 1", "\"10.0.0.1/8\" has address bits beyond its prefix"},
		{LIMIT_CONNECTIONS, "1.1.1.1,2.2.2.2 1", "\"1.1.1.1,2.2.2.2 1\" does not begin with $, $$"},
		{LIMIT_RATE, "$ 0", "\"$ 0\" is not a key and a number of connections each second"},
		{LIMIT_RATE, "$ 0.0000001", "\"$ 0.0000001\" is not a key and a number"},
		{LIMIT_RATE, "$ 1e3", "\"$ 1e3\" is not a key and a number"},
		{LIMIT_RATE, "$ .5", "\"$ .5\" is not a key and a number"},
		{LIMIT_RATE, "$ 10/s", "\"$ 10/s\" is not a key and a number"},
		{LIMIT_BANDWIDTH, "$ 0", "\"$ 0\" limits nothing"},
		{LIMIT_BANDWIDTH, "$ 0 0B", "\"$ 0 0B\" limits nothing"},
		{LIMIT_BANDWIDTH, "$ 10XB", "\"$ 10XB\" is not a key and one or two sizes"},
		{LIMIT_BANDWIDTH, "$ 10Ki", "\"$ 10Ki\" is not a key and one or two sizes"},
		{LIMIT_BANDWIDTH, "$ 10MBB", "\"$ 10MBB\" is not a key and one or two sizes"},
		{LIMIT_BANDWIDTH, "$ 5T", "\"$ 5T\" is not a key and one or two sizes"},
		{LIMIT_BANDWIDTH, "$ MB", "\"$ MB\" is not a key and one or two sizes"},
		{LIMIT_BANDWIDTH, "$ 1 2 3 4", "\"$ 1 2 3 4\" is longer than any limit"},
		{LIMIT_BANDWIDTH, "$ 1 2 x", "\"$ 1 2 x\" is not a key and one or two sizes"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct limit_rules rules = {.count = 77};
		char why[200] = "";
		CU_ASSERT_EQUAL(limit_rules_parse(&rules, bad[i].kind, &bad[i].text, 1, why, sizeof(why)), -EINVAL);
		if (strncmp(why, bad[i].why, strlen(bad[i].why)))
			printf("    \"%s\": %s\n", bad[i].text, why);
		CU_ASSERT_EQUAL(strncmp(why, bad[i].why, strlen(bad[i].why)), 0);
		CU_ASSERT(rules.count == 77 && !rules.rules);
	}
}

static void test_twice(void)
{
	char *twice[] = {"$ 1", "$$ 1", "$ 2"}, *nets[] = {"10.0.0.0/8 1", "10.0.0.0/9 1", "::ffff:10.0.0.0/104 5"};
	struct limit_rules rules = {0};
	char why[200] = "";

	CU_ASSERT_EQUAL(limit_rules_parse(&rules, LIMIT_CONNECTIONS, twice, 3, why, sizeof(why)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "\"$ 2\" has a key that was given before");
	CU_ASSERT_EQUAL(limit_rules_parse(&rules, LIMIT_CONNECTIONS, nets, 3, why, sizeof(why)), -EINVAL);
	CU_ASSERT_EQUAL(limit_rules_parse(&rules, LIMIT_CONNECTIONS, nets, 2, why, sizeof(why)), 0);
	limit_rules_free(&rules);
}

static void test_whose(void)
{
	char *texts[] = {"10.0.0.0/8 1", "10.1.0.0/16 2", "10.1.2.3 3", "2001:db8::/32 4", "$ 5"};
	static const struct {
		const char *client;
		uint64_t want; /* 0: no rule */
	} asked[] = {{"10.2.0.1", 1}, {"10.1.0.1", 2}, {"10.1.2.3", 3}, {"::ffff:10.1.2.3", 3}, {"2001:db8::9", 4},
		   {"11.0.0.1", 0}};
	struct limit_rules rules = {0};
	char why[200];

	CU_ASSERT_EQUAL_FATAL(limit_rules_parse(&rules, LIMIT_CONNECTIONS, texts, 5, why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct addr a;
		CU_ASSERT_EQUAL(addr_parse_ip(&a, asked[i].client, strlen(asked[i].client), 9), 0);
		const struct limit_rule *rule = limit_rules_of_client(&rules, &a);
		CU_ASSERT_EQUAL(rule ? rule->connections : 0, asked[i].want);
	}
	CU_ASSERT_EQUAL(limit_rules_of_key(&rules, LIMIT_SERVICE)->connections, 5);
	CU_ASSERT_PTR_NULL(limit_rules_of_key(&rules, LIMIT_DEFAULT));
	limit_rules_free(&rules);
}

static const struct unit_case cases[] = {
	{"good", test_good},   {"prefixes", test_prefixes}, {"bad", test_bad},
	 {"twice", test_twice}, {"whose", test_whose},
};

UNIT_MAIN("limit_rules", cases)
