/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_http_body.c - where bodies end: tests/vectors/http_body.tsv in one piece, in every prefix, in every two pieces
 * and byte by byte; and which framing follows from a head.
 */
#include "http_vectors.h"
#include "proto_http.h"

enum { BODY_FRAMING = 1, BODY_TEXT, BODY_EXPECTED, BODY_TAKEN, BODY_NOTE, BODY_COLUMNS };

static const char *const result_names[] = {"ok", "more", "bad"};

static struct http_body body_of(const char *framing)
{
	struct http_head h = {.status = 200};
	struct http_body b;

	if (!strcmp(framing, "chunked"))
		h.chunked = true;
	else if (framing[0] >= '0' && framing[0] <= '9')
		h.has_length = true;
	h.length = strtoull(framing, NULL, 10);
	http_body_of_response(&b, &h, !strcmp(framing, "none"));
	return b;
}

/* Feeds text in pieces of the given size; *taken over all of them. */
static enum http_result feed(struct http_body *b, const char *text, size_t len, size_t piece, size_t *taken)
{
	enum http_result r = HTTP_MORE;

	*taken = 0;
	while (r == HTTP_MORE && *taken < len) {
		size_t n = len - *taken < piece ? len - *taken : piece, got = 0;
		char *copy = malloc(n);
		memcpy(copy, text + *taken, n);
		r = http_body_scan(b, copy, n, &got);
		CU_ASSERT_FATAL(got <= n && (r != HTTP_MORE || got == n));
		*taken += got;
		free(copy);
	}
	return r;
}

static void check_pieces(const struct http_row *row, size_t piece)
{
	struct http_body b = body_of(row->text[BODY_FRAMING]);
	size_t taken, want = strtoul(row->text[BODY_TAKEN], NULL, 10);
	enum http_result r = feed(&b, row->text[BODY_TEXT], row->len[BODY_TEXT], piece, &taken);

	http_check(!strcmp(result_names[r], row->text[BODY_EXPECTED]), row, result_names[r], piece);
	http_check(taken == want, row, "taken", taken);
}

static void check_prefixes(const struct http_row *row)
{
	size_t want = strtoul(row->text[BODY_TAKEN], NULL, 10);

	for (size_t n = 1; n < row->len[BODY_TEXT]; n++) {
		struct http_body b = body_of(row->text[BODY_FRAMING]);
		size_t taken;
		enum http_result r = feed(&b, row->text[BODY_TEXT], n, n, &taken);
		if (r == HTTP_MORE)
			http_check(taken == n, row, "a prefix is not taken whole", n);
		else
			http_check(!strcmp(result_names[r], row->text[BODY_EXPECTED]) && taken == want, row, "a prefix", n);
	}
}

static void check_body(const struct http_row *row)
{
	for (size_t piece = 1; piece <= row->len[BODY_TEXT]; piece++)
		check_pieces(row, piece);
	check_prefixes(row);
}

static void test_bodies(void)
{
	http_each_row("tests/vectors/http_body.tsv", BODY_COLUMNS, 38, check_body);
}

/* Lines and trailers of a peer that never ends them. */
static void test_endless_lines(void)
{
	static const char *const starts[] = {"1;", "1 ", "0\r\nA: b"};

	for (size_t i = 0; i < 3; i++) {
		struct http_body b = body_of("chunked");
		size_t taken, total = 0;
		enum http_result r = feed(&b, starts[i], strlen(starts[i]), 99, &taken);
		for (; r == HTTP_MORE && total < 100000; total++)
			r = http_body_scan(&b, i == 1 ? " " : "x", 1, &taken);
		CU_ASSERT_EQUAL(r, HTTP_BAD);
		CU_ASSERT(total < 17000);
	}
}

static void test_bad_stays_bad(void)
{
	struct http_body b = body_of("chunked");
	size_t taken = 9;

	CU_ASSERT_EQUAL(http_body_scan(&b, "x", 1, &taken), HTTP_BAD);
	CU_ASSERT_EQUAL(http_body_scan(&b, "5\r\nhello", 8, &taken), HTTP_BAD);
	CU_ASSERT_EQUAL(taken, 0);
}

static void test_large_length(void)
{
	struct http_head h = {.has_length = true, .length = 999999999999999999};
	struct http_body b;
	size_t taken;

	http_body_of_request(&b, &h);
	CU_ASSERT_EQUAL(http_body_scan(&b, "abc", 3, &taken), HTTP_MORE);
	CU_ASSERT_EQUAL(taken, 3);
	CU_ASSERT_EQUAL(b.left, 999999999999999996);
}

static void test_framing_of_responses(void)
{
	static const struct {
		struct http_head h;
		bool head;
		enum http_framing want;
	} table[] = {
		{{.status = 200}, false, HTTP_BODY_CLOSE},
		{{.status = 200}, true, HTTP_BODY_NONE},
		{{.status = 200, .chunked = true}, false, HTTP_BODY_CHUNKED},
		{{.status = 200, .chunked = true}, true, HTTP_BODY_NONE},
		{{.status = 200, .has_length = true, .length = 3}, false, HTTP_BODY_LENGTH},
		{{.status = 200, .has_length = true, .length = 3}, true, HTTP_BODY_NONE},
		{{.status = 200, .has_length = true}, false, HTTP_BODY_NONE},
		{{.status = 100, .has_length = true, .length = 3}, false, HTTP_BODY_NONE},
		{{.status = 101}, false, HTTP_BODY_NONE},
		{{.status = 204, .chunked = true}, false, HTTP_BODY_NONE},
		{{.status = 304, .has_length = true, .length = 3}, false, HTTP_BODY_NONE},
		{{.status = 404}, false, HTTP_BODY_CLOSE},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct http_body b;
		http_body_of_response(&b, &table[i].h, table[i].head);
		CU_ASSERT_EQUAL(b.framing, table[i].want);
	}
}

static const struct unit_case cases[] = {
	{"bodies", test_bodies},
	{"lines without an end", test_endless_lines},
	{"bad stays bad", test_bad_stays_bad},
	{"a large length", test_large_length},
	{"framing of responses", test_framing_of_responses},
};

UNIT_MAIN("proto_http_body", cases)
