/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.h - every handler, listener, connector and engine by name. The only list of them.
 *
 * Why: adding a protocol is one file and one row; config checks, --help and errors follow from the rows.
 * Owns: constant tables. Never: instantiates anything.
 */
#pragma once

#include "config.h"

struct connector_ops;
struct engine_ops;
struct handler_ops;

const struct handler_ops *registry_handler(const char *name); /* NULL: unknown */
const struct connector_ops *registry_connector(const char *name); /* NULL: unknown */
const struct engine_ops *registry_engine(enum engine_kind kind);

#define REGISTRY_NAMES_MAX 32
/* All names, for config_resolve(); types points into the struct itself. */
struct registry_names {
	const char *handlers[REGISTRY_NAMES_MAX], *listeners[REGISTRY_NAMES_MAX];
	const char *connectors[REGISTRY_NAMES_MAX], *dialers[REGISTRY_NAMES_MAX];
	struct config_types types;
};
void registry_list(struct registry_names *out);
