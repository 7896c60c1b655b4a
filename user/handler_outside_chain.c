/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_outside_chain.c - see handler_outside_chain.h.
 *
 * Why the last hop is asked for a port of its own choice: that is how GOST asks a relay server for a way to anybody (BIND without a
 * port), and what SOCKS5's UDP-TUN is without one.
 * Owns: struct outside_chain. Never: looks at a datagram.
 */
#include "handler_outside_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "chain.h"
#include "connector.h"
#include "route.h"
#include "tls.h"
#include "udp_line.h"

struct outside_chain {
	struct outside *o;
	struct route *route;
	struct loop_io io;
	struct tls_conn *tls;
	struct udp_line line;
};

static struct loop *loop_of(const struct outside_chain *c)
{
	return c->o->s->host->env.loop;
}

static bool alive(const struct outside_chain *c)
{
	return c->o->s->state == SESSION_EXCHANGE;
}

/* --- the line ----------------------------------------------------------------------------------------------- */

static struct outside_chain *of_line(struct udp_line *l)
{
	return (struct outside_chain *)((char *)l - offsetof(struct outside_chain, line));
}

/* Copied to where there is room for a header in front of it. */
static void on_datagram(struct udp_line *l, const struct datagram *d)
{
	struct outside *o = of_line(l)->o;
	uint8_t *payload = o->s->host->env.buf + OUTSIDE_ROOM;
	struct addr from;

	if (!alive(of_line(l)) || !socks_target_is_numeric(&d->peer, &from)) {
		o->dropped++;
		return;
	}
	memcpy(payload, d->data, d->len);
	if (o->ops->arrived(o, payload, d->len, &from))
		o->returned++;
	else
		o->dropped++;
}

static void on_pause(struct udp_line *l)
{
	struct outside *o = of_line(l)->o;

	if (o->ops->paused && alive(of_line(l)))
		o->ops->paused(o);
}

static void on_ended(struct udp_line *l, int err, const char *why)
{
	struct outside_chain *c = of_line(l);
	char text[256];

	if (!alive(c))
		return;
	snprintf(text, sizeof(text), "the last proxy: %s", why);
	if (err)
		session_log_fault(c->o->s, LOG_ERROR, text);
	c->o->ops->lost(c->o, err);
}

static const struct udp_line_ops line_ops = {.datagram = on_datagram, .pause = on_pause, .ended = on_ended};

static void on_io(struct loop_io *io, uint32_t events)
{
	struct outside_chain *c = (struct outside_chain *)((char *)io - offsetof(struct outside_chain, io));

	(void)events;
	if (alive(c))
		udp_line_ready(&c->line);
}

int outside_chain_put(struct outside_chain *c, const struct socks_target *to, const void *data, size_t len)
{
	return udp_line_put(&c->line, to, &(struct iovec){(void *)(uintptr_t)data, len}, 1);
}

void outside_chain_flush(struct outside_chain *c)
{
	udp_line_flush(&c->line);
}

/* --- the way there ---------------------------------------------------------------------------------------------- */

static bool open_line(struct outside_chain *c, const struct route_result *res)
{
	struct udp_line_setup set = {
		.loop = loop_of(c), .io = &c->io, .tls = res->tls, .framing = res->last->udp_bind, .ops = &line_ops};

	c->tls = res->tls;
	if (loop_io_adopt(loop_of(c), res->io, &c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_io) < 0)
		return false;
	udp_line_open(&c->line, &set);
	return true;
}

static void on_routed(void *ctx, const struct route_result *res)
{
	struct outside_chain *c = ctx;
	struct outside *o = c->o;

	c->route = NULL;
	if (!alive(c)) {
		tls_conn_free(res->tls);
		return;
	}
	if (res->outcome != DIAL_OK) {
		o->ops->ready(o, res->error);
		return;
	}
	if (!open_line(c, res)) {
		o->ops->ready(o, "out of memory");
		return;
	}
	o->ops->ready(o, NULL);
	if (alive(c) && res->surplus_len)
		udp_line_feed(&c->line, res->surplus, res->surplus_len);
	if (alive(c))
		udp_line_ready(&c->line);
}

static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return session_hop_header(((struct outside_chain *)ctx)->o->s, plan, out, cap);
}

static void on_trouble(void *ctx, const char *text)
{
	session_log_fault(((struct outside_chain *)ctx)->o->s, LOG_ERROR, text);
}

static uint32_t client_hash(const struct session *s)
{
	char ip[ADDR_TEXT_MAX];

	addr_format_ip(&s->client, ip);
	return selector_hash(ip, strlen(ip));
}

static void find_way(struct outside_chain *c)
{
	const struct session *s = c->o->s;
	struct route_request req = {
		.loop = loop_of(c),
		.resolver = s->host->resolver,
		.named = s->host->named,
		.chain = s->svc->chain,
		.host = "",
		.command = CONNECTOR_UDP_BIND,
		.socket_opt = &s->svc->dial_opt,
		.client = &s->client,
		.timeout_ns = s->svc->cfg->opt.dial_timeout_ns,
		.hash = client_hash(s),
		.ctx = c,
		.header = on_header,
		.trouble = on_trouble,
		.done = on_routed,
	};

	if (route_new(&c->route, &req) < 0)
		c->o->ops->ready(c->o, "out of memory");
	else
		route_run(c->route);
}

/* A bypass says which targets do not go through the chain; here each datagram has its own. */
static int check_chain(const struct chain *chain)
{
	const struct chain_hop *last = &chain->hops[chain->hop_count - 1];

	for (size_t h = 0; h < chain->hop_count; h++) {
		if (chain->hops[h].bypass.count)
			return -EOPNOTSUPP;
		for (size_t n = 0; n < chain->hops[h].node_count; n++)
			if (chain->hops[h].nodes[n].bypass.count)
				return -EOPNOTSUPP;
	}
	for (size_t n = 0; n < last->node_count; n++)
		if (!last->nodes[n].connector->udp_bind)
			return -EPROTONOSUPPORT;
	return 0;
}

int outside_chain_new(struct outside_chain **out, struct outside *o)
{
	int err = check_chain(o->s->svc->chain);
	struct outside_chain *c = err ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return err ? err : -ENOMEM;
	c->o = o;
	c->io.fd = -1;
	c->line.closed = true; /* until it is there */
	*out = c;
	find_way(c);
	return 0;
}

void outside_chain_stop(struct outside_chain *c)
{
	route_cancel(c->route);
	c->route = NULL;
	udp_line_close(&c->line);
	if (c->tls && c->io.fd >= 0)
		tls_shutdown(c->tls);
	loop_io_close(loop_of(c), &c->io);
}

void outside_chain_free(struct outside_chain *c)
{
	if (!c)
		return;
	outside_chain_stop(c);
	tls_conn_free(c->tls);
	free(c);
}
