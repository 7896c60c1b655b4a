/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_relay.c - parses and builds messages of the relay protocol.
 *
 * Why strict: an unknown feature ends a GOST connection, too; beyond that a repeated credential or network, a length
 * that does not fit its content and a NUL in a name are refused, because two readers would understand them differently.
 * Owns: nothing. Never: trusts a length before the bytes are there.
 * See: include/proto_relay.h.
 */
#include "proto_relay.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, FEATURE_FIXED = 3 };
enum { FEATURE_USER = 1, FEATURE_ADDR = 2, FEATURE_TUNNEL = 3, FEATURE_NETWORK = 4 };
enum { ATYP_IPV4 = 1, ATYP_NAME = 3, ATYP_IPV6 = 4 };
enum { TUNNEL_ID = 16, TUNNEL_MAX = 64 };

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool has_nul(const uint8_t *data, size_t len)
{
	return len && memchr(data, 0, len);
}

/* One length byte and as much text. Returns what it takes, 0 when it does not fit. */
static size_t take_text(const uint8_t *data, size_t len, struct relay_text *text)
{
	if (!len || data[0] > len - 1 || has_nul(data + 1, data[0]))
		return 0;
	*text = (struct relay_text){.data = (const char *)data + 1, .len = data[0]};
	return 1 + (size_t)data[0];
}

static const char *parse_user(struct relay_message *m, const uint8_t *data, size_t len)
{
	size_t user, password;

	if (m->has_user)
		return "credentials twice";
	user = take_text(data, len, &m->user);
	password = user ? take_text(data + user, len - user, &m->password) : 0;
	if (!password || user + password != len)
		return "malformed credentials";
	m->has_user = true;
	return NULL;
}

static bool parse_endpoint(struct relay_endpoint *e, const uint8_t *data, size_t len)
{
	size_t host = 0;

	if (len < 3)
		return false;
	e->port = be16(data + len - 2);
	if (data[0] == ATYP_IPV4 && len == 1 + 4 + 2) {
		addr_from_in4(&e->ip, data + 1, e->port);
	} else if (data[0] == ATYP_IPV6 && len == 1 + 16 + 2) {
		addr_from_in6(&e->ip, data + 1, e->port);
	} else if (data[0] == ATYP_NAME) {
		host = take_text(data + 1, len - 1 - 2, &e->name);
		return host && 1 + host + 2 == len;
	} else {
		return false;
	}
	return true;
}

static const char *parse_addr(struct relay_message *m, const uint8_t *data, size_t len)
{
	struct relay_endpoint e = {0};

	if (m->at_count == RELAY_ADDRS_MAX)
		return "too many addresses";
	if (!parse_endpoint(&e, data, len))
		return "malformed address";
	m->at[m->at_count++] = e;
	return NULL;
}

static const char *parse_network(struct relay_message *m, const uint8_t *data, size_t len)
{
	if (m->has_network)
		return "network twice";
	if (len != 2)
		return "malformed network";
	m->network = be16(data);
	m->has_network = true;
	return NULL;
}

static const char *parse_feature(struct relay_message *m, uint8_t type, const uint8_t *data, size_t len)
{
	switch (type) {
	case FEATURE_USER:
		return parse_user(m, data, len);
	case FEATURE_ADDR:
		return parse_addr(m, data, len);
	case FEATURE_NETWORK:
		return parse_network(m, data, len);
	default: /* only a tunnel is left; what is in it is not for us */
		m->has_tunnel = true;
		return NULL;
	}
}

static bool known_feature(uint8_t type)
{
	return type >= FEATURE_USER && type <= FEATURE_NETWORK;
}

/* NULL, or why no content can make the feature right. */
static const char *check_length(uint8_t type, size_t len, size_t left)
{
	if (len > left)
		return "a feature is longer than the message";
	if (type == FEATURE_TUNNEL && (len < TUNNEL_ID || len > TUNNEL_MAX))
		return "malformed tunnel";
	return NULL;
}

/* The features that are complete; the first wrong byte ends it even when more is to come. */
static enum relay_result parse_features(const uint8_t *data, size_t have, size_t total, struct relay_message *m,
					const char **why)
{
	size_t at = 0;

	while (at < total) {
		size_t left = total - at, seen = have - at;
		if (left < FEATURE_FIXED || (seen && !known_feature(data[at]))) {
			*why = left < FEATURE_FIXED ? "a feature is cut off" : "unknown feature";
			return RELAY_REJECT;
		}
		if (seen < FEATURE_FIXED)
			return RELAY_NEED_MORE;
		size_t len = be16(data + at + 1);
		if ((*why = check_length(data[at], len, left - FEATURE_FIXED)))
			return RELAY_REJECT;
		if (seen < FEATURE_FIXED + len)
			return RELAY_NEED_MORE;
		if ((*why = parse_feature(m, data[at], data + at + FEATURE_FIXED, len)))
			return RELAY_REJECT;
		at += FEATURE_FIXED + len;
	}
	return RELAY_ACCEPT;
}

enum relay_result relay_parse(const uint8_t *data, size_t len, struct relay_message *m, const char **why)
{
	struct relay_message parsed = {0};

