/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_selector.c - every strategy as a table of picks; time and randomness are arguments.
 *
 * Why: a forwarder is written as a word, one letter per node, so that a case reads as its situation:
 * 'p' primary, 'b' backup; upper case = failed at time 0.
 * See: include/selector.h.
 */
#include "selector.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define SEC  1000000000ULL
#define SOON (1 * SEC) /* well inside the default fail timeout of 10 s */

struct fixture {
	struct selector_node nodes[100];
	size_t count;
	struct selector_config cfg;
	struct selector *sel;
};

static void fixture_make(struct fixture *f)
{
	selector_free(f->sel);
	CU_ASSERT_EQUAL_FATAL(selector_new(&f->sel, &f->cfg, f->nodes, f->count), 0);
}

static void fixture_init(struct fixture *f, const char *word, enum selector_strategy strategy)
{
	memset(f, 0, sizeof(*f));
	f->count = strlen(word);
	f->cfg = (struct selector_config){.present = true, .strategy = strategy};
	for (size_t i = 0; word[i]; i++) {
		f->nodes[i].weight = 1;
		f->nodes[i].backup = (word[i] | 0x20) == 'b';
	}
	fixture_make(f);
	for (size_t i = 0; word[i]; i++)
		if (word[i] < 'a')
			selector_mark_failed(f->sel, i, 0);
}

static int next(struct fixture *f, uint64_t *tried, uint32_t hash, uint32_t random)
{
	struct selector_pick pick = {.tried = *tried};
	int node = selector_next(f->sel, &pick, hash, random, SOON);

	*tried = pick.tried;
	return node;
}

/* One row: a forwarder, tried nodes, a number for hash/random, and the nodes that follow each other. */
struct row {
	const char *word;
	enum selector_strategy strategy;
	uint64_t tried;
	uint32_t number;
	int want;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct fixture f;
		uint64_t tried = rows[i].tried;
		fixture_init(&f, rows[i].word, rows[i].strategy);
		int got = next(&f, &tried, rows[i].number, rows[i].number);
		if (got != rows[i].want)
			printf("    row %zu (%s): got %d, want %d\n", i, rows[i].word, got, rows[i].want);
		CU_ASSERT_EQUAL(got, rows[i].want);
		CU_ASSERT_EQUAL(tried, got < 0 ? rows[i].tried : rows[i].tried | 1ULL << got);
		selector_free(f.sel);
	}
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_fifo(void)
{
	static const struct row rows[] = {
		{"ppp", SELECTOR_FIFO, 0, 7, 0},      {"Ppp", SELECTOR_FIFO, 0, 7, 1},
		{"ppp", SELECTOR_FIFO, 1, 7, 1},      {"pPp", SELECTOR_FIFO, 1, 7, 2},
		{"p", SELECTOR_FIFO, 0, 7, 0},	      {"p", SELECTOR_FIFO, 1, 7, -ENOENT},
		{"", SELECTOR_FIFO, 0, 7, -ENOENT},   {"", SELECTOR_ROUND, 0, 7, -ENOENT},
		{"", SELECTOR_RANDOM, 0, 7, -ENOENT}, {"", SELECTOR_HASH, 0, 7, -ENOENT},
	};
	CHECK_ROWS(rows);
}

static void test_backups(void)
{
	static const struct row rows[] = {
		{"bpb", SELECTOR_FIFO, 0, 0, 1}, /* not while a primary is left */
		{"bPb", SELECTOR_FIFO, 0, 0, 0}, /* failed primaries do not count */
		{"bpb", SELECTOR_FIFO, 2, 0, 0}, /* tried ones neither */
		{"BPb", SELECTOR_FIFO, 0, 0, 2},    {"bb", SELECTOR_FIFO, 0, 0, 0},
		{"ppbb", SELECTOR_HASH, 0, 3, 1}, /* 3 mod 2 primaries */
		{"PPbb", SELECTOR_HASH, 0, 3, 3}, /* 3 mod 2 backups */
		{"PPbb", SELECTOR_RANDOM, 0, 0, 2},
	};
	CHECK_ROWS(rows);
}

