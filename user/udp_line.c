/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_line.c - see udp_line.h.
 *
 * Why both buffers come and go: most lines are idle most of the time, and there may be thousands of them. What is kept between
 * two events is the part of a frame that came, in a piece of memory of that size.
 * Owns: the buffers. Never: gives a part of a frame away.
 */
#include "udp_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connector.h"
#include "tls.h"

enum {
	IN_CAP = 128 * 1024, /* a frame, and most of the next */
	READS_PER_TURN = 8,
	OUT_FIRST = 4096,
};
_Static_assert((int)IN_CAP > (int)DATAGRAM_FRAME_MAX && (int)UDP_LINE_OUT_MAX > (int)DATAGRAM_FRAME_MAX, "a frame must fit");

void udp_line_open(struct udp_line *l, const struct udp_line_setup *set)
{
	*l = (struct udp_line){.set = *set};
}

static void drop_in(struct udp_line *l)
{
	free(l->in);
	l->in = NULL;
	l->in_len = l->in_cap = 0;
}

void udp_line_close(struct udp_line *l)
{
	if (l->closed)
		return;
	l->closed = true;
	loop_task_cancel(l->set.loop, &l->again);
	free(l->out);
	l->out = NULL;
	l->out_len = 0;
	if (!l->busy)
		drop_in(l);
}

static void end(struct udp_line *l, int err, const char *why)
{
	udp_line_close(l);
	l->set.ops->ended(l, err, why);
}

/* --- out ------------------------------------------------------------------------------------------------- */

static bool reserve(struct udp_line *l, size_t need)
{
	size_t cap = l->out_cap ? l->out_cap : OUT_FIRST;

	if (l->out_off && l->out_off + l->out_len + need > l->out_cap) {
		memmove(l->out, l->out + l->out_off, l->out_len);
		l->out_off = 0;
	}
	if (l->out_len + need <= l->out_cap)
		return true;
	while (cap < l->out_len + need)
		cap *= 2;
	uint8_t *grown = realloc(l->out, cap);
	if (!grown)
		return false;
	l->out = grown;
	l->out_cap = cap;
	return true;
}

static void append(struct udp_line *l, const void *data, size_t len)
{
	if (len)
		memcpy(l->out + l->out_off + l->out_len, data, len);
	l->out_len += len;
}

int udp_line_put(struct udp_line *l, const struct socks_target *peer, const struct iovec *part, size_t count)
{
	uint8_t head[DATAGRAM_HEAD_MAX];
	size_t len = 0;

	if (l->closed)
		return -EPIPE;
	for (size_t i = 0; i < count; i++)
		len += part[i].iov_len;
	ssize_t n = l->set.framing->head(head, peer, len);
	if (n < 0)
		return (int)n;
	if (l->out_len + (size_t)n + len > UDP_LINE_OUT_MAX)
		return -ENOBUFS;
	if (!reserve(l, (size_t)n + len))
		return -ENOMEM;
	append(l, head, (size_t)n);
	for (size_t i = 0; i < count; i++)
		append(l, part[i].iov_base, part[i].iov_len);
	return 0;
}

