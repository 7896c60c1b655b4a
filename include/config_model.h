/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_model.h - making, copying and freeing the parts of a struct config that chains and access lists consist of.
 *
 * Why: both front ends append to the same arrays, and one walk frees what they managed to build.
 * Every fini is idempotent; every new returns a zeroed element or NULL (out of memory).
 * Owns: nothing itself. Never: included outside user/config*.c and their tests.
 * See: config_parts.h, chain_config.h, access_config.h.
 */
#pragma once

#include "config_keys.h"

int config_auth_copy(struct auth_config *to, const struct auth_config *from); /* 0 or -ENOMEM, as the others */
void config_auth_fini(struct auth_config *auth);			       /* overwrites the password */
int config_tls_copy(struct tls_config *to, const struct tls_config *from);
void config_tls_fini(struct tls_config *tls);
int config_names_add(struct name_list *list, const char *name);
int config_names_copy(struct name_list *to, const struct name_list *from);
void config_names_fini(struct name_list *list);

/* One of the three of GOST's selector on -L or -F: naming one makes a selector, whose other two are round, 1 and 30 s. */
int config_selector_set(struct selector_config *selector, struct metadata *given, const struct config_key *key,
			const char *value, struct config_error *err);

/* "ipv4" or "ipv6". 0 or -EINVAL. */
int config_parse_prefer(const char *text, bool *ipv4, bool *ipv6);

struct chain_config *config_new_chain(struct config *cfg);
struct hop_config *config_new_hop(struct hop_config **hops, size_t *count);
struct chain_node_config *config_new_proxy(struct hop_config *hop);
void config_chains_fini(struct config *cfg);

struct auther_config *config_new_auther(struct access_config *access);
struct auth_config *config_new_auth(struct auther_config *auther);
struct host_mapping *config_new_mapping(struct hosts_config *hosts);
struct hosts_config *config_new_hosts(struct access_config *access);
struct resolver_section *config_new_resolver(struct access_config *access);
/* list and count are one of the pairs of struct access_config */
struct matcher_config *config_new_matcher(struct matcher_config **list, size_t *count);
struct limiter_config *config_new_limiter(struct limiter_config **list, size_t *count);
void config_access_fini(struct access_config *access);

/* --- checks ------------------------------------------------------------------------------------- */

/* A type that a service or node names, with the names it may have. */
struct config_type_use {
	const char *kind, *type;
	bool given; /* false: it is the default */
	const char *const *ours, *const *gosts;
};
/* scheme: as written on the command line, or NULL; flag: it comes from there. 0 or -EINVAL. */
int config_check_types(const struct config_type_use *uses, size_t count, const char *scheme, bool flag,
		       struct config_error *err);

bool config_is_flag(const char *origin); /* -L or -F, not a file */
/* Types and options of chains, and that each is whole. 0 or -errno, with the place in the sentence. */
int config_resolve_chains(struct config *cfg, const struct config_types *types, struct config_error *err);
/* The last hop's nodes speak nothing ("forward", "tcp"): their connection is the target's. chain may be NULL. */
bool config_chain_is_target(const struct config *cfg, const char *chain);
int config_check_hop_reference(const struct config *cfg, const struct hop_config *hop, struct config_error *err);
/* Every name that refers to a section has one; no name is used twice. */
int config_check_references(const struct config *cfg, struct config_error *err);
