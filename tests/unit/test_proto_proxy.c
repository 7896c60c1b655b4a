/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy.c - the PROXY parser against tests/vectors/proxy_header.tsv.
 *
 * Why: every row is checked in all its columns, and then for what must follow from it: its prefixes,
 * its continuations, its bit flips and its mutations.
 * Never: decodes a header itself; addresses are compared with inet_pton() of the row's text.
 * See: the rules that no row covers are in test_proto_proxy_rules.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#include "proxy_check.h"
#include "unit.h"

#define VECTORS "tests/vectors/proxy_header.tsv"
#define MAX_ROWS 400
#define MAX_LINE 16384

enum column {
	COL_NAME, COL_HEX, COL_EXPECTED, COL_VERSION, COL_CMD, COL_FAMILY, COL_PROTO, COL_SRC,
	COL_SPORT, COL_DST, COL_DPORT, COL_CONSUMED, COL_TLVS, COL_NOTE, COLUMNS,
};

struct row {
	char *text[COLUMNS];
	char *line; /* owns the texts */
	uint8_t *bytes;
	size_t len, consumed;
	enum proxy_result expected;
};

static struct row rows[MAX_ROWS];
static size_t row_count;

static const char *const result_names[] = {
	[PROXY_ACCEPT] = "accept",
	[PROXY_NEED_MORE] = "need-more",
	[PROXY_REJECT] = "reject",
	[PROXY_NOT_PROXY] = "not-proxy",
};
static const char *const command_names[] = {
	[PROXY_CMD_PROXY] = "PROXY",
	[PROXY_CMD_LOCAL] = "LOCAL",
	[PROXY_CMD_UNKNOWN] = "UNKNOWN",
};
static const char *const family_names[] = {
	[PROXY_AF_UNSPEC] = "UNSPEC",
	[PROXY_AF_INET] = "INET",
	[PROXY_AF_INET6] = "INET6",
	[PROXY_AF_UNIX] = "UNIX",
};
static const char *const proto_names[] = {
	[PROXY_PROTO_UNSPEC] = "UNSPEC",
	[PROXY_PROTO_STREAM] = "STREAM",
	[PROXY_PROTO_DGRAM] = "DGRAM",
};

/* Fails with the row's name, so that a failure says where. */
static void check(bool ok, const struct row *r, const char *what, size_t where)
{
	char text[160] = "";

	if (!ok)
		snprintf(text, sizeof(text), "%s: %s (at %zu)", r->text[COL_NAME], what, where);
	CU_assertImplementation(ok, __LINE__, text, __FILE__, "", CU_FALSE);
}

/* --- reading the table --- */

static void decode_hex(struct row *r)
{
	r->len = strlen(r->text[COL_HEX]) / 2;
	r->bytes = malloc(r->len + 1);
	for (size_t i = 0; r->bytes && i < r->len; i++)
		sscanf(r->text[COL_HEX] + 2 * i, "%2hhx", &r->bytes[i]);
}

static bool split_row(struct row *r, const char *line)
{
	char *rest = r->line = strdup(line);
	bool known = false;

	r->line[strcspn(r->line, "\r\n")] = '\0';
	for (int i = 0; i < COLUMNS; i++)
		r->text[i] = strsep(&rest, "\t");
	if (!r->text[COL_NOTE] || rest)
		return false;
	for (int i = PROXY_ACCEPT; i <= PROXY_NOT_PROXY; i++) {
		if (!strcmp(r->text[COL_EXPECTED], result_names[i])) {
			r->expected = (enum proxy_result)i;
			known = true;
		}
	}
	r->consumed = strtoul(r->text[COL_CONSUMED], NULL, 10);
	decode_hex(r);
	return known && r->bytes;
}

/* First case: everything else runs over what it loads. */
static void test_table_loads(void)
{
	static char line[MAX_LINE];
	FILE *f = fopen(VECTORS, "r");
	bool header = true;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (; fgets(line, sizeof(line), f); header = false) {
		if (header)
			continue;
		CU_ASSERT_FATAL(row_count < MAX_ROWS);
		CU_ASSERT_FATAL(split_row(&rows[row_count], line));
		row_count++;
	}
	fclose(f);
	CU_ASSERT(row_count >= 100);
}

static void free_rows(void)
{
	for (size_t i = 0; i < row_count; i++) {
		free(rows[i].line);
		free(rows[i].bytes);
	}
	row_count = 0;
}

