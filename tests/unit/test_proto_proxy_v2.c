/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy_v2.c - the inside of binary headers: types, UNIX names, TLVs, checksums.
 *
 * Why: these need headers made to measure; the vectors hold what other programs send.
 * See: test_proto_proxy.c, test_proto_proxy_rules.c.
 */
#include <errno.h>
#include <stdio.h>

#include "proxy_check.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What bytes 12 and 13 alone decide: section 2.2 of the specification, 0x20 being LOCAL. */
static enum proxy_result expect_types(unsigned ver_cmd, unsigned fam, bool reject_unspec)
{
	if (ver_cmd == 0x20)
		return PROXY_ACCEPT;
	if (ver_cmd != 0x21 || fam > 0x3f || (fam & 15) > 2)
		return PROXY_REJECT;
	return (fam < 0x10 || !(fam & 15)) && reject_unspec ? PROXY_REJECT : PROXY_ACCEPT;
}

static void check_types(unsigned ver_cmd, unsigned fam, bool reject_unspec)
{
	/* After the address block of any family a multiple of three zeros is left: empty TLVs. */
	static const uint8_t body[228];
	uint8_t header[PROXY_V2_FIXED + sizeof(body)];
	struct proxy_limits limits = any_size;
	struct proxy_header h;
	size_t len = make_v2(header, (uint8_t)ver_cmd, (uint8_t)fam, body, sizeof(body));
	enum proxy_result want = expect_types(ver_cmd, fam, reject_unspec);
	bool named = ver_cmd == 0x21 && fam > 0x0f && (fam & 15);

	limits.reject_unspec = reject_unspec;
	CU_ASSERT(proxy_parse(header, 14, &limits, NULL, NULL) ==
		  (want == PROXY_ACCEPT ? PROXY_NEED_MORE : PROXY_REJECT));
	CU_ASSERT_FATAL(proxy_parse(header, len, &limits, &h, NULL) == want);
	if (want != PROXY_ACCEPT)
		return;
	CU_ASSERT(h.command == (ver_cmd & 1 ? PROXY_CMD_PROXY : PROXY_CMD_LOCAL));
	CU_ASSERT((unsigned)h.family == (named ? fam >> 4 : PROXY_AF_UNSPEC));
	CU_ASSERT((unsigned)h.proto == (named ? fam & 15 : PROXY_PROTO_UNSPEC));
	CU_ASSERT(addr_is_set(&h.src) == named && addr_is_set(&h.dst) == named);
}

static void test_every_type(void)
{
	for (unsigned ver_cmd = 0; ver_cmd < 256; ver_cmd++) {
		for (unsigned fam = 0; fam < 256; fam++) {
			check_types(ver_cmd, fam, false);
			check_types(ver_cmd, fam, true);
		}
	}
}

/* Every length from 0 to one more than the block: too short is settled by byte 16. */
static void test_every_short_length(void)
{
	static const struct { uint8_t fam; size_t block; } families[] = {
		{0x00, 0}, {0x01, 0}, {0x10, 12}, {0x11, 12}, {0x12, 12}, {0x20, 36}, {0x21, 36},
		{0x22, 36}, {0x30, 216}, {0x31, 216}, {0x32, 216},
	};
	static const uint8_t body[256];
	uint8_t header[PROXY_V2_FIXED + sizeof(body)];

	for (size_t i = 0; i < COUNT(families); i++) {
		for (size_t n = 0; n <= families[i].block + 3; n++) {
			make_v2(header, 0x21, families[i].fam, body, n);
			size_t over = n - families[i].block; /* wraps when short */
			enum proxy_result early = parse_copy(header, 16, &any_size, NULL, NULL);
			enum proxy_result whole = parse_copy(header, 16 + n, &any_size, NULL, NULL);
			CU_ASSERT((early == PROXY_REJECT) == (n < families[i].block));
			CU_ASSERT((whole == PROXY_ACCEPT) == (over == 0 || over == 3));
			make_v2(header, 0x20, families[i].fam, body, n);
			CU_ASSERT(parse_copy(header, 16 + n, &any_size, NULL, NULL) == PROXY_ACCEPT);
		}
	}
}

