/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_flags.c - see cmd_flags.h.
 *
 * Never: changes argv.
 */
#include "cmd_flags.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
	const struct cmd_spec *spec;
	int argc, at;
	char **argv;
	char *out;
};

static void say(const struct cmd_spec *spec, const char *fmt, va_list args)
{
	fprintf(stderr, "gostbpf %s: ", spec->name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

int cmd_fail(const struct cmd_spec *spec, int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(spec, fmt, args);
	va_end(args);
	return status;
}

int cmd_misuse(const struct cmd_spec *spec, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(spec, fmt, args);
	va_end(args);
	fprintf(stderr, "usage: gostbpf %s %s\n", spec->name, spec->synopsis);
	return CMD_USAGE;
}

static int print_help(const struct cmd_spec *spec)
{
	printf("usage: gostbpf %s %s\n\n", spec->name, spec->synopsis);
	for (const struct cmd_flag *flag = spec->flags; flag->name; flag++) {
		char left[40];
		snprintf(left, sizeof(left), "-%s%s%s", flag->name, flag->arg ? " " : "",
			 flag->arg ? flag->arg : "");
		printf("  %-18s %s\n", left, flag->doc);
	}
	printf("\n%s", spec->notes);
	return CMD_OK;
}

static const struct cmd_flag *find_flag(const struct cmd_spec *spec, const char *name, size_t len)
{
	for (const struct cmd_flag *flag = spec->flags; flag->name; flag++)
		if (strlen(flag->name) == len && !memcmp(flag->name, name, len))
			return flag;
	return NULL;
}

/* --- setting ----------------------------------------------------------------------------------- */

/* Room for as many as there are words: no flag is given more often. */
static int append(struct parse *p, struct cmd_list *list, const char *text)
{
	if (!list->items)
		list->items = calloc((size_t)p->argc, sizeof(*list->items));
	if (!list->items)
		return cmd_fail(p->spec, CMD_FAILED, "out of memory");
	list->items[list->count++] = text;
	return CMD_RUN;
}

/* The words of the main command line's switches. */
static int parse_bool(const char *text, bool *out)
{
	static const char *const words[] = {"0", "f", "false", "1", "t", "true"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			*out = i >= 3;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_switch(struct parse *p, const struct cmd_flag *flag, const char *value)
{
	bool on = true;

	if (value && parse_bool(value, &on))
		return cmd_misuse(p->spec, "invalid boolean value \"%s\" for -%s", value, flag->name);
	*(bool *)(p->out + flag->offset) = on;
	return CMD_RUN;
}

static int set_optional(struct parse *p, const struct cmd_flag *flag, const char *value)
{
	bool on = true, word = !value || !parse_bool(value, &on);

	*(const char **)(p->out + flag->offset) = !on ? NULL : word ? "" : value;
	return CMD_RUN;
}

static int set_value(struct parse *p, const struct cmd_flag *flag, const char *value)
{
	if (!value && p->at + 1 >= p->argc)
		return cmd_misuse(p->spec, "flag needs an argument: -%s", flag->name);
	if (!value)
		value = p->argv[++p->at];
	if (flag->kind == CMD_LIST)
		return append(p, (struct cmd_list *)(p->out + flag->offset), value);
	*(const char **)(p->out + flag->offset) = value;
	return CMD_RUN;
}

static int set_word(struct parse *p, const char *word)
{
	const char **at = (const char **)(p->out + p->spec->word_offset);

	if (!p->spec->word)
		return cmd_misuse(p->spec, "\"%s\" is neither a flag nor a flag's value", word);
	if (*at)
		return cmd_misuse(p->spec, "\"%s\": one %s only", word, p->spec->word);
	*at = word;
	return CMD_RUN;
}

/* --- parsing ----------------------------------------------------------------------------------- */

static int parse_flag(struct parse *p, const char *word)
{
	const char *name = word + 1 + (word[1] == '-');
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;

	if (!len || name[0] == '-')
		return cmd_misuse(p->spec, "bad flag syntax: %s", word);
	if (!strcmp(name, "h") || !strcmp(name, "help"))
		return print_help(p->spec);
	const struct cmd_flag *flag = find_flag(p->spec, name, len);
	if (!flag)
		return cmd_misuse(p->spec, "flag provided but not defined: -%.*s",
				  (int)(len < 100 ? len : 100), name);
	switch (flag->kind) {
	case CMD_SWITCH:
		return set_switch(p, flag, value);
	case CMD_OPTIONAL:
		return set_optional(p, flag, value);
	case CMD_TEXT:
	case CMD_LIST:
		break;
	}
	return set_value(p, flag, value);
}

int cmd_parse(const struct cmd_spec *spec, int argc, char **argv, void *out)
{
	struct parse p = {.spec = spec, .argc = argc, .at = 1, .argv = argv, .out = out};
	int status = CMD_RUN;

	for (; p.at < argc && status == CMD_RUN; p.at++) {
		const char *word = argv[p.at];
		status = word[0] == '-' && word[1] ? parse_flag(&p, word) : set_word(&p, word);
	}
	return status;
}

void cmd_list_free(struct cmd_list *list)
{
	free(list->items);
	*list = (struct cmd_list){0};
}
