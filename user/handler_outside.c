/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_outside.c - see handler_outside.h.
 *
 * Owns: what its users embed. Never: answers anybody.
 */
#include "handler_outside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler_outside_chain.h"
#include "hosts.h"
#include "matcher.h"
#include "socket_place.h"

enum {
	BURST = 64,	     /* datagrams of one socket before others have their turn */
	BUFFER = 512 * 1024, /* a burst must wait somewhere */
};

/* --- life ------------------------------------------------------------------------------------------------- */

void outside_init(struct outside *o, struct session *s, const struct outside_ops *ops)
{
	*o = (struct outside){.s = s, .ops = ops};
	o->io[0].fd = o->io[1].fd = -1;
}

void outside_close(struct outside *o)
{
	struct loop *loop = o->s->host->env.loop;

	for (int i = 0; i < OUTSIDE_LOOKUPS; i++) {
		if (o->lookups[i].data)
			resolver_cancel(o->lookups[i].resolver, &o->lookups[i].req);
		free(o->lookups[i].data);
		o->lookups[i].data = NULL;
	}
	loop_io_close(loop, &o->io[0]);
	loop_io_close(loop, &o->io[1]);
	if (o->chain)
		outside_chain_stop(o->chain);
}

void outside_free(struct outside *o)
{
	outside_close(o);
	outside_chain_free(o->chain);
	o->chain = NULL;
}

int outside_dial(struct outside *o)
{
	return outside_chain_new(&o->chain, o);
}

void outside_log_totals(const struct outside *o)
{
	char text[128];

	snprintf(text, sizeof(text), "udp: %" PRIu64 " datagrams sent, %" PRIu64 " returned, %" PRIu64 " dropped", o->sent,
		 o->returned, o->dropped);
	session_log_fault(o->s, LOG_INFO, text);
}

/* --- sockets ------------------------------------------------------------------------------------------------ */

