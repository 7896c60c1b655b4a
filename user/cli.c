/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.c - see cli.h. The flag table, and Go's flag rules over it.
 *
 * Never: looks at a value; the configuration does.
 * See: cli_config.c, cli_help.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli_flags.h"
#include "config_parts.h"

#define FLAG_AT(field)	     .offset = offsetof(struct cli, field)
#define PROCESS(name, field) .kind = CLI_FLAG_PROCESS, .key = name, FLAG_AT(field)
#define SERVE		     .group = "what to serve"
#define RUN		     .group = "how to run"
#define INSTEAD		     .group = "instead of serving"

/* Two lines a row, the second for --help. */
/* clang-format off */
const struct cli_flag cli_flags[] = {
	{ .name = "L", .kind = CLI_FLAG_URL, .arg = "SPEC", SERVE,
	  .doc = "a service: tcp://[host]:port[-port]/target[,target...][?key=value&...]; may be repeated" },
	{ .name = "C", .kind = CLI_FLAG_SOURCE, .arg = "FILE", SERVE,
	  .doc = "configuration: a .yml, .yaml or .json file, - for standard input, or {...}; may be repeated" },
	{ .name = "F", .kind = CLI_FLAG_HOP, .arg = "SPEC", SERVE,
	  .doc = "a hop: scheme://[user:pass@]host:port[,host:port...][?key=value&...]; several make one chain" },
	{ .name = "engine", PROCESS("engine", engine), .arg = "NAME", RUN,
	  .doc = "auto, sockmap, splice or copy, for services that do not name one" },
	{ .name = "workers", PROCESS("workers", workers), .arg = "N", RUN,
	  .doc = "threads (default: one for each CPU)" },
	{ .name = "budget", PROCESS("budget", budget), .arg = "SIZE", RUN,
	  .doc = "kernel memory that all spliced flows together may fill (default 256M)" },
	{ .name = "flowBudget", PROCESS("flowBudget", flow_budget), .arg = "SIZE", RUN,
	  .doc = "kernel memory that one spliced flow may fill (default 16M)" },
	{ .name = "drain", PROCESS("drainTimeout", drain), .arg = "DURATION", RUN,
	  .doc = "how long SIGTERM waits for sessions to end (default 30s)" },
	{ .name = "D", .kind = CLI_FLAG_BOOL, FLAG_AT(debug), RUN, .doc = "log level debug" },
	{ .name = "DD", .kind = CLI_FLAG_BOOL, FLAG_AT(trace), RUN, .doc = "log level trace" },
	{ .name = "lenient", .kind = CLI_FLAG_BOOL, FLAG_AT(lenient), RUN,
	  .doc = "warn about GOST's words that are not supported and harmless to ignore, instead of refusing them" },
	{ .name = "api", .kind = CLI_FLAG_LATER, .arg = "ADDR", RUN,
	  .doc = "web API (not supported yet)" },
	{ .name = "metrics", .kind = CLI_FLAG_LATER, .arg = "ADDR", RUN,
	  .doc = "metrics (not supported yet)" },
	{ .name = "R", .kind = CLI_FLAG_LATER, .arg = "DURATION", RUN,
	  .doc = "periodic reload (not supported yet)" },
	{ .name = "O", .kind = CLI_FLAG_DUMP, .arg = "json|yaml", INSTEAD,
	  .doc = "print the whole configuration and exit" },
	{ .name = "V", .kind = CLI_FLAG_VERSION, INSTEAD,
	  .doc = "print the version and exit" },
	{ .name = "h", .kind = CLI_FLAG_HELP, INSTEAD,
	  .doc = "print this text and exit; also -help" },
	{ .name = "help", .kind = CLI_FLAG_HELP },
	{ 0 },
};
/* clang-format on */

const struct cli_mode cli_modes[] = {
	{"check", CLI_CHECK, "read the configuration of -C, -L and -F, say what is wrong with it, serve nothing"},
	{"explain", CLI_EXPLAIN, "print the whole of it: defaults, where each value comes from, engines and why"},
	{0},
};

static const struct cli_flag *find_flag(const char *name, size_t len)
{
	for (const struct cli_flag *flag = cli_flags; flag->name; flag++)
		if (strlen(flag->name) == len && !memcmp(flag->name, name, len))
			return flag;
	return NULL;
}

/* --- setting ----------------------------------------------------------------------------------- */

static int append(const char ***list, size_t *count, const char *text, struct config_error *err)
{
	const char **grown = config_grow(*list, *count, sizeof(**list));

	if (!grown) {
		config_no_memory(err);
		return CLI_EXIT_FAILURE;
	}
	*list = grown;
	grown[(*count)++] = text;
	return 0;
}

static int add_source(struct cli *cli, const char *source, struct config_error *err)
{
	for (size_t i = 0; i < cli->source_count; i++) {
		if (strcmp(source, "-") || strcmp(cli->sources[i], "-"))
			continue;
		config_fail(err, "-C - is given twice: standard input can be read only once");
		return CLI_EXIT_FAILURE;
	}
	return append(&cli->sources, &cli->source_count, source, err);
}

