/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route_walk.c - talking to the hops of a chain: PROXY header, TLS, connector, next hop.
 *
 * Who is blamed: the node that could not be reached or broke the protocol; a proxy that says it cannot reach the next hop
 * speaks about the next hop; one that cannot reach the target speaks about the target, and nobody is marked.
 * Owns: nothing; the conversation is struct walk. Never: dials.
 * See: include/route_walk.h, include/connector.h.
 */
#include "route_walk.h"

#include <errno.h>
#include <stdio.h>

#include "proxy_send.h"

enum { HEADER_MAX = 65551 };

/* --- blame ---------------------------------------------------------------------------------------------------- */

/* The current hop's node, or the next one's, which it could not reach. */
static void hop_said_no(struct route *r, const char *text)
{
	struct walk *w = r->walk;
	const struct chain_node *node = route_node(r, w->hop);
	bool last = w->hop + 1 == w->hops;

	snprintf(r->error, sizeof(r->error), "%s@%s: %s", node->cfg->name, node->cfg->addr, text);
	if (last)
		route_fail(r, DIAL_UNREACHABLE);
	else
		route_hop_failed(r, w->hop + 1);
}

void route_hop_broke(struct route *r, const char *text)
{
	const struct chain_node *node = route_node(r, r->walk->hop);

	snprintf(r->error, sizeof(r->error), "%s@%s: %s", node->cfg->name, node->cfg->addr, text);
	route_hop_failed(r, r->walk->hop);
}

/* --- talking to hops ------------------------------------------------------------------------------------------ */

/* The hop's PROXY header stands in front of everything else it is told. */
static int say_header(struct route *r, const struct chain_node *node)
{
	struct hop_line *line = &r->walk->line;

	if (!node->send.version)
		return 0;
	if (!hop_line_room(line, HEADER_MAX))
		return -ENOMEM;
	ssize_t n = r->req.header(r->req.ctx, &node->send, line->out + line->out_len, HEADER_MAX);
	if (n < 0)
		return (int)n;
	line->out_len += (size_t)n;
	return 0;
}

static const char *target_of(const struct route *r)
{
	return r->walk->target[0] ? r->walk->target : r->req.host;
}

static void ask_for(struct route *r, const struct chain_node *node)
{
	struct walk *w = r->walk;
	bool last = w->hop + 1 == w->hops;
	const struct chain_node *next = last ? NULL : route_node(r, w->hop + 1);

	w->ask = (struct connector_request){
		.command = last ? r->req.command : CONNECTOR_CONNECT,
		.host = next ? (next->host[0] ? next->host : "127.0.0.1") : target_of(r),
		.port = next ? next->port : r->req.port,
		.user = node->cfg->auth.user,
		.password = node->cfg->auth.password,
		.mux_version = node->cfg->opt.mux_version,
		.no_4a = node->cfg->opt.no_4a,
		.nodelay = node->cfg->opt.nodelay || (next && next->tls), /* TLS does not begin behind anything */
	};
	w->connector = (struct connector){.ops = node->connector, .req = &w->ask};
}

/* False: the route has moved on (failed). */
static bool begin_connector(struct route *r, const struct chain_node *node)
{
	struct walk *w = r->walk;

	if (node->connector->transparent)
		return true;
	if (node->connector->begin(&w->connector)) {
		hop_said_no(r, w->connector.error);
		return false;
	}
	if (!hop_line_say(&w->line, w->connector.out, w->connector.out_len)) {
		route_out_of_memory(r);
		return false;
	}
	if (w->connector.late) {
		w->late = node->connector;
		w->late_count++;
	}
	return true;
}

/* The same. With TLS the connector's turn comes after it: see secure(). */
bool route_enter_hop(struct route *r)
{
	struct walk *w = r->walk;
	const struct chain_node *node = route_node(r, w->hop);
	int err = say_header(r, node);

	ask_for(r, node);
	if (err == -ENOMEM) {
		route_out_of_memory(r);
		return false;
	}
	if (err) {
		route_hop_broke(r, "the PROXY header for it cannot be built");
		return false;
	}
	if (node->cfg->opt.connect_timeout_ns)
		route_arm(r, node->cfg->opt.connect_timeout_ns);
	w->securing = node->tls != NULL;
	return w->securing || begin_connector(r, node);
}

