/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_http.c - heads, targets, credentials and rewriting against tests/vectors/http_*.tsv.
 *
 * Why: every row is checked whole, in every prefix and byte by byte; a verdict must never change with what comes later.
 * Buffers are allocated to size, so that a sanitizer sees a byte too far.
 */
#include <errno.h>

#include "http_vectors.h"
#include "proto_http.h"

static const char *const result_names[] = {"ok", "more", "bad", "long"};

typedef enum http_result (*read_fn)(const void *, size_t, size_t *, struct http_head *, const char **);

static read_fn reader_of(const char *kind)
{
	return strcmp(kind, "request") ? http_read_response : http_read_request;
}

static char *copy_of(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, text, len);
	return copy;
}

static int same(struct http_slice s, const char *text, size_t len)
{
	return s.len == len && (!len || memcmp(s.at, text, len) == 0);
}

/* --- heads -------------------------------------------------------------------------------------------------------- */

enum { HEAD_KIND = 1, HEAD_TEXT, HEAD_EXPECTED, HEAD_FACTS, HEAD_NOTE, HEAD_COLUMNS };

static void facts_of(const struct http_head *h, char *out, size_t cap)
{
	char framing[32] = "none", flags[8] = "", *f = flags;

	if (h->chunked)
		strcpy(framing, "chunked");
	else if (h->has_length)
		snprintf(framing, sizeof(framing), "%llu", (unsigned long long)h->length);
	if (h->close)
		*f++ = 'c';
	if (h->keep_alive)
		*f++ = 'k';
	if (h->upgrade)
		*f++ = 'u';
	if (f == flags)
		*f++ = '-';
	*f = '\0';
	if (h->status)
		snprintf(out, cap, "%d %.*s %d %s %s %zu", h->status, (int)h->reason.len, h->reason.at, h->minor, framing, flags,
			 h->count);
	else
		snprintf(out, cap, "%.*s %.*s %d %s %s %zu", (int)h->method.len, h->method.at, (int)h->target.len,
			 h->target.at, h->minor, framing, flags, h->count);
}

static void check_facts(const struct http_row *row, const struct http_head *h)
{
	char facts[1024];

	facts_of(h, facts, sizeof(facts));
	http_check(!strcmp(facts, row->text[HEAD_FACTS]), row, facts, h->len);
}

/* Every prefix alone; and with what the shorter ones had seen: both must agree. */
static void check_prefixes(const struct http_row *row, enum http_result final)
{
	read_fn read = reader_of(row->text[HEAD_KIND]);
	size_t kept = 0;
	int decided = 0;

	for (size_t n = 0; n <= row->len[HEAD_TEXT]; n++) {
		struct http_head h, again;
		const char *error = NULL;
		size_t seen = 0;
		char *copy = copy_of(row->text[HEAD_TEXT], n);
		enum http_result r = read(copy, n, &seen, &h, &error);
		http_check(r == final || (r == HTTP_MORE && !decided), row, "a prefix is judged differently", n);
		http_check((r == HTTP_BAD || r == HTTP_TOO_LONG) == !!error, row, "an error without words", n);
		if (!decided) {
			http_check(read(copy, n, &kept, &again, &error) == r, row, "piecewise differs", n);
			http_check(r != HTTP_OK || kept == again.len, row, "seen is not the length", n);
		}
		decided |= r != HTTP_MORE;
		free(copy);
	}
}

static void check_head(const struct http_row *row)
{
	struct http_head h = {0};
	const char *error = NULL;
	size_t seen = 0;
	enum http_result r =
		reader_of(row->text[HEAD_KIND])(row->text[HEAD_TEXT], row->len[HEAD_TEXT], &seen, &h, &error);

	http_check(!strcmp(result_names[r], row->text[HEAD_EXPECTED]), row, error ? error : result_names[r], seen);
	if (r == HTTP_OK)
		check_facts(row, &h);
	else if (r != HTTP_MORE)
		http_check(error && !strncmp(error, row->text[HEAD_FACTS], row->len[HEAD_FACTS]), row, error, seen);
	check_prefixes(row, r);
}

static void test_heads(void)
{
	http_each_row("tests/vectors/http_head.tsv", HEAD_COLUMNS, 90, check_head);
}

static void test_head_too_long(void)
{
	static char buf[HTTP_HEAD_MAX + 100];
	struct http_head h;
	const char *error = NULL;
	size_t seen = 0;

	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "GET / HTTP/1.1\r\nX: ", 19);
	CU_ASSERT_EQUAL(http_read_request(buf, HTTP_HEAD_MAX - 1, &seen, &h, &error), HTTP_MORE);
	CU_ASSERT_EQUAL(http_read_request(buf, HTTP_HEAD_MAX, &seen, &h, &error), HTTP_TOO_LONG);
	CU_ASSERT_PTR_NOT_NULL(error);
	memcpy(buf + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	seen = 0;
	CU_ASSERT_EQUAL(http_read_request(buf, sizeof(buf), &seen, &h, &error), HTTP_OK);
	CU_ASSERT_EQUAL(h.len, HTTP_HEAD_MAX);
}

