/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump.h - the tree that -O writes; shared by config_dump.c and config_dump_yaml.c.
 *
 * Owns: nothing; the caller gives the tree's reference back.
 * See: config_dump.c.
 */
#pragma once

#include <jansson.h>

#include "config_parts.h"

struct dump {
	bool durations_as_text; /* "30s" (GOST's YAML) or nanoseconds (its JSON) */
	bool failed;		/* out of memory somewhere */
};

json_t *config_dump_tree(const struct config *cfg, bool durations_as_text); /* NULL: out of memory */
