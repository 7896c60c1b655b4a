/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_connector_socks.c - conversations with SOCKS proxies as byte arrays, cut at every place.
 *
 * A conversation is what the connector says, what the proxy answers, and so on; behind the last answer lie bytes of
 * somebody else, which must stay.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "hex.h"
#include "unit.h"

#define STEPS 4

struct talk {
	const struct connector_ops *ops;
	struct connector_request req;
	const char *said[STEPS];     /* hex; by us */
	const char *answered[STEPS]; /* hex; by the proxy */
	enum connector_result end;
	const char *error; /* or NULL */
};

static void check_said(struct connector *c, const char *hex)
{
	uint8_t want[1024];
	ssize_t n = hex ? hex_decode(hex, strlen(hex), want, sizeof(want)) : 0;

	CU_ASSERT_EQUAL_FATAL((ssize_t)c->out_len, n);
	CU_ASSERT(!memcmp(c->out, want, (size_t)n));
	c->out_len = 0;
}

/* Feeds one answer in pieces that end at cut and at its end; tail bytes of payload lie behind the last one. */
static enum connector_result feed(struct connector *c, const char *hex, size_t cut, size_t tail)
{
	static const char payload[] = "SSH-2.0-payload";
	uint8_t *data = malloc(1024);
	size_t at = 0;
	ssize_t len = hex_decode(hex, strlen(hex), data, 512);
	enum connector_result r = CONNECTOR_MORE;

	CU_ASSERT_FATAL(len > 0 && tail < sizeof(payload));
	memcpy(data + len, payload, tail);
	for (size_t there = cut; r == CONNECTOR_MORE && at < (size_t)len; there = (size_t)len + tail) {
		size_t part = there < at ? at : there, consumed = 99999;
		uint8_t *block = malloc(part - at ? part - at : 1);
		memcpy(block, data + at, part - at);
		r = c->ops->input(c, block, part - at, &consumed);
		CU_ASSERT_FATAL(consumed <= part - at);
		at += consumed;
		free(block);
		if (there == (size_t)len + tail)
			break;
	}
	if (r != CONNECTOR_FAILED)
		CU_ASSERT_EQUAL(at, (size_t)len); /* not one byte of the payload */
	free(data);
	return r;
}

static size_t longest_answer(const struct talk *t)
{
	size_t longest = 0;

	for (int i = 0; i < STEPS && t->answered[i]; i++)
		longest = strlen(t->answered[i]) / 2 > longest ? strlen(t->answered[i]) / 2 : longest;
	return longest;
}

static void run_cut(const struct talk *t, size_t cut, struct connector *c)
{
	enum connector_result r = CONNECTOR_MORE;

	memset(c, 0, sizeof(*c));
	c->ops = t->ops;
	c->req = &t->req;
	CU_ASSERT_EQUAL_FATAL(c->ops->begin(c), 0);
	for (int i = 0; i < STEPS && t->answered[i]; i++) {
		bool last = i == STEPS - 1 || !t->answered[i + 1];
		size_t len = strlen(t->answered[i]) / 2;
		check_said(c, t->said[i]);
		r = feed(c, t->answered[i], cut < len ? cut : len, last ? 10 : 0);
		CU_ASSERT_FATAL(last || r == CONNECTOR_MORE);
	}
	CU_ASSERT_EQUAL(r, t->end);
	if (t->error)
		CU_ASSERT_STRING_EQUAL(c->error, t->error);
}

static struct connector run(const struct talk *t)
{
	struct connector c;

	for (size_t cut = 0; cut <= longest_answer(t); cut++)
		run_cut(t, cut, &c);
	return c;
}

#define TARGET(h, p) .host = h, .port = p

