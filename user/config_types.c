/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_types.c - whether the types of a service or of a node exist, and what to say when not.
 *
 * Why: GOST makes an unknown handler an open proxy and an unknown connector http; here the word is named. On the
 * command line a type is spelled as a scheme, so the sentence speaks of that.
 * Never: knows which types there are: the registry's and GOST's names come with the question.
 * See: config_resolve.c, config_resolve_chain.c.
 */
#include <string.h>

#include "config_model.h"

static int fail_unknown(const struct config_type_use *use, const char *scheme, struct config_error *err)
{
	char hint[CONFIG_HINT_MAX];
	struct config_nearest near = {.word = use->type};

	config_nearest_offer_list(&near, use->ours);
	config_nearest_offer_list(&near, use->gosts);
	config_nearest_hint(&near, hint);
	if (!scheme)
		return config_fail(err, "unknown %s type \"%s\"%s", use->kind, use->type, hint);
	if (!strcmp(use->type, scheme))
		return config_fail(err, "unknown scheme \"%s\"%s", scheme, hint);
	return config_fail(err, "unknown scheme \"%s\": there is no %s \"%s\"%s", scheme, use->kind, use->type, hint);
}

static int fail_later(const struct config_type_use *use, const char *scheme, bool flag, struct config_error *err)
{
	if (scheme)
		return config_fail(err, "scheme \"%s\" is not supported yet", scheme);
	if (flag)
		return config_fail(err, "scheme \"%s\" (no scheme given) is not supported yet", use->type);
	return config_fail(err, "%s type \"%s\"%s%s%s is not supported yet", use->kind, use->type,
			   use->given ? "" : " (no ", use->given ? "" : use->kind, use->given ? "" : " given)");
}

/* A word that nobody knows is the better complaint, so it comes first. */
int config_check_types(const struct config_type_use *uses, size_t count, const char *scheme, bool flag,
		       struct config_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (!config_list_has(uses[i].ours, uses[i].type) && !config_list_has(uses[i].gosts, uses[i].type))
			return fail_unknown(&uses[i], scheme, err);
	for (size_t i = 0; i < count; i++)
		if (!config_list_has(uses[i].ours, uses[i].type))
			return fail_later(&uses[i], scheme, flag, err);
	return 0;
}
