/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_addr.c - address text against literal tables, and against inet_ntop/inet_pton for random values.
 *
 * Why: the text is written by hand, so an implementation that shares no code with it is the oracle.
 * See: include/addr.h, RFC 5952 section 4.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct addr from_text(const char *ip, uint16_t port)
{
	struct addr a = {0};

	CU_ASSERT_EQUAL(addr_parse_ip(&a, ip, strlen(ip), port), 0);
	return a;
}

static void expect_text(const struct addr *a, const char *want)
{
	char got[ADDR_TEXT_MAX];

	memset(got, 'x', sizeof(got));
	addr_format(a, got);
	if (strcmp(got, want) != 0)
		printf("    got \"%s\", want \"%s\"\n", got, want);
	CU_ASSERT_STRING_EQUAL(got, want);
}

static void test_format_ip(void)
{
	static const struct {
		const char *in;
		uint16_t port;
		const char *out;
	} rows[] = {
		{"0.0.0.0", 0, "0.0.0.0:0"},
		{"1.2.3.4", 80, "1.2.3.4:80"},
		{"255.255.255.255", 65535, "255.255.255.255:65535"},
		{"::", 1, "[::]:1"},
		{"::1", 80, "[::1]:80"},
		{"1::", 80, "[1::]:80"},
		{"2001:0DB8:0000:0000:0000:0000:0002:0001", 80, "[2001:db8::2:1]:80"},
		{"2001:db8:0:1:1:1:1:1", 80, "[2001:db8:0:1:1:1:1:1]:80"}, /* one group is not shortened */
		{"2001:0:0:1:0:0:0:1", 80, "[2001:0:0:1::1]:80"},	   /* the longest run */
		{"2001:db8:0:0:1:0:0:1", 80, "[2001:db8::1:0:0:1]:80"},	   /* the first of equal runs */
		{"0:0:1:2:3:4:5:6", 80, "[::1:2:3:4:5:6]:80"},
		{"1:2:3:4:5:6:0:0", 80, "[1:2:3:4:5:6::]:80"},
		{"1:2:3:4:5:6:7:8", 80, "[1:2:3:4:5:6:7:8]:80"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		{"::102:304", 80, "[::102:304]:80"}, /* not ::1.2.3.4 */
		{"::ffff:1.2.3.4", 80, "1.2.3.4:80"},
		{"::FFFF:c0a8:1", 80, "192.168.0.1:80"},
		{"64:ff9b::1.2.3.4", 80, "[64:ff9b::102:304]:80"},
		{"100:20:3:a00:b:c0:d:e0f0", 7, "[100:20:3:a00:b:c0:d:e0f0]:7"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = from_text(rows[i].in, rows[i].port);
		expect_text(&a, rows[i].out);
	}
}

static void test_format_random(void)
{
	unsigned seed = 42;

	for (int round = 0; round < 20000; round++) {
		uint8_t ip[16];
		char want[INET6_ADDRSTRLEN], got[ADDR_TEXT_MAX];
		struct addr a, back = {0};

		/* Many zero bytes, so that runs of every place and length occur. */
		for (int i = 0; i < 16; i++)
			ip[i] = rand_r(&seed) % 3 ? 0 : (uint8_t)rand_r(&seed);
		ip[0] |= 1; /* keeps inet_ntop away from its dotted forms */
		addr_from_in6(&a, ip, 9);
		inet_ntop(AF_INET6, ip, want, sizeof(want));
		CU_ASSERT_STRING_EQUAL_FATAL(addr_format_ip(&a, got), want);
		CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&back, got, strlen(got), 9), 0);
		CU_ASSERT_FATAL(addr_equal(&a, &back));
		addr_from_in4(&a, ip, 9);
		inet_ntop(AF_INET, ip, want, sizeof(want));
		CU_ASSERT_STRING_EQUAL_FATAL(addr_format_ip(&a, got), want);
	}
}

static void test_format_zone(void)
{
	struct addr a = from_text("fe80::1", 80);
	char name[IF_NAMESIZE], want[ADDR_TEXT_MAX];

	if (!if_indextoname(1, name)) {
		unit_skip("no interface with index 1");
		return;
	}
	a.in6.sin6_scope_id = 1;
	snprintf(want, sizeof(want), "[fe80::1%%%s]:80", name);
	expect_text(&a, want);
	a.in6.sin6_scope_id = 4294967295U; /* no such interface: the number stays visible */
	expect_text(&a, "[fe80::1%4294967295]:80");
}

