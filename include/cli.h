/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.h - the command line: GOST's flags by the rules of Go's flag package, plus our own.
 *
 * Why: scripts that call gost must work unchanged, so "-L x", "-L=x", "--L x" are one. What GOST ignores
 * silently (words behind the flags, values nobody reads) is an error. A flag is one row of a table,
 * which parsing and --help share.
 * Owns: the arrays of a struct cli; texts point into argv. Never: starts anything; only cli_build_config()
 * reads files and the environment.
 * See: tests/unit/test_cli.c, tests/vectors/gost/cli.jsonl.
 */
#pragma once

#include "config.h"

/* A sub-command is the first word; fn gets it as argv[0] and returns the exit status. */
struct cli_command {
	const char *name; /* NULL ends the table */
	int (*fn)(int argc, char **argv);
	const char *doc;
};

enum cli_action {
	CLI_RUN,
	CLI_DUMP_JSON,
	CLI_DUMP_YAML,
	CLI_VERSION,
	CLI_HELP,
	CLI_CHECK,   /* as a run would begin, and no further */
	CLI_EXPLAIN, /* show what a run would take for true */
	CLI_COMMAND, /* command, argc and argv are set */
};

struct cli {
	enum cli_action action;
	const char **urls, **hops, **sources; /* -L, -F and -C, each in its order */
	size_t url_count, hop_count, source_count;
	bool debug, trace, lenient;				     /* -D, -DD, -lenient */
	const char *engine, *workers, *budget, *flow_budget, *drain; /* NULL: not given */
	const struct cli_command *command;
	int argc;
	char **argv;
};

/*
 * Returns 0, or the exit status with err filled: 2 for a command line that Go's flag package would refuse
 * (print err and cli_print_usage()), 1 for what is not supported. Free out in either case.
 */
int cli_parse(int argc, char **argv, const struct cli_command *commands, struct cli *out,
	      struct config_error *err);
void cli_free(struct cli *cli); /* idempotent */

/*
 * -C in order, then -L and -F, then the flags; without both, the first gostbpf.* or gost.* of the usual
 * places. cfg must be config_init()ed and is to be freed by the caller also on failure. 0 or -errno.
 */
int cli_build_config(const struct cli *cli, struct config *cfg, struct config_error *err);

void cli_print_usage(FILE *out); /* a few lines, for standard error */
void cli_print_help(FILE *out, const struct cli_command *commands);
void cli_print_version(FILE *out);
