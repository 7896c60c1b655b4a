/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_writer.h - the queue between producers and the sink, and the thread that empties it.
 *
 * Why: a producer pays for one short lock and one copy. Two buffers instead of a circular one: producers
 * append to one while the thread writes the other, so a line is never wrapped, and lines are lost only
 * from a known place: once a line does not fit, all are dropped until the buffers change places, and
 * the notice with their number is written exactly where they are missing.
 * Owns: both buffers, the thread, the sink.
 * Never: blocks a producer on I/O once the thread runs.
 * See: log.h, log_sink.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "log.h"

struct log_writer;

/* format: of the notice about lost records. 0 or -errno; *out untouched on failure. */
int log_writer_new(struct log_writer **out, const char *output, enum log_format format);
/* Until here log_writer_put() writes at once. 0 or -errno. */
int log_writer_start(struct log_writer *w);
/* Empties the queue for at most 2 s, then frees. NULL is fine. */
void log_writer_free(struct log_writer *w);

/* One line with its newline. Thread-safe. */
void log_writer_put(struct log_writer *w, const char *line, size_t len);
uint64_t log_writer_dropped(const struct log_writer *w);
