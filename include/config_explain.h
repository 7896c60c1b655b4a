/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_explain.h - what config_explain.c and config_explain_defaults.c share.
 *
 * Owns: nothing. See: config_explain.c.
 */
#pragma once

#include <jansson.h>

#include "config_model.h"

/* Adds to -O's tree what was not written and holds all the same, and notes its origin. 0 or -ENOMEM. */
int config_explain_complete(const struct config *cfg, json_t *tree);
/* A comment line: which engine service number i can use, and why. */
void config_explain_engine(const struct config *cfg, size_t i, FILE *out);
