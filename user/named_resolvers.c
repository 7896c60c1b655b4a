/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * named_resolvers.c - see named_resolvers.h.
 *
 * Owns: what named_resolvers_new() allocates. Never: reads a configuration (access_resolver.c has).
 */
#include "named_resolvers.h"

#include <errno.h>
#include <stdlib.h>

#include "resolver.h"

static int make(struct resolver **out, struct loop *loop, const struct access_resolver *from)
{
	struct resolver_config cfg = {.servers = from->servers, .tcp = from->tcp, .prefer = from->prefer};
	int err = resolver_new(out, loop);

	return err ? err : resolver_configure(*out, &cfg);
}

int named_resolvers_new(struct resolver ***out, struct loop *loop, const struct access *access)
{
	size_t count = access->cfg->resolver_count;
	int err = 0;

	*out = calloc(count + 1, sizeof(struct resolver *)); /* + 1: never of size 0 */
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < count && !err; i++)
		err = make(&(*out)[i], loop, &access->resolvers[i]);
	return err;
}

void named_resolvers_free(struct resolver **list, const struct access *access)
{
	for (size_t i = 0; list && i < access->cfg->resolver_count; i++)
		resolver_free(list[i]);
	free(list);
}
