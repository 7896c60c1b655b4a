/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.c - see access.h. Sections by name.
 *
 * Owns: what access_init() allocates. Never: decides anything about a client.
 */
#include "access.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 256

/* "file:3:5: admission "x": sentence". */
static int fail(struct config_error *err, int rc, const char *origin, const char *kind, const char *name,
		const char *why)
{
	if (rc == -ENOMEM)
		why = "out of memory";
	snprintf(err->text, sizeof(err->text), "%s: %s \"%s\": %s", origin ? origin : "configuration", kind,
		 name ? name : "", why);
	return rc;
}

static void *array_of(size_t count, size_t size)
{
	return calloc(count + 1, size); /* + 1: never of size 0 */
}

static int make_room(struct access *a, const struct access_config *cfg)
{
	a->admissions = array_of(cfg->admission_count, sizeof(*a->admissions));
	a->bypasses = array_of(cfg->bypass_count, sizeof(*a->bypasses));
	a->hosts = array_of(cfg->hosts_count, sizeof(*a->hosts));
	a->resolvers = array_of(cfg->resolver_count, sizeof(*a->resolvers));
	a->limiters = array_of(cfg->limiter_count, sizeof(*a->limiters));
	a->climiters = array_of(cfg->climiter_count, sizeof(*a->climiters));
	a->rlimiters = array_of(cfg->rlimiter_count, sizeof(*a->rlimiters));
	return a->admissions && a->bypasses && a->hosts && a->resolvers && a->limiters && a->climiters && a->rlimiters
		       ? 0
		       : -ENOMEM;
}

/* --- each kind of section --------------------------------------------------------------------------------- */

static int make_matchers(struct matcher **out, const struct matcher_config *cfg, size_t count, enum matcher_kind kind,
			 const char *word, struct config_error *err)
{
	char why[WHY_MAX] = "";

	for (size_t i = 0; i < count; i++) {
		int rc = matcher_new(&out[i], kind, cfg[i].whitelist, cfg[i].matchers.names, cfg[i].matchers.count, why,
				     sizeof(why));
		if (rc)
			return fail(err, rc, cfg[i].origin, word, cfg[i].name, why);
	}
	return 0;
}

static int make_hosts(struct access *a, struct config_error *err)
{
	char why[WHY_MAX] = "";

	for (size_t i = 0; i < a->cfg->hosts_count; i++) {
		int rc = hosts_new(&a->hosts[i], &a->cfg->hosts[i], why, sizeof(why));
		if (rc)
			return fail(err, rc, a->cfg->hosts[i].origin, "hosts", a->cfg->hosts[i].name, why);
	}
	return 0;
}

static int make_resolvers(struct access *a, struct config_error *err)
{
	char why[WHY_MAX] = "";

	for (size_t i = 0; i < a->cfg->resolver_count; i++) {
		const struct resolver_section *from = &a->cfg->resolvers[i];
		int rc = access_resolver_parse(&a->resolvers[i], from, why, sizeof(why));
		if (rc)
			return fail(err, rc, from->origin, "resolver", from->name, why);
	}
	return 0;
}

static int make_limits(struct limit_rules *out, const struct limiter_config *cfg, size_t count, enum limit_kind kind,
		       const char *word, struct config_error *err)
{
	char why[WHY_MAX] = "";

	for (size_t i = 0; i < count; i++) {
		int rc = limit_rules_parse(&out[i], kind, cfg[i].limits.names, cfg[i].limits.count, why, sizeof(why));
		if (rc)
			return fail(err, rc, cfg[i].origin, word, cfg[i].name, why);
	}
	return 0;
}

int access_init(struct access *a, const struct access_config *cfg, struct config_error *err)
{
	*a = (struct access){.cfg = cfg};
	int rc = make_room(a, cfg);

	if (!rc)
		rc = make_matchers(a->admissions, cfg->admissions, cfg->admission_count, MATCHER_CLIENTS, "admission",
				   err);
	if (!rc)
		rc = make_matchers(a->bypasses, cfg->bypasses, cfg->bypass_count, MATCHER_TARGETS, "bypass", err);
	if (!rc)
		rc = make_hosts(a, err);
	if (!rc)
		rc = make_resolvers(a, err);
	if (!rc)
		rc = make_limits(a->limiters, cfg->limiters, cfg->limiter_count, LIMIT_BANDWIDTH, "limiter", err);
	if (!rc)
		rc = make_limits(a->climiters, cfg->climiters, cfg->climiter_count, LIMIT_CONNECTIONS, "climiter", err);
	if (!rc)
		rc = make_limits(a->rlimiters, cfg->rlimiters, cfg->rlimiter_count, LIMIT_RATE, "rlimiter", err);
	return rc;
}

