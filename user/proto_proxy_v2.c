/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy_v2.c - the binary header: signature, four bytes, address block, TLVs.
 *
 * Why: the four bytes are judged one by one as they come; after them nothing is looked at until the
 * announced length is there, so a header that dribbles in costs a comparison per byte and not a
 * walk over its TLVs. The TLV area is checked whole before anything is handed out: users of
 * proxy_tlv_next() cannot meet a bad one.
 * Owns: nothing.
 * Never: reads past the announced length, trusts a length inside it, interprets a TLV that it need
 * not.
 * See: proxy-protocol.txt section 2.2.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "proto_proxy_internal.h"

#define VERSION_AT 12
#define FAMILY_AT 13
#define LENGTH_AT 14
#define TLV_HEAD 3 /* type, length */
#define CRC_LEN 4
#define UNIQUE_ID_MAX 128
#define SSL_FIXED 5 /* client, verify */

struct v2_parse {
	const uint8_t *buf;
	size_t len;
	const struct proxy_limits *limits;
	struct proxy_fault *fault;
	bool local;
	uint8_t family, proto; /* as written; meaningless for LOCAL */
	size_t total;          /* of the whole header */
	size_t tlvs_at;
	size_t crc_at; /* of the CRC32C value; 0: none */
};

static enum proxy_result reject(const struct v2_parse *p, size_t offset, const char *error,
				const char *section)
{
	proxy_set_fault(p->fault, error, offset, section);
	return PROXY_REJECT;
}

static size_t be16(const uint8_t *b)
{
	return (size_t)b[0] << 8 | b[1];
}

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)be16(b) << 16 | (uint32_t)be16(b + 2);
}

static size_t address_block_len(uint8_t family)
{
	static const uint8_t lens[] = {
		[PROXY_AF_UNSPEC] = 0,
		[PROXY_AF_INET] = PROXY_V2_BLOCK_INET,
		[PROXY_AF_INET6] = PROXY_V2_BLOCK_INET6,
		[PROXY_AF_UNIX] = PROXY_V2_BLOCK_UNIX,
	};

	return lens[family];
}

static bool is_unspec(const struct v2_parse *p)
{
	return p->family == PROXY_AF_UNSPEC || p->proto == PROXY_PROTO_UNSPEC;
}

static enum proxy_result judge_version(struct v2_parse *p)
{
	uint8_t command = p->buf[VERSION_AT] & 0x0f;

	if (p->buf[VERSION_AT] >> 4 != 2)
		return reject(p, VERSION_AT, "the version after the binary signature is not 2",
			      "2.2");
	if (command > 1)
		return reject(p, VERSION_AT, "the command is neither LOCAL nor PROXY", "2.2");
	p->local = command == 0;
	return PROXY_ACCEPT;
}

/* LOCAL: "discard the protocol block including the family which is ignored". */
static enum proxy_result judge_family(struct v2_parse *p)
{
	p->family = p->buf[FAMILY_AT] >> 4;
	p->proto = p->buf[FAMILY_AT] & 0x0f;
	if (p->local)
		return PROXY_ACCEPT;
	if (p->family > PROXY_AF_UNIX)
		return reject(p, FAMILY_AT, "the address family is unassigned", "2.2");
	if (p->proto > PROXY_PROTO_DGRAM)
		return reject(p, FAMILY_AT, "the transport protocol is unassigned", "2.2");
	if (is_unspec(p) && p->limits->reject_unspec)
		return reject(p, FAMILY_AT,
			      "headers that name no client (UNSPEC) are not allowed here", "2.2");
	return PROXY_ACCEPT;
}

static enum proxy_result judge_length(struct v2_parse *p)
{
	size_t length = be16(p->buf + LENGTH_AT);
	size_t block = p->local ? 0 : address_block_len(p->family);

	p->total = PROXY_V2_FIXED + length;
	p->tlvs_at = PROXY_V2_FIXED + block;
	if (p->total > p->limits->max_size)
		return reject(p, LENGTH_AT, "the header is longer than the configured maximum",
			      "2.2");
	if (length < block)
		return reject(p, LENGTH_AT, "the length is too small for the address family",
			      "2.2");
	return PROXY_ACCEPT;
}

