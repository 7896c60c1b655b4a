/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - the state machine of session.h: accept, handler, hand-over, end.
 *
 * Why one file has the mover, the start and the end: what holds for every session must not depend on its phase.
 * Owns: the session, from session_start() to the close record. Never: blocks; keeps a freed session reachable (it is
 * freed from a deferred task).
 * See: user/session_preface.c (PREFACE), session_tls.c (SECURING), session_handshake.c (HANDSHAKE, LEAVING), session_dial.c (DIALING),
 * session_exchange.c (EXCHANGE), session_log.c (records).
 */
#include "session.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "handler.h"
#include "mux.h"
#include "session_access.h"
#include "session_states.h"

#define TO(state) (1u << SESSION_##state)

/* Legal moves: row = from, bit = to. */
static const uint16_t legal[SESSION_STATE_COUNT] = {
	[SESSION_ACCEPTED] = TO(PREFACE) | TO(SECURING) | TO(HANDSHAKE) | TO(CLOSED),
	[SESSION_PREFACE] = TO(SECURING) | TO(HANDSHAKE) | TO(CLOSED),
	[SESSION_SECURING] = TO(HANDSHAKE) | TO(CLOSED),
	[SESSION_HANDSHAKE] = TO(DIALING) | TO(EXCHANGE) | TO(LEAVING) | TO(CLOSED),
	[SESSION_DIALING] = TO(FORWARDING) | TO(EXCHANGE) | TO(LEAVING) | TO(CLOSED),
	[SESSION_EXCHANGE] = TO(HANDSHAKE) | TO(FORWARDING) | TO(LEAVING) | TO(CLOSED),
	[SESSION_FORWARDING] = TO(CLOSED),
	[SESSION_LEAVING] = TO(CLOSED),
	[SESSION_CLOSED] = 0,
};

bool session_move_is_legal(enum session_state from, enum session_state to)
{
	return legal[from] >> to & 1;
}

void session_set_state(struct session *s, enum session_state to)
{
	assert(session_move_is_legal(s->state, to));
	s->state = (uint8_t)to;
}

/* --- end ------------------------------------------------------------------------------------------ */

void session_forget(struct session_host *host)
{
	unsigned left = atomic_fetch_sub(&host->count, 1) - 1;

	atomic_fetch_sub(host->total, 1);
	/* The count, not the list: a connection on its way from another worker counts already. */
	if (host->draining && !left)
		host->idle(host);
}

static void session_free(struct session *s)
{
	struct session_host *host = s->host;

	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	session_leave(s);
	if (s->handler->release)
		s->handler->release(s);
	free(s->input.data);
	free(s->target);
	free(s->user);
	free(s->tlvs);
	free(s->texts);
	free(s);
	session_forget(host);
}

/* Its sockets are closed: the other end of a tunnel learns how it ended. */
static void leave_stream(struct session *s, bool clean)
{
	struct mux_stream *st = s->stream;

	s->stream = NULL;
	if (st)
		mux_stream_release(st, clean);
}

static void on_free(struct loop_task *task)
{
	session_free((struct session *)((char *)task - offsetof(struct session, pair.end_task)));
}

static void on_pair_end(struct pair *pair, enum pair_end end)
{
	struct session *s = (struct session *)((char *)pair - offsetof(struct session, pair));

	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_set_state(s, SESSION_CLOSED);
	s->reason = pair_end_name(end);
	leave_stream(s, end == PAIR_CLIENT_EOF || end == PAIR_UPSTREAM_EOF);
	session_log_close(s);
	session_free(s);
}

void session_close_early(struct session *s, bool quiet)
{
	struct loop *loop = s->host->env.loop;

	session_dial_cancel(s);
	loop_timer_cancel(loop, &s->timer);
	for (int i = 0; i < 2; i++) {
		if (quiet)
			pair_say_end(&s->pair, i);
		(quiet ? loop_io_close : loop_io_reset)(loop, &s->pair.io[i]);
	}
	pair_discard(&s->pair);
	leave_stream(s, quiet);
	session_set_state(s, SESSION_CLOSED);
	loop_defer(loop, &s->pair.end_task, on_free);
}

