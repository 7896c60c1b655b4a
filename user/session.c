/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - the state machine of session.h: accept, PROXY header, handler, hand-over, end.
 *
 * Why the header has a state of its own: reading it inside accept would let one silent client hold up everybody
 * (GOST does). Here it costs one timer and, once bytes come, one small buffer.
 * Owns: the session, from session_start() to the close record. Never: blocks; keeps a freed session reachable (it is
 * freed from a deferred task).
 * See: user/session_dial.c (DIALING), user/session_log.c (records).
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
#include "proto_proxy.h"
#include "session_states.h"

enum { PREFACE_FIRST = 512 };

static void on_client(struct loop_io *io, uint32_t events);

/* Legal moves: row = from, bit = to. */
static const uint8_t legal[SESSION_STATE_COUNT] = {
	[SESSION_ACCEPTED] = 1u << SESSION_PREFACE | 1u << SESSION_HANDSHAKE | 1u << SESSION_CLOSED,
	[SESSION_PREFACE] = 1u << SESSION_HANDSHAKE | 1u << SESSION_CLOSED,
	[SESSION_HANDSHAKE] = 1u << SESSION_DIALING | 1u << SESSION_CLOSED,
	[SESSION_DIALING] = 1u << SESSION_FORWARDING | 1u << SESSION_CLOSED,
	[SESSION_FORWARDING] = 1u << SESSION_CLOSED,
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

static void session_free(struct session *s)
{
	struct session_host *host = s->host;

	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	free(s->preface);
	free(s);
	atomic_fetch_sub(&host->count, 1);
	atomic_fetch_sub(host->total, 1);
	if (host->draining && !host->sessions)
		host->idle(host);
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
	session_log_close(s);
	session_free(s);
}

/* Closes a session that never got a pair: the client sees a reset, or with quiet an ordinary close. */
static void close_early(struct session *s, bool quiet)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct loop *loop = s->host->env.loop;
	struct loop_io *io = &s->pair.io[SIDE_CLIENT];

	session_dial_cancel(s);
	loop_timer_cancel(loop, &s->timer);
	if (!quiet && io->fd >= 0)
		setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	loop_io_close(loop, io);
	pair_discard(&s->pair);
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
	bool opened = s->state > SESSION_PREFACE;
	close_early(s, false);
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

/* --- PROXY header ----------------------------------------------------------------------------------- */

static void begin_handler(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_set_state(s, SESSION_HANDSHAKE);
	session_log_open(s);
	s->svc->handler->start(s);
}

static void take_header(struct session *s, const struct proxy_header *header)
{
	s->header_seen = true;
	s->proxy_version = (uint8_t)header->version;
	s->header_bytes = header->consumed;
	if (addr_is_set(&header->src) && addr_family(&header->src) != AF_UNIX) {
		s->proxy_addrs = true;
		s->client = header->src;
		s->client_dst = header->dst;
	}
	s->preface_len -= header->consumed;
	memmove(s->preface, s->preface + header->consumed, s->preface_len);
}

static void reject_header(struct session *s, const char *reason, const char *text)
{
	atomic_fetch_add(&s->svc->rejected_headers, 1);
	session_fail(s, LOG_WARN, reason, "PROXY header: %s", text);
}

static void reject_fault(struct session *s, const struct proxy_fault *fault)
{
	char text[256];

	snprintf(text, sizeof(text), "%s (at byte %zu, section %s of the specification)", fault->error, fault->offset,
		 fault->section);
	reject_header(s, "proxy-header-invalid", text);
}

/* True: decided, one way or the other. */
static bool judge_preface(struct session *s)
{
	struct proxy_limits limits = proxy_default_limits;
	struct proxy_header header;
	struct proxy_fault fault;

	limits.max_size = s->svc->cfg->opt.recv_proxy_max;
	switch (proxy_parse(s->preface, s->preface_len, &limits, &header, &fault)) {
	case PROXY_NEED_MORE:
		return false;
	case PROXY_ACCEPT:
		take_header(s, &header);
		begin_handler(s);
		return true;
	case PROXY_NOT_PROXY: /* the header is optional: these bytes are payload */
		begin_handler(s);
		return true;
	case PROXY_REJECT:
		reject_fault(s, &fault);
		return true;
	}
	return true;
}

static bool preface_room(struct session *s)
{
	size_t cap = s->preface_cap ? s->preface_cap * 2 : PREFACE_FIRST;

	if (s->preface_len < s->preface_cap)
		return true;
	uint8_t *grown = realloc(s->preface, cap);
	if (!grown)
		return false;
	s->preface = grown;
	s->preface_cap = cap;
	return true;
}

static void preface_eof(struct session *s)
{
	if (s->preface_len) {
		reject_header(s, "proxy-header-truncated", "the connection ended inside it");
		return;
	}
	/* Health checks connect and leave: not worth a record, nor a connection to the target. */
	s->reason = "empty";
	session_log_fault(s, LOG_DEBUG, "closed without a byte");
	close_early(s, true);
}

static void read_preface(struct session *s)
{
	for (;;) {
		if (!preface_room(s)) {
			session_fail(s, LOG_ERROR, "no-memory", "no memory for a PROXY header");
			return;
		}
		ssize_t n = recv(s->pair.io[SIDE_CLIENT].fd, s->preface + s->preface_len,
				 s->preface_cap - s->preface_len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			session_fail(s, LOG_INFO, "reset-by-client", "reading the PROXY header: %s", strerror(errno));
			return;
		}
		if (n == 0) {
			preface_eof(s);
			return;
		}
		s->pair.flow[SIDE_CLIENT].read_bytes += (uint64_t)n;
		s->preface_len += (size_t)n;
		if (judge_preface(s))
			return;
	}
}

static void on_preface_deadline(struct loop_timer *timer)
{
	struct session *s = (struct session *)((char *)timer - offsetof(struct session, timer));

	/* Silence is a client that waits for the server to speak; half a header is a fault. */
	if (s->preface_len)
		reject_header(s, "proxy-header-timeout", "incomplete when its time was up");
	else
		begin_handler(s);
}

static void begin_preface(struct session *s)
{
	session_set_state(s, SESSION_PREFACE);
	loop_timer_set(s->host->env.loop, &s->timer, s->svc->cfg->opt.recv_proxy_timeout_ns, on_preface_deadline);
}

/* --- client events until the hand-over ---------------------------------------------------------------- */

static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = (struct session *)((char *)io - offsetof(struct session, pair.io[SIDE_CLIENT]));

	if (events & (EPOLLRDHUP | EPOLLHUP))
		s->pair.flow[SIDE_CLIENT].rdhup = true;
	if (s->state == SESSION_PREFACE && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		read_preface(s);
	else if (s->state != SESSION_CLOSED && events & EPOLLERR)
		session_fail(s, LOG_INFO, "reset-by-client", "the client reset the connection");
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

void session_start(struct session_host *host, struct service *svc, int fd, const struct addr *peer)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		atomic_fetch_sub(&host->count, 1);
		atomic_fetch_sub(host->total, 1);
		return;
	}
	s->host = host;
	s->svc = svc;
	s->node = -1;
	s->start_ns = loop_now(host->env.loop);
	pair_init(&s->pair, &host->env, svc->engine, on_pair_end);
	set_addresses(s, fd, peer);
	log_new_sid(s->sid);
	link_session(s);
	atomic_fetch_add(&svc->accepted, 1);
	if (loop_io_add(host->env.loop, &s->pair.io[SIDE_CLIENT], fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, on_client) < 0) {
		close(fd);
		session_fail(s, LOG_ERROR, "no-memory", "epoll: %s", strerror(errno));
		return;
	}
	if (svc->cfg->opt.recv_proxy)
		begin_preface(s);
	else
		begin_handler(s);
}
