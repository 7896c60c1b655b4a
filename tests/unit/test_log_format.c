/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log_format.c - lines against literals, against GOST's recorded lines, and against jansson as the judge.
 *
 * Why: the emitter is hand-written, so a real JSON parser decides what is valid and what a value means.
 * See: include/log.h, tests/vectors/gost/log.jsonl.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "log.h"
#include "unit.h"

#define SEC  1000000000ULL
#define WALL (1700000000ULL * SEC + 123999999ULL) /* 2023-11-14T22:13:20.123Z */

static void set_zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

static const char *format(char out[static LOG_LINE_MAX + 1], enum log_format format,
			  const struct log_record *rec, const char *msg, uint64_t wall_ns)
{
	size_t len = log_format_line(out, LOG_LINE_MAX, format, rec, msg, wall_ns);

	out[len] = '\0';
	return out;
}

static void expect_line(enum log_format fmt, const struct log_record *rec, const char *msg, const char *want)
{
	char got[LOG_LINE_MAX + 1];

	format(got, fmt, rec, msg, WALL);
	if (strcmp(got, want) != 0)
		printf("    got  %s    want %s", got, want);
	CU_ASSERT_STRING_EQUAL(got, want);
}

static struct log_record sample(struct addr *a)
{
	struct log_record rec;

	log_begin(&rec, LOG_WARN);
	log_str(&rec, "service", "service-0");
	log_u64(&rec, "outputBytes", UINT64_MAX);
	log_i64(&rec, "delta", INT64_MIN);
	log_bool(&rec, "ok", true);
	log_bool(&rec, "late", false);
	addr_parse_ip(a, "::1", 3, 8080);
	log_addr(&rec, "client", a);
	log_u64(&rec, "inputBytes", 0);
	return rec;
}

static void test_json_line(void)
{
	struct addr a;
	struct log_record rec = sample(&a);

	set_zone("UTC0");
	expect_line(
		LOG_FORMAT_JSON, &rec, "a <> b",
		"{\"client\":\"[::1]:8080\",\"delta\":-9223372036854775808,\"inputBytes\":0,\"late\":false,"
		"\"level\":\"warning\",\"msg\":\"a <> b\",\"ok\":true,\"outputBytes\":18446744073709551615,"
		"\"service\":\"service-0\",\"time\":\"2023-11-14T22:13:20.123Z\"}\n");
}

static void test_text_line(void)
{
	struct addr a;
	struct log_record rec = sample(&a);

	set_zone("UTC0");
	log_str(&rec, "err", "say \"no\"\n\x1b[31m\xff \xc3\xa9");
	expect_line(
		LOG_FORMAT_TEXT, &rec, "hello",
		"time=\"2023-11-14T22:13:20.123Z\" level=warning msg=hello client=\"[::1]:8080\" "
		"delta=-9223372036854775808 err=\"say \\\"no\\\"\\n\\u001b[31m\\xff \xc3\xa9\" inputBytes=0 "
		"late=false ok=true outputBytes=18446744073709551615 service=service-0\n");
	log_begin(&rec, LOG_INFO);
	expect_line(LOG_FORMAT_TEXT, &rec, "", "time=\"2023-11-14T22:13:20.123Z\" level=info msg=\n");
}

static void test_keys_sorted(void)
{
	struct log_record rec;

	set_zone("UTC0");
	log_begin(&rec, LOG_INFO);
	log_u64(&rec, "longkey_b", 1); /* the same first 8 bytes */
	log_u64(&rec, "longkey_a", 2);
	log_u64(&rec, "longkey_", 3);
	log_u64(&rec, "z", 4);
	log_u64(&rec, "a", 5);
	log_u64(&rec, "z", 6); /* the last of equal keys stays */
	log_str(&rec, "level", "mine");
	expect_line(
		LOG_FORMAT_JSON, &rec, "m",
		"{\"a\":5,\"level\":\"info\",\"longkey_\":3,\"longkey_a\":2,\"longkey_b\":1,\"msg\":\"m\","
		"\"time\":\"2023-11-14T22:13:20.123Z\",\"z\":6}\n");
}

static void test_left_out(void)
{
	struct log_record rec;
	struct addr unset = {0};

	set_zone("UTC0");
	log_begin(&rec, LOG_INFO);
	log_str(&rec, "a", NULL);
	log_str(&rec, "b", "");
	log_addr(&rec, "c", &unset);
	log_addr(&rec, "d", NULL);
	CU_ASSERT_EQUAL(rec.count, 0);
	for (int i = 0; i < LOG_FIELDS_MAX + 10; i++)
		log_i64(&rec, "n", i); /* too many: dropped, not written past the end */
	CU_ASSERT_EQUAL(rec.count, LOG_FIELDS_MAX);
	expect_line(LOG_FORMAT_JSON, &rec, "",
		    "{\"level\":\"info\",\"msg\":\"\",\"n\":39,\"time\":\"2023-11-14T22:13:20.123Z\"}\n");
}

