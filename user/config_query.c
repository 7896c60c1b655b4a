/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_query.c - see config_query.h.
 *
 * Owns nothing beyond the struct. Never: knows whether it serves -L or -F.
 */
#include "config_query.h"

#include <string.h>
#include <strings.h>

#include "config_model.h"

/* "handler.x" is x in the handler's scope. Returns the key behind the prefix. */
static const char *cut_scope(const struct config_query *q, const char *key, unsigned *scopes)
{
	for (const unsigned *scope = q->prefixes; *scope; scope++) {
		const char *name = config_scope_name(*scope);
		size_t len = strlen(name);
		if (strncasecmp(key, name, len) || key[len] != '.')
			continue;
		*scopes = *scope;
		return key + len + 1;
	}
	*scopes = q->scopes;
	return key;
}

static int add_key(struct config_query *q, const char *name, const char *value, struct config_error *err)
{
	const struct config_key *key;
	unsigned scopes;
	const char *bare = cut_scope(q, name, &scopes);

	if (!*bare)
		return config_fail(err, "there is an empty key in the query");
	int rc = config_key_find(bare, scopes, &key, err);
	if (rc)
		return config_pass_over(q->cfg, "key", bare, q->origin) ? 0 : rc;
	return q->store(q, scopes == q->scopes ? key->home : scopes, key, value, err);
}

static int add_pair(void *target, const char *name, char *value, struct config_error *err)
{
	struct config_query *q = target;
	bool taken;
	int rc = config_special_add(&q->special, q->side, name, value, &taken, err);

	return rc || taken ? rc : add_key(q, name, value, err);
}

int config_query_read(struct config_query *q, const struct config_spec *spec, struct config_error *err)
{
	int rc = config_spec_pairs(spec->query, add_pair, q, err);

	if (!rc)
		rc = config_spec_auth(spec, config_metadata_get(&q->special, "auth"), &q->auth, err);
	return rc ? rc : config_special_tls(&q->special, &q->tls, err);
}

void config_query_fini(struct config_query *q)
{
	config_metadata_fini(&q->special);
	config_metadata_fini(&q->selector_given);
	config_auth_fini(&q->auth);
	config_tls_fini(&q->tls);
}
