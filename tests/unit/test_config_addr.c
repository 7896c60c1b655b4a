/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_addr.c - host:port and host:min-max: what is taken, and which piece is blamed. */
#include <errno.h>
#include <string.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_good(void)
{
	static const struct {
		const char *text, *host;
		unsigned min, max;
	} rows[] = {
		{":8080", "", 8080, 8080},
		{"localhost:80", "localhost", 80, 80},
		{"a_b-c.example.:1", "a_b-c.example.", 1, 1},
		{"10.0.0.1:65535", "10.0.0.1", 65535, 65535},
		{"[::1]:0", "[::1]", 0, 0},
		{"[::]:8000-8002", "[::]", 8000, 8002},
		{"[fe80::1%eth0]:22", "[fe80::1%eth0]", 22, 22},
		{"[::ffff:1.2.3.4]:22", "[::ffff:1.2.3.4]", 22, 22},
		{":1-65535", "", 1, 65535},
		{":0080", "", 80, 80},
		{":5-5", "", 5, 5},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_hostport hp = {0};
		struct config_error err;
		CU_ASSERT_EQUAL(config_parse_hostport(rows[i].text, &hp, &err), 0);
		CU_ASSERT(hp.host_len == strlen(rows[i].host) &&
			  !strncmp(hp.host, rows[i].host, hp.host_len));
		CU_ASSERT_EQUAL(hp.min, rows[i].min);
		CU_ASSERT_EQUAL(hp.max, rows[i].max);
	}
}

static void test_bad(void)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"", "\"\" has no port"},
		{"8080", "\"8080\" has no port"},
		{"example.com", "\"example.com\" has no port"},
		{":", "has an empty port"},
		{"h:", "has an empty port"},
		{":http", "has a port that is not a number"},
		{":80x", "has a port that is not a number"},
		{":+80", "has a port that is not a number"},
		{": 80", "has a port that is not a number"},
		{":-1", "has a port that is not a number"},
		{":65536", "has a port above 65535"},
		{":99999999999999999999999999999999", "has a port above 65535"},
		{":00000000000000000000000000000099999", "has a port above 65535"},
		{":10-", "has an empty port"},
		{":9-1", "runs backwards"},
		{":0-9", "starts at 0"},
		{":1-2-3", "has a port that is not a number"},
		{":1-70000", "has a port above 65535"},
		{"::1:80", "an IPv6 address needs brackets"},
		{"[::1:80", "has no closing bracket"},
		{"[::1]80", "has no port behind the bracket"},
		{"[::1]", "has no port behind the bracket"},
		{"[]:80", "has no IPv6 address"},
		{"[1.2.3.4]:80", "has no IPv6 address"},
		{"[::g]:80", "has no IPv6 address"},
		{"[::1%]:80", "has no IPv6 address"},
		{"[::1%abcdefghijklmnopq]:80", "has no IPv6 address"},
		{"1.2.3:80", "not an IPv4 address"},
		{"1.2.3.400:80", "not an IPv4 address"},
		{"1.2.3.4.5.6.7.8.9:80", "not an IPv4 address"},
		{"a b:80", "has \" \" in its host name"},
		{"a/b:80", "has \"/\" in its host name"},
		{"a%20:80", "has \"%\" in its host name"},
		{"h\xc3\xb6st:80", "in its host name"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_hostport hp = {.min = 7};
		struct config_error err = {""};
		CU_ASSERT_EQUAL(config_parse_hostport(rows[i].text, &hp, &err), -EINVAL);
		CU_ASSERT_EQUAL(hp.min, 7);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].sentence));
	}
}

static void test_long_host(void)
{
	char text[400];
	struct config_hostport hp;
	struct config_error err;

	memset(text, 'a', sizeof(text));
	strcpy(text + 253, ":80");
	CU_ASSERT_EQUAL(config_parse_hostport(text, &hp, &err), 0);
	strcpy(text + 253, "a:80");
	CU_ASSERT_EQUAL(config_parse_hostport(text, &hp, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "too long"));
}

static void test_use(void)
{
	struct config_error err;

	CU_ASSERT_EQUAL(config_check_addr(":0", CONFIG_ADDR_LISTEN, &err), 0);
	CU_ASSERT_EQUAL(config_check_addr(":0", CONFIG_ADDR_TARGET, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "target: \":0\" has port 0");
	CU_ASSERT_EQUAL(config_check_addr(":1-2", CONFIG_ADDR_LISTEN, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text,
			       "listen address: \":1-2\" is a port range, which only -L can expand");
}

static const struct unit_case cases[] = {
	{"good addresses", test_good},
	{"bad addresses", test_bad},
	{"long host name", test_long_host},
	{"listen and target", test_use},
};

UNIT_MAIN("config_addr", cases)
