/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.h - the sections of access_config.h made ready, and what one service takes from them.
 *
 * Why: everything is read before anybody listens, so a list that cannot be read, or is not there, is an error at the
 * start and never an open door (GOST loads lists while it already accepts, and takes a missing one for none).
 * Owns: lists, tables, rules; a service's limiter. Borrows the configuration for its whole life.
 * Never: touches a socket (session_access.c does).
 * See: user/access.c, user/access_rules.c, matcher.h, hosts.h, limit_rules.h, limiter.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth.h"
#include "config.h"
#include "hosts.h"
#include "limiter.h"
#include "matcher.h"

/* A resolvers: section, as resolver_configure() wants it. */
struct access_resolver {
	char *servers; /* "10.0.0.1:53,[2001:db8::1]:53" */
	bool tcp;
	int prefer; /* AF_INET, AF_INET6 or AF_UNSPEC */
};

/* In the order of the configuration's arrays. */
struct access {
	const struct access_config *cfg;
	struct matcher **admissions, **bypasses;
	struct hosts **hosts;
	struct access_resolver *resolvers;
	struct limit_rules *limiters, *climiters, *rlimiters;
};

/* 0, or -errno with err filled: "file:line:column: sentence". Finish it in both cases. */
int access_init(struct access *a, const struct access_config *cfg, struct config_error *err);
void access_fini(struct access *a);

/*
 * What a service, a hop or a node names; origin says where. A name that is no section's is an error. NULL or an empty
 * list is nothing: NULL, -1, an empty group.
 */
int access_find_admissions(const struct access *a, const struct name_list *names, const char *origin,
			   struct matcher_group *out, struct config_error *err);
int access_find_bypasses(const struct access *a, const struct name_list *names, const char *origin,
			 struct matcher_group *out, struct config_error *err);
void access_group_fini(struct matcher_group *group);
int access_find_hosts(const struct access *a, const char *name, const char *origin, const struct hosts **out,
		      struct config_error *err);
/* An index into resolvers, -1: the system's. */
int access_find_resolver(const struct access *a, const char *name, const char *origin, int *out,
			 struct config_error *err);

/* What one service has of it. */
struct access_rules {
	struct matcher_group admission, bypass;
	const struct hosts *hosts; /* or NULL */
	int resolver;              /* index, -1: the system's */
	bool needs_auth;
	struct auth_user *users;
	size_t user_count;
	struct limiter *limiter; /* NULL: no limits */
};
/* 0, or -errno with err filled. Finish it in both cases. */
int access_rules_init(struct access_rules *rules, const struct access *a, const struct service_config *svc,
		      struct config_error *err);
void access_rules_fini(struct access_rules *rules);

/* access_resolver.c: the texts of one section. 0, -ENOMEM, or -EINVAL with a sentence in why. */
int access_resolver_parse(struct access_resolver *out, const struct resolver_section *cfg, char *why, size_t why_cap);