static void expect_time(const char *tz, uint64_t wall_ns, const char *want)
{
	struct log_record rec;
	char line[LOG_LINE_MAX + 1];

	set_zone(tz);
	log_begin(&rec, LOG_INFO);
	json_t *root = json_loads(format(line, LOG_FORMAT_JSON, &rec, "m", wall_ns), 0, NULL);
	CU_ASSERT_STRING_EQUAL_FATAL(json_string_value(json_object_get(root, "time")), want);
	json_decref(root);
}

static void test_time(void)
{
	expect_time("UTC0", 1700000001 * SEC, "2023-11-14T22:13:21.000Z");
	expect_time("CET-1", 1700000002 * SEC + 7000000, "2023-11-14T23:13:22.007+01:00");
	expect_time("CET-1CEST,M3.5.0,M10.5.0/3", 1720000000 * SEC + 999999999,
		    "2024-07-03T11:46:40.999+02:00");
	expect_time("NST3:30", 1700000003 * SEC + 50000000, "2023-11-14T18:43:23.050-03:30");
	expect_time("UTC0", 0, "1970-01-01T00:00:00.000Z");
	/* The same second again comes from the cache; the next one does not. */
	expect_time("UTC0", 1700000001 * SEC + 500000000, "2023-11-14T22:13:21.500Z");
	expect_time("UTC0", 1700000001 * SEC + 501000000, "2023-11-14T22:13:21.501Z");
	expect_time("UTC0", 1700000002 * SEC, "2023-11-14T22:13:22.000Z");
}

static void test_escapes(void)
{
	static const struct {
		const char *in, *json, *text;
	} rows[] = {
		{"plain", "plain", "plain"},
		{"a<b>&c", "a<b>&c", "\"a<b>&c\""},
		{"q\"b\\s/", "q\\\"b\\\\s/", "\"q\\\"b\\\\s/\""},
		{"\n\r\t\b\x01\x7f", "\\n\\r\\t\\u0008\\u0001\\u007f", "\"\\n\\r\\t\\u0008\\u0001\\u007f\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xc2\x85\xc2\xa0", "\\u0085\xc2\xa0", "\"\\u0085\xc2\xa0\""}, /* C1; nbsp */
		{"\xe2\x80\xa8", "\\u2028", "\"\\u2028\""},			/* line separator */
		{"x\xff", "x\\ufffd", "\"x\\xff\""},
		{"\xc0\xaf", "\\ufffd\\ufffd", "\"\\xc0\\xaf\""}, /* overlong */
		{"\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd", "\"\\xe0\\x80\\xaf\""},
		{"\xf0\x80\x80\xaf", "\\ufffd\\ufffd\\ufffd\\ufffd", "\"\\xf0\\x80\\x80\\xaf\""},
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "\"\\xed\\xa0\\x80\""}, /* surrogate */
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "\"\\xf4\\x90\\x80\\x80\""},
		{"\xe2\x82", "\\ufffd\\ufffd", "\"\\xe2\\x82\""}, /* cut */
		{"\xe2\x82z", "\\ufffd\\ufffdz", "\"\\xe2\\x82z\""},
		{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		 "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""}, /* the borders */
		{"%s%n", "%s%n", "\"%s%n\""},
	};
	char want[512];
	struct log_record rec;

	set_zone("UTC0");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		log_begin(&rec, LOG_ERROR);
		log_str(&rec, "v", rows[i].in);
		snprintf(want, sizeof(want),
			 "{\"level\":\"error\",\"msg\":\"%s\",\"time\":\"2023-11-14T22:13:20.123Z\","
			 "\"v\":\"%s\"}\n",
			 rows[i].json, rows[i].json);
		expect_line(LOG_FORMAT_JSON, &rec, rows[i].in, want);
		snprintf(want, sizeof(want), "time=\"2023-11-14T22:13:20.123Z\" level=error msg=%s v=%s\n",
			 rows[i].text, rows[i].text);
		expect_line(LOG_FORMAT_TEXT, &rec, rows[i].in, want);
	}
}

static json_t *parse_line(const char *line, size_t len)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	if (!root)
		printf("    not JSON: %.*s\n", (int)len, line);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL_FATAL(line[len - 1], '\n');
	CU_ASSERT_PTR_EQUAL_FATAL(memchr(line, '\n', len), line + len - 1);
	return root;
}

