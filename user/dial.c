/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.c - see dial.h.
 *
 * Owns: the attempts' sockets, one timer for the next start and the deadline. Never: calls back twice.
 */
#include "dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "socket_place.h"

enum { ATTEMPTS_MAX = 8 };
static const uint64_t NEXT_ATTEMPT_NS = 300 * 1000000ull;

struct attempt {
	struct loop_io io;
	struct dial *dial;
	struct addr to;
	size_t way; /* of socket_place.h */
};

struct dial {
	struct loop *loop;
	struct listener_options opt;
	dial_fn fn;
	void *ctx;
	uint64_t deadline_ns;
	struct loop_timer timer;
	int last_err;
	struct addr last_at;
	size_t count, next; /* attempts[next..count) have not begun */
	struct attempt attempts[];
};

static void on_timer(struct loop_timer *timer);

/* One that has just been accepted must not look like a connection that was empty and ended in order. */
static void abandon(struct attempt *a)
{
	loop_io_reset(a->dial->loop, &a->io);
}

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	loop_timer_cancel(d->loop, &d->timer);
	for (size_t i = 0; i < d->count; i++)
		abandon(&d->attempts[i]);
	free(d);
}

/* What only a transparent place can be wrong about, or NULL. */
static const char *transparent_trouble(int status)
{
	if (status == -EAFNOSUPPORT)
		return "transparent=true: the client's address is of another family than the target's";
	return status == -EADDRNOTAVAIL ? "transparent=true: nobody can connect from the client's address" : NULL;
}

const char *dial_error(const char *network, int status, const struct listener_options *opt, const struct addr *client,
		       const struct addr *at, char out[static DIAL_ERROR_MAX])
{
	bool transparent = opt->place && opt->place->transparent && client;
	const char *trouble = transparent ? transparent_trouble(status) : NULL, *why = strerror(-status);
	char from[ADDR_TEXT_MAX] = "", to[ADDR_TEXT_MAX];

	if (transparent)
		addr_format_ip(client, from);
	int n = snprintf(out, DIAL_ERROR_MAX, "dial %s %s%s%s: ", network, from, from[0] ? "->" : "", addr_format(at, to));
	if (n < 0 || n >= DIAL_ERROR_MAX)
		return out;
	if (status == -ETIMEDOUT)
		snprintf(out + n, DIAL_ERROR_MAX - (size_t)n, "i/o timeout");
	else if (trouble)
		snprintf(out + n, DIAL_ERROR_MAX - (size_t)n, "%s", trouble);
	else
		snprintf(out + n, DIAL_ERROR_MAX - (size_t)n, "connect: %c%s", why[0] | 0x20, why + 1);
	return out;
}

static void finish(struct dial *d, int status, struct attempt *winner)
{
	struct loop_io none = {.fd = -1};

	loop_timer_cancel(d->loop, &d->timer);
	d->fn(d->ctx, status, winner ? &winner->io : &none, winner ? &winner->to : &d->last_at);
	if (winner)
		loop_io_close(d->loop, &winner->io); /* unless it was taken over */
	dial_cancel(d);
}

static size_t pending(const struct dial *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->next; i++)
		n += d->attempts[i].io.fd >= 0;
	return n;
}

static void arm(struct dial *d, uint64_t delay_ns)
{
	uint64_t now = loop_now(d->loop), left = d->deadline_ns > now ? d->deadline_ns - now : 0;

	loop_timer_set(d->loop, &d->timer, delay_ns < left ? delay_ns : left, on_timer);
}

static void on_connected(struct loop_io *io, uint32_t events)
{
	struct attempt *a = (struct attempt *)((char *)io - offsetof(struct attempt, io));
	struct dial *d = a->dial;
	socklen_t len = sizeof(int);
	int err = 0;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err && events & EPOLLOUT) {
		finish(d, 0, a);
		return;
	}
	d->last_err = err ? -err : -ECONNREFUSED;
	d->last_at = a->to;
	loop_io_close(d->loop, io);
	if (d->next < d->count)
		arm(d, 0);
	else if (!pending(d))
		finish(d, d->last_err, NULL);
}

static int begin(struct attempt *a)
{
	struct dial *d = a->dial;
	int fd = socket_place_open(d->opt.place, addr_family(&a->to), SOCK_STREAM);

	if (fd < 0)
		return fd;
	listener_apply_options(fd, &d->opt);
	int err = socket_place_bind(d->opt.place, fd, a->way, d->opt.client, &a->to);
	if (!err && connect(fd, &a->to.sa, a->to.len) < 0 && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		err = loop_io_add(d->loop, &a->io, fd, EPOLLOUT, on_connected);
	if (err)
		close(fd);
	return err;
}

/* Starts the next attempt that can start; addresses of an unreachable family fail at once. */
static void begin_next(struct dial *d)
{
	while (d->next < d->count) {
		struct attempt *a = &d->attempts[d->next++];
		int err = begin(a);
		if (!err)
			break;
		d->last_err = err;
		d->last_at = a->to;
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct dial *d = (struct dial *)((char *)timer - offsetof(struct dial, timer));

	if (loop_now(d->loop) >= d->deadline_ns) {
		if (d->next)
			d->last_at = d->attempts[d->next - 1].to;
		finish(d, -ETIMEDOUT, NULL);
		return;
	}
	begin_next(d);
	if (!pending(d))
		finish(d, d->last_err, NULL);
	else
		arm(d, d->next < d->count ? NEXT_ATTEMPT_NS : UINT64_MAX);
}

/* Every address by the first choice of ways, then by the next. */
static size_t list_attempts(struct dial *d, const struct addr *addrs, size_t count)
{
	size_t n = 0, ways = socket_place_ways(d->opt.place);

	for (size_t i = 0; i < ways * count && n < ATTEMPTS_MAX; i++) {
		const struct addr *to = &addrs[i % count];
		if (socket_place_allows(d->opt.place, i / count, to))
			d->attempts[n++] = (struct attempt){.io.fd = -1, .dial = d, .to = *to, .way = i / count};
	}
	return n;
}

int dial_start(struct dial **out, struct loop *loop, const struct addr *addrs, size_t count,
	       const struct listener_options *opt, uint64_t timeout_ns, dial_fn fn, void *ctx)
{
	size_t most = count * socket_place_ways(opt->place);
	struct dial *d = calloc(1, sizeof(*d) + (most < ATTEMPTS_MAX ? most : ATTEMPTS_MAX) * sizeof(d->attempts[0]));
	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->opt = *opt;
	d->fn = fn;
	d->ctx = ctx;
	d->last_err = count ? -EAFNOSUPPORT : -EADDRNOTAVAIL; /* until an attempt says more: no interface fits */
	d->last_at = count ? addrs[0] : (struct addr){0};
	d->count = list_attempts(d, addrs, count);
	d->deadline_ns = loop_now(loop) + timeout_ns;
	begin_next(d);
	/* A failure so far is told from the loop, not from inside this call. */
	arm(d, pending(d) ? (d->next < d->count ? NEXT_ATTEMPT_NS : UINT64_MAX) : 0);
	*out = d;
	return 0;
}
