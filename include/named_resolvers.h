/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * named_resolvers.h - a resolver for each resolvers: section, on one loop.
 *
 * Why: a resolver belongs to a loop, so each worker, and whoever probes nodes, has its own of every section.
 * Owns: the resolvers. Never: starts a look-up.
 * See: access.h (which section has which index), resolver.h.
 */
#pragma once

#include "access.h"

struct loop;
struct resolver;

/* As many as there are sections, by index. 0 or -errno; free them in both cases. */
int named_resolvers_new(struct resolver ***out, struct loop *loop, const struct access *access);
void named_resolvers_free(struct resolver **list, const struct access *access); /* NULL is fine */
