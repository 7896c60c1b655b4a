/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml.h - reading tree nodes by a table of fields; shared by the config_yaml*.c files.
 *
 * Why: one place decides what a null, a repeated, an unknown and a not yet supported key mean.
 * All functions return 0, or -errno with the error text complete ("name:line:column: sentence").
 * Owns: nothing.
 * See: config_tree.h.
 */
#pragma once

#include "config_model.h"
#include "config_tree.h"

struct yaml_reader {
	const char *name; /* of the source */
	struct config_error *err;
	struct config *cfg;   /* that is being filled */
	char path[256];	      /* where the reader is: "services[0].handler", for explain; cut when too long */
	size_t path_len;
};

/* A table ends with a row without a name; at most 32 rows. A null value counts as not given, unless it guards something. */
struct yaml_field {
	const char *name;
	int (*read)(struct yaml_reader *r, const struct tree_node *value, void *target);
};

/* later: names that GOST reads and we do not; word: "section" or "key", for the message. */
int yaml_read_mapping(struct yaml_reader *r, const struct tree_node *map, const struct yaml_field *fields,
		      const char *const *later, const char *word, void *target);
int yaml_read_list(struct yaml_reader *r, const struct tree_node *list,
		   int (*read)(struct yaml_reader *r, const struct tree_node *value, void *target),
		   void *target);
/* A scalar that is not null, copied; what *out held is freed. */
int yaml_read_text(struct yaml_reader *r, const struct tree_node *value, char **out);

/* The same in lower case: types are compared and looked up so. */
int yaml_read_type(struct yaml_reader *r, const struct tree_node *value, char **out);
/* A name of another section, which may not be empty. */
int yaml_read_reference(struct yaml_reader *r, const struct tree_node *value, char **out);
/* One name, or a list of them, appended to target (a struct name_list). */
int yaml_read_names(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_selector(struct yaml_reader *r, const struct tree_node *value, struct selector_config *out);
/* Mappings into a struct auth_config and a struct tls_config. */
int yaml_read_auth(struct yaml_reader *r, const struct tree_node *value, struct auth_config *out);
int yaml_read_tls(struct yaml_reader *r, const struct tree_node *value, struct tls_config *out);
/* Where an element stands, for later messages. */
int yaml_set_origin(struct yaml_reader *r, const struct tree_node *value, char **out);

/* Sections, into the struct config that target is. */
int yaml_read_chains(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_hops(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_authers(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_admissions(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_bypasses(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_hosts(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_resolvers(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_limiters(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_climiters(struct yaml_reader *r, const struct tree_node *value, void *target);
int yaml_read_rlimiters(struct yaml_reader *r, const struct tree_node *value, void *target);

/* A metadata mapping of a scope. */
int yaml_read_metadata(struct yaml_reader *r, const struct tree_node *map, unsigned scope,
		       struct metadata *out);
/* One key of it. */
int yaml_read_key(struct yaml_reader *r, const char *name, const struct tree_node *value, unsigned scope,
		  struct metadata *out);
/* A mapping whose keys are rows of the key table, straight into the scope's struct. */
int yaml_read_keys(struct yaml_reader *r, const struct tree_node *map, unsigned scope,
		   const char *const *later, void *target);

/* Goes one step down the path; the return value is for yaml_path_pop(). name NULL: element number index. */
size_t yaml_path_push(struct yaml_reader *r, const char *name, size_t index);
void yaml_path_pop(struct yaml_reader *r, size_t len);
/* How many elements a section of the top level has from earlier sources; 0 for any other list. */
size_t yaml_section_count(const struct config *cfg, const char *path);
/* Notes that what the path leads to was written at node. */
void yaml_path_note(struct yaml_reader *r, const struct tree_node *node);

/* A new sentence at node, or the place put before the sentence that r->err holds. */
int yaml_fail(struct yaml_reader *r, const struct tree_node *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int yaml_fail_here(struct yaml_reader *r, const struct tree_node *node);
