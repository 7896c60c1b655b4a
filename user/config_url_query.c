/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_url_query.c - the part of -L behind '?': key=value&scope.key=value.
 *
 * Why: GOST copies an unscoped key into all three maps; here it goes to its home scope only, so what -O
 * prints holds no key that nobody reads. Keys come once, escapes must be whole, ';' is no separator.
 * Never: gives a key a meaning of its own; config_keys.c does.
 * See: config_url.c, tests/unit/test_config_url.c.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"
#include "config_url.h"

/* The three of GOST's selector: naming one makes a selector, whose other two are then these. */
static const struct selector_config partial_selector = {
	.present = true,
	.strategy = SELECTOR_ROUND,
	.max_fails = 1,
	.fail_timeout_ns = UINT64_C(30) * 1000 * 1000 * 1000,
};

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* '+' and %XX in place; the result is never longer. */
static int unescape(char *text, struct config_error *err)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in == '+') {
			*out++ = ' ';
			continue;
		}
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
		if (low < 0)
			return config_fail(err, "bad escape \"%.3s\" in the query", in);
		if (high * 16 + low < ' ')
			return config_fail(err, "control character \"%.3s\" in the query", in);
		*out++ = (char)(high * 16 + low);
		in += 2;
	}
	*out = '\0';
	return 0;
}

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

static int set_selector(struct url *url, const struct config_key *key, const char *value,
			struct config_error *err)
{
	struct selector_config *selector = &url->forwarder.selector;
	int rc = config_key_add(&url->selector_given, key, value, err);

	if (rc)
		return rc;
	if (!selector->present)
		*selector = partial_selector;
	rc = config_key_apply(key, value, selector, err);
	if (!selector->max_fails) /* 0 is GOST's "not given" */
		selector->max_fails = partial_selector.max_fails;
	if (!selector->fail_timeout_ns)
		selector->fail_timeout_ns = partial_selector.fail_timeout_ns;
	return rc;
}

static int add_pair(struct url *url, const char *name, const char *value, struct config_error *err)
{
	const struct config_key *key;
	unsigned scopes;
	const char *bare = cut_scope(name, &scopes);

	if (!*bare)
		return config_fail(err, "there is an empty key in the query");
	int rc = config_key_find(bare, scopes, &key, err);
	if (rc)
		return rc;
	switch (scopes == SCOPE_URL ? key->home : scopes) {
	case SCOPE_SERVICE:
		return config_key_add(&url->metadata, key, value, err);
	case SCOPE_HANDLER:
		return config_key_add(&url->handler_metadata, key, value, err);
	case SCOPE_LISTENER:
		return config_key_add(&url->listener_metadata, key, value, err);
	default:
		return set_selector(url, key, value, err);
	}
}

static int parse_pair(struct url *url, char *pair, struct config_error *err)
{
	char *value = strchr(pair, '=');
	int rc;

	if (value)
		*value++ = '\0';
	else
		value = pair + strlen(pair);
	rc = unescape(pair, err);
	if (!rc)
		rc = unescape(value, err);
	return rc ? rc : add_pair(url, pair, value, err);
}

int config_url_query(struct url *url, struct config_error *err)
{
	if (strchr(url->query, ';'))
		return config_fail(
			err, "\";\" does not separate keys in the query; write \"&\", or %%3B in a value");
	for (char *pair = url->query; pair;) {
		char *next = strchr(pair, '&');
		if (next)
			*next++ = '\0';
		int rc = *pair ? parse_pair(url, pair, err) : 0;
		if (rc)
			return rc;
		pair = next;
	}
	return 0;
}
