/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_http_head.c - any bytes as a request and as a response, and what is made of them for the next hop.
 *
 * Why: besides memory errors it looks for broken promises: verdicts that change with more bytes, heads that grow beyond
 * HTTP_REWRITE_EXTRA, and above all a rewritten head that would be framed otherwise than the one that came.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_http.h"

typedef enum http_result (*read_fn)(const void *, size_t, size_t *, struct http_head *, const char **);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static enum http_result read_copy(read_fn read, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct http_head h;
	const char *error = NULL;
	size_t seen = 0;

	memcpy(copy, data, len);
	enum http_result r = read(copy, len, &seen, &h, &error);
	require(r != HTTP_OK || (h.len <= len && h.len == seen && !(h.chunked && h.has_length)));
	require((r == HTTP_BAD || r == HTTP_TOO_LONG) == (error != NULL));
	require(r != HTTP_MORE || len < HTTP_HEAD_MAX);
	free(copy);
	return r;
}

static void check_prefixes(read_fn read, const uint8_t *data, size_t size)
{
	enum http_result last = read_copy(read, data, size);

	for (size_t n = 0; n < size; n += size / 64 + 1) {
		enum http_result r = read_copy(read, data, n);
		require(r == HTTP_MORE || r == last);
	}
}

/* What we send must be read as we read what came. */
static void same_framing(read_fn read, const struct http_head *h, const char *out, ssize_t n)
{
	struct http_head again;
	const char *error = NULL;
	size_t seen = 0;

	require(n > 0 && n <= (ssize_t)(h->len + HTTP_REWRITE_EXTRA));
	require(read(out, (size_t)n, &seen, &again, &error) == HTTP_OK);
	require(again.len == (size_t)n && again.minor == h->minor && again.status == h->status);
	bool bare = h->status && (h->status < 200 || h->status == 204);
	require(again.chunked == (h->chunked && !bare));
	require(again.has_length == (h->has_length && !bare) && (bare || again.length == h->length));
	require(!again.authorization.at);
}

static void check_request(const uint8_t *data, size_t size, char *out, size_t cap)
{
	struct http_head h;
	struct http_target t;
	struct http_credentials c;
	const char *error = NULL;
	size_t seen = 0;

	if (http_read_request(data, size, &seen, &h, &error) != HTTP_OK)
		return;
	if (h.authorization.at && http_decode_basic(h.authorization, &c) == 0)
		require(c.user_len + 1 + c.password_len <= sizeof(c.text) && c.text[c.user_len] == ':');
	if (http_parse_target(&h, &t, &error) < 0 || t.form != HTTP_FORM_ABSOLUTE)
		return;
	enum http_persist persist = http_wants_upgrade(&h) ? HTTP_PERSIST_UPGRADE : HTTP_PERSIST_CLOSE;
	same_framing(http_read_request, &h, out, http_write_request(&h, &t, persist, out, cap));
	same_framing(http_read_request, &h, out, http_write_request(&h, &t, HTTP_PERSIST_DEFAULT, out, cap));
}

static void check_response(const uint8_t *data, size_t size, char *out, size_t cap)
{
	struct http_head h;
	const char *error = NULL;
	size_t seen = 0;

	if (http_read_response(data, size, &seen, &h, &error) != HTTP_OK)
		return;
	same_framing(http_read_response, &h, out, http_write_response(&h, HTTP_PERSIST_CLOSE, out, cap));
	same_framing(http_read_response, &h, out, http_write_response(&h, HTTP_PERSIST_DEFAULT, out, cap));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cap = HTTP_HEAD_MAX + HTTP_REWRITE_EXTRA;
	char *out = malloc(cap);

	check_prefixes(http_read_request, data, size);
	check_prefixes(http_read_response, data, size);
	check_request(data, size, out, cap);
	check_response(data, size, out, cap);
	free(out);
	return 0;
}
