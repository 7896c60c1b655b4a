/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_refs.c - every name that refers to a section must have one, and no section may have another's name.
 *
 * Why: GOST takes a missing chain, admission or bypass for none at all: a typing error opens what should be closed.
 * Never: follows a reference; chain.c and access.c do.
 * See: config_resolve.c.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"

/* Sections of one kind. All their structs begin with the name; origin is an offset. */
struct section {
	const char *kind; /* as in `there is no bypass "x"` */
	const void *array;
	size_t count, size, origin;
	const void **sorted; /* the elements by name; a range of ports may have made 65535 */
};

#define SECTION(word, list, number, type)                                                                    \
	(struct section){word, list, number, sizeof(struct type), offsetof(struct type, origin), NULL}

static const char *name_of(const void *element)
{
	return *(const char *const *)element;
}

static const char *origin_of(const struct section *s, const void *element)
{
	return *(const char *const *)((const char *)element + s->origin);
}

/* Equal names stay in the order of the configuration, so that a message names them in that order. */
static int order(const void *a, const void *b)
{
	const void *x = *(const void *const *)a, *y = *(const void *const *)b;
	int rc = strcmp(name_of(x), name_of(y));

	return rc ? rc : (x > y) - (x < y);
}

static int find(const void *name, const void *element)
{
	return strcmp(name, name_of(*(const void *const *)element));
}

static bool has(const struct section *s, const char *name)
{
	return s->count && bsearch(name, s->sorted, s->count, sizeof(*s->sorted), find);
}

static int sort(struct section *s)
{
	s->sorted = calloc(s->count ? s->count : 1, sizeof(*s->sorted));
	if (!s->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		s->sorted[i] = (const char *)s->array + i * s->size;
	qsort(s->sorted, s->count, sizeof(*s->sorted), order);
	return 0;
}

static int check_reference(const struct section *s, const char *name, struct config_error *err)
{
	char hint[CONFIG_HINT_MAX];
	struct config_nearest near = {.word = name};

	if (!name || has(s, name))
		return 0;
	for (size_t i = 0; i < s->count; i++)
		config_nearest_offer(&near, name_of(s->sorted[i]));
	return config_fail(err, "there is no %s \"%.100s\"%s", s->kind, name, config_nearest_hint(&near, hint));
}

static int check_references(const struct section *s, const struct name_list *names, struct config_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < names->count && !rc; i++)
		rc = check_reference(s, names->names[i], err);
	return rc;
}

static int check_duplicates(const struct section *s, struct config_error *err)
{
	for (size_t i = 1; i < s->count; i++)
		if (!strcmp(name_of(s->sorted[i - 1]), name_of(s->sorted[i])))
			return config_fail(err, "%s name \"%.100s\" is used twice: by %.170s and by %.170s", s->kind,
					   name_of(s->sorted[i]), origin_of(s, s->sorted[i - 1]),
					   origin_of(s, s->sorted[i]));
	return 0;
}

/* --- what refers to what ------------------------------------------------------------------------ */

enum { CHAIN, HOP, AUTHER, ADMISSION, BYPASS, HOSTS, RESOLVER, LIMITER, CLIMITER, RLIMITER, SECTIONS };

static void fill_sections(const struct config *cfg, struct section out[static SECTIONS])
{
	const struct access_config *a = &cfg->access;

	out[CHAIN] = SECTION("chain", cfg->chains, cfg->chain_count, chain_config);
	out[HOP] = SECTION("hop", cfg->hops, cfg->hop_count, hop_config);
	out[AUTHER] = SECTION("auther", a->authers, a->auther_count, auther_config);
	out[ADMISSION] = SECTION("admission", a->admissions, a->admission_count, matcher_config);
	out[BYPASS] = SECTION("bypass", a->bypasses, a->bypass_count, matcher_config);
	out[HOSTS] = SECTION("hosts", a->hosts, a->hosts_count, hosts_config);
	out[RESOLVER] = SECTION("resolver", a->resolvers, a->resolver_count, resolver_section);
	out[LIMITER] = SECTION("limiter", a->limiters, a->limiter_count, limiter_config);
	out[CLIMITER] = SECTION("climiter", a->climiters, a->climiter_count, limiter_config);
	out[RLIMITER] = SECTION("rlimiter", a->rlimiters, a->rlimiter_count, limiter_config);
}

