/* SPDX-License-Identifier: BSD-2-Clause */
/* test_proxy_text.c - what of a TLV may reach a log as it is, and what only as hex. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_text.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_values(void)
{
	static const struct {
		const char *value, *text;
	} rows[] = {
		{"", ""},
		{"example.com", "example.com"},
		{"b\303\274cher.example", "b\303\274cher.example"},
		{"\360\237\230\200", "\360\237\230\200"},
		{"a\nb", "hex:610a62"},
		{"\x1b[31m", "hex:1b5b33316d"},
		{"a\x7f", "hex:617f"},
		{"\302\205", "hex:c285"},		      /* C1: next line */
		{"\342\200\256moc", "hex:e280ae6d6f63"},      /* right to left */
		{"a\342\200\213b", "hex:61e2808b62"},	      /* nothing wide */
		{"\300\257", "hex:c0af"},		      /* longer than needed */
		{"\355\240\200", "hex:eda080"},		      /* half a pair */
		{"\364\220\200\200", "hex:f4908080"},	      /* beyond the last */
		{"\303", "hex:c3"},			      /* cut short */
		{"\377", "hex:ff"},
		{"%s%n", "%s%n"},
		{"\"\\", "\"\\"},			      /* the log escapes these */
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[PROXY_TEXT_MAX];
		CU_ASSERT_STRING_EQUAL(proxy_text(rows[i].value, strlen(rows[i].value), out), rows[i].text);
	}
	char out[PROXY_TEXT_MAX];
	CU_ASSERT_STRING_EQUAL(proxy_text("a\0b", 3, out), "hex:610062");
}

/* Every length up to beyond the room, of one, two and four bytes a character, and of what is not text. */
static void test_lengths(void)
{
	static const char *const units[] = {"a", "\303\274", "\360\237\230\200", "\377"};
	char out[PROXY_TEXT_MAX];

	for (size_t u = 0; u < COUNT(units); u++)
		for (size_t n = 0; n < 400; n++) {
			size_t one = strlen(units[u]), len = n * one;
			char *value = malloc(len + 1);
			for (size_t i = 0; i < n; i++)
				memcpy(value + i * one, units[u], one);
			proxy_text(value, len, out);
			size_t shown = strlen(out);
			CU_ASSERT(shown < PROXY_TEXT_MAX);
			CU_ASSERT(len <= PROXY_TEXT_MAX || !strcmp(out + shown - 3, "..."));
			CU_ASSERT(u == 3 || len > PROXY_TEXT_MAX - 4 || (shown == len && !memcmp(out, value, len)));
			free(value);
		}
}

static const struct unit_case cases[] = {
	{"values", test_values},
	{"lengths", test_lengths},
};

UNIT_MAIN("proxy_text", cases)
