/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_connector_relay.c - requests byte for byte as GOST sends them, answers cut anywhere, statuses, what is not taken.
 *
 * See: user/connector_relay.c, tests/vectors/relay.tsv.
 */
#include "connector.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void expect_request(const struct connector_request *req, const char *bytes, size_t len, bool late)
{
	struct connector *c = calloc(1, sizeof(*c));

	*c = (struct connector){.ops = &connector_relay_ops, .req = req};
	CU_ASSERT_EQUAL_FATAL(connector_relay_ops.begin(c), 0);
	CU_ASSERT_EQUAL_FATAL(c->out_len, len);
	CU_ASSERT(memcmp(c->out, bytes, len) == 0);
	CU_ASSERT_EQUAL(c->late, late);
	free(c);
}

#define EXPECT(req, text, late) expect_request(req, text, sizeof(text) - 1, late)

static void test_connect(void)
{
	struct connector_request req = {.host = "10.9.8.7", .port = 80};

	EXPECT(&req, "\x01\x01\x00\x0a\x02\x00\x07\x01\x0a\x09\x08\x07\x00\x50", true);
	req.nodelay = true;
	EXPECT(&req, "\x01\x01\x00\x0a\x02\x00\x07\x01\x0a\x09\x08\x07\x00\x50", false);
	req.user = "user";
	req.password = "pass";
	EXPECT(&req, "\x01\x01\x00\x17\x01\x00\x0a\x04user\x04pass\x02\x00\x07\x01\x0a\x09\x08\x07\x00\x50", false);
	req = (struct connector_request){.host = "example.com", .port = 80, .user = "u"};
	EXPECT(&req, "\x01\x01\x00\x18\x01\x00\x03\x01u\x00\x02\x00\x0f\x03\x0b" "example.com\x00\x50", true);
	req = (struct connector_request){.command = CONNECTOR_UDP, .host = "10.9.8.7", .port = 53};
	EXPECT(&req, "\x01\x81\x00\x0f\x04\x00\x02\x00\x01\x02\x00\x07\x01\x0a\x09\x08\x07\x00\x35", true);
	req = (struct connector_request){.command = CONNECTOR_UDP, .host = "10.9.8.7", .port = 53, .user = "a", .nodelay = true};
	EXPECT(&req, "\x01\x81\x00\x15\x04\x00\x02\x00\x01\x01\x00\x03\x01" "a\x00\x02\x00\x07\x01\x0a\x09\x08\x07\x00\x35", false);
}

static void test_bind(void)
{
	struct connector_request req = {.command = CONNECTOR_MUX_BIND, .host = "", .port = 8080};

	EXPECT(&req, "\x01\x02\x00\x0c\x04\x00\x02\x00\x00\x02\x00\x04\x03\x00\x1f\x90", false);
	req.host = "0.0.0.0";
	EXPECT(&req, "\x01\x02\x00\x0f\x04\x00\x02\x00\x00\x02\x00\x07\x01\x00\x00\x00\x00\x1f\x90", false);
	req.user = "a";
	req.password = "b";
	EXPECT(&req, "\x01\x02\x00\x16\x01\x00\x04\x01" "a\x01" "b\x04\x00\x02\x00\x00\x02\x00\x07\x01\x00\x00\x00\x00\x1f\x90", false);
}

static void test_bind_udp(void)
{
	struct connector_request req = {.command = CONNECTOR_UDP_BIND, .host = "", .port = 8080};

	EXPECT(&req, "\x01\x82\x00\x0c\x04\x00\x02\x00\x01\x02\x00\x04\x03\x00\x1f\x90", false);
	req.user = "a";
	req.password = "b";
	EXPECT(&req, "\x01\x82\x00\x13\x01\x00\x04\x01" "a\x01" "b\x04\x00\x02\x00\x01\x02\x00\x04\x03\x00\x1f\x90", false);
}

static void test_too_long(void)
{
	char name[257];
	struct connector_request req = {.host = name, .port = 80};
	struct connector *c = calloc(1, sizeof(*c));

	memset(name, 'n', 256);
	name[256] = '\0';
	*c = (struct connector){.ops = &connector_relay_ops, .req = &req};
	CU_ASSERT(connector_relay_ops.begin(c) < 0);
	CU_ASSERT(c->error[0] != '\0' && !c->out_len);
	free(c);
}

