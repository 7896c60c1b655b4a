/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.h - a chain at run time: hops of nodes, each with its connector, ready to be walked.
 *
 * Why: services share chains, and routes need parsed addresses and functions instead of texts.
 * Owns: parsed nodes and selectors. Borrows its chain_config for its whole life.
 * Never: belongs to a thread (selectors are atomic); dials (route.c does).
 * See: user/chain.c, include/route.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "chain_config.h"
#include "listener.h"
#include "proxy_send.h"
#include "selector.h"
#include "socket_place.h"

struct config;
struct connector_ops;
struct tls_context;

struct chain_node {
	const struct chain_node_config *cfg;
	const struct connector_ops *connector;
	char *host; /* "" = this machine */
	uint16_t port;
	struct proxy_send send; /* the PROXY header this node gets */
	struct listener_options socket_opt;
	struct matcher_group bypass; /* targets that this node is not asked for */
	const struct hosts *hosts;   /* for its own name; NULL: none */
	int resolver;                /* for its own name; an index into the worker's, -1: the system's */
	struct socket_place place; /* where it is dialed from, if the options point to it */
	struct tls_context *tls;   /* dialer tls; NULL: plain */
	bool tls_verified;
	const char *tls_name;      /* whom its certificate must name */
};

struct chain_hop {
	const struct hop_config *cfg;
	struct selector *selector;
	struct chain_node *nodes;
	size_t node_count;
	struct matcher_group bypass; /* targets that none of its nodes is asked for */
};

struct chain {
	const struct chain_config *cfg;
	struct chain_hop *hops;
	size_t hop_count; /* at least 1 */
};

/* All chains of the configuration: opens namespaces, reads certificates. 0, or -errno with err filled. */
struct chains {
	struct chain *chains;
	size_t count;
};
int chains_init(struct chains *chains, const struct config *cfg, const struct access *access,
		struct config_error *err);
void chains_fini(struct chains *chains);
const struct chain *chains_find(const struct chains *chains, const char *name); /* NULL: none */
