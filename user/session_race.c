/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_race.c - strategy parallel: all nodes of the best tier are tried at once, the first that is there wins.
 *
 * Why: where a node may be a black hole, waiting for one after the other costs a client seconds. The price is a connection
 * to each of them that says nothing and is closed again.
 * Owns: the routes under way. Never: sends a node anything before it has won, unless hops of a chain have to be asked.
 * See: user/session_dial.c, selector_next_all().
 */
#include <stdlib.h>

#include "route.h"
#include "session_access.h"
#include "session_states.h"

enum { RACERS_MAX = 8 };

struct racer {
	struct session_race *race;
	struct route *route; /* NULL: over */
	int node;
};

struct session_race {
	struct session *session;
	size_t count, left;
	enum dial_outcome outcome; /* of the last that failed */
	struct racer racers[RACERS_MAX];
};

void session_race_cancel(struct session *s)
{
	struct session_race *race = s->race;

	if (!race)
		return;
	s->race = NULL;
	for (size_t i = 0; i < race->count; i++)
		route_cancel(race->racers[i].route);
	free(race);
}

static void racer_failed(struct racer *racer, const struct route_result *res)
{
	struct session_race *race = racer->race;
	struct session *s = race->session;

	s->node = racer->node;
	s->upstream = res->at;
	session_log_fault(s, LOG_ERROR, res->error);
	if (res->outcome != DIAL_CHAIN)
		selector_mark_failed(s->svc->selector, (size_t)racer->node, loop_now(s->host->env.loop));
	race->outcome = res->outcome;
	if (--race->left)
		return;
	enum dial_outcome outcome = race->outcome;
	session_race_cancel(s);
	session_race_begin(s, outcome);
}

static void on_done(void *ctx, const struct route_result *res)
{
	struct racer *racer = ctx;
	struct session *s = racer->race->session;

	racer->route = NULL; /* it is gone when this returns */
	if (res->outcome != DIAL_OK) {
		racer_failed(racer, res);
		return;
	}
	s->node = racer->node;
	session_race_cancel(s);
	session_routed(s, res);
}

static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return session_build_header(((struct racer *)ctx)->race->session, plan, out, cap);
}

static void on_trouble(void *ctx, const char *text)
{
	session_log_fault(((struct racer *)ctx)->race->session, LOG_ERROR, text);
}

/* False: this node does not run. */
static bool enter(struct session_race *race, int node)
{
	struct racer *racer = &race->racers[race->count];
	struct route_request req;

	session_fill_request(race->session, &race->session->svc->nodes[node], &req);
	req.ctx = racer;
	req.header = on_header;
	req.trouble = on_trouble;
	req.done = on_done;
	if (session_is_bypassed(race->session, req.host, req.port) || route_new(&racer->route, &req) < 0)
		return false;
	racer->race = race;
	racer->node = node;
	race->count++;
	race->left++;
	return true;
}

/* A route may end from inside route_run(), and the race with it. */
static void start_all(struct session *s, struct session_race *race)
{
	size_t count = race->count;

	for (size_t i = 0; i < count && s->race == race; i++)
		route_run(race->racers[i].route);
}

void session_race_begin(struct session *s, enum dial_outcome before)
{
	int nodes[RACERS_MAX];
	size_t count = selector_next_all(s->svc->selector, &s->pick, nodes, RACERS_MAX, loop_now(s->host->env.loop));
	struct session_race *race = count ? calloc(1, sizeof(*race)) : NULL;

	s->node = -1;
	if (!race) {
		session_give_up(s, before);
		return;
	}
	race->session = s;
	for (size_t i = 0; i < count; i++)
		enter(race, nodes[i]);
	s->race = race;
	if (race->count) {
		start_all(s, race);
		return;
	}
	session_race_cancel(s);
	session_log_fault(s, LOG_INFO, "bypass: none of these targets is allowed");
	session_give_up(s, DIAL_BYPASSED);
}
