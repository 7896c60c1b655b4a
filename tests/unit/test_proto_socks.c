/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_socks.c - tests/vectors/socks4.tsv and socks5.tsv: every row, every prefix of it, and the way back.
 *
 * Columns: name, parser, hex, outcome, bytes consumed, what was read (or the error), note. Each input is a block of exactly
 * its length, so that a sanitizer sees a read too far. Run from the root of the tree, as run-tests does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "proto_socks4.h"
#include "proto_socks5.h"
#include "unit.h"

#define TEXT_MAX 1200

/* What a parser did, in the table's words; and, for what it accepted, the same message built again. */
struct outcome {
	enum socks_result result;
	size_t consumed;
	char text[TEXT_MAX];
	uint8_t again[1024];
	ssize_t again_len; /* 0: there is no builder */
};

static void read_request4(struct socks_parse *in, struct outcome *out)
{
	struct socks4_request req;

	out->result = socks4_parse_request(in, &req);
	if (out->result != SOCKS_ACCEPT)
		return;
	snprintf(out->text, TEXT_MAX, "%d %s:%d user=%s name=%d", req.command, req.target.host, req.target.port, req.user,
		 req.with_name);
	out->again_len = socks4_build_request(out->again, sizeof(out->again), &req);
}

static void read_reply4(struct socks_parse *in, struct outcome *out)
{
	struct socks4_reply reply;
	char at[ADDR_TEXT_MAX];

	out->result = socks4_parse_reply(in, &reply);
	if (out->result != SOCKS_ACCEPT)
		return;
	snprintf(out->text, TEXT_MAX, "%d %s", reply.code, addr_format(&reply.bound, at));
	socks4_build_reply(out->again, (enum socks4_code)reply.code, &reply.bound);
	out->again_len = SOCKS4_REPLY_LEN;
}

static void read_offer(struct socks_parse *in, struct outcome *out)
{
	struct socks5_offer offer;

	out->result = socks5_parse_offer(in, &offer);
	if (out->result != SOCKS_ACCEPT)
		return;
	hex_encode(offer.methods, offer.count, out->text);
	out->again_len = socks5_build_offer(out->again, sizeof(out->again), offer.methods, offer.count);
}

static void read_pair(struct socks_parse *in, struct outcome *out,
		      enum socks_result (*parse)(struct socks_parse *, uint8_t *))
{
	uint8_t value;

	out->result = parse(in, &value);
	if (out->result == SOCKS_ACCEPT)
		snprintf(out->text, TEXT_MAX, "%d", value);
}

static void read_choice(struct socks_parse *in, struct outcome *out)
{
	read_pair(in, out, socks5_parse_choice);
}

static void read_status(struct socks_parse *in, struct outcome *out)
{
	read_pair(in, out, socks5_parse_status);
}

static void read_login(struct socks_parse *in, struct outcome *out)
{
	struct socks5_login login;

	out->result = socks5_parse_login(in, &login);
	if (out->result != SOCKS_ACCEPT)
		return;
	snprintf(out->text, TEXT_MAX, "user=%s password=%s", login.user, login.password);
	out->again_len = socks5_build_login(out->again, sizeof(out->again), &login);
}

static void read_message(struct socks_parse *in, struct outcome *out)
{
	struct socks5_message msg;

	out->result = socks5_parse_message(in, &msg);
	if (out->result != SOCKS_ACCEPT)
		return;
	snprintf(out->text, TEXT_MAX, "%d %s:%d", msg.code, msg.target.host, msg.target.port);
	out->again_len = socks5_build_message(out->again, sizeof(out->again), &msg);
}

static void read_udp(struct socks_parse *in, struct outcome *out)
{
	struct socks5_udp_header header;

	out->result = socks5_parse_udp(in, &header);
	if (out->result != SOCKS_ACCEPT)
		return;
	snprintf(out->text, TEXT_MAX, "%d %s:%d", header.fragment, header.target.host, header.target.port);
	out->again_len = socks5_build_udp(out->again, sizeof(out->again), &header);
}

static const struct {
	const char *name;
	void (*fn)(struct socks_parse *in, struct outcome *out);
} parsers[] = {
	{"request4", read_request4}, {"reply4", read_reply4}, {"offer", read_offer},     {"choice", read_choice},
	{"login", read_login},       {"status", read_status}, {"message", read_message}, {"udp", read_udp},
};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

