/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_program.c - see cmd_program.h.
 *
 * Owns: the pipe to the program while it runs. Never: leaves a child behind.
 */
#include "cmd_program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int start(const char *const *argv, int out_fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return -err;
	if (out_fd >= 0) {
		posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	}
	err = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* To the end, so that the program never waits for a reader. */
static void collect(int fd, char *out, size_t cap)
{
	char rest[512];
	size_t len = 0;

	for (;;) {
		bool full = len + 1 >= cap;
		ssize_t n = read(fd, full ? rest : out + len, full ? sizeof(rest) : cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += full ? 0 : (size_t)n;
	}
	out[len] = '\0';
}

static int await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int cmd_program_run(const char *const *argv, char *out, size_t cap)
{
	int fds[2] = {-1, -1};
	pid_t pid;

	if (out && pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	int err = start(argv, fds[1], &pid);
	if (fds[1] >= 0)
		close(fds[1]);
	if (out && !err)
		collect(fds[0], out, cap);
	if (fds[0] >= 0)
		close(fds[0]);
	return err ? err : await(pid);
}

void cmd_program_print(const char *const *argv)
{
	for (size_t i = 0; argv[i]; i++) {
		const char *quote = strpbrk(argv[i], " ;{}") ? "'" : "";
		printf("%s%s%s%s", i ? " " : "", quote, argv[i], quote);
	}
	putchar('\n');
	fflush(stdout); /* before what the program says */
}