static void test_socks4(void)
{
	struct talk t = {
		.ops = &connector_socks4_ops, .req = {TARGET("10.9.8.7", 80)},
		.said = {"04010050000000010031302e392e382e3700"}, /* recorded from GOST */
		.answered = {"005a1f90c0000201"}, .end = CONNECTOR_DONE,
	};
	struct connector c = run(&t);
	char text[ADDR_TEXT_MAX];

	CU_ASSERT_STRING_EQUAL(addr_format(&c.bound, text), "192.0.2.1:8080");
	t.req.user = "joe";
	t.said[0] = "04010050000000016a6f650031302e392e382e3700"; /* recorded */
	run(&t);
	t.ops = &connector_socks4a_ops;
	run(&t);
	t.req = (struct connector_request){TARGET("10.9.8.7", 80), .no_4a = true};
	t.said[0] = "040100500a09080700";
	run(&t);
}

static void test_socks4_refused(void)
{
	struct talk t = {
		.ops = &connector_socks4_ops, .req = {TARGET("example.com", 80)},
		.said = {"04010050000000010065 78616d706c652e636f6d00"},
		.answered = {"005b000000000000"}, .end = CONNECTOR_FAILED, .error = "request rejected or failed (91)",
	};

	run(&t);
	t.answered[0] = "485454502f312e31";
	t.error = "the reply does not begin with 0";
	run(&t);
}

static void test_socks5(void)
{
	struct talk t = {
		.ops = &connector_socks5_ops, .req = {TARGET("10.9.8.7", 80)},
		.said = {"050100", "050100010a0908070050"}, /* recorded */
		.answered = {"0500", "05000001000000000000"}, .end = CONNECTOR_DONE,
	};

	run(&t);
	t.req.host = "2001:db8::1";
	t.said[1] = "0501000420010db80000000000000000000000010050";
	t.answered[1] = "050000030b6578616d706c652e636f6d0050"; /* a proxy may name what it bound */
	struct connector c = run(&t);
	CU_ASSERT(!addr_is_set(&c.bound));
	t.ops = &connector_socks_ops;
	t.req.host = "example.com";
	t.said[1] = "050100030b6578616d706c652e636f6d0050";
	t.answered[1] = "0500000420010db80000000000000000000000010050";
	c = run(&t);
	char text[ADDR_TEXT_MAX];
	CU_ASSERT_STRING_EQUAL(addr_format(&c.bound, text), "[2001:db8::1]:80");
}

static void test_socks5_login(void)
{
	struct talk t = {
		.ops = &connector_socks5_ops, .req = {TARGET("10.9.8.7", 80), .user = "user", .password = "pass"},
		.said = {"05020002", "0104757365720470617373", "050100010a0908070050"},
		.answered = {"0502", "0100", "05000001000000000000"}, .end = CONNECTOR_DONE,
	};
	struct talk none = {
		.ops = &connector_socks5_ops, .req = {TARGET("10.9.8.7", 80), .user = "user"},
		.said = {"05020002", "050100010a0908070050"},
		.answered = {"0500", "05000001000000000000"}, .end = CONNECTOR_DONE,
	};

	run(&t);
	run(&none); /* not asked for: not told */
	t.answered[1] = "0101";
	t.answered[2] = NULL;
	t.end = CONNECTOR_FAILED;
	t.error = "the proxy refused user and password";
	run(&t);
}

