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

#include "far_port.h"
#include "mux.h"
#include "route.h"
#include "tls.h"

struct tunnel {
	struct far_port port;
	struct mux *mux;
	const struct connector_ops *protocol; /* of the far end */
};

/* --- streams -------------------------------------------------------------------------------------------------------- */

static void start_session(struct tunnel *t, struct mux_stream *st, int fd, struct addr client)
{
	addr_unmap(&client);
	struct addr local = far_port_destination(&t->port, &client);
	atomic_fetch_add(&t->port.host->count, 1);
	atomic_fetch_add(t->port.host->total, 1);
	session_start_stream(t->port.host, t->port.svc, fd, st, &client, &local);
}

static ssize_t on_opened(void *ctx, struct mux_stream *st, const uint8_t *data, size_t len)
{
	struct tunnel *t = ctx;
	struct addr client;
	size_t consumed;

	if (t->port.stopped)
		return -1;
	enum connector_result result = t->protocol->visitor(data, len, &client, &consumed);
	if (result == CONNECTOR_MORE)
		return 0;
	if (result == CONNECTOR_FAILED) {
		far_port_say(&t->port, LOG_WARN, "a stream of the tunnel does not say who is there");
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

	far_port_again(&t->port, why); /* the text is the multiplexer's */
	mux_free(t->mux);
	t->mux = NULL;
}

static const struct mux_ops mux_ops = {.opened = on_opened, .reset = on_reset, .ended = on_ended};

/* --- life ----------------------------------------------------------------------------------------------------------------- */

static int on_port(void *ctx, const struct route_result *res)
{
	const struct mux_options opt = {.client = false, .version = res->mux_version == 2 ? 2 : 1};
	struct tunnel *t = ctx;
	struct loop *loop = t->port.host->env.loop;
	int fd = res->io->fd;

	loop_io_del(loop, res->io);
	int err = mux_new(&t->mux, loop, fd, &opt, &mux_ops, t);
	if (err) {
		tls_conn_free(res->tls);
		return err;
	}
	if (res->tls)
		mux_secure(t->mux, res->tls);
	t->protocol = res->last;
	if (res->surplus_len)
		mux_feed(t->mux, res->surplus, res->surplus_len);
	return 0;
}

int tunnel_new(struct tunnel **out, struct session_host *host, struct service *svc)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->port.ctx = t;
	t->port.opened = on_port;
	int err = far_port_init(&t->port, host, svc, CONNECTOR_MUX_BIND);
	if (err) {
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

void tunnel_stop(struct tunnel *t)
{
	if (t)
		far_port_stop(&t->port);
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	tunnel_stop(t);
	mux_free(t->mux);
	free(t);
}
