/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proxy_parse.c - any bytes into the PROXY parser.
 *
 * Why: besides memory errors it looks for broken promises of proto_proxy.h: verdicts that change when
 * bytes are added, waiting with a full buffer, faults and headers that point outside the input.
 * Input: one byte of switches, then what a peer sent. It needs seeds to get past the signatures: scripts/fuzz-seeds.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_header(const uint8_t *buf, size_t len, const struct proxy_header *h)
{
	size_t offset = 0;
	struct proxy_tlv tlv;
	int rc = 1;

	require(h->consumed && h->consumed <= len);
	require(addr_is_set(&h->src) == (h->family != PROXY_AF_UNSPEC));
	require(addr_is_set(&h->src) == addr_is_set(&h->dst));
	if (h->tlvs)
		require(h->tlvs > buf && h->tlvs + h->tlvs_len == buf + h->consumed);
	while (rc > 0)
		rc = proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv);
	require(rc == 0 && offset == h->tlvs_len);
}

static enum proxy_result check_one(const uint8_t *buf, size_t len, const struct proxy_limits *limits)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct proxy_header h = {0};
	struct proxy_fault f = {0};

	memcpy(copy, buf, len);
	enum proxy_result r = proxy_parse(copy, len, limits, &h, &f);
	if (r == PROXY_ACCEPT)
		check_header(copy, len, &h);
	else if (r == PROXY_NEED_MORE)
		require(len < limits->max_size || len < PROXY_V1_MAX);
	else
		require(f.error && f.section && f.offset < len);
	free(copy);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct proxy_limits limits = {
		.max_size = *data & 16 ? PROXY_HEADER_MAX : *data & 32 ? 64 : PROXY_DEFAULT_MAX,
		.allow_v1 = !(*data & 1),
		.allow_v2 = !(*data & 2),
		.reject_unspec = *data & 4,
		.v4_in_tcp6 = *data & 8,
		.crc = (*data >> 6) % 3,
	};
	const uint8_t *buf = data + 1;
	size_t len = size - 1, step = len / 256 + 1;
	enum proxy_result last = check_one(buf, len, &limits);

	for (size_t n = 0; n < len; n += step) {
		enum proxy_result r = check_one(buf, n, &limits);
		require(r == PROXY_NEED_MORE || r == last);
	}
	return 0;
}
