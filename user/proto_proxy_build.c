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
#define FAM_UNSPEC 0x00
#define FAM_TCP4 0x11
#define FAM_TCP6 0x21

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

/*
 * body_len is everything after the 16 bytes: the address block today, TLVs with it once they are
 * written. It must be the number that bounds the writing as well, or bytes beyond it reach the peer
 * as payload.
 */
static uint8_t *put_fixed(uint8_t *p, uint8_t ver_cmd, uint8_t fam, size_t body_len)
{
	p = put(p, proxy_v2_signature, PROXY_V2_SIGNATURE_LEN);
	*p++ = ver_cmd;
	*p++ = fam;
	*p++ = (uint8_t)(body_len >> 8);
	*p++ = (uint8_t)body_len;
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

ssize_t proxy_build_v2(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst)
{
	uint8_t header[PROXY_V2_FIXED + PROXY_V2_BLOCK_INET6], *p;
	struct ip_pair pair;

	switch (make_pair(&pair, src, dst)) {
	case AF_INET:
		p = put_fixed(header, VER_CMD_PROXY, FAM_TCP4, PROXY_V2_BLOCK_INET);
		p = put_pair4(p, &pair.src.in4, &pair.dst.in4);
		break;
	case AF_INET6:
		p = put_fixed(header, VER_CMD_PROXY, FAM_TCP6, PROXY_V2_BLOCK_INET6);
		p = put_pair6(p, &pair.src.in6, &pair.dst.in6);
		break;
	default:
		p = put_fixed(header, VER_CMD_LOCAL, FAM_UNSPEC, 0);
	}
	return copy_out(out, cap, header, (size_t)(p - header));
}
