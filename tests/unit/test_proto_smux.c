/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_smux.c - every prefix of every vector, and each accepted frame built again byte for byte.
 *
 * See: tests/vectors/smux.tsv.
 */
#include "proto_smux.h"

#include "wire_vectors.h"

enum { COL_VERSION = 1, COL_HEX = 2, COL_EXPECTED = 3 };

static uint8_t version_of(const struct wire_row *row)
{
	return (uint8_t)atoi(row->column[COL_VERSION]);
}

static void say(const struct wire_row *row, const unsigned char *data, size_t len, char *out, size_t cap)
{
	struct smux_frame f;
	const char *why = "no reason";
	enum smux_result result = smux_parse(data, len, version_of(row), &f, &why);

	if (result == SMUX_NEED_MORE)
		snprintf(out, cap, "more");
	if (result == SMUX_REJECT)
		snprintf(out, cap, "reject %s", why);
	if (result != SMUX_ACCEPT)
		return;
	size_t n = (size_t)snprintf(out, cap, "command=%u len=%u stream=%u", f.command, f.len, f.stream);
	if (f.command == SMUX_UPD)
		snprintf(out + n, cap - n, " consumed=%u window=%u", f.consumed, f.window);
	CU_ASSERT_EQUAL(f.size, row->len);
}

static void check_row(const struct wire_row *row)
{
	wire_check_prefixes(row, row->column[COL_EXPECTED], say);
}

static void rebuild_row(const struct wire_row *row)
{
	uint8_t out[SMUX_FRAME_MAX];
	struct smux_frame f;
	const char *why;

	if (smux_parse(row->bytes, row->len, version_of(row), &f, &why) != SMUX_ACCEPT)
		return;
	CU_ASSERT_EQUAL_FATAL(smux_build(&f, version_of(row), out), row->len);
	CU_ASSERT(memcmp(out, row->bytes, row->len) == 0);
}

static void test_vectors(void)
{
	CU_ASSERT(wire_for_each("tests/vectors/smux.tsv", COL_HEX, check_row) > 20);
}

static void test_rebuild(void)
{
	CU_ASSERT(wire_for_each("tests/vectors/smux.tsv", COL_HEX, rebuild_row) > 20);
}

static const struct unit_case cases[] = {
	{"every prefix of every vector", test_vectors},
	{"what was read is built again", test_rebuild},
};
UNIT_MAIN("proto_smux", cases)