static void test_random_bytes(void)
{
	unsigned seed = 7;

	for (int round = 0; round < 20000; round++) {
		char value[64], line[LOG_LINE_MAX + 1];
		struct log_record rec;
		size_t n = (size_t)rand_r(&seed) % (sizeof(value) - 1) + 1;

		for (size_t i = 0; i < n; i++)
			value[i] = (char)(rand_r(&seed) % 255 + 1);
		value[n] = '\0';
		log_begin(&rec, LOG_INFO);
		log_str(&rec, "v", value);
		size_t len = log_format_line(line, LOG_LINE_MAX, LOG_FORMAT_JSON, &rec, value, WALL);
		json_t *root = parse_line(line, len), *judge = json_string(value);
		/* jansson takes a string only when it is UTF-8: then ours must mean the same. */
		if (judge)
			CU_ASSERT(json_equal(judge, json_object_get(root, "v")));
		json_decref(judge);
		json_decref(root);
		len = log_format_line(line, LOG_LINE_MAX, LOG_FORMAT_TEXT, &rec, value, WALL);
		CU_ASSERT_PTR_EQUAL_FATAL(memchr(line, '\n', len), line + len - 1);
	}
}

/* Every capacity: valid or nothing, never past the end, and short values are whole. */
static void test_truncation(void)
{
	char msg[700], full[LOG_LINE_MAX], whole[LOG_LINE_MAX];
	struct log_record rec;

	for (size_t i = 0; i + 4 < sizeof(msg); i += 4)
		memcpy(msg + i, i % 3 ? "\xf0\x9f\x98\x80" : "a\n\"\xff", 4);
	msg[696] = '\0';
	log_begin(&rec, LOG_INFO);
	log_str(&rec, "short", "whole value");
	log_str(&rec, "zlong", msg);
	log_u64(&rec, "bytes", 12345);
	size_t need = log_format_line(full, sizeof(full), LOG_FORMAT_JSON, &rec, msg, WALL);
	CU_ASSERT_FATAL(need > 1000 && need < sizeof(full));
	for (size_t cap = 0; cap <= need; cap++) {
		char *out = malloc(cap ? cap : 1); /* exact, so that the sanitizer sees a byte too many */
		size_t len = log_format_line(out, cap, LOG_FORMAT_JSON, &rec, msg, WALL);
		CU_ASSERT_FATAL(len <= cap);
		CU_ASSERT_EQUAL_FATAL(len == need, cap == need);
		memcpy(whole, out, len);
		free(out);
		if (!len) {
			CU_ASSERT_FATAL(cap < 160);
			continue;
		}
		json_t *root = parse_line(whole, len);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(root, "bytes")), 12345);
		if (cap > 200) {
			CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "short")),
					       "whole value");
			CU_ASSERT(len + 32 > cap); /* and nothing is wasted */
		}
		json_decref(root);
	}
}

static void add_json_field(struct log_record *rec, const char *key, const json_t *value)
{
	if (json_is_integer(value))
		log_u64(rec, key, (uint64_t)json_integer_value(value));
	else
		log_str(rec, key, json_string_value(value));
}

/* Rebuilds a recorded line field by field, backwards, and expects the same bytes. */
static void check_recorded_line(json_t *want)
{
	char line[LOG_LINE_MAX + 1];
	const char *keys[LOG_FIELDS_MAX], *key;
	size_t count = 0;
	enum log_level level;
	struct log_record rec;
	json_t *value;
	void *next;

	json_object_set_new(want, "time", json_string("2023-11-14T22:13:20.123Z"));
	json_object_foreach_safe(want, next, key, value)
	{
		if (json_is_string(value) && !*json_string_value(value))
			json_object_del(want, key); /* we leave out what is empty */
		else if (strcmp(key, "time") && strcmp(key, "level") && strcmp(key, "msg"))
			keys[count++] = key;
	}
	CU_ASSERT_EQUAL_FATAL(log_level_parse(json_string_value(json_object_get(want, "level")), &level), 0);
	log_begin(&rec, level);
	while (count--)
		add_json_field(&rec, keys[count], json_object_get(want, keys[count]));
	format(line, LOG_FORMAT_JSON, &rec, json_string_value(json_object_get(want, "msg")), WALL);
	line[strcspn(line, "\n")] = '\0';
	char *text = json_dumps(want, JSON_COMPACT | JSON_SORT_KEYS);
	CU_ASSERT_STRING_EQUAL(line, text);
	free(text);
}

static void test_recorded_lines(void)
{
	FILE *f = fopen("tests/vectors/gost/log.jsonl", "r");
	size_t checked = 0, cap = 0, i;
	char *row = NULL;
	json_t *line;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	set_zone("UTC0");
	while (getline(&row, &cap, f) > 0) {
		json_t *root = json_loads(row, 0, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(root);
		json_array_foreach(json_object_get(root, "lines"), i, line)
		{
			check_recorded_line(line);
			checked++;
		}
		json_decref(root);
	}
	free(row);
	fclose(f);
	CU_ASSERT(checked >= 50);
}

static const struct unit_case cases[] = {
	{"json line", test_json_line},
	{"text line", test_text_line},
	{"keys sorted", test_keys_sorted},
	{"left out", test_left_out},
	{"time", test_time},
	{"escapes", test_escapes},
	{"random bytes", test_random_bytes},
	{"truncation", test_truncation},
	{"recorded lines of GOST", test_recorded_lines},
};

UNIT_MAIN("log_format", cases)
