/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.h - the way to a target: resolve, connect, and the hops of a chain, up to a socket that leads there.
 *
 * Why: whoever needs a connection (a session, a tunnel, a health check) needs the same steps: choose a node of each hop,
 * dial the first, give each its PROXY header, let its connector ask for the next. A hop that fails is marked and another of
 * its nodes is tried; when none is left the route fails: it never goes round a hop (GOST dials directly then).
 * Owns: the socket until it is handed over. Never: retries a target, writes payload, calls back after route_cancel().
 * See: user/route.c, include/connector.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"
#include "connector.h"
#include "handler.h"
#include "listener.h"
#include "loop.h"

struct chain;
struct hosts;
struct proxy_send;
struct resolver;
struct route;
struct tls_conn;

struct route_result {
	enum dial_outcome outcome; /* DIAL_OK: io watches the connected socket; take it with loop_io_adopt() */
	const char *error;         /* otherwise: a sentence in Go's words ("dial tcp 127.0.0.1:1: connect: ...") */
	struct loop_io *io;
	struct tls_conn *tls;      /* the taker's from now on; NULL: plain */
	struct addr at;            /* what the socket is connected to, or what failed */
	const char *target;        /* what the last hop was told: a name or an address */
	struct addr bound;         /* what the last hop said; may be unset */
	const struct connector_ops *last; /* of the last hop; NULL: no chain, or none for this target */
	unsigned mux_version;      /* what its node speaks behind the answer to MUX_BIND; 0: 1 */
	const uint8_t *surplus;    /* bytes behind the last hop's answer: the target's first */
	size_t surplus_len;
	const struct connector_ops *late; /* whose answers are still to come, in front of the target's first byte */
	unsigned late_count;
	uint64_t read_bytes, written_bytes; /* on the socket so far, surplus included */
};

struct route_request {
	struct loop *loop;
	struct resolver *resolver;     /* for names of hops, unless they name another */
	struct resolver *const *named; /* the worker's, by index: of nodes that name one */
	const struct hosts *hosts;     /* for the target's name; NULL: none */
	struct resolver *target_resolver; /* the same; NULL: resolver, or the last hop's where there is a chain */
	const struct chain *chain; /* NULL: straight to the target */
	size_t hops;               /* of the chain, whatever the target is; 0: all, but where a bypass says otherwise */
	const char *host;          /* of the target; "" = this machine */
	uint16_t port;
	enum connector_command command; /* what the last hop is asked for; CONNECTOR_UDP without one: a connected datagram socket */
	bool whole;                /* of that socket: datagrams are never fragmented */
	const struct listener_options *socket_opt; /* without a chain */
	const struct addr *client; /* whose address a transparent socket takes; NULL: nobody's */
	uint64_t timeout_ns;       /* of one attempt, all hops together */
	uint32_t hash;             /* for selectors with strategy hash */
	void *ctx;
	/* A hop's PROXY header into out: its length, or -errno. */
	ssize_t (*header)(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap);
	/* A hop failed; another of its nodes is tried. */
	void (*trouble)(void *ctx, const char *text);
	/* Once, perhaps from inside route_run(). The route is gone when it returns. */
	void (*done)(void *ctx, const struct route_result *result);
};

/* Copies the request; host and client stay the caller's until done. 0 or -ENOMEM. */
int route_new(struct route **out, const struct route_request *req);
void route_run(struct route *r);
void route_cancel(struct route *r); /* NULL is fine; not from inside done */
