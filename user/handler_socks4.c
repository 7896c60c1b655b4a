/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks4.c - SOCKS4 and 4a: one request, one reply, then forwarding.
 *
 * Why the reply names no address: GOST's does not, and clients do not look.
 * Owns: nothing; a request is read anew when more of it comes. Never: takes a byte behind the request.
 * See: include/proto_socks4.h, tests/e2e/test_socks.py.
 */
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "proto_socks4.h"
#include "session.h"

static void refuse(struct session *s, enum socks4_code code, const char *reason, const char *text)
{
	uint8_t reply[SOCKS4_REPLY_LEN];

	socks4_build_reply(reply, code, &(struct addr){0});
	session_refuse(s, reason, reply, sizeof(reply), "%s", text);
}

/* Not a secret: it is what the client calls itself, for the log. */
static void note_user(struct session *s, const char *user)
{
	if (!s->user && *user)
		s->user = strdup(user);
}

static void act(struct session *s, const struct socks4_request *req)
{
	if (!session_authenticate(s, req->user, strlen(req->user), "", 0)) {
		refuse(s, SOCKS4_BAD_USER, "auth-failed", "auth failure");
		return;
	}
	note_user(s, req->user);
	if (req->command == SOCKS_CONNECT)
		session_connect_to(s, req->target.host, req->target.port);
	else
		refuse(s, SOCKS4_FAILED, "bad-command", "SOCKS4: only CONNECT is supported");
}

static void socks4_start(struct session *s)
{
	(void)s;
}

static void socks4_input(struct session *s)
{
	struct socks_parse in = {.data = s->input.data, .len = s->input.len};
	struct socks4_request req;

	switch (socks4_parse_request(&in, &req)) {
	case SOCKS_ACCEPT:
		session_consume(s, in.consumed);
		act(s, &req);
		break;
	case SOCKS_MORE:
		break;
	default:
		session_fail(s, LOG_INFO, "handshake-malformed", "SOCKS4: %s", in.error);
	}
}

static void socks4_connected(struct session *s)
{
	uint8_t reply[SOCKS4_REPLY_LEN];

	socks4_build_reply(reply, SOCKS4_GRANTED, &(struct addr){0});
	session_reply(s, reply, sizeof(reply));
}

static void socks4_refused(struct session *s, enum dial_outcome why)
{
	if (why == DIAL_BYPASSED)
		refuse(s, SOCKS4_FORBIDDEN, "bypass", "the target is bypassed");
	else
		refuse(s, SOCKS4_FAILED, "dial-failed", "the target cannot be reached");
}

const struct handler_ops handler_socks4_ops = {
	.name = "socks4",
	.input_max = SOCKS4_REQUEST_MAX,
	.start = socks4_start,
	.input = socks4_input,
	.connected = socks4_connected,
	.refused = socks4_refused,
};
