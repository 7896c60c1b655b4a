/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_vectors.h - reads tests/vectors/http_*.tsv: rows of columns in which \r \n \t \xNN stand for bytes.
 *
 * Why: several programs walk the same tables.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "unit.h"

#define HTTP_COLUMNS 8

struct http_row {
	char *text[HTTP_COLUMNS]; /* decoded, with a NUL behind */
	size_t len[HTTP_COLUMNS];
};

static size_t http_unescape(char *text)
{
	char *out = text;

	for (const char *p = text; *p; out++) {
		unsigned byte = 0;
		if (p[0] != '\\') {
			*out = *p++;
		} else if (p[1] == 'x' && sscanf(p + 2, "%2x", &byte) == 1) {
			*out = (char)byte;
			p += 4;
		} else {
			*out = p[1] == 'r' ? '\r' : p[1] == 'n' ? '\n' : '\t';
			p += 2;
		}
	}
	*out = '\0';
	return (size_t)(out - text);
}

/* Fails with the row's name, so that a failure says where. */
static inline void http_check(int ok, const struct http_row *r, const char *what, size_t where)
{
	char text[2048] = "";

	if (!ok)
		snprintf(text, sizeof(text), "%.300s: %.1024s (at %zu)", r->text[0], what, where);
	CU_assertImplementation(ok ? CU_TRUE : CU_FALSE, __LINE__, text, __FILE__, "", CU_FALSE);
}

/* Calls fn for each row behind the first; the file must have at least min of them. */
static inline void http_each_row(const char *path, size_t columns, size_t min, void (*fn)(const struct http_row *row))
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0, rows = 0;
	ssize_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (size_t number = 0; (n = getline(&line, &cap, f)) > 0; number++) {
		struct http_row row = {0};
		char *rest = line;
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < columns; i++) {
			row.text[i] = strsep(&rest, "\t");
			CU_ASSERT_PTR_NOT_NULL_FATAL(row.text[i]);
			row.len[i] = http_unescape(row.text[i]);
		}
		CU_ASSERT_PTR_NULL_FATAL(rest);
		if (number) {
			fn(&row);
			rows++;
		}
	}
	CU_ASSERT(rows >= min);
	free(line);
	fclose(f);
}
