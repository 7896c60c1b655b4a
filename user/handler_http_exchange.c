/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_http_exchange.c - requests that are not tunnels: one after the other, from a head to the next.
 *
 * Why the upstream's connection is kept only for this client, for the same host and port, and only for requests that may
 * be repeated (GET, HEAD, OPTIONS without a body): it is what its PROXY header says, and it may close at any moment; then
 * such a request is simply asked again on a new one. Others always get a connection of their own.
 * Owns: h->out, h->again; the session's timer while it exchanges. Never: queues requests (one at a time; the next waits in
 * the socket); sends another client's address to anybody.
 * See: include/session.h (SESSION_EXCHANGE), user/handler_http_move.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "handler_http.h"
#include "session.h"

enum { STEPS_PER_TURN = 8, NEXT_READ = 16 * 1024 };
static const uint64_t KEEPALIVE_NS = 60 * 1000000000ull; /* for a client that says nothing between two requests */

static const char bad_gateway[] = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
static const char gateway_timeout[] = "HTTP/1.1 504 Gateway Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

static struct http_session *state_of(const struct session *s)
{
	return s->handshake;
}

void http_exchange_reset(struct http_session *h)
{
	free(h->out);
	free(h->again);
	free(h->in);
	h->out = h->again = NULL;
	h->in = NULL;
	h->out_len = h->again_len = h->in_len = h->in_seen = 0;
	h->request_done = h->answered = h->upload_failed = h->close = h->keep = h->reused = h->upgrade = h->is_head = false;
	h->tunnel = false;
	h->phase = HTTP_IDLE;
}

/* --- a request ------------------------------------------------------------------------------------------------------ */

static bool may_be_repeated(const struct http_head *head)
{
	return !head->chunked && !head->length && !http_wants_upgrade(head) &&
	       (http_slice_is(head->method, "GET") || http_slice_is(head->method, "HEAD") ||
		http_slice_is(head->method, "OPTIONS"));
}

static bool client_wants_close(const struct http_head *head)
{
	if (head->close || head->minor == 0)
		return true;
	for (size_t i = 0; i < head->count; i++)
		if (http_slice_is(head->field[i].name, "proxy-connection") && http_slice_is(head->field[i].value, "close"))
			return true;
	return false;
}

static void note_request(struct session *s, const struct http_head *head)
{
	struct http_session *h = state_of(s);

	http_body_of_request(&h->request, head);
	h->request_done = h->request.framing == HTTP_BODY_NONE;
	h->is_head = http_slice_is(head->method, "HEAD");
	h->upgrade = http_wants_upgrade(head);
	h->close = client_wants_close(head);
	h->keep = !h->close && s->svc->cfg->opt.http_keepalive && may_be_repeated(head);
	h->phase = HTTP_AWAIT;
	h->read_mark = s->pair.flow[SIDE_CLIENT].read_bytes - s->input.len;
	h->written_mark = s->pair.flow[SIDE_UPSTREAM].written_bytes;
}

int http_exchange_prepare(struct session *s, const struct http_head *head, const struct http_target *target)
{
	struct http_session *h = state_of(s);
	size_t cap = head->len + HTTP_REWRITE_EXTRA;

	note_request(s, head);
	h->out = malloc(cap);
	h->again = h->keep ? malloc(head->len) : NULL;
	if (!h->out || (h->keep && !h->again))
		return -ENOMEM;
	if (h->keep)
		memcpy(h->again, s->input.data, head->len);
	h->again_len = head->len;
	enum http_persist persist = h->upgrade ? HTTP_PERSIST_UPGRADE
				    : h->keep  ? HTTP_PERSIST_DEFAULT
					       : HTTP_PERSIST_CLOSE;
	ssize_t n = http_write_request(head, target, persist, h->out, cap);
	h->out_len = n > 0 ? (size_t)n : 0;
	session_consume(s, head->len);
	h->seen = 0;
	return n > 0 ? 0 : -ENOMEM;
}

/* --- its end ---------------------------------------------------------------------------------------------------------- */

static void log_end(struct session *s)
{
	const struct http_session *h = state_of(s);

	session_log_exchanged(s, s->pair.flow[SIDE_CLIENT].read_bytes - s->input.len - h->read_mark,
			      s->pair.flow[SIDE_UPSTREAM].written_bytes - h->written_mark);
	s->connected_ns = 0;
}

static void drop_upstream(struct session *s)
{
	pair_say_end(&s->pair, SIDE_UPSTREAM);
	loop_io_close(s->host->env.loop, &s->pair.io[SIDE_UPSTREAM]);
	pair_secure(&s->pair, SIDE_UPSTREAM, NULL);
	state_of(s)->keep = false;
}

/* The answer is with the client. */
static void finish(struct session *s)
{
	struct http_session *h = state_of(s);
	bool keep = h->keep, close = h->close;

	log_end(s);
	http_exchange_reset(h);
	if (close) {
		session_dismiss(s, "answered");
		return;
	}
	h->keep = keep;
	if (!keep)
		drop_upstream(s);
}