static void test_last_resort(void)
{
	static const struct row rows[] = {
		{"P", SELECTOR_ROUND, 0, 0, 0},
		{"PPP", SELECTOR_FIFO, 0, 0, 0},
		{"PPP", SELECTOR_HASH, 0, 2, 0}, /* the first, whatever the number */
		{"PPP", SELECTOR_RANDOM, 0, 2, 0},
		{"PPP", SELECTOR_FIFO, 1, 0, 1}, /* the first untried */
		{"PPB", SELECTOR_FIFO, 3, 0, 2},
		{"PpP", SELECTOR_FIFO, 2, 0, 0}, /* the healthy one was tried: better a failed one */
		{"PPP", SELECTOR_FIFO, 7, 0, -ENOENT},
	};
	CHECK_ROWS(rows);
}

static void test_hash(void)
{
	static const struct row rows[] = {
		{"pppp", SELECTOR_HASH, 0, 0, 0},
		{"pppp", SELECTOR_HASH, 0, 5, 1},
		{"pppp", SELECTOR_HASH, 0, 4294967295U, 3},
		{"pPpp", SELECTOR_HASH, 0, 1, 2}, /* modulo of the eligible ones */
		{"pppp", SELECTOR_HASH, 2, 4, 2}, /* node 1 tried: 4 mod 3 = second of 0, 2, 3 */
	};
	CHECK_ROWS(rows);
	/* CRC-32 of IP texts, from an independent calculator (Python's zlib.crc32). */
	CU_ASSERT_EQUAL(selector_hash("123456789", 9), 0xcbf43926U);
	CU_ASSERT_EQUAL(selector_hash("192.168.1.1", 11), 0x8845f35fU);
	CU_ASSERT_EQUAL(selector_hash("2001:db8::1", 11), 0xb4af0eU);
	CU_ASSERT_EQUAL(selector_hash("", 0), 0);
}

static void test_round(void)
{
	static const int all[] = {0, 1, 2, 0, 1, 2, 0};
	struct fixture f;

	fixture_init(&f, "ppp", SELECTOR_ROUND);
	f.nodes[0].weight = 5; /* random's only */
	fixture_make(&f);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t tried = 0;
		CU_ASSERT_EQUAL(next(&f, &tried, 0, 0), all[i]);
	}
	selector_free(f.sel);
	/* A retry goes to the others, each once, and does not shift whose turn it is. */
	fixture_init(&f, "pp", SELECTOR_ROUND);
	for (int session = 0; session < 6; session++) {
		uint64_t tried = 0;
		CU_ASSERT_EQUAL(next(&f, &tried, 0, 0), session % 2);
		CU_ASSERT_EQUAL(next(&f, &tried, 0, 0), 1 - session % 2);
		if (session > 3)
			CU_ASSERT_EQUAL(next(&f, &tried, 0, 0), -ENOENT);
	}
	selector_free(f.sel);
	/* Failed and backup nodes are not in the round. */
	fixture_init(&f, "pPbp", SELECTOR_ROUND);
	for (int session = 0; session < 6; session++) {
		uint64_t tried = 0;
		CU_ASSERT_EQUAL(next(&f, &tried, 0, 0), session % 2 ? 3 : 0);
	}
	selector_free(f.sel);
}

static void test_random_weights(void)
{
	struct fixture f;
	unsigned count[4] = {0};

	fixture_init(&f, "pppp", SELECTOR_RANDOM);
	f.nodes[0].weight = 1;
	f.nodes[1].weight = 5;
	f.nodes[2].weight = 0; /* counts as 1 */
	f.nodes[3].weight = 3;
	fixture_make(&f);
	for (uint32_t r = 0; r < 10000; r++) {
		uint64_t tried = 0;
		int node = next(&f, &tried, 99, r);
		CU_ASSERT_FATAL(node >= 0 && node < 4);
		count[node]++;
	}
	CU_ASSERT_EQUAL(count[0], 1000);
	CU_ASSERT_EQUAL(count[1], 5000);
	CU_ASSERT_EQUAL(count[2], 1000);
	CU_ASSERT_EQUAL(count[3], 3000);
	/* Weights larger than 32 bits together. */
	f.nodes[0].weight = f.nodes[1].weight = UINT32_MAX;
	fixture_make(&f);
	uint64_t tried = 0;
	CU_ASSERT_EQUAL(next(&f, &tried, 0, UINT32_MAX), 1);
	selector_free(f.sel);
}

