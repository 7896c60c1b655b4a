/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_matcher.c - tests/vectors/matcher.tsv: a list, a target, whether it is in; or what the error must say.
 *
 * Run from the root of the tree, as run-tests does.
 */
#include "matcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher_rule.h"
#include "unit.h"

enum { TEXTS_MAX = 8 };

struct row {
	enum matcher_kind kind;
	char *list, *host, *verdict;
	uint16_t port;
};

static size_t split(char *list, char *texts[TEXTS_MAX])
{
	size_t count = 0;

	do
		texts[count++] = strsep(&list, ",");
	while (list && count < TEXTS_MAX);
	return count;
}

static void check_prefixes(const struct row *row)
{
	for (size_t len = 0; len < strlen(row->list); len++) {
		char *copy = strndup(row->list, len), why[200] = "";
		struct matcher_rule rule = {.kind = 77};
		int rc = matcher_rule_parse(&rule, row->kind, copy, why, sizeof(why));
		if (rc) {
			CU_ASSERT(rc == -EINVAL && why[0] == '"' && rule.kind == 77);
		} else {
			CU_ASSERT(rule.kind <= MATCHER_PATTERN && rule.ports.min <= rule.ports.max);
		}
		free(copy);
	}
}

static void check_row(const struct row *row)
{
	char *texts[TEXTS_MAX], why[300] = "", *copy = strdup(row->list);
	size_t count = split(copy, texts);
	struct matcher *m = (void *)1;
	int rc = matcher_new(&m, row->kind, false, texts, count, why, sizeof(why));

	if (!strcmp(row->verdict, "error")) {
		CU_ASSERT(rc == -EINVAL && m == (void *)1);
		if (strncmp(why, row->host, strlen(row->host)))
			printf("    \"%s\": %s\n", row->list, why);
		CU_ASSERT_EQUAL(strncmp(why, row->host, strlen(row->host)), 0);
		free(copy);
		return;
	}
	if (rc)
		printf("    \"%s\": %s\n", row->list, why);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	bool want = !strcmp(row->verdict, "hit");
	if (matcher_hits(m, row->host, row->port) != want)
		printf("    \"%s\" and %s:%u: not a %s\n", row->list, row->host, row->port, row->verdict);
	CU_ASSERT_EQUAL(matcher_hits(m, row->host, row->port), want);
	struct addr a;
	if (*row->host && !addr_parse_ip(&a, row->host, strlen(row->host), row->port)) {
		CU_ASSERT_EQUAL(matcher_hits_addr(m, &a), want);
	}
	matcher_free(m);
	free(copy);
}

static void test_vectors(void)
{
	FILE *in = fopen("tests/vectors/matcher.tsv", "re");
	char line[1024];
	unsigned rows = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), in)); /* the columns' names */
	while (fgets(line, sizeof(line), in)) {
		char *rest = line;
		struct row row = {.kind = strcmp(strsep(&rest, "\t"), "client") ? MATCHER_TARGETS : MATCHER_CLIENTS};
		row.list = strsep(&rest, "\t");
		row.host = strsep(&rest, "\t");
		row.port = (uint16_t)atoi(strsep(&rest, "\t"));
		row.verdict = strsep(&rest, "\n");
		check_row(&row);
		check_prefixes(&row);
		rows++;
	}
	fclose(in);
	CU_ASSERT(rows > 130);
}

static struct matcher *make(bool whitelist, char *text)
{
	struct matcher *m = NULL;
	char why[100];

	CU_ASSERT_EQUAL_FATAL(matcher_new(&m, MATCHER_TARGETS, whitelist, &text, 1, why, sizeof(why)), 0);
	return m;
}

