/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - see route.h.
 *
 * Why the nodes of all hops are chosen before the first is dialled: what a node is asked for is the next one's address.
 * Owns: struct route, its socket and timer. Never: calls done twice.
 * See: include/route.h, include/chain.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hosts.h"
#include "matcher.h"
#include "proto_datagram.h"
#include "route_walk.h"
#include "udp_socket.h"

static void attempt(struct route *r);

/* --- the end ------------------------------------------------------------------------------------------------ */

static void route_free(struct route *r)
{
	loop_timer_cancel(r->req.loop, &r->timer);
	loop_io_close(r->req.loop, &r->io);
	if (r->walk) {
		route_race_cancel(r);
		hop_line_fini(&r->walk->line);
	}
	free(r->walk);
	free(r);
}

void route_cancel(struct route *r)
{
	if (!r)
		return;
	resolver_cancel(r->req.resolver, &r->lookup);
	dial_cancel(r->dial);
	loop_io_reset(r->req.loop, &r->io);
	route_free(r);
}

void route_fail(struct route *r, enum dial_outcome outcome)
{
	struct loop_io none = {.fd = -1};
	struct route_result res = {.outcome = outcome, .error = r->error, .io = &none, .at = r->at};

	loop_timer_cancel(r->req.loop, &r->timer);
	r->req.done(r->req.ctx, &res);
	route_free(r);
}

/* Fails count until a success. */
static void mark_good(const struct route *r)
{
	for (size_t i = 0; r->walk && i < r->walk->hops; i++)
		selector_mark_good(r->req.chain->hops[i].selector, (size_t)r->walk->tries[i].node);
}

void route_succeed(struct route *r, struct loop_io *io)
{
	struct route_result res = {
		.outcome = DIAL_OK,
		.io = io,
		.at = r->at,
	};

	if (r->walk) {
		struct hop_line *line = &r->walk->line;
		res.target = r->walk->target[0] ? r->walk->target : r->req.host;
		res.bound = r->walk->connector.bound;
		res.last = r->walk->connector.ops;
		res.mux_version = r->walk->ask.mux_version;
		res.surplus = line->in;
		res.surplus_len = line->in_len;
		res.read_bytes = line->read_bytes;
		res.written_bytes = line->written_bytes;
		res.late = r->walk->late;
		res.late_count = r->walk->late_count;
		res.tls = line->tls;
		line->tls = NULL;
	}
	mark_good(r);
	loop_timer_cancel(r->req.loop, &r->timer);
	r->req.done(r->req.ctx, &res);
	route_free(r);
}

void route_out_of_memory(struct route *r)
{
	snprintf(r->error, sizeof(r->error), "out of memory");
	loop_io_reset(r->req.loop, &r->io);
	route_fail(r, DIAL_CHAIN);
}

/* --- hops that fail ------------------------------------------------------------------------------------------- */

bool route_may_ask(const struct route *r, const struct matcher_group *bypass)
{
	return r->req.hops || !bypass->count || !matcher_group_refuses(bypass, r->req.host, r->req.port);
}

/* Nodes that are not asked for this target are passed over. */
static bool choose(struct route *r, size_t hop)
{
	const struct chain_hop *from = &r->req.chain->hops[hop];
	enum selector_strategy strategy = selector_strategy(from->selector);
	uint32_t random = strategy == SELECTOR_RANDOM ? arc4random() : 0;
	int node;

	if (strategy == SELECTOR_PARALLEL && !hop)
		return route_race_choose(r);
	do
		node = selector_next(from->selector, &r->walk->tries[hop].pick, r->req.hash, random,
				     loop_now(r->req.loop));
	while (node >= 0 && node < 64 && !route_may_ask(r, &from->nodes[node].bypass));
	if (node >= 0 && !route_may_ask(r, &from->nodes[node].bypass))
		node = -1;
	r->walk->tries[hop].node = node;
	return node >= 0;
}

