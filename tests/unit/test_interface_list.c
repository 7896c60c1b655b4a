/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_interface_list.c - the text of `interface`, and which entry may be used for which target.
 */
#include <errno.h>
#include <string.h>

#include "interface_list.h"
#include "unit.h"

static struct addr address_of(const char *text)
{
	struct addr a = {0};

	CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&a, text, strlen(text), 80), 0);
	return a;
}

static struct interface_list list_of(const char *text)
{
	struct interface_list list = {.count = 0};
	char why[128] = "";

	CU_ASSERT_EQUAL_FATAL(interface_list_parse(&list, text, why, sizeof(why)), 0);
	return list;
}

static void test_entries(void)
{
	struct interface_list list = list_of("eth0,192.0.2.1!,2001:db8::1,wg-a.12!");
	char ip[ADDR_TEXT_MAX];

	CU_ASSERT_EQUAL(list.count, 4);
	CU_ASSERT_STRING_EQUAL(list.entries[0].device, "eth0");
	CU_ASSERT(!list.entries[0].strict && !addr_is_set(&list.entries[0].source));
	CU_ASSERT(list.entries[1].strict && !list.entries[1].device[0]);
	CU_ASSERT_STRING_EQUAL(addr_format_ip(&list.entries[1].source, ip), "192.0.2.1");
	CU_ASSERT(!list.entries[2].strict);
	CU_ASSERT_STRING_EQUAL(addr_format_ip(&list.entries[2].source, ip), "2001:db8::1");
	CU_ASSERT_STRING_EQUAL(list.entries[3].device, "wg-a.12");
	CU_ASSERT(list.entries[3].strict);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "\"\" is neither a device's name nor an IP address"},
		{",", "\"\" is neither"},
		{"eth0,", "\"\" is neither"},
		{"!", "\"!\" is neither"},
		{"eth 0", "\"eth 0\" is neither"},
		{"a/b", "\"a/b\" is neither"},
		{".", "\".\" is neither"},
		{"..!", "\"..!\" is neither"},
		{"192.0.2.1:80", "\"192.0.2.1:80\" is neither"},
		{"0123456789abcdef", "\"0123456789abcdef\" is neither"},
		{"eth0\n", "\"eth0\n\" is neither"},
		{"a,b,c,d,e", "more than 4 interfaces"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interface_list list = {.count = 77};
		char why[128] = "";
		CU_ASSERT_EQUAL(interface_list_parse(&list, rows[i].text, why, sizeof(why)), -EINVAL);
		CU_ASSERT_EQUAL(strncmp(why, rows[i].why, strlen(rows[i].why)), 0);
		CU_ASSERT_EQUAL(list.count, 77);
	}
}

/* Every prefix is accepted or refused with a reason, and no accepted one has an empty entry. */
static void test_prefixes(void)
{
	static const char text[] = "eth0!,192.0.2.1,2001:db8::1!,wg0";

	for (size_t len = 0; len < sizeof(text); len++) {
		struct interface_list list = {.count = 77};
		char part[sizeof(text)] = "", why[128] = "";
		memcpy(part, text, len);
		int rc = interface_list_parse(&list, part, why, sizeof(why));
		CU_ASSERT(rc ? rc == -EINVAL && why[0] && list.count == 77 : list.count >= 1 && list.count <= 4);
		for (size_t i = 0; !rc && i < list.count; i++)
			CU_ASSERT(list.entries[i].device[0] || addr_is_set(&list.entries[i].source));
	}
}

static void expect(const char *text, const char *to, const char *allowed)
{
	struct interface_list list = list_of(text);
	struct addr target = address_of(to);

	for (size_t i = 0; i < list.count; i++)
		CU_ASSERT_EQUAL(interface_list_allows(&list, i, &target), allowed[i] == '1');
}

static void test_allowed(void)
{
	expect("eth0,eth1", "192.0.2.9", "11");
	expect("eth0!,eth1", "192.0.2.9", "10");
	expect("eth0,eth1!,eth2", "2001:db8::9", "110");
	expect("192.0.2.1,2001:db8::1,eth0", "192.0.2.9", "101");
	expect("192.0.2.1,2001:db8::1,eth0", "2001:db8::9", "011");
	expect("192.0.2.1!,eth0", "192.0.2.9", "10");
	expect("192.0.2.1!,eth0", "2001:db8::9", "01");
	expect("192.0.2.1", "2001:db8::9", "0");
}

static const struct unit_case cases[] = {
	{"entries", test_entries},
	{"refused", test_refused},
	{"every prefix", test_prefixes},
	{"what is allowed for which target", test_allowed},
};

UNIT_MAIN("interface_list", cases)
