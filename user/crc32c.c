/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32c.c - CRC-32C (Castagnoli), by the CPU's instruction or by tables.
 *
 * Why: PROXY v2 may carry one, and checking it must not cost more than the rest of the header. The
 * tables take eight bytes a turn; their 2048 entries are made by the compiler from the polynomial
 * alone.
 * Owns: nothing but the constant tables.
 * Never: keeps state between calls; which way to go is asked of the CPU each time (a load and a
 * test).
 * See: RFC 9260 appendix A; proxy-protocol.txt section 2.2.3; tests/unit/test_proto_proxy_crc.c.
 */
#include <endian.h>
#include <string.h>

#include "proto_proxy_internal.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/*
 * A CRC is linear: the entry of a byte is the xor of the entries of its bits. And the entry of a
 * bit is the polynomial moved on by as many bits as lie between it and the end of the eight bytes.
 * So 64 numbers, each one step from the one before, span all eight tables.
 */
/* clang-format off */
#define POLY 0x82F63B78u /* bit-reversed */
#define STEP(c) (((uint32_t)(c) >> 1) ^ (POLY & -((uint32_t)(c) & 1)))

enum {
	B00 = POLY,      B01 = STEP(B00), B02 = STEP(B01), B03 = STEP(B02), B04 = STEP(B03), B05 = STEP(B04),
	B06 = STEP(B05), B07 = STEP(B06), B08 = STEP(B07), B09 = STEP(B08), B10 = STEP(B09), B11 = STEP(B10),
	B12 = STEP(B11), B13 = STEP(B12), B14 = STEP(B13), B15 = STEP(B14), B16 = STEP(B15), B17 = STEP(B16),
	B18 = STEP(B17), B19 = STEP(B18), B20 = STEP(B19), B21 = STEP(B20), B22 = STEP(B21), B23 = STEP(B22),
	B24 = STEP(B23), B25 = STEP(B24), B26 = STEP(B25), B27 = STEP(B26), B28 = STEP(B27), B29 = STEP(B28),
	B30 = STEP(B29), B31 = STEP(B30), B32 = STEP(B31), B33 = STEP(B32), B34 = STEP(B33), B35 = STEP(B34),
	B36 = STEP(B35), B37 = STEP(B36), B38 = STEP(B37), B39 = STEP(B38), B40 = STEP(B39), B41 = STEP(B40),
	B42 = STEP(B41), B43 = STEP(B42), B44 = STEP(B43), B45 = STEP(B44), B46 = STEP(B45), B47 = STEP(B46),
	B48 = STEP(B47), B49 = STEP(B48), B50 = STEP(B49), B51 = STEP(B50), B52 = STEP(B51), B53 = STEP(B52),
	B54 = STEP(B53), B55 = STEP(B54), B56 = STEP(B55), B57 = STEP(B56), B58 = STEP(B57), B59 = STEP(B58),
	B60 = STEP(B59), B61 = STEP(B60), B62 = STEP(B61), B63 = STEP(B62),
};

/* SPANn: the 2^n sums of x and n numbers, counting up with the first of them as the lowest bit. */
#define SPAN1(x, a) (uint32_t)(x), (uint32_t)((x) ^ (a))
#define SPAN2(x, a, b) SPAN1(x, a), SPAN1((x) ^ (b), a)
#define SPAN3(x, a, b, c) SPAN2(x, a, b), SPAN2((x) ^ (c), a, b)
#define SPAN4(x, a, b, c, d) SPAN3(x, a, b, c), SPAN3((x) ^ (d), a, b, c)
#define SPAN5(x, a, b, c, d, e) SPAN4(x, a, b, c, d), SPAN4((x) ^ (e), a, b, c, d)
#define SPAN6(x, a, b, c, d, e, f) SPAN5(x, a, b, c, d, e), SPAN5((x) ^ (f), a, b, c, d, e)
#define SPAN7(x, a, b, c, d, e, f, g) SPAN6(x, a, b, c, d, e, f), SPAN6((x) ^ (g), a, b, c, d, e, f)
#define SPAN8(a, b, c, d, e, f, g, h) SPAN7(0u, a, b, c, d, e, f, g), SPAN7((h), a, b, c, d, e, f, g)

/* table[k][v]: byte v, followed by k more bytes. */
static const uint32_t table[8][256] = {
	{SPAN8(B07, B06, B05, B04, B03, B02, B01, B00)}, {SPAN8(B15, B14, B13, B12, B11, B10, B09, B08)},
	{SPAN8(B23, B22, B21, B20, B19, B18, B17, B16)}, {SPAN8(B31, B30, B29, B28, B27, B26, B25, B24)},
	{SPAN8(B39, B38, B37, B36, B35, B34, B33, B32)}, {SPAN8(B47, B46, B45, B44, B43, B42, B41, B40)},
	{SPAN8(B55, B54, B53, B52, B51, B50, B49, B48)}, {SPAN8(B63, B62, B61, B60, B59, B58, B57, B56)},
};
/* clang-format on */

static uint32_t table_byte(uint32_t crc, uint8_t byte)
{
	return (crc >> 8) ^ table[0][(crc ^ byte) & 0xff];
}

static uint32_t table_word(uint32_t crc, const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	word = le64toh(word) ^ crc;
	return table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^ table[5][word >> 16 & 0xff] ^
	       table[4][word >> 24 & 0xff] ^ table[3][word >> 32 & 0xff] ^
	       table[2][word >> 40 & 0xff] ^ table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
}

uint32_t proxy_crc32c_table(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8)
		crc = table_word(crc, p);
	while (len--)
		crc = table_byte(crc, *p++);
	return ~crc;
}

#if defined(__x86_64__)

bool proxy_crc32c_has_sse42(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) uint32_t proxy_crc32c_sse42(uint32_t crc, const void *data,
							      size_t len)
{
	const uint8_t *p = data;
	uint64_t state = ~crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, sizeof(word));
		state = _mm_crc32_u64(state, word);
	}
	while (len--)
		state = _mm_crc32_u8((uint32_t)state, *p++);
	return ~(uint32_t)state;
}

#else

bool proxy_crc32c_has_sse42(void)
{
	return false;
}

uint32_t proxy_crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
	return proxy_crc32c_table(crc, data, len);
}

#endif

uint32_t proxy_crc32c(uint32_t crc, const void *data, size_t len)
{
	if (proxy_crc32c_has_sse42())
		return proxy_crc32c_sse42(crc, data, len);
	return proxy_crc32c_table(crc, data, len);
}
