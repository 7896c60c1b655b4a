/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_metadata.c - lists of key and value, and how the configuration's arrays grow.
 *
 * Owns: both texts of each entry. Never: knows which keys there are.
 * See: config_parts.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_parts.h"

void *config_grow(void *array, size_t count, size_t size)
{
	bool full = (count & (count - 1)) == 0; /* 0 or a power of two */

	if (full)
		array = reallocarray(array, count ? count * 2 : 1, size);
	if (array)
		memset((char *)array + count * size, 0, size);
	return array;
}

const char *config_metadata_get(const struct metadata *md, const char *key)
{
	for (size_t i = 0; i < md->count; i++)
		if (!strcasecmp(md->entries[i].key, key))
			return md->entries[i].value;
	return NULL;
}

int config_metadata_add(struct metadata *md, const char *key, const char *value)
{
	struct metadata_entry *grown = config_grow(md->entries, md->count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	md->entries = grown;
	struct metadata_entry *entry =
		&grown[md->count++]; /* counted first: config_free() finds a half-made one */
	entry->key = strdup(key);
	entry->value = strdup(value);
	return entry->key && entry->value ? 0 : -ENOMEM;
}

int config_metadata_copy(struct metadata *to, const struct metadata *from)
{
	for (size_t i = 0; i < from->count; i++) {
		int rc = config_metadata_add(to, from->entries[i].key, from->entries[i].value);
		if (rc)
			return rc;
	}
	return 0;
}

void config_metadata_fini(struct metadata *md)
{
	for (size_t i = 0; i < md->count; i++) {
		free(md->entries[i].key);
		free(md->entries[i].value);
	}
	free(md->entries);
	*md = (struct metadata){0};
}