	if (len && data[0] != VERSION) {
		*why = "not the relay protocol, version 1";
		return RELAY_REJECT;
	}
	if (len < RELAY_FIXED)
		return RELAY_NEED_MORE;
	size_t total = be16(data + 2), have = len - RELAY_FIXED;
	if (total > RELAY_FEATURES_MAX) {
		*why = "the features are too long";
		return RELAY_REJECT;
	}
	parsed.code = data[1];
	parsed.consumed = RELAY_FIXED + total;
	enum relay_result result =
		parse_features(data + RELAY_FIXED, have < total ? have : total, total, &parsed, why);
	if (result == RELAY_ACCEPT)
		*m = parsed;
	return result;
}

void relay_endpoint_host(const struct relay_endpoint *e, char host[static RELAY_HOST_MAX])
{
	char ip[ADDR_TEXT_MAX];

	if (addr_is_set(&e->ip)) {
		strcpy(host, addr_format_ip(&e->ip, ip));
		return;
	}
	if (e->name.len)
		memcpy(host, e->name.data, e->name.len);
	host[e->name.len] = '\0';
}

const char *relay_status_name(uint8_t status)
{
	static const char *const names[] = {
		[RELAY_OK] = "ok",
		[RELAY_BAD_REQUEST] = "bad request",
		[RELAY_UNAUTHORIZED] = "unauthorized",
		[RELAY_FORBIDDEN] = "forbidden",
		[RELAY_TIMEOUT] = "timeout",
		[RELAY_UNAVAILABLE] = "service unavailable",
		[RELAY_HOST_UNREACHABLE] = "host unreachable",
		[RELAY_NETWORK_UNREACHABLE] = "network unreachable",
		[RELAY_INTERNAL] = "internal server error",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown status";
}

/* --- building -------------------------------------------------------------------------------------- */

static void put(struct relay_builder *b, const void *data, size_t len)
{
	if (!b->error && len > b->cap - b->len)
		b->error = -EMSGSIZE;
	if (b->error)
		return;
	if (len)
		memcpy(b->out + b->len, data, len);
	b->len += len;
}

static void put_be16(struct relay_builder *b, size_t value)
{
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(b, bytes, sizeof(bytes));
}

static void put_head(struct relay_builder *b, uint8_t type, size_t len)
{
	put(b, &type, 1);
	put_be16(b, len);
}

static void put_text(struct relay_builder *b, const char *text, size_t len)
{
	uint8_t n = (uint8_t)len;

	put(b, &n, 1);
	put(b, text, len);
}

void relay_begin(struct relay_builder *b, uint8_t code, uint8_t *out, size_t cap)
{
	uint8_t head[RELAY_FIXED] = {VERSION, code};

	*b = (struct relay_builder){.out = out, .cap = cap};
	put(b, head, sizeof(head));
}

void relay_add_user(struct relay_builder *b, const char *user, const char *password)
{
	size_t ulen = strlen(user), plen = strlen(password);

	if (ulen > UINT8_MAX || plen > UINT8_MAX) {
		b->error = b->error ? b->error : -ENAMETOOLONG;
		return;
	}
	put_head(b, FEATURE_USER, 2 + ulen + plen);
	put_text(b, user, ulen);
	put_text(b, password, plen);
}

void relay_add_network(struct relay_builder *b, enum relay_network network)
{
	put_head(b, FEATURE_NETWORK, 2);
	put_be16(b, network);
}

void relay_add_addr(struct relay_builder *b, const struct addr *a)
{
	struct addr plain = *a;

	addr_unmap(&plain); /* as Go sends it */
	bool v4 = addr_family(&plain) == AF_INET;
	uint8_t type = v4 ? ATYP_IPV4 : ATYP_IPV6;
	size_t len = v4 ? 4 : 16;
	if (!v4 && addr_family(&plain) != AF_INET6) {
		b->error = b->error ? b->error : -EAFNOSUPPORT;
		return;
	}
	put_head(b, FEATURE_ADDR, 1 + len + 2);
	put(b, &type, 1);
	put(b, v4 ? (const void *)&plain.in4.sin_addr : (const void *)&plain.in6.sin6_addr, len);
	put_be16(b, addr_port(&plain));
}

void relay_add_host(struct relay_builder *b, const char *host, uint16_t port)
{
	size_t len = strlen(host);
	uint8_t type = ATYP_NAME;
	struct addr ip;

	if (!addr_parse_ip(&ip, host, len, port)) {
		relay_add_addr(b, &ip);
		return;
	}
	if (len > UINT8_MAX) {
		b->error = b->error ? b->error : -ENAMETOOLONG;
		return;
	}
	put_head(b, FEATURE_ADDR, 1 + 1 + len + 2);
	put(b, &type, 1);
	put_text(b, host, len);
	put_be16(b, port);
}

ssize_t relay_end(struct relay_builder *b)
{
	if (!b->error && b->len > RELAY_MESSAGE_MAX)
		b->error = -EMSGSIZE;
	if (b->error)
		return b->error;
	size_t features = b->len - RELAY_FIXED;
	b->out[2] = (uint8_t)(features >> 8);
	b->out[3] = (uint8_t)features;
	return (ssize_t)b->len;
}
