/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_tree.h - YAML text as a small tree of scalars, lists and mappings with positions.
 *
 * Why: libyaml's own document API resolves aliases silently and guesses types; a configuration needs
 * neither. Scalars stay text, typed later by who reads them: YAML 1.1's "no", 1:30 and 010 do not surprise.
 * Owns: its nodes and texts. Never: follows an alias, keeps more than one document.
 * See: config_yaml.c, tests/fuzz/fuzz_config_yaml.c.
 */
#pragma once

#include "config_parts.h"

#define CONFIG_TEXT_MAX	 (16u << 20)
#define CONFIG_DEPTH_MAX 32
#define CONFIG_NODES_MAX (1u << 20)

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAPPING };

struct tree_node {
	enum tree_kind kind;
	bool plain;		 /* a scalar without quotes */
	unsigned line, column;	 /* from 1 */
	char *text;		 /* of a scalar */
	struct tree_node *first; /* of a list; of a mapping: key, value, key, value, ... */
	struct tree_node *next;
};

/* *out is NULL for an empty text. On failure err is "name:line:column: sentence". 0 or -errno. */
int config_tree_parse(const char *name, const char *text, size_t len, struct tree_node **out,
		      struct config_error *err);
void config_tree_free(struct tree_node *node);
bool config_tree_is_null(const struct tree_node *node);	 /* nothing, ~ or null, without quotes */
bool config_tree_is_empty(const struct tree_node *node); /* null, "", [] or {} */
