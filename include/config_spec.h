/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_spec.h - the syntax that -L and -F have in common: [scheme://][user[:password]@]host[/path][?query].
 *
 * Why: what is cut, unescaped and hidden must be the same for both.
 * Owns: nothing: the pieces point into the caller's copy of the text, which is overwritten.
 * Never: knows a scheme, a key, or what a host looks like.
 * See: config_url.c, config_hop_url.c, tests/unit/test_config_spec.c.
 */
#pragma once

#include "config_parts.h"

#define WORD_MAX 40 /* longest scheme, and so longest name of a type */

struct config_spec {
	char *scheme; /* lower case; NULL: none was written */
	char *user, *password; /* unescaped; NULL: not written */
	char *host, *path, *query; /* never NULL; host and path as written, without their separators */
};

/* text is a copy without blanks around it. 0 or -EINVAL. */
int config_spec_cut(struct config_spec *spec, char *text, struct config_error *err);
char *config_spec_trim(char *text);

/* "a" or "a+b"; second is "" for the former. */
int config_spec_split_scheme(const char *scheme, char first[static WORD_MAX], char second[static WORD_MAX],
			     struct config_error *err);

/* Calls add for each key=value of the query (overwritten), both unescaped, until one fails. */
int config_spec_pairs(char *query, int (*add)(void *target, const char *key, char *value, struct config_error *err),
		      void *target, struct config_error *err);

/* What stood before the '@', or text in base64 of auth= (NULL: not given), copied to out. 0 or -errno. */
int config_spec_auth(const struct config_spec *spec, const char *base64, struct auth_config *out,
		     struct config_error *err);

/*
 * Calls read with a copy of what stood behind flag, without blanks around it, and with origin, which names both in messages; its
 * own message gets that in front. Both are gone afterwards. 0, what read says, or -ENOMEM.
 */
int config_spec_read(const char *flag, const char *text,
		     int (*read)(void *ctx, char *text, const char *origin, struct config_error *err), void *ctx,
		     struct config_error *err);

/* `-L "..."` for messages, shortened, with passwords hidden. NULL: out of memory. */
char *config_spec_describe(const char *flag, const char *text);