/* Interim answers that the client has not taken yet: an answer of ours would stand in the middle of them. */
static bool may_answer(const struct session *s)
{
	return flow_empty(&s->pair.flow[SIDE_UPSTREAM]);
}

/* It came over a connection that was used before, and nobody may have seen it: ask again on a new one. */
static bool ask_again(struct session *s)
{
	struct http_session *h = state_of(s);
	struct session_input rest = s->input;

	if (!h->reused || !h->again || s->pair.flow[SIDE_UPSTREAM].written_bytes != h->written_mark || !may_answer(s))
		return false;
	s->input = (struct session_input){0};
	if (http_input_append(s, h->again, h->again_len) < 0 || http_input_append(s, rest.data, rest.len) < 0) {
		free(rest.data);
		return false;
	}
	free(rest.data);
	session_again(s);
	return true;
}

void http_exchange_broken(struct session *s, const char *why)
{
	if (ask_again(s))
		return;
	if (may_answer(s))
		session_refuse(s, "upstream-failed", bad_gateway, strlen(bad_gateway), "no answer from the upstream: %s", why);
	else
		session_fail(s, LOG_WARN, "upstream-failed", "no answer from the upstream: %s", why);
}

/* --- the next --------------------------------------------------------------------------------------------------------- */

static bool leads_there(const struct session *s, const struct http_target *target)
{
	return target->form == HTTP_FORM_ABSOLUTE && s->target && s->target->port == target->port &&
	       strlen(s->target->host) == target->host.len &&
	       strncasecmp(s->target->host, target->host.at, target->host.len) == 0;
}

/* True: it goes to the upstream that is there. False: it needs another one, or a refusal. */
static bool fits_upstream(const struct session *s, const struct http_head *head, struct http_target *target)
{
	const char *error;

	return state_of(s)->keep && may_be_repeated(head) && http_parse_target(head, target, &error) == 0 &&
	       leads_there(s, target);
}

static void use_upstream(struct session *s, const struct http_head *head)
{
	struct http_session *h = state_of(s);
	struct http_target target;

	if (!http_admit(s, head, &target))
		return;
	if (http_exchange_prepare(s, head, &target) < 0) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a request");
		return;
	}
	h->reused = true;
	h->wait = HTTP_WAIT_NOTHING; /* the same kind of wait as before is a new one */
	loop_timer_cancel(s->host->env.loop, &s->timer);
	s->connected_ns = loop_now(s->host->env.loop);
	session_log_connected(s);
	http_exchange_start(s);
}

/* What is there of it: a head that fits, one that does not or is wrong (a new handshake judges it), or a part. */
static bool judge_next(struct session *s)
{
	struct http_session *h = state_of(s);
	struct http_head head;
	struct http_target target;
	const char *error;
	enum http_result r = http_read_request(s->input.data, s->input.len, &h->seen, &head, &error);

	if (r == HTTP_MORE)
		return false;
	if (r == HTTP_OK && fits_upstream(s, &head, &target))
		use_upstream(s, &head);
	else
		session_again(s);
	return true;
}

static bool read_next(struct session *s)
{
	struct flow *f = &s->pair.flow[SIDE_CLIENT];
	struct flow_env *env = &s->host->env;
	ssize_t n = f->readable ? pair_recv(&s->pair, SIDE_CLIENT, env->buf, NEXT_READ) : 0;

	if (!f->readable || (n < 0 && errno == EINTR))
		return f->readable;
	if (n < 0 && errno == EAGAIN) {
		f->readable = false;
		return false;
	}
	if (n < 0)
		session_fail(s, LOG_INFO, "reset-by-client", "reading a request: %s", strerror(errno));
	else if (n == 0 && s->input.len)
		session_fail(s, LOG_INFO, "handshake-truncated", "the client ended in the middle of a request");
	else if (n == 0)
		session_end(s, PAIR_CLIENT_EOF);
	if (n <= 0)
		return false;
	f->read_bytes += (uint64_t)n;
	s->pair.active_ns = loop_now(env->loop);
	if (http_input_append(s, env->buf, (size_t)n) < 0)
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a request");
	return true;
}

/* An upstream that speaks or ends between two requests is of no use any more. */
static void look_after_upstream(struct session *s)
{
	struct flow *f = &s->pair.flow[SIDE_UPSTREAM];
	char byte;

	if (s->pair.io[SIDE_UPSTREAM].fd < 0 || !f->readable)
		return;
	ssize_t n = recv(flow_src_fd(f), &byte, 1, MSG_PEEK);
	if (n < 0 && errno == EAGAIN)
		f->readable = false;
	else if (n >= 0 || errno != EINTR)
		drop_upstream(s);
}

static bool next_request(struct session *s)
{
	size_t skip = http_skip_empty_line(s->input.data, s->input.len);

	look_after_upstream(s);
	if (skip) {
		session_consume(s, skip);
		state_of(s)->seen = 0;
	}
	return (s->input.len && judge_next(s)) || (s->state == SESSION_EXCHANGE && read_next(s));
}

/* --- time --------------------------------------------------------------------------------------------------------------- */

