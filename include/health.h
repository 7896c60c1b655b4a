/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health.h - active checks: connect to a node now and then, and tell its selector whether that works.
 *
 * Why: without them a node that is down is found out by a client that waits for it. A node behind hops is reached as a session
 * reaches it, through whichever of their nodes works; when none does, that says nothing about the node. One that is sent
 * PROXY headers gets one that speaks for nobody (LOCAL, or UNKNOWN in version 1), so that it does not log a broken connection.
 * Owns: the probes' routes and timers, all on one loop. Never: runs on a worker; sends payload.
 * See: user/health.c, selector_set_down(), route.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "selector.h"

struct chain;
struct health;

/* Borrowed, texts too, until health_free(). */
struct health_target {
	struct selector *selector;
	size_t node;              /* of the selector */
	const char *owner, *name; /* for records: a service or hop, a node */
	const char *text;         /* as configured */
	const char *host;
	uint16_t port;
	const struct chain *chain; /* the way there; NULL: straight */
	size_t hops;               /* how many of its hops; 0: all, as sessions do */
	const struct hosts *hosts; /* or NULL */
	int resolver;              /* index of a resolvers: section; -1: the system's */
	const struct listener_options *socket_opt; /* without a chain */
	int header_version; /* 0: it gets no PROXY headers */
	uint64_t interval_ns, timeout_ns;
};

int health_new(struct health **out, struct loop *loop, struct logger *log, const struct access *access);
/* Probes at once and then from the end of one probe to the start of the next every interval_ns. 0 or -errno. */
int health_add(struct health *h, const struct health_target *target);
void health_free(struct health *h); /* NULL is fine; before loop_free() */