static struct addr unix_addr(const char *path, size_t len)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct addr a;

	memcpy(un.sun_path, path, len);
	addr_from_sockaddr(&a, (const struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	return a;
}

static void test_format_unix(void)
{
	char path[108], got[ADDR_TEXT_MAX];
	struct addr a = unix_addr("/run/x.sock", 12);

	expect_text(&a, "/run/x.sock");
	CU_ASSERT_EQUAL(addr_port(&a), 0);
	a = unix_addr("/run/x.sock", 11); /* the kernel may leave the NUL out of the length */
	expect_text(&a, "/run/x.sock");
	a = unix_addr("\0abstract", 9);
	expect_text(&a, "@abstract");
	a = unix_addr("", 0);
	expect_text(&a, "@");
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	a = unix_addr(path, sizeof(path));
	CU_ASSERT_EQUAL(strlen(addr_format(&a, got)), sizeof(path));
}

static void test_unset(void)
{
	struct addr a = {0}, b = from_text("1.2.3.4", 80);

	expect_text(&a, "");
	CU_ASSERT_FALSE(addr_is_set(&a));
	CU_ASSERT_EQUAL(addr_family(&a), AF_UNSPEC);
	CU_ASSERT_EQUAL(addr_port(&a), 0);
	CU_ASSERT_FALSE(addr_equal(&a, &b));
	CU_ASSERT(addr_equal(&a, &a));
	addr_set_port(&a, 80);
	CU_ASSERT_FALSE(addr_is_set(&a));
	addr_from_sockaddr(&b, NULL, 0);
	CU_ASSERT_FALSE(addr_is_set(&b));
}

static void test_parse_good(void)
{
	/* clang-format off */
	static const char *const rows[] = { "1.2.3.4", "::1", "::", "1::", "::ffff:1.2.3.4", "64:ff9b::1.2.3.4",
		"1:2:3:4:5:6:1.2.3.4", "abcd:ef01:2345:6789:ABCD:EF01:2345:6789", "fe80::1", "0.0.0.0",
		"0001:0002::" };
	/* clang-format on */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = from_text(rows[i], 4321);
		CU_ASSERT_EQUAL(addr_port(&a), 4321);
		CU_ASSERT_EQUAL(addr_family(&a), strchr(rows[i], ':') ? AF_INET6 : AF_INET);
	}
}

static void test_parse_bad(void)
{
	/* clang-format off */
	static const char *const rows[] = { "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4",
		"1.2.3.04", "256.1.1.1", "0x1.2.3.4", "1.2.3.-4", "1..3.4", "1.2.3.4\n", ":", ":::", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "[::1]", "::1%lo", "::1.2.3", "::1.2.3.04", "1.2.3.4:80",
		"::1:", ":1::", "::1.2.3.4:5", "localhost", "1:2:3:4:5:6:7:1.2.3.4", "+1.2.3.4",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };
	/* clang-format on */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = {.len = 77};
		int got = addr_parse_ip(&a, rows[i], strlen(rows[i]), 80);
		if (got != -EINVAL)
			printf("    accepted \"%s\"\n", rows[i]);
		CU_ASSERT_EQUAL(got, -EINVAL);
		CU_ASSERT_EQUAL(a.len, 77);
	}
}

static void test_parse_length(void)
{
	struct addr a = {0};

	CU_ASSERT_EQUAL(addr_parse_ip(&a, "1.2.3.4junk", 7, 80), 0);
	CU_ASSERT_EQUAL(addr_parse_ip(&a, "1.2.3.4\0", 8, 80), -EINVAL);
	CU_ASSERT_EQUAL(addr_parse_ip(&a, "::1\0::", 6, 80), -EINVAL);
	CU_ASSERT_EQUAL(addr_parse_ip(&a, "\0", 1, 80), -EINVAL);
	/* Exactly len bytes are read: no byte after them exists. */
	char *exact = malloc(7);
	memcpy(exact, "1.2.3.4", 7);
	CU_ASSERT_EQUAL(addr_parse_ip(&a, exact, 7, 80), 0);
	free(exact);
}

static void test_mapping(void)
{
	struct addr v4 = from_text("1.2.3.4", 80), mapped = from_text("::ffff:1.2.3.4", 80);
	struct addr v6 = from_text("::1", 80), a = mapped;

	CU_ASSERT(addr_is_v4mapped(&mapped));
	CU_ASSERT_FALSE(addr_is_v4mapped(&v4));
	CU_ASSERT_FALSE(addr_is_v4mapped(&v6));
	CU_ASSERT_FALSE(addr_equal(&v4, &mapped));
	addr_unmap(&a);
	CU_ASSERT(addr_equal(&a, &v4));
	CU_ASSERT_EQUAL(a.len, sizeof(struct sockaddr_in));
	addr_map(&a);
	CU_ASSERT(addr_equal(&a, &mapped));
	CU_ASSERT_EQUAL(a.len, sizeof(struct sockaddr_in6));
	a = v6;
	addr_unmap(&a);
	addr_map(&a);
	CU_ASSERT(addr_equal(&a, &v6));
}

