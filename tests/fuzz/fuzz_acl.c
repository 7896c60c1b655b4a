/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_acl.c - any text into the list of networks.
 *
 * Why: besides memory errors it looks for a list that is refused without a reason, and for one that does not hold the
 * networks it was made of.
 * Input: the text.
 */
#include <stdlib.h>
#include <string.h>

#include "acl.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_entry(const struct acl *acl, const struct acl_entry *entry)
{
	struct addr a;

	require(entry->family == AF_INET ? entry->bits <= 32 : entry->family == AF_INET6 && entry->bits <= 128);
	if (entry->family == AF_INET)
		addr_from_in4(&a, entry->net, 1);
	else
		addr_from_in6(&a, entry->net, 1);
	if (!addr_is_v4mapped(&a)) /* as the first address of a wide IPv6 network can be */
		require(acl_match(acl, &a));
	addr_map(&a);
	if (entry->family == AF_INET)
		require(acl_match(acl, &a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), why[64] = "";
	struct acl acl = {0};

	memcpy(text, data, size);
	text[size] = '\0';
	if (acl_parse(&acl, text, why, sizeof(why))) {
		require(why[0] && !acl.entries);
	} else {
		require(acl.count > 0);
		for (size_t i = 0; i < acl.count; i++)
			check_entry(&acl, &acl.entries[i]);
	}
	acl_free(&acl);
	free(text);
	return 0;
}
