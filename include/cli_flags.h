/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_flags.h - the flag table; shared by cli.c, cli_config.c and cli_help.c.
 *
 * Why: a flag is known to the parser, to the configuration and to --help, once each, from one row.
 * See: cli.h.
 */
#pragma once

#include "cli.h"

enum { CLI_EXIT_FAILURE = 1, CLI_EXIT_USAGE = 2 };

enum cli_flag_kind {
	CLI_FLAG_URL,
	CLI_FLAG_HOP,
	CLI_FLAG_SOURCE,
	CLI_FLAG_DUMP,
	CLI_FLAG_PROCESS, /* text kept at offset, for config_set_process(key) */
	CLI_FLAG_BOOL,	  /* switch at offset */
	CLI_FLAG_VERSION,
	CLI_FLAG_HELP,
	CLI_FLAG_LATER, /* GOST's, and not supported yet */
};

struct cli_flag {
	const char *name; /* NULL ends the table */
	enum cli_flag_kind kind;
	size_t offset;		 /* in struct cli */
	const char *key;	 /* of the gostbpf: section */
	const char *arg;	 /* what follows it; NULL: a switch */
	const char *group, *doc; /* for --help; NULL: another spelling of the row before */
};

extern const struct cli_flag cli_flags[];

/* A word in front of the flags, which then mean what they mean in a run. */
struct cli_mode {
	const char *name; /* NULL ends the table */
	enum cli_action action;
	const char *doc;
};
extern const struct cli_mode cli_modes[];

static inline const char **cli_flag_text(struct cli *cli, const struct cli_flag *flag)
{
	return (const char **)((char *)cli + flag->offset);
}
