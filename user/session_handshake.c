/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_handshake.c - SESSION_HANDSHAKE: the handler talks to the client; SESSION_LEAVING: it has said no.
 *
 * Why reading, time and size are here: every inbound protocol needs them, and a handler that forgets one is a slow-loris
 * hole. A handler only sees bytes.
 * Why a refusal lingers: closing at once with bytes unread would make the kernel send a reset that overtakes the reply.
 * Owns: the session's input. Never: reads more than the handler may hold unconsumed.
 * See: include/handler.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "session_states.h"

enum { INPUT_FIRST = 512, LEAVING_READS = 16 };
static const uint64_t LEAVING_NS = 2 * 1000000000ull;

/* --- input ------------------------------------------------------------------------------------------------ */

bool session_input_room(struct session *s)
{
	struct session_input *in = &s->input;
	size_t cap = in->cap ? in->cap * 2 : INPUT_FIRST;

	if (in->len < in->cap)
		return true;
	uint8_t *grown = realloc(in->data, cap);
	if (!grown)
		return false;
	in->data = grown;
	in->cap = cap;
	return true;
}

void session_input_free(struct session *s)
{
	free(s->input.data);
	s->input = (struct session_input){0};
}

void session_consume(struct session *s, size_t n)
{
	s->input.len -= n;
	memmove(s->input.data, s->input.data + n, s->input.len);
}

/* --- the handler's turn ------------------------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *timer)
{
	session_fail(session_of_timer(timer), LOG_INFO, "handshake-timeout", "the handshake took too long");
}

static bool talking(const struct session *s)
{
	return s->state == SESSION_HANDSHAKE;
}

static void client_left(struct session *s)
{
	if (s->input.len) {
		session_fail(s, LOG_INFO, "handshake-truncated", "the client ended in the middle of the handshake");
		return;
	}
	s->reason = "client-eof";
	session_log_fault(s, LOG_DEBUG, "the client left before it asked for anything");
	session_close_early(s, true);
	session_log_close(s);
}

/* One read; false: nothing more to read now, or the session has moved on. */
static bool read_some(struct session *s)
{
	struct session_input *in = &s->input;

	if (in->len >= s->handler->input_max) {
		session_fail(s, LOG_INFO, "handshake-too-long", "the handshake is longer than %zu bytes",
			     s->handler->input_max);
		return false;
	}
	if (!session_input_room(s)) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a handshake");
		return false;
	}
	ssize_t n = pair_recv(&s->pair, SIDE_CLIENT, in->data + in->len, in->cap - in->len);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno != EAGAIN)
		session_fail(s, LOG_INFO, "reset-by-client", "reading the handshake: %s", strerror(errno));
	if (n == 0)
		client_left(s);
	if (n <= 0)
		return false;
	s->pair.flow[SIDE_CLIENT].read_bytes += (uint64_t)n;
	in->len += (size_t)n;
	return true;
}

void session_handshake_ready(struct session *s)
{
	while (talking(s) && s->handler->input_max && read_some(s))
		s->handler->input(s);
}

static void begin(struct session *s)
{
	s->handler->start(s);
	if (talking(s) && s->handler->input_max && s->input.len)
		s->handler->input(s);
}

void session_become(struct session *s, const struct handler_ops *handler)
{
	s->handler = handler;
	session_log_open(s);
	begin(s);
}

void session_handshake_begin(struct session *s)
{
	if (s->handler->input_max)
		loop_timer_set(s->host->env.loop, &s->timer, s->svc->cfg->opt.handshake_timeout_ns, on_deadline);
	begin(s);
	session_handshake_ready(s);
}

/* --- answers ------------------------------------------------------------------------------------------------- */

/* A few bytes into an empty send buffer: if they do not fit, the client does not read, and is not worth a queue. */
static int send_now(struct session *s, const void *data, size_t len)
{
	ssize_t n = pair_send(&s->pair, SIDE_CLIENT, data, len);

	if (n == (ssize_t)len) {
		s->pair.flow[SIDE_UPSTREAM].written_bytes += len;
		return 0;
	}
	int err = n < 0 ? errno : EAGAIN;
	session_fail(s, LOG_INFO, err == EAGAIN ? "client-stalled" : "reset-by-client", "answering the client: %s",
		     strerror(err));
	return -err;
}

int session_reply(struct session *s, const void *data, size_t len)
{
	if (s->state != SESSION_DIALING)
		return send_now(s, data, len);
	int err = flow_hold(&s->pair.flow[SIDE_UPSTREAM], data, len);
	if (err)
		session_fail(s, LOG_ERROR, "no-memory", "no memory for an answer");
	return err;
}

/* --- leaving --------------------------------------------------------------------------------------------------- */

static void on_left(struct loop_timer *timer)
{
	session_close_early(session_of_timer(timer), true);
}

void session_leaving_ready(struct session *s)
{
	struct flow_env *env = &s->host->env;
	int reads = 0;
	ssize_t n;

	/* Bounded: a client may send faster than this reads, and others are waiting. More of its bytes are another event. */
	do
		n = recv(s->pair.io[SIDE_CLIENT].fd, env->buf, env->buf_size, MSG_DONTWAIT);
	while ((n > 0 || (n < 0 && errno == EINTR)) && ++reads < LEAVING_READS);
	if (n > 0)
		return;
	if (n == 0 || errno != EAGAIN)
		session_close_early(s, true);
}

void session_dismiss(struct session *s, const char *reason)
{
	struct loop *loop = s->host->env.loop;

	s->reason = reason;
	session_dial_cancel(s);
	session_set_state(s, SESSION_LEAVING);
	session_log_close(s);
	loop_io_close(loop, &s->pair.io[SIDE_UPSTREAM]);
	session_watch_client(s);
	pair_say_end(&s->pair, SIDE_CLIENT);
	shutdown(s->pair.io[SIDE_CLIENT].fd, SHUT_WR);
	loop_timer_set(loop, &s->timer, LEAVING_NS, on_left);
	session_leaving_ready(s);
}

void session_refuse(struct session *s, const char *reason, const void *reply, size_t len, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len && send_now(s, reply, len) < 0)
		return;
	s->reason = reason;
	session_log_fault(s, LOG_INFO, text);
	session_dismiss(s, reason);
}
