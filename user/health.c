/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health.c - see health.h.
 *
 * Why one timer serves two ends: between probes it waits for the next, during a probe for its deadline.
 * Owns: one probe for each target. Never: has two connections to a node at a time.
 */
#include "health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dial.h"
#include "hosts.h"
#include "proto_proxy.h"
#include "resolver.h"

struct probe {
	struct probe *next;
	struct health *health;
	struct health_target target;
	struct resolver *own; /* where the node names a resolver */
	struct resolver_request lookup;
	struct dial *dial;
	struct loop_timer timer;
};

struct health {
	struct loop *loop;
	struct logger *log;
	struct resolver *resolver;
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
	loop_timer_set(p->health->loop, &p->timer, p->target.interval_ns, on_turn);
}

/* A few bytes into an empty socket: they fit, or the node is not well. */
static bool say_nobody(const struct probe *p, int fd)
{
	static const struct addr nobody;
	uint8_t header[PROXY_V1_MAX];
	ssize_t n = p->target.header_version == 1 ? proxy_build_v1(header, sizeof(header), &nobody, &nobody)
						  : proxy_build_v2(header, sizeof(header), &nobody, &nobody);

	return n > 0 && send(fd, header, (size_t)n, MSG_NOSIGNAL) == n;
}

static void on_dialed(void *ctx, int status, struct loop_io *io, const struct addr *at)
{
	struct probe *p = ctx;
	char to[ADDR_TEXT_MAX], error[256];

	p->dial = NULL;
	if (!status && p->target.header_version && !say_nobody(p, io->fd))
		status = -EPIPE;
	if (status)
		snprintf(error, sizeof(error), "dial tcp %s: %s", addr_format(at, to), strerror(-status));
	finish(p, status ? error : NULL);
}

static void on_deadline(struct loop_timer *timer)
{
	struct probe *p = (struct probe *)((char *)timer - offsetof(struct probe, timer));

	resolver_cancel(p->health->resolver, &p->lookup);
	dial_cancel(p->dial);
	p->dial = NULL;
	finish(p, "i/o timeout");
}

/* --- on the way there ------------------------------------------------------------------------------------ */

static void on_resolved(struct resolver_request *req, int status, const struct addr *addrs, size_t count,
			const char *error)
{
	struct probe *p = (struct probe *)((char *)req - offsetof(struct probe, lookup));

	if (status < 0)
		finish(p, error);
	else if (dial_start(&p->dial, p->health->loop, addrs, count, p->target.socket_opt, p->target.timeout_ns * 2,
			    on_dialed, p) < 0)
		finish(p, "out of memory");
}

static void on_turn(struct loop_timer *timer)
{
	struct probe *p = (struct probe *)((char *)timer - offsetof(struct probe, timer));
	const struct health_target *t = &p->target;
	struct addr addrs[HOSTS_ADDRS_MAX];
	size_t count = t->hosts ? hosts_find(t->hosts, t->host, t->port, addrs) : 0;

	/* Set first: what follows may end the probe at once, which sets the next one's. */
	loop_timer_set(p->health->loop, &p->timer, t->timeout_ns, on_deadline);
	if (count)
		on_resolved(&p->lookup, 0, addrs, count, NULL);
	else
		resolver_lookup(p->own ? p->own : p->health->resolver, &p->lookup, t->host, t->port, on_resolved);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

int health_new(struct health **out, struct loop *loop, struct logger *log)
{
	struct health *h = calloc(1, sizeof(*h));
	int err = h ? resolver_new(&h->resolver, loop) : -ENOMEM;

	if (err) {
		free(h);
		return err;
	}
	h->loop = loop;
	h->log = log;
	*out = h;
	return 0;
}

static void probe_free(struct probe *p)
{
	loop_timer_cancel(p->health->loop, &p->timer);
	dial_cancel(p->dial);
	resolver_cancel(p->health->resolver, &p->lookup);
	resolver_free(p->own);
	free(p);
}

static int own_resolver(struct probe *p)
{
	const struct access_resolver *from = p->target.resolver;

	if (!from)
		return 0;
	struct resolver_config cfg = {.servers = from->servers, .tcp = from->tcp, .prefer = from->prefer};
	int err = resolver_new(&p->own, p->health->loop);
	return err ? err : resolver_configure(p->own, &cfg);
}

int health_add(struct health *h, const struct health_target *target)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->health = h;
	p->target = *target;
	int err = own_resolver(p);
	if (err) {
		probe_free(p);
		return err;
	}
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
	resolver_free(h->resolver);
	free(h);
}