/* One step of TLS with the hop, whose header is out. 1: the connector's turn, 0: later, -1: the route has moved on. */
static int secure(struct route *r)
{
	struct walk *w = r->walk;
	const struct chain_node *node = route_node(r, w->hop);
	char text[256];
	int rc = hop_line_secure(&w->line, r->io.fd, node->tls, node->tls_name);

	if (rc == -EAGAIN)
		return 0;
	if (rc == -ENOMEM) {
		route_out_of_memory(r);
		return -1;
	}
	if (rc) {
		snprintf(text, sizeof(text), "TLS handshake as %s: %s", node->tls_name, hop_line_error(&w->line, rc));
		route_hop_broke(r, text);
		return -1;
	}
	w->securing = false;
	return begin_connector(r, node) ? 1 : -1;
}

/* True: on to the next hop, or done. */
static bool hop_done(struct route *r)
{
	struct walk *w = r->walk;

	w->hop++;
	if (w->hop == w->hops)
		return true;
	return route_enter_hop(r);
}

/* Takes the answers of earlier hops off the input. 1: all are there, 0: needs more, -1: the route has moved on. */
static int feed_late(struct route *r)
{
	struct walk *w = r->walk;

	while (w->late_count) {
		struct connector reader = {.ops = w->late, .req = &w->ask};
		size_t consumed = 0;
		enum connector_result result = reader.ops->input(&reader, w->line.in, w->line.in_len, &consumed);
		if (result == CONNECTOR_MORE)
			return 0;
		if (result == CONNECTOR_FAILED) {
			w->hop -= w->late_count;
			hop_said_no(r, reader.error);
			return -1;
		}
		hop_line_take(&w->line, consumed);
		w->late_count--;
	}
	return 1;
}

/* Feeds what is there. 1: the hop is through, 0: needs more, -1: the route has moved on. */
static int feed(struct route *r)
{
	struct walk *w = r->walk;
	size_t consumed = 0;
	int rc = feed_late(r);

	if (rc <= 0)
		return rc;

	w->connector.out_len = 0;
	enum connector_result result = w->connector.ops->input(&w->connector, w->line.in, w->line.in_len, &consumed);
	hop_line_take(&w->line, consumed);
	if (result == CONNECTOR_FAILED) {
		hop_said_no(r, w->connector.error);
		return -1;
	}
	if (!hop_line_say(&w->line, w->connector.out, w->connector.out_len)) {
		route_out_of_memory(r);
		return -1;
	}
	return result == CONNECTOR_DONE;
}

static void broken(struct route *r, int err)
{
	char text[128];

	if (err == -ECONNRESET)
		snprintf(text, sizeof(text), "it closed the connection before it answered");
	else if (err == -EMSGSIZE)
		snprintf(text, sizeof(text), "its answer is longer than %d bytes", CONNECTOR_IN_MAX);
	else
		snprintf(text, sizeof(text), "%s", hop_line_error(&r->walk->line, err));
	route_hop_broke(r, text);
}

/* As far as it goes now: write, read, hand to the connector, next hop. */
void route_walk_on(struct route *r)
{
	for (;;) {
		struct walk *w = r->walk;
		int rc = hop_line_flush(&w->line, r->io.fd);
		if (rc < 0)
			broken(r, rc);
		if (rc)
			return;
		if (w->securing) {
			if (secure(r) <= 0)
				return;
			continue;
		}
		if (w->hop == w->hops) {
			route_succeed(r, &r->io);
			return;
		}
		if (route_node(r, w->hop)->connector->transparent || w->connector.late) {
			if (!hop_done(r))
				return;
			continue;
		}
		rc = w->line.in_len ? feed(r) : 0;
		if (rc < 0 || (rc > 0 && !hop_done(r)))
			return;
		if (rc > 0 || w->line.out_len)
			continue;
		rc = hop_line_fill(&w->line, r->io.fd, CONNECTOR_IN_MAX);
		if (rc < 0)
			broken(r, rc);
		if (rc <= 0)
			return;
	}
}
