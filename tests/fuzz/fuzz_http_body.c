/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_http_body.c - any bytes as a chunked body: in one piece and in pieces the verdict must be the same.
 *
 * Why the second opinion: a body is decoded here in the plain way, with the whole of it at hand; the scanner may not find
 * an end anywhere else.
 * Input: one byte (size of the pieces), then the body.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_http.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static enum http_result feed(const uint8_t *data, size_t len, size_t piece, size_t *total)
{
	struct http_head h = {.chunked = true};
	struct http_body b;
	enum http_result r = HTTP_MORE;

	http_body_of_request(&b, &h);
	for (*total = 0; r == HTTP_MORE && *total < len;) {
		size_t n = len - *total < piece ? len - *total : piece, taken;
		uint8_t *copy = malloc(n);
		memcpy(copy, data + *total, n);
		r = http_body_scan(&b, copy, n, &taken);
		require(taken <= n && (r != HTTP_MORE || taken == n));
		*total += taken;
		free(copy);
	}
	return r;
}

/* Length of the body, or 0 when it is incomplete or not understood. */
static size_t decode(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	size_t at = 0;

	for (;;) {
		const char *end = memmem(p + at, len - at, "\r\n", 2);
		char digits[17] = "";
		if (!end || (size_t)(end - p) - at < 1)
			return 0;
		size_t n = strspn((memcpy(digits, p + at, (size_t)(end - p) - at < 16 ? (size_t)(end - p) - at : 16), digits),
				  "0123456789abcdefABCDEF");
		digits[n] = '\0';
		unsigned long long size = strtoull(digits, NULL, 16);
		at = (size_t)(end - p) + 2;
		if (!size)
			break;
		if (size > len - at || len - at - size < 2)
			return 0;
		at += size + 2;
	}
	for (;;) {
		const char *end = memmem(p + at, len - at, "\r\n", 2);
		if (!end)
			return 0;
		if (end == p + at)
			return at + 2;
		at = (size_t)(end - p) + 2;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole, pieces;

	if (!size)
		return 0;
	enum http_result r = feed(data + 1, size - 1, size, &whole);
	require(feed(data + 1, size - 1, (size_t)data[0] + 1, &pieces) == r && pieces == whole);
	if (r == HTTP_OK)
		require(decode(data + 1, size - 1) == whole);
	return 0;
}
