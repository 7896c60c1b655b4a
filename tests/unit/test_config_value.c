/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_value.c - text to number and back: durations, sizes, booleans, names. */
#include <errno.h>
#include <string.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 UINT64_C(1000000000)

static void test_durations(void)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"0", 0},
		{"30", 30 * S},
		{"30s", 30 * S},
		{"1m30s", 90 * S},
		{"500ms", S / 2},
		{"1h", 3600 * S},
		{"1.5h", 5400 * S},
		{".5s", S / 2},
		{"1.s", S},
		{"0s", 0},
		{"250us", 250000},
		{"250\u00b5s", 250000},
		{"250\u03bcs", 250000},
		{"7ns", 7},
		{"1.000000001s", S + 1},
		{"1h1m1s1ms1us1ns", 3661 * S + 1001001},
		{"1s1s", 2 * S},
		{"9223372036s", 9223372036 * S},
		{"010", 10 * S},
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		uint64_t ns = 1234567;
		CU_ASSERT_EQUAL(config_parse_duration(good[i].text, &ns), 0);
		CU_ASSERT_EQUAL(ns, good[i].ns);
	}
}

static void test_bad_durations(void)
{
	static const char *const bad[] = {"",
					  " ",
					  "s",
					  "-1s",
					  "+1s",
					  "1x",
					  "1s ",
					  " 1s",
					  "1 s",
					  "1m30",
					  ".s",
					  ".",
					  "1..5s",
					  "1e3s",
					  "1S",
					  "99999999999999999999",
					  "9223372037s",
					  "9999999999999h",
					  "5124096h",
					  "5124096h1s",
					  "2562047h48m",
					  "0x10",
					  "1m-30s",
					  "30ss",
					  "1,5s"};

	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t ns = 77;
		CU_ASSERT_NOT_EQUAL(config_parse_duration(bad[i], &ns), 0);
		CU_ASSERT_EQUAL(ns, 77);
	}
}

/* A bare number in a typed field is nanoseconds to GOST: what only a mistake can mean is refused. */
static void test_duration_fields(void)
{
	uint64_t ns = 5;

	CU_ASSERT_EQUAL(config_parse_duration_field("30", &ns), -ERANGE);
	CU_ASSERT_EQUAL(config_parse_duration_field("999999", &ns), -ERANGE);
	CU_ASSERT_EQUAL(config_parse_duration_field("x", &ns), -EINVAL);
	CU_ASSERT_EQUAL(ns, 5);
	CU_ASSERT_EQUAL(config_parse_duration_field("1000000", &ns), 0);
	CU_ASSERT_EQUAL(ns, 1000000);
	CU_ASSERT_EQUAL(config_parse_duration_field("30000000000", &ns), 0);
	CU_ASSERT_EQUAL(ns, 30 * S);
	CU_ASSERT_EQUAL(config_parse_duration_field("30s", &ns), 0);
	CU_ASSERT_EQUAL(ns, 30 * S);
	CU_ASSERT_EQUAL(config_parse_duration_field("0", &ns), 0);
	CU_ASSERT_EQUAL(ns, 0);
}

static void test_format_durations(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1, "1ns"},
		{1500, "1.5\u00b5s"},
		{1000000, "1ms"},
		{1234567, "1.234567ms"},
		{S, "1s"},
		{S + S / 2, "1.5s"},
		{60 * S, "1m0s"},
		{90 * S, "1m30s"},
		{3600 * S, "1h0m0s"},
		{3661 * S + 1, "1h1m1.000000001s"},
		{INT64_MAX, "2562047h47m16.854775807s"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[CONFIG_DURATION_MAX];
		uint64_t back = 1;
		CU_ASSERT_STRING_EQUAL(config_format_duration(rows[i].ns, text), rows[i].text);
		CU_ASSERT_EQUAL(config_parse_duration(text, &back), 0);
		CU_ASSERT_EQUAL(back, rows[i].ns);
	}
}

