/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_vectors.h - rows of a table with one column of bytes, and the check of every prefix of each.
 *
 * Why: the tables of several codecs have one form: an expected summary, or "reject@N sentence" where N is the number
 * of bytes that settle it. Every shorter prefix must ask for more, every longer one must give the same answer.
 * Never: is included by anything but tests.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { WIRE_COLUMNS = 6 };

struct wire_row {
	char *column[WIRE_COLUMNS];
	unsigned char *bytes; /* exactly len, so that a sanitizer sees one read too far */
	size_t len;
};

/* "accept ..." never occurs in a table: what a codec says is a summary, "more", or "reject sentence". */
typedef void (*wire_say_fn)(const struct wire_row *row, const unsigned char *data, size_t len, char *out, size_t cap);

static inline void wire_parse_row(struct wire_row *row, char *line, int hex_column)
{
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < WIRE_COLUMNS; i++)
		row->column[i] = strsep(&line, "\t");
	row->len = strlen(row->column[hex_column]) / 2;
	row->bytes = malloc(row->len ? row->len : 1);
	for (size_t i = 0; row->bytes && i < row->len; i++)
		sscanf(row->column[hex_column] + 2 * i, "%2hhx", &row->bytes[i]);
}

/* Calls fn for every row; returns their number. */
static inline size_t wire_for_each(const char *path, int hex_column, void (*fn)(const struct wire_row *))
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0, rows = 0;

	for (int first = 1; f && getline(&line, &cap, f) > 0; first = 0) {
		struct wire_row row = {0};
		if (first)
			continue;
		wire_parse_row(&row, line, hex_column);
		fn(&row);
		free(row.bytes);
		rows++;
	}
	if (f)
		fclose(f);
	free(line);
	return rows;
}

static inline void wire_expect(const struct wire_row *row, const unsigned char *data, size_t len, const char *want,
			       wire_say_fn say)
{
	char got[2048];

	say(row, data, len, got, sizeof(got));
	if (strcmp(got, want) != 0)
		printf("    %s, %zu bytes: got \"%s\", expected \"%s\"\n", row->column[0], len, got, want);
	CU_ASSERT_STRING_EQUAL(got, want);
}

/* Each prefix in a buffer of its own, then the whole with bytes behind it. */
static inline void wire_check_prefixes(const struct wire_row *row, const char *expected, wire_say_fn say)
{
	size_t decided = row->len;
	char want[2048];

	snprintf(want, sizeof(want), "%s", expected);
	if (!strncmp(expected, "reject@", 7)) {
		char *sentence;
		decided = strtoul(expected + 7, &sentence, 10);
		snprintf(want, sizeof(want), "reject%s", sentence);
	}
	CU_ASSERT_FATAL(decided <= row->len);
	for (size_t n = 0; n <= row->len; n++) {
		unsigned char *copy = malloc(n ? n : 1);
		memcpy(copy, row->bytes, n);
		wire_expect(row, copy, n, n < decided ? "more" : want, say);
		free(copy);
	}
	unsigned char *longer = malloc(row->len + 40);
	memcpy(longer, row->bytes, row->len);
	memset(longer + row->len, 0x01, 40);
	wire_expect(row, longer, row->len + 40, want, say);
	free(longer);
}