/* ACCEPT: everything that can be judged before the whole header is there is right. */
static enum proxy_result judge_fixed(struct v2_parse *p)
{
	enum proxy_result r = PROXY_ACCEPT;

	if (p->len > VERSION_AT)
		r = judge_version(p);
	if (r == PROXY_ACCEPT && p->len > FAMILY_AT)
		r = judge_family(p);
	if (r == PROXY_ACCEPT && p->len >= PROXY_V2_FIXED)
		r = judge_length(p);
	return r;
}

int proxy_tlv_next(const uint8_t *tlvs, size_t len, size_t *offset, struct proxy_tlv *out)
{
	size_t at = *offset;

	if (at >= len)
		return 0;
	if (len - at < TLV_HEAD)
		return -EBADMSG;
	size_t value_len = be16(tlvs + at + 1);
	if (len - at - TLV_HEAD < value_len)
		return -EBADMSG;
	out->type = tlvs[at];
	out->len = (uint16_t)value_len;
	out->value = tlvs + at + TLV_HEAD;
	*offset = at + TLV_HEAD + value_len;
	return 1;
}

static enum proxy_result judge_ssl(const struct v2_parse *p, const struct proxy_tlv *tlv)
{
	size_t at = (size_t)(tlv->value - p->buf), offset = SSL_FIXED;
	struct proxy_tlv sub;
	int rc;

	if (tlv->len < SSL_FIXED)
		return reject(p, at - TLV_HEAD, "the SSL TLV is shorter than its five fixed bytes",
			      "2.2.6");
	do
		rc = proxy_tlv_next(tlv->value, tlv->len, &offset, &sub);
	while (rc > 0);
	if (rc < 0)
		return reject(p, at + offset, "a TLV inside the SSL TLV is cut short by its end",
			      "2.2.6");
	return PROXY_ACCEPT;
}

/* Two CRC32Cs: each covers the other, so which one was computed first? The text does not foresee it. */
static enum proxy_result judge_crc_tlv(struct v2_parse *p, const struct proxy_tlv *tlv)
{
	size_t at = (size_t)(tlv->value - p->buf);

	if (tlv->len != CRC_LEN)
		return reject(p, at - TLV_HEAD, "the CRC32C TLV is not four bytes long", "2.2.3");
	if (p->crc_at)
		return reject(p, at - TLV_HEAD, "a second CRC32C TLV", "2.2.3");
	p->crc_at = at;
	return PROXY_ACCEPT;
}

static enum proxy_result judge_tlv(struct v2_parse *p, const struct proxy_tlv *tlv)
{
	switch (tlv->type) {
	case PROXY_TLV_CRC32C:
		return judge_crc_tlv(p, tlv);
	case PROXY_TLV_SSL:
		return judge_ssl(p, tlv);
	case PROXY_TLV_UNIQUE_ID:
		if (tlv->len > UNIQUE_ID_MAX)
			return reject(p, (size_t)(tlv->value - p->buf) - TLV_HEAD,
				      "the UNIQUE_ID TLV is longer than 128 bytes", "2.2.5");
		return PROXY_ACCEPT;
	default:
		return PROXY_ACCEPT;
	}
}

/* Over the whole header with the four bytes of the value taken as zero; stored big-endian. */
static enum proxy_result judge_crc(const struct v2_parse *p)
{
	static const uint8_t zeros[CRC_LEN];
	size_t after = p->crc_at + CRC_LEN;

	if (!p->crc_at && p->limits->crc == PROXY_CRC_REQUIRE)
		return reject(p, LENGTH_AT, "there is no CRC32C checksum, which is required here", "2.2.3");
	if (!p->crc_at || p->limits->crc == PROXY_CRC_IGNORE)
		return PROXY_ACCEPT;
	uint32_t crc = proxy_crc32c(0, p->buf, p->crc_at);
	crc = proxy_crc32c(crc, zeros, CRC_LEN);
	crc = proxy_crc32c(crc, p->buf + after, p->total - after);
	if (crc != be32(p->buf + p->crc_at))
		return reject(p, p->crc_at, "the CRC32C checksum does not match", "2.2.3");
	return PROXY_ACCEPT;
}

