/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks5_udp.c - UDP ASSOCIATE: datagrams between one client and the world, for as long as its connection lasts.
 * UDP-TUN (GOST's): the same over that connection (handler_udp_tun.c).
 *
 * Why only the client's address may send: the port is open to everybody. It is the address of the connection's peer, or the
 * one that a believed PROXY header names (behind a balancer the client's datagrams come from the client). Its port is that of
 * its first datagram.
 * Owns: struct socks5_udp. Never: puts fragments together, goes round a chain.
 * See: include/handler_socks5.h, include/handler_outside.h, RFC 1928 section 7.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler_outside.h"
#include "handler_socks5.h"
#include "handler_udp_tun.h"
#include "socket_place.h"

enum { BURST = 64 }; /* datagrams of the client before others have their turn */
static const uint64_t IDLE_NS = 5 * 60 * 1000000000ull; /* where the service has no limit of its own */

struct socks5_udp {
	struct session *s;
	struct outside outside; /* towards targets */
	struct loop_io inside;	/* towards the client */
	struct addr client;	/* port 0 until its first datagram */
	uint64_t active_ns;
};

static bool alive(const struct socks5_udp *udp)
{
	return udp->s->state == SESSION_EXCHANGE;
}

void socks5_udp_free(struct session *s, struct socks5_udp *udp)
{
	if (!udp)
		return;
	outside_log_totals(&udp->outside);
	outside_free(&udp->outside);
	loop_io_close(s->host->env.loop, &udp->inside);
	free(udp);
}

/* --- from targets to the client ------------------------------------------------------------------------------------ */

static bool give_back(struct outside *o, uint8_t *payload, size_t len, const struct addr *from)
{
	struct socks5_udp *udp = (struct socks5_udp *)((char *)o - offsetof(struct socks5_udp, outside));
	struct socks5_udp_header header = {0};
	uint8_t text[SOCKS5_UDP_HEADER_MAX];

	udp->active_ns = loop_now(udp->s->host->env.loop);
	socks_target_addr(&header.target, from);
	size_t n = (size_t)socks5_build_udp(text, sizeof(text), &header); /* an address always fits */
	memcpy(payload - n, text, n);
	if (sendto(udp->inside.fd, payload - n, n + len, MSG_DONTWAIT, &udp->client.sa, udp->client.len) < 0)
		return false;
	udp->s->pair.flow[SIDE_UPSTREAM].written_bytes += n + len;
	return true;
}

static void on_lost(struct outside *o, int err)
{
	session_end(o->s, err ? PAIR_RESET_UPSTREAM : PAIR_UPSTREAM_EOF);
}

static void on_way(struct outside *o, const char *error);

static const struct outside_ops outside_ops = {.arrived = give_back, .ready = on_way, .lost = on_lost};

/* --- from the client to targets --------------------------------------------------------------------------------------- */

static ssize_t receive(int fd, uint8_t *buf, size_t cap, struct addr *from)
{
	from->len = sizeof(*from) - offsetof(struct addr, sa);
	return recvfrom(fd, buf, cap, MSG_DONTWAIT, &from->sa, &from->len);
}

static bool is_client(struct socks5_udp *udp, const struct addr *from)
{
	struct addr known = udp->client;

	if (!addr_port(&known))
		addr_set_port(&known, addr_port(from));
	if (addr_family(&known) == AF_INET6 && addr_family(from) == AF_INET6)
		known.in6.sin6_scope_id = from->in6.sin6_scope_id;
	if (!addr_equal(&known, from))
		return false;
	udp->client = *from;
	return true;
}

static void take_datagram(struct socks5_udp *udp, const uint8_t *data, size_t len, const struct addr *from)
{
	struct socks_parse in = {.data = data, .len = len};
	struct socks5_udp_header header;

	if (!is_client(udp, from) || socks5_parse_udp(&in, &header) != SOCKS_ACCEPT || header.fragment) {
		udp->outside.dropped++;
		return;
	}
	udp->s->pair.flow[SIDE_CLIENT].read_bytes += len;
	outside_send(&udp->outside, &header.target, data + in.consumed, len - in.consumed);
}

static void on_inside(struct loop_io *io, uint32_t events)
{
	struct socks5_udp *udp = (struct socks5_udp *)((char *)io - offsetof(struct socks5_udp, inside));
	struct flow_env *env = &udp->s->host->env;
	struct addr from;

	(void)events;
	if (!alive(udp))
		return;
	udp->active_ns = loop_now(env->loop);
	for (int i = 0; i < BURST; i++) {
		ssize_t n = receive(io->fd, env->buf, env->buf_size, &from);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n >= 0)
			take_datagram(udp, env->buf, (size_t)n, &from);
	}
	outside_flush(&udp->outside);
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_CLIENT);

	if (s->state == SESSION_EXCHANGE && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		session_end(s, events & EPOLLERR ? PAIR_RESET_CLIENT : PAIR_CLIENT_EOF);
}

static void on_idle(struct loop_timer *timer)
{
	struct session *s = session_of_timer(timer);
	struct socks5 *h = s->handshake;
	uint64_t limit = s->svc->cfg->opt.idle_timeout_ns ? s->svc->cfg->opt.idle_timeout_ns : IDLE_NS;
	uint64_t quiet = loop_now(s->host->env.loop) - h->udp->active_ns;

	if (quiet >= limit)
		session_end(s, PAIR_IDLE);
	else
		loop_timer_set(s->host->env.loop, &s->timer, limit - quiet, on_idle);
}

/* At the address the client reached us at, on a port of its own. */
static int open_inside(struct socks5_udp *udp)
{
	struct addr at = udp->s->local;

	if (!addr_is_set(&at))
		return -EADDRNOTAVAIL;
	int fd = outside_socket(udp->s->svc->socket_opt.place, addr_family(&at));
	if (fd < 0)
		return fd;
	addr_set_port(&at, 0);
	int err = bind(fd, &at.sa, at.len) < 0 ? -errno : 0;
	if (!err)
		err = loop_io_add(udp->s->host->env.loop, &udp->inside, fd, EPOLLIN, on_inside);
	if (err)
		close(fd);
	return err;
}

/* Why a chain cannot be used. */
static const char *socks5_udp_why(int err)
{
	if (err == -EPROTONOSUPPORT)
		return "the chain's last hop carries no datagrams";
	return err == -EOPNOTSUPP ? "the chain has a bypass, which datagrams for anybody cannot obey" : strerror(-err);
}

static struct socks5_udp *udp_new(struct session *s)
{
	struct socks5_udp *udp = calloc(1, sizeof(*udp));

	if (!udp)
		return NULL;
	udp->s = s;
	udp->inside.fd = -1;
	outside_init(&udp->outside, s, &outside_ops);
	udp->client = s->client;
	addr_set_port(&udp->client, 0);
	udp->active_ns = loop_now(s->host->env.loop);
	return udp;
}

static void associate(struct session *s, struct socks5_udp *udp)
{
	struct addr at = socks5_name_of(udp->inside.fd);
	char text[ADDR_TEXT_MAX], record[ADDR_TEXT_MAX + 32];

	snprintf(record, sizeof(record), "bind on %s/udp OK", addr_format(&at, text));
	session_log_fault(s, LOG_INFO, record);
	if (socks5_say(s, SOCKS5_SUCCEEDED, &at) < 0)
		return;
	session_take(s, on_client, NULL);
	loop_timer_set(s->host->env.loop, &s->timer, 1000000000ull, on_idle);
	if (s->pair.flow[SIDE_CLIENT].rdhup)
		session_end(s, PAIR_CLIENT_EOF);
}

static void refuse(struct session *s, const char *why)
{
	socks5_refuse(s, SOCKS5_FAILURE, "udp-failed", "SOCKS5: UDP ASSOCIATE: %s", why);
}

static void open_association(struct session *s, struct socks5_udp *udp)
{
	int err = open_inside(udp);

	if (err)
		refuse(s, strerror(-err));
	else
		associate(s, udp);
}

static void on_way(struct outside *o, const char *error)
{
	if (error)
		refuse(o->s, error);
	else
		open_association(o->s, (struct socks5_udp *)((char *)o - offsetof(struct socks5_udp, outside)));
}

/* The client waits for the chain; what it does meanwhile is the end or nothing. */
static void through_chain(struct session *s, struct socks5_udp *udp)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_take(s, on_client, NULL);
	int err = outside_dial(&udp->outside);
	if (err)
		refuse(s, socks5_udp_why(err));
}