void route_hop_failed(struct route *r, size_t hop)
{
	const struct chain_hop *from = &r->req.chain->hops[hop];

	selector_mark_failed(from->selector, (size_t)r->walk->tries[hop].node, loop_now(r->req.loop));
	route_hop_again(r, hop);
}

void route_hop_again(struct route *r, size_t hop)
{
	loop_io_reset(r->req.loop, &r->io);
	if (!choose(r, hop)) {
		route_fail(r, DIAL_CHAIN);
		return;
	}
	r->req.trouble(r->req.ctx, r->error);
	attempt(r);
}

static void on_hop_io(struct loop_io *io, uint32_t events)
{
	(void)events;
	route_walk_on((struct route *)((char *)io - offsetof(struct route, io)));
}

/* --- a datagram socket: connecting it only asks for a way ---------------------------------------------------------- */

static int connect_datagrams(struct route *r, const struct addr *to)
{
	const struct listener_options *opt = r->req.socket_opt;
	struct addr from;
	int fd = udp_socket_connect(to, r->req.whole, opt->place, r->req.client, &from);

	if (fd < 0)
		return fd;
	r->at = *to;
	int err = loop_io_add(r->req.loop, &r->io, fd, EPOLLIN, NULL);
	if (err)
		close(fd);
	return err;
}

static void open_datagrams(struct route *r, const struct addr *addrs, size_t count)
{
	int err = -EADDRNOTAVAIL;

	for (size_t i = 0; i < count && err; i++)
		err = connect_datagrams(r, &addrs[i]);
	if (!err) {
		route_succeed(r, &r->io);
		return;
	}
	dial_error("udp", err, r->req.socket_opt, r->req.client, &addrs[0], r->error);
	route_fail(r, DIAL_UNREACHABLE);
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
		route_hop_failed(r, 0);
	else
		route_fail(r, outcome);
}

static const struct listener_options *socket_options(const struct route *r)
{
	return r->walk ? &route_node(r, 0)->socket_opt : r->req.socket_opt;
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
	if (r->walk)
		route_reached(r, io);
	else
		route_succeed(r, io);
}

void route_reached(struct route *r, struct loop_io *io)
{
	if (loop_io_adopt(r->req.loop, io, &r->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_hop_io) < 0) {
		route_out_of_memory(r);
		return;
	}
	if (route_enter_hop(r))
		route_walk_on(r);
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
	if (!r->walk && r->req.command == CONNECTOR_UDP) {
		open_datagrams(r, addrs, count);
		return;
	}
	opt.client = r->req.client;
	if (dial_start(&r->dial, r->req.loop, addrs, count, &opt, r->req.timeout_ns, on_dialed, r) < 0)
		route_out_of_memory(r);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *timer)
{
	struct route *r = (struct route *)((char *)timer - offsetof(struct route, timer));

	if (r->io.fd >= 0) {
		route_hop_broke(r, "i/o timeout");
		return;
	}
	if (r->walk->race) {
		route_race_timeout(r);
		return;
	}
	resolver_cancel(r->req.resolver, &r->lookup);
	dial_cancel(r->dial);
	r->dial = NULL;
	snprintf(r->error, sizeof(r->error), "%s: i/o timeout", route_node(r, 0)->cfg->addr);
	route_hop_failed(r, 0);
}

void route_arm(struct route *r, uint64_t limit_ns)
{
	uint64_t now = loop_now(r->req.loop), left = r->deadline_ns > now ? r->deadline_ns - now : 0;

	loop_timer_set(r->req.loop, &r->timer, limit_ns < left ? limit_ns : left, on_deadline);
}

static struct resolver *resolver_of(const struct route *r, const struct chain_node *node)
{
	return node->resolver >= 0 ? r->req.named[node->resolver] : NULL;
}

