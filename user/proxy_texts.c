/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_texts.c - see proxy_texts.h.
 *
 * Owns: nothing. Never: trusts a byte that came in.
 */
#include "proxy_texts.h"

#include <string.h>

#include "log.h"
#include "proto_proxy.h"

static void take(struct proxy_texts *texts, const struct proxy_tlv *tlv)
{
	bool aws = tlv->type == PROXY_TLV_AWS && tlv->len && tlv->value[0] == PROXY_AWS_VPC_ENDPOINT;

	if (tlv->type == PROXY_TLV_AUTHORITY && !texts->authority[0])
		proxy_text(tlv->value, tlv->len, texts->authority);
	else if (tlv->type == PROXY_TLV_UNIQUE_ID && !texts->unique_id[0])
		proxy_text(tlv->value, tlv->len, texts->unique_id);
	else if (aws && !texts->vpc_endpoint[0])
		proxy_text(tlv->value + 1, tlv->len - 1u, texts->vpc_endpoint);
}

void proxy_texts_take(struct proxy_texts *texts, const uint8_t *tlvs, size_t len)
{
	size_t offset = 0;
	struct proxy_tlv tlv;

	memset(texts, 0, sizeof(*texts));
	while (proxy_tlv_next(tlvs, len, &offset, &tlv) > 0)
		take(texts, &tlv);
}

void proxy_texts_log(struct log_record *rec, const struct proxy_texts *texts)
{
	if (!texts)
		return;
	log_str(rec, "proxyAuthority", texts->authority);
	log_str(rec, "proxyUniqueId", texts->unique_id);
	log_str(rec, "proxyVpcEndpoint", texts->vpc_endpoint);
}
