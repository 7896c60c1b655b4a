/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proxy_send.c - any text into the lists of TLVs to pass and to add, any bytes as the TLVs received.
 *
 * Why: besides memory errors it looks for a header that its own parser refuses, and for TLVs that nobody asked for.
 * Input: one byte that divides the rest into the text of both lists and the received TLVs.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"
#include "proxy_send.h"

static uint8_t out[PROXY_HEADER_MAX];

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_tlvs(const struct proxy_send *plan, const struct proxy_header *h)
{
	struct proxy_tlv tlv;
	size_t offset = 0;

	while (proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) > 0) {
		bool added = false;
		for (size_t i = 0; i < plan->added_count; i++)
			added |= plan->added[i].type == tlv.type;
		require(added || proxy_send_passes(plan, tlv.type) || (plan->crc32c && tlv.type == PROXY_TLV_CRC32C));
	}
}

static void check_build(const struct proxy_send *plan, const uint8_t *tlvs, size_t len)
{
	static const struct proxy_limits limits = {.max_size = PROXY_HEADER_MAX, .allow_v2 = true};
	struct proxy_send_facts facts = {
		.tlvs = tlvs, .tlvs_len = len, .unique_id = "0123", .client = "192.0.2.1:1", .service = "s", .sid = "t"};
	struct proxy_header h;

	addr_from_in4(&facts.src, "\xc0\x00\x02\x01", 1);
	addr_from_in4(&facts.dst, "\xc0\x00\x02\x02", 2);
	ssize_t n = proxy_send_build(plan, &facts, out, sizeof(out));
	if (n < 0)
		return;
	if (proxy_parse(out, (size_t)n, &limits, &h, NULL) == PROXY_ACCEPT) {
		require(h.consumed == (size_t)n);
		check_tlvs(plan, &h);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_send plan = {.version = 2};
	char why[64] = "";

	if (!size)
		return 0;
	plan.crc32c = data[0] & 1;
	size_t cut = (size - 1) * (data[0] >> 1) / 127;
	char *text = strndup((const char *)data + 1, cut), *add = strchr(text, '\n');
	if (add)
		*add++ = '\0';
	bool ok = !proxy_send_parse_pass(&plan, text, why, sizeof(why)) || why[0] == '"';
	require(ok);
	if (add && proxy_send_parse_add(&plan, add, why, sizeof(why)))
		require(why[0] == '"');
	else
		check_build(&plan, data + 1 + cut, size - 1 - cut);
	proxy_send_free(&plan);
	free(text);
	return 0;
}
