/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log_writer.c - sinks that block, fail or vanish, and many producers at once.
 *
 * Why: the promise of log.h (a stuck sink holds nobody up, and every lost record is accounted for, in its
 * place) is checked line by line by a reader that arrives late.
 * See: include/log_writer.h, include/log_sink.h.
 */
#include "log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log_sink.h"
#include "unit.h"

#define HANG_SECONDS 60 /* a producer that blocks on a FIFO blocks for ever: SIGALRM ends the program */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

struct temp {
	char dir[64], path[96];
};

static void temp_init(struct temp *t, bool fifo)
{
	snprintf(t->dir, sizeof(t->dir), "/tmp/gostbpf-logw-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/sink", t->dir);
	if (fifo)
		CU_ASSERT_EQUAL_FATAL(mkfifo(t->path, 0600), 0);
}

static void temp_fini(struct temp *t)
{
	unlink(t->path);
	rmdir(t->dir);
}

static struct logger *start_logger(const char *output)
{
	struct log_config cfg = {.level = LOG_INFO, .output = output};
	struct logger *lg = NULL;

	CU_ASSERT_EQUAL_FATAL(logger_new(&lg, &cfg), 0);
	CU_ASSERT_EQUAL_FATAL(logger_start_thread(lg), 0);
	return lg;
}

/* Lines of many lengths: a short one would still fit where a long one was just dropped. */
static void emit_seq(struct logger *lg, int thread, int seq)
{
	static const char pad[] =
		"............................................................................"
		"............................................................................";
	struct log_record rec;

	log_begin(&rec, LOG_INFO);
	log_i64(&rec, "thread", thread);
	log_i64(&rec, "seq", seq);
	log_str(&rec, "pad", pad + seq * 7 % 128);
	log_emit(lg, &rec, "record");
}

/* What a reader of the sink saw. */
struct tally {
	int next[4]; /* per thread: the least sequence number that may come now */
	_Atomic long records; /* may be looked at while a thread counts */
	long notices, lost;
	bool disorder, gap_without_notice;
};

static void tally_record(struct tally *t, int thread, int seq, bool exact)
{
	t->records++;
	if (seq < t->next[thread])
		t->disorder = true;
	if (exact && seq != t->next[thread])
		t->gap_without_notice = true;
	t->next[thread] = seq + 1;
}

/* exact: one producer, so that a notice of N must sit in a gap of exactly N. */
static void tally_line(struct tally *t, const char *line, size_t len, bool exact)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	long lost = 0;

	if (!root)
		printf("    not JSON: %.*s\n", (int)len, line);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	json_t *seq = json_object_get(root, "seq");
	if (seq) {
		tally_record(t, (int)json_integer_value(json_object_get(root, "thread")),
			     (int)json_integer_value(seq), exact);
	} else {
		const char *msg = json_string_value(json_object_get(root, "msg"));
		CU_ASSERT_EQUAL(sscanf(msg, "%ld log records dropped", &lost), 1);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "level")), "warning");
		t->notices++;
		t->lost += lost;
		if (exact)
			t->next[0] += (int)lost;
	}
	json_decref(root);
}

static void tally_stream(struct tally *t, FILE *f, bool exact)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, f)) > 0)
		tally_line(t, line, (size_t)len, exact);
	free(line);
}

/* A FIFO reader that starts reading when it is made. */
struct reader {
	pthread_t thread;
	const char *path;
	struct tally tally;
};

static void *read_fifo(void *arg)
{
	struct reader *r = arg;
	FILE *f = fopen(r->path, "r");

	if (f) {
		tally_stream(&r->tally, f, true);
		fclose(f);
	}
	return NULL;
}

static void test_blocked_fifo(void)
{
	enum { TOTAL = 30000 }; /* some 5 MB: far more than the queue and the pipe hold */
	struct temp t;
	struct reader r = {.path = t.path};

	alarm(HANG_SECONDS);
	temp_init(&t, true);
	struct logger *lg = start_logger(t.path);
	for (int i = 0; i < TOTAL; i++)
		emit_seq(lg, 0, i);
	uint64_t dropped = logger_dropped(lg);
	CU_ASSERT(dropped > TOTAL / 2);
	CU_ASSERT(dropped < TOTAL - 4000); /* a mebibyte was kept */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&r.thread, NULL, read_fifo, &r), 0);
	while (r.tally.records < TOTAL - (long)dropped) /* alarm() is the limit */
		usleep(10000);
	emit_seq(lg, 0, TOTAL); /* after the gap */
	logger_free(lg);
	pthread_join(r.thread, NULL);
	CU_ASSERT_EQUAL(r.tally.records + r.tally.lost, TOTAL + 1);
	CU_ASSERT_EQUAL(r.tally.lost, (long)dropped);
	/* Two when the queue was full before the thread first ran: a gap on either side of its swap. */
	CU_ASSERT(r.tally.notices == 1 || r.tally.notices == 2);
	CU_ASSERT_EQUAL(r.tally.next[0], TOTAL + 1);
	CU_ASSERT_FALSE(r.tally.disorder);
	CU_ASSERT_FALSE(r.tally.gap_without_notice);
	temp_fini(&t);
	alarm(0);
}

/* A notice is written even if no record ever follows. */
static void test_notice_at_end(void)
{
	enum { TOTAL = 20000 };
	struct temp t;
	struct reader r = {.path = t.path};

	alarm(HANG_SECONDS);
	temp_init(&t, true);
	struct logger *lg = start_logger(t.path);
	for (int i = 0; i < TOTAL; i++)
		emit_seq(lg, 0, i);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&r.thread, NULL, read_fifo, &r), 0);
	logger_free(lg);
	pthread_join(r.thread, NULL);
	CU_ASSERT_EQUAL(r.tally.next[0], TOTAL);
	CU_ASSERT_EQUAL(r.tally.records + r.tally.lost, TOTAL);
	CU_ASSERT(r.tally.lost > 0);
	temp_fini(&t);
	alarm(0);
}