static void test_fail_window(void)
{
	struct fixture f;
	struct selector_pick pick = {0};

	fixture_init(&f, "pp", SELECTOR_FIFO);
	f.cfg.max_fails = 3;
	f.cfg.fail_timeout_ns = 2 * SEC;
	fixture_make(&f);
	selector_mark_failed(f.sel, 0, 10 * SEC);
	selector_mark_failed(f.sel, 0, 10 * SEC);
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 10 * SEC), 0); /* two are not three */
	selector_mark_failed(f.sel, 0, 11 * SEC);
	static const struct {
		uint64_t now;
		int want;
	} rows[] = {
		{11 * SEC - 1, 1}, /* a worker whose clock was read earlier */
		{11 * SEC, 1},
		{13 * SEC - 1, 1},
		{13 * SEC, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pick.tried = 0;
		CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, rows[i].now), rows[i].want);
	}
	/* The count is still at its maximum: one more failure is enough. */
	selector_mark_failed(f.sel, 0, 20 * SEC);
	pick.tried = 0;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 20 * SEC), 1);
	selector_mark_good(f.sel, 0);
	pick.tried = 0;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 20 * SEC), 0);
	selector_mark_failed(f.sel, 0, 20 * SEC); /* and after a success it takes three again */
	pick.tried = 0;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 20 * SEC), 0);
	selector_free(f.sel);
}

static void test_defaults(void)
{
	struct fixture f;
	struct selector_pick pick = {0};

	for (int present = 0; present < 2; present++) {
		fixture_init(&f, "pp", SELECTOR_ROUND);
		/* Not present: whatever else is in there does not count. */
		f.cfg =
			(struct selector_config){.present = present,
						 .strategy = present ? SELECTOR_ROUND : SELECTOR_FIFO,
						 .max_fails = present ? 0 : 9,
						 .fail_timeout_ns = present ? 0 : 1};
		fixture_make(&f);
		selector_mark_failed(f.sel, 0, SEC);
		pick.tried = 0;
		CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 11 * SEC - 1), 1);
		pick.tried = 0;
		CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 11 * SEC), 1); /* its turn in the round */
		pick.tried = 0;
		CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 11 * SEC), 0);
		selector_free(f.sel);
	}
}

/* A node's own limits count for it alone. */
static void test_node_limits(void)
{
	struct fixture f;
	struct selector_pick pick = {0};

	fixture_init(&f, "ppp", SELECTOR_FIFO);
	f.nodes[0].max_fails = 2;
	f.nodes[1].fail_timeout_ns = 60 * SEC;
	fixture_make(&f);
	selector_mark_failed(f.sel, 0, 0);
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, SEC), 0); /* once is not twice */
	selector_mark_failed(f.sel, 0, 0);
	selector_mark_failed(f.sel, 1, 0);
	static const struct {
		uint64_t now;
		int want;
	} rows[] = {{SEC, 2}, {10 * SEC - 1, 2}, {10 * SEC, 0}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pick.tried = 0;
		CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, rows[i].now), rows[i].want);
	}
	pick.tried = 1;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 59 * SEC), 2);
	pick.tried = 1;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 60 * SEC), 1);
	selector_free(f.sel);
}

/* A check's word lasts, and a session's success does not undo it. */
static void test_down(void)
{
	struct fixture f;
	struct selector_pick pick = {0};

	fixture_init(&f, "pp", SELECTOR_FIFO);
	CU_ASSERT_FALSE(selector_set_down(f.sel, 0, false));
	CU_ASSERT_TRUE(selector_set_down(f.sel, 0, true));
	CU_ASSERT_FALSE(selector_set_down(f.sel, 0, true));
	selector_mark_good(f.sel, 0);
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 3600 * SEC), 1);
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 3600 * SEC), 0); /* last resort */
	selector_mark_failed(f.sel, 0, 3600 * SEC);
	CU_ASSERT_TRUE(selector_set_down(f.sel, 0, false)); /* clears the sessions' count too */
	pick.tried = 0;
	CU_ASSERT_EQUAL(selector_next(f.sel, &pick, 0, 0, 3600 * SEC), 0);
	selector_free(f.sel);
}

