/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_check.h - what the proxy parser's test programs share: v2 by hand, exact copies.
 *
 * Why: in a heap block that ends with the input AddressSanitizer sees a read one byte too far.
 * Never: is included by anything but tests.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
/* 1.2.3.4:12345 -> 5.6.7.8:443 */
#define PAIR4 "\1\2\3\4\5\6\7\10\x30\x39\1\xbb"
#define PAIR4_LEN 12

static inline size_t make_v2(uint8_t *out, uint8_t ver_cmd, uint8_t fam, const void *body, size_t body_len)
{
	memcpy(out, SIG, 12);
	out[12] = ver_cmd;
	out[13] = fam;
	out[14] = (uint8_t)(body_len >> 8);
	out[15] = (uint8_t)body_len;
	memcpy(out + PROXY_V2_FIXED, body, body_len);
	return PROXY_V2_FIXED + body_len;
}

/* header->tlvs is moved to the caller's bytes: the copy is gone. */
static inline enum proxy_result parse_copy(const uint8_t *buf, size_t len,
					   const struct proxy_limits *limits,
					   struct proxy_header *header, struct proxy_fault *fault)
{
	uint8_t *copy = malloc(len);

	if (!copy && len)
		abort();
	if (len)
		memcpy(copy, buf, len);
	enum proxy_result r = proxy_parse(copy, len, limits, header, fault);
	if (r == PROXY_ACCEPT && header && header->tlvs)
		header->tlvs = buf + (header->tlvs - copy);
	free(copy);
	return r;
}

/* Every size, both versions, no switches: what the vectors were written for. */
static const struct proxy_limits any_size = {
	.max_size = PROXY_HEADER_MAX,
	.allow_v1 = true,
	.allow_v2 = true,
};
