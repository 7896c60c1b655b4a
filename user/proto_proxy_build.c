/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy_build.c - a PROXY header for a pair of addresses.
 *
 * Why: both versions carry one family for both addresses, so the pair is brought to one first: IPv4
 * when both can be written so, IPv6 otherwise. A pair that is not IP gives the header that names
 * nobody; UNIX paths are legal in v2, but most receivers refuse or ignore them.
 * Owns: nothing.
 * Never: writes more than it returns, or anything on failure; invents an address.
 * See: proxy-protocol.txt sections 2.1 and 2.2; tests/unit/test_proto_proxy_build.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto_proxy_internal.h"

#define VER_CMD_LOCAL 0x20
#define VER_CMD_PROXY 0x21
#define FAMILY_SHIFT 4 /* of byte 13: family, then transport */
#define TLV_HEAD 3     /* type, length */
#define CRC_LEN 4

struct ip_pair {
	struct addr src, dst;
};

static bool is_ip(const struct addr *a)
{
	return addr_family(a) == AF_INET || addr_family(a) == AF_INET6;
}

/* The family that both addresses now have, or AF_UNSPEC when there is no IP pair to tell. */
static int make_pair(struct ip_pair *pair, const struct addr *src, const struct addr *dst)
{
	if (!is_ip(src) || !is_ip(dst))
		return AF_UNSPEC;
	pair->src = *src;
	pair->dst = *dst;
	addr_unmap(&pair->src);
	addr_unmap(&pair->dst);
	if (addr_family(&pair->src) != addr_family(&pair->dst)) {
		addr_map(&pair->src);
		addr_map(&pair->dst);
	}
	return addr_family(&pair->src);
}

static ssize_t copy_out(uint8_t *out, size_t cap, const void *header, size_t len)
{
	if (len > cap)
		return -ENOSPC;
	memcpy(out, header, len);
	return (ssize_t)len;
}

/*
 * addr_format_ip() will not do for IPv6: it shows v4-mapped addresses as IPv4, and adds the zone.
 * The grammar knows hexadecimal groups only, so that is how v4-mapped ones are written, though
 * receivers take the dotted form too.
 */
static const char *ip_text(const struct addr *a, char out[static ADDR_TEXT_MAX])
{
	const uint8_t *ip = a->in6.sin6_addr.s6_addr;
	struct addr bare;

	if (addr_is_v4mapped(a)) {
		snprintf(out, ADDR_TEXT_MAX, "::ffff:%x:%x", ip[12] << 8 | ip[13],
			 ip[14] << 8 | ip[15]);
		return out;
	}
	if (addr_family(a) == AF_INET)
		return addr_format_ip(a, out);
	addr_from_in6(&bare, ip, 0);
	return addr_format_ip(&bare, out);
}

ssize_t proxy_build_v1(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst)
{
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	char line[PROXY_V1_MAX + 1], src_text[ADDR_TEXT_MAX], dst_text[ADDR_TEXT_MAX];
	struct ip_pair pair;
	int family = make_pair(&pair, src, dst);

	if (family == AF_UNSPEC)
		return copy_out(out, cap, unknown, sizeof(unknown) - 1);
	int len =
		snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n",
			 family == AF_INET ? '4' : '6', ip_text(&pair.src, src_text),
			 ip_text(&pair.dst, dst_text), addr_port(&pair.src), addr_port(&pair.dst));
	return copy_out(out, cap, line, (size_t)len);
}

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

/* What a v2 header is made of, sized before the first byte is written. */
struct v2_plan {
	struct ip_pair pair;
	int family; /* of both addresses; AF_UNSPEC: LOCAL, which names nobody */
	enum proxy_proto proto;
	const struct proxy_tlv *tlvs;
	size_t count;
	bool crc32c;
	size_t body_len; /* everything after the 16 bytes: the number that goes out bounds the writing as well */
};

static uint8_t *put_fixed(uint8_t *p, const struct v2_plan *plan)
{
	uint8_t family = plan->family == AF_INET6 ? PROXY_AF_INET6 : PROXY_AF_INET;
	bool local = plan->family == AF_UNSPEC;

	p = put(p, proxy_v2_signature, PROXY_V2_SIGNATURE_LEN);
	*p++ = local ? VER_CMD_LOCAL : VER_CMD_PROXY;
	*p++ = local ? 0 : (uint8_t)(family << FAMILY_SHIFT | plan->proto);
	*p++ = (uint8_t)(plan->body_len >> 8);
	*p++ = (uint8_t)plan->body_len;
	return p;
}