static void test_parallel(void)
{
	static const struct {
		const char *word;
		size_t max;
		int first[4], second[4]; /* -1 ends */
	} rows[] = {
		{"ppp", 8, {0, 1, 2, -1}, {-1}},
		{"pPp", 8, {0, 2, -1}, {1, -1}},
		{"bpbp", 8, {1, 3, -1}, {0, 2, -1}},
		{"PP", 8, {0, 1, -1}, {-1}},
		{"pppp", 3, {0, 1, 2, -1}, {3, -1}},
		{"", 8, {-1}, {-1}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		struct selector_pick pick = {0};
		int got[2][9];
		fixture_init(&f, rows[i].word, SELECTOR_PARALLEL);
		CU_ASSERT_EQUAL(selector_strategy(f.sel), SELECTOR_PARALLEL);
		for (int turn = 0; turn < 2; turn++) {
			size_t n = selector_next_all(f.sel, &pick, got[turn], rows[i].max, SOON);
			CU_ASSERT_FATAL(n <= rows[i].max);
			got[turn][n] = -1;
			const int *want = turn ? rows[i].second : rows[i].first;
			CU_ASSERT_EQUAL(memcmp(got[turn], want, (n + 1) * sizeof(int)), 0);
		}
		selector_free(f.sel);
	}
}

static void test_many_nodes(void)
{
	struct fixture f;
	char word[101];
	bool seen[100] = {false};

	memset(word, 'p', 100);
	word[100] = '\0';
	fixture_init(&f, word, SELECTOR_ROUND);
	for (int i = 0; i < 100; i++) {
		uint64_t tried = 0;
		int node = next(&f, &tried, 0, 0);
		CU_ASSERT_FATAL(node >= 0 && node < 100);
		CU_ASSERT_FALSE(seen[node]);
		seen[node] = true;
		CU_ASSERT_EQUAL(tried, node < 64 ? 1ULL << node : 0);
	}
	/* All that can be remembered were tried: one of the others, never a repeated bit. */
	uint64_t tried = UINT64_MAX;
	for (int i = 0; i < 5; i++)
		CU_ASSERT(next(&f, &tried, 0, 0) >= 64);
	selector_free(f.sel);
}

static void *hammer(void *arg)
{
	struct fixture *f = arg;
	long bad = 0;

	for (uint64_t i = 0; i < 100000; i++) {
		struct selector_pick pick = {0};
		int node = selector_next(f->sel, &pick, (uint32_t)i, (uint32_t)i, i);
		if (node < 0 || node >= 4 || pick.tried != 1ULL << node)
			bad++;
		else if (i % 3)
			selector_mark_failed(f->sel, (size_t)node, i);
		else
			selector_mark_good(f->sel, (size_t)node);
	}
	return (void *)bad;
}

/* Workers share one selector: there is always an answer, whatever the others mark meanwhile. */
static void test_threads(void)
{
	struct fixture f;
	pthread_t threads[4];
	void *bad;

	fixture_init(&f, "ppbp", SELECTOR_RANDOM);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, hammer, &f), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		CU_ASSERT_PTR_NULL(bad);
	}
	selector_free(f.sel);
}

static const struct unit_case cases[] = {
	{"fifo", test_fifo},
	{"backups", test_backups},
	{"last resort", test_last_resort},
	{"hash", test_hash},
	{"round", test_round},
	{"random by weight", test_random_weights},
	{"fail window", test_fail_window},
	{"defaults", test_defaults},
	{"limits of one node", test_node_limits},
	{"down by a check", test_down},
	{"parallel", test_parallel},
	{"more than 64 nodes", test_many_nodes},
	{"threads", test_threads},
};

UNIT_MAIN("selector", cases)
