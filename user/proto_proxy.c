/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy.c - which version of the PROXY protocol the bytes are, if any.
 *
 * Why: 'P' and CR begin the two signatures, so one byte chooses the version and the first differing
 * byte ends the matter: a client that speaks first in another protocol is not kept waiting for 16
 * bytes.
 * Owns: the signatures and the default limits (constant).
 * Never: looks past the signature; proto_proxy_v1.c and proto_proxy_v2.c do.
 * See: proxy-protocol.txt section 2.2 (its last part, on telling the versions apart).
 */
#include "proto_proxy_internal.h"

const struct proxy_limits proxy_default_limits = {
	.max_size = PROXY_DEFAULT_MAX,
	.allow_v1 = true,
	.allow_v2 = true,
};

const uint8_t proxy_v1_signature[PROXY_V1_SIGNATURE_LEN] = {'P', 'R', 'O', 'X', 'Y'};
const uint8_t proxy_v2_signature[PROXY_V2_SIGNATURE_LEN] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
};

/* ACCEPT: the signature is complete. */
static enum proxy_result match_signature(const uint8_t *buf, size_t len, const uint8_t *signature,
					 size_t signature_len, struct proxy_fault *fault)
{
	size_t same = proxy_common_prefix(buf, len, signature, signature_len);

	if (same == signature_len)
		return PROXY_ACCEPT;
	if (same == len)
		return PROXY_NEED_MORE;
	proxy_set_fault(fault, "not a PROXY protocol header: the signature differs", same, "2.2");
	return PROXY_NOT_PROXY;
}

/* Receivers may support one version only: section 2. */
static enum proxy_result refuse_version(struct proxy_fault *fault, const char *error, size_t offset)
{
	proxy_set_fault(fault, error, offset, "2");
	return PROXY_REJECT;
}

static enum proxy_result parse_v1(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				  struct proxy_header *header, struct proxy_fault *fault)
{
	enum proxy_result r =
		match_signature(buf, len, proxy_v1_signature, sizeof(proxy_v1_signature), fault);

	if (r != PROXY_ACCEPT)
		return r;
	if (!limits->allow_v1)
		return refuse_version(fault, "PROXY protocol version 1 is not allowed here",
				      sizeof(proxy_v1_signature) - 1);
	return proxy_parse_v1(buf, len, limits, header, fault);
}

static enum proxy_result parse_v2(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				  struct proxy_header *header, struct proxy_fault *fault)
{
	enum proxy_result r =
		match_signature(buf, len, proxy_v2_signature, sizeof(proxy_v2_signature), fault);

	if (r != PROXY_ACCEPT)
		return r;
	if (!limits->allow_v2)
		return refuse_version(fault, "PROXY protocol version 2 is not allowed here",
				      sizeof(proxy_v2_signature) - 1);
	return proxy_parse_v2(buf, len, limits, header, fault);
}

enum proxy_result proxy_parse(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
			      struct proxy_header *header, struct proxy_fault *fault)
{
	if (!len)
		return PROXY_NEED_MORE;
	if (buf[0] == proxy_v1_signature[0])
		return parse_v1(buf, len, limits, header, fault);
	return parse_v2(buf, len, limits, header, fault);
}