static enum proxy_result judge_tlvs(struct v2_parse *p)
{
	const uint8_t *tlvs = p->buf + p->tlvs_at;
	size_t offset = 0, len = p->total - p->tlvs_at;
	enum proxy_result r = PROXY_ACCEPT;
	struct proxy_tlv tlv;
	int rc = 1;

	while (r == PROXY_ACCEPT && (rc = proxy_tlv_next(tlvs, len, &offset, &tlv)) > 0)
		r = judge_tlv(p, &tlv);
	if (rc < 0)
		return reject(p, p->tlvs_at + offset, "a TLV is cut short by the end of the header",
			      "2.2");
	return r == PROXY_ACCEPT ? judge_crc(p) : r;
}

/*
 * The field is padded with NULs and need not end with one. A name that starts with NUL is abstract
 * (Linux): its length is not carried, so trailing NULs are taken for padding. All NULs: the unnamed
 * socket.
 */
static void unix_address(struct addr *out, const uint8_t path[static PROXY_V2_UNIX_PATH])
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = PROXY_V2_UNIX_PATH;

	_Static_assert(sizeof(un.sun_path) == PROXY_V2_UNIX_PATH, "a path fits as it is");
	if (path[0])
		len = strnlen((const char *)path, len);
	else
		while (len && !path[len - 1])
			len--;
	memcpy(un.sun_path, path, len);
	if (path[0] && len < sizeof(un.sun_path))
		len++; /* the kernel counts the NUL of a path */
	addr_from_sockaddr(out, (struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

static void read_addresses(const struct v2_parse *p, struct proxy_header *h)
{
	const uint8_t *b = p->buf + PROXY_V2_FIXED;

	switch (h->family) {
	case PROXY_AF_INET:
		addr_from_in4(&h->src, b, (uint16_t)be16(b + 8));
		addr_from_in4(&h->dst, b + 4, (uint16_t)be16(b + 10));
		break;
	case PROXY_AF_INET6:
		addr_from_in6(&h->src, b, (uint16_t)be16(b + 32));
		addr_from_in6(&h->dst, b + 16, (uint16_t)be16(b + 34));
		break;
	case PROXY_AF_UNIX:
		unix_address(&h->src, b);
		unix_address(&h->dst, b + PROXY_V2_UNIX_PATH);
		break;
	case PROXY_AF_UNSPEC:
		break;
	}
}

/* A family without a transport, or the reverse, is UNSPEC altogether: its addresses are not used. */
static void fill_header(const struct v2_parse *p, struct proxy_header *h)
{
	bool addresses = !p->local && !is_unspec(p);

	*h = (struct proxy_header){
		.version = 2,
		.command = p->local ? PROXY_CMD_LOCAL : PROXY_CMD_PROXY,
		.family = addresses ? (enum proxy_family)p->family : PROXY_AF_UNSPEC,
		.proto = addresses ? (enum proxy_proto)p->proto : PROXY_PROTO_UNSPEC,
		.consumed = p->total,
		.crc_present = p->crc_at != 0,
	};
	if (!p->local && p->total > p->tlvs_at) {
		h->tlvs = p->buf + p->tlvs_at;
		h->tlvs_len = p->total - p->tlvs_at;
	}
	read_addresses(p, h);
}

enum proxy_result proxy_parse_v2(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				 struct proxy_header *header, struct proxy_fault *fault)
{
	struct v2_parse p = {.buf = buf, .len = len, .limits = limits, .fault = fault};
	enum proxy_result r = judge_fixed(&p);

	if (r != PROXY_ACCEPT)
		return r;
	if (len < PROXY_V2_FIXED || len < p.total)
		return PROXY_NEED_MORE;
	if (!p.local) /* what LOCAL carries is skipped unread: some senders leave junk there */
		r = judge_tlvs(&p);
	if (r == PROXY_ACCEPT && header)
		fill_header(&p, header);
	return r;
}
