/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy_crc.c - CRC-32C: known values, and its ways to compute against each other.
 *
 * Why: on this CPU the parser's tests see one way only; the other must not rot.
 * See: RFC 9260 appendix A, RFC 3720 section B.4 (the known values).
 */
#include <string.h>

#include "proto_proxy_internal.h"
#include "unit.h"

static uint8_t data[1024];

static void fill_data(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(data); i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (uint8_t)(x >> 24);
	}
}

static uint32_t by_bits(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (size_t bit = 0; bit < len * 8; bit++) {
		crc ^= (uint32_t)(p[bit / 8] >> bit % 8 & 1);
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
	}
	return ~crc;
}

static void test_known_values(void)
{
	static const struct { uint8_t first; int step; uint32_t crc; } known[] = {
		{0x00, 0, 0x8a9136aa}, {0xff, 0, 0x62a8ab43}, {0x00, 1, 0x46dd794e}, {31, -1, 0x113fdb5c},
	};

	CU_ASSERT(proxy_crc32c(0, "123456789", 9) == 0xe3069283);
	CU_ASSERT(proxy_crc32c(0, "", 0) == 0);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t block[32];
		for (int b = 0; b < 32; b++)
			block[b] = (uint8_t)(known[i].first + b * known[i].step);
		CU_ASSERT(proxy_crc32c(0, block, sizeof(block)) == known[i].crc);
	}
}

/* Every length, at every alignment, from a start that is not zero. */
static void test_table_against_bits(void)
{
	fill_data();
	for (size_t at = 0; at < 8; at++)
		for (size_t len = 0; len < 300; len++)
			CU_ASSERT(proxy_crc32c_table(0x12345678, data + at, len) ==
				  by_bits(0x12345678, data + at, len));
}

static void test_instruction_against_table(void)
{
	if (!proxy_crc32c_has_sse42()) {
		unit_skip("this CPU has no CRC instruction");
		return;
	}
	fill_data();
	for (size_t at = 0; at < 8; at++)
		for (size_t len = 0; len + at <= sizeof(data); len++)
			CU_ASSERT(proxy_crc32c_sse42((uint32_t)len, data + at, len) ==
				  proxy_crc32c_table((uint32_t)len, data + at, len));
}

static void test_chaining(void)
{
	fill_data();
	uint32_t whole = proxy_crc32c(0, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint32_t crc = proxy_crc32c(proxy_crc32c(0, data, cut), data + cut, sizeof(data) - cut);
		CU_ASSERT(crc == whole);
	}
}

static const struct unit_case cases[] = {
	{"known_values", test_known_values},
	{"table_against_bits", test_table_against_bits},
	{"instruction_against_table", test_instruction_against_table},
	{"chaining", test_chaining},
};

UNIT_MAIN("proto_proxy_crc", cases)
