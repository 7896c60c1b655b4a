/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_program.h - runs another program for a sub-command, without a shell.
 *
 * Why: some things are best done by the tool that an operator would use by hand, and then seen as such.
 * Owns: nothing. Never: interprets a word, blocks on a program's output beyond what fits.
 * See: user/cmd_routes.c.
 */
#pragma once

#include <stddef.h>

/*
 * Runs argv (NULL-terminated, looked for in PATH) to its end. Its exit status, or -errno when it could not be run or was
 * killed. With out: what it prints goes there (NUL-terminated, cut to cap) and its complaints nowhere.
 */
int cmd_program_run(const char *const *argv, char *out, size_t cap);
/* As one would type it, one line, to standard output. */
void cmd_program_print(const char *const *argv);
