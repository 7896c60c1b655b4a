/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route_walk.h - what the parts of a route share: choosing and dialing (route.c, route_race.c), talking to hops (route_walk.c).
 *
 * See: include/route.h.
 */
#pragma once

#include <stdbool.h>

#include "chain.h"
#include "dial.h"
#include "hop_line.h"
#include "resolver.h"
#include "route.h"

struct route_race;

/* A conversation with the hops; only where there is a chain. */
struct walk {
	struct route_race *race; /* the first hop's nodes, of which one will be it; NULL: it is chosen */
	struct connector connector;
	struct connector_request ask;
	struct hop_line line;
	size_t hops; /* how many of the chain's are walked: those before the one that the target goes round (bypass) */
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
	uint64_t deadline_ns; /* of the attempt */
	struct addr at;
	struct walk *walk; /* NULL without a chain */
	char error[DIAL_ERROR_MAX];
};

static inline const struct chain_node *route_node(const struct route *r, size_t hop)
{
	return &r->req.chain->hops[hop].nodes[r->walk->tries[hop].node];
}

/* The end, one way or the other: the route is gone. fail: the sentence is in r->error. */
void route_fail(struct route *r, enum dial_outcome outcome);
void route_succeed(struct route *r, struct loop_io *io);
void route_out_of_memory(struct route *r);
/* Marks the hop's node; goes on with another one or gives up. The sentence is in r->error. */
void route_hop_failed(struct route *r, size_t hop);
/* The same, of a hop whose node is marked already. */
void route_hop_again(struct route *r, size_t hop);
/* Connected to the first hop's node. */
void route_reached(struct route *r, struct loop_io *io);
/* A node's address, from its hosts or resolver. */
void route_look_up(struct route *r, const struct chain_node *node, struct resolver_request *lookup, resolver_fn fn);
/* The target is none of those that this does without. */
bool route_may_ask(const struct route *r, const struct matcher_group *bypass);

/* So long, and not longer than the attempt may take. */
void route_arm(struct route *r, uint64_t limit_ns);

/* --- route_race.c --- */
/* Chooses the node of the first hop, or several to race for it. False: none is left. */
bool route_race_choose(struct route *r);
void route_race_run(struct route *r);
void route_race_timeout(struct route *r);
void route_race_cancel(struct route *r);

/* --- route_walk.c --- */
/* Connected to the first node: what it is told first. False: the route has moved on (failed). */
bool route_enter_hop(struct route *r);
/* As far as it goes now. */
void route_walk_on(struct route *r);
/* The current hop's node broke the protocol, or took too long. */
void route_hop_broke(struct route *r, const char *text);
