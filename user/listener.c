/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.c - see listener.h.
 *
 * Why the pause: with no descriptor left, accept() fails and the socket stays readable, so a level-triggered loop would
 * spin. The listener stops watching for a moment instead; clients wait in the backlog. If a second brings nothing
 * back, a reserve descriptor is given up to take one client and reset it, so that clients see an answer.
 * Why batches grow: an accept() that finds nothing costs as much as a fifth of a connection (it makes a socket first), so one
 * connection is taken per event, twice as many each time there was another, up to a limit.
 * Owns: the socket, the reserve descriptor. Never: logs (the owner does, through trouble()).
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "socket_place.h"

enum { ACCEPTS_PER_TURN = 64 };
static const uint64_t PAUSE_NS = 10 * 1000000ull;
static const uint64_t SHED_AFTER_NS = 1000 * 1000000ull;

struct listener {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer pause;
	const struct listener_ops *ops;
	void *ctx;
	struct addr at;
	int reserve_fd;
	int batch; /* connections to take per event */
	uint64_t starved_ns; /* since when accept() has found no descriptor; 0 = it has not */
	uint64_t told_ns;
};

static void set_int(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

void listener_apply_options(int fd, const struct listener_options *opt)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, opt->keepalive);
	if (opt->keepalive) {
		set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)opt->keepalive_idle_s);
		set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)opt->keepalive_interval_s);
		set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)opt->keepalive_count);
	}
	if (opt->user_timeout_ms)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)opt->user_timeout_ms);
}

static int resolve_name(const char *host, int port, struct addr *out)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	addr_from_sockaddr(out, found->ai_addr, found->ai_addrlen);
	addr_set_port(out, (uint16_t)port);
	freeaddrinfo(found);
	return 0;
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int listener_resolve(const char *text, struct addr *out)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
	static const struct in_addr any4;
	char host[256];
	int port;
	int err = addr_split_hostport(text, host, sizeof(host), &port);

	if (err)
		return err;
	if (port < 0)
		return -EINVAL;
	if (!host[0] && has_ipv6())
		addr_from_in6(out, &any6, (uint16_t)port);
	else if (!host[0])
		addr_from_in4(out, &any4, (uint16_t)port);
	else if (addr_parse_ip(out, host, strlen(host), (uint16_t)port) < 0)
		return resolve_name(host, port, out);
	return 0;
}

static int open_socket(const struct addr *at, const struct socket_place *place)
{
	int fd = socket_place_open(place, addr_family(at), SOCK_STREAM);

	if (fd < 0)
		return fd;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (addr_family(at) == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	return fd;
}

int listener_probe(const struct addr *at, const struct socket_place *place)
{
	int fd = open_socket(at, place), err = 0;

	if (fd < 0)
		return fd;
	if (addr_port(at) && (bind(fd, &at->sa, at->len) < 0 || listen(fd, 1) < 0))
		err = -errno;
	close(fd);
	return err;
}

/* --- accepting ------------------------------------------------------------------------------------ */

static void on_pause_over(struct loop_timer *timer);
static void on_listen(struct loop_io *io, uint32_t events);

static void pause_accepting(struct listener *l)
{
	loop_io_set(l->loop, &l->io, 0);
	loop_timer_set(l->loop, &l->pause, PAUSE_NS, on_pause_over);
}

static void tell(struct listener *l, int err, const char *what)
{
	uint64_t now = loop_now(l->loop);

	if (l->told_ns && now - l->told_ns < SHED_AFTER_NS)
		return;
	l->told_ns = now;
	l->ops->trouble(l->ctx, err, what);
}

static void reset_one_client(struct listener *l)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	int fd = accept4(l->io.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void out_of_descriptors(struct listener *l, int err)
{
	uint64_t now = loop_now(l->loop);

	if (!l->starved_ns)
		l->starved_ns = now;
	if (now - l->starved_ns > SHED_AFTER_NS) {
		reset_one_client(l);
		tell(l, err, "refusing connections");
	} else {
		tell(l, err, "accepting paused");
	}
	pause_accepting(l);
}

/* False: stop for this turn. */
static bool accept_one(struct listener *l)
{
	struct addr peer = {.len = sizeof(peer) - offsetof(struct addr, sa)};
	int fd;

	if (!l->ops->may_accept(l->ctx)) {
		pause_accepting(l);
		return false;
	}
	fd = accept4(l->io.fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		l->starved_ns = 0;
		l->ops->accepted(l->ctx, fd, &peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		out_of_descriptors(l, errno);
		return false;
	default: /* the connection died in the backlog: the next one may be fine */
		return errno != EBADF && errno != EINVAL && errno != ENOTSOCK;
	}
}

static void on_listen(struct loop_io *io, uint32_t events)
{
	struct listener *l = (struct listener *)((char *)io - offsetof(struct listener, io));

	(void)events;
	for (int i = 0; i < l->batch; i++) {
		if (accept_one(l))
			continue;
		l->batch = 1;
		return;
	}
	if (l->batch < ACCEPTS_PER_TURN)
		l->batch *= 2;
}

static void on_pause_over(struct loop_timer *timer)
{
	struct listener *l = (struct listener *)((char *)timer - offsetof(struct listener, pause));

	loop_io_set(l->loop, &l->io, EPOLLIN);
}

/* --- life ------------------------------------------------------------------------------------------ */

static int bind_and_listen(int fd, const struct addr *at, const struct listener_options *opt)
{
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	listener_apply_options(fd, opt);
	if (bind(fd, &at->sa, at->len) < 0 || listen(fd, (int)opt->backlog) < 0)
		return -errno;
	return 0;
}

int listener_new(struct listener **out, struct loop *loop, const struct addr *at,
		 const struct listener_options *opt, const struct listener_ops *ops, void *ctx)
{
	struct listener *l = calloc(1, sizeof(*l));
	int fd = open_socket(at, opt->place), err = fd < 0 ? fd : -ENOMEM;

	if (!l || fd < 0)
		goto fail;
	*l = (struct listener){.loop = loop, .ops = ops, .ctx = ctx, .io.fd = -1, .batch = 1};
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	err = bind_and_listen(fd, at, opt);
	if (!err)
		err = loop_io_add(loop, &l->io, fd, EPOLLIN, on_listen);
	if (err)
		goto fail;
	l->at.len = sizeof(l->at) - offsetof(struct addr, sa);
	getsockname(fd, &l->at.sa, &l->at.len);
	*out = l;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	if (l && l->reserve_fd >= 0)
		close(l->reserve_fd);
	free(l);
	return err;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	loop_timer_cancel(l->loop, &l->pause);
	loop_io_close(l->loop, &l->io);
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	free(l);
}

const struct addr *listener_addr(const struct listener *l)
{
	return &l->at;
}
