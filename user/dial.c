/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.c - see dial.h.
 *
 * Owns: the attempts' sockets, one timer for the next start and the deadline. Never: calls back twice.
 */
#include "dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ATTEMPTS_MAX = 8 };
static const uint64_t NEXT_ATTEMPT_NS = 300 * 1000000ull;

struct attempt {
	struct loop_io io;
	struct dial *dial;
	struct addr to;
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

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	loop_timer_cancel(d->loop, &d->timer);
	for (size_t i = 0; i < d->count; i++)
		loop_io_close(d->loop, &d->attempts[i].io);
	free(d);
}

static void finish(struct dial *d, int status, struct attempt *winner)
{
	struct loop_io none = {.fd = -1};

	loop_timer_cancel(d->loop, &d->timer);
	d->fn(d->ctx, status, winner ? &winner->io : &none, winner ? &winner->to : &d->last_at);
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
	int fd = socket(addr_family(&a->to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	listener_apply_options(fd, &d->opt);
	if (connect(fd, &a->to.sa, a->to.len) < 0 && errno != EINPROGRESS) {
		int err = -errno;
		close(fd);
		return err;
	}
	int err = loop_io_add(d->loop, &a->io, fd, EPOLLOUT, on_connected);
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
		d->last_at = d->attempts[d->next ? d->next - 1 : 0].to;
		finish(d, -ETIMEDOUT, NULL);
		return;
	}
	begin_next(d);
	if (!pending(d))
		finish(d, d->last_err, NULL);
	else
		arm(d, d->next < d->count ? NEXT_ATTEMPT_NS : UINT64_MAX);
}

int dial_start(struct dial **out, struct loop *loop, const struct addr *addrs, size_t count,
	       const struct listener_options *opt, uint64_t timeout_ns, dial_fn fn, void *ctx)
{
	if (count > ATTEMPTS_MAX)
		count = ATTEMPTS_MAX;
	struct dial *d = calloc(1, sizeof(*d) + count * sizeof(d->attempts[0]));
	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->opt = *opt;
	d->fn = fn;
	d->ctx = ctx;
	d->count = count;
	d->last_err = -EADDRNOTAVAIL;
	d->deadline_ns = loop_now(loop) + timeout_ns;
	for (size_t i = 0; i < count; i++)
		d->attempts[i] = (struct attempt){.io.fd = -1, .dial = d, .to = addrs[i]};
	begin_next(d);
	/* A failure so far is told from the loop, not from inside this call. */
	arm(d, pending(d) ? (d->next < count ? NEXT_ATTEMPT_NS : UINT64_MAX) : 0);
	*out = d;
	return 0;
}
