/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hex.c - see hex.h.
 *
 * Never: guesses where half a byte belongs; "d a" is an error.
 */
#include "hex.h"

#include <errno.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t skip_separators(const char *text, size_t len, size_t at)
{
	while (at < len && (text[at] == ' ' || text[at] == ':' || (text[at] >= '\t' && text[at] <= '\r')))
		at++;
	if (len - at > 2 && text[at] == '0' && (text[at + 1] | 0x20) == 'x')
		at += 2;
	return at;
}

ssize_t hex_decode(const char *text, size_t len, uint8_t *out, size_t cap)
{
	size_t count = 0;

	for (size_t at = 0; (at = skip_separators(text, len, at)) < len; at += 2) {
		int high = digit(text[at]), low = len - at >= 2 ? digit(text[at + 1]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		if (count == cap)
			return -ENOSPC;
		out[count++] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)count;
}

char *hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}
