/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interface_list.c - see interface_list.h.
 *
 * Never: allocates.
 */
#include "interface_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the kernel refuses as a device's name, and what would make a message unreadable. */
static bool is_device_name(const char *text, size_t len)
{
	if (!len || len >= IF_NAMESIZE || (len == 1 && text[0] == '.') || (len == 2 && !memcmp(text, "..", 2)))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '/' || text[i] == ':')
			return false;
	return true;
}

static bool parse_entry(struct interface_entry *out, const char *text, size_t len)
{
	*out = (struct interface_entry){.strict = len && text[len - 1] == '!'};
	len -= out->strict;
	if (len && addr_parse_ip(&out->source, text, len, 0) == 0)
		return true;
	if (!is_device_name(text, len))
		return false;
	memcpy(out->device, text, len);
	out->source = (struct addr){0};
	return true;
}

int interface_list_parse(struct interface_list *out, const char *text, char *why, size_t why_size)
{
	struct interface_list list = {.count = 0};

	for (const char *end;; text = end + 1) {
		end = text + strcspn(text, ",");
		if (list.count == INTERFACES_MAX) {
			snprintf(why, why_size, "more than %d interfaces", INTERFACES_MAX);
			return -EINVAL;
		}
		if (!parse_entry(&list.entries[list.count++], text, (size_t)(end - text))) {
			snprintf(why, why_size, "\"%.*s\" is neither a device's name nor an IP address",
				 end - text > 60 ? 60 : (int)(end - text), text);
			return -EINVAL;
		}
		if (!*end)
			break;
	}
	*out = list;
	return 0;
}

static bool fits(const struct interface_entry *entry, const struct addr *to)
{
	return entry->device[0] || addr_family(&entry->source) == addr_family(to);
}

bool interface_list_allows(const struct interface_list *list, size_t i, const struct addr *to)
{
	for (size_t before = 0; before < i; before++)
		if (list->entries[before].strict && fits(&list->entries[before], to))
			return false;
	return fits(&list->entries[i], to);
}
