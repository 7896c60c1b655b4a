/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump_yaml.c - writes the tree of config_dump.c as YAML.
 *
 * Why: libyaml decides on quotes by what YAML's grammar allows; but a string like "1" or "no" must also
 * stay a string for readers that guess types, GOST's among them, so those are quoted here.
 * Never: recurses deeper than the tree, which is as deep as the model.
 * See: tests/unit/test_config_dump.c.
 */
#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "config_dump.h"

static int emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(emitter, event) ? 0 : -EIO;
}

/* Strings that YAML 1.1 or 1.2 would read as a number, a time, a boolean or nothing. */
bool dump_needs_quotes(const char *text)
{
	static const char *const words[] = {"",	  "~",	"null", "true", "false", "yes",
					    "no", "on", "off",	"y",	"n",	 NULL};

	if (config_list_has(words, text))
		return true;
	return strchr("0123456789+-.", text[0]) &&
	       strspn(text, "0123456789abcdefABCDEFxXoO_.:+-") == strlen(text);
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, bool quotes)
{
	yaml_event_t event;
	yaml_scalar_style_t style = quotes ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;

	return emit(emitter, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						 (int)strlen(text), 1, 1, style));
}

static int emit_integer(yaml_emitter_t *emitter, json_int_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, value);
	return emit_scalar(emitter, text, false);
}

static int emit_value(yaml_emitter_t *emitter, json_t *value);

static int emit_array(yaml_emitter_t *emitter, json_t *array)
{
	yaml_event_t event;
	size_t i;
	json_t *item;
	int rc = emit(emitter, &event,
		      yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_SEQUENCE_STYLE));

	json_array_foreach(array, i, item) if (!rc) rc = emit_value(emitter, item);
	return rc ? rc : emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static int emit_object(yaml_emitter_t *emitter, json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *item;
	int rc = emit(emitter, &event,
		      yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE));

	json_object_foreach(object, key, item)
	{
		if (!rc)
			rc = emit_scalar(emitter, key, false);
		if (!rc)
			rc = emit_value(emitter, item);
	}
	return rc ? rc : emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static int emit_value(yaml_emitter_t *emitter, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_object(emitter, value);
	case JSON_ARRAY:
		return emit_array(emitter, value);
	case JSON_INTEGER:
		return emit_integer(emitter, json_integer_value(value));
	case JSON_TRUE:
	case JSON_FALSE:
		return emit_scalar(emitter, json_is_true(value) ? "true" : "false", false);
	default:
		return emit_scalar(emitter, json_string_value(value), dump_needs_quotes(json_string_value(value)));
	}
}

static int emit_document(yaml_emitter_t *emitter, json_t *tree)
{
	yaml_event_t event;
	int rc = emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));

	if (!rc)
		rc = emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	if (!rc)
		rc = emit_value(emitter, tree);
	if (!rc)
		rc = emit(emitter, &event, yaml_document_end_event_initialize(&event, 1));
	if (!rc)
		rc = emit(emitter, &event, yaml_stream_end_event_initialize(&event));
	return rc;
}

int config_dump_yaml(const struct config *cfg, FILE *out)
{
	json_t *tree = config_dump_tree(cfg, true);
	yaml_emitter_t emitter;
	int rc = -ENOMEM;

	if (!tree || !yaml_emitter_initialize(&emitter)) {
		json_decref(tree);
		return rc;
	}
	yaml_emitter_set_output_file(&emitter, out);
	yaml_emitter_set_indent(&emitter, 2);
	yaml_emitter_set_width(&emitter, -1);
	yaml_emitter_set_unicode(&emitter, 1);
	rc = emit_document(&emitter, tree);
	yaml_emitter_delete(&emitter);
	json_decref(tree);
	return !rc && fflush(out) ? -EIO : rc;
}
