/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log.c - levels, the logger's outputs before and with its thread, sids, and the price of a record.
 *
 * See: include/log.h; test_log_format.c for the text of a line, test_log_writer.c for stuck sinks.
 */
#include "log.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "unit.h"

struct sink_file {
	char dir[64], path[96];
};

static void sink_file_init(struct sink_file *f)
{
	snprintf(f->dir, sizeof(f->dir), "/tmp/gostbpf-log-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/log", f->dir);
}

static void sink_file_fini(struct sink_file *f)
{
	unlink(f->path);
	rmdir(f->dir);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t cap = 1 << 20;
	char *text = calloc(1, cap);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	size_t n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static struct logger *open_logger(const char *output, enum log_level level, enum log_format format)
{
	struct log_config cfg = {.level = level, .format = format, .output = output};
	struct logger *lg = NULL;

	CU_ASSERT_EQUAL_FATAL(logger_new(&lg, &cfg), 0);
	return lg;
}

static void test_levels(void)
{
	static const char *const names[] = {"trace", "debug", "info", "warning", "error", "fatal"};
	static const char *const bad[] = {"", "warnin", "warnings", "INFO", "info ", "panic", "0"};
	enum log_level level;

	for (int i = LOG_TRACE; i <= LOG_FATAL; i++) {
		CU_ASSERT_STRING_EQUAL(log_level_name((enum log_level)i), names[i]);
		CU_ASSERT_EQUAL(log_level_parse(names[i], &level), 0);
		CU_ASSERT_EQUAL((int)level, i);
	}
	CU_ASSERT_EQUAL(log_level_parse("warn", &level), 0);
	CU_ASSERT_EQUAL(level, LOG_WARN);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(log_level_parse(bad[i], &level), -EINVAL);
		CU_ASSERT_EQUAL(level, LOG_WARN);
	}
}

static void test_enabled(void)
{
	struct logger *lg = open_logger("none", LOG_TRACE, LOG_FORMAT_JSON);

	CU_ASSERT_FALSE(log_enabled(lg, LOG_FATAL));
	CU_ASSERT_EQUAL(logger_start_thread(lg), 0);
	log_msg(lg, LOG_FATAL, NULL, "goes nowhere");
	logger_free(lg);
	lg = open_logger("stderr", LOG_WARN, LOG_FORMAT_JSON);
	CU_ASSERT_FALSE(log_enabled(lg, LOG_INFO));
	CU_ASSERT(log_enabled(lg, LOG_WARN));
	CU_ASSERT(log_enabled(lg, LOG_FATAL));
	logger_free(lg);
	CU_ASSERT_EQUAL(write(STDERR_FILENO, "", 0), 0); /* it was not ours to close */
	CU_ASSERT_FALSE(log_enabled(NULL, LOG_FATAL));
	log_msg(NULL, LOG_FATAL, NULL, "nothing happens");
	logger_free(NULL);
}

static void test_bad_output(void)
{
	struct log_config cfg = {.output = "/nonexistent/dir/log"};
	struct logger *lg = (struct logger *)&cfg;

	CU_ASSERT_EQUAL(logger_new(&lg, &cfg), -ENOENT);
	CU_ASSERT_PTR_EQUAL(lg, (struct logger *)&cfg);
	cfg.output = "/tmp";
	CU_ASSERT_EQUAL(logger_new(&lg, &cfg), -EISDIR);
}

/* Without the thread a record is in the file when log_emit() returns. Files are appended to. */
static void test_before_thread(void)
{
	struct sink_file f;

	sink_file_init(&f);
	for (int i = 0; i < 2; i++) {
		struct logger *lg = open_logger(f.path, LOG_INFO, LOG_FORMAT_TEXT);
		log_msg(lg, LOG_DEBUG, "service", "hidden");
		log_msg(lg, LOG_ERROR, "service", "run %d", i);
		char *text = read_file(f.path);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "msg=\"run 0\" kind=service\n"));
		CU_ASSERT_EQUAL(strstr(text, "msg=\"run 1\" kind=service\n") != NULL, i == 1);
		CU_ASSERT_PTR_NULL(strstr(text, "hidden"));
		free(text);
		logger_free(lg);
	}
	sink_file_fini(&f);
}

static json_t *last_line(const char *path)
{
	char *text = read_file(path);
	size_t len = strlen(text);

	CU_ASSERT_FATAL(len > 0 && text[len - 1] == '\n');
	text[len - 1] = '\0';
	char *start = strrchr(text, '\n');
	json_t *root = json_loads(start ? start + 1 : text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	return root;
}

static void test_long_message(void)
{
	struct sink_file f;
	char big[9000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	sink_file_init(&f);
	struct logger *lg = open_logger(f.path, LOG_INFO, LOG_FORMAT_JSON);
	struct log_record rec;
	log_begin(&rec, LOG_INFO);
	log_str(&rec, "host", big);
	log_str(&rec, "sid", "abc");
	log_emit(lg, &rec, "%s", big);
	json_t *root = last_line(f.path);
	CU_ASSERT(json_string_length(json_object_get(root, "msg")) > 1500);
	CU_ASSERT(json_string_length(json_object_get(root, "host")) > 1500);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "sid")), "abc");
	json_decref(root);
	logger_free(lg);
	sink_file_fini(&f);
}

