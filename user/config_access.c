/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_access.c - the life of authers, admissions, bypasses, hosts, resolvers and limiters.
 *
 * Owns: the memory rules of access_config.h. Never: checks a text.
 * See: config_model.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "config_model.h"

/* The array at *list grows by one zeroed element, which is the value; NULL: out of memory. */
#define NEW(list, count)                                                                                     \
	({                                                                                                   \
		void *grown = config_grow(*(list), *(count), sizeof(**(list)));                              \
		if (grown)                                                                                   \
			*(list) = grown;                                                                     \
		grown ? &(*(list))[(*(count))++] : NULL;                                                     \
	})

struct auther_config *config_new_auther(struct access_config *access)
{
	return NEW(&access->authers, &access->auther_count);
}

struct auth_config *config_new_auth(struct auther_config *auther)
{
	return NEW(&auther->auths, &auther->count);
}

struct host_mapping *config_new_mapping(struct hosts_config *hosts)
{
	return NEW(&hosts->mappings, &hosts->count);
}

struct hosts_config *config_new_hosts(struct access_config *access)
{
	return NEW(&access->hosts, &access->hosts_count);
}

struct resolver_section *config_new_resolver(struct access_config *access)
{
	return NEW(&access->resolvers, &access->resolver_count);
}

struct matcher_config *config_new_matcher(struct matcher_config **list, size_t *count)
{
	return NEW(list, count);
}

struct limiter_config *config_new_limiter(struct limiter_config **list, size_t *count)
{
	return NEW(list, count);
}

int config_parse_prefer(const char *text, bool *ipv4, bool *ipv6)
{
	if (strcasecmp(text, "ipv4") && strcasecmp(text, "ipv6"))
		return -EINVAL;
	*ipv4 = !strcasecmp(text, "ipv4");
	*ipv6 = !*ipv4;
	return 0;
}

/* --- freeing ----------------------------------------------------------------------------------- */

static void auther_fini(struct auther_config *auther)
{
	for (size_t i = 0; i < auther->count; i++)
		config_auth_fini(&auther->auths[i]);
	free(auther->auths);
	free(auther->name);
	free(auther->origin);
}

static void hosts_fini(struct hosts_config *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		free(hosts->mappings[i].ip);
		free(hosts->mappings[i].hostname);
		config_names_fini(&hosts->mappings[i].aliases);
	}
	free(hosts->mappings);
	free(hosts->name);
	free(hosts->origin);
}

static void matchers_fini(struct matcher_config *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].name);
		config_names_fini(&list[i].matchers);
		free(list[i].origin);
	}
	free(list);
}

static void limiters_fini(struct limiter_config *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].name);
		config_names_fini(&list[i].limits);
		free(list[i].origin);
	}
	free(list);
}

static void resolvers_fini(struct resolver_section *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].name);
		config_names_fini(&list[i].servers);
		free(list[i].origin);
	}
	free(list);
}

void config_access_fini(struct access_config *access)
{
	for (size_t i = 0; i < access->auther_count; i++)
		auther_fini(&access->authers[i]);
	free(access->authers);
	for (size_t i = 0; i < access->hosts_count; i++)
		hosts_fini(&access->hosts[i]);
	free(access->hosts);
	matchers_fini(access->admissions, access->admission_count);
	matchers_fini(access->bypasses, access->bypass_count);
	resolvers_fini(access->resolvers, access->resolver_count);
	limiters_fini(access->limiters, access->limiter_count);
	limiters_fini(access->climiters, access->climiter_count);
	limiters_fini(access->rlimiters, access->rlimiter_count);
	*access = (struct access_config){0};
}
