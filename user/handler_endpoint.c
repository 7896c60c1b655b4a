/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_endpoint.c - a port is opened here, whoever connects to it goes through the client's connection (relay's BIND,
 * SOCKS5's MUX-BIND).
 *
 * Why the client's session gets one end of a socket pair as its upstream, with the multiplexer behind the other end: it stays
 * an ordinary session (counted, logged, TLS and all), and each visitor is another one, whose upstream is a stream.
 * A visitor may open with a PROXY header when the service receives those (GOST ignores the option here).
 * Owns: endpoints: the listener, the multiplexer; gone with the client's session and the last visitor's.
 * Never: survives its client: the port is free again as soon as the connection is.
 * See: include/handler_endpoint.h, include/mux.h, user/tunnel.c (the other end).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler_endpoint.h"
#include "listener.h"
#include "mux.h"
#include "session.h"

struct endpoint {
	struct service svc; /* the client's, with another handler and address */
	struct service_config cfg;
	char name[256];
	struct session_host *host;
	struct session *client; /* NULL: gone */
	struct listener *listener;
	struct mux *mux;
	endpoint_greet_fn greet; /* NULL: streams begin with payload */
	int tunnel_fd;           /* for the client's session, until that has it */
	unsigned users; /* the client's session and the visitors' */
	struct loop_task bury;
};

static struct endpoint *endpoint_of(const struct session *s)
{
	return (struct endpoint *)((char *)s->svc - offsetof(struct endpoint, svc));
}

/* --- the end -------------------------------------------------------------------------------------------------- */

static void on_bury(struct loop_task *task)
{
	struct endpoint *ep = (struct endpoint *)((char *)task - offsetof(struct endpoint, bury));

	listener_free(ep->listener);
	mux_free(ep->mux);
	if (ep->tunnel_fd >= 0)
		close(ep->tunnel_fd);
	free(ep);
}

static void leave(struct endpoint *ep)
{
	if (--ep->users == 0)
		loop_defer(ep->host->env.loop, &ep->bury, on_bury);
}

/* No visitor is left and none may come. */
static void end_if_unused(struct endpoint *ep)
{
	if (ep->host->draining && ep->client && ep->users == 1)
		session_cut(ep->client, PAIR_DRAIN);
}

static void on_mux_ended(void *ctx, const char *why)
{
	struct endpoint *ep = ctx;

	if (ep->client)
		session_log_fault(ep->client, LOG_INFO, why); /* the text is the multiplexer's */
	listener_free(ep->listener);
	ep->listener = NULL;
	mux_free(ep->mux);
	ep->mux = NULL;
	if (ep->client)
		session_cut(ep->client, PAIR_RESET_CLIENT);
}

static void on_stream_reset(void *user)
{
	struct session *s = user;

	s->stream = NULL;
	session_cut(s, PAIR_RESET_UPSTREAM);
}

static const struct mux_ops mux_ops = {.reset = on_stream_reset, .ended = on_mux_ended};

void endpoint_release(struct endpoint *ep)
{
	if (!ep)
		return;
	ep->client = NULL;
	listener_free(ep->listener); /* the port is free at once */
	ep->listener = NULL;
	mux_free(ep->mux);
	ep->mux = NULL;
	leave(ep);
}

void endpoint_drain(struct endpoint *ep)
{
	if (!ep)
		return;
	listener_free(ep->listener);
	ep->listener = NULL;
	end_if_unused(ep);
}

/* One end of a socket pair: nothing for the kernel path. */
static void not_tcp(struct session *s)
{
	for (int i = 0; i < 2; i++)
		s->pair.flow[i].no_splice = true;
}

/* --- visitors --------------------------------------------------------------------------------------------------- */

/* The stream begins with who is there. */
static int open_stream(struct session *s, struct endpoint *ep)
{
	uint8_t message[ENDPOINT_GREETING_MAX];
	ssize_t n = ep->greet ? ep->greet(message, sizeof(message), &s->client) : 0;

	if (n < 0)
		return (int)n;
	return ep->mux ? mux_open(ep->mux, message, (size_t)n, &s->stream) : -EPIPE;
}

