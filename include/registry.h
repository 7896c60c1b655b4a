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
/* Names for config_resolve(). */
extern const struct config_types registry_types;
