/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_spec.c - see config_spec.h.
 *
 * Why cut by hand: GOST's host part may hold a port range or a list, which no URL parser takes.
 * Never: puts a password, or anything that may be a piece of one, into a message.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_spec.h"

#define SPEC_SHOWN 180 /* of a long text in a message */

char *config_spec_trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* --- escapes ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* %XX in place, and '+' for a blank in a query; the result is never longer. */
static int unescape(char *text, bool query, struct config_error *err)
{
	const char *where = query ? "the query" : "user or password";
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in != '%') {
			*out++ = *in == '+' && query ? ' ' : *in;
			continue;
		}
		int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
		if (low < 0 && query)
			return config_fail(err, "bad escape \"%.3s\" in %s", in, where);
		if (low < 0)
			return config_fail(err, "bad escape in %s; write %%25 for \"%%\"", where);
		if (high * 16 + low < ' ')
			return config_fail(err, "control character \"%%%X%X\" in %s", high, low, where);
		*out++ = (char)(high * 16 + low);
		in += 2;
	}
	*out = '\0';
	return config_is_utf8(text) ? 0 : config_fail(err, "there is text that is not UTF-8 in %s", where);
}

/* --- cutting ----------------------------------------------------------------------------------- */

static bool is_scheme(const char *text, size_t len)
{
	if (!len || !isalpha((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("+.-", text[i]))
			return false;
	return true;
}

/* A text that starts with ':' or has no "://" has no scheme, as in GOST. */
static int cut_scheme(struct config_spec *spec, char **rest, struct config_error *err)
{
	char *sep = (*rest)[0] == ':' ? NULL : strstr(*rest, "://");

	if (!sep)
		return 0;
	if (!is_scheme(*rest, (size_t)(sep - *rest)))
		return strcspn(*rest, ":@") < (size_t)(sep - *rest) /* perhaps a password */
			       ? config_fail(err, "what stands before \"://\" is not a scheme")
			       : config_fail(err, "\"%.*s\" is not a scheme", (int)(sep - *rest), *rest);
	*sep = '\0';
	for (char *p = *rest; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	spec->scheme = *rest;
	*rest = sep + 3;
	return 0;
}

static int cut_user(struct config_spec *spec, struct config_error *err)
{
	char *at = strrchr(spec->host, '@'), *colon;

	if (!at)
		return 0;
	*at = '\0';
	spec->user = spec->host;
	spec->host = at + 1;
	colon = strchr(spec->user, ':');
	if (colon) {
		*colon = '\0';
		spec->password = colon + 1;
	}
	int rc = unescape(spec->user, false, err);
	return rc || !colon ? rc : unescape(spec->password, false, err);
}

int config_spec_cut(struct config_spec *spec, char *text, struct config_error *err)
{
	*spec = (struct config_spec){0};
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p))
			return config_fail(err, "there is a control character in it");
	if (!*text)
		return config_fail(err, "it is empty");
	if (!config_is_utf8(text))
		return config_fail(err, "it is not UTF-8");
	int rc = cut_scheme(spec, &text, err);
	if (rc)
		return rc;
	char *query = strchr(text, '?');
	if (strchr(text, '#'))
		return config_fail(err, "\"#\" has no meaning here; write %%23");
	if (query)
		*query++ = '\0';
	char *path = strchr(text, '/');
	if (path)
		*path++ = '\0';
	if ((path && strchr(path, '@')) || (query && strchr(query, '@')))
		return config_fail(
			err, "\"@\" behind the host: write %%2F and %%3F for \"/\" and \"?\" in a password");
	spec->host = text;
	spec->path = path ? path : text + strlen(text);
	spec->query = query ? query : text + strlen(text);
	return cut_user(spec, err);
}

int config_spec_split_scheme(const char *scheme, char first[static WORD_MAX], char second[static WORD_MAX],
			     struct config_error *err)
{
	const char *plus = strchr(scheme, '+');
	size_t len = strlen(scheme), first_len = plus ? (size_t)(plus - scheme) : len;

	if (plus && strchr(plus + 1, '+'))
		return config_fail(err, "scheme \"%s\" has more than two parts", scheme);
	if (len >= WORD_MAX || !first_len || (plus && !plus[1]))
		return config_fail(err, "\"%.*s\" is not a scheme", WORD_MAX, scheme);
	memcpy(first, scheme, first_len);
	first[first_len] = '\0';
	strcpy(second, plus ? plus + 1 : "");
	return 0;
}

/* --- query ------------------------------------------------------------------------------------- */

static int parse_pair(char *pair, int (*add)(void *target, const char *key, char *value, struct config_error *err),
		      void *target, struct config_error *err)
{
	char *value = strchr(pair, '=');
	int rc;

	if (value)
		*value++ = '\0';
	else
		value = pair + strlen(pair);
	rc = unescape(pair, true, err);
	if (!rc)
		rc = unescape(value, true, err);
	return rc ? rc : add(target, pair, value, err);
}

int config_spec_pairs(char *query, int (*add)(void *target, const char *key, char *value, struct config_error *err),
		      void *target, struct config_error *err)
{
	if (strchr(query, ';'))
		return config_fail(
			err, "\";\" does not separate keys in the query; write \"&\", or %%3B in a value");
	for (char *pair = query; pair;) {
		char *next = strchr(pair, '&');
		if (next)
			*next++ = '\0';
		int rc = *pair ? parse_pair(pair, add, target, err) : 0;
		if (rc)
			return rc;
		pair = next;
	}
	return 0;
}

/* --- user and password ------------------------------------------------------------------------- */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c == ' ' ? '+' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Standard or URL-safe, with padding or not ('+' has become a blank by now). NULL: out of memory, or not base64. */
static char *decode_base64(const char *text)
{
	size_t len = strcspn(text, "="), at = 0;
	unsigned bits = 0, have = 0;
	char *out = calloc(1, len + 1);

	for (size_t i = 0; out && i < len; i++) {
		int digit = base64_digit(text[i]);
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (digit < 0 || len % 4 == 1) {
			free(out);
			return NULL;
		}
		if (have >= 8)
			out[at++] = (char)(bits >> (have -= 8));
	}
	return out;
}

static int set_auth(const char *user, const char *password, struct auth_config *out, struct config_error *err)
{
	out->user = strdup(user ? user : "");
	out->password = strdup(password ? password : "");
	return out->user && out->password ? 0 : config_no_memory(err);
}

int config_spec_auth(const struct config_spec *spec, const char *base64, struct auth_config *out,
		     struct config_error *err)
{
	if (spec->user && base64)
		return config_fail(err, "there are a user before the host and an auth in the query");
	if (spec->user && (*spec->user || (spec->password && *spec->password)))
		return set_auth(spec->user, spec->password, out, err);
	if (spec->user)
		return config_fail(err, "there is no user before the \"@\"");
	if (!base64)
		return 0;
	char *plain = decode_base64(base64), *colon = plain ? strchr(plain, ':') : NULL;
	if (!plain || !*plain || strpbrk(plain, "\r\n") || !config_is_utf8(plain)) {
		free(plain);
		return config_fail(err, "auth is not user:password in base64");
	}
	if (colon)
		*colon++ = '\0';
	int rc = set_auth(plain, colon, out, err);
	explicit_bzero(plain, strlen(plain));
	free(plain);
	return rc;
}

/* --- for messages ------------------------------------------------------------------------------ */

static int shown(ptrdiff_t len)
{
	return len < SPEC_SHOWN ? (int)len : SPEC_SHOWN;
}

/* The value of auth= becomes three stars. */
static void hide_auth(char *text)
{
	char *query = strchr(text, '?');

	for (char *p = query; p && *p; p++) {
		if (!strchr("?&.", *p) || strncasecmp(p + 1, "auth=", 5))
			continue;
		char *value = p + 6, *end = value + strcspn(value, "&");
		size_t stars = end - value < 3 ? 0 : 3;
		memcpy(value, "***", stars);
		memmove(value + stars, end, strlen(end) + 1);
	}
}

char *config_spec_describe(const char *flag, const char *spec)
{
	const char *start = strstr(spec, "://");
	const char *host = start && is_scheme(spec, (size_t)(start - spec)) ? start + 3 : spec;
	const char *at = strrchr(host, '@');
	const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	char *out = NULL, *text = strdup(at ? at : spec);
	int rc = -1;

	if (text)
		hide_auth(text);
	if (text && colon)
		rc = asprintf(&out, "%s \"%.*s:***%.*s\"", flag, shown(colon - spec), spec, SPEC_SHOWN, text);
	else if (text && at)
		rc = asprintf(&out, "%s \"%.*s%.*s\"", flag, shown(at - spec), spec, SPEC_SHOWN, text);
	else if (text)
		rc = asprintf(&out, "%s \"%.*s%s\"", flag, SPEC_SHOWN, text, strlen(text) > SPEC_SHOWN ? "..." : "");
	free(text);
	return rc < 0 ? NULL : out;
}

int config_spec_read(const char *flag, const char *text,
		     int (*read)(void *ctx, char *text, const char *origin, struct config_error *err), void *ctx,
		     struct config_error *err)
{
	char *copy = strdup(text), *origin = config_spec_describe(flag, text);
	int rc = -ENOMEM;

	if (copy && origin) {
		rc = read(ctx, config_spec_trim(copy), origin, err);
		if (rc)
			config_fail_at(err, rc, "%s", origin);
	} else {
		config_no_memory(err);
	}
	free(origin);
	free(copy);
	return rc;
}
