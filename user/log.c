/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - records, levels and sids: the side of log.h that callers touch.
 *
 * Why: everything up to the finished line happens on the caller's stack, outside any lock.
 * Owns: struct logger; the process-wide sid counter.
 * Never: waits, except for the queue's short lock.
 * See: log_format.c, log_writer.h.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "log_writer.h"

#define MSG_MAX 2048

struct logger {
	enum log_level level;
	enum log_format format;
	bool silent;
	struct log_writer *writer;
};

static const char *const level_names[] = {
	[LOG_TRACE] = "trace",	[LOG_DEBUG] = "debug", [LOG_INFO] = "info",
	[LOG_WARN] = "warning", [LOG_ERROR] = "error", [LOG_FATAL] = "fatal",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_FATAL + 1, "one name per level");

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *name, enum log_level *out)
{
	if (strcmp(name, "warn") == 0)
		name = level_names[LOG_WARN];
	for (int i = LOG_TRACE; i <= LOG_FATAL; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_silent(const char *output)
{
	return output && (strcmp(output, "none") == 0 || strcmp(output, "null") == 0);
}

int logger_new(struct logger **out, const struct log_config *cfg)
{
	struct logger *lg = calloc(1, sizeof(*lg));

	if (!lg)
		return -ENOMEM;
	lg->level = cfg->level;
	lg->format = cfg->format;
	lg->silent = is_silent(cfg->output);
	int err = log_writer_new(&lg->writer, cfg->output, cfg->format);
	if (err) {
		free(lg);
		return err;
	}
	*out = lg;
	return 0;
}

int logger_start_thread(struct logger *lg)
{
	return lg->silent ? 0 : log_writer_start(lg->writer);
}

void logger_free(struct logger *lg)
{
	if (!lg)
		return;
	log_writer_free(lg->writer);
	free(lg);
}

uint64_t logger_dropped(const struct logger *lg)
{
	return log_writer_dropped(lg->writer);
}

bool log_enabled(const struct logger *lg, enum log_level level)
{
	return lg && !lg->silent && level >= lg->level;
}

/* --- records --- */

void log_begin(struct log_record *rec, enum log_level level)
{
	rec->level = level;
	rec->count = 0;
}

static struct log_field *add_field(struct log_record *rec, const char *key, enum log_field_type type)
{
	if (rec->count == LOG_FIELDS_MAX)
		return NULL;
	struct log_field *field = &rec->fields[rec->count++];
	field->key = key;
	field->type = type;
	return field;
}

void log_str(struct log_record *rec, const char *key, const char *value)
{
	struct log_field *field = value && *value ? add_field(rec, key, LOG_FIELD_STR) : NULL;

	if (field)
		field->str = value;
}

void log_u64(struct log_record *rec, const char *key, uint64_t value)
{
	struct log_field *field = add_field(rec, key, LOG_FIELD_U64);

	if (field)
		field->u64 = value;
}

void log_i64(struct log_record *rec, const char *key, int64_t value)
{
	struct log_field *field = add_field(rec, key, LOG_FIELD_I64);

	if (field)
		field->i64 = value;
}

void log_bool(struct log_record *rec, const char *key, bool value)
{
	struct log_field *field = add_field(rec, key, LOG_FIELD_BOOL);

	if (field)
		field->boolean = value;
}

void log_addr(struct log_record *rec, const char *key, const struct addr *value)
{
	struct log_field *field = value && addr_is_set(value) ? add_field(rec, key, LOG_FIELD_ADDR) : NULL;

	if (field)
		field->addr = value;
}

static uint64_t wall_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void __attribute__((format(printf, 3, 0)))
emit(struct logger *lg, const struct log_record *rec, const char *fmt, va_list args)
{
	char msg[MSG_MAX], line[LOG_LINE_MAX];

	if (vsnprintf(msg, sizeof(msg), fmt, args) < 0)
		msg[0] = '\0';
	size_t len = log_format_line(line, sizeof(line), lg->format, rec, msg, wall_clock_ns());
	if (len)
		log_writer_put(lg->writer, line, len);
}

void log_emit(struct logger *lg, struct log_record *rec, const char *fmt, ...)
{
	va_list args;

	if (!log_enabled(lg, rec->level))
		return;
	va_start(args, fmt);
	emit(lg, rec, fmt, args);
	va_end(args);
}

void log_msg(struct logger *lg, enum log_level level, const char *kind, const char *fmt, ...)
{
	struct log_record rec;
	va_list args;

	if (!log_enabled(lg, level))
		return;
	log_begin(&rec, level);
	log_str(&rec, "kind", kind);
	va_start(args, fmt);
	emit(lg, &rec, fmt, args);
	va_end(args);
}

/* --- session ids --- */

/*
 * Starts at a random value, so that a process restarted within a second under the same number (process 1 of
 * a container) does not repeat itself. Process-wide because a sid must be unique among threads.
 */
static uint32_t next_count(void)
{
	static _Atomic uint32_t counter; /* 0 = not seeded */
	uint32_t none = 0, seed = 0;

	if (!atomic_load_explicit(&counter, memory_order_relaxed)) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uint32_t)wall_clock_ns();
		atomic_compare_exchange_strong(&counter, &none, seed | 1);
	}
	return atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
}

/* FNV-1a of the host name: the same on every run, different between machines. */
static uint32_t machine_number(void)
{
	static _Thread_local uint32_t number; /* 0 = not computed; a cache of a constant */
	char name[256] = "";

	if (number)
		return number;
	gethostname(name, sizeof(name) - 1);
	number = 2166136261U;
	for (const char *p = name; *p; p++)
		number = (number ^ (unsigned char)*p) * 16777619U;
	return number;
}

static void put_be(uint8_t *out, uint32_t value, int bytes)
{
	while (bytes--) {
		out[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

void log_new_sid(char out[static LOG_SID_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	struct timespec now;
	uint8_t id[13] = {0}; /* 12 bytes, and one so that the last digit has a second byte to look at */

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	put_be(id, (uint32_t)now.tv_sec, 4);
	put_be(id + 4, machine_number(), 3);
	put_be(id + 7, (uint32_t)getpid(), 2);
	put_be(id + 9, next_count(), 3);
	for (unsigned i = 0; i < LOG_SID_LEN; i++) {
		unsigned bit = i * 5, pair = (unsigned)id[bit / 8] << 8 | id[bit / 8 + 1];
		out[i] = digits[pair >> (11 - bit % 8) & 31];
	}
	out[LOG_SID_LEN] = '\0';
}
