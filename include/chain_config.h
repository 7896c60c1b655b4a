/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain_config.h - the model of -F and of the chains: and hops: sections.
 *
 * Why: a chain is what several services share, so it stands beside services in struct config and is named by them.
 * Owns: strings, freed with the struct config. Never: names a function (chain.c looks those up).
 * See: config.h, include/chain.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct chain_node_options {
	int send_proxy; /* -1: the hop's */
	unsigned weight;
	bool backup;
	unsigned max_fails;       /* 0: the selector's */
	uint64_t fail_timeout_ns; /* 0: the selector's */
	uint64_t probe_interval_ns; /* active health check; 0: none */
	uint64_t probe_timeout_ns;  /* 0: 2 s */
	unsigned so_mark;         /* 0: the hop's */
	const char *interface;    /* NULL: the hop's */
	const char *netns;        /* NULL: the hop's */
	uint64_t connect_timeout_ns;
	unsigned mux_version;     /* socks5, relay: of smux in a tunnel; 0: 1 */
	bool notls;               /* socks5: changes nothing */
	bool no_4a;               /* socks4: disable4a */
	bool nodelay;             /* relay: the server answers at once, so its answer is awaited; the request always leaves at once */
};

struct chain_node_config {
	char *name;
	char *addr;
	char *connector_type; /* default "http" */
	char *dialer_type;    /* default "tcp" */
	bool connector_given, dialer_given;
	struct auth_config auth;
	struct tls_config tls;
	struct metadata metadata, connector_metadata, dialer_metadata;
	struct name_list bypasses;
	char *hosts, *resolver; /* names of sections; NULL: none */
	struct chain_node_options opt;
};

struct hop_config {
	char *name;
	struct selector_config selector;
	struct metadata metadata;
	struct chain_node_options opt; /* from metadata: what its nodes inherit */
	struct name_list bypasses;
	char *hosts, *resolver;
	struct chain_node_config *nodes;
	size_t node_count; /* 0 below a chain: a reference to the hops: section by name */
	char *scheme;	   /* as written in -F; NULL when there was none, or the hop came from a file */
	char *origin;
};

struct chain_config {
	char *name;
	struct hop_config *hops;
	size_t hop_count;
	char *origin;
};
