/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks5.c - SOCKS5: a method, user and password where the service wants them, a request.
 *
 * Why TLS methods are never chosen: 0x80 and 0x82 are GOST's own; a client that offers them offers a clear one too.
 * A method that was not offered is never chosen either (GOST does, and the client then waits for ever).
 * Owns: struct socks5. Never: takes a byte behind the request, keeps a password.
 * See: include/proto_socks5.h, tests/e2e/test_socks.py.
 */
#include "handler_socks5.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler_endpoint.h"
#include "handler_udp_tun.h"

enum step { STEP_OFFER, STEP_LOGIN, STEP_REQUEST };

/* --- saying ------------------------------------------------------------------------------------------------ */

struct addr socks5_name_of(int fd)
{
	struct addr a = {.len = sizeof(a) - offsetof(struct addr, sa)};

	if (getsockname(fd, &a.sa, &a.len) < 0)
		a.len = 0;
	addr_unmap(&a);
	return a;
}

static size_t build_reply(uint8_t out[static SOCKS5_MESSAGE_MAX], enum socks5_code code, const struct addr *bound)
{
	struct socks5_message msg = {.code = (uint8_t)code};

	socks_target_addr(&msg.target, bound);
	return (size_t)socks5_build_message(out, SOCKS5_MESSAGE_MAX, &msg); /* an address always fits */
}

int socks5_say(struct session *s, enum socks5_code code, const struct addr *bound)
{
	uint8_t reply[SOCKS5_MESSAGE_MAX];

	return session_reply(s, reply, build_reply(reply, code, bound));
}

void socks5_refuse(struct session *s, enum socks5_code code, const char *reason, const char *fmt, ...)
{
	uint8_t reply[SOCKS5_MESSAGE_MAX];
	size_t len = build_reply(reply, code, &(struct addr){0});
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	session_refuse(s, reason, reply, len, "%s", text);
}

/* --- one message each: true when it was there and the talk goes on ---------------------------------------- */

static bool malformed(struct session *s, enum socks_result r, const struct socks_parse *in)
{
	if (r == SOCKS_UNSUPPORTED)
		socks5_refuse(s, SOCKS5_BAD_ADDRESS, "bad-address", "SOCKS5: %s", in->error);
	else if (r == SOCKS_REJECT)
		session_fail(s, LOG_INFO, "handshake-malformed", "SOCKS5: %s", in->error);
	return false;
}

static enum socks5_method choose(const struct session *s, const struct socks5_offer *offer)
{
	enum socks5_method wanted = session_needs_auth(s) ? SOCKS5_METHOD_PASSWORD : SOCKS5_METHOD_NONE;

	return socks5_offers(offer, wanted) ? wanted : SOCKS5_METHOD_NO_MATCH;
}

static bool on_offer(struct session *s, struct socks5 *h, struct socks_parse *in)
{
	struct socks5_offer offer;
	enum socks_result r = socks5_parse_offer(in, &offer);

	if (r != SOCKS_ACCEPT)
		return malformed(s, r, in);
	uint8_t answer[SOCKS5_CHOICE_LEN] = {5, (uint8_t)choose(s, &offer)};
	session_consume(s, in->consumed);
	if (answer[1] == SOCKS5_METHOD_NO_MATCH) {
		session_refuse(s, "no-method", answer, sizeof(answer), "SOCKS5: the client offers no method that is accepted");
		return false;
	}
	h->step = answer[1] == SOCKS5_METHOD_PASSWORD ? STEP_LOGIN : STEP_REQUEST;
	return session_reply(s, answer, sizeof(answer)) == 0;
}

static bool on_login(struct session *s, struct socks5 *h, struct socks_parse *in)
{
	static const uint8_t welcome[SOCKS5_STATUS_LEN] = {1, 0}, no[SOCKS5_STATUS_LEN] = {1, 1};
	struct socks5_login login;
	enum socks_result r = socks5_parse_login(in, &login);

	if (r != SOCKS_ACCEPT)
		return malformed(s, r, in);
	bool ok = session_authenticate(s, login.user, login.user_len, login.password, login.password_len);
	explicit_bzero(&login, sizeof(login));
	session_consume(s, in->consumed);
	if (!ok) {
		session_refuse(s, "auth-failed", no, sizeof(no), "auth failure");
		return false;
	}
	h->step = STEP_REQUEST;
	return session_reply(s, welcome, sizeof(welcome)) == 0;
}