/* --- UNIX names --- */

struct unix_case {
	const char *field;
	size_t field_len; /* the rest is NULs */
	const char *text; /* addr_format() */
	size_t path_len;
};

static void check_unix(const struct unix_case *c)
{
	uint8_t body[216] = {0}, header[PROXY_V2_FIXED + sizeof(body)];
	char text[ADDR_TEXT_MAX];
	struct proxy_header h;

	memcpy(body, c->field, c->field_len);
	memcpy(body + 108, "/dst", 4);
	size_t len = make_v2(header, 0x21, 0x31, body, sizeof(body));
	CU_ASSERT_FATAL(parse_copy(header, len, &any_size, &h, NULL) == PROXY_ACCEPT);
	CU_ASSERT(h.family == PROXY_AF_UNIX && h.src.sa.sa_family == AF_UNIX);
	CU_ASSERT(h.src.len == offsetof(struct sockaddr_un, sun_path) + c->path_len);
	CU_ASSERT_STRING_EQUAL(addr_format(&h.src, text), c->text);
	CU_ASSERT_STRING_EQUAL(addr_format(&h.dst, text), "/dst");
}

static void test_unix_names(void)
{
	static char full[109], abstract_full[109], abstract_text[109];
	memset(full, 'x', 108);
	memset(abstract_full + 1, 'y', 107);
	memset(abstract_text, 'y', 108);
	abstract_text[0] = '@';
	const struct unix_case names[] = {
		{"/run/a.sock", 11, "/run/a.sock", 12},
		{"/run/a\0garbage", 14, "/run/a", 7},
		{full, 108, full, 108},
		{full, 107, full + 1, 108},
		{"", 0, "@", 0},
		{"\0name", 5, "@name", 5},
		{"\0in\0side", 8, "@in@side", 8},
		{abstract_full, 108, abstract_text, 108},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		check_unix(&names[i]);
}

/* --- TLVs --- */

static void test_tlv_walk(void)
{
	static const uint8_t area[] = {1, 0, 2, 'h', '2', 4, 0, 0, 0xe0, 0, 1, 'x'};
	static const uint8_t types[] = {1, 4, 0xe0};
	struct proxy_tlv tlv = {0};
	size_t offset = 0;

	for (size_t i = 0; i < COUNT(types); i++)
		CU_ASSERT(proxy_tlv_next(area, sizeof(area), &offset, &tlv) == 1 && tlv.type == types[i]);
	CU_ASSERT(tlv.len == 1 && tlv.value == area + 11);
	CU_ASSERT(proxy_tlv_next(area, sizeof(area), &offset, &tlv) == 0 && offset == sizeof(area));
	CU_ASSERT(proxy_tlv_next(NULL, 0, &(size_t){0}, &tlv) == 0);
}

static void test_tlv_cut_short(void)
{
	static const uint8_t area[] = {1, 0, 2, 'h', '2'};
	struct proxy_tlv tlv, before;

	memset(&before, 0x5a, sizeof(before));
	for (size_t len = 1; len < sizeof(area); len++) {
		size_t offset = 0;
		tlv = before;
		CU_ASSERT(proxy_tlv_next(area, len, &offset, &tlv) == -EBADMSG);
		CU_ASSERT(!offset && !memcmp(&tlv, &before, sizeof(tlv)));
	}
}

/* The documented way into an SSL TLV. */
static void test_ssl_walk(void)
{
	static const uint8_t ssl[] = {1, 0, 0, 0, 0, 0x21, 0, 7, 'T', 'L', 'S', 'v', '1', '.', '3', 0x22, 0, 0};
	struct proxy_tlv tlv;
	size_t offset = 5;

	CU_ASSERT(proxy_tlv_next(ssl, sizeof(ssl), &offset, &tlv) == 1 && tlv.type == 0x21 && tlv.len == 7);
	CU_ASSERT(proxy_tlv_next(ssl, sizeof(ssl), &offset, &tlv) == 1 && tlv.type == 0x22 && !tlv.len);
	CU_ASSERT(proxy_tlv_next(ssl, sizeof(ssl), &offset, &tlv) == 0);
}

static void test_unique_id_length(void)
{
	uint8_t body[PAIR4_LEN + 3 + 200] = PAIR4, header[PROXY_V2_FIXED + sizeof(body)];

	for (size_t n = 0; n <= 200; n++) {
		memcpy(body + PAIR4_LEN, (uint8_t[]){PROXY_TLV_UNIQUE_ID, 0, (uint8_t)n}, 3);
		size_t len = make_v2(header, 0x21, 0x11, body, PAIR4_LEN + 3 + n);
		CU_ASSERT(parse_copy(header, len, &any_size, NULL, NULL) ==
			  (n <= 128 ? PROXY_ACCEPT : PROXY_REJECT));
	}
}

/* --- checksum --- */

/* Bit by bit, as RFC 9260 appendix A has it: shares nothing with the code under test. */
static uint32_t crc_by_bits(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t bit = 0; bit < len * 8; bit++) {
		crc ^= (uint32_t)(p[bit / 8] >> bit % 8 & 1);
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
	}
	return ~crc;
}