static void test_socks5_refused(void)
{
	static const struct {
		const char *choice, *reply, *error;
	} rows[] = {
		{"05ff", NULL, "the proxy accepts no method that was offered"},
		{"0580", NULL, "the proxy chose a method that was not offered"},
		{"0502", NULL, "the proxy wants user and password"},
		{"4854", NULL, "not version 5"},
		{"0500", "05050001000000000000", "connection refused (5)"},
		{"0500", "05020001000000000000", "not allowed (2)"},
		{"0500", "05630001000000000000", "unknown code (99)"},
		{"0500", "04000001000000000000", "not version 5"},
		{"0500", "05000009", "unknown address type"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk t = {
			.ops = &connector_socks5_ops, .req = {TARGET("10.9.8.7", 80)},
			.said = {"050100", "050100010a0908070050"}, .answered = {rows[i].choice, rows[i].reply},
			.end = CONNECTOR_FAILED, .error = rows[i].error,
		};
		run(&t);
	}
}

/* Two replies: the address first, the peer when there is one; they may come in one piece. */
static void test_bind(void)
{
	struct talk together = {
		.ops = &connector_socks5_ops, .req = {.command = CONNECTOR_BIND, TARGET("", 8080)},
		.said = {"050100", "05020001000000001f90"},
		.answered = {"0500", "05000001c00002011f90050000010a0000014e20"}, .end = CONNECTOR_DONE,
	};
	struct talk apart = together;
	struct connector c = run(&together);
	char text[ADDR_TEXT_MAX];

	CU_ASSERT_STRING_EQUAL(addr_format(&c.bound, text), "192.0.2.1:8080");
	CU_ASSERT_STRING_EQUAL(addr_format(&c.peer, text), "10.0.0.1:20000");
	apart.answered[1] = "05000001c00002011f90";
	apart.answered[2] = "050000010a0000014e20";
	c = run(&apart);
	CU_ASSERT_STRING_EQUAL(addr_format(&c.peer, text), "10.0.0.1:20000");
}

/* GOST's: one reply, then smux. An empty host is an empty name, as GOST's client writes it. */
static void test_mux_bind(void)
{
	static const struct {
		const char *host, *asked, *reply, *bound;
	} rows[] = {
		{"", "05f20003001f90", "05000001c00002011f90", "192.0.2.1:8080"},
		{"0.0.0.0", "05f20001000000001f90", "05000001c00002011f90", "192.0.2.1:8080"},
		{"::1", "05f20004000000000000000000000000000000011f90", "0500000400000000000000000000000000000001" "1f90", "[::1]:8080"},
		{"", "05f20003001f90", "0500000301611f90", "[::]:8080"}, /* a name: only its port counts */
	};
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk t = {
			.ops = &connector_socks5_ops, .req = {.command = CONNECTOR_MUX_BIND, TARGET(rows[i].host, 8080)},
			.said = {"050100", rows[i].asked}, .answered = {"0500", rows[i].reply}, .end = CONNECTOR_DONE,
		};
		struct connector c = run(&t);
		CU_ASSERT_STRING_EQUAL(addr_format(&c.bound, text), rows[i].bound);
	}
}

/* GOST's, too: a way for datagrams names nobody, a port for them is a port. */
static void test_datagrams(void)
{
	static const struct {
		enum connector_command command;
		const char *host, *asked, *reply, *bound;
	} rows[] = {
		{CONNECTOR_UDP, "192.0.2.9", "05f30001000000000000", "05000001000000000000", "0.0.0.0:0"},
		{CONNECTOR_UDP, "a.example", "05f30001000000000000", "05000001c00002011f90", "192.0.2.1:8080"},
		{CONNECTOR_UDP_BIND, "", "05f30003001f90", "05000001c00002011f90", "192.0.2.1:8080"},
		{CONNECTOR_UDP_BIND, "10.0.0.1", "05f300010a0000011f90", "0500000301611f90", "[::]:8080"},
	};
	char text[ADDR_TEXT_MAX];

	CU_ASSERT(connector_socks5_ops.udp && connector_socks5_ops.udp == connector_socks5_ops.udp_bind);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk t = {
			.ops = &connector_socks5_ops, .req = {.command = rows[i].command, TARGET(rows[i].host, 8080)},
			.said = {"050100", rows[i].asked}, .answered = {"0500", rows[i].reply}, .end = CONNECTOR_DONE,
		};
		struct connector c = run(&t);
		CU_ASSERT_STRING_EQUAL(addr_format(&c.bound, text), rows[i].bound);
	}
}

static enum connector_result visitor(const char *hex, size_t len, struct addr *peer, size_t *consumed)
{
	uint8_t data[64], *block = malloc(len ? len : 1);
	ssize_t n = hex_decode(hex, strlen(hex), data, sizeof(data));