/* Every duration survives being printed: a fixed pseudo-random walk over all magnitudes. */
static void test_duration_round_trip(void)
{
	uint64_t x = 88172645463325252u;
	unsigned wrong = 0;

	for (unsigned i = 0; i < 20000; i++) {
		char text[CONFIG_DURATION_MAX];
		uint64_t back = 0;
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		uint64_t ns = (x >> 1) >> (i % 63);
		if (config_parse_duration(config_format_duration(ns, text), &back) || back != ns)
			wrong++;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1048576", 1048576},
		{"100B", 100},
		{"64K", 65536},
		{"64KB", 65536},
		{"64kib", 65536},
		{"16M", 16 << 20},
		{"256MiB", 256 << 20},
		{"2GB", UINT64_C(2) << 30},
		{"1T", UINT64_C(1) << 40},
		{"8388607T", UINT64_C(8388607) << 40},
	};
	static const char *const bad[] = {"",	  "M",	"-1",  "+1",	   "1.5M",
					  "1 M",  "1X", "1MM", "8388608T", "99999999999999999999",
					  "0x10", "1Mi"};

	for (size_t i = 0; i < COUNT(good); i++) {
		uint64_t bytes = 3;
		CU_ASSERT_EQUAL(config_parse_size(good[i].text, &bytes), 0);
		CU_ASSERT_EQUAL(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t bytes = 3;
		CU_ASSERT_EQUAL(config_parse_size(bad[i], &bytes), -EINVAL);
		CU_ASSERT_EQUAL(bytes, 3);
	}
}

static void test_bools(void)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
	static const char *const bad[] = {"", "yes", "no", "on", "off", "2", "tru", "truee", " true"};
	bool out;

	for (size_t i = 0; i < COUNT(yes); i++)
		CU_ASSERT((out = false, !config_parse_bool(yes[i], &out)) && out);
	for (size_t i = 0; i < COUNT(no); i++)
		CU_ASSERT((out = true, !config_parse_bool(no[i], &out)) && !out);
	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT_EQUAL(config_parse_bool(bad[i], &out), -EINVAL);
}

static void test_numbers(void)
{
	uint64_t out = 9;

	CU_ASSERT_EQUAL(config_parse_uint("18446744073709551615", UINT64_MAX, &out), 0);
	CU_ASSERT_EQUAL(out, UINT64_MAX);
	CU_ASSERT_EQUAL(config_parse_uint("18446744073709551616", UINT64_MAX, &out), -ERANGE);
	CU_ASSERT_EQUAL(config_parse_uint("3", 2, &out), -ERANGE);
	CU_ASSERT_EQUAL(config_parse_uint("10", 9, &out), -ERANGE);
	CU_ASSERT_EQUAL(config_parse_uint("", 9, &out), -EINVAL);
	CU_ASSERT_EQUAL(config_parse_uint("-1", 9, &out), -EINVAL);
	CU_ASSERT_EQUAL(config_parse_uint("1x", 9, &out), -EINVAL);
	CU_ASSERT_EQUAL(out, UINT64_MAX);
	CU_ASSERT_EQUAL(config_parse_uint("0002", 2, &out), 0);
	CU_ASSERT_EQUAL(out, 2);
}

static void test_engines(void)
{
	enum engine_kind engine = ENGINE_COPY;

	for (int i = ENGINE_AUTO; i <= ENGINE_COPY; i++) {
		CU_ASSERT_EQUAL(config_parse_engine(config_engine_name((enum engine_kind)i), &engine), 0);
		CU_ASSERT_EQUAL(engine, (enum engine_kind)i);
	}
	CU_ASSERT_EQUAL(config_parse_engine("SockMap", &engine), 0);
	CU_ASSERT_EQUAL(engine, ENGINE_SOCKMAP);
	CU_ASSERT_EQUAL(config_parse_engine("", &engine), -EINVAL);
	CU_ASSERT_EQUAL(config_parse_engine("sockmaps", &engine), -EINVAL);
	CU_ASSERT_EQUAL(engine, ENGINE_SOCKMAP);
}

