/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_sink.h - where log lines go: a descriptor that may be stuck, full or gone.
 *
 * Why: stderr may be a pipe whose reader has stopped, and its file description is shared with other
 * processes, so O_NONBLOCK is not ours to set. Ready-then-write in pieces of at most PIPE_BUF bytes, cut
 * at line ends, neither blocks on a pipe nor mixes half lines with another writer's.
 * Owns: the descriptor, unless it is stderr or stdout.
 * Never: waits past the deadline, raises an error to its caller: what cannot be written is counted.
 * See: log_writer.h, pipe(7).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_sink {
	int fd; /* -1 = everything is thrown away */
	bool owned;
	bool regular;  /* a file: never waits, so big writes are fine */
	bool mid_line; /* an error cut the last line: the next write starts a new one */
};

/* output as in struct log_config. 0 or -errno; *sink untouched on failure. */
int log_sink_open(struct log_sink *sink, const char *output);
void log_sink_close(struct log_sink *sink); /* idempotent */

/*
 * Writes whole lines. A stuck descriptor is waited for until *deadline_ns (monotonic; 0 = for ever; another
 * thread may set it meanwhile). Returns how many lines were lost.
 */
size_t log_sink_write(struct log_sink *sink, const char *lines, size_t len,
		      const _Atomic uint64_t *deadline_ns);
