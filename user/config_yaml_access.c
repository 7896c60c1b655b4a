/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_access.c - authers, admissions, bypasses, hosts and the three kinds of limiters.
 *
 * Why: each is a named list of texts; what the texts mean is access.c's business.
 * Never: prints a password.
 * See: config_yaml.h, access_config.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_yaml.h"

/* GOST loads lists from these as well. */
static const char *const loaders[] = {"reload", "file", "redis", "http", "plugin", "network", NULL};

static int check_name(struct yaml_reader *r, const struct tree_node *value, const char *kind, const char *name)
{
	return name ? 0 : yaml_fail(r, value, "the %s has no name", kind);
}

/* --- authers[] --------------------------------------------------------------------------------- */

static int read_auther_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct auther_config *)target)->name);
}

static int read_auth(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct auth_config *auth = config_new_auth(target);

	return auth ? yaml_read_auth(r, value, auth) : config_no_memory(r->err);
}

static int read_auths(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_auth, target);
}

static int read_auther(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"name", read_auther_name}, {"auths", read_auths}, {0}};
	struct auther_config *auther = config_new_auther(&((struct config *)target)->access);

	if (!auther || yaml_set_origin(r, value, &auther->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, loaders, "key", auther);
	if (!rc)
		rc = check_name(r, value, "auther", auther->name);
	return !rc && !auther->count ? yaml_fail(r, value, "auther \"%s\" has no auths", auther->name) : rc;
}

/* --- admissions[] and bypasses[] --------------------------------------------------------------- */

static int read_matcher_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct matcher_config *)target)->name);
}

static int read_whitelist(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	if (value->kind != TREE_SCALAR || config_parse_bool(value->text, &((struct matcher_config *)target)->whitelist))
		return yaml_fail(r, value, "key \"whitelist\": expected true or false");
	return 0;
}

static int read_matchers(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct matcher_config *)target)->matchers);
}

/* reverse is GOST's old name; with both there would be two answers. */
static int read_matcher(struct yaml_reader *r, const struct tree_node *value, const char *kind,
			struct matcher_config *list)
{
	static const struct yaml_field fields[] = {
		{"name", read_matcher_name}, {"whitelist", read_whitelist}, {"matchers", read_matchers}, {0}};
	static const struct yaml_field old_fields[] = {
		{"name", read_matcher_name}, {"reverse", read_whitelist}, {"matchers", read_matchers}, {0}};
	bool old = false;

	if (!list || yaml_set_origin(r, value, &list->origin))
		return config_no_memory(r->err);
	for (const struct tree_node *key = value->kind == TREE_MAPPING ? value->first : NULL; key; key = key->next->next)
		old |= !strcasecmp(key->text, "reverse");
	int rc = yaml_read_mapping(r, value, old ? old_fields : fields, loaders, "key", list);
	if (!rc)
		rc = check_name(r, value, kind, list->name);
	return !rc && !list->matchers.count ? yaml_fail(r, value, "%s \"%s\" has no matchers", kind, list->name) : rc;
}

static int read_admission(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct access_config *access = &((struct config *)target)->access;

	return read_matcher(r, value, "admission", config_new_matcher(&access->admissions, &access->admission_count));
}

static int read_bypass(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct access_config *access = &((struct config *)target)->access;

	return read_matcher(r, value, "bypass", config_new_matcher(&access->bypasses, &access->bypass_count));
}

/* --- hosts[] ----------------------------------------------------------------------------------- */

static int read_hosts_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct hosts_config *)target)->name);
}

static int read_ip(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct host_mapping *)target)->ip);
}

static int read_hostname(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct host_mapping *)target)->hostname);
}

static int read_aliases(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct host_mapping *)target)->aliases);
}

static int read_mapping(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"ip", read_ip}, {"hostname", read_hostname}, {"aliases", read_aliases}, {0}};
	static const char *const later[] = {NULL};
	struct host_mapping *mapping = config_new_mapping(target);

	if (!mapping)
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, later, "key", mapping);
	return !rc && (!mapping->ip || !mapping->hostname) ? yaml_fail(r, value, "a mapping needs ip and hostname") : rc;
}

static int read_mappings(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_mapping, target);
}

static int read_hosts(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"name", read_hosts_name}, {"mappings", read_mappings}, {0}};
	struct hosts_config *hosts = config_new_hosts(&((struct config *)target)->access);

	if (!hosts || yaml_set_origin(r, value, &hosts->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, loaders, "key", hosts);
	return rc ? rc : check_name(r, value, "list of hosts", hosts->name);
}

/* --- limiters[], climiters[], rlimiters[] ------------------------------------------------------ */

static int read_limiter_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct limiter_config *)target)->name);
}

static int read_limits(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct limiter_config *)target)->limits);
}

static int read_limiter(struct yaml_reader *r, const struct tree_node *value, const char *kind,
			struct limiter_config *limiter)
{
	static const struct yaml_field fields[] = {{"name", read_limiter_name}, {"limits", read_limits}, {0}};

	if (!limiter || yaml_set_origin(r, value, &limiter->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, loaders, "key", limiter);
	if (!rc)
		rc = check_name(r, value, kind, limiter->name);
	return !rc && !limiter->limits.count ? yaml_fail(r, value, "%s \"%s\" has no limits", kind, limiter->name) : rc;
}

static int read_traffic(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct access_config *access = &((struct config *)target)->access;

	return read_limiter(r, value, "limiter", config_new_limiter(&access->limiters, &access->limiter_count));
}

static int read_connections(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct access_config *access = &((struct config *)target)->access;

	return read_limiter(r, value, "climiter", config_new_limiter(&access->climiters, &access->climiter_count));
}

static int read_rate(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct access_config *access = &((struct config *)target)->access;

	return read_limiter(r, value, "rlimiter", config_new_limiter(&access->rlimiters, &access->rlimiter_count));
}

/* --- sections ---------------------------------------------------------------------------------- */

#define SECTION(function, element)                                                                           \
	int function(struct yaml_reader *r, const struct tree_node *value, void *target)                     \
	{                                                                                                    \
		return yaml_read_list(r, value, element, target);                                            \
	}

SECTION(yaml_read_authers, read_auther)
SECTION(yaml_read_admissions, read_admission)
SECTION(yaml_read_bypasses, read_bypass)
SECTION(yaml_read_hosts, read_hosts)
SECTION(yaml_read_limiters, read_traffic)
SECTION(yaml_read_climiters, read_connections)
SECTION(yaml_read_rlimiters, read_rate)