void socks5_udp_begin(struct session *s)
{
	struct socks5 *h = s->handshake;

	h->udp = udp_new(s);
	if (!h->udp)
		refuse(s, "out of memory");
	else if (s->svc->chain)
		through_chain(s, h->udp);
	else
		open_association(s, h->udp);
}

/* --- UDP-TUN ---------------------------------------------------------------------------------------------------------- */

/* Without a port nothing is open yet, and the client has no use for an address. */
static int open_tun(struct session *s, const struct socks_target *at)
{
	struct socks5 *h = s->handshake;
	struct addr address;

	if (!at->port)
		return udp_tun_open(&h->tun, s, NULL);
	if (!at->host[0])
		addr_from_in6(&address, &in6addr_any, at->port);
	else if (!socks_target_is_numeric(at, &address))
		return -EADDRNOTAVAIL;
	return udp_tun_open(&h->tun, s, &address);
}

static void on_tun(struct loop_io *io, uint32_t events)
{
	struct socks5 *h = session_of_io(io, SIDE_CLIENT)->handshake;

	(void)events;
	udp_tun_ready(h->tun);
}

static void on_tun_way(struct session *s, const char *error)
{
	struct socks5 *h = s->handshake;

	if (error)
		socks5_refuse(s, SOCKS5_FAILURE, "udp-failed", "SOCKS5: UDP-TUN: %s", error);
	else if (socks5_say(s, SOCKS5_SUCCEEDED, udp_tun_addr(h->tun)) == 0)
		udp_tun_begin(h->tun, on_tun);
}

void socks5_udp_tun_begin(struct session *s, const struct socks_target *at)
{
	struct socks5 *h = s->handshake;

	if (s->svc->chain && at->port) {
		socks5_refuse(s, SOCKS5_NOT_ALLOWED, "bind-failed", "SOCKS5: a port for datagrams is not opened through a chain");
		return;
	}
	int err = open_tun(s, at);
	if (!err && s->svc->chain)
		err = udp_tun_dial(h->tun, on_tun, on_tun_way);
	else if (!err)
		on_tun_way(s, NULL);
	if (err)
		socks5_refuse(s, SOCKS5_FAILURE, at->port ? "bind-failed" : "udp-failed", "SOCKS5: UDP-TUN at %s port %u: %s",
			      at->host, at->port, socks5_udp_why(err));
}
