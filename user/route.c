/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - see route.h.
 *
 * Who is blamed: the node that could not be reached or broke the protocol; a proxy that says it cannot reach the next hop
 * speaks about the next hop; one that cannot reach the target speaks about the target, and nobody is marked.
 * Owns: struct route, its socket and timer. Never: calls done twice.
 * See: include/route.h, include/chain.h.
 */
#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "chain.h"
#include "dial.h"
#include "hop_line.h"
#include "hosts.h"
#include "proxy_send.h"
#include "resolver.h"

enum { HEADER_MAX = 65551 };

/* A conversation with the hops; only where there is a chain. */
struct walk {
	struct connector connector;
	struct connector_request ask;
	struct hop_line line;
	size_t hop; /* whose turn it is */
	const struct connector_ops *late; /* the hops before it that have not answered yet, see connector.h */
	unsigned late_count;
	char target[ADDR_TEXT_MAX]; /* what the target's name was found to be; "": the last hop is told the name */
	bool securing; /* TLS with it comes first */
	struct {
		struct selector_pick pick;
		int node; /* -1: to be chosen */
	} tries[];
};

struct route {
	struct route_request req;
	struct resolver_request lookup;
	struct dial *dial;
	struct loop_io io;
	struct loop_timer timer;
	struct addr at;
	struct walk *walk; /* NULL without a chain */
	char error[DIAL_ERROR_MAX];
};

static void attempt(struct route *r);

/* --- the end ------------------------------------------------------------------------------------------------ */

static void route_free(struct route *r)
{
	loop_timer_cancel(r->req.loop, &r->timer);
	loop_io_close(r->req.loop, &r->io);
	if (r->walk)
		hop_line_fini(&r->walk->line);
	free(r->walk);
	free(r);
}

void route_cancel(struct route *r)
{
	if (!r)
		return;
	resolver_cancel(r->req.resolver, &r->lookup);
	dial_cancel(r->dial);
	route_free(r);
}

static void fail(struct route *r, enum dial_outcome outcome)
{
	struct loop_io none = {.fd = -1};
	struct route_result res = {.outcome = outcome, .error = r->error, .io = &none, .at = r->at};

	loop_timer_cancel(r->req.loop, &r->timer);
	r->req.done(r->req.ctx, &res);
	route_free(r);
}

static void succeed(struct route *r, struct loop_io *io)
{
	struct route_result res = {
		.outcome = DIAL_OK,
		.io = io,
		.at = r->at,
	};

	if (r->walk) {
		struct hop_line *line = &r->walk->line;
		res.bound = r->walk->connector.bound;
		res.surplus = line->in;
		res.surplus_len = line->in_len;
		res.read_bytes = line->read_bytes;
		res.written_bytes = line->written_bytes;
		res.late = r->walk->late;
		res.late_count = r->walk->late_count;
		res.tls = line->tls;
		line->tls = NULL;
	}
	loop_timer_cancel(r->req.loop, &r->timer);
	r->req.done(r->req.ctx, &res);
	route_free(r);
}

/* --- hops that fail ------------------------------------------------------------------------------------------- */

static const struct chain_node *node_of(const struct route *r, size_t hop)
{
	return &r->req.chain->hops[hop].nodes[r->walk->tries[hop].node];
}

static bool may_ask(const struct route *r, const struct matcher_group *bypass)
{
	return !bypass->count || !matcher_group_refuses(bypass, r->req.host, r->req.port);
}

/* Nodes that are not asked for this target are passed over; a hop of none but those fails, as one that is down does. */
static bool choose(struct route *r, size_t hop)
{
	const struct chain_hop *from = &r->req.chain->hops[hop];
	uint32_t random = selector_strategy(from->selector) == SELECTOR_RANDOM ? arc4random() : 0;
	int node;

	do
		node = selector_next(from->selector, &r->walk->tries[hop].pick, r->req.hash, random,
				     loop_now(r->req.loop));
	while (node >= 0 && node < 64 && !may_ask(r, &from->nodes[node].bypass));
	if (node >= 0 && !may_ask(r, &from->nodes[node].bypass))
		node = -1;
	r->walk->tries[hop].node = node;
	return node >= 0;
}

/* Marks the hop's node; goes on with another one or gives up. The sentence is in r->error. */
static void hop_failed(struct route *r, size_t hop)
{
	struct walk *w = r->walk;

	loop_io_close(r->req.loop, &r->io);
	selector_mark_failed(r->req.chain->hops[hop].selector, (size_t)w->tries[hop].node, loop_now(r->req.loop));
	if (!choose(r, hop)) {
		fail(r, DIAL_CHAIN);
		return;
	}
	r->req.trouble(r->req.ctx, r->error);
	attempt(r);
}

