/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_sink.c - see log_sink.h.
 *
 * Why: a FIFO is opened for reading too: open() then needs no reader, and one that goes away and comes
 * back costs no EPIPE. Descriptors opened here are O_NONBLOCK; inherited ones are asked with poll() first.
 * Never: writes more than PIPE_BUF bytes at a time to anything but a regular file.
 */
#include "log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_SLICE_MS 50 /* how late a deadline set by another thread may be noticed */
#define REGULAR_CHUNK (1U << 20)

static bool one_of(const char *text, const char *a, const char *b)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static int open_path(const char *path)
{
	struct stat st;
	int mode = stat(path, &st) == 0 && S_ISFIFO(st.st_mode) ? O_RDWR : O_WRONLY;
	int fd = open(path, mode | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

int log_sink_open(struct log_sink *sink, const char *output)
{
	struct log_sink s = {.fd = -1};
	struct stat st;

	if (!output || one_of(output, "", "stderr")) {
		s.fd = STDERR_FILENO;
	} else if (strcmp(output, "stdout") == 0) {
		s.fd = STDOUT_FILENO;
	} else if (!one_of(output, "none", "null")) {
		s.fd = open_path(output);
		if (s.fd < 0)
			return s.fd;
		s.owned = true;
	}
	s.regular = s.fd >= 0 && fstat(s.fd, &st) == 0 && S_ISREG(st.st_mode);
	*sink = s;
	return 0;
}

void log_sink_close(struct log_sink *sink)
{
	if (sink->owned)
		close(sink->fd);
	sink->owned = false;
	sink->fd = -1;
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static bool expired(const _Atomic uint64_t *deadline_ns)
{
	uint64_t deadline = atomic_load(deadline_ns);

	return deadline && clock_ns() >= deadline;
}

/* 0 when a piece can be written, -ETIMEDOUT, or what poll() says. */
static int wait_writable(const struct log_sink *sink, const _Atomic uint64_t *deadline_ns)
{
	struct pollfd pfd = {.fd = sink->fd, .events = POLLOUT};

	if (sink->regular)
		return 0;
	for (;;) {
		int n = poll(&pfd, 1, POLL_SLICE_MS);
		if (n > 0)
			return 0; /* POLLERR and POLLHUP too: write() knows the reason */
		if (n < 0 && errno != EINTR)
			return -errno;
		if (expired(deadline_ns))
			return -ETIMEDOUT;
	}
}

/* The longest run of whole lines that fits a piece; a longer line is cut. */
static size_t piece_len(const struct log_sink *sink, const char *lines, size_t len)
{
	size_t max = sink->regular ? REGULAR_CHUNK : PIPE_BUF;

	if (len <= max)
		return len;
	const char *end = memrchr(lines, '\n', max);
	return end ? (size_t)(end - lines) + 1 : max;
}

/* Bytes written (at least one), or -errno. */
static ssize_t write_piece(const struct log_sink *sink, const char *data, size_t len,
			   const _Atomic uint64_t *deadline_ns)
{
	for (;;) {
		int err = wait_writable(sink, deadline_ns);
		if (err)
			return err;
		ssize_t n = write(sink->fd, data, len);
		if (n > 0)
			return n;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (expired(deadline_ns))
			return -ETIMEDOUT;
	}
}

static size_t count_lines(const char *data, size_t len)
{
	size_t lines = 0;
	const char *end = data + len;

	while ((data = memchr(data, '\n', (size_t)(end - data)))) {
		lines++;
		data++;
	}
	return lines;
}

size_t log_sink_write(struct log_sink *sink, const char *lines, size_t len,
		      const _Atomic uint64_t *deadline_ns)
{
	if (sink->fd < 0)
		return 0;
	if (sink->mid_line && write_piece(sink, "\n", 1, deadline_ns) < 0)
		return count_lines(lines, len);
	sink->mid_line = false;
	while (len) {
		ssize_t n = write_piece(sink, lines, piece_len(sink, lines, len), deadline_ns);
		if (n < 0)
			return count_lines(lines, len);
		lines += n;
		len -= (size_t)n;
		sink->mid_line = lines[-1] != '\n';
	}
	return 0;
}
