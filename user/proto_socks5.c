/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks5.c - see proto_socks5.h.
 *
 * Why reserved bytes are not looked at: RFC 1928 gives them no meaning, and clients exist that do not clear them.
 * Owns: nothing. Never: reads past len.
 */
#include "proto_socks5.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 5, LOGIN_VERSION = 1, TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

static enum socks_result begins_with(struct socks_parse *in, uint8_t version, const char *error)
{
	return in->len && in->data[0] != version ? socks_fail(in, SOCKS_REJECT, error) : SOCKS_MORE;
}

static enum socks_result done(struct socks_parse *in, size_t consumed)
{
	in->consumed = consumed;
	return SOCKS_ACCEPT;
}

/* --- methods, user and password ------------------------------------------------------------------------- */

enum socks_result socks5_parse_offer(struct socks_parse *in, struct socks5_offer *out)
{
	enum socks_result r = begins_with(in, VERSION, "not version 5");

	if (r == SOCKS_REJECT || in->len < 2)
		return r;
	if (!in->data[1])
		return socks_fail(in, SOCKS_REJECT, "no method is offered");
	if (in->len < 2u + in->data[1])
		return SOCKS_MORE;
	*out = (struct socks5_offer){.methods = in->data + 2, .count = in->data[1]};
	return done(in, 2u + in->data[1]);
}

bool socks5_offers(const struct socks5_offer *offer, enum socks5_method method)
{
	return memchr(offer->methods, method, offer->count) != NULL;
}

static enum socks_result parse_pair(struct socks_parse *in, uint8_t version, const char *error, uint8_t *out)
{
	enum socks_result r = begins_with(in, version, error);

	if (r == SOCKS_REJECT || in->len < 2)
		return r;
	*out = in->data[1];
	return done(in, 2);
}

enum socks_result socks5_parse_choice(struct socks_parse *in, uint8_t *method)
{
	return parse_pair(in, VERSION, "not version 5", method);
}

enum socks_result socks5_parse_status(struct socks_parse *in, uint8_t *status)
{
	return parse_pair(in, LOGIN_VERSION, "not version 1 of user and password", status);
}

enum socks_result socks5_parse_login(struct socks_parse *in, struct socks5_login *out)
{
	enum socks_result r = begins_with(in, LOGIN_VERSION, "not version 1 of user and password");

	if (r == SOCKS_REJECT || in->len < 2)
		return r;
	size_t user = in->data[1];
	if (in->len < 3 + user)
		return SOCKS_MORE;
	size_t password = in->data[2 + user];
	if (in->len < 3 + user + password)
		return SOCKS_MORE;
	memset(out, 0, sizeof(*out));
	memcpy(out->user, in->data + 2, user);
	memcpy(out->password, in->data + 3 + user, password);
	out->user_len = (uint8_t)user;
	out->password_len = (uint8_t)password;
	return done(in, 3 + user + password);
}

/* --- addresses --------------------------------------------------------------------------------------------- */

/* data points at the type. Its whole length with the port, 0 when that cannot be known yet, -EINVAL: unknown type. */
static ssize_t address_length(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	switch (data[0]) {
	case TYPE_IPV4:
		return 1 + 4 + 2;
	case TYPE_IPV6:
		return 1 + 16 + 2;
	case TYPE_NAME:
		return len < 2 ? 0 : 1 + 1 + data[1] + 2;
	default:
		return -EINVAL;
	}
}

static bool take_address(const uint8_t *data, size_t len, struct socks_target *out)
{
	uint16_t port = (uint16_t)(data[len - 2] << 8 | data[len - 1]);
	struct addr a;

	if (data[0] == TYPE_NAME) {
		out->port = port;
		return socks_target_name(out, data + 2, data[1]);
	}
	if (data[0] == TYPE_IPV4)
		addr_from_in4(&a, data + 1, port);
	else
		addr_from_in6(&a, data + 1, port);
	socks_target_addr(out, &a);
	return true;
}

/* An address at offset 3, where requests, replies and datagrams have it. */
static enum socks_result parse_address(struct socks_parse *in, struct socks_target *out)
{
	struct socks_target target = {0};
	ssize_t len = in->len > 3 ? address_length(in->data + 3, in->len - 3) : 0;

