/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health.c - see health.h.
 *
 * Why one timer serves two ends: between probes it waits for the next, during a probe for its deadline. Why a probe is a route:
 * that is how sessions get there, name look-ups, hops and all.
 * Owns: one probe for each target. Never: has two connections to a node at a time.
 */
#include "health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "named_resolvers.h"
#include "proto_proxy.h"
#include "proxy_send.h"
#include "resolver.h"
#include "route.h"
#include "tls.h"

struct probe {
	struct probe *next;
	struct health *health;
	struct health_target target;
	struct route *route; /* NULL between two probes */
	struct loop_timer timer;
};

struct health {
	struct loop *loop;
	struct logger *log;
	const struct access *access;
	struct resolver *resolver, **named;
	struct probe *probes;
};

static void on_turn(struct loop_timer *timer);

/* --- the result ---------------------------------------------------------------------------------------- */

static void tell(const struct probe *p, enum log_level level, const char *text)
{
	struct log_record rec;

	log_begin(&rec, level);
	log_str(&rec, "kind", "health");
	log_str(&rec, "service", p->target.owner);
	log_str(&rec, "node", p->target.name);
	log_emit(p->health->log, &rec, "%s", text);
}

static void wait_for_next(struct probe *p)
{
	loop_timer_set(p->health->loop, &p->timer, p->target.interval_ns, on_turn);
}

static void finish(struct probe *p, const char *error)
{
	char text[384];

	if (selector_set_down(p->target.selector, p->target.node, error != NULL)) {
		if (error)
			snprintf(text, sizeof(text), "node %s (%s) is down: %s", p->target.name, p->target.text, error);
		else
			snprintf(text, sizeof(text), "node %s (%s) is up again", p->target.name, p->target.text);
		tell(p, error ? LOG_WARN : LOG_INFO, text);
	}
	wait_for_next(p);
}

static void on_deadline(struct loop_timer *timer)
{
	struct probe *p = (struct probe *)((char *)timer - offsetof(struct probe, timer));

	route_cancel(p->route);
	p->route = NULL;
	finish(p, "i/o timeout");
}

/* --- what nodes are told ---------------------------------------------------------------------------------- */

static ssize_t build_nobody(int version, uint8_t *out, size_t cap)
{
	static const struct addr nobody;

	return version == 1 ? proxy_build_v1(out, cap, &nobody, &nobody) : proxy_build_v2(out, cap, &nobody, &nobody);
}

/* A few bytes into an empty socket: they fit, or the node is not well. Inside a hop's TLS it is told nothing. */
static bool say_nobody(const struct probe *p, const struct route_result *res)
{
	uint8_t header[PROXY_V1_MAX];

	if (!p->target.header_version || res->tls)
		return true;
	ssize_t n = build_nobody(p->target.header_version, header, sizeof(header));
	return n > 0 && send(res->io->fd, header, (size_t)n, MSG_NOSIGNAL) == n;
}

static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	(void)ctx;
	return build_nobody(plan->version, out, cap);
}

/* --- on the way there ------------------------------------------------------------------------------------ */

static void on_trouble(void *ctx, const char *text)
{
	tell(ctx, LOG_DEBUG, text);
}

static void on_done(void *ctx, const struct route_result *res)
{
	struct probe *p = ctx;
	bool told = res->outcome == DIAL_OK && say_nobody(p, res);

	p->route = NULL;
	if (res->outcome == DIAL_CHAIN) { /* the hops before it are down: their nodes have been marked */
		tell(p, LOG_DEBUG, res->error);
		wait_for_next(p);
	} else if (res->outcome != DIAL_OK) {
		finish(p, res->error);
	} else {
		finish(p, told ? NULL : "it takes no PROXY header");
	}
	tls_conn_free(res->tls);
}

static struct route_request request_of(struct probe *p)
{
	const struct health_target *t = &p->target;
	struct health *h = p->health;

	return (struct route_request){
		.loop = h->loop,
		.resolver = h->resolver,
		.named = h->named,
		.hosts = t->hosts,
		.target_resolver = t->resolver < 0 ? NULL : h->named[t->resolver],
		.chain = t->chain,
		.hops = t->hops,
		.host = t->host,
		.port = t->port,
		.socket_opt = t->socket_opt,
		.timeout_ns = t->timeout_ns * 2, /* the probe's own time is over first */
		.ctx = p,
		.header = on_header,
		.trouble = on_trouble,
		.done = on_done,
	};
}

static void on_turn(struct loop_timer *timer)
{
	struct probe *p = (struct probe *)((char *)timer - offsetof(struct probe, timer));
	struct route_request req = request_of(p);

	/* Set first: what follows may end the probe at once, which sets the next one's. */
	loop_timer_set(p->health->loop, &p->timer, p->target.timeout_ns, on_deadline);
	if (route_new(&p->route, &req) < 0)
		finish(p, "out of memory");
	else
		route_run(p->route);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

int health_new(struct health **out, struct loop *loop, struct logger *log, const struct access *access)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct health){.loop = loop, .log = log, .access = access};
	int err = resolver_new(&h->resolver, loop);
	if (!err)
		err = named_resolvers_new(&h->named, loop, access);
	if (err)
		health_free(h);
	else
		*out = h;
	return err;
}

static void probe_free(struct probe *p)
{
	loop_timer_cancel(p->health->loop, &p->timer);
	route_cancel(p->route);
	free(p);
}

int health_add(struct health *h, const struct health_target *target)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->health = h;
	p->target = *target;
	p->next = h->probes;
	h->probes = p;
	loop_timer_set(h->loop, &p->timer, 0, on_turn);
	return 0;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	for (struct probe *p = h->probes, *next; p; p = next) {
		next = p->next;
		probe_free(p);
	}
	named_resolvers_free(h->named, h->access);
	resolver_free(h->resolver);
	free(h);
}
