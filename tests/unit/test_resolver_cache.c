/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_resolver_cache.c - ages, order of addresses, eviction, and what counts as a name; no socket, no clock.
 *
 * See: include/resolver_cache.h, include/resolver_names.h.
 */
#include "resolver_cache.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver_names.h"
#include "unit.h"

#define SEC 1000000000ULL
#define T0  (1000 * SEC)

static size_t parse_list(const char *text, struct addr *out)
{
	size_t count = 0;

	for (size_t len; *text; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&out[count++], text, len, 0), 0);
	}
	return count;
}

static void store(struct resolver_entry *entry, const char *list, uint64_t ttl_ns, uint64_t now_ns)
{
	struct addr addrs[32];
	size_t count = parse_list(list, addrs);

	resolver_cache_store(entry, addrs, count, ttl_ns, now_ns);
}

static void test_interleave(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"1.0.0.1", "1.0.0.1"},
		{"1.0.0.1 1.0.0.2 ::1 ::2", "1.0.0.1 ::1 1.0.0.2 ::2"},
		{"::1 ::2 ::3 1.0.0.1", "::1 1.0.0.1 ::2 ::3"},
		{"::1 1.0.0.1 1.0.0.2 1.0.0.3", "::1 1.0.0.1 1.0.0.2 1.0.0.3"},
		{"1.0.0.1 1.0.0.1 ::1 1.0.0.1 ::1 1.0.0.2", "1.0.0.1 ::1 1.0.0.2"},
		/* More than fit: the other family still has its share. */
		{"::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9 1.0.0.1 1.0.0.2",
		 "::1 1.0.0.1 ::2 1.0.0.2 ::3 ::4 ::5 ::6"},
		{"1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8 1.0.0.9",
		 "1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct resolver_cache cache = {0};
		struct resolver_entry *entry = resolver_cache_add(&cache, "a.test");
		char got[512] = "", ip[ADDR_TEXT_MAX];
		store(entry, rows[i].in, SEC, T0);
		for (size_t k = 0; k < entry->count; k++) {
			strcat(got, k ? " " : "");
			strcat(got, addr_format_ip(&entry->addrs[k], ip));
		}
		CU_ASSERT_STRING_EQUAL(got, rows[i].out);
		resolver_cache_fini(&cache);
	}
}

/* One life of an entry, step by step: what happens, when, and the verdict then. */
static void test_ages(void)
{
	struct resolver_cache cache = {0};
	struct resolver_entry *e = resolver_cache_add(&cache, "a.test");

	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0), RESOLVER_ASK);
	store(e, "1.0.0.1", 60 * SEC, T0);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0), RESOLVER_USE);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0 + 60 * SEC - 1), RESOLVER_USE);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0 + 60 * SEC), RESOLVER_ASK);
	CU_ASSERT(resolver_cache_has_stale(e, T0 + 60 * SEC));
	/* A refresh that takes long, then fails: stale both times, and again asked a second later. */
	e->impatient = true;
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0 + 62 * SEC), RESOLVER_USE);
	e->impatient = false;
	resolver_cache_fail(e, -ETIMEDOUT, T0 + 65 * SEC);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0 + 65 * SEC), RESOLVER_USE);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, T0 + 66 * SEC), RESOLVER_ASK);
	/* Too stale to be given to anybody. */
	uint64_t old = T0 + 60 * SEC + RESOLVER_STALE_NS;
	resolver_cache_fail(e, -EAGAIN, old);
	CU_ASSERT_FALSE(resolver_cache_has_stale(e, old));
	CU_ASSERT_EQUAL(resolver_cache_judge(e, old), RESOLVER_REFUSE);
	CU_ASSERT_EQUAL(e->failure, -EAGAIN);
	/* A new answer ends the failure. */
	store(e, "1.0.0.2", 60 * SEC, old);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, old), RESOLVER_USE);
	CU_ASSERT_EQUAL(e->failure, 0);
	/* "No such host" is an answer: nothing stale is left. */
	resolver_cache_fail(e, -ENOENT, old + 60 * SEC);
	CU_ASSERT_EQUAL(resolver_cache_judge(e, old + 60 * SEC), RESOLVER_REFUSE);
	CU_ASSERT_FALSE(resolver_cache_has_stale(e, old + 60 * SEC));
	CU_ASSERT_EQUAL(resolver_cache_judge(e, old + 61 * SEC), RESOLVER_ASK);
	resolver_cache_fini(&cache);
}

static void test_ttl_clamped(void)
{
	struct resolver_cache cache = {0};
	struct resolver_entry *e = resolver_cache_add(&cache, "a.test");

	store(e, "1.0.0.1", 0, T0);
	CU_ASSERT_EQUAL(e->fresh_until_ns, T0 + SEC);
	store(e, "1.0.0.1", 7 * SEC, T0);
	CU_ASSERT_EQUAL(e->fresh_until_ns, T0 + 7 * SEC);
	store(e, "1.0.0.1", UINT64_MAX, T0);
	CU_ASSERT_EQUAL(e->fresh_until_ns, T0 + 3600 * SEC);
	resolver_cache_fini(&cache);
}

