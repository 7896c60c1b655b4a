/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hosts.c - a table of names and what they are found to be.
 *
 * See: include/hosts.h.
 */
#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static char *aliases[] = {"www.example.org", "Mail.Example.Org."};
static struct host_mapping mappings[] = {
	{"192.0.2.1", "example.org", {aliases, 2}},
	{"2001:db8::1", "example.org", {NULL, 0}},
	{"192.0.2.1", "example.org", {NULL, 0}}, /* again */
	{"192.0.2.9", ".wild.test", {NULL, 0}},
	{"192.0.2.10", "own.wild.test", {NULL, 0}},
	{"::ffff:192.0.2.11", "mapped", {NULL, 0}},
};

static void test_find(void)
{
	static const struct {
		const char *host, *want;
	} rows[] = {
		{"example.org", "192.0.2.1:7 [2001:db8::1]:7 "}, {"EXAMPLE.org.", "192.0.2.1:7 [2001:db8::1]:7 "},
		{"www.example.org", "192.0.2.1:7 "},		  {"mail.example.org", "192.0.2.1:7 "},
		{"x.example.org", ""},				  {"example.or", ""},
		{"", ""},					  {".", ""},
		{"wild.test", "192.0.2.9:7 "},			  {"a.b.wild.test", "192.0.2.9:7 "},
		{"own.wild.test", "192.0.2.10:7 "},		  {"x.own.wild.test", "192.0.2.9:7 "},
		{"xwild.test", ""},				  {"test", ""},
		{"mapped", "192.0.2.11:7 "},			  {"192.0.2.1", ""},
	};
	struct hosts_config cfg = {.mappings = mappings, .count = sizeof(mappings) / sizeof(mappings[0])};
	struct hosts *h = NULL;
	char why[200];

	CU_ASSERT_EQUAL_FATAL(hosts_new(&h, &cfg, why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr addrs[HOSTS_ADDRS_MAX];
		char text[ADDR_TEXT_MAX], all[512] = "";
		size_t count = hosts_find(h, rows[i].host, 7, addrs);
		for (size_t k = 0; k < count; k++) {
			strcat(all, addr_format(&addrs[k], text));
			strcat(all, " ");
		}
		CU_ASSERT_STRING_EQUAL(all, rows[i].want);
	}
	hosts_free(h);
	hosts_free(NULL);
}

static void check_error(struct host_mapping *bad, size_t count, const char *want)
{
	struct hosts_config cfg = {.mappings = bad, .count = count};
	struct hosts *h = NULL;
	char why[200] = "";

	CU_ASSERT_EQUAL(hosts_new(&h, &cfg, why, sizeof(why)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, want);
	CU_ASSERT_PTR_NULL(h);
}

static void test_errors(void)
{
	struct host_mapping nine[9];
	char ips[9][16];

	check_error(&(struct host_mapping){"x", "a", {NULL, 0}}, 1, "\"x\" is not an IPv4 or IPv6 address");
	check_error(&(struct host_mapping){NULL, "a", {NULL, 0}}, 1, "\"\" is not an IPv4 or IPv6 address");
	check_error(&(struct host_mapping){"1.2.3.4", NULL, {NULL, 0}}, 1, "\"\" is not a host name");
	check_error(&(struct host_mapping){"1.2.3.4", "a b", {NULL, 0}}, 1, "\"a b\" is not a host name");
	check_error(&(struct host_mapping){"1.2.3.4", "1.2.3.4", {NULL, 0}}, 1, "\"1.2.3.4\" is not a host name");
	check_error(&(struct host_mapping){"1.2.3.4", "*.x", {NULL, 0}}, 1, "\"*.x\" is not a host name");
	for (int i = 0; i < 9; i++) {
		snprintf(ips[i], sizeof(ips[i]), "192.0.2.%u", (unsigned)i % 10);
		nine[i] = (struct host_mapping){ips[i], "many", {NULL, 0}};
	}
	check_error(nine, 9, "\"many\" has more than 8 addresses");
}

static const struct unit_case cases[] = {{"find", test_find}, {"errors", test_errors}};

UNIT_MAIN("hosts", cases)
