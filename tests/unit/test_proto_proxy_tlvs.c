/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy_tlvs.c - v2 headers with TLVs and a checksum: bytes, limits, round trips.
 *
 * Why: a length that the field cannot say, or a buffer one byte short, must fail whole; a captured AWS header proves the
 * checksum, since reading back what we wrote would forgive a wrong one on both sides.
 * See: proto_proxy.h, test_proto_proxy_build.c for the rules on pairs.
 */
#include <errno.h>

#include "proxy_check.h"
#include "unit.h"

#define TLV(t, text) {.type = (t), .len = sizeof(text) - 1, .value = (const uint8_t *)(text)}

static const struct proxy_tlv some[] = {TLV(PROXY_TLV_AUTHORITY, "a.example"), TLV(0xE5, ""), TLV(0x00, "\0\1")};
static const uint8_t some_bytes[] = "\2\0\x09"
				    "a.example\xe5\0\0\0\0\2\0\1";
#define SOME_LEN (sizeof(some_bytes) - 1)

static struct addr ip4(uint32_t ip, uint16_t port)
{
	uint8_t be[4] = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip};
	struct addr a;

	addr_from_in4(&a, be, port);
	return a;
}

/* Into a heap block of exactly cap bytes, which must be untouched on failure; the header is copied to out. */
static ssize_t build_at(uint8_t *out, size_t cap, enum proxy_proto proto, const struct proxy_tlv *tlvs, size_t count,
			bool crc32c)
{
	struct addr src = ip4(0x01020304, 12345), dst = ip4(0x05060708, 443);
	uint8_t *block = malloc(cap ? cap : 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	memset(block, 0x5a, cap ? cap : 1);
	ssize_t n = proxy_build_v2_tlvs(block, cap, &src, &dst, proto, tlvs, count, crc32c);
	for (size_t i = n < 0 ? 0 : (size_t)n; i < cap; i++)
		CU_ASSERT_FATAL(block[i] == 0x5a);
	if (n > 0)
		memcpy(out, block, (size_t)n);
	free(block);
	return n;
}

static void check_bytes(enum proxy_proto proto, uint8_t ver_cmd, uint8_t fam, size_t pair_len)
{
	uint8_t body[64] = PAIR4, want[80], got[80];

	memcpy(body + pair_len, some_bytes, SOME_LEN);
	size_t want_len = make_v2(want, ver_cmd, fam, body, pair_len + SOME_LEN);
	for (size_t cap = 0; cap <= sizeof(got); cap++) {
		ssize_t n = build_at(got, cap, proto, some, 3, false);
		CU_ASSERT(n == (cap < want_len ? -ENOSPC : (ssize_t)want_len));
		CU_ASSERT(n < 0 || !memcmp(got, want, want_len));
	}
}

static void test_bytes(void)
{
	check_bytes(PROXY_PROTO_STREAM, 0x21, 0x11, PAIR4_LEN);
	check_bytes(PROXY_PROTO_DGRAM, 0x21, 0x12, PAIR4_LEN);
	check_bytes(PROXY_PROTO_UNSPEC, 0x20, 0x00, 0);
}

/* Row v2_aws_vpce_capture of the vectors: CRC32C, AWS, NOOP, as a real load balancer sent it. */
static void test_captured_checksum(void)
{
	static const uint8_t padding[36], crc[] = "\x03\x00\x04\xb9\x28\x6f\xa6";
	static const struct proxy_tlv tlvs[] = {TLV(0xEA, "\1vpce-00eafc458ec97b833"),
						{.type = PROXY_TLV_NOOP, .len = sizeof(padding), .value = padding}};
	struct addr src = ip4(0xC0A82C0A, 52286), dst = ip4(0xC0A82C07, 9243);
	uint8_t out[100];

	CU_ASSERT(proxy_build_v2_tlvs(out, sizeof(out), &src, &dst, PROXY_PROTO_STREAM, tlvs, 2, true) == 100);
	CU_ASSERT(!memcmp(out + 28, crc, 7));
}

static void test_checksum_is_verified(void)
{
	uint8_t out[128];
	struct proxy_header h;

	for (size_t count = 0; count <= 3; count++) {
		ssize_t n = build_at(out, sizeof(out), PROXY_PROTO_STREAM, some, count, true);
		CU_ASSERT_FATAL(n >= 35);
		CU_ASSERT(parse_copy(out, (size_t)n, &proxy_default_limits, &h, NULL) == PROXY_ACCEPT);
		CU_ASSERT(h.crc_present && h.tlvs_len == (size_t)n - 28);
		out[n - 1] ^= 1;
		CU_ASSERT(parse_copy(out, (size_t)n, &proxy_default_limits, &h, NULL) == PROXY_REJECT);
	}
}

/* 65535 bytes after the first 16 is the most; one more is refused, however many TLVs make it. */
static void test_overflow(void)
{
	static uint8_t value[UINT16_MAX], out[PROXY_HEADER_MAX];
	struct proxy_tlv tlvs[2] = {{0x04, UINT16_MAX - 12 - 3, value}, TLV(0x05, "")};
	struct proxy_header h;

	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 1, false) == PROXY_HEADER_MAX);
	CU_ASSERT(parse_copy(out, sizeof(out), &any_size, &h, NULL) == PROXY_ACCEPT && h.consumed == PROXY_HEADER_MAX);
	CU_ASSERT(build_at(out, sizeof(out) - 1, PROXY_PROTO_STREAM, tlvs, 1, false) == -ENOSPC);
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 1, true) == -EOVERFLOW);
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, false) == -EOVERFLOW);
	tlvs[0].len -= 2;
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, false) == -EOVERFLOW);
	tlvs[0].len -= 1;
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, false) == PROXY_HEADER_MAX);
	tlvs[0].len = tlvs[1].len = UINT16_MAX;
	tlvs[1].value = value;
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, false) == -EOVERFLOW);
}

static void test_foreign_checksum_is_refused(void)
{
	static const struct proxy_tlv tlvs[] = {TLV(0x02, "x"), TLV(PROXY_TLV_CRC32C, "\0\0\0\0")};
	uint8_t out[128];

	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, false) == -EINVAL);
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 2, true) == -EINVAL);
	CU_ASSERT(build_at(out, sizeof(out), PROXY_PROTO_STREAM, tlvs, 1, true) > 0);
}

static const struct unit_case cases[] = {
	{"bytes", test_bytes},
	{"captured_checksum", test_captured_checksum},
	{"checksum_is_verified", test_checksum_is_verified},
	{"overflow", test_overflow},
	{"foreign_checksum_is_refused", test_foreign_checksum_is_refused},
};

UNIT_MAIN("proto_proxy_tlvs", cases)
