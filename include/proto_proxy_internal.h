/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy_internal.h - what the files of the proto_proxy family share, and what only their
 * tests call.
 *
 * Why: detection, v1, v2 and the builders are files of their own so that each can be read in one
 * sitting; the rest of the tree includes proto_proxy.h only.
 * Owns: nothing.
 * Never: is included outside user/proto_proxy*.c, user/crc32c.c and their tests.
 * See: proto_proxy.h.
 */
#pragma once

#include "proto_proxy.h"

#define PROXY_V1_SIGNATURE_LEN 5
#define PROXY_V2_SIGNATURE_LEN 12
extern const uint8_t proxy_v1_signature[PROXY_V1_SIGNATURE_LEN];
extern const uint8_t proxy_v2_signature[PROXY_V2_SIGNATURE_LEN];

/* Address blocks of a v2 header; spec section 2.2. */
#define PROXY_V2_BLOCK_INET 12
#define PROXY_V2_BLOCK_INET6 36
#define PROXY_V2_UNIX_PATH 108
#define PROXY_V2_BLOCK_UNIX (2 * PROXY_V2_UNIX_PATH)

/* As proxy_parse(), once the signature is complete in buf and the version is allowed. */
enum proxy_result proxy_parse_v1(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				 struct proxy_header *header, struct proxy_fault *fault);
enum proxy_result proxy_parse_v2(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				 struct proxy_header *header, struct proxy_fault *fault);

/* How many of the first bytes of buf are those of want. */
static inline size_t proxy_common_prefix(const uint8_t *buf, size_t len, const void *want,
					 size_t want_len)
{
	const uint8_t *w = want;
	size_t n = 0;

	while (n < len && n < want_len && buf[n] == w[n])
		n++;
	return n;
}

static inline void proxy_set_fault(struct proxy_fault *fault, const char *error, size_t offset,
				   const char *section)
{
	if (fault)
		*fault = (struct proxy_fault){.error = error, .offset = offset, .section = section};
}

/* The two ways to compute proxy_crc32c(). The second may run only where the CPU has it. */
uint32_t proxy_crc32c_table(uint32_t crc, const void *data, size_t len);
uint32_t proxy_crc32c_sse42(uint32_t crc, const void *data, size_t len);
bool proxy_crc32c_has_sse42(void);
