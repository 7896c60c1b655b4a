/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks5_udp.c - UDP ASSOCIATE: datagrams between one client and the world, for as long as its connection lasts.
 *
 * Why only the client's address may send: the port is open to everybody. It is the address of the connection's peer, or the
 * one that a believed PROXY header names (behind a balancer the client's datagrams come from the client). Its port is that of
 * its first datagram.
 * Why one socket for each family: it serves every target, so an association costs three descriptors, whatever it does.
 * Owns: struct socks5_udp. Never: puts fragments together, cuts a datagram, goes round a chain, resolves but through the
 * service's hosts and resolver.
 * See: include/handler_socks5.h, RFC 1928 section 7.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler_socks5.h"
#include "hosts.h"
#include "matcher.h"
#include "resolver.h"
#include "socket_place.h"

enum {
	BURST = 64,	     /* datagrams of one socket before others have their turn */
	LOOKUPS = 4,	     /* datagrams that wait for their target's address */
	BUFFER = 512 * 1024, /* a burst must wait somewhere */
};
static const uint64_t IDLE_NS = 5 * 60 * 1000000000ull; /* where the service has no limit of its own */

struct lookup {
	struct resolver_request req;
	struct resolver *resolver;
	struct socks5_udp *udp;
	uint8_t *data; /* NULL: free */
	size_t len;
};

struct socks5_udp {
	struct session *s;
	struct loop_io inside;	  /* towards the client */
	struct loop_io outside[2]; /* towards targets, IPv4 and IPv6; fd -1 until there is one to send to */
	struct addr client;	   /* port 0 until its first datagram */
	uint64_t active_ns, sent, returned, dropped;
	struct lookup lookups[LOOKUPS];
};

static bool alive(const struct socks5_udp *udp)
{
	return udp->s->state == SESSION_EXCHANGE;
}

static void log_totals(struct socks5_udp *udp)
{
	char text[128];

	snprintf(text, sizeof(text), "udp: %" PRIu64 " datagrams sent, %" PRIu64 " returned, %" PRIu64 " dropped", udp->sent,
		 udp->returned, udp->dropped);
	session_log_fault(udp->s, LOG_INFO, text);
}

void socks5_udp_free(struct session *s, struct socks5_udp *udp)
{
	struct loop *loop = s->host->env.loop;

	if (!udp)
		return;
	log_totals(udp);
	for (int i = 0; i < LOOKUPS; i++) {
		if (udp->lookups[i].data)
			resolver_cancel(udp->lookups[i].resolver, &udp->lookups[i].req);
		free(udp->lookups[i].data);
	}
	loop_io_close(loop, &udp->inside);
	loop_io_close(loop, &udp->outside[0]);
	loop_io_close(loop, &udp->outside[1]);
	free(udp);
}

static int open_socket(const struct socket_place *place, int family)
{
	int on = 1, size = BUFFER, fd = socket_place_open(place, family, SOCK_DGRAM);

	if (fd < 0)
		return fd;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static ssize_t receive(int fd, uint8_t *buf, size_t cap, struct addr *from)
{
	from->len = sizeof(*from) - offsetof(struct addr, sa);
	return recvfrom(fd, buf, cap, MSG_DONTWAIT, &from->sa, &from->len);
}

/* --- from targets to the client ------------------------------------------------------------------------------------ */

/* payload lies in the buffer with room for a header in front of it. */
static void give_back(struct socks5_udp *udp, uint8_t *payload, size_t len, const struct addr *from)
{
	struct socks5_udp_header header = {0};
	uint8_t text[SOCKS5_UDP_HEADER_MAX];

	socks_target_addr(&header.target, from);
	size_t n = (size_t)socks5_build_udp(text, sizeof(text), &header); /* an address always fits */
	memcpy(payload - n, text, n);
	if (sendto(udp->inside.fd, payload - n, n + len, MSG_DONTWAIT, &udp->client.sa, udp->client.len) < 0) {
		udp->dropped++;
		return;
	}
	udp->returned++;
	udp->s->pair.flow[SIDE_UPSTREAM].written_bytes += n + len;
}

static void from_outside(struct socks5_udp *udp, int fd)
{
	struct flow_env *env = &udp->s->host->env;
	uint8_t *payload = env->buf + SOCKS5_UDP_HEADER_MAX;
	struct addr from;

	if (!alive(udp))
		return;
	udp->active_ns = loop_now(env->loop);
	for (int i = 0; i < BURST; i++) {
		ssize_t n = receive(fd, payload, env->buf_size - SOCKS5_UDP_HEADER_MAX, &from);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n >= 0) /* an ICMP error of an earlier datagram is not the end */
			give_back(udp, payload, (size_t)n, &from);
	}
}

static void on_outside_v4(struct loop_io *io, uint32_t events)
{
	(void)events;
	from_outside((struct socks5_udp *)((char *)io - offsetof(struct socks5_udp, outside[0])), io->fd);
}

static void on_outside_v6(struct loop_io *io, uint32_t events)
{
	(void)events;
	from_outside((struct socks5_udp *)((char *)io - offsetof(struct socks5_udp, outside[1])), io->fd);
}

/* --- from the client to targets --------------------------------------------------------------------------------------- */

/* Bound as a connection to this first target would be. */
static int open_outside(const struct session *s, const struct addr *to)
{
	const struct socket_place *place = s->svc->dial_opt.place;
	int fd = -EAFNOSUPPORT, err;

	for (size_t way = 0; way < socket_place_ways(place); way++) {
		if (!socket_place_allows(place, way, to))
			continue;
		fd = open_socket(place, addr_family(to));
		if (fd < 0)
			continue;
		err = socket_place_bind(place, fd, way, &s->client, to);
		if (!err)
			return fd;
		close(fd);
		fd = err;
	}
	return fd;
}

static struct loop_io *socket_for(struct socks5_udp *udp, const struct addr *to)
{
	bool six = addr_family(to) == AF_INET6;
	struct loop_io *io = &udp->outside[six];

	if (io->fd >= 0)
		return io;
	int fd = open_outside(udp->s, to);
	if (fd < 0)
		return NULL;
	if (loop_io_add(udp->s->host->env.loop, io, fd, EPOLLIN, six ? on_outside_v6 : on_outside_v4) < 0) {
		close(fd);
		return NULL;
	}
	return io;
}

static void send_out(struct socks5_udp *udp, const struct addr *to, const uint8_t *data, size_t len)
{
	struct loop_io *io = socket_for(udp, to);

	if (io && sendto(io->fd, data, len, MSG_DONTWAIT, &to->sa, to->len) >= 0)
		udp->sent++;
	else
		udp->dropped++;
}

static void on_resolved(struct resolver_request *req, int status, const struct addr *addrs, size_t count, const char *error)
{
	struct lookup *lookup = (struct lookup *)((char *)req - offsetof(struct lookup, req));

	(void)error;
	if (status < 0 || !count)
		lookup->udp->dropped++;
	else
		send_out(lookup->udp, &addrs[0], lookup->data, lookup->len);
	free(lookup->data);
	lookup->data = NULL;
}

static struct lookup *free_lookup(struct socks5_udp *udp)
{
	for (int i = 0; i < LOOKUPS; i++)
		if (!udp->lookups[i].data)
			return &udp->lookups[i];
	return NULL;
}

static void look_up(struct socks5_udp *udp, const struct socks_target *target, const uint8_t *data, size_t len)
{
	const struct access_rules *access = &udp->s->svc->access;
	struct addr known[HOSTS_ADDRS_MAX];

	if (access->hosts && hosts_find(access->hosts, target->host, target->port, known)) {
		send_out(udp, &known[0], data, len);
		return;
	}
	struct lookup *lookup = target->host[0] ? free_lookup(udp) : NULL;
	if (lookup)
		lookup->data = malloc(len ? len : 1);
	if (!lookup || !lookup->data) {
		udp->dropped++;
		return;
	}
	memcpy(lookup->data, data, len);
	lookup->len = len;
	lookup->udp = udp;
	lookup->resolver = access->resolver < 0 ? udp->s->host->resolver : udp->s->host->named[access->resolver];
	resolver_lookup(lookup->resolver, &lookup->req, target->host, target->port, on_resolved);
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
	struct addr to;

	if (!is_client(udp, from) || socks5_parse_udp(&in, &header) != SOCKS_ACCEPT || header.fragment ||
	    matcher_group_refuses(&udp->s->svc->access.bypass, header.target.host, header.target.port)) {
		udp->dropped++;
		return;
	}
	udp->s->pair.flow[SIDE_CLIENT].read_bytes += len;
	if (socks_target_is_numeric(&header.target, &to))
		send_out(udp, &to, data + in.consumed, len - in.consumed);
	else
		look_up(udp, &header.target, data + in.consumed, len - in.consumed);
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
			return;
		if (n >= 0)
			take_datagram(udp, env->buf, (size_t)n, &from);
	}
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
	int fd = open_socket(udp->s->svc->socket_opt.place, addr_family(&at));
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

static struct socks5_udp *udp_new(struct session *s)
{
	struct socks5_udp *udp = calloc(1, sizeof(*udp));

	if (!udp)
		return NULL;
	udp->s = s;
	udp->inside.fd = udp->outside[0].fd = udp->outside[1].fd = -1;
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

void socks5_udp_begin(struct session *s)
{
	struct socks5 *h = s->handshake;

	if (s->svc->chain) {
		socks5_refuse(s, SOCKS5_NOT_ALLOWED, "udp-failed", "SOCKS5: UDP ASSOCIATE is not carried through a chain");
		return;
	}
	h->udp = udp_new(s);
	int err = h->udp ? open_inside(h->udp) : -ENOMEM;
	if (err)
		socks5_refuse(s, SOCKS5_FAILURE, "udp-failed", "SOCKS5: UDP ASSOCIATE: %s", strerror(-err));
	else
		associate(s, h->udp);
}