void session_fail(struct session *s, enum log_level level, const char *reason, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (s->state == SESSION_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	s->reason = reason;
	session_log_fault(s, level, text);
	bool opened = s->state >= SESSION_HANDSHAKE && s->state != SESSION_LEAVING;
	session_close_early(s, false);
	if (opened)
		session_log_close(s);
}

void session_cut(struct session *s, enum pair_end end)
{
	if (s->state == SESSION_FORWARDING)
		pair_finish(&s->pair, end);
	else
		session_fail(s, LOG_DEBUG, pair_end_name(end), "cut before it was connected");
}

/* --- the handler's turn ---------------------------------------------------------------------------------- */

void session_begin_handler(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	if (!session_admit_client(s))
		return;
	if (s->svc->tls)
		session_tls_begin(s);
	else
		session_open_handler(s);
}

void session_open_handler(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_set_state(s, SESSION_HANDSHAKE);
	if (s->svc->unique_id)
		proxy_send_make_unique_id(s->unique_id);
	session_log_open(s);
	session_handshake_begin(s);
}

/* --- client events until the hand-over ---------------------------------------------------------------- */

static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_CLIENT);

	if (events & (EPOLLRDHUP | EPOLLHUP))
		s->pair.flow[SIDE_CLIENT].rdhup = true;
	if (s->state == SESSION_PREFACE && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		session_preface_ready(s);
	else if (s->state == SESSION_SECURING)
		session_tls_ready(s);
	else if (s->state == SESSION_LEAVING)
		session_leaving_ready(s);
	else if (s->state != SESSION_CLOSED && events & EPOLLERR)
		session_fail(s, LOG_INFO, "reset-by-client", "the client reset the connection");
	else if (s->state == SESSION_HANDSHAKE && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		session_handshake_ready(s);
}

void session_watch_client(struct session *s)
{
	s->pair.io[SIDE_CLIENT].fn = on_client;
}

/* --- start --------------------------------------------------------------------------------------------- */

static bool is_wildcard(const struct addr *a)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;

	if (addr_family(a) == AF_INET)
		return a->in4.sin_addr.s_addr == htonl(INADDR_ANY);
	return memcmp(&a->in6.sin6_addr, &any, sizeof(any)) == 0;
}

static void set_addresses(struct session *s, int fd, const struct addr *peer)
{
	s->peer = *peer;
	s->local = s->svc->at;
	if (is_wildcard(&s->local)) {
		s->local.len = sizeof(s->local) - offsetof(struct addr, sa);
		if (getsockname(fd, &s->local.sa, &s->local.len) < 0)
			s->local.len = 0;
	}
	addr_unmap(&s->peer);
	addr_unmap(&s->local);
	s->client = s->peer;
	s->client_dst = s->local;
}

static void link_session(struct session *s)
{
	struct session_host *host = s->host;

	s->next = host->sessions;
	s->prev = &host->sessions;
	if (s->next)
		s->next->prev = &s->next;
	host->sessions = s;
}

static struct session *session_new(struct session_host *host, struct service *svc, int fd)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		session_forget(host);
		return NULL;
	}
	s->host = host;
	s->svc = svc;
	s->handler = svc->handler;
	s->node = -1;
	s->start_ns = loop_now(host->env.loop);
	pair_init(&s->pair, &host->env, svc->engine, on_pair_end);
	log_new_sid(s->sid);
	link_session(s);
	atomic_fetch_add(&svc->accepted, 1);
	return s;
}

/* The addresses are known. */
static void begin(struct session *s, int fd)
{
	if (loop_io_add(s->host->env.loop, &s->pair.io[SIDE_CLIENT], fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, on_client) < 0) {
		close(fd);
		session_fail(s, LOG_ERROR, "no-memory", "epoll: %s", strerror(errno));
		return;
	}
	if (!session_admit_peer(s))
		return;
	if (session_expects_preface(s))
		session_preface_begin(s);
	else
		session_begin_handler(s);
}

void session_start(struct session_host *host, struct service *svc, int fd, const struct addr *peer)
{
	struct session *s = session_new(host, svc, fd);

	if (!s)
		return;
	set_addresses(s, fd, peer);
	begin(s, fd);
}

void session_start_stream(struct session_host *host, struct service *svc, int fd, struct mux_stream *st,
			  const struct addr *client, const struct addr *local)
{
	struct session *s = session_new(host, svc, fd);

	if (!s) {
		mux_stream_release(st, false);
		return;
	}
	s->stream = st;
	mux_stream_bind(st, s);
	for (int i = 0; i < 2; i++)
		s->pair.flow[i].no_splice = true; /* a socket pair is not TCP */
	s->peer = s->client = *client;
	s->local = s->client_dst = *local;
	begin(s, fd);
}
