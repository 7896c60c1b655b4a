/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_json.c - see proxy_json.h.
 *
 * Why json_pack(): one format string is one object, keys in its order; a part that could not be made fails it all.
 * Owns: constant tables. Never: keeps a pointer into the header.
 */
#include "proxy_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "proxy_tlv.h"

#define SSL_FIXED      5 /* client, verify */
#define TLV_GCP	       0xE0
#define TLV_AWS	       0xEA
#define TLV_AZURE      0xEE
#define VENDOR_SUBTYPE 1 /* the first byte of what AWS and Azure send */

static const char *const result_names[] = {
	[PROXY_ACCEPT] = "accept",
	[PROXY_NEED_MORE] = "need-more",
	[PROXY_REJECT] = "reject",
	[PROXY_NOT_PROXY] = "not-proxy",
};
static const char *const command_names[] = {
	[PROXY_CMD_PROXY] = "PROXY",
	[PROXY_CMD_LOCAL] = "LOCAL",
	[PROXY_CMD_UNKNOWN] = "UNKNOWN",
};
static const char *const family_names[] = {
	[PROXY_AF_UNSPEC] = "UNSPEC",
	[PROXY_AF_INET] = "INET",
	[PROXY_AF_INET6] = "INET6",
	[PROXY_AF_UNIX] = "UNIX",
};
static const char *const proto_names[] = {
	[PROXY_PROTO_UNSPEC] = "UNSPEC",
	[PROXY_PROTO_STREAM] = "STREAM",
	[PROXY_PROTO_DGRAM] = "DGRAM",
};

/* --- bytes ------------------------------------------------------------------------------------- */

json_t *proxy_json_hex(const uint8_t *bytes, size_t len)
{
	char *text = malloc(2 * len + 1);
	json_t *json = text ? json_stringn_nocheck(hex_encode(bytes, len, text), 2 * len) : NULL;

	free(text);
	return json;
}

static bool is_break(uint8_t c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

/* Control characters reach a terminal as commands: C0, DEL, and C1, which UTF-8 writes C2 80 to C2 9F. */
static bool is_control(const uint8_t *bytes, size_t len, size_t at)
{
	uint8_t c = bytes[at];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && at + 1 < len && bytes[at + 1] < 0xa0);
}

json_t *proxy_json_text(const uint8_t *bytes, size_t len, bool breaks)
{
	for (size_t i = 0; i < len; i++)
		if (is_control(bytes, len, i) && !(breaks && is_break(bytes[i])))
			return NULL;
	return json_stringn((const char *)bytes, len); /* NULL for what is not UTF-8 */
}

/* --- addresses --------------------------------------------------------------------------------- */

/* A UNIX path is any bytes; what cannot be shown is \xNN. */
static json_t *path_text(const char *path)
{
	char text[4 * ADDR_TEXT_MAX + 1], *p = text;
	json_t *plain = proxy_json_text((const uint8_t *)path, strlen(path), false);

	if (plain)
		return plain;
	for (; *path; path++) {
		if (*path >= 0x20 && *path < 0x7f)
			*p++ = *path;
		else
			p += sprintf(p, "\\x%02x", (unsigned char)*path);
	}
	return json_stringn(text, (size_t)(p - text));
}

/* addr_format_ip() shows v4-mapped addresses as IPv4; here the family that the header names is to be seen. */
static json_t *address_text(const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	addr_format_ip(a, text);
	switch (addr_family(a)) {
	case AF_INET:
	case AF_INET6:
		return json_sprintf("%s%s", addr_is_v4mapped(a) ? "::ffff:" : "", text);
	case AF_UNIX:
		return path_text(text);
	default:
		return json_null();
	}
}

static json_t *port_number(const struct addr *a)
{
	bool ip = addr_family(a) == AF_INET || addr_family(a) == AF_INET6;

	return ip ? json_integer(addr_port(a)) : json_null();
}

/* --- TLVs -------------------------------------------------------------------------------------- */

/* Numbers, whose bytes may look like text by chance. */
static bool is_binary(uint8_t type)
{
	return type == PROXY_TLV_CRC32C || type == PROXY_TLV_SSL || type == TLV_GCP || type == TLV_AZURE;
}

static json_t *tlv_object(const struct proxy_tlv *tlv, const char *name, bool binary)
{
	json_t *text = tlv->len && !binary ? proxy_json_text(tlv->value, tlv->len, false) : NULL;

	char type[8];
	snprintf(type, sizeof(type), "0x%02x", tlv->type);
	return json_pack("{s:s,s:s?,s:i,s:o,s:o*}", "type", type, "name", name, "length", (int)tlv->len,
			 "value", proxy_json_hex(tlv->value, tlv->len), "text", text);
}

