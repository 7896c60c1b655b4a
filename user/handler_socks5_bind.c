/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks5_bind.c - BIND: a port for one peer. A reply when it is open, a reply when the peer has come, then forwarding.
 * MUX-BIND (GOST's): a port for many; a reply, then smux, each stream beginning with what would be the second reply.
 *
 * Why the address asked for is where we listen: GOST's clients mean that (rtcp through socks5). RFC 1928 means the peer that
 * is expected; so an address that is not ours is taken for that, and nobody else is let in.
 * Owns: the listening socket, until the peer is there. Never: lets in a second peer; outlives the client's connection.
 * See: include/handler_socks5.h, RFC 1928 section 6.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler_endpoint.h"
#include "handler_socks5.h"
#include "socket_place.h"
#include "udp_socket.h"

enum { BACKLOG = 8 };

struct socks5_bind {
	struct session *s;
	struct loop_io io;
	struct addr expected; /* the only peer let in; unset: anybody */
};

void socks5_bind_free(struct session *s, struct socks5_bind *bind)
{
	if (!bind)
		return;
	loop_io_close(s->host->env.loop, &bind->io);
	free(bind);
}

/* --- waiting for the peer --------------------------------------------------------------------------------------- */

static bool same_host(const struct addr *a, const struct addr *b)
{
	struct addr x = *a, y = *b;

	addr_set_port(&x, 0);
	addr_set_port(&y, 0);
	return addr_equal(&x, &y);
}

static void meet(struct session *s, int fd, const struct addr *peer)
{
	struct socks5 *h = s->handshake;

	socks5_bind_free(s, h->bind); /* one peer, no more */
	h->bind = NULL;
	listener_apply_options(fd, &s->svc->socket_opt);
	if (session_adopt(s, fd, peer) < 0 || socks5_say(s, SOCKS5_SUCCEEDED, peer) < 0)
		return;
	session_hand_over(s);
}

static void on_knock(struct loop_io *io, uint32_t events)
{
	struct socks5_bind *bind = (struct socks5_bind *)((char *)io - offsetof(struct socks5_bind, io));
	struct addr peer = {.len = sizeof(peer) - offsetof(struct addr, sa)};

	(void)events;
	if (bind->s->state != SESSION_EXCHANGE)
		return;
	int fd = accept4(io->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	addr_unmap(&peer);
	if (addr_is_set(&bind->expected) && !same_host(&peer, &bind->expected))
		close(fd);
	else
		meet(bind->s, fd, &peer);
}

/* The client says nothing until the peer is there; what it sends anyway waits in its socket. */
static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_CLIENT);

	if (s->state == SESSION_EXCHANGE && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		session_end(s, events & EPOLLERR ? PAIR_RESET_CLIENT : PAIR_CLIENT_EOF);
}

static void on_idle(struct loop_timer *timer)
{
	session_end(session_of_timer(timer), PAIR_IDLE);
}

/* --- the port ------------------------------------------------------------------------------------------------------ */

static int listen_at(const struct socket_place *place, const struct addr *at)
{
	int on = 1, off = 0, fd = socket_place_open(place, addr_family(at), SOCK_STREAM);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr_family(at) == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, &at->sa, at->len) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Where the client asks; or, when that is somebody else's address, where it reached us, for that somebody. */
static int open_port(struct session *s, const struct socks_target *target, struct addr *expected)
{
	static const uint8_t anywhere[16];
	const struct socket_place *place = s->svc->socket_opt.place;
	struct addr at;

	if (!target->host[0])
		addr_from_in6(&at, anywhere, target->port);
	else if (!socks_target_is_numeric(target, &at))
		return -EINVAL;
	int fd = listen_at(place, &at);
	if (fd != -EADDRNOTAVAIL || !target->host[0])
		return fd;
	*expected = at;
	at = s->local;
	addr_set_port(&at, 0);
	return listen_at(place, &at);
}

/* A wildcard is of no use to the client: it gets the address it reached us at. */
static struct addr public_name(const struct session *s, struct addr a)
{
	uint16_t port = addr_port(&a);

	if (udp_socket_is_wildcard(&a))
		a = s->local;
	addr_set_port(&a, port);
	return a;
}

static void wait_for_peer(struct session *s, int fd, const struct addr *expected)
{
	struct socks5 *h = s->handshake;
	struct loop *loop = s->host->env.loop;
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;
	char text[ADDR_TEXT_MAX], record[ADDR_TEXT_MAX + 32];

	h->bind = calloc(1, sizeof(*h->bind));
	if (h->bind)
		*h->bind = (struct socks5_bind){.s = s, .io.fd = -1, .expected = *expected};
	if (!h->bind || loop_io_add(loop, &h->bind->io, fd, EPOLLIN, on_knock) < 0) {
		close(fd);
		socks5_refuse(s, SOCKS5_FAILURE, "no-memory", "no memory to wait for a peer");
		return;
	}
	struct addr at = public_name(s, socks5_name_of(fd));
	snprintf(record, sizeof(record), "bind on %s/tcp OK", addr_format(&at, text));
	session_log_fault(s, LOG_INFO, record);
	if (socks5_say(s, SOCKS5_SUCCEEDED, &at) < 0)
		return;
	loop_timer_cancel(loop, &s->timer);
	session_take(s, on_client, NULL);
	if (idle)
		loop_timer_set(loop, &s->timer, idle, on_idle);
	if (s->pair.flow[SIDE_CLIENT].rdhup)
		session_end(s, PAIR_CLIENT_EOF);
}

void socks5_bind_begin(struct session *s, const struct socks_target *at)
{
	struct addr expected = {0};

	if (s->svc->chain) {
		socks5_refuse(s, SOCKS5_NOT_ALLOWED, "bind-failed", "SOCKS5: BIND is not carried through a chain");
		return;
	}
	int fd = open_port(s, at, &expected);
	if (fd < 0)
		socks5_refuse(s, SOCKS5_FAILURE, "bind-failed", "SOCKS5: BIND at %s port %u: %s", at->host, at->port,
			      strerror(-fd));
	else
		wait_for_peer(s, fd, &expected);
}

/* --- MUX-BIND -------------------------------------------------------------------------------------------------------- */

static ssize_t build_peer(uint8_t *out, size_t cap, const struct addr *peer)
{
	struct socks5_message msg = {.code = SOCKS5_SUCCEEDED};

	socks_target_addr(&msg.target, peer);
	return socks5_build_message(out, cap, &msg);
}

/* An empty host is every address; names are not looked up. */
static int mux_address(const struct socks_target *target, struct addr *out)
{
	if (!target->host[0])
		addr_from_in6(out, &in6addr_any, target->port);
	else if (!socks_target_is_numeric(target, out))
		return -EADDRNOTAVAIL;
	return 0;
}

void socks5_mux_bind_begin(struct session *s, const struct socks_target *target)
{
	struct socks5 *h = s->handshake;
	endpoint_greet_fn greet = s->svc->cfg->opt.comp ? NULL : build_peer;
	struct addr at;
	int err = mux_address(target, &at);

	if (!err)
		err = endpoint_open(&h->endpoint, s, &at, greet);
	if (err) {
		socks5_refuse(s, SOCKS5_FAILURE, "bind-failed", "SOCKS5: BIND at %s port %u: %s", target->host, target->port,
			      strerror(-err));
		return;
	}
	at = public_name(s, *endpoint_addr(h->endpoint));
	if (socks5_say(s, SOCKS5_SUCCEEDED, &at) == 0)
		endpoint_begin(h->endpoint);
}