	if (len < 0)
		return socks_fail(in, SOCKS_UNSUPPORTED, "unknown address type");
	if (!len || in->len < 3 + (size_t)len)
		return SOCKS_MORE;
	if (!take_address(in->data + 3, (size_t)len, &target))
		return socks_fail(in, SOCKS_REJECT, "the host is not a name");
	*out = target;
	return done(in, 3 + (size_t)len);
}

enum socks_result socks5_parse_message(struct socks_parse *in, struct socks5_message *out)
{
	if (begins_with(in, VERSION, "not version 5") == SOCKS_REJECT)
		return SOCKS_REJECT;
	enum socks_result r = parse_address(in, &out->target);
	if (r == SOCKS_ACCEPT)
		out->code = in->data[1];
	return r;
}

enum socks_result socks5_parse_udp(struct socks_parse *in, struct socks5_udp_header *out)
{
	enum socks_result r = parse_address(in, &out->target);

	if (r == SOCKS_ACCEPT)
		out->fragment = in->data[2];
	return r;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

ssize_t socks5_build_offer(uint8_t *out, size_t cap, const uint8_t *methods, uint8_t count)
{
	if (!count)
		return -EINVAL;
	if (2u + count > cap)
		return -ENOSPC;
	out[0] = VERSION;
	out[1] = count;
	memcpy(out + 2, methods, count);
	return 2 + count;
}

ssize_t socks5_build_login(uint8_t *out, size_t cap, const struct socks5_login *login)
{
	size_t user = login->user_len, password = login->password_len;

	if (3 + user + password > cap)
		return -ENOSPC;
	out[0] = LOGIN_VERSION;
	out[1] = (uint8_t)user;
	memcpy(out + 2, login->user, user);
	out[2 + user] = (uint8_t)password;
	memcpy(out + 3 + user, login->password, password);
	return (ssize_t)(3 + user + password);
}

/* The type and the host; returns their length. */
static size_t put_host(uint8_t *out, const struct socks_target *target)
{
	size_t len = strlen(target->host);
	struct addr a;

	if (len && !socks_target_is_numeric(target, &a)) {
		out[0] = TYPE_NAME;
		out[1] = (uint8_t)len;
		memcpy(out + 2, target->host, len);
		return 2 + len;
	}
	if (len && addr_family(&a) == AF_INET6) {
		out[0] = TYPE_IPV6;
		memcpy(out + 1, &a.in6.sin6_addr, 16);
		return 17;
	}
	out[0] = TYPE_IPV4;
	memset(out + 1, 0, 4);
	if (len)
		memcpy(out + 1, &a.in4.sin_addr, 4);
	return 5;
}

static ssize_t build(uint8_t *out, size_t cap, const uint8_t head[static 3], const struct socks_target *target)
{
	uint8_t message[SOCKS5_MESSAGE_MAX];

	memcpy(message, head, 3);
	size_t len = 3 + put_host(message + 3, target);
	message[len++] = (uint8_t)(target->port >> 8);
	message[len++] = (uint8_t)target->port;
	if (len > cap)
		return -ENOSPC;
	memcpy(out, message, len);
	return (ssize_t)len;
}

ssize_t socks5_build_message(uint8_t *out, size_t cap, const struct socks5_message *msg)
{
	const uint8_t port[] = {(uint8_t)(msg->target.port >> 8), (uint8_t)msg->target.port};

	bool port_for_many = msg->code == SOCKS_MUX_BIND || (msg->code == SOCKS_UDP_TUN && msg->target.port);
	if (!port_for_many || msg->target.host[0])
		return build(out, cap, (uint8_t[]){VERSION, msg->code, 0}, &msg->target);
	const uint8_t any[] = {VERSION, msg->code, 0, TYPE_NAME, 0, port[0], port[1]};
	if (sizeof(any) > cap)
		return -ENOSPC;
	memcpy(out, any, sizeof(any));
	return sizeof(any);
}

ssize_t socks5_build_udp(uint8_t *out, size_t cap, const struct socks5_udp_header *header)
{
	return build(out, cap, (uint8_t[]){0, 0, header->fragment}, &header->target);
}

const char *socks5_code_text(uint8_t code)
{
	static const char *const texts[] = {
		"succeeded", "general failure", "not allowed", "network unreachable", "host unreachable",
		"connection refused", "TTL expired", "command not supported", "address type not supported",
	};

	return code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "unknown code";
}
