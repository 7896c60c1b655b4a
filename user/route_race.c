/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route_race.c - strategy parallel of the first hop: its nodes are dialled at once, the first that is connected is the hop.
 *
 * Why only the first: a later hop's nodes are not dialled, the one before is asked for one of them. Why only connecting: one
 * proxy is told who the client is and where it wants to go; the others see a connection that says nothing, and a reset.
 * Owns: struct route_race. Never: says anything to a node.
 * See: user/route.c, selector_next_all(), session_race.c (the same for targets).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher.h"
#include "route_walk.h"

enum { RACERS_MAX = 8 };

struct racer {
	struct route *route;
	struct resolver_request lookup;
	struct dial *dial; /* NULL: not yet, or over */
	int node;
	bool over;
};

struct route_race {
	size_t count, left;
	bool starting; /* what fails now is not the end of the race before all have begun */
	struct racer racers[RACERS_MAX];
};

static const struct chain_node *node_of(const struct racer *racer)
{
	return &racer->route->req.chain->hops[0].nodes[racer->node];
}

void route_race_cancel(struct route *r)
{
	struct route_race *race = r->walk->race;

	if (!race)
		return;
	r->walk->race = NULL;
	for (size_t i = 0; i < race->count; i++) {
		resolver_cancel(r->req.resolver, &race->racers[i].lookup);
		dial_cancel(race->racers[i].dial);
	}
	free(race);
}

/* --- a racer's end ---------------------------------------------------------------------------------------- */

static void mark_failed(struct racer *racer)
{
	struct route *r = racer->route;

	racer->over = true;
	selector_mark_failed(r->req.chain->hops[0].selector, (size_t)racer->node, loop_now(r->req.loop));
}

/* The sentence is in r->error. */
static void racer_failed(struct racer *racer)
{
	struct route *r = racer->route;
	struct route_race *race = r->walk->race;

	mark_failed(racer);
	if (--race->left) {
		r->req.trouble(r->req.ctx, r->error);
	} else if (!race->starting) {
		route_race_cancel(r);
		route_hop_again(r, 0);
	}
}

void route_race_timeout(struct route *r)
{
	struct route_race *race = r->walk->race;

	for (size_t i = 0; i < race->count; i++) {
		if (race->racers[i].over)
			continue;
		snprintf(r->error, sizeof(r->error), "%s: i/o timeout", node_of(&race->racers[i])->cfg->addr);
		mark_failed(&race->racers[i]);
		if (--race->left)
			r->req.trouble(r->req.ctx, r->error);
	}
	route_race_cancel(r);
	route_hop_again(r, 0);
}

/* Those that were only slower may be tried when the winner turns out to be none. */
static void won(struct racer *racer)
{
	struct route *r = racer->route;
	struct route_race *race = r->walk->race;

	r->walk->tries[0].node = racer->node;
	for (size_t i = 0; i < race->count; i++)
		if (!race->racers[i].over && &race->racers[i] != racer)
			r->walk->tries[0].pick.tried &= ~(1ull << race->racers[i].node);
	route_race_cancel(r);
}

/* --- the way of one racer ------------------------------------------------------------------------------------- */

static void on_dialed(void *ctx, int status, struct loop_io *io, const struct addr *at)
{
	struct racer *racer = ctx;
	struct route *r = racer->route;

	racer->dial = NULL;
	r->at = *at;
	if (status < 0) {
		dial_error("tcp", status, &node_of(racer)->socket_opt, r->req.client, at, r->error);
		racer_failed(racer);
		return;
	}
	won(racer);
	route_reached(r, io);
}

static void on_resolved(struct resolver_request *lookup, int status, const struct addr *addrs, size_t count,
			const char *error)
{
	struct racer *racer = (struct racer *)((char *)lookup - offsetof(struct racer, lookup));
	struct route *r = racer->route;
	struct listener_options opt = node_of(racer)->socket_opt;

	opt.client = r->req.client;
	if (status < 0)
		snprintf(r->error, sizeof(r->error), "%s", error);
	else if (!dial_start(&racer->dial, r->req.loop, addrs, count, &opt, r->req.timeout_ns, on_dialed, racer))
		return;
	else
		snprintf(r->error, sizeof(r->error), "out of memory");
	racer_failed(racer);
}

/* --- begin -------------------------------------------------------------------------------------------------------- */

void route_race_run(struct route *r)
{
	struct route_race *race = r->walk->race;

	race->starting = true;
	for (size_t i = 0; i < race->count; i++)
		route_look_up(r, node_of(&race->racers[i]), &race->racers[i].lookup, on_resolved);
	race->starting = false;
	if (race->left)
		return;
	route_race_cancel(r);
	route_hop_again(r, 0);
}

/* The untried nodes that may be asked for this target. */
static size_t candidates(struct route *r, int nodes[static RACERS_MAX])
{
	const struct chain_hop *hop = &r->req.chain->hops[0];
	struct selector_pick *pick = &r->walk->tries[0].pick;
	size_t found, kept = 0;

	do {
		found = selector_next_all(hop->selector, pick, nodes, RACERS_MAX, loop_now(r->req.loop));
		for (size_t i = 0; i < found; i++)
			if (route_may_ask(r, &hop->nodes[nodes[i]].bypass))
				nodes[kept++] = nodes[i];
	} while (found && !kept);
	return kept;
}

bool route_race_choose(struct route *r)
{
	int nodes[RACERS_MAX];
	size_t count = candidates(r, nodes);
	struct route_race *race = count > 1 ? calloc(1, sizeof(*race)) : NULL;

	r->walk->tries[0].node = count ? nodes[0] : -1;
	if (!race) /* nobody to race with, or no memory for it */
		return count > 0;
	race->count = race->left = count;
	for (size_t i = 0; i < count; i++)
		race->racers[i] = (struct racer){.route = r, .node = nodes[i]};
	r->walk->race = race;
	return true;
}
