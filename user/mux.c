/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mux.c - the connection under the streams: frames in, frames out, keepalive, the end.
 *
 * Why one buffer out: frames of all streams leave together, and a stream is only read while that buffer has room, so a slow
 * peer stops the sessions and not the memory. Streams take turns, one frame each.
 * Why reading stops at the budget: version 1 has no window per stream, so that is all a receiver can do; a session that
 * does not read holds up the others then, as with GOST.
 * Owns: the connection. Never: reads beyond the budget; lets its end look like the end of a stream.
 * See: include/mux.h, user/mux_stream.c.
 */
#include "mux.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mux_internal.h"
#include "tls.h"

enum { READS_PER_TURN = 8, FRAMES_PER_TURN = 64 };
static const uint64_t KEEPALIVE_NS = 10 * 1000000000ull;
static const uint64_t SILENCE_NS = 30 * 1000000000ull;

/* --- the end ---------------------------------------------------------------------------------------------- */

static void on_end(struct loop_task *task)
{
	struct mux *m = (struct mux *)((char *)task - offsetof(struct mux, end));

	m->ops->ended(m->ctx, m->why);
}

static void drop_streams(struct mux *m)
{
	struct mux_stream *st, *next;

	HASH_ITER (hh, m->streams, st, next)
		mux_stream_drop(st);
}

void mux_die(struct mux *m, const char *why)
{
	if (m->dead)
		return;
	m->dead = true;
	snprintf(m->why, sizeof(m->why), "%s", why);
	loop_io_close(m->loop, &m->io);
	loop_timer_cancel(m->loop, &m->timer);
	loop_task_cancel(m->loop, &m->again);
	drop_streams(m);
	loop_defer(m->loop, &m->end, on_end);
}

static void sweep(struct mux *m)
{
	while (m->garbage) {
		struct mux_stream *st = m->garbage;
		m->garbage = st->garbage;
		free(st);
	}
}

void mux_secure(struct mux *m, struct tls_conn *tls)
{
	m->tls = tls;
	m->readable = true; /* there may be something inside it already, of which the socket says nothing */
}

void mux_free(struct mux *m)
{
	if (!m)
		return;
	m->dead = true;
	drop_streams(m);
	loop_io_close(m->loop, &m->io);
	loop_timer_cancel(m->loop, &m->timer);
	loop_task_cancel(m->loop, &m->again);
	loop_task_cancel(m->loop, &m->end);
	loop_task_cancel(m->loop, &m->sweep);
	sweep(m);
	tls_conn_free(m->tls);
	free(m->out);
	free(m);
}

size_t mux_stream_count(const struct mux *m)
{
	return HASH_COUNT(m->streams);
}

/* --- sending ------------------------------------------------------------------------------------------------ */

static bool out_grow(struct mux *m, size_t need)
{
	size_t cap = m->out_cap ? m->out_cap : 4096;

	while (cap < need)
		cap *= 2;
	uint8_t *grown = realloc(m->out, cap);
	if (!grown)
		return false;
	m->out = grown;
	m->out_cap = cap;
	return true;
}

uint8_t *mux_out_room(struct mux *m, size_t n)
{
	if (m->dead)
		return NULL;
	if (m->out_off && m->out_off + m->out_len + n > m->out_cap) {
		memmove(m->out, m->out + m->out_off, m->out_len);
		m->out_off = 0;
	}
	if (m->out_len + n > MUX_OUT_HARD) {
		mux_die(m, "the other end of the tunnel does not read");
		return NULL;
	}
	if (m->out_len + n > m->out_cap && !out_grow(m, m->out_len + n)) {
		mux_die(m, "out of memory");
		return NULL;
	}
	return m->out + m->out_off + m->out_len;
}

void mux_send_frame(struct mux *m, const struct smux_frame *f)
{
	uint8_t *room = mux_out_room(m, SMUX_FRAME_MAX);

	if (!room)
		return;
	m->out_len += smux_build(f, m->opt.version, room);
	mux_run_later(m);
}