static uint8_t *put_pair4(uint8_t *p, const struct sockaddr_in *src, const struct sockaddr_in *dst)
{
	p = put(p, &src->sin_addr, sizeof(src->sin_addr));
	p = put(p, &dst->sin_addr, sizeof(dst->sin_addr));
	p = put(p, &src->sin_port, sizeof(src->sin_port));
	return put(p, &dst->sin_port, sizeof(dst->sin_port));
}

static uint8_t *put_pair6(uint8_t *p, const struct sockaddr_in6 *src,
			  const struct sockaddr_in6 *dst)
{
	p = put(p, &src->sin6_addr, sizeof(src->sin6_addr));
	p = put(p, &dst->sin6_addr, sizeof(dst->sin6_addr));
	p = put(p, &src->sin6_port, sizeof(src->sin6_port));
	return put(p, &dst->sin6_port, sizeof(dst->sin6_port));
}

static uint8_t *put_pair(uint8_t *p, const struct v2_plan *plan)
{
	if (plan->family == AF_INET)
		return put_pair4(p, &plan->pair.src.in4, &plan->pair.dst.in4);
	if (plan->family == AF_INET6)
		return put_pair6(p, &plan->pair.src.in6, &plan->pair.dst.in6);
	return p;
}

static uint8_t *put_tlv(uint8_t *p, uint8_t type, const void *value, size_t len)
{
	*p++ = type;
	*p++ = (uint8_t)(len >> 8);
	*p++ = (uint8_t)len;
	return len ? put(p, value, len) : p;
}

/* The checksum covers its own four bytes as zeros: computed last, written into the place kept for it. */
static void put_crc(uint8_t *header, size_t len, uint8_t *value)
{
	uint32_t crc = proxy_crc32c(0, header, len);

	for (int i = 0; i < CRC_LEN; i++)
		value[i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void write_v2(uint8_t *out, const struct v2_plan *plan)
{
	static const uint8_t zeros[CRC_LEN];
	uint8_t *p = put_pair(put_fixed(out, plan), plan), *crc = p + TLV_HEAD;

	if (plan->crc32c) /* first, where HAProxy and AWS have it */
		p = put_tlv(p, PROXY_TLV_CRC32C, zeros, CRC_LEN);
	for (size_t i = 0; i < plan->count; i++)
		p = put_tlv(p, plan->tlvs[i].type, plan->tlvs[i].value, plan->tlvs[i].len);
	if (plan->crc32c)
		put_crc(out, PROXY_V2_FIXED + plan->body_len, crc);
}

/* 0, -EINVAL for a CRC32C among the TLVs, -EOVERFLOW when the length field cannot say it. */
static int measure(struct v2_plan *plan)
{
	size_t len = plan->crc32c ? TLV_HEAD + CRC_LEN : 0;

	if (plan->family != AF_UNSPEC)
		len += plan->family == AF_INET ? PROXY_V2_BLOCK_INET : PROXY_V2_BLOCK_INET6;
	for (size_t i = 0; i < plan->count && len <= UINT16_MAX; i++) {
		if (plan->tlvs[i].type == PROXY_TLV_CRC32C)
			return -EINVAL;
		len += TLV_HEAD + (size_t)plan->tlvs[i].len;
	}
	plan->body_len = len;
	return len <= UINT16_MAX ? 0 : -EOVERFLOW;
}

ssize_t proxy_build_v2_tlvs(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst,
			    enum proxy_proto proto, const struct proxy_tlv *tlvs, size_t count, bool crc32c)
{
	struct v2_plan plan = {.proto = proto, .tlvs = tlvs, .count = count, .crc32c = crc32c};

	plan.family = proto == PROXY_PROTO_UNSPEC ? AF_UNSPEC : make_pair(&plan.pair, src, dst);
	int err = measure(&plan);
	if (err)
		return err;
	if (PROXY_V2_FIXED + plan.body_len > cap)
		return -ENOSPC;
	write_v2(out, &plan);
	return (ssize_t)(PROXY_V2_FIXED + plan.body_len);
}

ssize_t proxy_build_v2(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst)
{
	return proxy_build_v2_tlvs(out, cap, src, dst, PROXY_PROTO_STREAM, NULL, 0, false);
}
