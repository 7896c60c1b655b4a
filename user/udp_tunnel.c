/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_tunnel.c - see udp_tunnel.h.
 *
 * Why the end of the connection is dealt with later: it may be met while an answer is sent, in the middle of a session's end.
 * Owns: struct udp_tunnel. Never: blocks, gives up.
 */
#include "udp_tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "far_port.h"
#include "route.h"
#include "tls.h"
#include "udp_line.h"
#include "udp_session.h"

struct udp_tunnel {
	struct udp_service *u;
	struct far_port port;
	struct loop_io io;
	struct tls_conn *tls;
	struct udp_line line;
	struct loop_task lost;
	char why[160];
};

static struct loop *loop_of(const struct udp_tunnel *t)
{
	return t->u->host->env.loop;
}

static struct udp_tunnel *of_line(struct udp_line *l)
{
	return (struct udp_tunnel *)((char *)l - offsetof(struct udp_tunnel, line));
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void hang_up(struct udp_tunnel *t)
{
	udp_line_close(&t->line);
	if (t->tls && t->io.fd >= 0)
		tls_shutdown(t->tls);
	loop_io_close(loop_of(t), &t->io);
	tls_conn_free(t->tls);
	t->tls = NULL;
}

static void on_lost(struct loop_task *task)
{
	struct udp_tunnel *t = (struct udp_tunnel *)((char *)task - offsetof(struct udp_tunnel, lost));

	hang_up(t);
	while (t->u->table.oldest)
		udp_session_end(udp_service_session(t->u->table.oldest), "tunnel-lost");
	far_port_again(&t->port, t->why);
}

static void on_ended(struct udp_line *l, int err, const char *why)
{
	struct udp_tunnel *t = of_line(l);

	udp_service_pause(t->u);
	snprintf(t->why, sizeof(t->why), "%s", err ? why : "the other end closed the tunnel");
	loop_defer(loop_of(t), &t->lost, on_lost);
}

/* --- visitors ----------------------------------------------------------------------------------------------------- */

static void on_datagram(struct udp_line *l, const struct datagram *d)
{
	struct udp_tunnel *t = of_line(l);
	struct udp_arrival in = {.data = {(void *)(uintptr_t)d->data, d->len}};

	if (!d->peer.port || !socks_target_is_numeric(&d->peer, &in.peer))
		return;
	in.local = far_port_destination(&t->port, &in.peer);
	udp_service_take(t->u, &in);
}

static void on_pause(struct udp_line *l)
{
	udp_service_pause(of_line(l)->u);
}

static const struct udp_line_ops line_ops = {.datagram = on_datagram, .pause = on_pause, .ended = on_ended};

static void on_io(struct loop_io *io, uint32_t events)
{
	(void)events;
	udp_line_ready(&((struct udp_tunnel *)((char *)io - offsetof(struct udp_tunnel, io)))->line);
}

void udp_tunnel_send(struct udp_tunnel *t, unsigned count)
{
	struct udp_replies *out = &t->u->replies;
	struct socks_target peer;

	for (unsigned i = 0; i < count; i++) {
		socks_target_addr(&peer, &out->owner[i]->peer);
		int err = udp_line_put(&t->line, &peer, &out->iov[i], 1);
		if (err)
			udp_service_lost_reply(t->u, i);
	}
	udp_line_flush(&t->line);
}

/* --- the connection -------------------------------------------------------------------------------------------------- */

static int on_port(void *ctx, const struct route_result *res)
{
	struct udp_tunnel *t = ctx;
	struct udp_line_setup set = {
		.loop = loop_of(t), .io = &t->io, .tls = res->tls, .framing = res->last->udp_bind, .ops = &line_ops};

	if (loop_io_adopt(loop_of(t), res->io, &t->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_io) < 0) {
		tls_conn_free(res->tls);
		return -ENOMEM;
	}
	t->tls = res->tls;
	udp_line_open(&t->line, &set);
	if (res->surplus_len)
		udp_line_feed(&t->line, res->surplus, res->surplus_len);
	udp_line_ready(&t->line);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

int udp_tunnel_new(struct udp_tunnel **out, struct udp_service *u)
{
	struct udp_tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->u = u;
	t->io.fd = -1;
	t->line.closed = true; /* until it is there */
	t->port.ctx = t;
	t->port.opened = on_port;
	int err = far_port_init(&t->port, u->host, u->svc, CONNECTOR_UDP_BIND);
	if (err) {
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

void udp_tunnel_free(struct udp_tunnel *t)
{
	if (!t)
		return;
	far_port_stop(&t->port);
	loop_task_cancel(loop_of(t), &t->lost);
	hang_up(t);
	free(t);
}