static ssize_t as_syscall(ssize_t n)
{
	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

static ssize_t put(struct mux *m, const void *data, size_t len)
{
	return m->tls ? as_syscall(tls_write(m->tls, data, len)) : send(m->io.fd, data, len, MSG_NOSIGNAL);
}

static ssize_t get(struct mux *m, void *buf, size_t len)
{
	return m->tls ? as_syscall(tls_read(m->tls, buf, len)) : recv(m->io.fd, buf, len, 0);
}

/* False: the connection is dead. */
static bool flush(struct mux *m)
{
	while (m->out_len && m->writable) {
		ssize_t n = put(m, m->out + m->out_off, m->out_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			mux_die(m, strerror(errno));
			return false;
		}
		if (n < 0) {
			m->writable = false;
			break;
		}
		m->out_off += (size_t)n;
		m->out_len -= (size_t)n;
	}
	if (!m->out_len)
		m->out_off = 0;
	return true;
}

/* Streams in turn until there is nothing to send or no room for it. */
static void send_all(struct mux *m)
{
	for (int i = 0; i < FRAMES_PER_TURN && !m->dead; i++) {
		struct mux_stream *st = TAILQ_FIRST(&m->ready);
		if (!st || m->out_len + SMUX_HEADER + SMUX_DATA_MAX > MUX_OUT_MAX)
			break;
		mux_stream_pump(st);
	}
	if (m->dead || !flush(m))
		return;
	if (!TAILQ_EMPTY(&m->ready) && m->writable)
		mux_run_later(m);
}

/* --- receiving ------------------------------------------------------------------------------------------------ */

static void on_frame(struct mux *m, const struct smux_frame *f)
{
	struct mux_stream *st = mux_stream_find(m, f->stream);

	switch (f->command) {
	case SMUX_SYN:
		if (!st)
			mux_stream_opened(m, f->stream);
		break;
	case SMUX_FIN:
		if (st)
			mux_stream_fin(st);
		break;
	case SMUX_PSH:
		m->data_stream = f->stream;
		m->data_left = f->len;
		if (st && !f->len)
			mux_stream_broken(st);
		break;
	case SMUX_UPD:
		if (!st)
			break;
		st->peer_consumed = f->consumed;
		st->peer_window = f->window;
		mux_ready_add(st);
		break;
	default:
		break;
	}
}

/* Takes what it can of len bytes; returns how many. */
static size_t take_some(struct mux *m, const uint8_t *data, size_t len)
{
	struct smux_frame f;
	const char *why;

	if (m->data_left) {
		size_t n = len < m->data_left ? len : m->data_left;
		struct mux_stream *st = mux_stream_find(m, m->data_stream);
		m->data_left -= n;
		if (st)
			mux_stream_data(st, data, n);
		return n;
	}
	switch (smux_parse(data, len, m->opt.version, &f, &why)) {
	case SMUX_ACCEPT:
		on_frame(m, &f);
		return f.size;
	case SMUX_REJECT:
		mux_die(m, why);
		return 0;
	case SMUX_NEED_MORE:
		break;
	}
	return 0;
}

static void take_input(struct mux *m)
{
	size_t off = 0, n;

	while (!m->dead && off < m->in_len && (n = take_some(m, m->in + off, m->in_len - off)))
		off += n;
	if (m->dead)
		return;
	m->in_len -= off;
	if (off)
		memmove(m->in, m->in + off, m->in_len);
}

static bool over_budget(const struct mux *m)
{
	return m->charged > MUX_RECEIVE_BUDGET;
}

static void receive_all(struct mux *m)
{
	for (int i = 0; i < READS_PER_TURN && m->readable && !m->dead && !over_budget(m); i++) {
		ssize_t n = get(m, m->in + m->in_len, sizeof(m->in) - m->in_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			m->readable = false;
			return;
		}
		if (n <= 0) {
			mux_die(m, n ? strerror(errno) : "the other end closed the tunnel");
			return;
		}
		m->heard_ns = loop_now(m->loop);
		m->in_len += (size_t)n;
		take_input(m);
	}
	if (m->readable && !m->dead && !over_budget(m))
		mux_run_later(m);
}

/* --- turns ------------------------------------------------------------------------------------------------------ */

static void run(struct mux *m)
{
	receive_all(m);
	if (!m->dead)
		send_all(m);
}

static void on_again(struct loop_task *task)
{
	run((struct mux *)((char *)task - offsetof(struct mux, again)));
}

void mux_run_later(struct mux *m)
{
	if (!m->dead)
		loop_yield(m->loop, &m->again, on_again);
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct mux *m = (struct mux *)((char *)io - offsetof(struct mux, io));

	if (events & EPOLLOUT)
		m->writable = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) || (m->tls && tls_read_awaits_write(m->tls)))
		m->readable = true;
	if (m->tls && events & EPOLLIN && tls_write_awaits_read(m->tls))
		m->writable = true;
	run(m);
}

static void on_timer(struct loop_timer *timer)
{
	struct mux *m = (struct mux *)((char *)timer - offsetof(struct mux, timer));
	struct smux_frame nop = {.command = SMUX_NOP};

	/* While we do not read, silence proves nothing. */
	if (!over_budget(m) && loop_now(m->loop) - m->heard_ns >= SILENCE_NS) {
		mux_die(m, "the other end of the tunnel has been silent for 30 s");
		return;
	}
	loop_timer_set(m->loop, &m->timer, KEEPALIVE_NS, on_timer);
	mux_send_frame(m, &nop);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int mux_new(struct mux **out, struct loop *loop, int fd, const struct mux_options *opt, const struct mux_ops *ops,
	    void *ctx)
{
	struct mux *m = calloc(1, sizeof(*m));
	int one = 1, err;

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	*m = (struct mux){.loop = loop, .opt = *opt, .ops = ops, .ctx = ctx, .io.fd = -1};
	m->next_id = opt->client ? 3 : 2; /* GOST's first */
	m->heard_ns = loop_now(loop);
	TAILQ_INIT(&m->ready);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	err = loop_io_add(loop, &m->io, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_io);
	if (err < 0) {
		close(fd);
		free(m);
		return err;
	}
	loop_timer_set(loop, &m->timer, KEEPALIVE_NS, on_timer);
	*out = m;
	return 0;
}

void mux_feed(struct mux *m, const uint8_t *data, size_t len)
{
	while (len && !m->dead) {
		size_t room = sizeof(m->in) - m->in_len, n = len < room ? len : room;
		memcpy(m->in + m->in_len, data, n);
		m->in_len += n;
		data += n;
		len -= n;
		take_input(m);
	}
}

static void on_sweep(struct loop_task *task)
{
	sweep((struct mux *)((char *)task - offsetof(struct mux, sweep)));
}

void mux_sweep_later(struct mux *m, struct mux_stream *st)
{
	st->garbage = m->garbage;
	m->garbage = st;
	loop_defer(m->loop, &m->sweep, on_sweep);
}
