/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_flags.h - flags of the sub-commands, by the rules of the main command line.
 *
 * Why: "-x v", "-x=v" and "--x v" are one for `gostbpf -L`, so they are for `gostbpf decode`; a table serves parsing
 * and -h. Unlike Go's, a flag may also follow the word: there is at most one, and none can be meant otherwise.
 * Owns: the arrays of a struct cmd_list; texts point into argv.
 * Never: looks at a value.
 * See: cli.h for the main command line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CMD_RUN = -1, CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 64 /* EX_USAGE */ };

struct cmd_error {
	char text[300];
};

struct cmd_list {
	const char **items;
	size_t count;
};

enum cmd_flag_kind {
	CMD_SWITCH,   /* bool */
	CMD_TEXT,     /* const char *, the last one counts */
	CMD_LIST,     /* struct cmd_list */
	CMD_OPTIONAL, /* const char *: "" for -x, a text for -x=text; NULL: not given, or switched off by =false */
};

struct cmd_flag {
	const char *name; /* NULL ends the table */
	enum cmd_flag_kind kind;
	size_t offset;	 /* in what cmd_parse() fills */
	const char *arg; /* for -h; NULL for a switch */
	const char *doc;
};

struct cmd_spec {
	const char *name, *synopsis, *notes; /* synopsis without "gostbpf NAME"; notes close -h */
	const struct cmd_flag *flags;
	const char *word;   /* what the word without a flag is called in messages; NULL: none is taken */
	size_t word_offset; /* of a const char * */
};

/*
 * Fills out, which is zeroed by the caller: CMD_RUN, or the exit status after -h (CMD_OK) or an error on standard error
 * (CMD_USAGE; CMD_FAILED without memory). Free the lists in either case.
 */
int cmd_parse(const struct cmd_spec *spec, int argc, char **argv, void *out);
void cmd_list_free(struct cmd_list *list);

/* "gostbpf NAME: text" to standard error. Returns status. */
int cmd_fail(const struct cmd_spec *spec, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with the synopsis after it. Returns CMD_USAGE. */
int cmd_misuse(const struct cmd_spec *spec, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