static int set_dump(struct cli *cli, const char *format, struct config_error *err)
{
	if (strcmp(format, "json") && strcmp(format, "yaml")) {
		config_fail(err, "invalid value \"%s\" for flag -O: expected json or yaml", format);
		return CLI_EXIT_USAGE;
	}
	if (cli->action == CLI_CHECK || cli->action == CLI_EXPLAIN) {
		config_fail(err, "-O goes with neither check nor explain");
		return CLI_EXIT_USAGE;
	}
	if (cli->action != CLI_VERSION)
		cli->action = strcmp(format, "json") ? CLI_DUMP_YAML : CLI_DUMP_JSON;
	return 0;
}

static int set_value(struct cli *cli, const struct cli_flag *flag, const char *value,
		     struct config_error *err)
{
	switch (flag->kind) {
	case CLI_FLAG_URL:
		return append(&cli->urls, &cli->url_count, value, err);
	case CLI_FLAG_HOP:
		return append(&cli->hops, &cli->hop_count, value, err);
	case CLI_FLAG_SOURCE:
		return add_source(cli, value, err);
	case CLI_FLAG_DUMP:
		return set_dump(cli, value, err);
	case CLI_FLAG_PROCESS:
		*cli_flag_text(cli, flag) = value;
		return 0;
	default:
		config_fail(err, "-%s is not supported yet", flag->name);
		return CLI_EXIT_FAILURE;
	}
}

static int set_switch(struct cli *cli, const struct cli_flag *flag, const char *value,
		      struct config_error *err)
{
	bool on = true;

	if (value && config_parse_bool(value, &on)) {
		config_fail(err, "invalid boolean value \"%s\" for -%s: parse error", value, flag->name);
		return CLI_EXIT_USAGE;
	}
	if (flag->kind == CLI_FLAG_BOOL)
		*(bool *)((char *)cli + flag->offset) = on;
	else if (on)
		cli->action = flag->kind == CLI_FLAG_HELP ? CLI_HELP : CLI_VERSION;
	return 0;
}

/* --- parsing ----------------------------------------------------------------------------------- */

/* One flag at argv[*at]; *at moves to its last word. */
static int parse_flag(int argc, char **argv, int *at, struct cli *cli, struct config_error *err)
{
	const char *word = argv[*at], *name = word + 1 + (word[1] == '-');
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;

	if (!len || name[0] == '-') {
		config_fail(err, "bad flag syntax: %s", word);
		return CLI_EXIT_USAGE;
	}
	const struct cli_flag *flag = find_flag(name, len);
	if (!flag) {
		config_fail(err, "flag provided but not defined: -%.*s", (int)(len < 100 ? len : 100), name);
		return CLI_EXIT_USAGE;
	}
	if (!flag->arg)
		return set_switch(cli, flag, value, err);
	if (!value && *at + 1 >= argc) {
		config_fail(err, "flag needs an argument: -%s", flag->name);
		return CLI_EXIT_USAGE;
	}
	return set_value(cli, flag, value ? value : argv[++*at], err);
}

/* Go's flags end at the first other word, and gost ignores all that follows: half a command line. */
static int refuse_word(const char *word, struct config_error *err)
{
	if (!strcmp(word, "--"))
		config_fail(err, "\"--\" does not go with a command");
	else
		config_fail(err, "\"%s\" is neither a flag nor a flag's value", word);
	return CLI_EXIT_USAGE;
}

static const struct cli_command *find_command(const struct cli_command *commands, const char *word)
{
	for (; commands && commands->name; commands++)
		if (!strcmp(commands->name, word))
			return commands;
	return NULL;
}

/* Words in front of the flags of a run. Returns how many there are. */
static int find_mode(const char *word, enum cli_action *action)
{
	for (const struct cli_mode *mode = cli_modes; mode->name; mode++) {
		if (strcmp(mode->name, word))
			continue;
		*action = mode->action;
		return 1;
	}
	return 0;
}

int cli_parse(int argc, char **argv, const struct cli_command *commands, struct cli *out,
	      struct config_error *err)
{
	int first = 1;

	*out = (struct cli){.command = argc > 1 ? find_command(commands, argv[1]) : NULL};
	if (out->command) {
		out->action = CLI_COMMAND;
		out->argc = argc - 1;
		out->argv = argv + 1;
		return 0;
	}
	if (argc > 1)
		first += find_mode(argv[1], &out->action);
	for (int i = first; i < argc && out->action != CLI_HELP; i++) {
		if (argv[i][0] != '-' || !argv[i][1] || !strcmp(argv[i], "--"))
			return refuse_word(argv[i], err);
		int rc = parse_flag(argc, argv, &i, out, err);
		if (rc)
			return rc;
	}
	return 0;
}

void cli_free(struct cli *cli)
{
	free(cli->urls);
	free(cli->hops);
	free(cli->sources);
	*cli = (struct cli){0};
}