static size_t parser_named(const char *name)
{
	for (size_t i = 0; i < PARSERS; i++)
		if (!strcmp(parsers[i].name, name))
			return i;
	CU_FAIL_FATAL("no such parser");
	return 0;
}

static struct outcome parse(size_t parser, const uint8_t *data, size_t len)
{
	uint8_t *block = malloc(len ? len : 1);
	struct socks_parse in = {.data = block, .len = len};
	struct outcome out = {0};

	if (len)
		memcpy(block, data, len);
	parsers[parser].fn(&in, &out);
	out.consumed = in.consumed;
	if (out.result == SOCKS_REJECT || out.result == SOCKS_UNSUPPORTED)
		snprintf(out.text, TEXT_MAX, "%s", in.error);
	free(block);
	return out;
}

/* --- one row --------------------------------------------------------------------------------------------- */

struct row {
	char *name, *parser, *hex, *expected, *consumed, *value;
	uint8_t data[2048];
	size_t len, parser_index;
};

static const char *const results[] = {"accept", "more", "reject", "unsupported"};

static void check_whole(const struct row *row, const struct outcome *got)
{
	bool right = !strcmp(results[got->result], row->expected) && !strcmp(got->text, row->value) &&
		     (got->result != SOCKS_ACCEPT || got->consumed == strtoul(row->consumed, NULL, 10));

	if (!right) {
		printf("    %s: %s %zu \"%s\"\n", row->name, results[got->result], got->consumed, got->text);
		CU_FAIL("another outcome was expected");
	}
}

/* Shorter than the message: more is asked for. Longer: nothing changes. An error, once found, stays one. */
static void check_prefixes(const struct row *row, const struct outcome *whole)
{
	bool failed = false;

	for (size_t len = 0; len <= row->len; len++) {
		struct outcome got = parse(row->parser_index, row->data, len);
		bool right;
		if (whole->result == SOCKS_ACCEPT && len >= whole->consumed)
			right = got.result == SOCKS_ACCEPT && got.consumed == whole->consumed && !strcmp(got.text, whole->text);
		else if (whole->result == SOCKS_ACCEPT || whole->result == SOCKS_MORE)
			right = got.result == SOCKS_MORE && got.consumed == 0;
		else
			right = failed ? got.result == whole->result : got.result != SOCKS_ACCEPT;
		CU_ASSERT(right);
		failed |= got.result == whole->result;
	}
}

/* What was built reads the same; it need not be the same bytes (reserved ones, a numeric name). */
static void check_again(const struct row *row, const struct outcome *whole)
{
	if (whole->result != SOCKS_ACCEPT || !whole->again_len)
		return;
	if (!strcmp(row->name, "bind_no_host")) /* has no form of its own: becomes 0.0.0.0 */
		return;
	CU_ASSERT_FATAL(whole->again_len > 0);
	struct outcome got = parse(row->parser_index, whole->again, (size_t)whole->again_len);
	CU_ASSERT(got.result == SOCKS_ACCEPT && got.consumed == (size_t)whole->again_len);
	CU_ASSERT_STRING_EQUAL(got.text, whole->text);
}

static void check_row(char *line)
{
	struct row row = {.name = strsep(&line, "\t"), .parser = strsep(&line, "\t"), .hex = strsep(&line, "\t")};

	row.expected = strsep(&line, "\t");
	row.consumed = strsep(&line, "\t");
	row.value = strsep(&line, "\t");
	CU_ASSERT_PTR_NOT_NULL_FATAL(line); /* the note */
	ssize_t len = hex_decode(row.hex, strlen(row.hex), row.data, sizeof(row.data));
	CU_ASSERT_FATAL(len >= 0);
	row.len = (size_t)len;
	row.parser_index = parser_named(row.parser);
	struct outcome whole = parse(row.parser_index, row.data, row.len);
	check_whole(&row, &whole);
	check_prefixes(&row, &whole);
	check_again(&row, &whole);
}

