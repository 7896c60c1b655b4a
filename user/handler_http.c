/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_http.c - an HTTP proxy: CONNECT opens a tunnel, an absolute-form request is passed on.
 *
 * Why a tunnel is no different from any other session: once the 200 is queued the pair has both sockets, so its bytes are
 * the engines' (the kernel's). What came behind the request stays in s->input and goes first.
 * Answers are GOST's, byte for byte, where one was recorded.
 * Owns: s->handshake. Never: reads or writes sockets; lets a request through that could be read in two ways.
 * See: include/handler.h, user/handler_http_exchange.c, tests/vectors/gost/wire.jsonl (http-*).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "handler_http.h"
#include "session.h"

/* One byte more than a head may have, so that it is the parser that finds it too long. */
enum { INPUT_MAX = HTTP_HEAD_MAX + 1 };

enum { AGENT_REPLY_MAX = 256 };

static const char established[] = "HTTP/1.1 200 Connection established\r\n";
static const char bad_request[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
static const char forbidden[] = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n";
static const char no_tunnel[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n";
static const char no_upstream[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
static const char too_large[] = "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n";

static struct http_session *state_of(const struct session *s)
{
	return s->handshake;
}

/* A head's beginning, who we are, and its end. */
static size_t sign(const struct session *s, const char *head, char out[static AGENT_REPLY_MAX])
{
	return (size_t)snprintf(out, AGENT_REPLY_MAX, "%sProxy-Agent: %s\r\n\r\n", head, s->svc->cfg->opt.proxy_agent);
}

static void refuse_signed(struct session *s, const char *reason, const char *head, const char *text)
{
	char reply[AGENT_REPLY_MAX];

	session_refuse(s, reason, reply, sign(s, head, reply), "%s", text);
}

/* --- who asks --------------------------------------------------------------------------------------------------- */

static const struct http_field *find_field(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->count; i++)
		if (http_slice_is(head->field[i].name, name))
			return &head->field[i];
	return NULL;
}

static bool has_value(const struct http_head *head, const char *name, const char *value)
{
	const struct http_field *field = find_field(head, name);

	return field && http_slice_is(field->value, value);
}

static bool is_allowed_in(struct session *s, const struct http_head *head)
{
	struct http_credentials c;

	if (!session_needs_auth(s))
		return true;
	if (!head->authorization.at || http_decode_basic(head->authorization, &c) < 0)
		return false;
	return session_authenticate(s, c.text, c.user_len, c.text + c.user_len + 1, c.password_len);
}

static void ask_for_credentials(struct session *s, const struct http_head *head)
{
	char reply[384];
	bool proxy_connection = has_value(head, "proxy-connection", "keep-alive");
	int n = snprintf(reply, sizeof(reply),
			 "HTTP/1.1 407 Proxy Authentication Required\r\nConnection: close\r\n"
			 "Proxy-Authenticate: Basic realm=\"%s\"\r\n%s\r\n",
			 s->svc->cfg->opt.auth_realm, proxy_connection ? "Proxy-Connection: close\r\n" : "");

	session_refuse(s, "auth-failed", reply, (size_t)n, "authentication failed");
}

/* --- what for ---------------------------------------------------------------------------------------------------- */

static const char *judge(const struct http_head *head, struct http_target *target)
{
	const char *error = NULL;

	if (http_parse_target(head, target, &error) < 0)
		return error;
	if (target->form == HTTP_FORM_ORIGIN || target->form == HTTP_FORM_ASTERISK)
		return "the request is for this host, not for a proxy";
	if (target->form == HTTP_FORM_AUTHORITY && (head->chunked || head->length))
		return "CONNECT with a body";
	return NULL;
}

bool http_admit(struct session *s, const struct http_head *head, struct http_target *target)
{
	const char *error = judge(head, target);

	if (error)
		session_refuse(s, "bad-request", bad_request, strlen(bad_request), "%s", error);
	else if (!is_allowed_in(s, head))
		ask_for_credentials(s, head);
	else if (has_value(head, "x-gost-protocol", "udp"))
		refuse_signed(s, "forbidden", forbidden, "UDP over HTTP is not supported");
	else
		return true;
	return false;
}

static void serve(struct session *s, const struct http_head *head)
{
	struct http_session *h = state_of(s);
	struct http_target target;
	char host[HTTP_HOST_MAX + 1];

	if (!http_admit(s, head, &target))
		return;
	memcpy(host, target.host.at, target.host.len);
	host[target.host.len] = '\0';
	h->tunnel = target.form == HTTP_FORM_AUTHORITY;
	if (h->tunnel)
		session_consume(s, head->len);
	else if (http_exchange_prepare(s, head, &target) < 0) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a request");
		return;
	}
	session_connect_to(s, host, target.port);
}

/* --- the handler -------------------------------------------------------------------------------------------------- */

/* Also for the second request of a connection. */
static void http_start(struct session *s)
{
	struct http_session *h = state_of(s);

	if (!h) {
		h = s->handshake = calloc(1, sizeof(*h));
		if (!h) {
			session_fail(s, LOG_ERROR, "no-memory", "no memory for an HTTP client");
			return;
		}
		h->s = s;
	}
	h->seen = 0;
	h->wait = HTTP_WAIT_NOTHING;
	http_exchange_reset(h);
}

static void http_input(struct session *s)
{
	struct http_session *h = state_of(s);
	size_t skip = http_skip_empty_line(s->input.data, s->input.len);
	struct http_head head;
	const char *error;

	if (skip) {
		session_consume(s, skip);
		h->seen = 0;
	}
	switch (http_read_request(s->input.data, s->input.len, &h->seen, &head, &error)) {
	case HTTP_MORE:
		break;
	case HTTP_OK:
		serve(s, &head);
		break;
	case HTTP_BAD:
		session_refuse(s, "bad-request", bad_request, strlen(bad_request), "%s", error);
		break;
	case HTTP_TOO_LONG:
		session_refuse(s, "handshake-too-long", too_large, strlen(too_large), "%s", error);
		break;
	}
}

static void http_connected(struct session *s)
{
	char reply[AGENT_REPLY_MAX];

	if (state_of(s)->tunnel)
		session_reply(s, reply, sign(s, established, reply));
	else
		http_exchange_start(s);
}

static void http_refused(struct session *s, enum dial_outcome why)
{
	static const char text[] = "the target cannot be reached";

	if (why == DIAL_BYPASSED)
		refuse_signed(s, "bypassed", forbidden, "the target may not be reached");
	else if (state_of(s)->tunnel)
		refuse_signed(s, "dial-failed", no_tunnel, text);
	else
		session_refuse(s, "dial-failed", no_upstream, strlen(no_upstream), text);
}

static void http_release(struct session *s)
{
	struct http_session *h = state_of(s);

	if (!h)
		return;
	loop_task_cancel(s->host->env.loop, &h->yield);
	http_exchange_reset(h);
	free(h);
	s->handshake = NULL;
}

const struct handler_ops handler_http_ops = {
	.name = "http",
	.input_max = INPUT_MAX,
	.start = http_start,
	.input = http_input,
	.connected = http_connected,
	.refused = http_refused,
	.release = http_release,
};