/* hosts first, then the resolver of whoever has that name. node: NULL: it is the target's. */
void route_look_up(struct route *r, const struct chain_node *node, struct resolver_request *lookup, resolver_fn fn)
{
	const char *host = node ? node->host : r->req.host;
	uint16_t port = node ? node->port : r->req.port;
	const struct hosts *hosts = node ? node->hosts : r->req.hosts;
	struct resolver *resolver = node ? resolver_of(r, node) : r->req.target_resolver;
	struct addr addrs[HOSTS_ADDRS_MAX];
	size_t count = hosts ? hosts_find(hosts, host, port, addrs) : 0;

	if (count)
		fn(lookup, 0, addrs, count, NULL);
	else
		resolver_lookup(resolver ? resolver : r->req.resolver, lookup, host, port, fn);
}

/* From the first hop on; the dial keeps its own time where there is no chain. */
static void attempt(struct route *r)
{
	struct walk *w = r->walk;

	r->at = (struct addr){0};
	if (w) {
		w->hop = 0;
		hop_line_reset(&w->line);
		w->securing = false;
		w->late_count = 0;
		r->deadline_ns = loop_now(r->req.loop) + r->req.timeout_ns;
		route_arm(r, r->req.timeout_ns);
	}
	if (w && w->race)
		route_race_run(r);
	else
		route_look_up(r, w ? route_node(r, 0) : NULL, &r->lookup, on_resolved);
}

static bool all_bypass(const struct route *r, const struct chain_hop *hop)
{
	for (size_t i = 0; i < hop->node_count; i++)
		if (route_may_ask(r, &hop->nodes[i].bypass))
			return false;
	return true;
}

/*
 * Where the target is one that a hop's bypass names, the way leaves the chain there: that was asked for. A hop that is
 * down is another matter: nothing goes round it.
 */
static size_t hops_to_walk(const struct route *r)
{
	const struct chain *chain = r->req.chain;

	if (r->req.hops)
		return r->req.hops;
	for (size_t i = 0; i < chain->hop_count; i++)
		if (!route_may_ask(r, &chain->hops[i].bypass) || all_bypass(r, &chain->hops[i]))
			return i;
	return chain->hop_count;
}

static void leave_chain(struct route *r)
{
	free(r->walk);
	r->walk = NULL;
	if (r->req.command == CONNECTOR_CONNECT || r->req.command == CONNECTOR_UDP) {
		attempt(r);
		return;
	}
	snprintf(r->error, sizeof(r->error), "chain \"%s\" has no hop for this (bypass)", r->req.chain->cfg->name);
	route_fail(r, DIAL_BYPASSED);
}

static void walk_or_dial(struct route *r)
{
	struct walk *w = r->walk;

	if (w)
		w->hops = hops_to_walk(r);
	if (w && !w->hops) {
		leave_chain(r);
		return;
	}
	for (size_t i = 0; w && i < w->hops; i++)
		if (!choose(r, i)) {
			snprintf(r->error, sizeof(r->error), "hop \"%s\" has no node", r->req.chain->hops[i].cfg->name);
			route_fail(r, DIAL_CHAIN);
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
		route_fail(r, DIAL_UNRESOLVED);
		return;
	}
	addr_format_ip(&addrs[0], r->walk->target);
	walk_or_dial(r);
}

/* Does any node that may be the last want the target's address with each datagram? A name would be looked up there as often. */
static bool wants_address(const struct route *r)
{
	const struct chain_hop *last = &r->req.chain->hops[r->req.chain->hop_count - 1];

	for (size_t i = 0; r->req.command == CONNECTOR_UDP && i < last->node_count; i++)
		if (last->nodes[i].connector->udp && last->nodes[i].connector->udp->addressed)
			return true;
	return false;
}

/* A chain is told an address where the service has its own way to find one. */
void route_run(struct route *r)
{
	struct resolver *resolver = r->req.target_resolver;
	struct addr addrs[HOSTS_ADDRS_MAX];

	if (r->walk && !resolver && wants_address(r))
		resolver = r->req.resolver;

	if (r->walk && r->req.hosts && hosts_find(r->req.hosts, r->req.host, r->req.port, addrs))
		on_target_resolved(&r->lookup, 0, addrs, 1, NULL);
	else if (r->walk && resolver)
		resolver_lookup(resolver, &r->lookup, r->req.host, r->req.port, on_target_resolved);
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
