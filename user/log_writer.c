/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_writer.c - see log_writer.h.
 *
 * Why: waking a sleeping thread costs a producer more than the record itself, so the thread is woken for
 * the first record after a pause and then collects for some milliseconds: wake_at says how many
 * bytes must be queued before a producer signals at all.
 * Owns: as the header says. w->lock guards every field marked so; the thread alone uses the sink.
 */
#include "log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log_sink.h"

#define BUFFER_BYTES  (1024U * 1024) /* there are two, so 1 to 2 MiB may wait; pages cost memory once used */
#define URGENT_BYTES  (BUFFER_BYTES / 4)
#define COLLECT_NS    (5ULL * 1000 * 1000)
#define DRAIN_NS      (2ULL * 1000 * 1000 * 1000)
#define JOIN_GRACE_NS (500ULL * 1000 * 1000)

struct log_writer {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	char *filling;	     /* lock */
	size_t filled;	     /* lock */
	uint64_t lost;	     /* lock; records dropped since the buffers last changed places */
	size_t wake_at;	     /* lock; a producer that reaches this many bytes signals */
	bool threaded, stop; /* lock */
	char *writing;	     /* the thread's */
	uint64_t unreported; /* the thread's (before it runs: lock): lost, and no notice written yet */
	uint64_t rest_until; /* the thread's: collect until then */
	struct log_sink sink;
	enum log_format format;
	pthread_t thread;
	_Atomic uint64_t dropped;     /* in total */
	_Atomic uint64_t deadline_ns; /* for the sink; 0 = none */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000U), .tv_nsec = (long)(ns % 1000000000U)};
}

static void init_sync(struct log_writer *w)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
}

int log_writer_new(struct log_writer **out, const char *output, enum log_format format)
{
	struct log_writer *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (!w)
		return err;
	w->format = format;
	w->wake_at = SIZE_MAX;
	w->filling = malloc(BUFFER_BYTES);
	w->writing = malloc(BUFFER_BYTES);
	if (w->filling && w->writing)
		err = log_sink_open(&w->sink, output);
	if (err) {
		free(w->filling);
		free(w->writing);
		free(w);
		return err;
	}
	init_sync(w);
	*out = w;
	return 0;
}

static void count_lost(struct log_writer *w, size_t records)
{
	w->unreported += records;
	atomic_fetch_add_explicit(&w->dropped, records, memory_order_relaxed);
}

/* --- producers --- */

/* Before the thread runs: start-up messages must be out even if the process dies next. */
static void put_now(struct log_writer *w, const char *line, size_t len)
{
	atomic_store(&w->deadline_ns, clock_ns(CLOCK_MONOTONIC) + DRAIN_NS);
	count_lost(w, log_sink_write(&w->sink, line, len, &w->deadline_ns));
	atomic_store(&w->deadline_ns, 0);
}

/* True when the thread has to be told. Once full it stays full, so that what is lost is one stretch. */
static bool append(struct log_writer *w, const char *line, size_t len)
{
	if (w->lost || len > BUFFER_BYTES - w->filled) {
		w->lost++;
		atomic_fetch_add_explicit(&w->dropped, 1, memory_order_relaxed);
		return false;
	}
	memcpy(w->filling + w->filled, line, len);
	w->filled += len;
	if (w->filled < w->wake_at)
		return false;
	w->wake_at = SIZE_MAX;
	return true;
}

void log_writer_put(struct log_writer *w, const char *line, size_t len)
{
	bool wake = false;

	pthread_mutex_lock(&w->lock);
	if (w->threaded)
		wake = append(w, line, len);
	else
		put_now(w, line, len);
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->wake);
}

uint64_t log_writer_dropped(const struct log_writer *w)
{
	return atomic_load_explicit(&w->dropped, memory_order_relaxed);
}

/* --- the thread --- */

/* Sleeps until there is something to write or the end has come. Called with the lock held. */
static void wait_for_lines(struct log_writer *w)
{
	struct timespec rest = to_timespec(w->rest_until);

	w->wake_at = URGENT_BYTES;
	while (!w->stop && w->filled < URGENT_BYTES)
		if (pthread_cond_timedwait(&w->wake, &w->lock, &rest) == ETIMEDOUT)
			break;
	w->wake_at = 1;
	while (!w->stop && !w->filled)
		pthread_cond_wait(&w->wake, &w->lock);
	w->wake_at = SIZE_MAX;
}

/* Swaps the buffers. False when there is nothing left and never will be. */
static bool take_lines(struct log_writer *w, size_t *len, uint64_t *lost)
{
	pthread_mutex_lock(&w->lock);
	wait_for_lines(w);
	bool more = w->filled || !w->stop;
	char *lines = w->filling;
	w->filling = w->writing;
	w->writing = lines;
	*len = w->filled;
	*lost = w->lost;
	w->filled = 0;
	w->lost = 0;
	pthread_mutex_unlock(&w->lock);
	return more;
}

/* The notice itself is not counted when it is lost: the number stays unreported and is told later. */
static void write_notice(struct log_writer *w)
{
	char line[256], msg[64];
	struct log_record rec = {.level = LOG_WARN};

	snprintf(msg, sizeof(msg), "%llu log records dropped", (unsigned long long)w->unreported);
	size_t len = log_format_line(line, sizeof(line), w->format, &rec, msg, clock_ns(CLOCK_REALTIME));
	if (log_sink_write(&w->sink, line, len, &w->deadline_ns) == 0)
		w->unreported = 0;
}

static void write_lines(struct log_writer *w, size_t len, uint64_t lost)
{
	count_lost(w, log_sink_write(&w->sink, w->writing, len, &w->deadline_ns));
	w->unreported += lost; /* counted in dropped by the producers */
	if (w->unreported)
		write_notice(w);
}

static void *run(void *arg)
{
	struct log_writer *w = arg;
	size_t len;
	uint64_t lost;

	while (take_lines(w, &len, &lost)) {
		write_lines(w, len, lost);
		w->rest_until = clock_ns(CLOCK_MONOTONIC) + COLLECT_NS;
	}
	return NULL;
}

int log_writer_start(struct log_writer *w)
{
	sigset_t all, old;

	/* Signals belong to the loops; and a closed pipe must be an error here, not a SIGPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&w->lock);
	int err = w->threaded ? EALREADY : pthread_create(&w->thread, NULL, run, w);
	if (!err)
		w->threaded = true;
	pthread_mutex_unlock(&w->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/* True when the thread has ended. It may sit in write() on somebody else's blocking descriptor. */
static bool stop_thread(struct log_writer *w)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + DRAIN_NS;
	struct timespec until = to_timespec(deadline + JOIN_GRACE_NS);

	atomic_store(&w->deadline_ns, deadline);
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->wake);
	if (pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	pthread_detach(w->thread);
	return false;
}

void log_writer_free(struct log_writer *w)
{
	if (!w)
		return;
	/* A thread that cannot be stopped keeps its memory: the process is about to end. */
	if (w->threaded && !stop_thread(w))
		return;
	log_sink_close(&w->sink);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->filling);
	free(w->writing);
	free(w);
}
