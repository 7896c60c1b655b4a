/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_text.c - see proxy_text.h.
 *
 * Owns: nothing. Never: depends on the locale.
 */
#include "proxy_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = PROXY_TEXT_MAX - 4 }; /* "..." and NUL */

/* One character of len bytes at most: how many it has, 0 when it is not UTF-8 in its shortest form. */
static size_t decode(const uint8_t *s, size_t len, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;

	if (!n || n > len)
		return 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3F);
	}
	if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*out = c;
	return n;
}

/* Controls, and what reorders, hides or separates text. */
static bool is_shown(uint32_t c)
{
	static const uint32_t hidden[][2] = {
		{0, 0x1F},	  {0x7F, 0x9F},	    {0xAD, 0xAD},     {0x61C, 0x61C},	{0x200B, 0x200F},
		{0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFF}, {0xE0000, 0xE0FFF},
	};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (c >= hidden[i][0] && c <= hidden[i][1])
			return false;
	return true;
}

/* How many bytes of whole, harmless characters fit; the whole value must be harmless, shown or not. */
static bool is_text(const uint8_t *s, size_t len, size_t *shown)
{
	uint32_t c;

	*shown = 0;
	for (size_t at = 0, n; at < len; at += n) {
		n = decode(s + at, len - at, &c);
		if (!n || !is_shown(c))
			return false;
		if (at + n <= SHOWN_MAX)
			*shown = at + n;
	}
	return true;
}

static size_t put_hex(const uint8_t *s, size_t len, char out[static PROXY_TEXT_MAX])
{
	size_t at = (size_t)snprintf(out, PROXY_TEXT_MAX, "hex:"), shown = 0;

	for (; shown < len && at + 2 <= SHOWN_MAX; shown++)
		at += (size_t)snprintf(out + at, PROXY_TEXT_MAX - at, "%02x", s[shown]);
	return shown;
}

const char *proxy_text(const void *value, size_t len, char out[static PROXY_TEXT_MAX])
{
	size_t shown;

	if (is_text(value, len, &shown)) {
		if (shown)
			memcpy(out, value, shown);
		out[shown] = '\0';
	} else {
		shown = put_hex(value, len, out);
	}
	if (shown < len)
		memcpy(out + strlen(out), "...", 4);
	return out;
}
