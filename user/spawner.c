/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawner.c - see include/spawner.h.
 *
 * Why fork without exec: the child is the same program; its words are a slice of the same array.
 * Owns: the list of children. Never: lets one outlive this process (PR_SET_PDEATHSIG).
 */
#include "spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_separator(const char *word)
{
	return !strcmp(word, "--");
}

bool spawn_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (is_separator(argv[i]))
			return true;
	return false;
}

static int part_length(int argc, char **argv, int from)
{
	int len = 0;

	while (from + len < argc && !is_separator(argv[from + len]))
		len++;
	return len;
}

/* How many parts there are; -1: one of them is empty. */
static int count_parts(int argc, char **argv)
{
	int parts = 0;

	for (int from = 1; from <= argc; parts++) {
		int len = part_length(argc, argv, from);
		if (!len)
			return -1;
		from += len + 1;
	}
	return parts;
}

/* argv[from - 1] is a separator or the program's name: the part's argv[0]. */
static pid_t start(char **argv, int from, int len, pid_t parent, const sigset_t *old,
		   int (*run)(int argc, char **argv))
{
	char *name = argv[0], *next = argv[from + len];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it was faster */
		_exit(EXIT_FAILURE);
	sigprocmask(SIG_SETMASK, old, NULL);
	argv[from - 1] = name;
	argv[from + len] = NULL;
	int status = run(len + 1, argv + from - 1);
	argv[from + len] = next;
	exit(status);
}

static void tell_all(const pid_t *children, int count, int sig)
{
	for (int i = 0; i < count; i++)
		if (children[i] > 0)
			kill(children[i], sig);
}

/* Takes one child that has ended off the list. Returns whether it failed; *left counts those that run. */
static bool reap(pid_t *children, int count, int *left)
{
	bool failed = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < count; i++) {
			if (children[i] != pid)
				continue;
			children[i] = 0;
			--*left;
			failed |= !WIFEXITED(status) || WEXITSTATUS(status);
		}
	return failed;
}

/* Until the last child has ended. One that fails ends the others: half a configuration serves nobody. */
static bool watch(pid_t *children, int count, int left, const sigset_t *set)
{
	bool failed = false;

	while (left) {
		int sig = sigwaitinfo(set, NULL);
		if (sig != SIGCHLD && sig > 0)
			tell_all(children, count, sig);
		if (sig == SIGCHLD && reap(children, count, &left)) {
			if (!failed)
				tell_all(children, count, SIGTERM);
			failed = true;
		}
	}
	return failed;
}

int spawn_all(int argc, char **argv, int (*run)(int argc, char **argv))
{
	int parts = count_parts(argc, argv), started = 0, from = 1;
	pid_t parent = getpid(), *children;
	sigset_t set, old;

	if (parts < 0) {
		fputs("gostbpf: there is nothing before or behind a \"--\"\n", stderr);
		return 2;
	}
	children = calloc((size_t)parts, sizeof(*children));
	if (!children)
		return EXIT_FAILURE;
	sigemptyset(&set);
	for (const int *sig = (const int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0}; *sig; sig++)
		sigaddset(&set, *sig);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (; started < parts; started++) {
		int len = part_length(argc, argv, from);
		children[started] = start(argv, from, len, parent, &old, run);
		if (children[started] < 0)
			break;
		from += len + 1;
	}
	if (started < parts) {
		fprintf(stderr, "gostbpf: cannot start a process: %s\n", strerror(errno));
		tell_all(children, started, SIGTERM);
	}
	bool failed = watch(children, started, started, &set) || started < parts;
	free(children);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