static void test_eviction(void)
{
	struct resolver_cache cache = {0};
	char host[32];

	for (int i = 0; i < RESOLVER_CACHE_MAX; i++) {
		snprintf(host, sizeof(host), "h%d.test", i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(resolver_cache_add(&cache, host));
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(resolver_cache_find(&cache, "h0.test"));
	resolver_cache_find(&cache, "h1.test")->in_flight = true;
	resolver_cache_add(&cache, "new1.test");
	CU_ASSERT_PTR_NULL(resolver_cache_find(&cache, "h0.test"));
	resolver_cache_add(&cache, "new2.test"); /* h1 is being asked for: h2 goes */
	CU_ASSERT_PTR_NOT_NULL(resolver_cache_find(&cache, "h1.test"));
	CU_ASSERT_PTR_NULL(resolver_cache_find(&cache, "h2.test"));
	CU_ASSERT_EQUAL(HASH_COUNT(cache.by_host), RESOLVER_CACHE_MAX);
	for (struct resolver_entry *e = cache.by_host; e; e = e->hh.next)
		e->in_flight = true;
	CU_ASSERT_PTR_NOT_NULL(resolver_cache_add(&cache, "new3.test")); /* nothing can go: it grows */
	for (struct resolver_entry *e = cache.by_host; e; e = e->hh.next)
		e->in_flight = false;
	resolver_cache_add(&cache, "new4.test"); /* and shrinks again */
	CU_ASSERT_EQUAL(HASH_COUNT(cache.by_host), RESOLVER_CACHE_MAX);
	CU_ASSERT_PTR_NOT_NULL(resolver_cache_find(&cache, "new4.test"));
	resolver_cache_fini(&cache);
	CU_ASSERT_PTR_NULL(cache.by_host);
}

static void test_numeric(void)
{
	struct addr out[2];
	char text[ADDR_TEXT_MAX], zone[64], name[IF_NAMESIZE];

	CU_ASSERT_EQUAL(resolver_name_numeric("", out), 2);
	CU_ASSERT_STRING_EQUAL(addr_format_ip(&out[0], text), "127.0.0.1");
	CU_ASSERT_STRING_EQUAL(addr_format_ip(&out[1], text), "::1");
	CU_ASSERT_EQUAL(resolver_name_numeric("1.2.3.4", out), 1);
	CU_ASSERT_EQUAL(resolver_name_numeric("2001:db8::1", out), 1);
	CU_ASSERT_EQUAL(resolver_name_numeric("fe80::1%7", out), 1);
	CU_ASSERT_EQUAL(out[0].in6.sin6_scope_id, 7);
	CU_ASSERT_EQUAL(resolver_name_numeric("fe80::1%nosuchif0", out), -ENODEV);
	CU_ASSERT_EQUAL(resolver_name_numeric("fe80::1%", out), -ENODEV);
	CU_ASSERT_EQUAL(resolver_name_numeric("fe80::1%4294967296", out), -ENODEV);
	CU_ASSERT_EQUAL(resolver_name_numeric("1.2.3.4%7", out), 0);
	CU_ASSERT_EQUAL(resolver_name_numeric("host%7", out), 0);
	CU_ASSERT_EQUAL(resolver_name_numeric("example.com", out), 0);
	if (if_indextoname(1, name)) {
		snprintf(zone, sizeof(zone), "fe80::1%%%s", name);
		CU_ASSERT_EQUAL(resolver_name_numeric(zone, out), 1);
		CU_ASSERT_EQUAL(out[0].in6.sin6_scope_id, 1);
	}
}

static void test_names(void)
{
	/* clang-format off */
	static const char *const good[] = { "a", "example.com", "Example.COM.", "x-y_z.1", "1a", "web.1", "xn--bcher-kva.example",
		"_srv._tcp.example", "a123456789a123456789a123456789a123456789a123456789a123456789abc.d" };
	/* clang-format on */
	/* clang-format off */
	static const char *const bad[] = { ".", "..", "a..b", ".a", "a b", "a/b", "a:b", "b\xc3\xbc" "cher.example", "a\n", "1.2.3",
		"01.2.3.4", "256.1.1.1", "123", "1.2.3.4.", "a%b", "a,b", "*",
		"a123456789a123456789a123456789a123456789a123456789a123456789abcd.e" };
	/* clang-format on */
	char name[300], key[RESOLVER_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!resolver_name_valid(good[i]))
			printf("    refused \"%s\"\n", good[i]);
		CU_ASSERT(resolver_name_valid(good[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (resolver_name_valid(bad[i]))
			printf("    accepted \"%s\"\n", bad[i]);
		CU_ASSERT_FALSE(resolver_name_valid(bad[i]));
	}
	for (size_t len = 250; len < 260; len++) { /* "a.a.a...": the limit is 253, or 254 with a final dot */
		for (size_t i = 0; i < len; i++)
			name[i] = i % 2 ? '.' : 'a';
		name[len] = '\0';
		bool dot = name[len - 1] == '.';
		CU_ASSERT_EQUAL(resolver_name_valid(name), len <= (dot ? 254U : 253U));
	}
	resolver_name_key("ExAmple.COM.", key);
	CU_ASSERT_STRING_EQUAL(key, "example.com.");
}

static const struct unit_case cases[] = {
	{"interleave", test_interleave}, {"ages", test_ages},	    {"ttl clamped", test_ttl_clamped},
	{"eviction", test_eviction},	 {"numeric", test_numeric}, {"names", test_names},
};

UNIT_MAIN("resolver_cache", cases)
