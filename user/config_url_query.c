/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_url_query.c - the part of -L behind '?': key=value&scope.key=value.
 *
 * Why: GOST copies an unscoped key into all three maps; here it goes to its home scope only, so what -O
 * prints holds no key that nobody reads.
 * Never: gives a key a meaning of its own; config_keys.c does.
 * See: config_url.c, tests/unit/test_config_url.c.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config_model.h"
#include "config_special.h"
#include "config_url.h"

/* "handler.x" is x in the handler's scope. Returns the key behind the prefix. */
static const char *cut_scope(const char *key, unsigned *scopes)
{
	for (unsigned scope = SCOPE_SERVICE; scope <= SCOPE_LISTENER; scope <<= 1) {
		const char *name = config_scope_name(scope);
		size_t len = strlen(name);
		if (strncasecmp(key, name, len) || key[len] != '.')
			continue;
		*scopes = scope;
		return key + len + 1;
	}
	*scopes = SCOPE_URL;
	return key;
}

static int add_key(struct url *url, const char *name, const char *value, struct config_error *err)
{
	const struct config_key *key;
	unsigned scopes;
	const char *bare = cut_scope(name, &scopes);

	if (!*bare)
		return config_fail(err, "there is an empty key in the query");
	int rc = config_key_find(bare, scopes, &key, err);
	if (rc)
		return config_pass_over(url->cfg, "key", bare, url->origin) ? 0 : rc;
	switch (scopes == SCOPE_URL ? key->home : scopes) {
	case SCOPE_SERVICE:
		return config_key_add(&url->metadata, key, value, err);
	case SCOPE_HANDLER:
		return config_key_add(&url->handler_metadata, key, value, err);
	case SCOPE_LISTENER:
		return config_key_add(&url->listener_metadata, key, value, err);
	default:
		return config_selector_set(&url->forwarder.selector, &url->selector_given, key, value, err);
	}
}

static int add_pair(void *target, const char *name, char *value, struct config_error *err)
{
	struct url *url = target;
	bool taken;
	int rc = config_special_add(&url->special, CONFIG_SIDE_SERVICE, name, value, &taken, err);

	return rc || taken ? rc : add_key(url, name, value, err);
}

static int check_tls(const struct tls_config *tls, struct config_error *err)
{
	if (tls->present && (!tls->cert_file || !tls->key_file)) /* GOST drops what is there, also a client's CA */
		return config_fail(err, "a listener's certificate needs cert and key");
	return 0;
}

int config_url_query(struct url *url, struct config_error *err)
{
	int rc = config_spec_pairs(url->spec.query, add_pair, url, err);

	if (!rc)
		rc = config_spec_auth(&url->spec, config_metadata_get(&url->special, "auth"), &url->auth, err);
	if (!rc)
		rc = config_special_tls(&url->special, &url->tls, err);
	return rc ? rc : check_tls(&url->tls, err);
}
