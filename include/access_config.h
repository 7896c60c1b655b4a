/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_config.h - the model of who may do what: authers, admissions, bypasses, hosts, resolvers, limiters.
 *
 * Why: these sections only name things that services, hops and nodes refer to; texts stay as written and checked, and
 * access.c makes them ready for matching.
 * Owns: strings, freed with the struct config. Never: matches anything.
 * See: config.h, include/access.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

struct auther_config {
	char *name;
	struct auth_config *auths;
	size_t count;
	char *origin;
};

/* admissions and bypasses: a whitelist, or a blacklist, of texts. */
struct matcher_config {
	char *name;
	bool whitelist;
	struct name_list matchers;
	char *origin;
};

struct host_mapping {
	char *ip, *hostname;
	struct name_list aliases;
};
struct hosts_config {
	char *name;
	struct host_mapping *mappings;
	size_t count;
	char *origin;
};

/* nameservers: "10.0.0.1:53", "udp://10.0.0.1", "tcp://...". */
struct resolver_section {
	char *name;
	struct name_list servers;
	bool prefer_ipv6, prefer_ipv4;
	char *origin;
};

/* limiters, climiters, rlimiters: rules as GOST writes them ("$ 100MB 100MB", "$$ 10", "192.168.1.0/24 5"). */
struct limiter_config {
	char *name;
	struct name_list limits;
	char *origin;
};

struct access_config {
	struct auther_config *authers;
	size_t auther_count;
	struct matcher_config *admissions;
	size_t admission_count;
	struct matcher_config *bypasses;
	size_t bypass_count;
	struct hosts_config *hosts;
	size_t hosts_count;
	struct resolver_section *resolvers;
	size_t resolver_count;
	struct limiter_config *limiters, *climiters, *rlimiters;
	size_t limiter_count, climiter_count, rlimiter_count;
};
