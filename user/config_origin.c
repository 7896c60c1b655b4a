/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_origin.c - which place of which file each value comes from, by path.
 *
 * Why a table beside the model: only config_explain() asks, once, and the model stays as small as it is.
 * Owns: struct config_origins. Never: changes what a configuration means; out of memory only costs comments.
 * See: config_yaml_path.c (fills it), config_explain.c (asks).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"

struct origin {
	char *path, *where;
	size_t order; /* the later of two equal paths counts */
};

struct config_origins {
	struct origin *entries;
	size_t count;
	bool sorted;
};

int config_keep_origins(struct config *cfg)
{
	if (!cfg->origins)
		cfg->origins = calloc(1, sizeof(*cfg->origins));
	return cfg->origins ? 0 : -ENOMEM;
}

void config_origins_free(struct config_origins *origins)
{
	for (size_t i = 0; origins && i < origins->count; i++) {
		free(origins->entries[i].path);
		free(origins->entries[i].where);
	}
	free(origins ? origins->entries : NULL);
	free(origins);
}

void config_note_origin(struct config_origins *o, const char *path, const char *where)
{
	struct origin *grown = o ? config_grow(o->entries, o->count, sizeof(*grown)) : NULL;

	if (!grown)
		return;
	o->entries = grown;
	grown[o->count] = (struct origin){.path = strdup(path), .where = strdup(where), .order = o->count};
	if (grown[o->count].path && grown[o->count].where) {
		o->count++;
		o->sorted = false;
		return;
	}
	free(grown[o->count].path);
	free(grown[o->count].where);
}

void config_format_path(char out[static CONFIG_PATH_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, CONFIG_PATH_MAX, fmt, ap);
	va_end(ap);
}

static int order(const void *a, const void *b)
{
	const struct origin *x = a, *y = b;
	int rc = strcmp(x->path, y->path);

	return rc ? rc : (x->order > y->order) - (x->order < y->order);
}

const char *config_find_origin(struct config_origins *o, const char *path)
{
	size_t low = 0, high = o ? o->count : 0;

	if (!high)
		return NULL;
	if (!o->sorted)
		qsort(o->entries, o->count, sizeof(*o->entries), order);
	o->sorted = true;
	while (low < high) { /* the first that is greater */
		size_t mid = low + (high - low) / 2;
		if (strcmp(o->entries[mid].path, path) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && !strcmp(o->entries[low - 1].path, path) ? o->entries[low - 1].where : NULL;
}