static void test_empty_line_in_front(void)
{
	CU_ASSERT_EQUAL(http_skip_empty_line("\r\nGET", 5), 2);
	CU_ASSERT_EQUAL(http_skip_empty_line("\r", 1), 0);
	CU_ASSERT_EQUAL(http_skip_empty_line("\n\r", 2), 0);
	CU_ASSERT_EQUAL(http_skip_empty_line("GET", 3), 0);
}

/* --- targets ------------------------------------------------------------------------------------------------------ */

enum { TARGET_METHOD = 1, TARGET_TEXT, TARGET_EXPECTED, TARGET_AUTHORITY, TARGET_HOST, TARGET_PORT, TARGET_PATH, TARGET_COLUMNS };

static void check_target_parts(const struct http_row *row, const struct http_target *t)
{
	static const char *const forms[] = {"authority", "absolute", "origin", "asterisk"};

	http_check(!strcmp(forms[t->form], row->text[TARGET_EXPECTED]), row, forms[t->form], 0);
	http_check(same(t->authority, row->text[TARGET_AUTHORITY], row->len[TARGET_AUTHORITY]), row, "authority", 0);
	http_check(same(t->host, row->text[TARGET_HOST], row->len[TARGET_HOST]), row, "host", 0);
	http_check(t->port == atoi(row->text[TARGET_PORT]), row, "port", t->port);
	http_check(same(t->path, row->text[TARGET_PATH], row->len[TARGET_PATH]), row, "path", 0);
}

static void check_target(const struct http_row *row)
{
	char *text = copy_of(row->text[TARGET_TEXT], row->len[TARGET_TEXT]);
	struct http_head h = {.method = {row->text[TARGET_METHOD], row->len[TARGET_METHOD]},
			      .target = {text, row->len[TARGET_TEXT]}};
	struct http_target t = {.port = 7};
	const char *error = NULL;
	int err = http_parse_target(&h, &t, &error);

	if (!strcmp(row->text[TARGET_EXPECTED], "bad")) {
		http_check(err == -EINVAL && error && t.port == 7, row, "is not refused", 0);
	} else {
		http_check(err == 0, row, error ? error : "?", 0);
		check_target_parts(row, &t);
	}
	/* Any shorter one may be right or wrong, but must be read within its bounds. */
	for (size_t n = 1; n < row->len[TARGET_TEXT]; n++) {
		char *part = copy_of(text, n);
		h.target = (struct http_slice){part, n};
		err = http_parse_target(&h, &t, &error);
		http_check(err || t.host.len <= n, row, "a prefix", n);
		free(part);
	}
	free(text);
}

static void test_targets(void)
{
	http_each_row("tests/vectors/http_target.tsv", TARGET_COLUMNS, 45, check_target);
}

/* --- credentials -------------------------------------------------------------------------------------------------- */

enum { BASIC_VALUE = 1, BASIC_EXPECTED, BASIC_USER, BASIC_PASSWORD, BASIC_COLUMNS };

static void check_basic(const struct http_row *row)
{
	struct http_credentials c = {0};
	char *text = copy_of(row->text[BASIC_VALUE], row->len[BASIC_VALUE]);
	int err = http_decode_basic((struct http_slice){text, row->len[BASIC_VALUE]}, &c);

	http_check(err == (strcmp(row->text[BASIC_EXPECTED], "ok") ? -EINVAL : 0), row, "verdict", 0);
	if (!err) {
		http_check(same((struct http_slice){c.text, c.user_len}, row->text[BASIC_USER], row->len[BASIC_USER]), row, "user", 0);
		http_check(same((struct http_slice){c.text + c.user_len + 1, c.password_len}, row->text[BASIC_PASSWORD],
				row->len[BASIC_PASSWORD]), row, "password", 0);
	}
	for (size_t n = 0; n < row->len[BASIC_VALUE]; n++) {
		char *part = copy_of(text, n);
		http_decode_basic((struct http_slice){part, n}, &c);
		free(part);
	}
	free(text);
}

static void test_basic(void)
{
	http_each_row("tests/vectors/http_basic.tsv", BASIC_COLUMNS, 20, check_basic);
}