/* --- columns --- */

static bool same_ip(const struct addr *a, int family, const char *ip, const char *port)
{
	struct addr want = {.len = family == AF_INET ? sizeof(want.in4) : sizeof(want.in6)};
	uint16_t port_be = htons((uint16_t)strtoul(port, NULL, 10));

	if (family == AF_INET) {
		want.in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port_be};
		if (inet_pton(AF_INET, ip, &want.in4.sin_addr) != 1)
			return false;
	} else {
		want.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port_be};
		if (inet_pton(AF_INET6, ip, &want.in6.sin6_addr) != 1)
			return false;
	}
	return a->len == want.len && !memcmp(&a->sa, &want.sa, a->len);
}

static bool same_path(const struct addr *a, const char *path)
{
	size_t len = strlen(path), nul = len < sizeof(a->un.sun_path);

	return a->sa.sa_family == AF_UNIX && !memcmp(a->un.sun_path, path, len + nul) &&
	       a->len == offsetof(struct sockaddr_un, sun_path) + len + nul;
}

static bool same_addr(const struct addr *a, enum proxy_family family, const char *ip,
		      const char *port)
{
	switch (family) {
	case PROXY_AF_INET:
		return same_ip(a, AF_INET, ip, port);
	case PROXY_AF_INET6:
		return same_ip(a, AF_INET6, ip, port);
	case PROXY_AF_UNIX:
		return same_path(a, ip);
	default:
		return !addr_is_set(a) && !*ip;
	}
}

static const char *tlv_text(const struct proxy_header *h, char out[static 512])
{
	size_t offset = 0, n = 0;
	struct proxy_tlv tlv;

	for (*out = '\0'; proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) > 0 && n < 480;)
		n += (size_t)sprintf(out + n, "%s%02x:%04x", n ? "," : "", tlv.type, tlv.len);
	return out;
}

static void check_columns(const struct row *r, const struct proxy_header *h)
{
	char tlvs[512];

	check(h->version == atoi(r->text[COL_VERSION]), r, "version", 0);
	check(!strcmp(command_names[h->command], r->text[COL_CMD]), r, "command", 0);
	check(!strcmp(family_names[h->family], r->text[COL_FAMILY]), r, "family", 0);
	check(!strcmp(proto_names[h->proto], r->text[COL_PROTO]), r, "transport", 0);
	check(same_addr(&h->src, h->family, r->text[COL_SRC], r->text[COL_SPORT]), r, "source", 0);
	check(same_addr(&h->dst, h->family, r->text[COL_DST], r->text[COL_DPORT]), r, "destination", 0);
	check(h->consumed == r->consumed, r, "consumed", h->consumed);
	check(!strcmp(tlv_text(h, tlvs), r->text[COL_TLVS]), r, "TLVs", 0);
	check(h->crc_present == (strstr(tlvs, "03:0004") != NULL), r, "CRC32C seen", 0);
	check((h->tlvs != NULL) == (h->tlvs_len != 0), r, "no TLVs: no pointer", 0);
}

static void check_fault(const struct row *r, const struct proxy_fault *f)
{
	check(f->error && *f->error && f->error[strlen(f->error) - 1] != '.', r, "sentence", 0);
	check(f->section && isdigit((unsigned char)f->section[0]), r, "section", 0);
	check(f->offset < r->len, r, "offset inside the input", f->offset);
}

static void test_rows(void)
{
	for (size_t i = 0; i < row_count; i++) {
		struct proxy_header h = {0};
		struct proxy_fault f = {0};
		enum proxy_result got =
			parse_copy(rows[i].bytes, rows[i].len, &any_size, &h, &f);

		check(got == rows[i].expected, &rows[i], "verdict", (size_t)got);
		if (got == PROXY_ACCEPT && rows[i].expected == got)
			check_columns(&rows[i], &h);
		if (got == PROXY_REJECT || got == PROXY_NOT_PROXY)
			check_fault(&rows[i], &f);
		else
			check(!f.error, &rows[i], "fault untouched", 0);
	}
}

/* --- what follows from a row --- */

static enum proxy_result verdict(const struct row *r, size_t len)
{
	return parse_copy(r->bytes, len, &any_size, NULL, NULL);
}

