/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_vectors.h - the rows of tests/vectors/proxy_header.tsv, as text, one at a time.
 *
 * Why: programs that print headers are compared with the table's own spelling, not with a decoded form of it.
 * Never: is included by anything but tests.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS "tests/vectors/proxy_header.tsv"

enum vector_column {
	VEC_NAME, VEC_HEX, VEC_EXPECTED, VEC_VERSION, VEC_CMD, VEC_FAMILY, VEC_PROTO, VEC_SRC,
	VEC_SPORT, VEC_DST, VEC_DPORT, VEC_CONSUMED, VEC_TLVS, VEC_NOTE, VEC_COLUMNS,
};

struct vector {
	char *text[VEC_COLUMNS];
	unsigned char *bytes; /* exactly len, so that a sanitizer sees one read too far */
	size_t len;
};

/* Calls fn for every row; returns their number, 0 when the table is not what it should be. */
static inline size_t for_each_vector(void (*fn)(const struct vector *))
{
	FILE *f = fopen(VECTORS, "r");
	char *line = NULL;
	size_t cap = 0, rows = 0;

	for (int first = 1; f && getline(&line, &cap, f) > 0; first = 0) {
		char *rest = line;
		struct vector v = {0};
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < VEC_COLUMNS; i++)
			v.text[i] = strsep(&rest, "\t");
		if (first)
			continue;
		if (!v.text[VEC_NOTE])
			return 0;
		v.len = strlen(v.text[VEC_HEX]) / 2;
		v.bytes = malloc(v.len ? v.len : 1);
		for (size_t i = 0; v.bytes && i < v.len; i++)
			sscanf(v.text[VEC_HEX] + 2 * i, "%2hhx", &v.bytes[i]);
		fn(&v);
		free(v.bytes);
		rows++;
	}
	if (f)
		fclose(f);
	free(line);
	return rows;
}