static int check_service(const struct section *s, const struct service_config *svc, struct config_error *err)
{
	const struct {
		int section;
		const char *name;
	} single[] = {
		{CHAIN, svc->chain},	 {CHAIN, svc->listener_chain}, {HOSTS, svc->hosts},
		{RESOLVER, svc->resolver}, {LIMITER, svc->limiter},    {CLIMITER, svc->climiter},
		{RLIMITER, svc->rlimiter},
	};
	int rc = check_references(&s[AUTHER], &svc->authers, err);

	if (!rc)
		rc = check_references(&s[ADMISSION], &svc->admissions, err);
	if (!rc)
		rc = check_references(&s[BYPASS], &svc->bypasses, err);
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]) && !rc; i++)
		rc = check_reference(&s[single[i].section], single[i].name, err);
	return rc ? config_fail_at(err, rc, "%s", svc->origin) : 0;
}

static int check_three(const struct section *s, const struct name_list *bypasses, const char *hosts,
		       const char *resolver, struct config_error *err)
{
	int rc = check_references(&s[BYPASS], bypasses, err);

	if (!rc)
		rc = check_reference(&s[HOSTS], hosts, err);
	return rc ? rc : check_reference(&s[RESOLVER], resolver, err);
}

static int check_hop(const struct section *s, const struct hop_config *hop, struct config_error *err)
{
	int rc = check_three(s, &hop->bypasses, hop->hosts, hop->resolver, err);

	for (size_t i = 0; i < hop->node_count && !rc; i++) {
		const struct chain_node_config *node = &hop->nodes[i];
		rc = check_three(s, &node->bypasses, node->hosts, node->resolver, err);
		if (rc)
			config_fail_at(err, rc, "node \"%s\"", node->name);
	}
	return rc ? config_fail_at(err, rc, "%s", hop->origin) : 0;
}

int config_check_hop_reference(const struct config *cfg, const struct hop_config *hop, struct config_error *err)
{
	for (size_t i = 0; i < cfg->hop_count; i++)
		if (!strcmp(cfg->hops[i].name, hop->name))
			return 0;
	config_fail(err, "hop \"%.100s\" has no nodes, and there is no hop of this name under hops", hop->name);
	return config_fail_at(err, -EINVAL, "%s", hop->origin);
}

static int check_all(const struct config *cfg, const struct section *s, struct config_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < SECTIONS && !rc; i++)
		rc = check_duplicates(&s[i], err);
	for (size_t i = 0; i < cfg->service_count && !rc; i++)
		rc = check_service(s, &cfg->services[i], err);
	for (size_t i = 0; i < cfg->hop_count && !rc; i++)
		rc = check_hop(s, &cfg->hops[i], err);
	for (size_t i = 0; i < cfg->chain_count && !rc; i++)
		for (size_t h = 0; h < cfg->chains[i].hop_count && !rc; h++)
			rc = check_hop(s, &cfg->chains[i].hops[h], err);
	return rc;
}

int config_check_references(const struct config *cfg, struct config_error *err)
{
	struct section s[SECTIONS];
	int rc = 0;

	fill_sections(cfg, s);
	for (size_t i = 0; i < SECTIONS; i++)
		if (sort(&s[i]))
			rc = config_no_memory(err);
	if (!rc)
		rc = check_all(cfg, s, err);
	for (size_t i = 0; i < SECTIONS; i++)
		free(s[i].sorted);
	return rc;
}