/* The current hop's node, or the next one's, which it could not reach. */
static void hop_said_no(struct route *r, const char *text)
{
	struct walk *w = r->walk;
	const struct chain_node *node = node_of(r, w->hop);
	bool last = w->hop + 1 == r->req.chain->hop_count;

	snprintf(r->error, sizeof(r->error), "%s@%s: %s", node->cfg->name, node->cfg->addr, text);
	if (last)
		fail(r, DIAL_UNREACHABLE);
	else
		hop_failed(r, w->hop + 1);
}

static void hop_broke(struct route *r, const char *text)
{
	const struct chain_node *node = node_of(r, r->walk->hop);

	snprintf(r->error, sizeof(r->error), "%s@%s: %s", node->cfg->name, node->cfg->addr, text);
	hop_failed(r, r->walk->hop);
}

/* --- talking to hops ------------------------------------------------------------------------------------------ */

static void out_of_memory(struct route *r)
{
	snprintf(r->error, sizeof(r->error), "out of memory");
	fail(r, DIAL_CHAIN);
}

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
	bool last = w->hop + 1 == r->req.chain->hop_count;
	const struct chain_node *next = last ? NULL : node_of(r, w->hop + 1);

	w->ask = (struct connector_request){
		.command = last ? r->req.command : CONNECTOR_CONNECT,
		.host = next ? (next->host[0] ? next->host : "127.0.0.1") : target_of(r),
		.port = next ? next->port : r->req.port,
		.user = node->cfg->auth.user,
		.password = node->cfg->auth.password,
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
		out_of_memory(r);
		return false;
	}
	if (w->connector.late) {
		w->late = node->connector;
		w->late_count++;
	}
	return true;
}

/* The same. With TLS the connector's turn comes after it: see secure(). */
static bool enter_hop(struct route *r)
{
	struct walk *w = r->walk;
	const struct chain_node *node = node_of(r, w->hop);
	int err = say_header(r, node);

	ask_for(r, node);
	if (err == -ENOMEM) {
		out_of_memory(r);
		return false;
	}
	if (err) {
		hop_broke(r, "the PROXY header for it cannot be built");
		return false;
	}
	w->securing = node->tls != NULL;
	return w->securing || begin_connector(r, node);
}