/* A prefix needs more until one byte settles it; from there on nothing changes the verdict. */
static void test_prefixes(void)
{
	for (size_t i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];
		bool settled = false;

		for (size_t n = 0; n <= r->len; n++) {
			enum proxy_result v = verdict(r, n);
			settled = settled || v != PROXY_NEED_MORE;
			check(v == PROXY_NEED_MORE || v == r->expected, r, "a prefix contradicts", n);
			check(!settled || v != PROXY_NEED_MORE, r, "settled, then more", n);
			if (r->expected == PROXY_ACCEPT)
				check((v == PROXY_ACCEPT) == (n >= r->consumed), r, "prefix", n);
		}
	}
}

static void check_suffix(const struct row *r, const void *suffix, size_t suffix_len)
{
	size_t head = r->expected == PROXY_ACCEPT ? r->consumed : r->len;
	uint8_t *longer = malloc(head + suffix_len);
	struct proxy_header h = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(longer);
	memcpy(longer, r->bytes, head);
	memcpy(longer + head, suffix, suffix_len);
	check(parse_copy(longer, head + suffix_len, &any_size, &h, NULL) == r->expected, r,
	      "a suffix changes the verdict", suffix_len);
	if (r->expected == PROXY_ACCEPT)
		check_columns(r, &h);
	free(longer);
}

static void test_suffixes(void)
{
	uint8_t noise[600];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 167 + 13);
	for (size_t i = 0; i < row_count; i++) {
		if (rows[i].expected == PROXY_NEED_MORE)
			continue;
		for (int b = 0; b < 256; b++)
			check_suffix(&rows[i], &(uint8_t){(uint8_t)b}, 1);
		check_suffix(&rows[i], "\r\n", 2);
		check_suffix(&rows[i], "PROXY TCP4 9.9.9.9 8.8.8.8 3 4\r\n", 32);
		check_suffix(&rows[i], noise, sizeof(noise));
	}
}

static size_t flip_bits(struct row *r, size_t from, size_t to)
{
	for (size_t bit = from * 8; bit < to * 8; bit++) {
		r->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		check(verdict(r, r->len) == PROXY_REJECT, r, "flipped bit not noticed", bit);
		r->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	return (to - from) * 8;
}

/* Every bit of the addresses and TLV values. Types and lengths are left alone: they may hide the CRC. */
static size_t flip_content(struct row *r, const struct proxy_header *h)
{
	size_t offset = 0, flips = flip_bits(r, PROXY_V2_FIXED, (size_t)(h->tlvs - r->bytes));
	struct proxy_tlv tlv;

	while (proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) > 0) {
		size_t at = (size_t)(tlv.value - r->bytes);
		flips += flip_bits(r, at, at + tlv.len);
	}
	return flips;
}

static void test_crc_bit_flips(void)
{
	size_t flips = 0;

	for (size_t i = 0; i < row_count; i++) {
		struct row *r = &rows[i];
		struct proxy_header h;
		if (proxy_parse(r->bytes, r->len, &any_size, &h, NULL) == PROXY_ACCEPT && h.crc_present)
			flips += flip_content(r, &h);
	}
	CU_ASSERT(flips > 500);
}

/* No expectation but these: a verdict, a fault inside the input, a header inside the input. */
static void check_mutant(const struct row *r)
{
	struct proxy_header h = {0};
	struct proxy_fault f = {0};
	enum proxy_result v = parse_copy(r->bytes, r->len, &any_size, &h, &f);

	if (v == PROXY_ACCEPT)
		check(h.consumed <= r->len && h.version >= 1 && h.version <= 2, r, "mutant", h.consumed);
	else if (v != PROXY_NEED_MORE)
		check_fault(r, &f);
}

static void test_mutations(void)
{
	for (size_t i = 0; i < row_count; i++) {
		struct row *r = &rows[i];
		for (size_t at = 0; at < r->len; at++) {
			uint8_t kept = r->bytes[at];
			for (int b = 0; b < 256; b++) {
				r->bytes[at] = (uint8_t)b;
				check_mutant(r);
			}
			r->bytes[at] = kept;
		}
	}
	free_rows();
}

static const struct unit_case cases[] = {
	{"table_loads", test_table_loads}, {"rows", test_rows},
	{"prefixes", test_prefixes},	   {"suffixes", test_suffixes},
	{"crc_bit_flips", test_crc_bit_flips}, {"mutations", test_mutations},
};

UNIT_MAIN("proto_proxy", cases)
