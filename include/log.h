/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - levelled records in GOST's shape, written by a thread of their own.
 *
 * Why: GOST's users parse its JSON lines, so keys, level names and time format are
 * GOST 3.2.6's (keys sorted by name). A slow or blocked sink must never hold up a
 * worker: producers copy a finished line into a bounded queue (at least 1 MiB); when it is full the record
 * is dropped and counted, and one record later says how many were lost.
 * Owns: the queue, the writer thread, the output descriptor (unless it is stderr/stdout).
 * Never: blocks a producer on I/O, interprets a value as a format.
 * See: log_format.c (the text of a line), log_writer.h (queue and thread), tests/vectors/gost/log.jsonl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;
struct logger;

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

struct log_config {
	enum log_level level;
	enum log_format format;
	/* NULL, "" or "stderr"; "stdout"; "none" or "null"; otherwise a file path (appended to). */
	const char *output;
};

/* "trace" "debug" "info" "warning" "error" "fatal". */
const char *log_level_name(enum log_level level);
/* Accepts those and "warn". 0, or -EINVAL with *out untouched. */
int log_level_parse(const char *name, enum log_level *out);

/*
 * Opens the sink. Until logger_start_thread() every record is written at once by the
 * caller (start-up errors must be seen even if nothing runs). 0 or -errno; *out untouched on failure.
 */
int logger_new(struct logger **out, const struct log_config *cfg);
/* Starts the writer thread: from here on producers never block. 0 or -errno. */
int logger_start_thread(struct logger *lg);
/* Writes what is queued (waits at most 2 s for a stuck sink), stops the thread, frees. NULL is fine. */
void logger_free(struct logger *lg);
uint64_t logger_dropped(const struct logger *lg);

/* False for a NULL logger and for output "none". */
bool log_enabled(const struct logger *lg, enum log_level level);

enum log_field_type { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_BOOL, LOG_FIELD_ADDR };

struct log_field {
	const char *key;
	enum log_field_type type;
	union {
		const char *str;
		uint64_t u64;
		int64_t i64;
		bool boolean;
		const struct addr *addr;
	};
};

#define LOG_FIELDS_MAX 40
/* A line with its newline: PIPE_BUF, so that a line reaches a pipe whole or not at all. */
#define LOG_LINE_MAX 4096

/*
 * A record under construction, on the caller's stack. Values are borrowed until log_emit().
 * A NULL or empty string, and an unset address, leave the field out. Fields beyond the maximum are dropped.
 */
struct log_record {
	enum log_level level;
	size_t count;
	struct log_field fields[LOG_FIELDS_MAX];
};

void log_begin(struct log_record *rec, enum log_level level);
void log_str(struct log_record *rec, const char *key, const char *value);
void log_u64(struct log_record *rec, const char *key, uint64_t value);
void log_i64(struct log_record *rec, const char *key, int64_t value);
void log_bool(struct log_record *rec, const char *key, bool value);
void log_addr(struct log_record *rec, const char *key, const struct addr *value);
/* Adds "level", "time", "msg" (printf format), sorts by key (the last of equal keys stays), hands over. */
void log_emit(struct logger *lg, struct log_record *rec, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A record with only a message and a kind ("service", "listener", ... or NULL). */
void log_msg(struct logger *lg, enum log_level level, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Formats a record into out as one line with a final newline, for tests and the emitter alike; wall_ns is
 * nanoseconds since 1970. Returns the length; a record that does not fit is cut inside the longest
 * string values, never in the middle of an escape, so that the line stays valid JSON; 0 when even that is
 * too long.
 * JSON: as GOST 3.2.6. Text: logrus' time, level, msg, then the other keys sorted.
 */
size_t log_format_line(char *out, size_t cap, enum log_format format, const struct log_record *rec,
		       const char *msg, uint64_t wall_ns);

/* 20 characters of GOST's "sid" (an xid: seconds, machine, process, counter; base32hex). Thread-safe. */
#define LOG_SID_LEN 20
void log_new_sid(char out[static LOG_SID_LEN + 1]);