static unsigned check_table(const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	unsigned rows = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	CU_ASSERT(getline(&line, &cap, in) > 0); /* the columns' names */
	while (getline(&line, &cap, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		check_row(line);
		rows++;
	}
	free(line);
	fclose(in);
	return rows;
}

static void test_socks4(void)
{
	CU_ASSERT(check_table("tests/vectors/socks4.tsv") >= 32);
}

static void test_socks5(void)
{
	CU_ASSERT(check_table("tests/vectors/socks5.tsv") >= 50);
}

/* --- builders ------------------------------------------------------------------------------------------ */

static void test_cannot_be_said(void)
{
	struct socks4_request req = {.command = SOCKS_CONNECT, .target = {.host = "example.com", .port = 80}};
	uint8_t out[SOCKS4_REQUEST_MAX];

	CU_ASSERT_EQUAL(socks4_build_request(out, sizeof(out), &req), -EINVAL);
	strcpy(req.target.host, "2001:db8::1");
	CU_ASSERT_EQUAL(socks4_build_request(out, sizeof(out), &req), -EINVAL);
	strcpy(req.target.host, "0.0.0.7"); /* would be taken for 4a */
	CU_ASSERT_EQUAL(socks4_build_request(out, sizeof(out), &req), -EINVAL);
	strcpy(req.target.host, "");
	CU_ASSERT_EQUAL(socks4_build_request(out, sizeof(out), &req), -EINVAL);
	req.with_name = true;
	CU_ASSERT_EQUAL(socks4_build_request(out, sizeof(out), &req), -EINVAL);
	CU_ASSERT_EQUAL(socks5_build_offer(out, sizeof(out), out, 0), -EINVAL);
}

static void test_no_room(void)
{
	struct socks4_request req = {.command = 1, .with_name = true, .target = {.host = "example.com", .port = 80}};
	struct socks5_message msg = {.code = 1, .target = req.target};
	struct socks5_login login = {.user = "u", .user_len = 1};
	uint8_t out[64];

	for (size_t cap = 0; cap < 21; cap++)
		CU_ASSERT_EQUAL(socks4_build_request(out, cap, &req), -ENOSPC);
	CU_ASSERT_EQUAL(socks4_build_request(out, 21, &req), 21);
	for (size_t cap = 0; cap < 18; cap++)
		CU_ASSERT_EQUAL(socks5_build_message(out, cap, &msg), -ENOSPC);
	CU_ASSERT_EQUAL(socks5_build_message(out, 18, &msg), 18);
	for (size_t cap = 0; cap < 4; cap++)
		CU_ASSERT_EQUAL(socks5_build_login(out, cap, &login), -ENOSPC);
	CU_ASSERT_EQUAL(socks5_build_login(out, 4, &login), 4);
	CU_ASSERT_EQUAL(socks5_build_offer(out, 2, (const uint8_t[]){0}, 1), -ENOSPC);
}

static void test_reply_addresses(void)
{
	struct addr a = {0};
	uint8_t reply[SOCKS4_REPLY_LEN];
	struct socks_target target;

	socks4_build_reply(reply, SOCKS4_FAILED, &a);
	CU_ASSERT(!memcmp(reply, "\0[\0\0\0\0\0\0", 8));
	addr_parse_ip(&a, "2001:db8::1", 11, 80);
	socks4_build_reply(reply, SOCKS4_GRANTED, &a);
	CU_ASSERT(!memcmp(reply, "\0Z\0\0\0\0\0\0", 8));
	addr_parse_ip(&a, "::ffff:192.0.2.1", 16, 80);
	socks_target_addr(&target, &a);
	CU_ASSERT_STRING_EQUAL(target.host, "192.0.2.1");
	CU_ASSERT_EQUAL(target.port, 80);
	addr_parse_ip(&a, "fe80::1", 7, 80);
	a.in6.sin6_scope_id = 1;
	socks_target_addr(&target, &a);
	CU_ASSERT_STRING_EQUAL(target.host, "fe80::1");
}

static void test_offers(void)
{
	struct socks5_offer offer = {.methods = (const uint8_t *)"\x80\x02", .count = 2};

	CU_ASSERT(socks5_offers(&offer, SOCKS5_METHOD_PASSWORD));
	CU_ASSERT(!socks5_offers(&offer, SOCKS5_METHOD_NONE));
}

static const struct unit_case cases[] = {
	{"socks4 vectors", test_socks4},
	{"socks5 vectors", test_socks5},
	{"what cannot be said", test_cannot_be_said},
	{"no room", test_no_room},
	{"addresses in replies", test_reply_addresses},
	{"offers", test_offers},
};

UNIT_MAIN("proto_socks", cases)