	CU_ASSERT_FATAL(n >= (ssize_t)len);
	memcpy(block, data, len);
	enum connector_result r = connector_socks5_ops.visitor(block, len, peer, consumed);
	free(block);
	return r;
}

/* What a stream begins with, cut at every byte, payload behind it. */
static void test_visitor(void)
{
	static const char good[] = "05000001cb0071091267" "5353482d";
	static const char *const bad[] = {"05010001cb0071091267", "0500000301611f90", "04", "05000009"};
	struct addr peer = {0};
	char text[ADDR_TEXT_MAX];
	size_t consumed = 0;

	for (size_t n = 0; n < 10; n++)
		CU_ASSERT(visitor(good, n, &peer, &consumed) == CONNECTOR_MORE && !consumed && !addr_is_set(&peer));
	for (size_t n = 10; n <= 14; n++) {
		CU_ASSERT(visitor(good, n, &peer, &consumed) == CONNECTOR_DONE && consumed == 10);
		CU_ASSERT_STRING_EQUAL(addr_format(&peer, text), "203.0.113.9:4711");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(visitor(bad[i], strlen(bad[i]) / 2, &peer, &consumed), CONNECTOR_FAILED);
	CU_ASSERT(!connector_socks4_ops.visitor);
}

/* Bytes that answer what has not been said yet. */
static void test_ahead(void)
{
	struct connector_request req = {TARGET("10.9.8.7", 80)};
	struct connector c = {.ops = &connector_socks5_ops, .req = &req};
	size_t consumed;

	CU_ASSERT_EQUAL_FATAL(c.ops->begin(&c), 0);
	CU_ASSERT_EQUAL(c.ops->input(&c, (const uint8_t *)"\5\0\5\0", 4, &consumed), CONNECTOR_FAILED);
	CU_ASSERT_STRING_EQUAL(c.error, "the proxy answers before it was asked");
}

static void check_unsayable(const struct connector_ops *ops, struct connector_request req)
{
	struct connector c = {.ops = ops, .req = &req};

	CU_ASSERT_EQUAL(ops->begin(&c), -EINVAL);
	CU_ASSERT(c.error[0] && !c.out_len);
}

static void test_unsayable(void)
{
	char longest[300];

	memset(longest, 'a', sizeof(longest));
	longest[256] = '\0';
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET("", 80)});
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET(longest, 80)});
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET("a", 80), .user = longest});
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET("a", 80), .no_4a = true});
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET("::1", 80), .no_4a = true});
	check_unsayable(&connector_socks4_ops, (struct connector_request){TARGET("a", 80), .command = CONNECTOR_BIND});
	check_unsayable(&connector_socks5_ops, (struct connector_request){TARGET("", 80)});
	check_unsayable(&connector_socks5_ops, (struct connector_request){TARGET(longest, 80)});
	check_unsayable(&connector_socks5_ops, (struct connector_request){TARGET("a b", 80)});
	check_unsayable(&connector_socks5_ops, (struct connector_request){TARGET("a", 80), .user = longest});
	check_unsayable(&connector_socks5_ops, (struct connector_request){TARGET("a", 80), .user = "u", .password = longest});
	longest[255] = '\0';
	struct connector_request req = {TARGET(longest, 80), .user = longest, .password = longest};
	struct connector c = {.ops = &connector_socks5_ops, .req = &req};
	CU_ASSERT_EQUAL(c.ops->begin(&c), 0);
}

static const struct unit_case cases[] = {
	{"socks4 and 4a", test_socks4},
	{"socks4 refuses", test_socks4_refused},
	{"socks5", test_socks5},
	{"user and password", test_socks5_login},
	{"socks5 refuses", test_socks5_refused},
	{"bind has two replies", test_bind},
	{"MUX-BIND has one", test_mux_bind},
	{"datagrams, and a port for them", test_datagrams},
	{"who a stream is from", test_visitor},
	{"a proxy that runs ahead", test_ahead},
	{"what cannot be said", test_unsayable},
};

UNIT_MAIN("connector_socks", cases)
