/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector_socks5.c - asks a SOCKS5 proxy: method, user and password when there are any, request, one reply or two.
 *
 * Why only two methods: GOST's client also offers TLS inside SOCKS (0x80, 0x82); a server chooses what both know, and
 * without the offer a GOST server speaks in clear.
 * Owns: nothing. Never: sends the password unless the proxy asked for it.
 * See: include/connector.h, include/proto_socks5.h.
 */
#include "connector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto_datagram.h"
#include "proto_socks5.h"

enum step { STEP_CHOICE, STEP_STATUS, STEP_REPLY, STEP_PEER };

static enum connector_result fail(struct connector *c, const char *error)
{
	snprintf(c->error, sizeof(c->error), "%s", error);
	return CONNECTOR_FAILED;
}

static bool has_login(const struct connector_request *req)
{
	return req->user || req->password;
}

static bool copy_field(const char *from, char *to, uint8_t *len)
{
	size_t n = from ? strlen(from) : 0;

	if (n > SOCKS5_FIELD_MAX)
		return false;
	memcpy(to, from ? from : "", n);
	*len = (uint8_t)n;
	return true;
}

static bool make_login(const struct connector_request *req, struct socks5_login *login)
{
	return copy_field(req->user, login->user, &login->user_len) &&
	       copy_field(req->password, login->password, &login->password_len);
}

/* Everything that could not be said later is found out now, before a byte has been sent. */
static int begin(struct connector *c)
{
	static const uint8_t methods[] = {SOCKS5_METHOD_NONE, SOCKS5_METHOD_PASSWORD};
	const struct connector_request *req = c->req;
	struct socks5_login login = {0};
	struct socks_target target;
	const char *error = NULL;

	if (!make_login(req, &login))
		error = "user and password have at most 255 bytes each";
	else if (!socks_target_name(&target, (const uint8_t *)req->host, strlen(req->host)))
		error = "the host is not a name, or is longer than 255 bytes";
	else if (!req->host[0] && req->command == CONNECTOR_CONNECT)
		error = "the host is empty";
	if (error) {
		fail(c, error);
		return -EINVAL;
	}
	c->step = STEP_CHOICE;
	c->out_len = (size_t)socks5_build_offer(c->out, sizeof(c->out), methods, has_login(req) ? 2 : 1);
	return 0;
}

/* --- one message of the proxy each: what it says, and what comes next ----------------------------------- */

/* A way for datagrams names nobody: each of them says where it goes. */
static enum connector_result send_request(struct connector *c)
{
	static const uint8_t commands[] = {
		[CONNECTOR_CONNECT] = SOCKS_CONNECT,
		[CONNECTOR_BIND] = SOCKS_BIND,
		[CONNECTOR_UDP] = SOCKS_UDP_TUN,
		[CONNECTOR_UDP_BIND] = SOCKS_UDP_TUN,
		[CONNECTOR_MUX_BIND] = SOCKS_MUX_BIND,
	};
	struct socks5_message msg = {.code = commands[c->req->command]};

	if (c->req->command != CONNECTOR_UDP) {
		msg.target.port = c->req->port;
		strcpy(msg.target.host, c->req->host);
	}
	c->step = STEP_REPLY;
	c->out_len = (size_t)socks5_build_message(c->out, sizeof(c->out), &msg);
	return CONNECTOR_MORE;
}

static enum connector_result on_choice(struct connector *c, uint8_t method)
{
	struct socks5_login login = {0};

	if (method == SOCKS5_METHOD_NONE)
		return send_request(c);
	if (method != SOCKS5_METHOD_PASSWORD)
		return fail(c, method == SOCKS5_METHOD_NO_MATCH ? "the proxy accepts no method that was offered"
								: "the proxy chose a method that was not offered");
	if (!has_login(c->req))
		return fail(c, "the proxy wants user and password");
	if (!make_login(c->req, &login))
		return fail(c, "user and password have at most 255 bytes each");
	c->step = STEP_STATUS;
	c->out_len = (size_t)socks5_build_login(c->out, sizeof(c->out), &login);
	return CONNECTOR_MORE;
}

static enum connector_result on_reply(struct connector *c, const struct socks5_message *reply)
{
	struct addr at = {0};

	if (reply->code != SOCKS5_SUCCEEDED) {
		snprintf(c->error, sizeof(c->error), "%s (%u)", socks5_code_text(reply->code), reply->code);
		return CONNECTOR_FAILED;
	}
	if (!socks_target_is_numeric(&reply->target, &at))
		at.len = 0;
	bool many = c->req->command == CONNECTOR_MUX_BIND || c->req->command == CONNECTOR_UDP_BIND;
	if (!at.len && many) /* under a name (GOST's publicAddr): the port is what counts */
		addr_from_in6(&at, &in6addr_any, reply->target.port);
	if (c->step == STEP_PEER)
		c->peer = at;
	else
		c->bound = at;
	if (c->step == STEP_PEER || c->req->command != CONNECTOR_BIND)
		return CONNECTOR_DONE;
	c->step = STEP_PEER;
	return CONNECTOR_MORE;
}

/* Parses the message that step waits for and acts on it. */
static enum connector_result take(struct connector *c, struct socks_parse *in)
{
	struct socks5_message reply;
	uint8_t value = 0;
	enum socks_result r;

	if (c->step == STEP_CHOICE)
		r = socks5_parse_choice(in, &value);
	else if (c->step == STEP_STATUS)
		r = socks5_parse_status(in, &value);
	else
		r = socks5_parse_message(in, &reply);
	if (r == SOCKS_MORE)
		return CONNECTOR_MORE;
	if (r != SOCKS_ACCEPT)
		return fail(c, in->error);
	if (c->step == STEP_CHOICE)
		return on_choice(c, value);
	if (c->step == STEP_STATUS)
		return value ? fail(c, "the proxy refused user and password") : send_request(c);
	return on_reply(c, &reply);
}

/* BIND's two replies may come together; any other message answers one of ours, which has not been sent yet. */
static enum connector_result input(struct connector *c, const uint8_t *data, size_t len, size_t *consumed)
{
	enum connector_result r;
	size_t used = 0;

	for (;;) {
		struct socks_parse in = {.data = data + used, .len = len - used};
		r = take(c, &in);
		used += in.consumed;
		if (r != CONNECTOR_MORE || !in.consumed || used == len)
			break;
		if (c->out_len) {
			r = fail(c, "the proxy answers before it was asked");
			break;
		}
	}
	*consumed = used;
	return r;
}

/* The second reply of BIND, here for each peer. */
static enum connector_result visitor(const uint8_t *data, size_t len, struct addr *peer, size_t *consumed)
{
	struct socks_parse in = {.data = data, .len = len};
	struct socks5_message reply;
	struct addr at;
	enum socks_result r = socks5_parse_message(&in, &reply);

	if (r == SOCKS_MORE)
		return CONNECTOR_MORE;
	if (r != SOCKS_ACCEPT || reply.code != SOCKS5_SUCCEEDED || !socks_target_is_numeric(&reply.target, &at))
		return CONNECTOR_FAILED;
	*peer = at;
	*consumed = in.consumed;
	return CONNECTOR_DONE;
}

#define SOCKS5_OPS(text)                                                                                              \
	{.name = text, .begin = begin, .input = input, .visitor = visitor, .udp = &datagram_addressed,                \
	 .udp_bind = &datagram_addressed}

const struct connector_ops connector_socks5_ops = SOCKS5_OPS("socks5"), connector_socks_ops = SOCKS5_OPS("socks");
