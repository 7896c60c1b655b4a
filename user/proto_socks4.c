/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks4.c - see proto_socks4.h.
 *
 * Why the strings are looked for in what has come so far, every time: a request is half a kilobyte at most, and a parser
 * without a memory of its own cannot get out of step.
 * Owns: nothing. Never: reads past len.
 */
#include "proto_socks4.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 4, FIXED = 8 };

/* A string that ends with NUL, at offset *at. Moves *at behind it. */
static enum socks_result take_string(struct socks_parse *in, size_t *at, size_t max, const uint8_t **text, size_t *len)
{
	const uint8_t *start = in->data + *at;
	size_t there = in->len - *at, look = there < max + 1 ? there : max + 1;
	const uint8_t *end = look ? memchr(start, '\0', look) : NULL;

	if (!end)
		return there > max ? socks_fail(in, SOCKS_REJECT, "a string is longer than 255 bytes") : SOCKS_MORE;
	*text = start;
	*len = (size_t)(end - start);
	*at += *len + 1;
	return SOCKS_ACCEPT;
}

/* 0.0.0.x with x other than 0: the name follows. */
static bool is_4a(const uint8_t ip[4])
{
	return !ip[0] && !ip[1] && !ip[2] && ip[3];
}

static enum socks_result take_name(struct socks_parse *in, size_t *at, struct socks4_request *req)
{
	const uint8_t *name;
	size_t len;
	enum socks_result r = take_string(in, at, SOCKS_HOST_MAX, &name, &len);

	if (r != SOCKS_ACCEPT)
		return r;
	if (!len || !socks_target_name(&req->target, name, len))
		return socks_fail(in, SOCKS_REJECT, "the host is not a name");
	req->with_name = true;
	return SOCKS_ACCEPT;
}

static void take_ip(const uint8_t *ip, struct socks_target *target)
{
	uint16_t port = target->port;
	struct addr a;

	addr_from_in4(&a, ip, port);
	socks_target_addr(target, &a);
}

enum socks_result socks4_parse_request(struct socks_parse *in, struct socks4_request *out)
{
	struct socks4_request req = {0};
	size_t at = FIXED, len;
	const uint8_t *user;

	if (in->len && in->data[0] != VERSION)
		return socks_fail(in, SOCKS_REJECT, "not version 4");
	if (in->len < FIXED)
		return SOCKS_MORE;
	req.command = in->data[1];
	req.target.port = (uint16_t)(in->data[2] << 8 | in->data[3]);
	enum socks_result r = take_string(in, &at, SOCKS4_USER_MAX, &user, &len);
	if (r != SOCKS_ACCEPT)
		return r;
	memcpy(req.user, user, len);
	if (is_4a(in->data + 4))
		r = take_name(in, &at, &req);
	else
		take_ip(in->data + 4, &req.target);
	if (r != SOCKS_ACCEPT)
		return r;
	*out = req;
	in->consumed = at;
	return SOCKS_ACCEPT;
}

enum socks_result socks4_parse_reply(struct socks_parse *in, struct socks4_reply *out)
{
	if (in->len && in->data[0] != 0)
		return socks_fail(in, SOCKS_REJECT, "the reply does not begin with 0");
	if (in->len > 1 && (in->data[1] < SOCKS4_GRANTED || in->data[1] > SOCKS4_BAD_USER))
		return socks_fail(in, SOCKS_REJECT, "the reply has a code that does not exist");
	if (in->len < SOCKS4_REPLY_LEN)
		return SOCKS_MORE;
	out->code = in->data[1];
	addr_from_in4(&out->bound, in->data + 4, (uint16_t)(in->data[2] << 8 | in->data[3]));
	in->consumed = SOCKS4_REPLY_LEN;
	return SOCKS_ACCEPT;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static int put_ip(uint8_t ip[4], const struct socks4_request *req)
{
	struct addr a;

	if (req->with_name) {
		ip[3] = 1;
		return req->target.host[0] ? 0 : -EINVAL;
	}
	if (!socks_target_is_numeric(&req->target, &a) || addr_family(&a) != AF_INET)
		return -EINVAL;
	memcpy(ip, &a.in4.sin_addr, 4);
	return is_4a(ip) ? -EINVAL : 0; /* it would be taken for the other form */
}

ssize_t socks4_build_request(uint8_t *out, size_t cap, const struct socks4_request *req)
{
	uint8_t fixed[FIXED] = {VERSION, req->command, (uint8_t)(req->target.port >> 8), (uint8_t)req->target.port};
	size_t user = strlen(req->user) + 1, name = req->with_name ? strlen(req->target.host) + 1 : 0;
	int err = put_ip(fixed + 4, req);

	if (err)
		return err;
	if (FIXED + user + name > cap)
		return -ENOSPC;
	memcpy(out, fixed, FIXED);
	memcpy(out + FIXED, req->user, user);
	memcpy(out + FIXED + user, req->target.host, name);
	return (ssize_t)(FIXED + user + name);
}

void socks4_build_reply(uint8_t out[static SOCKS4_REPLY_LEN], enum socks4_code code, const struct addr *bound)
{
	memset(out, 0, SOCKS4_REPLY_LEN);
	out[1] = (uint8_t)code;
	if (addr_family(bound) != AF_INET)
		return;
	memcpy(out + 2, &bound->in4.sin_port, 2);
	memcpy(out + 4, &bound->in4.sin_addr, 4);
}

const char *socks4_code_text(uint8_t code)
{
	switch (code) {
	case SOCKS4_GRANTED:
		return "request granted";
	case SOCKS4_FAILED:
		return "request rejected or failed";
	case SOCKS4_FORBIDDEN:
		return "request rejected: no identd on the client";
	case SOCKS4_BAD_USER:
		return "request rejected: another user id";
	default:
		return "unknown code";
	}
}