static size_t add_tlv(uint8_t *body, size_t at, uint8_t type, const void *value, size_t len)
{
	body[at] = type;
	body[at + 1] = (uint8_t)(len >> 8);
	body[at + 2] = (uint8_t)len;
	memcpy(body + at + 3, value, len);
	return at + 3 + len;
}

/* IPv4 with ALPN, SSL and padding; the CRC32C is the position-th of the four. Returns the length. */
static size_t make_checked(uint8_t *header, int position)
{
	static const uint8_t ssl[] = {1, 0, 0, 0, 1, 0x21, 0, 7, 'T', 'L', 'S', 'v', '1', '.', '3'};
	uint8_t body[128] = PAIR4;
	size_t at = PAIR4_LEN, crc_at = 0;

	for (int i = 0; i < 4; i++) {
		if (i == position) {
			crc_at = PROXY_V2_FIXED + at + 3;
			at = add_tlv(body, at, PROXY_TLV_CRC32C, "\0\0\0", 4);
		} else if (i == (position + 1) % 4) {
			at = add_tlv(body, at, PROXY_TLV_SSL, ssl, sizeof(ssl));
		} else {
			at = add_tlv(body, at, i & 1 ? PROXY_TLV_ALPN : PROXY_TLV_NOOP, "h2 or so", 8);
		}
	}
	size_t len = make_v2(header, 0x21, 0x11, body, at);
	uint32_t crc = crc_by_bits(header, len);
	for (int i = 0; i < 4; i++)
		header[crc_at + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
	return len;
}

/* A flip in a type or length may hide the checksum, so those may pass; values and addresses may not. */
static void check_flips(uint8_t *header, size_t len, size_t from, size_t to)
{
	for (size_t bit = from * 8; bit < to * 8; bit++) {
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT(parse_copy(header, len, &any_size, NULL, NULL) == PROXY_REJECT);
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_checksum(void)
{
	uint8_t header[256];
	struct proxy_header h;
	struct proxy_tlv tlv;

	for (int position = 0; position < 4; position++) {
		size_t offset = 0, len = make_checked(header, position);
		CU_ASSERT_FATAL(parse_copy(header, len, &any_size, &h, NULL) == PROXY_ACCEPT);
		CU_ASSERT(h.crc_present);
		check_flips(header, len, PROXY_V2_FIXED, PROXY_V2_FIXED + PAIR4_LEN);
		while (proxy_tlv_next(h.tlvs, h.tlvs_len, &offset, &tlv) > 0) {
			size_t at = (size_t)(tlv.value - header);
			check_flips(header, len, at, at + tlv.len);
		}
	}
}

static const struct unit_case cases[] = {
	{"every_type", test_every_type},
	{"every_short_length", test_every_short_length},
	{"unix_names", test_unix_names},
	{"tlv_walk", test_tlv_walk},
	{"tlv_cut_short", test_tlv_cut_short},
	{"ssl_walk", test_ssl_walk},
	{"unique_id_length", test_unique_id_length},
	{"checksum", test_checksum},
};

UNIT_MAIN("proto_proxy_v2", cases)
