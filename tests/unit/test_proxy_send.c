/* SPDX-License-Identifier: BSD-2-Clause */
/* test_proxy_send.c - lists of TLVs to pass and to add: their text, what it makes of a header, and what does not fit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"
#include "proxy_send.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t out[PROXY_HEADER_MAX];

static struct proxy_send_facts facts_with(const void *tlvs, size_t len)
{
	struct proxy_send_facts facts = {
		.tlvs = tlvs, .tlvs_len = len, .unique_id = "0123abcd", .client = "192.0.2.1:7", .service = "edge", .sid = "sid0"};

	addr_from_in4(&facts.src, "\xc0\x00\x02\x01", 7);
	addr_from_in4(&facts.dst, "\xc0\x00\x02\x02", 8);
	return facts;
}

/* The TLVs of a built header as "02=6162 05=", or the error's number. */
static const char *built(const struct proxy_send *plan, const void *tlvs, size_t len)
{
	static const struct proxy_limits limits = {.max_size = PROXY_HEADER_MAX, .allow_v2 = true};
	static char text[512];
	struct proxy_send_facts facts = facts_with(tlvs, len);
	ssize_t n = proxy_send_build(plan, &facts, out, sizeof(out));
	struct proxy_header h = {0};
	struct proxy_tlv tlv;
	size_t offset = 0, at = 0;

	text[0] = '\0';
	if (n < 0) {
		snprintf(text, sizeof(text), "%zd", n);
		return text;
	}
	CU_ASSERT_EQUAL_FATAL(proxy_parse(out, (size_t)n, &limits, &h, NULL), PROXY_ACCEPT);
	CU_ASSERT(h.consumed == (size_t)n && addr_port(&h.src) == 7 && addr_port(&h.dst) == 8);
	CU_ASSERT_EQUAL(h.crc_present, plan->crc32c);
	while (proxy_tlv_next(h.tlvs, h.tlvs_len, &offset, &tlv) > 0) {
		if (tlv.type == PROXY_TLV_CRC32C)
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%02x=", at ? " " : "", tlv.type);
		for (size_t i = 0; i < tlv.len && at < sizeof(text) - 8; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", tlv.value[i]);
	}
	return text;
}

/* AUTHORITY "a", NOOP, CRC32C (of another header), AWS, AUTHORITY "b", an unknown type without value. */
static const char received[] = "\x02\0\1a\x04\0\2..\x03\0\4....\xEA\0\2\1v\x02\0\1b\x77\0\0";

static void check_lists(const char *pass, const char *add, const char *want)
{
	for (int crc = 0; crc < 2; crc++) {
		struct proxy_send plan = {.version = 2, .crc32c = crc};
		char why[100] = "";
		if (pass)
			CU_ASSERT_EQUAL(proxy_send_parse_pass(&plan, pass, why, sizeof(why)), 0);
		if (add)
			CU_ASSERT_EQUAL(proxy_send_parse_add(&plan, add, why, sizeof(why)), 0);
		CU_ASSERT_EQUAL(proxy_send_passes_any(&plan), pass != NULL);
		const char *got = built(&plan, received, sizeof(received) - 1);
		if (strcmp(got, want)) {
			printf("    pass %s add %s: %s %s\n", pass ? pass : "-", add ? add : "-", got, why);
			CU_FAIL("another header was expected");
		}
		proxy_send_free(&plan);
	}
}

static void test_lists(void)
{
	check_lists(NULL, NULL, "");
	check_lists("all", NULL, "02=61 ea=0176 02=62 77=");
	check_lists("AUTHORITY", NULL, "02=61 02=62");
	check_lists("aws,0x77", NULL, "ea=0176 77=");
	check_lists("unique-id", NULL, "");
	check_lists(NULL, "ALPN=h2", "01=6832");
	check_lists(NULL, "ALPN=", "01=");
	check_lists(NULL, "0xE4=hex:00fF,0xe5=hex:", "e4=00ff e5=");
	check_lists(NULL, "UNIQUE_ID={unique-id}", "05=3031323361626364");
	check_lists(NULL, "0xE4=<{client}|{service}|{sid}>", "e4=3c3139322e302e322e313a377c656467657c736964303e");
	check_lists(NULL, "0xE4=a=b", "e4=613d62");
	check_lists(NULL, "NOOP=hex:0000", "04=0000");
	check_lists("all", "AUTHORITY=x", "ea=0176 77= 02=78"); /* ours replaces theirs */
	check_lists("all", "0xE4=1,0xE4=2", "02=61 ea=0176 02=62 77= e4=31 e4=32");
}

static void test_errors(void)
{
	static const struct {
		bool add;
		const char *text, *why;
	} rows[] = {
		{false, "", "\"\" is not the name of a TLV"},
		{false, "AUTHORITY,", "\"\" is not the name of a TLV"},
		{false, "AUTORITY", "\"AUTORITY\" is not the name of a TLV"},
		{false, "0x100", "\"0x100\" is not"},
		{false, "all,ALPN", "\"all\" is not"},
		{false, "CRC32C", "\"CRC32C\" is never passed on"},
		{false, "0x04", "\"0x04\" is never passed on"},
		{true, "", "\"\" is not TYPE=VALUE"},
		{true, "ALPN", "\"ALPN\" is not TYPE=VALUE"},
		{true, "=x", "\"\" is not the name"},
		{true, "ALPN=h2,", "\"\" is not TYPE=VALUE"},
		{true, "CRC32C=1234", "\"CRC32C\" is computed"},
		{true, "0xE4=hex:0", "\"hex:0\" is not an even number"},
		{true, "0xE4=hex:0g", "\"hex:0g\" is not an even number"},
		{true, "0xE4={uniqueid}", "\"{uniqueid}\" has a \"{\" that begins none of"},
		{true, "0xE4={client", "has a \"{\""},
		{true, "0xE4={", "has a \"{\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct proxy_send plan = {.version = 2};
		char why[120] = "";
		int rc = rows[i].add ? proxy_send_parse_add(&plan, rows[i].text, why, sizeof(why))
				     : proxy_send_parse_pass(&plan, rows[i].text, why, sizeof(why));
		CU_ASSERT_EQUAL(rc, -EINVAL);
		if (!strstr(why, rows[i].why)) {
			printf("    %s: %s\n", rows[i].text, why);
			CU_FAIL("another sentence was expected");
		}
		proxy_send_free(&plan);
	}
}

/* Exactly 65535 bytes behind the fixed part fit; one more is an error, and nothing is written. */
static void test_overflow(void)
{
	enum { FITS = 65535 - 12 - 3 };
	uint8_t *tlvs = calloc(1, FITS + 4);
	char why[64];

	for (int more = 0; more < 2; more++) {
		struct proxy_send plan = {.version = 2};
		tlvs[0] = 0x77;
		tlvs[1] = (uint8_t)((FITS + more) >> 8);
		tlvs[2] = (uint8_t)(FITS + more);
		memset(out, 0x55, sizeof(out));
		CU_ASSERT_EQUAL(proxy_send_parse_pass(&plan, "all", why, sizeof(why)), 0);
		struct proxy_send_facts facts = facts_with(tlvs, (size_t)FITS + 3 + (size_t)more);
		ssize_t n = proxy_send_build(&plan, &facts, out, sizeof(out));
		CU_ASSERT_EQUAL(n, more ? -EOVERFLOW : PROXY_HEADER_MAX);
		CU_ASSERT_EQUAL(out[0], more ? 0x55 : 0x0d);
		CU_ASSERT_EQUAL(proxy_send_build(&plan, &facts, out, 100), more ? -EOVERFLOW : -ENOSPC);
	}
	free(tlvs);
}

static void test_long_values(void)
{
	struct proxy_send plan = {.version = 2};
	struct proxy_send_facts facts = facts_with(NULL, 0);
	char why[64], id[130], text[160];

	memset(id, 'x', 129);
	id[129] = '\0';
	facts.service = id;
	CU_ASSERT_EQUAL(proxy_send_parse_add(&plan, "UNIQUE_ID={service}", why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(proxy_send_build(&plan, &facts, out, sizeof(out)), -EOVERFLOW);
	id[128] = '\0';
	CU_ASSERT(proxy_send_build(&plan, &facts, out, sizeof(out)) == 28 + 3 + 128);
	proxy_send_free(&plan);
	memset(id, 'x', 129);
	snprintf(text, sizeof(text), "UNIQUE_ID=%s", id);
	CU_ASSERT_EQUAL(proxy_send_parse_add(&plan, text, why, sizeof(why)), -EINVAL);
	proxy_send_free(&plan);
}

static void test_versions(void)
{
	struct proxy_send plan = {.version = 1, .crc32c = true};
	struct proxy_send_facts facts = facts_with(received, sizeof(received) - 1);
	static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.2 7 8\r\n";

	CU_ASSERT_EQUAL(proxy_send_build(&plan, &facts, out, sizeof(out)), (ssize_t)strlen(line));
	CU_ASSERT_EQUAL(memcmp(out, line, strlen(line)), 0);
	plan.version = 2;
	facts.tlvs = NULL;
	CU_ASSERT_EQUAL(proxy_send_build(&plan, &facts, out, sizeof(out)), 28 + 7);
	CU_ASSERT_EQUAL(out[13], 0x11);
	facts.datagram = true;
	CU_ASSERT_EQUAL(proxy_send_build(&plan, &facts, out, sizeof(out)), 28 + 7);
	CU_ASSERT_EQUAL(out[13], 0x12);
	facts.tlvs = (const uint8_t *)received;
	plan.pass[0] = 4;
	CU_ASSERT(proxy_send_build(&plan, &facts, out, sizeof(out)) > 28 + 7 && out[13] == 0x12);
}

static void test_unique_id_is_noticed(void)
{
	struct proxy_send plan = {.version = 2};
	char why[64];

	CU_ASSERT_EQUAL(proxy_send_parse_add(&plan, "0xE4={sid}", why, sizeof(why)), 0);
	CU_ASSERT(!plan.unique_id);
	proxy_send_free(&plan);
	CU_ASSERT_EQUAL(proxy_send_parse_add(&plan, "0xE4={sid},0xE5=a{unique-id}b", why, sizeof(why)), 0);
	CU_ASSERT(plan.unique_id);
	proxy_send_free(&plan);
}

static const struct unit_case cases[] = {
	{"lists", test_lists},
	{"errors", test_errors},
	{"what does not fit", test_overflow},
	{"long values", test_long_values},
	{"versions", test_versions},
	{"unique-id", test_unique_id_is_noticed},
};

UNIT_MAIN("proxy_send", cases)