static enum connector_result feed(struct connector *c, const char *bytes, size_t len, size_t *consumed)
{
	static const struct connector_request req = {.command = CONNECTOR_MUX_BIND, .host = ""};
	uint8_t *copy = malloc(len ? len : 1);

	*c = (struct connector){.ops = &connector_relay_ops, .req = &req};
	memcpy(copy, bytes, len);
	*consumed = 0;
	enum connector_result result = connector_relay_ops.input(c, copy, len, consumed);
	free(copy);
	return result;
}

static void test_answers(void)
{
	static const char bound[] = "\x01\x00\x00\x0a\x02\x00\x07\x01\xc0\xa8\x64\x64\x1f\x90payload";
	struct connector *c = calloc(1, sizeof(*c));
	char text[ADDR_TEXT_MAX];
	size_t consumed;

	for (size_t n = 0; n < 14; n++)
		CU_ASSERT(feed(c, bound, n, &consumed) == CONNECTOR_MORE && consumed == 0);
	for (size_t n = 14; n < sizeof(bound); n++) {
		CU_ASSERT(feed(c, bound, n, &consumed) == CONNECTOR_DONE && consumed == 14);
		CU_ASSERT_STRING_EQUAL(addr_format(&c->bound, text), "192.168.100.100:8080");
	}
	CU_ASSERT(feed(c, "\x01\x00\x00\x00WORLD", 9, &consumed) == CONNECTOR_DONE && consumed == 4);
	CU_ASSERT(!addr_is_set(&c->bound));
	CU_ASSERT_EQUAL(feed(c, "\x01\x07\x00\x00", 4, &consumed), CONNECTOR_FAILED);
	CU_ASSERT_STRING_EQUAL(c->error, "relay status 7: network unreachable");
	CU_ASSERT_EQUAL(feed(c, "H", 1, &consumed), CONNECTOR_FAILED);
	CU_ASSERT_STRING_EQUAL(c->error, "its answer is wrong: not the relay protocol, version 1");
	free(c);
}

/* What a stream of a tunnel begins with, cut at every byte. */
static void test_visitor(void)
{
	static const uint8_t good[] = "\x01\x00\x00\x0a\x02\x00\x07\x01\xcb\x00\x71\x09\x12\x67payload";
	static const uint8_t named[] = "\x01\x00\x00\x07\x02\x00\x04\x03\x00\x12\x67";
	struct addr peer = {0};
	char text[ADDR_TEXT_MAX];
	size_t consumed = 0;

	for (size_t n = 0; n < 14; n++)
		CU_ASSERT(connector_relay_ops.visitor(good, n, &peer, &consumed) == CONNECTOR_MORE && !consumed);
	CU_ASSERT(!addr_is_set(&peer));
	for (size_t n = 14; n < sizeof(good); n++)
		CU_ASSERT(connector_relay_ops.visitor(good, n, &peer, &consumed) == CONNECTOR_DONE && consumed == 14);
	CU_ASSERT_STRING_EQUAL(addr_format(&peer, text), "203.0.113.9:4711");
	CU_ASSERT_EQUAL(connector_relay_ops.visitor(named, sizeof(named) - 1, &peer, &consumed), CONNECTOR_FAILED);
	CU_ASSERT_EQUAL(connector_relay_ops.visitor((const uint8_t *)"\x01\x07\x00\x00", 4, &peer, &consumed), CONNECTOR_FAILED);
	CU_ASSERT_EQUAL(connector_relay_ops.visitor((const uint8_t *)"\x01\x00\x00\x00", 4, &peer, &consumed), CONNECTOR_FAILED);
}

static const struct unit_case cases[] = {
	{"CONNECT as recorded", test_connect},
	{"BIND as GOST 3.2.6 sends it", test_bind},
	{"BIND for datagrams", test_bind_udp},
	{"a name that is too long", test_too_long},
	{"answers, whole and cut", test_answers},
	{"who a stream is from", test_visitor},
};
UNIT_MAIN("connector_relay", cases)