static json_t *ssl_bits(uint8_t client)
{
	static const char *const names[] = {"SSL", "CERT_CONN", "CERT_SESS"};
	json_t *bits = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (client & 1 << i)
			json_array_append_new(bits, json_string(names[i]));
	return bits;
}

static json_t *ssl_subs(const struct proxy_tlv *ssl)
{
	json_t *subs = json_array();
	size_t offset = SSL_FIXED;
	struct proxy_tlv sub;

	while (proxy_tlv_next(ssl->value, ssl->len, &offset, &sub) > 0)
		json_array_append_new(subs, tlv_object(&sub, proxy_tlv_ssl_name(sub.type), false));
	return subs;
}

static json_t *ssl_fields(const struct proxy_tlv *tlv)
{
	const uint8_t *v = tlv->value;
	char client[8];

	if (tlv->len < SSL_FIXED)
		return NULL;
	json_int_t verify = (json_int_t)v[1] << 24 | v[2] << 16 | v[3] << 8 | v[4];
	snprintf(client, sizeof(client), "0x%02x", v[0]);
	return json_pack("{s:s,s:o,s:I,s:o}", "client", client, "clientBits", ssl_bits(v[0]), "verify",
			 verify, "sub", ssl_subs(tlv));
}

/* A VPC endpoint's name is letters, digits and dashes. */
static json_t *aws_fields(const struct proxy_tlv *tlv)
{
	if (tlv->len < 2 || tlv->value[0] != VENDOR_SUBTYPE)
		return NULL;
	json_t *id = proxy_json_text(tlv->value + 1, tlv->len - 1u, false);
	return id ? json_pack("{s:o}", "vpcEndpointId", id) : NULL;
}

/* The link's number is little-endian, unlike everything else in a header. */
static json_t *azure_fields(const struct proxy_tlv *tlv)
{
	const uint8_t *v = tlv->value;

	if (tlv->len != 5 || v[0] != VENDOR_SUBTYPE)
		return NULL;
	return json_pack("{s:I}", "linkId", (json_int_t)v[4] << 24 | v[3] << 16 | v[2] << 8 | v[1]);
}

/* 64 bits do not survive every reader's numbers: a string. */
static json_t *gcp_fields(const struct proxy_tlv *tlv)
{
	unsigned long long id = 0;

	if (tlv->len != 8)
		return NULL;
	for (int i = 0; i < 8; i++)
		id = id << 8 | tlv->value[i];
	return json_pack("{s:o}", "pscConnectionId", json_sprintf("%llu", id));
}

/* What is inside a value that has parts; NULL: none known. */
static json_t *inner_fields(const struct proxy_tlv *tlv)
{
	switch (tlv->type) {
	case PROXY_TLV_SSL:
		return ssl_fields(tlv);
	case TLV_AWS:
		return aws_fields(tlv);
	case TLV_AZURE:
		return azure_fields(tlv);
	case TLV_GCP:
		return gcp_fields(tlv);
	default:
		return NULL;
	}
}

static json_t *tlv_list(const struct proxy_header *h)
{
	json_t *list = json_array();
	struct proxy_tlv tlv;
	size_t offset = 0;

	while (h->tlvs && proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) > 0) {
		json_t *object = tlv_object(&tlv, proxy_tlv_name(tlv.type), is_binary(tlv.type));
		json_t *inner = inner_fields(&tlv);
		json_object_update(object, inner);
		json_decref(inner);
		json_array_append_new(list, object);
	}
	return list;
}

/* --- the whole --------------------------------------------------------------------------------- */

static json_t *accepted(const struct proxy_header *h)
{
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:I,s:o}", "result",
			 result_names[PROXY_ACCEPT], "version", h->version, "cmd", command_names[h->command],
			 "family", family_names[h->family], "proto", proto_names[h->proto], "src",
			 address_text(&h->src), "sport", port_number(&h->src), "dst", address_text(&h->dst),
			 "dport", port_number(&h->dst), "consumed", (json_int_t)h->consumed, "tlvs",
			 tlv_list(h));
}

json_t *proxy_json(enum proxy_result result, const struct proxy_header *header,
		   const struct proxy_fault *fault)
{
	switch (result) {
	case PROXY_ACCEPT:
		return accepted(header);
	case PROXY_NEED_MORE:
		return json_pack("{s:s}", "result", result_names[result]);
	case PROXY_REJECT:
	case PROXY_NOT_PROXY:
		break;
	}
	return json_pack("{s:s,s:s,s:I,s:s}", "result", result_names[result], "error", fault->error, "offset",
			 (json_int_t)fault->offset, "spec", fault->section);
}