/* With the thread everything queued is in the file after logger_free(), and soon even without it. */
static void test_with_thread(void)
{
	struct sink_file f;

	sink_file_init(&f);
	struct logger *lg = open_logger(f.path, LOG_INFO, LOG_FORMAT_JSON);
	CU_ASSERT_EQUAL_FATAL(logger_start_thread(lg), 0);
	CU_ASSERT_EQUAL(logger_start_thread(lg), -EALREADY);
	for (int round = 0; round < 3; round++) {
		log_msg(lg, LOG_INFO, NULL, "round %d", round);
		bool seen = false;
		for (int i = 0; i < 500 && !seen; i++) { /* 5 s for a busy machine; 10 ms is usual */
			char want[32], *text = read_file(f.path);
			snprintf(want, sizeof(want), "round %d", round);
			seen = strstr(text, want) != NULL;
			free(text);
			usleep(10000);
		}
		CU_ASSERT(seen);
	}
	for (int i = 0; i < 1000; i++)
		log_msg(lg, LOG_INFO, NULL, "%d", i);
	CU_ASSERT_EQUAL(logger_dropped(lg), 0);
	logger_free(lg);
	json_t *root = last_line(f.path);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "msg")), "999");
	json_decref(root);
	sink_file_fini(&f);
}

#define SID_THREADS 4
#define SIDS_EACH   20000

static void *make_sids(void *arg)
{
	char(*out)[LOG_SID_LEN + 1] = arg;

	for (int i = 0; i < SIDS_EACH; i++)
		log_new_sid(out[i]);
	return NULL;
}

static int compare_sids(const void *a, const void *b)
{
	return memcmp(a, b, LOG_SID_LEN + 1);
}

static void test_sid(void)
{
	char(*sids)[LOG_SID_LEN + 1] = calloc(SID_THREADS * SIDS_EACH, LOG_SID_LEN + 1);
	pthread_t threads[SID_THREADS];

	for (int i = 0; i < SID_THREADS; i++)
		pthread_create(&threads[i], NULL, make_sids, sids + i * SIDS_EACH);
	for (int i = 0; i < SID_THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(sids, SID_THREADS * SIDS_EACH, LOG_SID_LEN + 1, compare_sids);
	for (int i = 0; i < SID_THREADS * SIDS_EACH; i++) {
		CU_ASSERT_EQUAL_FATAL(strlen(sids[i]), LOG_SID_LEN);
		CU_ASSERT_EQUAL_FATAL(strspn(sids[i], "0123456789abcdefghijklmnopqrstuv"), LOG_SID_LEN);
		CU_ASSERT_FATAL(sids[i][19] == '0' || sids[i][19] == 'g'); /* one bit and four zeros */
		CU_ASSERT_FATAL(i == 0 || strcmp(sids[i - 1], sids[i]) != 0);
	}
	free(sids);
}

/* The layout, decoded independently: seconds first, then machine and process. */
static void test_sid_time(void)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	char a[LOG_SID_LEN + 1], b[LOG_SID_LEN + 1];
	uint64_t head = 0, pid = 0;

	log_new_sid(a);
	log_new_sid(b);
	for (int i = 0; i < 7; i++)
		head = head << 5 | (uint64_t)(strchr(digits, a[i]) - digits);
	CU_ASSERT(llabs((long long)(head >> 3) - (long long)time(NULL)) <= 2);
	for (int i = 11; i < 15; i++) /* bits 55..75: the last of machine, 16 of pid, 3 of counter */
		pid = pid << 5 | (uint64_t)(strchr(digits, a[i]) - digits);
	CU_ASSERT_EQUAL(pid >> 3 & 0xffff, (uint64_t)getpid() & 0xffff);
	CU_ASSERT_NSTRING_EQUAL(a + 7, b + 7, 7); /* machine and process stay */
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void emit_session_end(struct logger *lg, const struct addr *client, const struct addr *local)
{
	struct log_record rec;
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];

	log_begin(&rec, LOG_INFO);
	log_addr(&rec, "client", client);
	log_u64(&rec, "duration", 123456789);
	log_str(&rec, "handler", "tcp");
	log_u64(&rec, "inputBytes", 123456);
	log_str(&rec, "kind", "handler");
	log_str(&rec, "listener", "tcp");
	log_addr(&rec, "local", local);
	log_str(&rec, "network", "tcp");
	log_u64(&rec, "outputBytes", 654321);
	log_addr(&rec, "remote", client);
	log_str(&rec, "service", "service-0");
	log_str(&rec, "sid", "d8s3m1kgi2h0c7jv2l4g");
	log_emit(lg, &rec, "%s >< %s", addr_format(client, a), addr_format(local, b));
}

/* Prints, never judges: the figure depends on the machine. */
static void test_rate(void)
{
	enum { BURST = 1000, ROUNDS = 50 };
	struct addr client, local;
	uint64_t best = UINT64_MAX, total = 0;

	addr_parse_ip(&client, "192.168.100.200", 15, 54321);
	addr_parse_ip(&local, "10.20.30.40", 11, 8080);
	struct logger *lg = open_logger("/dev/null", LOG_INFO, LOG_FORMAT_JSON);
	CU_ASSERT_EQUAL_FATAL(logger_start_thread(lg), 0);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();
		for (int i = 0; i < BURST; i++)
			emit_session_end(lg, &client, &local);
		uint64_t spent = now_ns() - start;
		total += spent;
		best = spent < best ? spent : best;
		usleep(6000); /* lets the thread write, as it would between bursts */
	}
	printf("    %llu ns per record of 15 fields (best burst %llu), %llu dropped\n",
	       (unsigned long long)(total / (BURST * ROUNDS)), (unsigned long long)(best / BURST),
	       (unsigned long long)logger_dropped(lg));
	logger_free(lg);
}

static const struct unit_case cases[] = {
	{"levels", test_levels},
	{"enabled", test_enabled},
	{"bad output", test_bad_output},
	{"before the thread", test_before_thread},
	{"long message", test_long_message},
	{"with the thread", test_with_thread},
	{"sid unique across threads", test_sid},
	{"sid layout", test_sid_time},
	{"rate", test_rate},
};

UNIT_MAIN("log", cases)
