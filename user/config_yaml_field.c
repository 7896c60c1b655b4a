/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_field.c - see config_yaml.h. Walks mappings and lists, and says what is wrong where.
 *
 * Never: knows what a field of the configuration means.
 * See: config_yaml.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_yaml.h"

int yaml_fail_here(struct yaml_reader *r, const struct tree_node *node)
{
	return config_fail_at(r->err, -EINVAL, "%.*s:%u:%u", 200, r->name, node->line, node->column);
}

int yaml_fail(struct yaml_reader *r, const struct tree_node *node, const char *fmt, ...)
{
	char sentence[sizeof(r->err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	config_fail(r->err, "%s", sentence);
	return yaml_fail_here(r, node);
}

/* An inner function's result: only a complaint about the text needs the place. */
static int place(struct yaml_reader *r, const struct tree_node *node, int rc)
{
	return rc == -EINVAL ? yaml_fail_here(r, node) : rc;
}

int yaml_read_text(struct yaml_reader *r, const struct tree_node *value, char **out)
{
	if (value->kind != TREE_SCALAR)
		return yaml_fail(r, value, "expected a single value, not a %s",
				 value->kind == TREE_LIST ? "list" : "mapping");
	char *copy = strdup(value->text);
	if (!copy)
		return config_no_memory(r->err);
	free(*out);
	*out = copy;
	return 0;
}

int yaml_read_list(struct yaml_reader *r, const struct tree_node *list,
		   int (*read)(struct yaml_reader *r, const struct tree_node *value, void *target),
		   void *target)
{
	if (list->kind != TREE_LIST)
		return yaml_fail(r, list, "expected a list");
	size_t index = yaml_section_count(r->cfg, r->path); /* a second source goes on where the first ended */
	for (const struct tree_node *item = list->first; item; item = item->next, index++) {
		size_t len = yaml_path_push(r, NULL, index);
		yaml_path_note(r, item);
		int rc = read(r, item, target);
		yaml_path_pop(r, len);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- mappings by table ------------------------------------------------------------------------- */

static int fail_key(struct yaml_reader *r, const struct tree_node *key, const struct yaml_field *fields,
		    const char *const *later, const char *word)
{
	char hint[CONFIG_HINT_MAX];
	struct config_nearest near = {.word = key->text};

	for (; fields->name; fields++)
		config_nearest_offer(&near, fields->name);
	config_nearest_offer_list(&near, later);
	return yaml_fail(r, key, "unknown %s \"%s\"%s", word, key->text, config_nearest_hint(&near, hint));
}

/* Fields that guard something: nobody means "no password" by an auth without a value. */
static const char *const guards[] = {"auth",   "auther",   "authers", "admission", "admissions",
				     "bypass", "bypasses", "tls",     "limiter",   "climiter",   "rlimiter", NULL};

static bool pass_over(struct yaml_reader *r, const struct tree_node *key, const char *word)
{
	char where[300];

	snprintf(where, sizeof(where), "%.*s:%u:%u", 200, r->name, key->line, key->column);
	return config_pass_over(r->cfg, word, key->text, where);
}

/* A field that GOST reads and we do not may stand there as long as it is empty. */
static int refuse_later(struct yaml_reader *r, const struct tree_node *key, const char *word)
{
	if (config_tree_is_empty(key->next) || pass_over(r, key, word))
		return 0;
	return yaml_fail(r, key, "%s \"%s\" is not supported yet", word, key->text);
}

static int read_field(struct yaml_reader *r, const struct tree_node *key, const struct yaml_field *fields,
		      unsigned *seen, const char *const *later, const char *word, void *target)
{
	for (size_t i = 0; fields[i].name; i++) {
		if (strcasecmp(fields[i].name, key->text))
			continue;
		if (*seen & 1u << i)
			return yaml_fail(r, key, "%s \"%s\" is given twice", word, key->text);
		*seen |= 1u << i;
		if (!config_tree_is_null(key->next)) {
			size_t len = yaml_path_push(r, fields[i].name, 0);
			yaml_path_note(r, key->next);
			int rc = fields[i].read(r, key->next, target);
			yaml_path_pop(r, len);
			return rc;
		}
		return config_list_has(guards, key->text) ? yaml_fail(r, key, "%s \"%s\" has no value", word, key->text) : 0;
	}
	if (config_list_has(later, key->text))
		return refuse_later(r, key, word);
	return fail_key(r, key, fields, later, word);
}

int yaml_read_mapping(struct yaml_reader *r, const struct tree_node *map, const struct yaml_field *fields,
		      const char *const *later, const char *word, void *target)
{
	unsigned seen = 0;

	if (map->kind != TREE_MAPPING)
		return yaml_fail(r, map, "expected a mapping");
	for (const struct tree_node *key = map->first; key; key = key->next->next) {
		int rc = read_field(r, key, fields, &seen, later, word, target);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- mappings by the key table ----------------------------------------------------------------- */

int yaml_read_key(struct yaml_reader *r, const char *name, const struct tree_node *value, unsigned scope,
		  struct metadata *out)
{
	const struct config_key *key;
	int rc = config_key_find(name, scope, &key, r->err);

	if (rc)
		return place(r, value, rc);
	if (value->kind != TREE_SCALAR)
		return yaml_fail(r, value, "key \"%s\": expected a single value", name);
	if (config_tree_is_null(value))
		return yaml_fail(r, value, "key \"%s\" has no value", name);
	size_t len = yaml_path_push(r, key->name, 0);
	yaml_path_note(r, value);
	yaml_path_pop(r, len);
	return place(r, value, config_key_add(out, key, value->text, r->err));
}

/* Rows that are fields of their section, like handler.retries, are no metadata. */
static int check_is_metadata(struct yaml_reader *r, const struct tree_node *key, unsigned scope)
{
	const struct config_key *row;

	if (config_key_find(key->text, scope, &row, r->err))
		return yaml_fail_here(r, key);
	if (row->field)
		return yaml_fail(r, key, "key \"%s\" belongs beside metadata, not in it", key->text);
	return 0;
}

/* --- metadata: key: value, key: [list], key: {detail: value} ------------------------------------- */

enum { NESTED_NAME_MAX = 64, JOINED_MAX = 4096 };

static bool is_list_type(enum config_type type)
{
	return type == KEY_VERSIONS || type == KEY_NETWORKS || type == KEY_TLV_TYPES || type == KEY_TLVS;
}

/* A list of values is the text that -L has for it. */
static int read_joined(struct yaml_reader *r, const char *name, const struct tree_node *list, unsigned scope,
		       struct metadata *out)
{
	char joined[JOINED_MAX] = "";
	size_t at = 0;

	for (const struct tree_node *item = list->first; item; item = item->next) {
		if (item->kind != TREE_SCALAR)
			return yaml_fail(r, item, "key \"%s\": expected a list of single values", name);
		size_t len = strlen(item->text);
		if (at + len + 2 > sizeof(joined))
			return yaml_fail(r, item, "key \"%s\": the list is too long", name);
		at += (size_t)snprintf(joined + at, sizeof(joined) - at, "%s%s", at ? "," : "", item->text);
	}
	struct tree_node text = {.kind = TREE_SCALAR, .text = joined, .line = list->line, .column = list->column};
	return yaml_read_key(r, name, &text, scope, out);
}

static int read_value(struct yaml_reader *r, const char *name, const struct tree_node *value, unsigned scope,
		      struct metadata *out)
{
	struct config_error ignored;
	const struct config_key *key;

	if (value->kind == TREE_LIST && !config_key_find(name, scope, &key, &ignored) && is_list_type(key->type))
		return read_joined(r, name, value, scope, out);
	return yaml_read_key(r, name, value, scope, out);
}

/* On a service the details turn the whole on; a handler or node says which version it sends. */
static int read_detail(struct yaml_reader *r, const struct config_key *whole, const struct tree_node *detail,
		       unsigned scope, struct metadata *out)
{
	char name[NESTED_NAME_MAX];

	if (whole->type == KEY_SEND && !strcasecmp(detail->text, "version"))
		return yaml_read_key(r, whole->name, detail->next, scope, out);
	int len = snprintf(name, sizeof(name), "%s.%s", whole->name, detail->text);
	if (len >= (int)sizeof(name))
		return yaml_fail(r, detail, "unknown key \"%s.%.60s\"", whole->name, detail->text);
	return read_value(r, name, detail->next, scope, out);
}

static int read_nested(struct yaml_reader *r, const struct config_key *whole, const struct tree_node *map,
		       unsigned scope, struct metadata *out)
{
	int rc = 0;

	if (whole->type == KEY_RECEIVE)
		rc = place(r, map, config_key_add(out, whole, "1", r->err));
	for (const struct tree_node *detail = map->first; detail && !rc; detail = detail->next->next)
		rc = read_detail(r, whole, detail, scope, out);
	return rc;
}

static int read_entry(struct yaml_reader *r, const struct tree_node *name, unsigned scope, struct metadata *out)
{
	const struct tree_node *value = name->next;
	const struct config_key *key;
	int rc = check_is_metadata(r, name, scope);

	if (rc)
		return pass_over(r, name, "key") ? 0 : rc;
	if (value->kind == TREE_MAPPING && !config_key_find(name->text, scope, &key, r->err) &&
	    (key->type == KEY_RECEIVE || key->type == KEY_SEND))
		return read_nested(r, key, value, scope, out);
	return read_value(r, name->text, value, scope, out);
}

int yaml_read_metadata(struct yaml_reader *r, const struct tree_node *map, unsigned scope,
		       struct metadata *out)
{
	if (map->kind != TREE_MAPPING)
		return yaml_fail(r, map, "expected a mapping");
	for (const struct tree_node *key = map->first; key; key = key->next->next) {
		int rc = read_entry(r, key, scope, out);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- typed fields -------------------------------------------------------------------------------- */

/* These are typed fields, not metadata: a bare integer is nanoseconds to GOST. */
static int read_duration(struct yaml_reader *r, const struct config_key *key, const struct tree_node *value,
			 char out[static CONFIG_DURATION_MAX])
{
	uint64_t ns;
	int rc = config_parse_duration_field(value->text, &ns);

	if (rc == -ERANGE)
		return yaml_fail(r, value,
				 "key \"%s\": write \"%s\" with a unit, such as %ss: "
				 "a bare number is nanoseconds here",
				 key->name, value->text, value->text);
	if (rc)
		return yaml_fail(r, value, "key \"%s\": bad value \"%s\": expected a duration such as 10s",
				 key->name, value->text);
	config_format_duration(ns, out);
	return 0;
}

static int read_key_value(struct yaml_reader *r, const struct config_key *key, const struct tree_node *value,
			  struct metadata *seen, void *target)
{
	char duration[CONFIG_DURATION_MAX];
	const char *text = value->text;

	if (value->kind != TREE_SCALAR)
		return yaml_fail(r, value, "key \"%s\": expected a single value", key->name);
	if (config_tree_is_null(value))
		return 0;
	if (key->type == KEY_DURATION) {
		int rc = read_duration(r, key, value, duration);
		if (rc)
			return rc;
		text = duration;
	}
	size_t len = yaml_path_push(r, key->name, 0);
	yaml_path_note(r, value);
	yaml_path_pop(r, len);
	int rc = config_key_add(seen, key, text, r->err);
	if (!rc)
		rc = config_key_apply(key, text, target, r->err);
	return place(r, value, rc);
}

static int read_keys(struct yaml_reader *r, const struct tree_node *map, unsigned scope,
		     const char *const *later, struct metadata *seen, void *target)
{
	for (const struct tree_node *name = map->first; name; name = name->next->next) {
		const struct config_key *key;
		int rc = 0;
		if (config_list_has(later, name->text))
			rc = refuse_later(r, name, "key");
		else if (config_key_find(name->text, scope, &key, r->err))
			rc = yaml_fail_here(r, name);
		else
			rc = read_key_value(r, key, name->next, seen, target);
		if (rc)
			return rc;
	}
	return 0;
}

int yaml_read_keys(struct yaml_reader *r, const struct tree_node *map, unsigned scope,
		   const char *const *later, void *target)
{
	struct metadata seen = {0};

	if (map->kind != TREE_MAPPING)
		return yaml_fail(r, map, "expected a mapping");
	int rc = read_keys(r, map, scope, later, &seen, target);
	config_metadata_fini(&seen);
	return rc;
}
