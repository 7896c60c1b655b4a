/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_special_access.c - keys of -L and -F that stand for a whole section: admission=~10.0.0.0/8, climiter=10, ...
 *
 * Why: each service (also each of a port range) gets a section of its own, as in GOST: a limit is per service.
 * Never: checks what a text means; access.c does, and names the -L it came from.
 * See: config_special.h, access_config.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"
#include "config_special.h"

/* name: "KIND-N", N counting what the command line has made of this kind. */
static int set_name(char **name, char **origin, const char *kind, size_t number, const char *from)
{
	if (asprintf(name, "%s-%zu", kind, number) < 0)
		*name = NULL;
	*origin = strdup(from);
	return *name && *origin ? 0 : -ENOMEM;
}

/*
 * The next N: one more than that of the newest section of the command line. All structs begin with their name; origin
 * is an offset. Counting would make a range of 65535 ports quadratic.
 */
static size_t next_number(const void *array, size_t count, size_t size, size_t origin)
{
	while (count--) {
		const char *at = (const char *)array + count * size;
		if (!config_is_flag(*(const char *const *)(at + origin)))
			continue;
		return strtoul(strrchr(*(const char *const *)at, '-') + 1, NULL, 10) + 1;
	}
	return 0;
}

#define NUMBER(list, count, type) next_number(list, count, sizeof(struct type), offsetof(struct type, origin))

/* "a,b" piece by piece. */
static int split(const char *text, int (*add)(void *target, const char *piece, size_t len, struct config_error *err),
		 void *target, struct config_error *err)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		int rc = len ? add(target, text, len, err) : config_fail(err, "there is an empty piece between commas");
		if (rc || !text[len])
			return rc;
		text += len + 1;
	}
}

static int add_text(void *target, const char *piece, size_t len, struct config_error *err)
{
	char *copy = strndup(piece, len);
	int rc = copy ? config_names_add(target, copy) : -ENOMEM;

	free(copy);
	return rc ? config_no_memory(err) : 0;
}

/* --- admission and bypass ---------------------------------------------------------------------- */

static int add_matcher(const char *kind, const char *value, const char *origin, struct matcher_config **list,
		       size_t *count, struct name_list *names, struct config_error *err)
{
	size_t number = NUMBER(*list, *count, matcher_config);
	struct matcher_config *matcher = config_new_matcher(list, count);

	if (!matcher || set_name(&matcher->name, &matcher->origin, kind, number, origin))
		return config_no_memory(err);
	matcher->whitelist = value[0] == '~';
	int rc = split(value + matcher->whitelist, add_text, &matcher->matchers, err);
	if (rc)
		return config_fail_at(err, rc, "key \"%s\"", kind);
	return config_names_add(names, matcher->name) ? config_no_memory(err) : 0;
}

/* --- hosts and resolver ------------------------------------------------------------------------ */

/* name:ip */
static int add_mapping(void *target, const char *piece, size_t len, struct config_error *err)
{
	const char *colon = memchr(piece, ':', len);
	size_t name_len = colon ? (size_t)(colon - piece) : 0, ip_len = colon ? len - name_len - 1 : 0;

	if (!name_len || !ip_len)
		return config_fail(err, "\"%.*s\" is not NAME:IP", (int)(len < 80 ? len : 80), piece);
	struct host_mapping *mapping = config_new_mapping(target);
	if (!mapping)
		return config_no_memory(err);
	mapping->hostname = strndup(piece, name_len);
	mapping->ip = strndup(colon + 1, ip_len);
	return mapping->hostname && mapping->ip ? 0 : config_no_memory(err);
}

static int add_hosts(const char *value, const char *origin, struct access_config *access, char **name,
		     struct config_error *err)
{
	size_t number = NUMBER(access->hosts, access->hosts_count, hosts_config);
	struct hosts_config *hosts = config_new_hosts(access);

	if (!hosts || set_name(&hosts->name, &hosts->origin, "hosts", number, origin))
		return config_no_memory(err);
	int rc = split(value, add_mapping, hosts, err);
	if (rc)
		return config_fail_at(err, rc, "key \"hosts\"");
	*name = strdup(hosts->name);
	return *name ? 0 : config_no_memory(err);
}

static int add_resolver(const char *value, const char *prefer, const char *origin, struct access_config *access,
			char **name, struct config_error *err)
{
	size_t number = NUMBER(access->resolvers, access->resolver_count, resolver_section);
	struct resolver_section *resolver = config_new_resolver(access);

	if (!resolver || set_name(&resolver->name, &resolver->origin, "resolver", number, origin))
		return config_no_memory(err);
	if (prefer && config_parse_prefer(prefer, &resolver->prefer_ipv4, &resolver->prefer_ipv6))
		return config_fail(err, "key \"prefer\": bad value \"%.60s\": expected ipv4 or ipv6", prefer);
	int rc = split(value, add_text, &resolver->servers, err);
	if (rc)
		return config_fail_at(err, rc, "key \"resolver\"");
	*name = strdup(resolver->name);
	return *name ? 0 : config_no_memory(err);
}