/* Rows: which lists count, and which of a.x (white 1), b.x (white 2), ba.x (white 1 and black), c.x are refused. */
static void test_groups(void)
{
	char w1[] = "*a.x", w2[] = "*b.x", b1[] = "ba.x";
	struct matcher *lists[] = {make(true, w1), make(true, w2), make(false, b1)};
	static const char *const hosts[] = {"a.x", "b.x", "ba.x", "c.x"};
	static const struct {
		unsigned lists;
		bool refused[4];
	} rows[] = {
		{0, {false, false, false, false}}, {1, {false, true, false, true}}, {3, {false, false, false, true}},
		{4, {false, false, true, false}},  {5, {false, true, true, true}},  {7, {false, false, true, true}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct matcher *members[3];
		struct matcher_group group = {.members = members};
		for (unsigned l = 0; l < 3; l++)
			if (rows[i].lists >> l & 1)
				members[group.count++] = lists[l];
		for (size_t h = 0; h < 4; h++)
			CU_ASSERT_EQUAL(matcher_group_refuses(&group, hosts[h], 80), rows[i].refused[h]);
	}
	for (int i = 0; i < 3; i++)
		matcher_free(lists[i]);
}

/* Who is no IP address is in no list: a whitelist refuses it, a blacklist lets it pass. */
static void test_not_ip(void)
{
	char all[] = "0.0.0.0/0";
	struct addr none = {0};
	struct matcher *m[] = {make(true, all), make(false, all)};

	for (int white = 0; white < 2; white++) {
		const struct matcher *members[] = {m[!white]};
		struct matcher_group group = {.members = members, .count = 1};
		CU_ASSERT_EQUAL(matcher_group_refuses_addr(&group, &none), white == 1);
	}
	matcher_free(m[0]);
	matcher_free(m[1]);
}

/* An empty whitelist refuses everybody, an empty blacklist nobody. */
static void test_empty(void)
{
	char why[10];
	struct addr a;

	addr_from_in4(&a, (const uint8_t[4]){1, 2, 3, 4}, 5);
	for (int white = 0; white < 2; white++) {
		struct matcher *m = NULL;
		CU_ASSERT_EQUAL_FATAL(matcher_new(&m, MATCHER_CLIENTS, white, NULL, 0, why, sizeof(why)), 0);
		const struct matcher *members[] = {m};
		struct matcher_group group = {.members = members, .count = 1};
		CU_ASSERT_EQUAL(matcher_group_refuses_addr(&group, &a), white == 1);
		CU_ASSERT_EQUAL(matcher_group_refuses(&group, "x", 1), white == 1);
		matcher_free(m);
	}
	matcher_free(NULL);
}

static void test_long_list(void)
{
	enum { COUNT = 20000 };
	char **texts = calloc(COUNT, sizeof(*texts)), why[100], host[64];
	struct matcher *m = NULL;

	for (int i = 0; i < COUNT; i++)
		CU_ASSERT_FATAL(asprintf(&texts[i], ".n%d.example", i) > 0);
	CU_ASSERT_EQUAL_FATAL(matcher_new(&m, MATCHER_TARGETS, false, texts, COUNT, why, sizeof(why)), 0);
	for (int i = 0; i < COUNT; i++) {
		snprintf(host, sizeof(host), "www.n%d.example", i);
		CU_ASSERT_TRUE(matcher_hits(m, host, 80));
		free(texts[i]);
	}
	CU_ASSERT_FALSE(matcher_hits(m, "www.n20000.example", 80));
	matcher_free(m);
	free(texts);
}

/* A pattern that backtracks at every star must not take forever. */
static void test_hard_pattern(void)
{
	char pattern[] = "*a*a*a*a*a*a*a*a*a*a*a*a*b", text[250];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CU_ASSERT_FALSE(matcher_pattern_fits(pattern, text));
	text[sizeof(text) - 2] = 'b';
	CU_ASSERT_TRUE(matcher_pattern_fits(pattern, text));
}

static const struct unit_case cases[] = {
	{"vectors", test_vectors},     {"groups", test_groups},	      {"not an IP address", test_not_ip},
	{"empty lists", test_empty},   {"a long list", test_long_list}, {"a hard pattern", test_hard_pattern},
};

UNIT_MAIN("matcher", cases)
