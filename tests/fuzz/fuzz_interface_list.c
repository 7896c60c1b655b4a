/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_interface_list.c - any text into the list of interfaces.
 *
 * Why: besides memory errors it looks for a list that is refused without a reason, and for an entry that is neither a
 * device nor an address.
 * Input: the text.
 */
#include <stdlib.h>
#include <string.h>

#include "interface_list.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_entry(const struct interface_list *list, size_t i)
{
	const struct interface_entry *entry = &list->entries[i];
	struct addr to;

	require(entry->device[0] ? !addr_is_set(&entry->source) && memchr(entry->device, '\0', IF_NAMESIZE)
				 : addr_is_set(&entry->source) && !addr_port(&entry->source));
	addr_from_in4(&to, "\1\2\3\4", 80);
	if (i == 0)
		require(interface_list_allows(list, 0, &to) == (entry->device[0] || addr_family(&entry->source) == AF_INET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interface_list list = {.count = 77};
	char *text = malloc(size + 1), why[128] = "";

	memcpy(text, data, size);
	text[size] = '\0';
	if (interface_list_parse(&list, text, why, sizeof(why))) {
		require(why[0] && list.count == 77);
	} else {
		require(list.count > 0 && list.count <= INTERFACES_MAX);
		for (size_t i = 0; i < list.count; i++)
			check_entry(&list, i);
	}
	free(text);
	return 0;
}
