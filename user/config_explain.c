/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_explain.c - the configuration as a run takes it, each value with where it comes from.
 *
 * Why: with files, several -L, flags and defaults, the question is rarely what a key means but which one won. The tree
 * that -O prints is completed with defaults and printed again with comments; so explain cannot forget a section.
 * Owns: its tree. Never: prints a password.
 * See: config_origin.c (where), config_explain_defaults.c (what was not written).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_dump.h"
#include "config_explain.h"

#define COLUMN 44 /* of the comments */

struct printer {
	FILE *out;
	const struct config *cfg;
};

/* --- origins ----------------------------------------------------------------------------------- */

/* A value that has no place of its own has that of what it stands in. */
static const char *origin_of(const struct printer *p, const char *path)
{
	char up[CONFIG_PATH_MAX];
	const char *where = config_find_origin(p->cfg->origins, path);

	config_format_path(up, "%s", path);
	while (!where && up[0]) {
		char *dot = strrchr(up, '.'), *bracket = strrchr(up, '[');
		*(dot > bracket ? dot : bracket ? bracket : up) = '\0';
		where = config_find_origin(p->cfg->origins, up);
	}
	return where ? where : "default";
}

/* --- scalars ----------------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	return *text && strspn(text, safe) == strlen(text) && !dump_needs_quotes(text);
}

/* YAML reads JSON's strings. */
static char *scalar(const char *key, json_t *value)
{
	if (json_is_string(value) && !strcmp(key, "password"))
		return strdup("\"***\"");
	if (json_is_string(value) && is_plain(json_string_value(value)))
		return strdup(json_string_value(value));
	return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void print_line(struct printer *p, const char *head, const char *key, json_t *value, const char *path)
{
	char *text = scalar(key, value);
	int len = fprintf(p->out, "%s%s%s%s", head, key, *key ? ": " : "", text ? text : "");

	fprintf(p->out, "%*s # %s\n", len < COLUMN ? COLUMN - len : 0, "", origin_of(p, path));
	free(text);
}

/* --- the tree ---------------------------------------------------------------------------------- */

static void print_object(struct printer *p, json_t *object, const char *path, const char *head);

static void print_entry(struct printer *p, const char *head, const char *key, json_t *value, const char *path);

static void print_array(struct printer *p, json_t *array, const char *path, const char *indent)
{
	char head[CONFIG_PATH_MAX], child[CONFIG_PATH_MAX];
	json_t *item;
	size_t i;

	config_format_path(head, "%s- ", indent);
	json_array_foreach(array, i, item)
	{
		config_format_path(child, "%s[%zu]", path, i);
		if (!strcmp(path, "services"))
			config_explain_engine(p->cfg, i, p->out);
		if (json_is_object(item))
			print_object(p, item, child, head);
		else
			print_line(p, head, "", item, child);
	}
}

/* head stands before the first line; further lines are indented as far. */
static void print_object(struct printer *p, json_t *object, const char *path, const char *head)
{
	char indent[CONFIG_PATH_MAX], child[CONFIG_PATH_MAX];
	const char *key;
	json_t *value;

	config_format_path(indent, "%*s", (int)strlen(head), "");
	json_object_foreach(object, key, value)
	{
		config_format_path(child, "%s%s%s", path, *path ? "." : "", key);
		print_entry(p, head, key, value, child);
		head = indent;
	}
}

static void print_entry(struct printer *p, const char *head, const char *key, json_t *value, const char *path)
{
	char indent[CONFIG_PATH_MAX];

	if (!json_is_object(value) && !json_is_array(value)) {
		print_line(p, head, key, value, path);
		return;
	}
	fprintf(p->out, "%s%s:\n", head, key);
	config_format_path(indent, "%*s", (int)strlen(head) + (json_is_object(value) ? 2 : 0), "");
	if (json_is_array(value))
		print_array(p, value, path, indent);
	else
		print_object(p, value, path, indent);
}

int config_explain(const struct config *cfg, FILE *out)
{
	struct printer p = {.out = out, .cfg = cfg};
	json_t *tree = cfg->origins ? config_dump_tree(cfg, true) : NULL;

	if (!tree || config_explain_complete(cfg, tree)) {
		json_decref(tree);
		return -ENOMEM;
	}
	print_object(&p, tree, "", "");
	json_decref(tree);
	for (size_t i = 0; i < cfg->warnings.count; i++)
		fprintf(out, "# %s\n", cfg->warnings.names[i]);
	return fflush(out) ? -EIO : 0;
}
