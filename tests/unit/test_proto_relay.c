/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_relay.c - every prefix of every vector, messages built byte for byte as recorded, and what cannot be built.
 *
 * See: tests/vectors/relay.tsv.
 */
#include "proto_relay.h"

#include <errno.h>

#include "wire_vectors.h"

enum { COL_HEX = 1, COL_EXPECTED = 2 };

static size_t say_endpoint(const struct relay_endpoint *e, char *out, size_t cap)
{
	char host[RELAY_HOST_MAX];

	relay_endpoint_host(e, host);
	return (size_t)snprintf(out, cap, " at=%s:%u", host, e->port);
}

static void say(const struct wire_row *row, const unsigned char *data, size_t len, char *out, size_t cap)
{
	struct relay_message m;
	const char *why = "no reason";
	enum relay_result result = relay_parse(data, len, &m, &why);

	if (result == RELAY_NEED_MORE)
		snprintf(out, cap, "more");
	if (result == RELAY_REJECT)
		snprintf(out, cap, "reject %s", why);
	if (result != RELAY_ACCEPT)
		return;
	size_t n = (size_t)snprintf(out, cap, "code=%u", m.code);
	if (m.has_user)
		n += (size_t)snprintf(out + n, cap - n, " user=%.*s:%.*s", m.user.len, m.user.data, m.password.len,
				      m.password.data);
	if (m.has_network)
		n += (size_t)snprintf(out + n, cap - n, " net=%u", m.network);
	if (m.has_tunnel)
		n += (size_t)snprintf(out + n, cap - n, " tunnel");
	for (size_t i = 0; i < m.at_count; i++)
		n += say_endpoint(&m.at[i], out + n, cap - n);
	CU_ASSERT_EQUAL(m.consumed, row->len);
}

static void check_row(const struct wire_row *row)
{
	wire_check_prefixes(row, row->column[COL_EXPECTED], say);
}

static void test_vectors(void)
{
	CU_ASSERT(wire_for_each("tests/vectors/relay.tsv", COL_HEX, check_row) > 40);
}

/* --- building: the hex of the row of that name ------------------------------------------------------ */

static const char *wanted;
static struct relay_builder *built;
static bool found;

static void compare_row(const struct wire_row *row)
{
	if (strcmp(row->column[0], wanted) != 0)
		return;
	found = true;
	CU_ASSERT_EQUAL_FATAL(relay_end(built), (ssize_t)row->len);
	CU_ASSERT(memcmp(built->out, row->bytes, row->len) == 0);
}

static void expect_row(const char *name, struct relay_builder *b)
{
	wanted = name;
	built = b;
	found = false;
	wire_for_each("tests/vectors/relay.tsv", COL_HEX, compare_row);
	CU_ASSERT(found);
}

static void test_build_connect(void)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	struct relay_builder b;

	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_host(&b, "10.9.8.7", 80);
	expect_row("recorded-connect", &b);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_user(&b, "user", "pass");
	relay_add_host(&b, "10.9.8.7", 80);
	expect_row("recorded-connect-user", &b);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_host(&b, "example.com", 80);
	expect_row("connect-name", &b);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_host(&b, "2001:db8::1", 443);
	expect_row("connect-v6", &b);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_network(&b, RELAY_NET_UDP);
	relay_add_host(&b, "::ffff:127.0.0.1", 53);
	expect_row("connect-udp", &b);
}

static void test_build_bind(void)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	struct relay_builder b;
	struct addr any;

	relay_begin(&b, RELAY_BIND, out, sizeof(out));
	relay_add_network(&b, RELAY_NET_TCP);
	relay_add_host(&b, "", 8080);
	expect_row("bind-empty-name", &b);
	relay_begin(&b, RELAY_BIND, out, sizeof(out));
	relay_add_user(&b, "a", "b");
	relay_add_network(&b, RELAY_NET_TCP);
	relay_add_host(&b, "0.0.0.0", 8080);
	expect_row("bind-user", &b);
	addr_from_in6(&any, &in6addr_any, 8080);
	relay_begin(&b, RELAY_OK, out, sizeof(out));
	relay_add_addr(&b, &any);
	expect_row("bind-reply", &b);
	relay_begin(&b, RELAY_NETWORK_UNREACHABLE, out, sizeof(out));
	expect_row("response-refused", &b);
}

static void test_too_long(void)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	struct relay_builder b;
	char text[257];

	memset(text, 'x', 256);
	text[256] = '\0';
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_host(&b, text, 1);
	CU_ASSERT_EQUAL(relay_end(&b), -ENAMETOOLONG);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_user(&b, text, "");
	CU_ASSERT_EQUAL(relay_end(&b), -ENAMETOOLONG);
	relay_begin(&b, RELAY_CONNECT, out, sizeof(out));
	relay_add_user(&b, "", text);
	CU_ASSERT_EQUAL(relay_end(&b), -ENAMETOOLONG);
	for (size_t cap = 0; cap < 14; cap++) {
		uint8_t *small = malloc(cap ? cap : 1); /* a sanitizer sees a byte too many */
		relay_begin(&b, RELAY_CONNECT, small, cap);
		relay_add_host(&b, "10.9.8.7", 80);
		CU_ASSERT_EQUAL(relay_end(&b), -EMSGSIZE);
		free(small);
	}
}

static void test_unix_address(void)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	struct relay_builder b;
	struct addr a = {.len = sizeof(a.un), .un = {.sun_family = AF_UNIX}};

	relay_begin(&b, RELAY_OK, out, sizeof(out));
	relay_add_addr(&b, &a);
	CU_ASSERT_EQUAL(relay_end(&b), -EAFNOSUPPORT);
}

static void test_status_names(void)
{
	CU_ASSERT_STRING_EQUAL(relay_status_name(RELAY_UNAUTHORIZED), "unauthorized");
	CU_ASSERT_STRING_EQUAL(relay_status_name(9), "unknown status");
	CU_ASSERT_STRING_EQUAL(relay_status_name(255), "unknown status");
}

static const struct unit_case cases[] = {
	{"every prefix of every vector", test_vectors},
	{"CONNECT as recorded", test_build_connect},
	{"BIND and its reply as recorded", test_build_bind},
	{"what does not fit is refused", test_too_long},
	{"a UNIX address is refused", test_unix_address},
	{"names of statuses", test_status_names},
};
UNIT_MAIN("proto_relay", cases)