/* GOST's words. */
static const char *command_name(uint8_t code)
{
	switch (code) {
	case SOCKS_CONNECT:
		return "connect";
	case SOCKS_BIND:
		return "bind";
	case SOCKS_MUX_BIND:
		return "mbind";
	case SOCKS_UDP:
		return "udp";
	case SOCKS_UDP_TUN:
		return "udp-tun";
	default:
		return NULL;
	}
}

static void act(struct session *s, const struct socks5_message *req)
{
	const struct service_options *opt = &s->svc->cfg->opt;

	bool binds = req->code == SOCKS_BIND || req->code == SOCKS_MUX_BIND || (req->code == SOCKS_UDP_TUN && req->target.port);

	s->command = command_name(req->code);
	if (req->code == SOCKS_CONNECT && req->target.host[0])
		session_connect_to(s, req->target.host, req->target.port);
	else if (req->code == SOCKS_CONNECT)
		socks5_refuse(s, SOCKS5_FAILURE, "bad-address", "SOCKS5: the request names no host");
	else if (req->code == SOCKS_BIND && opt->bind)
		socks5_bind_begin(s, &req->target);
	else if (req->code == SOCKS_MUX_BIND && opt->bind)
		socks5_mux_bind_begin(s, &req->target);
	else if (req->code == SOCKS_UDP && opt->udp)
		socks5_udp_begin(s);
	else if (req->code == SOCKS_UDP_TUN && (req->target.port ? opt->bind : opt->udp))
		socks5_udp_tun_begin(s, &req->target);
	else if (binds || req->code == SOCKS_UDP || req->code == SOCKS_UDP_TUN)
		socks5_refuse(s, SOCKS5_NOT_ALLOWED, "command-disabled", "SOCKS5: %s is not enabled (%s=true)",
			      binds ? "BIND" : "UDP ASSOCIATE", binds ? "bind" : "udp");
	else
		socks5_refuse(s, SOCKS5_BAD_COMMAND, "bad-command", "SOCKS5: unknown command 0x%02x", req->code);
}

static bool on_request(struct session *s, struct socks5 *h, struct socks_parse *in)
{
	struct socks5_message req;
	enum socks_result r = socks5_parse_message(in, &req);

	(void)h;
	if (r != SOCKS_ACCEPT)
		return malformed(s, r, in);
	session_consume(s, in->consumed);
	act(s, &req);
	return false;
}

/* --- the handler ---------------------------------------------------------------------------------------------- */

static void start(struct session *s)
{
	s->handshake = calloc(1, sizeof(struct socks5));
	if (!s->handshake)
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a handshake");
}

/* A client may send everything at once, without waiting for answers. */
static void input(struct session *s)
{
	static bool (*const steps[])(struct session *, struct socks5 *, struct socks_parse *) = {
		[STEP_OFFER] = on_offer, [STEP_LOGIN] = on_login, [STEP_REQUEST] = on_request};
	struct socks5 *h = s->handshake;
	struct socks_parse in;

	do
		in = (struct socks_parse){.data = s->input.data, .len = s->input.len};
	while (in.len && steps[h->step](s, h, &in));
}

static void connected(struct session *s)
{
	struct addr bound = socks5_name_of(s->pair.io[SIDE_UPSTREAM].fd);

	socks5_say(s, SOCKS5_SUCCEEDED, &bound);
}

static void refused(struct session *s, enum dial_outcome why)
{
	if (why == DIAL_BYPASSED)
		socks5_refuse(s, SOCKS5_NOT_ALLOWED, "bypass", "the target is bypassed");
	else
		socks5_refuse(s, SOCKS5_NETWORK_UNREACHABLE, "dial-failed", "the target cannot be reached");
}

static void drain(struct session *s)
{
	struct socks5 *h = s->handshake;

	if (h)
		endpoint_drain(h->endpoint);
	if (h)
		udp_tun_drain(h->tun);
}

static void release(struct session *s)
{
	struct socks5 *h = s->handshake;

	if (!h)
		return;
	socks5_bind_free(s, h->bind);
	socks5_udp_free(s, h->udp);
	endpoint_release(h->endpoint);
	udp_tun_free(h->tun);
	free(h);
	s->handshake = NULL;
}

const struct handler_ops handler_socks5_ops = {
	.name = "socks5",
	.input_max = SOCKS5_LOGIN_MAX,
	.start = start,
	.input = input,
	.connected = connected,
	.refused = refused,
	.drain = drain,
	.release = release,
};
