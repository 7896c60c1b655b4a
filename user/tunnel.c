/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.c - see tunnel.h.
 *
 * Why a stream becomes a session only when its first message is there: that says who the visitor is, and the visitor is the
 * session's client, in the log, for limits and in the PROXY header sent to the target. The address the far end listens on is its
 * destination.
 * Owns: struct tunnel. Never: blocks, gives up.
 */
#include "tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "connector.h"
#include "mux.h"
#include "route.h"
#include "tls.h"

struct tunnel {
	struct session_host *host;
	struct service *svc;
	struct route *route;
	struct mux *mux;
	const struct connector_ops *protocol; /* of the far end */
	struct loop_timer retry;
	unsigned failures;
	struct addr bound;
	char bind_host[256];
	uint16_t bind_port;
	bool stopped;
};

static const uint64_t SECOND_NS = 1000000000ull;

static void dial(struct tunnel *t);

static void say(struct tunnel *t, enum log_level level, const char *text)
{
	struct log_record rec;

	log_begin(&rec, level);
	log_str(&rec, "kind", "service");
	log_str(&rec, "service", t->svc->cfg->name);
	log_str(&rec, "listener", t->svc->cfg->listener_type);
	log_emit(t->host->log, &rec, "%s", text);
}

/* --- again -------------------------------------------------------------------------------------------------------- */

static void on_retry(struct loop_timer *timer)
{
	dial((struct tunnel *)((char *)timer - offsetof(struct tunnel, retry)));
}

/* 1, 2, 4, 5, 5 ... seconds, as GOST. */
static void try_again(struct tunnel *t, const char *why)
{
	static const uint8_t delays[] = {1, 2, 4, 5};
	unsigned delay = delays[t->failures < 3 ? t->failures : 3];
	char text[400];

	if (t->stopped)
		return;
	t->failures++;
	snprintf(text, sizeof(text), "accept: %s, retrying in %us", why, delay);
	say(t, LOG_WARN, text);
	loop_timer_set(t->host->env.loop, &t->retry, delay * SECOND_NS, on_retry);
}

/* --- streams -------------------------------------------------------------------------------------------------------- */

/* What a visitor connected to: a port on all addresses of the far end is one of the visitor's own family. */
static struct addr destination(const struct tunnel *t, const struct addr *client)
{
	static const struct in_addr any4 = {.s_addr = INADDR_ANY};
	struct addr any = t->bound;

	if (addr_family(&any) != AF_INET6 || addr_family(client) != AF_INET)
		return any;
	if (memcmp(&any.in6.sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0)
		addr_from_in4(&any, &any4, addr_port(&t->bound));
	return any;
}

static void start_session(struct tunnel *t, struct mux_stream *st, int fd, struct addr client)
{
	addr_unmap(&client);
	struct addr local = destination(t, &client);
	atomic_fetch_add(&t->host->count, 1);
	atomic_fetch_add(t->host->total, 1);
	session_start_stream(t->host, t->svc, fd, st, &client, &local);
}

static ssize_t on_opened(void *ctx, struct mux_stream *st, const uint8_t *data, size_t len)
{
	struct tunnel *t = ctx;
	struct addr client;
	size_t consumed;

	if (t->stopped)
		return -1;
	enum connector_result result = t->protocol->visitor(data, len, &client, &consumed);
	if (result == CONNECTOR_MORE)
		return 0;
	if (result == CONNECTOR_FAILED) {
		say(t, LOG_WARN, "a stream of the tunnel does not say who is there");
		return -1;
	}
	int fd = mux_stream_attach(st);
	if (fd < 0)
		return -1;
	start_session(t, st, fd, client);
	return (ssize_t)consumed;
}

static void on_reset(void *user)
{
	struct session *s = user;

	s->stream = NULL;
	session_cut(s, PAIR_RESET_CLIENT);
}

static void on_ended(void *ctx, const char *why)
{
	struct tunnel *t = ctx;

	try_again(t, why); /* the text is the multiplexer's */
	mux_free(t->mux);
	t->mux = NULL;
}

static const struct mux_ops mux_ops = {.opened = on_opened, .reset = on_reset, .ended = on_ended};

/* --- the way to the far end --------------------------------------------------------------------------------------------- */

/* Nobody is behind this connection yet, so there is nobody to tell of. */
static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	(void)ctx, (void)plan, (void)out, (void)cap;
	return 0;
}

static void on_trouble(void *ctx, const char *text)
{
	say(ctx, LOG_WARN, text);
}

static void on_tunnel(struct tunnel *t, const struct route_result *res)
{
	static const struct mux_options opt = {.client = false, .version = 1};
	struct loop *loop = t->host->env.loop;
	char at[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 32];
	int fd = res->io->fd;

	loop_io_del(loop, res->io);
	int err = mux_new(&t->mux, loop, fd, &opt, &mux_ops, t);
	if (err) {
		tls_conn_free(res->tls);
		try_again(t, strerror(-err));
		return;
	}
	if (res->tls)
		mux_secure(t->mux, res->tls);
	t->failures = 0;
	t->protocol = res->last;
	t->bound = res->bound;
	snprintf(text, sizeof(text), "bind on %s/tcp OK", addr_format(&t->bound, at));
	say(t, LOG_INFO, text);
	if (res->surplus_len)
		mux_feed(t->mux, res->surplus, res->surplus_len);
}

static void on_routed(void *ctx, const struct route_result *res)
{
	struct tunnel *t = ctx;

	t->route = NULL;
	if (res->outcome != DIAL_OK) {
		try_again(t, res->error);
	} else if (!addr_is_set(&res->bound)) {
		tls_conn_free(res->tls);
		try_again(t, "the far end does not say where it listens");
	} else {
		on_tunnel(t, res);
	}
}

static void dial(struct tunnel *t)
{
	struct route_request req = {
		.loop = t->host->env.loop,
		.resolver = t->host->resolver,
		.named = t->host->named,
		.chain = t->svc->listener_chain,
		.host = t->bind_host,
		.port = t->bind_port,
		.command = CONNECTOR_MUX_BIND,
		.socket_opt = &t->svc->dial_opt,
		.timeout_ns = t->svc->cfg->opt.dial_timeout_ns,
		.hash = arc4random(),
		.ctx = t,
		.header = on_header,
		.trouble = on_trouble,
		.done = on_routed,
	};

	if (route_new(&t->route, &req) < 0)
		try_again(t, "out of memory");
	else
		route_run(t->route);
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

static int parse_address(struct tunnel *t)
{
	int port, err = addr_split_hostport(t->svc->cfg->addr, t->bind_host, sizeof(t->bind_host), &port);

	if (err || port < 0)
		return -EINVAL;
	t->bind_port = (uint16_t)port;
	return 0;
}

int tunnel_new(struct tunnel **out, struct session_host *host, struct service *svc)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->host = host;
	t->svc = svc;
	int err = parse_address(t);
	if (err) {
		free(t);
		return err;
	}
	*out = t;
	loop_timer_set(host->env.loop, &t->retry, 0, on_retry);
	return 0;
}

void tunnel_stop(struct tunnel *t)
{
	if (!t)
		return;
	t->stopped = true;
	loop_timer_cancel(t->host->env.loop, &t->retry);
	route_cancel(t->route);
	t->route = NULL;
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	tunnel_stop(t);
	mux_free(t->mux);
	free(t);
}
