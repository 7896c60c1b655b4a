/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_header.c - see cmd_header.h.
 *
 * Owns: the decoded TLV values while one header is made.
 */
#include "cmd_header.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "proxy_tlv.h"

#define HEX_PREFIX "hex:"
#define HOST_MAX   64

/* One header in the making. */
struct making {
	const struct cmd_header *want;
	struct cmd_error *err;
	struct addr src, dst;
	struct proxy_tlv *tlvs;
	uint8_t *values; /* room for all of them */
};

static int fail(struct making *m, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct making *m, int rc, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(m->err->text, sizeof(m->err->text), fmt, args);
	va_end(args);
	return rc;
}

/* --- the words --------------------------------------------------------------------------------- */

static int parse_address(struct making *m, const char *flag, const char *text, const struct addr *own,
			 struct addr *out)
{
	char host[HOST_MAX];
	int port;

	if (!text && !own)
		return fail(m, -EINVAL, "-%s is missing: give -src and -dst, or -local", flag);
	if (!text) {
		*out = *own;
		return 0;
	}
	if (addr_split_hostport(text, host, sizeof(host), &port) || port < 0 ||
	    addr_parse_ip(out, host, strlen(host), (uint16_t)port))
		return fail(m, -EINVAL, "-%s: \"%s\" is not IP:PORT (IPv6: [IP]:PORT)", flag, text);
	return 0;
}

static int parse_addresses(struct making *m, const struct addr *own_src, const struct addr *own_dst)
{
	if (!m->want->local) {
		int rc = parse_address(m, "src", m->want->src, own_src, &m->src);
		return rc ? rc : parse_address(m, "dst", m->want->dst, own_dst, &m->dst);
	}
	if (m->want->src || m->want->dst)
		return fail(m, -EINVAL, "-local names nobody: -src and -dst do not go with it");
	return 0;
}

static int parse_value(struct making *m, const char *word, const char *value, struct proxy_tlv *tlv,
		       uint8_t *room)
{
	ssize_t len = (ssize_t)strlen(value);

	if (!strncmp(value, HEX_PREFIX, strlen(HEX_PREFIX))) {
		value += strlen(HEX_PREFIX);
		len = hex_decode(value, strlen(value), room, strlen(value));
	} else {
		memcpy(room, value, (size_t)len);
	}
	if (len < 0)
		return fail(m, -EINVAL, "-tlv %.60s: not hexadecimal after hex:", word);
	if (len > UINT16_MAX)
		return fail(m, -EOVERFLOW, "-tlv %.60s...: a value of %zd bytes; 65535 is the most", word,
			    len);
	tlv->len = (uint16_t)len;
	tlv->value = room;
	return 0;
}

static int parse_tlv(struct making *m, const char *word, struct proxy_tlv *tlv, uint8_t *room)
{
	size_t len = strcspn(word, "=");
	char type[16];

	if (!word[len])
		return fail(m, -EINVAL, "-tlv %.60s: expected TYPE=VALUE", word);
	snprintf(type, sizeof(type), "%.*s", (int)len, word);
	if (len >= sizeof(type) || proxy_tlv_parse_type(type, &tlv->type))
		return fail(m, -EINVAL,
			    "-tlv %.60s: unknown type; expected 0x00 to 0xff or a name such as AUTHORITY",
			    word);
	if (tlv->type == PROXY_TLV_CRC32C)
		return fail(m, -EINVAL, "-tlv %.60s: the checksum is computed: use -crc", word);
	return parse_value(m, word, word + len + 1, tlv, room);
}

/* A value has fewer bytes than its word, in hexadecimal half as many. */
static int parse_tlvs(struct making *m)
{
	const struct cmd_list *words = &m->want->tlvs;
	size_t total = 1, used = 0;
	int rc = 0;

	for (size_t i = 0; i < words->count; i++)
		total += strlen(words->items[i]);
	m->tlvs = calloc(words->count + 1, sizeof(*m->tlvs));
	m->values = malloc(total);
	if (!m->tlvs || !m->values)
		return fail(m, -ENOMEM, "out of memory");
	for (size_t i = 0; i < words->count && !rc; i++) {
		rc = parse_tlv(m, words->items[i], &m->tlvs[i], m->values + used);
		used += m->tlvs[i].len;
	}
	return rc;
}

/* --- the header -------------------------------------------------------------------------------- */

/* 1 or 2, or -EINVAL. */
static int choose_version(struct making *m)
{
	const struct cmd_header *w = m->want;
	bool second = w->tlvs.count || w->crc || w->dgram;

	if (!w->version)
		return second ? 2 : 1;
	if (!strcmp(w->version, "2"))
		return 2;
	if (strcmp(w->version, "1"))
		return fail(m, -EINVAL, "version \"%s\": expected 1 or 2", w->version);
	if (second)
		return fail(m, -EINVAL, "version 1 has no %s",
			    w->tlvs.count ? "TLVs"
			    : w->crc	  ? "CRC32C"
					  : "datagrams");
	return 1;
}

static ssize_t write_header(struct making *m, int version, uint8_t *out, size_t cap)
{
	const struct cmd_header *w = m->want;
	ssize_t n;

	if (version == 1)
		n = proxy_build_v1(out, cap, &m->src, &m->dst);
	else
		n = proxy_build_v2_tlvs(out, cap, &m->src, &m->dst,
					w->dgram ? PROXY_PROTO_DGRAM : PROXY_PROTO_STREAM, m->tlvs,
					w->tlvs.count, w->crc);
	if (n == -EOVERFLOW)
		return fail(m, -EOVERFLOW,
			    "the TLVs are too long: addresses and TLVs are 65535 bytes at most");
	return n < 0 ? fail(m, (int)n, "the header does not fit: %s", strerror((int)-n)) : n;
}

/* A UNIQUE_ID of 129 bytes or an SSL value cut short can be written; nobody should. */
static ssize_t judge(struct making *m, const uint8_t *out, ssize_t len)
{
	const struct proxy_limits limits = {.max_size = PROXY_HEADER_MAX, .allow_v1 = true, .allow_v2 = true};
	struct proxy_fault fault;

	if (proxy_parse(out, (size_t)len, &limits, NULL, &fault) == PROXY_ACCEPT)
		return len;
	return fail(m, -EINVAL, "receivers would refuse it: %s (byte %zu, section %s)", fault.error,
		    fault.offset, fault.section);
}

ssize_t cmd_header_build(const struct cmd_header *want, const struct addr *own_src,
			 const struct addr *own_dst, uint8_t *out, size_t cap, struct cmd_error *err)
{
	struct making m = {.want = want, .err = err};
	int version = choose_version(&m);
	ssize_t rc = version < 0 ? version : parse_addresses(&m, own_src, own_dst);

	if (!rc)
		rc = parse_tlvs(&m);
	if (!rc)
		rc = write_header(&m, version, out, cap);
	if (rc > 0)
		rc = judge(&m, out, rc);
	free(m.tlvs);
	free(m.values);
	return rc;
}
