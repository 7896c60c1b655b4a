/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proxy_tlv.c - any TLV area into JSON, and back into a header.
 *
 * Why: what is printed must be JSON whatever a client sent, and what was read can be written again.
 * Input: a whole header; or 'T', byte 13 (family, transport), and what follows byte 16.
 * Seeds of whole headers: scripts/fuzz-seeds.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy_json.h"

#define MAX_TLVS 512

static const struct proxy_limits limits = {.max_size = PROXY_HEADER_MAX, .allow_v1 = true, .allow_v2 = true};

#define require(ok) ((ok) ? (void)0 : abort())

static void check_json(enum proxy_result r, const struct proxy_header *h, const struct proxy_fault *f)
{
	json_t *o = proxy_json(r, h, f);
	char *text = json_dumps(o, JSON_COMPACT);
	json_t *again = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	require(again && json_equal(o, again) && !strchr(text, '\n'));
	json_decref(again);
	json_decref(o);
	free(text);
}

static void check_rebuild(const struct proxy_header *h)
{
	static uint8_t out[PROXY_HEADER_MAX];
	struct proxy_tlv tlvs[MAX_TLVS];
	struct proxy_header again;
	size_t count = 0, offset = 0, size = 0;
	while (count < MAX_TLVS && proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlvs[count]) > 0) {
		size += 3u + tlvs[count].len;
		count += tlvs[count].type != PROXY_TLV_CRC32C;
	}
	require(count == MAX_TLVS || size == h->tlvs_len);

	ssize_t n = proxy_build_v2_tlvs(out, sizeof(out), &h->src, &h->dst, h->proto, tlvs, count, true);
	if (n > 0) /* the checksum may have made it too long */
		require(proxy_parse(out, (size_t)n, &limits, &again, NULL) == PROXY_ACCEPT && again.consumed == (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool area = size > 2 && data[0] == 'T' && size < UINT16_MAX;
	size_t len = area ? size + 14 : size;
	uint8_t *buf = malloc(len ? len : 1);
	struct proxy_header header;
	struct proxy_fault fault;

	if (area) {
		memcpy(buf, "\r\n\r\n\0\r\nQUIT\n\x21", 13);
		memcpy(buf + 13, (uint8_t[]){data[1], (uint8_t)((size - 2) >> 8), (uint8_t)(size - 2)}, 3);
		memcpy(buf + 16, data + 2, size - 2);
	} else if (size) {
		memcpy(buf, data, size);
	}
	enum proxy_result r = proxy_parse(buf, len, &limits, &header, &fault);
	check_json(r, &header, &fault);
	if (r == PROXY_ACCEPT && header.tlvs)
		check_rebuild(&header);
	free(buf);
	return 0;
}