/* One step of TLS with the hop, whose header is out. 1: the connector's turn, 0: later, -1: the route has moved on. */
static int secure(struct route *r)
{
	struct walk *w = r->walk;
	const struct chain_node *node = node_of(r, w->hop);
	char text[256];
	int rc = hop_line_secure(&w->line, r->io.fd, node->tls, node->tls_name);

	if (rc == -EAGAIN)
		return 0;
	if (rc == -ENOMEM) {
		out_of_memory(r);
		return -1;
	}
	if (rc) {
		snprintf(text, sizeof(text), "TLS handshake as %s: %s", node->tls_name, hop_line_error(&w->line, rc));
		hop_broke(r, text);
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
	if (w->hop == r->req.chain->hop_count)
		return true;
	return enter_hop(r);
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
		out_of_memory(r);
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
	hop_broke(r, text);
}

/* As far as it goes now: write, read, hand to the connector, next hop. */
static void walk_on(struct route *r)
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
		if (w->hop == r->req.chain->hop_count) {
			succeed(r, &r->io);
			return;
		}
		if (node_of(r, w->hop)->connector->transparent || w->connector.late) {
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

static void on_hop_io(struct loop_io *io, uint32_t events)
{
	(void)events;
	walk_on((struct route *)((char *)io - offsetof(struct route, io)));
}

/* --- dialing ---------------------------------------------------------------------------------------------------- */

static enum dial_outcome outcome_of(int status)
{
	if (status == -ECONNREFUSED)
		return DIAL_REFUSED;
	return status == -ETIMEDOUT ? DIAL_TIMEOUT : DIAL_UNREACHABLE;
}

static void no_connection(struct route *r, enum dial_outcome outcome)
{
	if (r->walk)
		hop_failed(r, 0);
	else
		fail(r, outcome);
}

static const struct listener_options *socket_options(const struct route *r)
{
	return r->walk ? &node_of(r, 0)->socket_opt : r->req.socket_opt;
}

static void on_dialed(void *ctx, int status, struct loop_io *io, const struct addr *at)
{
	struct route *r = ctx;

	r->dial = NULL;
	r->at = *at;
	if (status < 0) {
		const struct listener_options *opt = socket_options(r);
		dial_error("tcp", status, opt, r->req.client, at, r->error);
		no_connection(r, outcome_of(status));
		return;
	}
	if (!r->walk) {
		succeed(r, io);
		return;
	}
	if (loop_io_adopt(r->req.loop, io, &r->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_hop_io) < 0) {
		out_of_memory(r);
		return;
	}
	if (enter_hop(r))
		walk_on(r);
}

static void on_resolved(struct resolver_request *lookup, int status, const struct addr *addrs, size_t count,
			const char *error)
{
	struct route *r = (struct route *)((char *)lookup - offsetof(struct route, lookup));
	struct listener_options opt = *socket_options(r);

	if (status < 0) {
		snprintf(r->error, sizeof(r->error), "%s", error);
		no_connection(r, DIAL_UNRESOLVED);
		return;
	}
	r->at = addrs[0];
	opt.client = r->req.client;
	if (dial_start(&r->dial, r->req.loop, addrs, count, &opt, r->req.timeout_ns, on_dialed, r) < 0)
		out_of_memory(r);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *timer)
{
	struct route *r = (struct route *)((char *)timer - offsetof(struct route, timer));

	if (r->io.fd >= 0) {
		hop_broke(r, "i/o timeout");
		return;
	}
	resolver_cancel(r->req.resolver, &r->lookup);
	dial_cancel(r->dial);
	r->dial = NULL;
	snprintf(r->error, sizeof(r->error), "%s: i/o timeout", node_of(r, 0)->cfg->addr);
	hop_failed(r, 0);
}

static struct resolver *resolver_of(const struct route *r, const struct chain_node *node)
{
	return node->resolver >= 0 ? r->req.named[node->resolver] : NULL;
}

/* hosts first, then the resolver of whoever has that name. */
static void look_up(struct route *r, const char *host, uint16_t port)
{
	const struct chain_node *node = r->walk ? node_of(r, 0) : NULL;
	const struct hosts *hosts = node ? node->hosts : r->req.hosts;
	struct resolver *resolver = node ? resolver_of(r, node) : r->req.target_resolver;
	struct addr addrs[HOSTS_ADDRS_MAX];
	size_t count = hosts ? hosts_find(hosts, host, port, addrs) : 0;

	if (count)
		on_resolved(&r->lookup, 0, addrs, count, NULL);
	else
		resolver_lookup(resolver ? resolver : r->req.resolver, &r->lookup, host, port, on_resolved);
}

/* From the first hop on; the dial keeps its own time where there is no chain. */
static void attempt(struct route *r)
{
	struct walk *w = r->walk;
	const char *host = r->req.host;
	uint16_t port = r->req.port;

	r->at = (struct addr){0};
	if (w) {
		w->hop = 0;
		hop_line_reset(&w->line);
		w->securing = false;
		w->late_count = 0;
		host = node_of(r, 0)->host;
		port = node_of(r, 0)->port;
		loop_timer_set(r->req.loop, &r->timer, r->req.timeout_ns, on_deadline);
	}
	look_up(r, host, port);
}

/* The hop's place in the chain: nothing goes round it. */
static void no_node(struct route *r, size_t hop)
{
	const struct chain_hop *from = &r->req.chain->hops[hop];
	bool forbidden = !may_ask(r, &from->bypass) || r->walk->tries[hop].pick.tried;

	snprintf(r->error, sizeof(r->error), "hop \"%s\" has no node%s", from->cfg->name,
		 forbidden ? " for this target (bypass)" : "");
	fail(r, forbidden ? DIAL_BYPASSED : DIAL_CHAIN);
}

static void walk_or_dial(struct route *r)
{
	for (size_t i = 0; r->walk && i < r->req.chain->hop_count; i++)
		if (!may_ask(r, &r->req.chain->hops[i].bypass) || !choose(r, i)) {
			no_node(r, i);
			return;
		}
	attempt(r);
}

static void on_target_resolved(struct resolver_request *lookup, int status, const struct addr *addrs, size_t count,
			       const char *error)
{
	struct route *r = (struct route *)((char *)lookup - offsetof(struct route, lookup));

	(void)count;
	if (status < 0) {
		snprintf(r->error, sizeof(r->error), "%s", error);
		fail(r, DIAL_UNRESOLVED);
		return;
	}
	addr_format_ip(&addrs[0], r->walk->target);
	walk_or_dial(r);
}

/* A chain is told an address where the service has its own way to find one. */
void route_run(struct route *r)
{
	struct addr addrs[HOSTS_ADDRS_MAX];

	if (r->walk && r->req.hosts && hosts_find(r->req.hosts, r->req.host, r->req.port, addrs))
		on_target_resolved(&r->lookup, 0, addrs, 1, NULL);
	else if (r->walk && r->req.target_resolver)
		resolver_lookup(r->req.target_resolver, &r->lookup, r->req.host, r->req.port, on_target_resolved);
	else
		walk_or_dial(r);
}

int route_new(struct route **out, const struct route_request *req)
{
	struct route *r = calloc(1, sizeof(*r));
	size_t hops = req->chain ? req->chain->hop_count : 0;

	if (!r)
		return -ENOMEM;
	r->req = *req;
	r->io.fd = -1;
	if (hops) {
		r->walk = calloc(1, sizeof(*r->walk) + hops * sizeof(r->walk->tries[0]));
		if (!r->walk) {
			free(r);
			return -ENOMEM;
		}
	}
	*out = r;
	return 0;
}