static enum http_wait wait_of(const struct session *s)
{
	const struct http_session *h = state_of(s);

	if (h->phase == HTTP_IDLE)
		return s->input.len ? HTTP_WAIT_HEAD : HTTP_WAIT_REQUEST;
	if (h->phase == HTTP_AWAIT && h->request_done && flow_empty(&s->pair.flow[SIDE_CLIENT]))
		return HTTP_WAIT_ANSWER;
	return s->svc->cfg->opt.idle_timeout_ns ? HTTP_WAIT_IDLE : HTTP_WAIT_NOTHING;
}

static uint64_t delay_of(const struct session *s, enum http_wait wait)
{
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;

	if (wait == HTTP_WAIT_IDLE)
		return idle;
	if (wait == HTTP_WAIT_REQUEST)
		return idle ? idle : KEEPALIVE_NS;
	return s->svc->cfg->opt.handshake_timeout_ns;
}

static void on_timer(struct loop_timer *timer);

static void still_active(struct session *s)
{
	uint64_t limit = s->svc->cfg->opt.idle_timeout_ns;
	uint64_t quiet = loop_now(s->host->env.loop) - s->pair.active_ns;

	if (quiet >= limit)
		session_fail(s, LOG_INFO, "idle", "nothing moved for too long");
	else
		loop_timer_set(s->host->env.loop, &s->timer, limit - quiet, on_timer);
}

static void on_timer(struct loop_timer *timer)
{
	struct session *s = session_of_timer(timer);
	enum http_wait wait = state_of(s)->wait;

	if (wait == HTTP_WAIT_REQUEST)
		session_dismiss(s, "idle");
	else if (wait == HTTP_WAIT_HEAD)
		session_fail(s, LOG_INFO, "handshake-timeout", "the request took too long");
	else if (wait == HTTP_WAIT_IDLE)
		still_active(s);
	else if (may_answer(s))
		session_refuse(s, "upstream-timeout", gateway_timeout, strlen(gateway_timeout), "no answer from the upstream in time");
	else
		session_fail(s, LOG_WARN, "upstream-timeout", "no answer from the upstream in time");
}

/* Armed when the wait begins, not at each byte: a slow client does not get more time by being slow. */
static void set_timer(struct session *s)
{
	struct http_session *h = state_of(s);
	enum http_wait wait = wait_of(s);

	if (wait == h->wait)
		return;
	h->wait = (uint8_t)wait;
	loop_timer_cancel(s->host->env.loop, &s->timer);
	if (wait != HTTP_WAIT_NOTHING)
		loop_timer_set(s->host->env.loop, &s->timer, delay_of(s, wait), on_timer);
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

static bool step(struct session *s)
{
	struct http_session *h = state_of(s);

	if (h->phase == HTTP_IDLE)
		return next_request(s);
	if (h->answered && flow_empty(&s->pair.flow[SIDE_UPSTREAM])) {
		finish(s);
		return true;
	}
	bool moved = http_move_request(s);
	if (s->state == SESSION_EXCHANGE && h->phase != HTTP_IDLE)
		moved |= http_move_answer(s);
	return moved;
}

static void on_yield(struct loop_task *task);

static void run(struct session *s)
{
	struct http_session *h = state_of(s);
	int steps = 0;

	while (s->state == SESSION_EXCHANGE && steps < STEPS_PER_TURN && step(s))
		steps++;
	if (s->state != SESSION_EXCHANGE)
		return;
	set_timer(s);
	if (steps == STEPS_PER_TURN)
		loop_yield(s->host->env.loop, &h->yield, on_yield);
}

static void on_yield(struct loop_task *task)
{
	struct http_session *h = (struct http_session *)((char *)task - offsetof(struct http_session, yield));

	run(h->s);
}

static void note_events(struct session *s, int side, uint32_t events)
{
	if (events & EPOLLOUT)
		s->pair.flow[!side].writable = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->pair.flow[side].readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		s->pair.flow[side].rdhup = true;
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_CLIENT);

	note_events(s, SIDE_CLIENT, events);
	if (events & EPOLLERR)
		session_fail(s, LOG_INFO, "reset-by-client", "the client reset the connection");
	else
		run(s);
}

/* An error is met by the next read, behind what came before it. */
static void on_upstream(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_UPSTREAM);

	note_events(s, SIDE_UPSTREAM, events);
	run(s);
}

/* Nothing moves yet: the upstream's first event (it is writable) comes in the next turn; a used one is run by run(). */
void http_exchange_start(struct session *s)
{
	struct http_session *h = state_of(s);
	int err = flow_hold(&s->pair.flow[SIDE_CLIENT], h->out, h->out_len);

	free(h->out);
	h->out = NULL;
	if (err) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a request");
		return;
	}
	s->pair.active_ns = loop_now(s->host->env.loop);
	if (s->state == SESSION_EXCHANGE)
		return;
	for (int i = 0; i < 2; i++)
		s->pair.flow[i].readable = s->pair.flow[i].writable = true;
	session_take(s, on_client, on_upstream);
}
