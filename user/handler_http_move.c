/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_http_move.c - the bytes of one request and of its answer, while a message's end must be seen.
 *
 * Why in steps: each reads once or writes what is held, so that both directions and other sessions have their turn. Nothing is
 * read while the other side has not taken what came before: what is held is one read at most.
 * Owns: h->in. Never: passes on a byte behind the end of a message; makes a cut answer look whole: the client is reset.
 * See: include/handler_http.h, user/proto_http_body.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "handler_http.h"
#include "session.h"

/* What a request may have behind it in one read: it waits in s->input. */
enum { CHUNKED_READ = 16 * 1024 };

static struct http_session *state_of(const struct session *s)
{
	return s->handshake;
}

static void no_memory(struct session *s)
{
	session_fail(s, LOG_ERROR, "no-memory", "no memory for an HTTP message");
}

int http_input_append(struct session *s, const void *data, size_t len)
{
	struct session_input *in = &s->input;

	if (in->len + len > in->cap) {
		uint8_t *grown = realloc(in->data, in->len + len);
		if (!grown)
			return -ENOMEM;
		in->data = grown;
		in->cap = in->len + len;
	}
	if (len)
		memcpy(in->data + in->len, data, len);
	in->len += len;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* Sends what it can now and holds the rest. 0, or -errno (of the target, or -ENOMEM). */
static int push(struct flow *f, const uint8_t *data, size_t len)
{
	while (len && f->writable && flow_empty(f)) {
		ssize_t n = pair_send(flow_pair(f), !f->side, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0) {
			f->writable = false;
			break;
		}
		f->written_bytes += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
	return len ? flow_hold(f, data, len) : 0;
}

/* The upstream takes no more. What it said before may still be on its way: the answer's side finds out. */
static void upload_failed(struct session *s)
{
	struct http_session *h = state_of(s);

	h->upload_failed = true;
	h->keep = false;
	s->pair.flow[SIDE_UPSTREAM].readable = true;
}

static void push_request(struct session *s, const uint8_t *data, size_t len)
{
	int err = push(&s->pair.flow[SIDE_CLIENT], data, len);

	if (err == -ENOMEM)
		no_memory(s);
	else if (err)
		upload_failed(s);
}

static bool push_answer(struct session *s, const uint8_t *data, size_t len)
{
	int err = push(&s->pair.flow[SIDE_UPSTREAM], data, len);

	if (err == -ENOMEM)
		no_memory(s);
	else if (err)
		session_fail(s, LOG_INFO, "reset-by-client", "answering the client: %s", strerror(-err));
	return !err;
}

/* True: all of it went. */
static bool flush(struct session *s, struct flow *f)
{
	enum pump_result r = pump_flush_hold(f);

	if (r == PUMP_DST_ERROR && f->side == SIDE_CLIENT)
		upload_failed(s);
	else if (r == PUMP_DST_ERROR)
		session_fail(s, LOG_INFO, "reset-by-client", "answering the client: %s", strerror(errno));
	return r == PUMP_YIELD;
}

/* n bytes, 0: the end, -EAGAIN: nothing now, -errno. */
static ssize_t read_side(struct session *s, int side, void *buf, size_t cap)
{
	struct flow *f = &s->pair.flow[side];
	ssize_t n;

	do
		n = pair_recv(&s->pair, side, buf, cap);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		f->readable = false;
	if (n < 0)
		return -errno;
	f->read_bytes += (uint64_t)n;
	s->pair.active_ns = loop_now(s->host->env.loop);
	return n;
}

static size_t least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* --- the request's body --------------------------------------------------------------------------------------------- */

/* *taken of len bytes belong to the body and are on their way. False: the session has moved on. */
static bool take_request(struct session *s, const uint8_t *data, size_t len, size_t *taken)
{
	struct http_session *h = state_of(s);
	enum http_result r = http_body_scan(&h->request, data, len, taken);

	if (r == HTTP_BAD) {
		session_fail(s, LOG_INFO, "bad-request", "the body of the request is not chunked as it should be");
		return false;
	}
	h->request_done = r == HTTP_OK;
	push_request(s, data, *taken);
	return s->state == SESSION_EXCHANGE;
}

static bool move_input(struct session *s)
{
	size_t taken;

	if (!take_request(s, s->input.data, s->input.len, &taken))
		return false;
	session_consume(s, taken);
	return true;
}

static bool read_request(struct session *s)
{
	struct flow_env *env = &s->host->env;
	const struct http_body *body = &state_of(s)->request;
	size_t cap = body->framing == HTTP_BODY_LENGTH ? least(body->left, env->buf_size) : CHUNKED_READ, taken;
	ssize_t n = read_side(s, SIDE_CLIENT, env->buf, cap);

	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		session_fail(s, LOG_INFO, "reset-by-client", "reading a request: %s", strerror((int)-n));
		return false;
	}
	if (n == 0) {
		session_fail(s, LOG_INFO, "client-truncated", "the client ended in the middle of a request");
		return false;
	}
	if (!take_request(s, env->buf, (size_t)n, &taken))
		return false;
	if (http_input_append(s, env->buf + taken, (size_t)n - taken) < 0)
		no_memory(s);
	return true;
}

bool http_move_request(struct session *s)
{
	struct http_session *h = state_of(s);
	struct flow *f = &s->pair.flow[SIDE_CLIENT];

	if (h->phase == HTTP_IDLE || h->upload_failed)
		return false;
	if (!flow_empty(f))
		return flush(s, f);
	if (h->request_done)
		return false;
	if (s->input.len)
		return move_input(s);
	return f->readable && read_request(s);
}

/* --- the answer's head ------------------------------------------------------------------------------------------------ */

static enum http_persist persist_of(struct http_session *h, const struct http_head *head)
{
	if (head->status < 200)
		return HTTP_PERSIST_DEFAULT;
	/* A client that is still sending cannot know where its next request would begin to count. */
	bool sent = h->request_done && flow_empty(&h->s->pair.flow[SIDE_CLIENT]);
	h->close |= h->answer.framing == HTTP_BODY_CLOSE || !sent || h->s->host->draining;
	h->keep &= head->minor == 1 && !head->close && h->answer.framing != HTTP_BODY_CLOSE && sent &&
		   !h->s->pair.tls[SIDE_UPSTREAM]; /* what it has read ahead would stand in front of the next answer */
	return h->close ? HTTP_PERSIST_CLOSE : HTTP_PERSIST_DEFAULT;
}

static bool pass_head(struct session *s, const struct http_head *head, enum http_persist persist)
{
	struct flow_env *env = &s->host->env;
	ssize_t n = http_write_response(head, persist, (char *)env->buf, env->buf_size);

	return n > 0 && push_answer(s, env->buf, (size_t)n);
}

static void drop_in(struct http_session *h, size_t n)
{
	h->in_len -= n;
	h->in_seen = 0;
	memmove(h->in, h->in + n, h->in_len);
}

static void free_in(struct http_session *h)
{
	free(h->in);
	h->in = NULL;
	h->in_len = h->in_seen = 0;
}

/* 101: whatever the two talk from here on is theirs, and the engines'. */
static void switch_protocols(struct session *s, const struct http_head *head)
{
	struct http_session *h = state_of(s);

	if (!h->upgrade || !h->request_done || !flow_empty(&s->pair.flow[SIDE_CLIENT])) {
		http_exchange_broken(s, "it switches protocols without being asked");
		return;
	}
	if (!pass_head(s, head, HTTP_PERSIST_UPGRADE))
		return;
	drop_in(h, head->len);
	if (flow_hold(&s->pair.flow[SIDE_UPSTREAM], h->in, h->in_len) < 0 ||
	    flow_hold(&s->pair.flow[SIDE_CLIENT], s->input.data, s->input.len) < 0) {
		no_memory(s);
		return;
	}
	session_consume(s, s->input.len);
	free_in(h);
	loop_task_cancel(s->host->env.loop, &h->yield);
	for (int i = 0; i < 2; i++)
		s->pair.flow[i].readable = s->pair.flow[i].writable = true;
	session_hand_over(s);
}

/* Bytes of the answer's body, and perhaps more than that. */
static bool take_answer(struct session *s, const uint8_t *data, size_t len)
{
	struct http_session *h = state_of(s);
	size_t taken;
	enum http_result r = http_body_scan(&h->answer, data, len, &taken);

	if (r == HTTP_BAD) {
		session_fail(s, LOG_WARN, "upstream-malformed", "the body of the answer is not chunked as it should be");
		return false;
	}
	h->answered = r == HTTP_OK;
	h->keep &= taken == len; /* something behind the answer: whose would that be? */
	return push_answer(s, data, taken);
}

static void take_head(struct session *s, const struct http_head *head)
{
	struct http_session *h = state_of(s);

	if (head->status == 101) {
		switch_protocols(s, head);
		return;
	}
	http_body_of_response(&h->answer, head, h->is_head);
	if (!pass_head(s, head, persist_of(h, head)))
		return;
	drop_in(h, head->len);
	if (head->status < 200)
		return;
	free(h->again);
	h->again = NULL;
	h->phase = HTTP_ANSWER;
	if (take_answer(s, h->in, h->in_len))
		free_in(h);
}

static void judge_heads(struct session *s)
{
	struct http_session *h = state_of(s);
	struct http_head head;
	const char *error;
	enum http_result r;

	while ((r = http_read_response(h->in, h->in_len, &h->in_seen, &head, &error)) == HTTP_OK) {
		take_head(s, &head);
		if (s->state != SESSION_EXCHANGE || h->phase != HTTP_AWAIT || !h->in)
			return;
	}
	if (r != HTTP_MORE)
		http_exchange_broken(s, error);
}

static bool read_head(struct session *s)
{
	struct http_session *h = state_of(s);

	if (!h->in)
		h->in = malloc(HTTP_HEAD_MAX);
	if (!h->in) {
		no_memory(s);
		return false;
	}
	ssize_t n = read_side(s, SIDE_UPSTREAM, h->in + h->in_len, HTTP_HEAD_MAX - h->in_len);
	if (n == -EAGAIN && !h->upload_failed)
		return false;
	if (n <= 0) {
		http_exchange_broken(s, n ? strerror((int)-n) : "it closed the connection without an answer");
		return false;
	}
	h->in_len += (size_t)n;
	judge_heads(s);
	return true;
}

/* --- the answer's body ------------------------------------------------------------------------------------------------ */

static bool answer_ended(struct session *s)
{
	struct http_session *h = state_of(s);

	if (h->answer.framing == HTTP_BODY_CLOSE) {
		h->answered = true;
		h->keep = false;
		return true;
	}
	session_fail(s, LOG_WARN, "upstream-truncated", "the upstream ended in the middle of an answer");
	return false;
}

static bool read_answer(struct session *s)
{
	struct flow_env *env = &s->host->env;
	const struct http_body *body = &state_of(s)->answer;
	size_t cap = body->framing == HTTP_BODY_LENGTH ? least(body->left, env->buf_size) : env->buf_size;
	ssize_t n = read_side(s, SIDE_UPSTREAM, env->buf, cap);

	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		session_fail(s, LOG_WARN, "reset-by-upstream", "reading an answer: %s", strerror((int)-n));
		return false;
	}
	return n ? take_answer(s, env->buf, (size_t)n) : answer_ended(s);
}

bool http_move_answer(struct session *s)
{
	struct http_session *h = state_of(s);
	struct flow *f = &s->pair.flow[SIDE_UPSTREAM];

	if (!flow_empty(f))
		return flush(s, f);
	if (h->answered || h->phase == HTTP_IDLE || !f->readable)
		return false;
	return h->phase == HTTP_AWAIT ? read_head(s) : read_answer(s);
}
