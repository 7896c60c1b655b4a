/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_source.c - where configuration text comes from: a file, standard input, or the argument itself.
 *
 * Why: JSON is nearly the YAML subset that libyaml reads, and reading it so gives line and column for
 * every complaint. What differs is settled first: jansson judges the syntax, then surrogate pairs
 * become YAML's escapes and tabs become blanks (libyaml refuses both).
 * Never: reads more than CONFIG_TEXT_MAX, looks for files by itself (cli.c does).
 * See: config_yaml.c.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_tree.h"

#define NAME_SHOWN 200

/* --- JSON -------------------------------------------------------------------------------------- */

static int check_json(const char *name, const char *text, size_t len, struct config_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (root) {
		json_decref(root);
		return 0;
	}
	config_fail(err, "%s", why.text);
	return config_fail_at(err, -EINVAL, "%.*s:%d:%d", NAME_SHOWN, name, why.line, why.column);
}

/* The four digits behind a backslash and 'u', or 0 (jansson has refused \u0000). */
static unsigned escape_code(const char *text, size_t len)
{
	char digits[5] = "";

	if (len < 6 || text[0] != '\\' || text[1] != 'u')
		return 0;
	memcpy(digits, text + 2, 4);
	return (unsigned)strtoul(digits, NULL, 16);
}

/* How much of text is one surrogate pair, as \UXXXXXXXX in out; 0 when there is none. */
static size_t take_pair(const char *text, size_t len, char out[static 11])
{
	unsigned high = escape_code(text, len);
	unsigned low = high ? escape_code(text + 6, len - 6) : 0;

	if (high < 0xd800 || high > 0xdbff) /* jansson has seen to it that a low half follows a high one */
		return 0;
	snprintf(out, 11, "\\U%08X", 0x10000u + ((high - 0xd800) << 10) + (low - 0xdc00));
	return 12;
}

/* Never longer than it was. A backslash takes its neighbour along, so that "\\ud83d" stays text. */
static size_t yamlise(char *text, size_t len)
{
	size_t out = 0;

	for (size_t in = 0; in < len;) {
		char pair[11];
		size_t taken = take_pair(text + in, len - in, pair);
		if (taken) {
			memcpy(text + out, pair, 10);
			out += 10;
			in += taken;
			continue;
		}
		bool escape = text[in] == '\\' && in + 1 < len;
		text[out++] = text[in] == '\t' ? ' ' : text[in];
		in++;
		if (escape)
			text[out++] = text[in++];
	}
	return out;
}

static int add_json(struct config *cfg, const char *name, char *text, size_t len, struct config_error *err)
{
	int rc = check_json(name, text, len, err);

	if (rc)
		return rc;
	return config_add_yaml(cfg, name, text, yamlise(text, len), err);
}

/* --- files ------------------------------------------------------------------------------------- */

static int fail_file(const char *name, const char *why, struct config_error *err)
{
	return config_fail(err, "%.*s: %s", NAME_SHOWN, name, why);
}

static int read_all(FILE *in, const char *name, char **out, size_t *len_out, struct config_error *err)
{
	size_t cap = 64 << 10, len = 0;
	char *text = malloc(cap);

	while (text) {
		len += fread(text + len, 1, cap - len, in);
		if (len < cap)
			break;
		char *grown = cap > CONFIG_TEXT_MAX ? NULL : realloc(text, cap * 2);
		if (!grown) {
			free(text);
			return cap > CONFIG_TEXT_MAX ? fail_file(name, "it is too large", err)
						     : config_no_memory(err);
		}
		text = grown;
		cap *= 2;
	}
	if (!text)
		return config_no_memory(err);
	if (ferror(in)) {
		free(text);
		return fail_file(name, strerror(errno), err);
	}
	*out = text;
	*len_out = len;
	return 0;
}

static bool looks_like_json(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i < len && text[i] == '{';
}

static int add_stream(struct config *cfg, FILE *in, const char *name, int json, struct config_error *err)
{
	char *text = NULL;
	size_t len = 0;
	int rc = read_all(in, name, &text, &len, err);

	if (rc)
		return rc;
	if (json < 0)
		json = looks_like_json(text, len);
	rc = json ? add_json(cfg, name, text, len, err) : config_add_yaml(cfg, name, text, len, err);
	free(text);
	return rc;
}

static int add_file(struct config *cfg, const char *path, struct config_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');
	bool json = dot && !strcasecmp(dot, ".json");

	if (!json && !(dot && (!strcasecmp(dot, ".yml") || !strcasecmp(dot, ".yaml"))))
		return fail_file(path, "the name of a configuration ends in .yml, .yaml or .json", err);
	FILE *in = fopen(path, "re");
	if (!in)
		return fail_file(path, strerror(errno), err);
	int rc = add_stream(cfg, in, path, json, err);
	fclose(in);
	return rc;
}

static int add_inline(struct config *cfg, const char *source, struct config_error *err)
{
	char *copy = strdup(source);

	if (!copy)
		return config_no_memory(err);
	int rc = add_json(cfg, "inline", copy, strlen(copy), err);
	free(copy);
	return rc;
}

int config_add_source(struct config *cfg, const char *source, struct config_error *err)
{
	if (!strcmp(source, "-"))
		return add_stream(cfg, stdin, "-", -1, err);
	if (looks_like_json(source, strlen(source)))
		return add_inline(cfg, source, err);
	return add_file(cfg, source, err);
}
