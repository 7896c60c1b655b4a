/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_tree.c - see config_tree.h. libyaml's events, one by one, onto a stack of open nodes.
 *
 * Why: events show anchors, aliases and tags, which are refused, and make the depth limit one counter.
 * Owns: the tree until config_tree_parse() returns it. Never: recurses while parsing.
 * See: tests/unit/test_config_yaml.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "config_tree.h"

#define NAME_SHOWN 200 /* of a file name in a message */

struct builder {
	const char *name;
	struct config_error *err;
	struct tree_node *root;
	struct tree_node *open[CONFIG_DEPTH_MAX]; /* lists and mappings not yet closed */
	struct tree_node *last[CONFIG_DEPTH_MAX]; /* their newest child */
	size_t children[CONFIG_DEPTH_MAX];
	size_t depth, count;
	unsigned documents;
};

void config_tree_free(struct tree_node *node)
{
	while (node) {
		struct tree_node *next = node->next;
		config_tree_free(node->first); /* no deeper than CONFIG_DEPTH_MAX */
		free(node->text);
		free(node);
		node = next;
	}
}

bool config_tree_is_null(const struct tree_node *node)
{
	if (node->kind != TREE_SCALAR || !node->plain)
		return false;
	return !node->text[0] || !strcmp(node->text, "~") || !strcasecmp(node->text, "null");
}

bool config_tree_is_empty(const struct tree_node *node)
{
	if (node->kind == TREE_SCALAR)
		return !node->text[0] || config_tree_is_null(node);
	return !node->first;
}

/* --- building ---------------------------------------------------------------------------------- */

static int fail_mark(struct builder *b, const yaml_mark_t *mark, const char *sentence)
{
	config_fail(b->err, "%s", sentence);
	return config_fail_at(b->err, -EINVAL, "%.*s:%zu:%zu", NAME_SHOWN, b->name, mark->line + 1,
			      mark->column + 1);
}

/* Where the next node goes: the root, or behind the newest child. A mapping's keys must be scalars. */
static int link_node(struct builder *b, struct tree_node *node, const yaml_mark_t *mark)
{
	if (!b->depth) {
		b->root = node;
		return 0;
	}
	size_t top = b->depth - 1;
	struct tree_node *parent = b->open[top];
	bool is_key = parent->kind == TREE_MAPPING && b->children[top] % 2 == 0;
	*(b->last[top] ? &b->last[top]->next : &parent->first) = node;
	b->last[top] = node;
	b->children[top]++;
	if (is_key && node->kind != TREE_SCALAR)
		return fail_mark(b, mark, "a key must be a word");
	return 0;
}

static int add_node(struct builder *b, enum tree_kind kind, const yaml_mark_t *mark, struct tree_node **out)
{
	if (++b->count > CONFIG_NODES_MAX)
		return fail_mark(b, mark, "there are too many values");
	struct tree_node *node = calloc(1, sizeof(*node));
	if (!node)
		return config_no_memory(b->err);
	node->kind = kind;
	node->line = (unsigned)mark->line + 1;
	node->column = (unsigned)mark->column + 1;
	*out = node;
	return link_node(b, node, mark);
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct tree_node *node;

	if (memchr(text, '\0', len))
		return fail_mark(b, &event->start_mark, "there is a zero byte in a value");
	int rc = add_node(b, TREE_SCALAR, &event->start_mark, &node);
	if (rc)
		return rc;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = strdup(text);
	return node->text ? 0 : config_no_memory(b->err);
}

static int on_open(struct builder *b, const yaml_event_t *event, enum tree_kind kind)
{
	struct tree_node *node;

	if (b->depth == CONFIG_DEPTH_MAX)
		return fail_mark(b, &event->start_mark, "it is nested too deeply");
	int rc = add_node(b, kind, &event->start_mark, &node);
	if (rc)
		return rc;
	b->open[b->depth] = node;
	b->last[b->depth] = NULL;
	b->children[b->depth++] = 0;
	return 0;
}

static int refuse_extras(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
			 const yaml_char_t *tag)
{
	if (anchor)
		return fail_mark(b, &event->start_mark, "anchors are not supported");
	if (tag)
		return fail_mark(b, &event->start_mark, "tags are not supported");
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	int rc;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return b->documents++ ? fail_mark(b, &event->start_mark, "there is a second document") : 0;
	case YAML_ALIAS_EVENT:
		return fail_mark(b, &event->start_mark, "anchors are not supported");
	case YAML_SCALAR_EVENT:
		rc = refuse_extras(b, event, event->data.scalar.anchor, event->data.scalar.tag);
		return rc ? rc : on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		rc = refuse_extras(b, event, event->data.sequence_start.anchor,
				   event->data.sequence_start.tag);
		return rc ? rc : on_open(b, event, TREE_LIST);
	case YAML_MAPPING_START_EVENT:
		rc = refuse_extras(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return rc ? rc : on_open(b, event, TREE_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

/* --- parsing ----------------------------------------------------------------------------------- */

static int fail_syntax(struct builder *b, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "this is not YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		return config_no_memory(b->err);
	if (parser->error != YAML_READER_ERROR)
		return fail_mark(b, &parser->problem_mark, problem);
	config_fail(b->err, "%s", problem);
	return config_fail_at(b->err, -EINVAL, "%.*s: byte %zu", NAME_SHOWN, b->name, parser->problem_offset);
}

static int run(struct builder *b, yaml_parser_t *parser)
{
	yaml_event_type_t type;

	do {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event))
			return fail_syntax(b, parser);
		type = event.type;
		int rc = on_event(b, &event);
		yaml_event_delete(&event);
		if (rc)
			return rc;
	} while (type != YAML_STREAM_END_EVENT);
	return 0;
}

int config_tree_parse(const char *name, const char *text, size_t len, struct tree_node **out,
		      struct config_error *err)
{
	struct builder b = {.name = name, .err = err};
	yaml_parser_t parser;

	if (len > CONFIG_TEXT_MAX) {
		config_fail(err, "it is larger than %u MiB", CONFIG_TEXT_MAX >> 20);
		return config_fail_at(err, -EINVAL, "%.*s", NAME_SHOWN, name);
	}
	if (!yaml_parser_initialize(&parser))
		return config_no_memory(err);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	int rc = run(&b, &parser);
	yaml_parser_delete(&parser);
	if (rc)
		config_tree_free(b.root);
	else
		*out = b.root;
	return rc;
}