int outside_socket(const struct socket_place *place, int family)
{
	int on = 1, size = BUFFER, fd = socket_place_open(place, family, SOCK_DGRAM);

	if (fd < 0)
		return fd;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

/* An ICMP error of an earlier datagram is not the end. */
static void receive_all(struct outside *o, int fd)
{
	struct flow_env *env = &o->s->host->env;
	uint8_t *payload = env->buf + OUTSIDE_ROOM;
	struct addr from;

	for (int i = 0; i < BURST; i++) {
		from.len = sizeof(from) - offsetof(struct addr, sa);
		ssize_t n = recvfrom(fd, payload, env->buf_size - OUTSIDE_ROOM, MSG_DONTWAIT, &from.sa, &from.len);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			continue;
		addr_unmap(&from);
		if (o->ops->arrived(o, payload, (size_t)n, &from))
			o->returned++;
		else
			o->dropped++;
	}
	if (o->ops->paused)
		o->ops->paused(o);
}

static void on_first(struct loop_io *io, uint32_t events)
{
	struct outside *o = (struct outside *)((char *)io - offsetof(struct outside, io[0]));

	(void)events;
	if (o->s->state == SESSION_EXCHANGE)
		receive_all(o, io->fd);
}

static void on_second(struct loop_io *io, uint32_t events)
{
	struct outside *o = (struct outside *)((char *)io - offsetof(struct outside, io[1]));

	(void)events;
	if (o->s->state == SESSION_EXCHANGE)
		receive_all(o, io->fd);
}

/* Bound as a connection to this first target would be. */
static int open_towards(const struct session *s, const struct addr *to)
{
	const struct socket_place *place = s->svc->dial_opt.place;
	int fd = -EAFNOSUPPORT, err;

	for (size_t way = 0; way < socket_place_ways(place); way++) {
		if (!socket_place_allows(place, way, to))
			continue;
		fd = outside_socket(place, addr_family(to));
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

static struct loop_io *socket_for(struct outside *o, const struct addr *to)
{
	bool six = addr_family(to) == AF_INET6 && !addr_is_set(&o->at);
	struct loop_io *io = &o->io[six];

	if (io->fd >= 0)
		return io;
	int fd = open_towards(o->s, to);
	if (fd < 0)
		return NULL;
	if (loop_io_add(o->s->host->env.loop, io, fd, EPOLLIN, six ? on_second : on_first) < 0) {
		close(fd);
		return NULL;
	}
	return io;
}

int outside_bind(struct outside *o, const struct addr *at)
{
	int off = 0, fd = outside_socket(o->s->svc->socket_opt.place, addr_family(at));

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)); /* fails for IPv4, which has none */
	int err = bind(fd, &at->sa, at->len) < 0 ? -errno : 0;
	if (!err)
		err = loop_io_add(o->s->host->env.loop, &o->io[0], fd, EPOLLIN, on_first);
	if (err) {
		close(fd);
		return err;
	}
	o->at.len = sizeof(o->at) - offsetof(struct addr, sa);
	return getsockname(fd, &o->at.sa, &o->at.len) < 0 ? -errno : 0;
}

/* --- sending ------------------------------------------------------------------------------------------------ */

/* The socket of a port is of one family, and IPv6 speaks IPv4, too. */
static void fit_family(const struct outside *o, struct addr *to)
{
	uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	if (!addr_is_set(&o->at) || addr_family(&o->at) != AF_INET6 || addr_family(to) != AF_INET)
		return;
	memcpy(mapped + 12, &to->in4.sin_addr, 4);
	addr_from_in6(to, mapped, addr_port(to));
}

static void too_big(struct outside *o)
{
	if (!o->too_big)
		session_log_fault(o->s, LOG_WARN, "a datagram is too long for the path to its target: dropped");
	o->too_big = true;
}

static void send_to_chain(struct outside *o, const struct socks_target *to, const uint8_t *data, size_t len)
{
	int err = outside_chain_put(o->chain, to, data, len);

	if (err == -EMSGSIZE)
		too_big(o);
	if (err)
		o->dropped++;
	else
		o->sent++;
}

static void send_out(struct outside *o, const struct addr *target, const uint8_t *data, size_t len)
{
	struct addr to = *target;
	struct socks_target named;

	if (o->chain) {
		socks_target_addr(&named, target);
		send_to_chain(o, &named, data, len);
		return;
	}
	struct loop_io *io = socket_for(o, &to);
	fit_family(o, &to);
	if (io && sendto(io->fd, data, len, MSG_DONTWAIT, &to.sa, to.len) >= 0) {
		o->sent++;
		return;
	}
	if (io && errno == EMSGSIZE)
		too_big(o);
	o->dropped++;
}

static void on_resolved(struct resolver_request *req, int status, const struct addr *addrs, size_t count, const char *error)
{
	struct outside_lookup *lookup = (struct outside_lookup *)((char *)req - offsetof(struct outside_lookup, req));

	(void)error;
	if (status < 0 || !count)
		lookup->outside->dropped++;
	else
		send_out(lookup->outside, &addrs[0], lookup->data, lookup->len);
	free(lookup->data);
	lookup->data = NULL;
	outside_flush(lookup->outside);
}

static struct outside_lookup *free_lookup(struct outside *o)
{
	for (int i = 0; i < OUTSIDE_LOOKUPS; i++)
		if (!o->lookups[i].data)
			return &o->lookups[i];
	return NULL;
}

static void look_up(struct outside *o, const struct socks_target *target, const uint8_t *data, size_t len)
{
	const struct access_rules *access = &o->s->svc->access;
	struct addr known[HOSTS_ADDRS_MAX];

	if (access->hosts && hosts_find(access->hosts, target->host, target->port, known)) {
		send_out(o, &known[0], data, len);
		return;
	}
	struct outside_lookup *lookup = target->host[0] ? free_lookup(o) : NULL;
	if (lookup)
		lookup->data = malloc(len ? len : 1);
	if (!lookup || !lookup->data) {
		o->dropped++;
		return;
	}
	memcpy(lookup->data, data, len);
	lookup->len = len;
	lookup->outside = o;
	lookup->resolver = access->resolver < 0 ? o->s->host->resolver : o->s->host->named[access->resolver];
	resolver_lookup(lookup->resolver, &lookup->req, target->host, target->port, on_resolved);
}

/* A chain is told an address where the service has its own way to find one. */
static bool looks_up_itself(const struct outside *o, const struct socks_target *target)
{
	const struct access_rules *access = &o->s->svc->access;
	struct addr known[HOSTS_ADDRS_MAX];

	return access->resolver >= 0 || (access->hosts && hosts_find(access->hosts, target->host, target->port, known));
}

void outside_send(struct outside *o, const struct socks_target *target, const uint8_t *data, size_t len)
{
	struct addr to;

	if (matcher_group_refuses(&o->s->svc->access.bypass, target->host, target->port))
		o->dropped++;
	else if (socks_target_is_numeric(target, &to))
		send_out(o, &to, data, len);
	else if (o->chain && target->host[0] && !looks_up_itself(o, target))
		send_to_chain(o, target, data, len);
	else
		look_up(o, target, data, len);
}

void outside_flush(struct outside *o)
{
	if (o->chain)
		outside_chain_flush(o->chain);
}
