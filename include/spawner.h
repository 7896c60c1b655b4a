/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawner.h - "--" on the command line: several configurations, each in a process of its own.
 *
 * Why: -F belongs to all -L of a command line, so two chains need two processes, as with GOST. Unlike there, arguments
 * keep their blanks, a child that ends takes the others along, and signals reach all of them.
 * Owns: its children until all have ended. Never: runs a shell, interprets an argument.
 * See: user/main.c.
 */
#pragma once

#include <stdbool.h>

/* Whether there is a "--" among the words. */
bool spawn_wanted(int argc, char **argv);
/*
 * Runs each part between "--" as one command line (argv[0] is the same for all) in a child. Returns the exit status: 0
 * when all ended so, 1 when one failed, 2 for an empty part (then nothing was started).
 */
int spawn_all(int argc, char **argv, int (*run)(int argc, char **argv));
