/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_chain.c - a UDP session's way through a chain: a connection to the last hop, which carries its datagrams.
 *
 * Why one connection for each session: so the far end's target sees a source port for each client, as it does without a chain,
 * and an answer can only be that client's. An answer that its frame says is from somebody else than the target is dropped.
 * Where frames carry the target's address its name is looked up once (route.c), as GOST does; otherwise the chain is told it.
 * Owns: struct udp_chain (from the first look for a way on); the socket is the session's. Never: goes round a hop, opens a way again by itself (the client's
 * next datagram does).
 * See: include/udp_line.h, include/route.h; session_dial.c does the same for TCP.
 */
#include "udp_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "chain.h"
#include "connector.h"
#include "route.h"
#include "tls.h"
#include "udp_line.h"
#include "udp_session.h"

struct udp_chain {
	struct udp_session *s;
	struct udp_line line;
	struct tls_conn *tls;
	struct socks_target target; /* as frames name it, where they do; host "": they do not */
};

static struct loop *loop_of(const struct udp_session *s)
{
	return s->service->host->env.loop;
}

/* --- the line -------------------------------------------------------------------------------------------- */

static struct udp_session *session_of(struct udp_line *l)
{
	return ((struct udp_chain *)((char *)l - offsetof(struct udp_chain, line)))->s;
}

static bool is_from_target(const struct udp_chain *c, const struct datagram *d)
{
	return !c->line.set.framing->addressed ||
	       (d->peer.port == c->target.port && !strcmp(d->peer.host, c->target.host));
}

static void on_datagram(struct udp_line *l, const struct datagram *d)
{
	struct udp_session *s = session_of(l);

	if (!is_from_target(s->chain, d)) {
		s->dropped++;
		return;
	}
	udp_session_answered(s);
	udp_session_answer(s, &(struct iovec){(void *)(uintptr_t)d->data, d->len});
}

static void on_pause(struct udp_line *l)
{
	struct udp_session *s = session_of(l);

	udp_table_touch(&s->service->table, &s->entry, loop_now(loop_of(s)));
	udp_service_flush(s->service);
}

static const char *reason_of(int err)
{
	if (!err)
		return "upstream-eof";
	return err == -ECONNRESET || err == -EPIPE ? "reset-by-upstream" : "upstream-error";
}

static void on_ended(struct udp_line *l, int err, const char *why)
{
	struct udp_session *s = session_of(l);
	char text[256];

	snprintf(text, sizeof(text), "the last proxy: %s", why);
	if (err)
		udp_log_fault(s, LOG_ERROR, text);
	udp_session_end(s, reason_of(err));
}

static const struct udp_line_ops line_ops = {.datagram = on_datagram, .pause = on_pause, .ended = on_ended};

static void on_stream(struct loop_io *io, uint32_t events)
{
	struct udp_session *s = (struct udp_session *)((char *)io - offsetof(struct udp_session, io));

	(void)events;
	udp_line_ready(&s->chain->line);
}

int udp_chain_put(struct udp_session *s, const struct iovec *part, size_t count)
{
	return udp_line_put(&s->chain->line, &s->chain->target, part, count);
}

void udp_chain_flush(struct udp_session *s)
{
	udp_line_flush(&s->chain->line);
}

void udp_chain_stop(struct udp_session *s)
{
	if (!s->framed)
		return;
	udp_line_close(&s->chain->line);
	if (s->chain->tls)
		tls_shutdown(s->chain->tls);
}

void udp_chain_free(struct udp_session *s)
{
	if (!s->chain)
		return;
	tls_conn_free(s->chain->tls);
	free(s->chain);
}

/* --- the way there ------------------------------------------------------------------------------------------ */

static bool open_line(struct udp_session *s, const struct route_result *res)
{
	struct udp_chain *c = s->chain;
	struct udp_line_setup set = {
		.loop = loop_of(s),
		.io = &s->io,
		.tls = res->tls,
		.framing = res->last->udp,
		.ops = &line_ops,
		.late = res->late,
		.late_count = res->late_count,
	};

	c->tls = res->tls;
	c->target.port = s->service->svc->nodes[s->node].port;
	if (set.framing->addressed)
		snprintf(c->target.host, sizeof(c->target.host), "%s", res->target);
	if (loop_io_adopt(loop_of(s), res->io, &s->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_stream) < 0) {
		udp_session_end(s, "no-memory");
		return false;
	}
	udp_line_open(&c->line, &set);
	s->framed = true;
	s->upstream_src.len = sizeof(s->upstream_src) - offsetof(struct addr, sa);
	if (getsockname(s->io.fd, &s->upstream_src.sa, &s->upstream_src.len) < 0)
		s->upstream_src.len = 0;
	return true;
}

static void on_way(struct udp_session *s, const struct route_result *res)
{
	if (!res->last) { /* a bypass said so */
		int fd = res->io->fd;
		loop_io_del(loop_of(s), res->io);
		udp_session_connected(s, fd);
		return;
	}
	if (!open_line(s, res))
		return;
	udp_session_opened(s);
	if (!s->ended && res->surplus_len)
		udp_line_feed(&s->chain->line, res->surplus, res->surplus_len);
	if (!s->ended)
		udp_line_ready(&s->chain->line);
}

static void on_routed(void *ctx, const struct route_result *res)
{
	struct udp_session *s = ctx;

	s->route = NULL;
	s->upstream = res->at;
	if (res->outcome != DIAL_OK)
		udp_dial_failed(s, res->outcome, res->error);
	else
		on_way(s, res);
}

static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return udp_header_hop(ctx, plan, out, cap);
}

static void on_trouble(void *ctx, const char *text)
{
	udp_log_fault(ctx, LOG_ERROR, text);
}

static void find_way(struct udp_session *s)
{
	const struct service *svc = s->service->svc;
	const struct service_node *node = &svc->nodes[s->node];
	struct route_request req = {
		.loop = loop_of(s),
		.resolver = s->service->host->resolver,
		.named = s->service->host->named,
		.hosts = svc->access.hosts,
		.target_resolver = svc->access.resolver < 0 ? NULL : s->service->host->named[svc->access.resolver],
		.chain = svc->chain,
		.host = node->host,
		.port = node->port,
		.command = CONNECTOR_UDP,
		.whole = node->send.version != 0,
		.socket_opt = &svc->dial_opt,
		.client = &s->client,
		.timeout_ns = svc->cfg->opt.dial_timeout_ns,
		.hash = udp_dial_hash(s),
		.ctx = s,
		.header = on_header,
		.trouble = on_trouble,
		.done = on_routed,
	};

	if (route_new(&s->route, &req) < 0) {
		udp_session_end(s, "no-memory");
		return;
	}
	route_run(s->route);
}

void udp_chain_dial(struct udp_session *s)
{
	if (!s->chain)
		s->chain = calloc(1, sizeof(*s->chain));
	if (!s->chain) {
		udp_session_end(s, "no-memory");
		return;
	}
	s->chain->s = s;
	find_way(s);
}

void udp_chain_cancel(struct udp_session *s)
{
	route_cancel(s->route);
	s->route = NULL;
}
