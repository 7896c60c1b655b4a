/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.h - one -L at run time: what every session of it shares, read-only, on all workers.
 *
 * Why: sessions need the parsed targets, the engine and the selector, not the configuration's text.
 * Owns: parsed nodes, the selector. Borrows its service_config for its whole life.
 * Never: belongs to a thread (selector and counters are atomic).
 * See: user/service.c, include/session.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "acl.h"
#include "addr.h"
#include "config.h"
#include "listener.h"
#include "proxy_policy.h"
#include "proxy_send.h"
#include "socket_place.h"

struct chain;
struct chains;
struct engine_ops;
struct handler_ops;
struct selector;
struct tls_context;

struct service_node {
	const char *name;
	const char *text; /* as configured, for "A <-> text" records */
	char *host;       /* "" = this machine */
	uint16_t port;
	struct proxy_send send; /* the node's own settings, or the handler's */
};

struct service {
	const struct service_config *cfg;
	bool datagram;                      /* udp: no handler, no engine */
	const struct handler_ops *handler;
	const struct engine_ops *engine;
	struct selector *selector;
	const struct chain *chain;          /* NULL: direct */
	const struct chain *listener_chain; /* rtcp: where it listens is at the end of this; NULL: here */
	struct proxy_send send;             /* towards targets that are no nodes */
	struct service_node *nodes;
	size_t node_count;
	struct addr at;                     /* where it listens */
	struct listener_options socket_opt; /* of the listener, and so of clients */
	struct listener_options dial_opt;   /* of connections to targets */
	struct socket_place listen_place, dial_place;
	struct tls_context *tls;            /* of the listener; NULL: plain */
	struct proxy_limits recv_limits;
	struct proxy_rules recv_rules;
	struct acl recv_from; /* empty: everybody is trusted */
	struct access_rules access; /* who may come, where to, how much */
	bool keep_tlvs;       /* some node sends them on, or the log shows them */
	bool unique_id;       /* some node sends one that we make */
	atomic_ullong accepted, rejected_headers, failed_dials, unsent_headers, refused;
	atomic_ullong refusal_told_ns; /* when a refusal was last told at info level */
};

/* Resolves names against the registry and the chains, parses nodes. 0, or -errno with err filled. */
int service_init(struct service *svc, const struct service_config *cfg, const struct chains *chains,
		 const struct access *access, struct config_error *err);
void service_fini(struct service *svc);
