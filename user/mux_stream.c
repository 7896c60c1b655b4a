/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mux_stream.c - one stream: a pair of sockets, what waits to go into it, and how it ends.
 *
 * Why an end of file is not believed at once: a user that was reset closes its socket, too. Only a half-close (the socket
 * still writable for us) is a FIN by itself; when the socket is closed, mux_stream_release() says how the session ended.
 * Owns: streams and their queues. Never: keeps more than a window (version 2) or the session's budget (version 1).
 * See: include/mux.h, user/mux.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mux_internal.h"

enum { CHUNK_MIN = 4096 };

static void on_pair(struct loop_io *io, uint32_t events);

struct mux_stream *mux_stream_find(struct mux *m, uint32_t id)
{
	struct mux_stream *st;

	HASH_FIND(hh, m->streams, &id, sizeof(id), st);
	return st;
}

/* --- turns -------------------------------------------------------------------------------------------------- */

void mux_ready_add(struct mux_stream *st)
{
	if (st->is_ready || st->dead || st->sent_fin || st->waiting || st->io.fd < 0)
		return;
	st->is_ready = true;
	TAILQ_INSERT_TAIL(&st->mux->ready, st, ready);
	mux_run_later(st->mux);
}

static void ready_remove(struct mux_stream *st)
{
	if (st->is_ready)
		TAILQ_REMOVE(&st->mux->ready, st, ready);
	st->is_ready = false;
}

/* --- the end -------------------------------------------------------------------------------------------------- */

static void queue_pop(struct mux_stream *st)
{
	struct mux_chunk *c = st->head;

	st->head = c->next;
	if (!st->head)
		st->tail = NULL;
	st->mux->charged -= sizeof(*c) + c->cap;
	free(c);
	mux_run_later(st->mux); /* reading may have stopped at the budget */
}

static void discard(struct mux_stream *st)
{
	struct mux *m = st->mux;

	st->dead = true;
	ready_remove(st);
	while (st->head)
		queue_pop(st);
	loop_timer_cancel(m->loop, &st->timer);
	loop_io_close(m->loop, &st->io);
	HASH_DELETE(hh, m->streams, st);
	mux_sweep_later(m, st);
}

void mux_stream_drop(struct mux_stream *st)
{
	void *user = st->user;

	if (st->dead)
		return;
	st->user = NULL;
	discard(st);
	if (user)
		st->mux->ops->reset(user);
}

void mux_stream_broken(struct mux_stream *st)
{
	struct smux_frame fin = {.command = SMUX_FIN, .stream = st->id};

	if (!st->sent_fin)
		mux_send_frame(st->mux, &fin);
	mux_stream_drop(st);
}

/* See mux.h: data without data is "broken", and GOST wants a FIN. */
static void say_broken(struct mux_stream *st)
{
	struct smux_frame f = {.command = SMUX_PSH, .stream = st->id};

	mux_send_frame(st->mux, &f);
	f.command = SMUX_FIN;
	if (!st->sent_fin)
		mux_send_frame(st->mux, &f);
	st->sent_fin = true;
}

static void refuse(struct mux_stream *st)
{
	if (st->dead)
		return;
	say_broken(st);
	mux_stream_drop(st);
}

static void say_fin(struct mux_stream *st)
{
	struct smux_frame f = {.command = SMUX_FIN, .stream = st->id};

	st->sent_fin = true;
	ready_remove(st);
	mux_send_frame(st->mux, &f);
	if (!st->dead && st->released)
		discard(st);
}

void mux_stream_release(struct mux_stream *st, bool clean)
{
	if (st->dead)
		return;
	st->user = NULL;
	st->released = true;
	if (!clean || !st->fin_passed) {
		say_broken(st);
		if (!st->dead)
			discard(st);
		return;
	}
	st->waiting = false;
	if (st->sent_fin)
		discard(st);
	else
		mux_ready_add(st); /* what it wrote last is still in the pair */
}

/* --- towards the pair --------------------------------------------------------------------------------------------- */

static bool queue_add(struct mux_stream *st, const uint8_t *data, size_t len)
{
	struct mux_chunk *c = st->tail;

	if (c && c->cap - c->off - c->len >= len) {
		memcpy(c->data + c->off + c->len, data, len);
	} else {
		uint32_t cap = len < CHUNK_MIN ? CHUNK_MIN : (uint32_t)len;
		c = malloc(sizeof(*c) + cap);
		if (!c)
			return false;
		*c = (struct mux_chunk){.cap = cap};
		memcpy(c->data, data, len);
		if (st->tail)
			st->tail->next = c;
		else
			st->head = c;
		st->tail = c;
		st->mux->charged += sizeof(*c) + cap;
	}
	c->len += (uint32_t)len;
	st->queued += (uint32_t)len;
	return true;
}