static void test_basic_both_ways(void)
{
	char user[300], password[300], text[1024];
	struct http_credentials c;

	for (size_t n = 0; n < 255; n++) {
		memset(user, 'u', n);
		memset(password, 'p' + (int)(n % 3), n);
		user[n] = password[n] = '\0';
		ssize_t len = http_encode_basic(user, password, text, sizeof(text));
		CU_ASSERT_EQUAL_FATAL(len, (ssize_t)strlen(text));
		CU_ASSERT_EQUAL_FATAL(http_decode_basic((struct http_slice){text, (size_t)len}, &c), 0);
		CU_ASSERT(c.user_len == n && c.password_len == n && !memcmp(c.text, user, n) && !memcmp(c.text + n + 1, password, n));
		CU_ASSERT_EQUAL(http_encode_basic(user, password, text, (size_t)len), -ENOSPC);
	}
}

static void test_basic_too_long(void)
{
	char user[HTTP_CREDENTIALS_MAX + 1], text[1024];
	struct http_credentials c;

	memset(user, 'u', sizeof(user));
	user[HTTP_CREDENTIALS_MAX - 1] = '\0';
	ssize_t len = http_encode_basic(user, "", text, sizeof(text));
	CU_ASSERT_EQUAL(http_decode_basic((struct http_slice){text, (size_t)len}, &c), 0);
	user[HTTP_CREDENTIALS_MAX - 1] = 'u';
	user[HTTP_CREDENTIALS_MAX] = '\0';
	len = http_encode_basic(user, "", text, sizeof(text));
	CU_ASSERT_EQUAL(http_decode_basic((struct http_slice){text, (size_t)len}, &c), -EMSGSIZE);
}

/* --- rewriting ---------------------------------------------------------------------------------------------------- */

enum { WRITE_KIND = 1, WRITE_TEXT, WRITE_PERSIST, WRITE_OUTPUT, WRITE_COLUMNS };

static ssize_t rewrite(const struct http_row *row, const struct http_head *h, char *out, size_t cap)
{
	enum http_persist persist = !strcmp(row->text[WRITE_PERSIST], "close")     ? HTTP_PERSIST_CLOSE
				    : !strcmp(row->text[WRITE_PERSIST], "upgrade") ? HTTP_PERSIST_UPGRADE
										   : HTTP_PERSIST_DEFAULT;
	struct http_target t = {0};
	const char *error = NULL;

	if (strcmp(row->text[WRITE_KIND], "request"))
		return http_write_response(h, persist, out, cap);
	http_check(http_parse_target(h, &t, &error) == 0, row, "target", 0);
	return http_write_request(h, &t, persist, out, cap);
}

static void check_rewrite(const struct http_row *row)
{
	struct http_head h;
	const char *error = NULL;
	size_t seen = 0, max = row->len[WRITE_TEXT] + HTTP_REWRITE_EXTRA;
	char *out = malloc(max);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	http_check(reader_of(row->text[WRITE_KIND])(row->text[WRITE_TEXT], row->len[WRITE_TEXT], &seen, &h, &error) == HTTP_OK, row,
		   "is not a head", 0);
	ssize_t n = rewrite(row, &h, out, max);
	http_check(n == (ssize_t)row->len[WRITE_OUTPUT] && !memcmp(out, row->text[WRITE_OUTPUT], (size_t)n), row, "output", (size_t)n);
	for (size_t cap = 0; cap < row->len[WRITE_OUTPUT]; cap++) {
		char *small = malloc(cap ? cap : 1);
		http_check(rewrite(row, &h, small, cap) == -ENOSPC, row, "room", cap);
		free(small);
	}
	free(out);
}

static void test_rewriting(void)
{
	http_each_row("tests/vectors/http_rewrite.tsv", WRITE_COLUMNS, 22, check_rewrite);
}

static void test_upgrades(void)
{
	static const struct {
		const char *text;
		bool wants;
	} cases[] = {
		{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: upgrade\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: ,\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_head h;
		const char *error = NULL;
		size_t seen = 0;
		CU_ASSERT_EQUAL(http_read_request(cases[i].text, strlen(cases[i].text), &seen, &h, &error), HTTP_OK);
		CU_ASSERT_EQUAL(http_wants_upgrade(&h), cases[i].wants);
	}
}

static const struct unit_case cases[] = {
	{"heads", test_heads},
	{"a head that is too long", test_head_too_long},
	{"an empty line in front", test_empty_line_in_front},
	{"targets", test_targets},
	{"Basic credentials", test_basic},
	{"Basic both ways", test_basic_both_ways},
	{"credentials that are too long", test_basic_too_long},
	{"rewriting", test_rewriting},
	{"which upgrades pass", test_upgrades},
};

UNIT_MAIN("proto_http", cases)
