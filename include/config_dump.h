/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump.h - the tree that -O writes; shared by the config_dump*.c files.
 *
 * Owns: nothing; the caller gives the tree's reference back.
 * See: config_dump.c.
 */
#pragma once

#include <jansson.h>

#include "config_model.h"

struct dump {
	bool durations_as_text; /* "30s" (GOST's YAML) or nanoseconds (its JSON) */
	bool failed;		/* out of memory somewhere */
};

/* jansson's _new functions take the reference also when they fail; an error sticks until the end. */
void dump_put(struct dump *d, json_t *object, const char *key, json_t *value);
void dump_append(struct dump *d, json_t *array, json_t *value);
void dump_put_text(struct dump *d, json_t *object, const char *key, const char *text); /* NULL and "": nothing */
void dump_put_metadata(struct dump *d, json_t *object, const struct metadata *md, unsigned scope);
void dump_put_auth(struct dump *d, json_t *object, const struct auth_config *auth);
void dump_put_tls(struct dump *d, json_t *object, const struct tls_config *tls);
/* GOST's "bypass" for one name, "bypasses" for several. */
void dump_put_names(struct dump *d, json_t *object, const char *one, const char *several, const struct name_list *list);
json_t *dump_process(struct dump *d, const struct process_options *opt);
bool dump_needs_quotes(const char *text); /* it would be read as a number, a boolean or nothing */
json_t *dump_selector(struct dump *d, const struct selector_config *selector);
void dump_chains(struct dump *d, json_t *out, const struct config *cfg);
void dump_access(struct dump *d, json_t *out, const struct access_config *a);

json_t *config_dump_tree(const struct config *cfg, bool durations_as_text); /* NULL: out of memory */