static ssize_t put(struct udp_line *l)
{
	const uint8_t *data = l->out + l->out_off;

	if (l->set.tls)
		return tls_write(l->set.tls, data, l->out_len);
	ssize_t n = send(l->set.io->fd, data, l->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static void drop_out(struct udp_line *l)
{
	free(l->out);
	l->out = NULL;
	l->out_off = l->out_cap = 0;
}

void udp_line_flush(struct udp_line *l)
{
	while (!l->closed && l->out_len) {
		ssize_t n = put(l);
		if (n == -EAGAIN)
			return;
		if (n < 0 && n != -EINTR) {
			end(l, (int)n, strerror((int)-n));
			return;
		}
		if (n > 0) {
			l->out_off += (size_t)n;
			l->out_len -= (size_t)n;
			l->written_bytes += (uint64_t)n;
		}
	}
	if (!l->closed)
		drop_out(l);
}

/* --- in --------------------------------------------------------------------------------------------------- */

/* An answer at the front of data: the bytes it takes, 0 when there is more to come, -1 when the line has ended. */
static ssize_t take_answer(struct udp_line *l, const uint8_t *data, size_t len)
{
	static const struct connector_request nothing = {.host = ""};
	struct connector reader = {.ops = l->set.late, .req = &nothing};
	size_t consumed = 0;

	switch (reader.ops->input(&reader, data, len, &consumed)) {
	case CONNECTOR_DONE:
		l->set.late_count--;
		return (ssize_t)consumed;
	case CONNECTOR_MORE:
		if (len < CONNECTOR_IN_MAX)
			return 0;
		snprintf(reader.error, sizeof(reader.error), "its answer is longer than %d bytes", CONNECTOR_IN_MAX);
		break;
	case CONNECTOR_FAILED:
		break;
	}
	end(l, -ECONNREFUSED, reader.error);
	return -1;
}

/* The same for a frame. */
static ssize_t take_frame(struct udp_line *l, const uint8_t *data, size_t len)
{
	struct datagram d;
	const char *why = "";

	switch (l->set.framing->parse(data, len, &d, &why)) {
	case DATAGRAM_ACCEPT:
		l->set.ops->datagram(l, &d);
		return l->closed ? -1 : (ssize_t)d.size;
	case DATAGRAM_MORE:
		return 0;
	case DATAGRAM_REJECT:
		break;
	}
	l->set.ops->pause(l); /* those before it are whole */
	if (!l->closed)
		end(l, -EPROTO, why);
	return -1;
}

/* How much of what came is complete, all of it handed out. */
static size_t hand_out(struct udp_line *l)
{
	size_t off = 0;
	ssize_t n;

	do {
		const uint8_t *data = l->in + off;
		n = l->set.late_count ? take_answer(l, data, l->in_len - off) : take_frame(l, data, l->in_len - off);
		off += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (!l->closed)
		l->set.ops->pause(l);
	return off;
}

/* The rest moves to the front. False: the line is closed. */
static bool take_all(struct udp_line *l)
{
	l->busy = true;
	size_t off = hand_out(l);
	l->busy = false;
	if (l->closed) {
		drop_in(l);
		return false;
	}
	l->in_len -= off;
	if (off)
		memmove(l->in, l->in + off, l->in_len);
	return true;
}

static bool make_room(struct udp_line *l, size_t cap)
{
	if (l->in_cap >= cap)
		return true;
	uint8_t *grown = realloc(l->in, cap);
	if (!grown)
		return false;
	l->in = grown;
	l->in_cap = cap;
	return true;
}

/* Until the next event: no more memory than there are bytes. */
static void keep_rest(struct udp_line *l)
{
	uint8_t *kept = l->in_len ? realloc(l->in, l->in_len) : NULL;

	if (!l->in_len)
		free(l->in);
	if (kept || !l->in_len) {
		l->in = kept;
		l->in_cap = l->in_len;
	}
}

static ssize_t get(struct udp_line *l)
{
	uint8_t *room = l->in + l->in_len;
	size_t len = l->in_cap - l->in_len;

	if (l->set.tls)
		return tls_read(l->set.tls, room, len);
	ssize_t n = recv(l->set.io->fd, room, len, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static void on_eof(struct udp_line *l)
{
	if (l->set.late_count)
		end(l, -ECONNREFUSED, "it closed the connection before it answered");
	else if (l->in_len)
		end(l, -EPROTO, "the stream ended inside a datagram");
	else
		end(l, 0, "the stream ended");
}

/* 1: there may be more, 0: not now, -1: the line is closed. */
static int read_once(struct udp_line *l)
{
	if (!make_room(l, IN_CAP)) {
		end(l, -ENOMEM, "out of memory");
		return -1;
	}
	ssize_t n = get(l);
	if (n == -EAGAIN)
		return 0;
	if (n == -EINTR)
		return 1;
	if (n < 0)
		end(l, (int)n, l->set.tls && tls_error(l->set.tls)[0] ? tls_error(l->set.tls) : strerror((int)-n));
	if (n == 0)
		on_eof(l);
	if (n <= 0)
		return -1;
	l->read_bytes += (uint64_t)n;
	l->in_len += (size_t)n;
	return take_all(l) ? 1 : -1;
}

static void on_again(struct loop_task *task)
{
	udp_line_ready((struct udp_line *)((char *)task - offsetof(struct udp_line, again)));
}

void udp_line_ready(struct udp_line *l)
{
	int rc = 1;

	udp_line_flush(l);
	if (l->closed)
		return;
	for (int i = 0; i < READS_PER_TURN && rc > 0; i++)
		rc = read_once(l);
	if (rc < 0)
		return;
	keep_rest(l);
	if (rc > 0)
		loop_yield(l->set.loop, &l->again, on_again); /* others have their turn */
}

void udp_line_feed(struct udp_line *l, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len && !l->closed) {
		if (!make_room(l, IN_CAP)) {
			end(l, -ENOMEM, "out of memory");
			return;
		}
		size_t room = l->in_cap - l->in_len, n = len < room ? len : room;
		memcpy(l->in + l->in_len, from, n);
		l->in_len += n;
		l->read_bytes += n;
		from += n;
		len -= n;
		if (!take_all(l))
			return;
	}
	if (!l->closed)
		keep_rest(l);
}