static void visitor_start(struct session *s)
{
	struct endpoint *ep = endpoint_of(s);
	struct addr client = ep->client ? ep->client->peer : s->peer;
	int fd = open_stream(s, ep);

	if (fd < 0) {
		session_fail(s, LOG_WARN, "dial-failed", "no way through the tunnel: %s", strerror(-fd));
		return;
	}
	mux_stream_bind(s->stream, s);
	not_tcp(s);
	session_take(s, NULL, NULL);
	if (session_adopt(s, fd, &client) == 0)
		session_hand_over(s);
}

static void visitor_release(struct session *s)
{
	struct endpoint *ep = endpoint_of(s);

	leave(ep);
	end_if_unused(ep);
}

static const struct handler_ops handler_visitor_ops = {
	.name = "ep-tcp",
	.start = visitor_start,
	.release = visitor_release,
};

static void on_accepted(void *ctx, int fd, const struct addr *peer)
{
	struct endpoint *ep = ctx;

	atomic_fetch_add(&ep->host->count, 1);
	atomic_fetch_add(ep->host->total, 1);
	ep->users++;
	session_start(ep->host, &ep->svc, fd, peer);
}

static bool may_accept(void *ctx)
{
	return ((struct endpoint *)ctx)->mux != NULL;
}

static void on_trouble(void *ctx, int err, const char *what)
{
	struct endpoint *ep = ctx;
	struct log_record rec;

	log_begin(&rec, LOG_WARN);
	log_str(&rec, "kind", "listener");
	log_str(&rec, "service", ep->cfg.name);
	log_emit(ep->host->log, &rec, "accept: %s: %s", strerror(err), what);
}

static const struct listener_ops listener_ops = {
	.accepted = on_accepted,
	.may_accept = may_accept,
	.trouble = on_trouble,
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static struct endpoint *endpoint_new(struct session *s, endpoint_greet_fn greet)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return NULL;
	ep->svc = *s->svc;
	ep->cfg = *s->svc->cfg;
	ep->svc.cfg = &ep->cfg;
	ep->svc.handler = &handler_visitor_ops;
	ep->svc.tls = NULL;
	ep->cfg.name = ep->name;
	ep->host = s->host;
	ep->client = s;
	ep->greet = greet;
	ep->tunnel_fd = -1;
	ep->users = 1;
	return ep;
}

static int endpoint_listen(struct endpoint *ep, const struct addr *at)
{
	char text[ADDR_TEXT_MAX];
	int err = listener_probe(at, ep->svc.socket_opt.place);

	if (!err)
		err = listener_new(&ep->listener, ep->host->env.loop, at, &ep->svc.socket_opt, &listener_ops, ep);
	if (err)
		return err;
	ep->svc.at = *listener_addr(ep->listener);
	snprintf(ep->name, sizeof(ep->name), "%s-ep-%s", ep->client->svc->cfg->name, addr_format(&ep->svc.at, text));
	return 0;
}

/* The multiplexer behind one end of a pair; the other is for the client's session. */
static int endpoint_tunnel(struct endpoint *ep)
{
	const struct mux_options opt = {.client = true, .version = ep->client->svc->cfg->opt.mux_version == 2 ? 2 : 1};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	int err = mux_new(&ep->mux, ep->host->env.loop, pair[0], &opt, &mux_ops, ep);
	ep->tunnel_fd = pair[1]; /* closed with the endpoint, also on failure */
	return err;
}

static void announce(struct session *s, const struct addr *at)
{
	char to[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 32];

	snprintf(text, sizeof(text), "bind on %s/tcp OK", addr_format(at, to));
	session_log_fault(s, LOG_INFO, text);
}

int endpoint_open(struct endpoint **out, struct session *s, const struct addr *at, endpoint_greet_fn greet)
{
	struct endpoint *ep = endpoint_new(s, greet);
	int err = ep ? endpoint_listen(ep, at) : -ENOMEM;

	if (!err)
		err = endpoint_tunnel(ep);
	if (err && ep)
		on_bury(&ep->bury);
	if (!err)
		*out = ep;
	return err;
}

const struct addr *endpoint_addr(const struct endpoint *ep)
{
	return &ep->svc.at;
}

void endpoint_begin(struct endpoint *ep)
{
	struct session *s = ep->client;
	int fd = ep->tunnel_fd;

	ep->tunnel_fd = -1;
	announce(s, &ep->svc.at);
	not_tcp(s);
	session_take(s, NULL, NULL);
	if (session_adopt(s, fd, &ep->svc.at) == 0)
		session_hand_over(s);
}