/* Version 2: the peer may send more when half of the window was taken. */
static void note_taken(struct mux_stream *st, size_t n)
{
	struct smux_frame f = {.command = SMUX_UPD, .stream = st->id, .window = MUX_WINDOW};

	st->consumed += (uint32_t)n;
	if (st->mux->opt.version != 2 || st->peer_fin || st->consumed - st->told < MUX_WINDOW / 2)
		return;
	st->told = f.consumed = st->consumed;
	mux_send_frame(st->mux, &f);
}

/* Bytes the pair took; 0 when it is full or its user is gone (release() will follow). */
static size_t give(struct mux_stream *st, const uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = send(st->io.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	note_taken(st, (size_t)n);
	return (size_t)n;
}

static void drain_queue(struct mux_stream *st)
{
	while (st->head && !st->dead) {
		struct mux_chunk *c = st->head;
		size_t n = give(st, c->data + c->off, c->len);
		if (!n || st->dead)
			return;
		c->off += (uint32_t)n;
		c->len -= (uint32_t)n;
		st->queued -= (uint32_t)n;
		if (!c->len)
			queue_pop(st);
	}
	if (st->dead)
		return;
	if (st->peer_fin && !st->fin_passed) {
		st->fin_passed = true;
		shutdown(st->io.fd, SHUT_WR);
	}
}

/* --- the beginning -------------------------------------------------------------------------------------------------- */

static void try_preface(struct mux_stream *st)
{
	struct mux_chunk *c = st->head;
	ssize_t n = st->mux->ops->opened(st->mux->ctx, st, c->data + c->off, c->len);

	if (st->dead)
		return;
	if (n < 0 || (!n && (st->peer_fin || c->len >= MUX_PREFACE_MAX))) {
		refuse(st);
		return;
	}
	if (!n)
		return;
	loop_timer_cancel(st->mux->loop, &st->timer);
	c->off += (uint32_t)n;
	c->len -= (uint32_t)n;
	st->queued -= (uint32_t)n;
	note_taken(st, (size_t)n);
	if (!c->len)
		queue_pop(st);
	drain_queue(st);
}

/* The beginning lies in one piece: the first chunk is large enough. */
static void preface_data(struct mux_stream *st, const uint8_t *data, size_t len)
{
	while (len && !st->dead && st->io.fd < 0) {
		struct mux_chunk *c = st->tail;
		size_t room = c ? c->cap - c->off - c->len : CHUNK_MIN, n = len < room ? len : room;
		if (!queue_add(st, data, n)) {
			refuse(st);
			return;
		}
		data += n;
		len -= n;
		try_preface(st);
	}
	if (len && !st->dead)
		mux_stream_data(st, data, len);
}

void mux_stream_data(struct mux_stream *st, const uint8_t *data, size_t len)
{
	if (st->peer_fin)
		return;
	if (st->mux->opt.version == 2 && st->queued + len > 2 * (size_t)MUX_WINDOW) {
		mux_die(st->mux, "a stream got more than its window");
		return;
	}
	if (st->io.fd < 0) {
		preface_data(st, data, len);
		return;
	}
	size_t n = st->head ? 0 : give(st, data, len);
	if (!st->dead && n < len && !queue_add(st, data + n, len - n))
		refuse(st);
}

void mux_stream_fin(struct mux_stream *st)
{
	st->peer_fin = true;
	if (st->io.fd < 0)
		refuse(st);
	else
		drain_queue(st);
}

/* --- from the pair ---------------------------------------------------------------------------------------------------- */

static size_t may_send(const struct mux_stream *st)
{
	uint32_t under_way = st->sent - st->peer_consumed;

	if (st->mux->opt.version != 2)
		return SMUX_DATA_MAX;
	if (under_way >= st->peer_window)
		return 0;
	uint32_t left = st->peer_window - under_way;
	return left < SMUX_DATA_MAX ? left : SMUX_DATA_MAX;
}

/* The user has shut down, or closed: see the top. */
static void at_eof(struct mux_stream *st)
{
	struct pollfd p = {.fd = st->io.fd};

	ready_remove(st);
	if (!st->released && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		st->waiting = true;
	else
		say_fin(st);
}

void mux_stream_pump(struct mux_stream *st)
{
	struct smux_frame f = {.command = SMUX_PSH, .stream = st->id};
	size_t most = may_send(st);
	uint8_t *room = mux_out_room(st->mux, SMUX_HEADER + SMUX_DATA_MAX);

	if (!room)
		return;
	ready_remove(st);
	if (!most)
		return; /* a window update brings it back */
	ssize_t n = recv(st->io.fd, room + SMUX_HEADER, most, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return; /* an event brings it back */
	if (n < 0 && errno != EINTR) { /* closed with our bytes unread: release() will say that it was not in order */
		st->waiting = true;
		if (st->released)
			refuse(st);
		return;
	}
	if (n == 0) {
		at_eof(st);
		return;
	}
	if (n > 0) {
		f.len = (uint16_t)n;
		st->mux->out_len += smux_build(&f, st->mux->opt.version, room) + (size_t)n;
		st->sent += (uint32_t)n;
	}
	mux_ready_add(st);
}

static void on_pair(struct loop_io *io, uint32_t events)
{
	struct mux_stream *st = (struct mux_stream *)((char *)io - offsetof(struct mux_stream, io));

	if (events & EPOLLOUT && (st->head || st->peer_fin))
		drain_queue(st);
	if (!st->dead && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		mux_ready_add(st);
}

/* --- opening ------------------------------------------------------------------------------------------------------------ */

static struct mux_stream *stream_new(struct mux *m, uint32_t id)
{
	struct mux_stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->mux = m;
	st->id = id;
	st->io.fd = -1;
	st->peer_window = SMUX_WINDOW_FIRST;
	HASH_ADD(hh, m->streams, id, sizeof(st->id), st);
	if (st->hh.tbl)
		return st;
	free(st);
	return NULL;
}

static void on_preface_timer(struct loop_timer *timer)
{
	refuse((struct mux_stream *)((char *)timer - offsetof(struct mux_stream, timer)));
}

void mux_stream_opened(struct mux *m, uint32_t id)
{
	bool wanted = m->ops->opened && HASH_COUNT(m->streams) < MUX_STREAMS_MAX;
	struct mux_stream *st = wanted ? stream_new(m, id) : NULL;
	struct smux_frame fin = {.command = SMUX_FIN, .stream = id};

	if (st)
		loop_timer_set(m->loop, &st->timer, MUX_PREFACE_NS, on_preface_timer);
	else
		mux_send_frame(m, &fin);
}

void mux_stream_bind(struct mux_stream *st, void *user)
{
	st->user = user;
}

int mux_stream_attach(struct mux_stream *st)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	int err = loop_io_add(st->mux->loop, &st->io, pair[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_pair);
	if (err < 0) {
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	return pair[1];
}

static uint32_t new_id(struct mux *m)
{
	uint32_t id = m->next_id;

	m->next_id += 2;
	return id;
}

/* SYN, and the first bytes where there are any: an empty PSH would say that the stream broke. 0 or -EPIPE. */
static int begin_stream(struct mux_stream *st, const void *data, size_t len)
{
	struct mux *m = st->mux;
	struct smux_frame f = {.command = SMUX_SYN, .stream = st->id};

	mux_send_frame(m, &f);
	if (m->dead || !len)
		return m->dead ? -EPIPE : 0;
	uint8_t *room = mux_out_room(m, SMUX_HEADER + len);
	if (!room)
		return -EPIPE;
	f.command = SMUX_PSH;
	f.len = (uint16_t)len;
	memcpy(room + smux_build(&f, m->opt.version, room), data, len);
	m->out_len += SMUX_HEADER + len;
	st->sent += (uint32_t)len;
	return 0;
}

int mux_open(struct mux *m, const void *data, size_t len, struct mux_stream **out)
{
	if (m->dead || m->next_id < 2 || HASH_COUNT(m->streams) >= MUX_STREAMS_MAX)
		return -EAGAIN;
	struct mux_stream *st = stream_new(m, new_id(m));
	if (!st)
		return -ENOMEM;
	int fd = mux_stream_attach(st);
	if (fd < 0) {
		discard(st);
		return fd;
	}
	int err = begin_stream(st, data, len);
	if (err) {
		close(fd);
		return err;
	}
	*out = st;
	return fd;
}