static void test_free_is_bounded(void)
{
	struct temp t;

	alarm(HANG_SECONDS);
	temp_init(&t, true);
	struct logger *lg = start_logger(t.path);
	for (int i = 0; i < 5000; i++)
		emit_seq(lg, 0, i);
	uint64_t start = now_ms();
	logger_free(lg);
	uint64_t spent = now_ms() - start;
	CU_ASSERT(spent >= 1500); /* it did wait for the reader */
	CU_ASSERT(spent < 6000);
	temp_fini(&t);
	alarm(0);
}

/* Inherited stderr is a pipe in blocking mode, shared with others: its flags stay, and it is not blocked on. */
static void test_blocked_stderr(void)
{
	int ends[2], saved = dup(STDERR_FILENO);

	alarm(HANG_SECONDS);
	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	struct logger *lg = start_logger("stderr");
	for (int i = 0; i < 20000; i++)
		emit_seq(lg, 0, i);
	CU_ASSERT(logger_dropped(lg) > 0);
	CU_ASSERT_EQUAL(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	uint64_t start = now_ms();
	logger_free(lg); /* the thread is not stuck in write(): it ends, and ASan sees no leak */
	CU_ASSERT(now_ms() - start < 6000);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	FILE *f = fdopen(ends[0], "r");
	struct tally got = {0};
	tally_stream(&got, f, true);
	fclose(f);
	CU_ASSERT(got.records > 100);
	CU_ASSERT_FALSE(got.gap_without_notice);
	alarm(0);
}

struct producer {
	pthread_t thread;
	struct logger *lg;
	int number, count;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (int i = 0; i < p->count; i++)
		emit_seq(p->lg, p->number, i);
	return NULL;
}

static void test_four_producers(void)
{
	enum { EACH = 20000 };
	struct producer p[4];
	struct tally got = {0};
	struct temp t;

	temp_init(&t, false);
	struct logger *lg = start_logger(t.path);
	for (int i = 0; i < 4; i++) {
		p[i] = (struct producer){.lg = lg, .number = i, .count = EACH};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(p[i].thread, NULL);
	uint64_t dropped = logger_dropped(lg);
	logger_free(lg);
	FILE *f = fopen(t.path, "r");
	tally_stream(&got, f, false);
	fclose(f);
	CU_ASSERT_EQUAL(got.records + got.lost, 4 * EACH);
	CU_ASSERT_EQUAL(got.lost, (long)dropped);
	CU_ASSERT_FALSE(got.disorder);
	temp_fini(&t);
}

static void test_failing_sink(void)
{
	struct logger *lg = start_logger("/dev/full");

	for (int i = 0; i < 100; i++)
		emit_seq(lg, 0, i);
	for (int i = 0; i < 500 && logger_dropped(lg) < 100; i++)
		usleep(10000);
	CU_ASSERT_EQUAL(logger_dropped(lg), 100);
	logger_free(lg);
}

/* A reader that goes away and comes back costs no SIGPIPE and no error. */
static void test_reader_returns(void)
{
	struct temp t;
	char buf[4096];

	temp_init(&t, true);
	struct logger *lg = start_logger(t.path);
	for (int round = 0; round < 2; round++) {
		int fd = open(t.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ssize_t n = -1;
		CU_ASSERT_FATAL(fd >= 0);
		emit_seq(lg, 0, round);
		for (int i = 0; i < 500 && n <= 0; i++) {
			usleep(10000);
			n = read(fd, buf, sizeof(buf));
		}
		CU_ASSERT(n > 0);
		close(fd);
	}
	CU_ASSERT_EQUAL(logger_dropped(lg), 0);
	logger_free(lg);
	temp_fini(&t);
}

/* A full disk cuts a line; what comes after it starts on a line of its own. */
static void test_cut_line(void)
{
	struct temp t;
	struct log_sink sink;
	struct rlimit old, limit;
	_Atomic uint64_t no_deadline = 0;
	char text[64] = "";

	temp_init(&t, false);
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL_FATAL(log_sink_open(&sink, t.path), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 13;
	setrlimit(RLIMIT_FSIZE, &limit);
	size_t lost = log_sink_write(&sink, "{line 1}\n{line 2}\n{line 3}\n", 27, &no_deadline);
	size_t lost_again = log_sink_write(&sink, "{line 4}\n", 9, &no_deadline);
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_EQUAL(lost, 2);
	CU_ASSERT_EQUAL(lost_again, 1);
	CU_ASSERT_EQUAL(log_sink_write(&sink, "{line 5}\n", 9, &no_deadline), 0);
	log_sink_close(&sink);
	log_sink_close(&sink);
	FILE *f = fopen(t.path, "r");
	CU_ASSERT(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	CU_ASSERT_STRING_EQUAL(text, "{line 1}\n{lin\n{line 5}\n");
	signal(SIGXFSZ, SIG_DFL);
	temp_fini(&t);
}

static const struct unit_case cases[] = {
	{"blocked FIFO", test_blocked_fifo},	   {"notice at the end", test_notice_at_end},
	{"free is bounded", test_free_is_bounded}, {"blocked stderr", test_blocked_stderr},
	{"four producers", test_four_producers},   {"failing sink", test_failing_sink},
	{"reader returns", test_reader_returns},   {"cut line", test_cut_line},
};

UNIT_MAIN("log_writer", cases)