/* --- finishing ---------------------------------------------------------------------------------------------- */

static void free_matchers(struct matcher **matchers, size_t count)
{
	for (size_t i = 0; matchers && i < count; i++)
		matcher_free(matchers[i]);
	free(matchers);
}

static void free_limits(struct limit_rules *rules, size_t count)
{
	for (size_t i = 0; rules && i < count; i++)
		limit_rules_free(&rules[i]);
	free(rules);
}

void access_fini(struct access *a)
{
	const struct access_config *cfg = a->cfg;

	if (!cfg)
		return;
	free_matchers(a->admissions, cfg->admission_count);
	free_matchers(a->bypasses, cfg->bypass_count);
	for (size_t i = 0; a->hosts && i < cfg->hosts_count; i++)
		hosts_free(a->hosts[i]);
	free(a->hosts);
	for (size_t i = 0; a->resolvers && i < cfg->resolver_count; i++)
		free(a->resolvers[i].servers);
	free(a->resolvers);
	free_limits(a->limiters, cfg->limiter_count);
	free_limits(a->climiters, cfg->climiter_count);
	free_limits(a->rlimiters, cfg->rlimiter_count);
	*a = (struct access){0};
}

/* --- by name -------------------------------------------------------------------------------------------------- */

static int missing(struct config_error *err, const char *origin, const char *word, const char *name)
{
	snprintf(err->text, sizeof(err->text), "%s: there is no %s \"%s\"", origin ? origin : "configuration", word,
		 name);
	return -EINVAL;
}

static int find_matcher(const struct matcher_config *cfg, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(cfg[i].name, name))
			return (int)i;
	return -1;
}

/* Which arrays to look in. */
struct matcher_table {
	struct matcher **made;
	const struct matcher_config *cfg;
	size_t count;
	const char *word;
};

static int find_group(const struct matcher_table *table, const struct name_list *names, const char *origin,
		      struct matcher_group *out, struct config_error *err)
{
	*out = (struct matcher_group){0};
	if (!names->count)
		return 0;
	out->members = calloc(names->count, sizeof(struct matcher *));
	if (!out->members)
		return fail(err, -ENOMEM, origin, table->word, names->names[0], "");
	for (size_t i = 0; i < names->count; i++) {
		int at = find_matcher(table->cfg, table->count, names->names[i]);
		if (at < 0)
			return missing(err, origin, table->word, names->names[i]);
		out->members[out->count++] = table->made[at];
	}
	return 0;
}

int access_find_admissions(const struct access *a, const struct name_list *names, const char *origin,
			   struct matcher_group *out, struct config_error *err)
{
	struct matcher_table table = {a->admissions, a->cfg->admissions, a->cfg->admission_count, "admission"};

	return find_group(&table, names, origin, out, err);
}

int access_find_bypasses(const struct access *a, const struct name_list *names, const char *origin,
			 struct matcher_group *out, struct config_error *err)
{
	struct matcher_table table = {a->bypasses, a->cfg->bypasses, a->cfg->bypass_count, "bypass"};

	return find_group(&table, names, origin, out, err);
}

void access_group_fini(struct matcher_group *group)
{
	free(group->members);
	*group = (struct matcher_group){0};
}

int access_find_hosts(const struct access *a, const char *name, const char *origin, const struct hosts **out,
		      struct config_error *err)
{
	*out = NULL;
	if (!name)
		return 0;
	for (size_t i = 0; i < a->cfg->hosts_count && !*out; i++)
		if (!strcmp(a->cfg->hosts[i].name, name))
			*out = a->hosts[i];
	return *out ? 0 : missing(err, origin, "hosts section", name);
}

int access_find_resolver(const struct access *a, const char *name, const char *origin, int *out,
			 struct config_error *err)
{
	*out = -1;
	if (!name)
		return 0;
	for (size_t i = 0; i < a->cfg->resolver_count && *out < 0; i++)
		if (!strcmp(a->cfg->resolvers[i].name, name))
			*out = (int)i;
	return *out >= 0 ? 0 : missing(err, origin, "resolver", name);
}