/* What services and hops have in common. */
static int add_common(const struct metadata *special, const char *origin, struct access_config *access,
		      struct name_list *bypasses, char **hosts, char **resolver, struct config_error *err)
{
	const char *bypass = config_metadata_get(special, "bypass"), *names = config_metadata_get(special, "hosts");
	const char *servers = config_metadata_get(special, "resolver"), *prefer = config_metadata_get(special, "prefer");
	int rc = 0;

	if (bypass)
		rc = add_matcher("bypass", bypass, origin, &access->bypasses, &access->bypass_count, bypasses, err);
	if (!rc && names)
		rc = add_hosts(names, origin, access, hosts, err);
	if (!rc && prefer && !servers)
		rc = config_fail(err, "key \"prefer\" needs a resolver");
	return !rc && servers ? add_resolver(servers, prefer, origin, access, resolver, err) : rc;
}

/* --- limiters ---------------------------------------------------------------------------------- */

static int new_limiter(const char *kind, const char *origin, struct limiter_config **list, size_t *count, char **name,
		       struct config_error *err)
{
	size_t number = NUMBER(*list, *count, limiter_config);
	struct limiter_config *limiter = config_new_limiter(list, count);

	if (!limiter || set_name(&limiter->name, &limiter->origin, kind, number, origin))
		return config_no_memory(err);
	*name = strdup(limiter->name);
	return *name ? 0 : config_no_memory(err);
}

static int add_rule(struct limiter_config *limiter, const char *key, const char *first, const char *second,
		    struct config_error *err)
{
	char *rule;

	if (asprintf(&rule, "%s %s%s%s", key, first ? first : "0", second ? " " : "", second ? second : "") < 0)
		return config_no_memory(err);
	int rc = config_names_add(&limiter->limits, rule);
	free(rule);
	return rc ? config_no_memory(err) : 0;
}

/* limiter.in and limiter.out are the service's, limiter.conn.in and .out each connection's. */
static int add_traffic(const struct metadata *special, struct access_config *access, struct service_config *svc,
		       struct config_error *err)
{
	const char *in = config_metadata_get(special, "limiter.in"), *out = config_metadata_get(special, "limiter.out");
	const char *conn_in = config_metadata_get(special, "limiter.conn.in");
	const char *conn_out = config_metadata_get(special, "limiter.conn.out");

	if (!in && !out && !conn_in && !conn_out)
		return 0;
	int rc = new_limiter("limiter", svc->origin, &access->limiters, &access->limiter_count, &svc->limiter, err);
	if (rc)
		return rc;
	struct limiter_config *limiter = &access->limiters[access->limiter_count - 1];
	if (in || out)
		rc = add_rule(limiter, "$", in, out, err);
	return !rc && (conn_in || conn_out) ? add_rule(limiter, "$$", conn_in, conn_out, err) : rc;
}

static int add_counted(const struct metadata *special, const char *kind, const char *origin,
		       struct limiter_config **list, size_t *count, char **name, struct config_error *err)
{
	const char *value = config_metadata_get(special, kind);
	int rc = value ? new_limiter(kind, origin, list, count, name, err) : 0;

	return !rc && value ? add_rule(&(*list)[*count - 1], "$", value, NULL, err) : rc;
}

/* --- the whole --------------------------------------------------------------------------------- */

int config_special_service(const struct metadata *special, struct access_config *access, struct service_config *svc,
			   struct config_error *err)
{
	const char *admission = config_metadata_get(special, "admission");
	int rc = add_common(special, svc->origin, access, &svc->bypasses, &svc->hosts, &svc->resolver, err);

	if (!rc && admission)
		rc = add_matcher("admission", admission, svc->origin, &access->admissions, &access->admission_count,
				 &svc->admissions, err);
	if (!rc)
		rc = add_traffic(special, access, svc, err);
	if (!rc)
		rc = add_counted(special, "climiter", svc->origin, &access->climiters, &access->climiter_count,
				 &svc->climiter, err);
	if (!rc)
		rc = add_counted(special, "rlimiter", svc->origin, &access->rlimiters, &access->rlimiter_count,
				 &svc->rlimiter, err);
	return rc;
}

int config_special_hop(const struct metadata *special, struct access_config *access, struct hop_config *hop,
		       struct config_error *err)
{
	return add_common(special, hop->origin, access, &hop->bypasses, &hop->hosts, &hop->resolver, err);
}