static void test_equal(void)
{
	struct addr a = from_text("fe80::1", 80), b = a;

	CU_ASSERT(addr_equal(&a, &b));
	b.in6.sin6_flowinfo = 5; /* not part of an identity */
	CU_ASSERT(addr_equal(&a, &b));
	b.in6.sin6_scope_id = 2;
	CU_ASSERT_FALSE(addr_equal(&a, &b));
	b = from_text("fe80::1", 81);
	CU_ASSERT_FALSE(addr_equal(&a, &b));
	addr_set_port(&b, 80);
	CU_ASSERT(addr_equal(&a, &b));
	a = from_text("1.2.3.4", 80);
	b = from_text("1.2.3.5", 80);
	CU_ASSERT_FALSE(addr_equal(&a, &b));
	a = unix_addr("/a", 3);
	b = unix_addr("/b", 3);
	CU_ASSERT(addr_equal(&a, &a));
	CU_ASSERT_FALSE(addr_equal(&a, &b));
}

static void test_from_sockaddr(void)
{
	struct sockaddr_storage ss = {.ss_family = AF_INET};
	struct addr a;

	addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof(ss)); /* longer than any of ours */
	CU_ASSERT(a.len <= sizeof(a.un));
	expect_text(&a, "0.0.0.0:0");
	addr_from_sockaddr(&a, (struct sockaddr *)&ss, 1); /* not even a family */
	CU_ASSERT_FALSE(addr_is_set(&a));
}

static void test_split_good(void)
{
	static const struct {
		const char *in, *host;
		int port;
	} rows[] = {
		{"host:80", "host", 80},
		{"1.2.3.4:65535", "1.2.3.4", 65535},
		{"[2001:db8::1]:443", "2001:db8::1", 443},
		{"[fe80::1%eth0]:443", "fe80::1%eth0", 443},
		{"[::]:0", "::", 0},
		{":80", "", 80},
		{"host", "host", -1},
		{"[::1]", "::1", -1},
		{"", "", -1},
		{"[]:80", "", 80},
		{"a.b-c_d:00080", "a.b-c_d", 80},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[64] = "untouched";
		int port = -7;
		CU_ASSERT_EQUAL(addr_split_hostport(rows[i].in, host, sizeof(host), &port), 0);
		CU_ASSERT_STRING_EQUAL(host, rows[i].host);
		CU_ASSERT_EQUAL(port, rows[i].port);
	}
}

static void test_split_bad(void)
{
	/* clang-format off */
	static const char *const rows[] = { "host:", "host:x", "host:65536", "host:999999", "host:-1", "host: 80",
		"host:80 ", "::1", "a:b:80", "a:80:80", "[::1", "::1]", "[::1]80", "[::1]:", "[[::1]]:80", "a[b]:80",
		"a]:80", "[a]b:80", "]", "[", ":", "[::1]:80:80", "host:+80", "host:4294967376" };
	/* clang-format on */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[64] = "untouched";
		int port = -7;
		int got = addr_split_hostport(rows[i], host, sizeof(host), &port);
		if (got != -EINVAL)
			printf("    accepted \"%s\"\n", rows[i]);
		CU_ASSERT_EQUAL(got, -EINVAL);
		CU_ASSERT_STRING_EQUAL(host, "untouched");
		CU_ASSERT_EQUAL(port, -7);
	}
}

static void test_split_capacity(void)
{
	char host[5] = "keep";
	int port = -7;

	CU_ASSERT_EQUAL(addr_split_hostport("hello:80", host, sizeof(host), &port), -ENAMETOOLONG);
	CU_ASSERT_STRING_EQUAL(host, "keep");
	CU_ASSERT_EQUAL(port, -7);
	CU_ASSERT_EQUAL(addr_split_hostport("hell:80", host, sizeof(host), &port), 0);
	CU_ASSERT_STRING_EQUAL(host, "hell");
}

static const struct unit_case cases[] = {
	{"format ip", test_format_ip},
	{"format random against inet_ntop", test_format_random},
	{"format zone", test_format_zone},
	{"format unix", test_format_unix},
	{"unset", test_unset},
	{"parse good", test_parse_good},
	{"parse bad", test_parse_bad},
	{"parse exact length", test_parse_length},
	{"v4-mapped", test_mapping},
	{"equal", test_equal},
	{"from sockaddr", test_from_sockaddr},
	{"split good", test_split_good},
	{"split bad", test_split_bad},
	{"split capacity", test_split_capacity},
};

UNIT_MAIN("addr", cases)