static void test_strategies(void)
{
	enum selector_strategy strategy = SELECTOR_HASH;

	for (int i = SELECTOR_ROUND; i <= SELECTOR_HASH; i++) {
		CU_ASSERT_EQUAL(
			config_parse_strategy(config_strategy_name((enum selector_strategy)i), &strategy), 0);
		CU_ASSERT_EQUAL(strategy, (enum selector_strategy)i);
	}
	CU_ASSERT(!config_parse_strategy("rr", &strategy) && strategy == SELECTOR_ROUND);
	CU_ASSERT(!config_parse_strategy("rand", &strategy) && strategy == SELECTOR_RANDOM);
	CU_ASSERT(!config_parse_strategy("ha", &strategy) && strategy == SELECTOR_FIFO);
	CU_ASSERT_EQUAL(config_parse_strategy("fastest", &strategy), -EINVAL);
}

static const char *nearest(const char *word, const char *const *list)
{
	struct config_nearest near = {.word = word};

	config_nearest_offer_list(&near, list);
	return near.best ? near.best : "-";
}

static void test_nearest(void)
{
	static const char *const list[] = {"backlog", "backup", "weight", "mux.*", NULL};
	char word[300];

	CU_ASSERT_STRING_EQUAL(nearest("baklog", list), "backlog");
	CU_ASSERT_STRING_EQUAL(nearest("BACKLOGS", list), "backlog");
	CU_ASSERT_STRING_EQUAL(nearest("wieght", list), "weight");
	CU_ASSERT_STRING_EQUAL(nearest("bakcup", list), "backup");
	CU_ASSERT_STRING_EQUAL(nearest("backlug", (const char *const[]){"backlog", "backup", NULL}),
			       "backlog");
	CU_ASSERT_STRING_EQUAL(nearest("foo", list), "-");
	CU_ASSERT_STRING_EQUAL(nearest("", list), "-");
	CU_ASSERT_STRING_EQUAL(nearest("mux.x", list), "-");
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	CU_ASSERT_STRING_EQUAL(nearest(word, list), "-");
}

static void test_lists(void)
{
	CU_ASSERT(config_list_has(config_gost_keys, "so_mark"));
	CU_ASSERT(config_list_has(config_gost_keys, "SO_MARK"));
	CU_ASSERT(config_list_has(config_gost_keys, "sniffing.timeout"));
	CU_ASSERT(config_list_has(config_gost_keys, "limiter.conn.in"));
	CU_ASSERT(!config_list_has(config_gost_keys, "sniff"));
	CU_ASSERT(!config_list_has(config_gost_keys, ""));
	CU_ASSERT(config_list_has(config_gost_handlers, "socks5"));
	CU_ASSERT(!config_list_has(config_gost_handlers, "tls"));
	CU_ASSERT(config_list_has(config_gost_listeners, "tls"));
	CU_ASSERT(config_is_log_level("warn") && config_is_log_level("INFO") && !config_is_log_level("loud"));
}

static void test_utf8(void)
{
	static const char *const good[] = {"", "a", "\u00e9", "\u20ac", "\U0001f600", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc3", "a\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80",
					  "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82z"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(config_is_utf8(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(config_is_utf8(bad[i]));
}

static const struct unit_case cases[] = {
	{"UTF-8", test_utf8},
	{"durations", test_durations},
	{"bad durations", test_bad_durations},
	{"durations in typed fields", test_duration_fields},
	{"durations as text", test_format_durations},
	{"durations round trip", test_duration_round_trip},
	{"sizes", test_sizes},
	{"booleans", test_bools},
	{"whole numbers", test_numbers},
	{"engines", test_engines},
	{"strategies", test_strategies},
	{"nearest word", test_nearest},
	{"lists of words", test_lists},
};

UNIT_MAIN("config_value", cases)
