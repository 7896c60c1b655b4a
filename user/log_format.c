/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_format.c - one record to one line: GOST's JSON, or logrus' text.
 *
 * Why: written by hand because every session pays for it four times. A value may hold anything a client
 * sent: what is not valid UTF-8 or could steer a terminal is escaped, so a line is always one line.
 * Owns: nothing but a per-thread copy of the current second's text.
 * Never: allocates, does I/O.
 * See: log.h; RFC 8259 (JSON), RFC 3629 (UTF-8).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "log.h"

#define ITEMS_MAX     (LOG_FIELDS_MAX + 3) /* level, time, msg */
#define TIME_TEXT_MAX 40

/* What is written so far. Once full it stays full, and the line is thrown away. */
struct line {
	char *at, *end;
	bool full;
	enum log_format format;
	size_t value_max; /* no string value is longer than this, escapes included */
};

/* A field and the first bytes of its key as a number, so that most comparisons are one instruction. */
struct item {
	uint64_t rank;
	const struct log_field *field;
};

static void put_bytes(struct line *ln, const char *bytes, size_t len)
{
	if (len > (size_t)(ln->end - ln->at)) {
		ln->full = true;
		return;
	}
	memcpy(ln->at, bytes, len);
	ln->at += len;
}

static void put_char(struct line *ln, char c)
{
	put_bytes(ln, &c, 1);
}

static void put_u64(struct line *ln, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put_bytes(ln, digits + n, sizeof(digits) - n);
}

static void put_i64(struct line *ln, int64_t v)
{
	if (v < 0)
		put_char(ln, '-');
	put_u64(ln, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

/* --- strings --- */

/* What stands for itself between quotes: printable ASCII except '"' and '\\'. */
static const bool plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

/* Length of the character that starts with this byte, or 0: no character does. */
static size_t utf8_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Bytes of the UTF-8 character at s, or 0: cut, overlong, surrogate or beyond U+10FFFF. */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = utf8_len(s[0]);

	if (!n || n > len)
		return 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return n;
}

static char short_escape(uint32_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

/* Control characters of both sets, and the two line separators that JavaScript takes for newlines. */
static bool must_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

/*
 * The next character of s as it is to be written; *used = bytes of s. An invalid byte is U+FFFD in JSON, which
 * cannot say it otherwise, and \xNN in text.
 */
static size_t next_unit(const char *s, size_t len, enum log_format format, char out[static 8], size_t *used)
{
	uint32_t c = 0;
	size_t n = utf8_decode((const unsigned char *)s, len, &c);

	*used = n ? n : 1;
	if (!n && format == LOG_FORMAT_TEXT)
		return (size_t)snprintf(out, 8, "\\x%02x", (unsigned char)*s);
	if (!n)
		return (size_t)snprintf(out, 8, "\\ufffd");
	if (short_escape(c)) {
		out[0] = '\\';
		out[1] = short_escape(c);
		return 2;
	}
	if (must_escape(c))
		return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)c & 0xffff);
	memcpy(out, s, n);
	return n;
}

/* Copies the plain characters at the start of s; returns how many. The inner loop of all logging. */
static size_t put_plain(struct line *ln, const char *s, size_t len)
{
	size_t room = (size_t)(ln->end - ln->at), n = 0;

	if (len > room)
		len = room;
	for (; n < len && plain[(unsigned char)s[n]]; n++)
		ln->at[n] = s[n];
	ln->at += n;
	return n;
}

static void put_escaped(struct line *ln, const char *s, size_t max)
{
	size_t len = strlen(s);

	for (;;) {
		char unit[8];
		size_t used, n = put_plain(ln, s, len < max ? len : max);

		s += n;
		len -= n;
		max -= n;
		if (!len || !max || ln->full)
			return;
		n = next_unit(s, len, ln->format, unit, &used);
		if (n > max)
			return;
		put_bytes(ln, unit, n);
		s += used;
		len -= used;
		max -= n;
	}
}

static void put_quoted(struct line *ln, const char *s, size_t max)
{
	put_char(ln, '"');
	put_escaped(ln, s, max);
	put_char(ln, '"');
}

/* logrus leaves only these bare. */
static bool is_bare(const char *s)
{
	for (; *s; s++) {
		bool alnum = (*s >= '0' && *s <= '9') || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z');
		if (!alnum && !strchr("-._/@^+", *s))
			return false;
	}
	return true;
}

static void put_string(struct line *ln, const char *s)
{
	if (ln->format == LOG_FORMAT_TEXT && is_bare(s) && strlen(s) <= ln->value_max)
		put_bytes(ln, s, strlen(s));
	else
		put_quoted(ln, s, ln->value_max);
}

/* --- time --- */

static void format_second(time_t second, char head[static 24], char zone[static 8])
{
	struct tm tm;

	if (!localtime_r(&second, &tm))
		memset(&tm, 0, sizeof(tm));
	strftime(head, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	int minutes = (int)(tm.tm_gmtoff / 60);
	unsigned away = (unsigned)abs(minutes) % (24 * 60);
	if (!minutes)
		strcpy(zone, "Z");
	else
		snprintf(zone, 8, "%c%02u:%02u", minutes < 0 ? '-' : '+', away / 60, away % 60);
}

/* 2006-01-02T15:04:05.000Z07:00 in Go's notation. The second changes rarely, so each thread keeps its text. */
static void format_time(uint64_t wall_ns, char out[static TIME_TEXT_MAX])
{
	static _Thread_local struct {
		bool valid;
		time_t second;
		char head[24], zone[8];
	} cache; /* a pure function's memory, not state: dropping it changes nothing */
	time_t second = (time_t)(wall_ns / 1000000000U);
	unsigned ms = (unsigned)(wall_ns % 1000000000U / 1000000U);

	if (!cache.valid || cache.second != second) {
		format_second(second, cache.head, cache.zone);
		cache.second = second;
		cache.valid = true;
	}
	char *p = stpcpy(out, cache.head);
	*p++ = '.';
	*p++ = (char)('0' + ms / 100);
	*p++ = (char)('0' + ms / 10 % 10);
	*p++ = (char)('0' + ms % 10);
	strcpy(p, cache.zone);
}

/* --- a whole line --- */

static uint64_t key_rank(const char *key)
{
	uint64_t rank = 0;

	for (int i = 0; i < 8; i++)
		rank = rank << 8 | (unsigned char)(*key ? *key++ : 0);
	return rank;
}

static int compare_items(const struct item *a, const struct item *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return strcmp(a->field->key, b->field->key);
}

/* Insertion sort: a dozen fields, mostly added in order already. */
static size_t add_item(struct item *items, size_t count, const struct log_field *field)
{
	struct item new = {key_rank(field->key), field};
	size_t at = count;

	while (at && compare_items(&items[at - 1], &new) > 0)
		at--;
	if (at && compare_items(&items[at - 1], &new) == 0) {
		items[at - 1] = new;
		return count;
	}
	memmove(items + at + 1, items + at, (count - at) * sizeof(*items));
	items[at] = new;
	return count + 1;
}

static void put_value(struct line *ln, const struct log_field *field)
{
	char text[ADDR_TEXT_MAX];

	switch (field->type) {
	case LOG_FIELD_STR:
		put_string(ln, field->str);
		break;
	case LOG_FIELD_U64:
		put_u64(ln, field->u64);
		break;
	case LOG_FIELD_I64:
		put_i64(ln, field->i64);
		break;
	case LOG_FIELD_BOOL:
		put_bytes(ln, field->boolean ? "true" : "false", field->boolean ? 4 : 5);
		break;
	case LOG_FIELD_ADDR:
		put_string(ln, addr_format(field->addr, text));
		break;
	}
}

static void put_item(struct line *ln, const struct log_field *field, bool first)
{
	if (ln->format == LOG_FORMAT_JSON) {
		put_char(ln, first ? '{' : ',');
		put_quoted(ln, field->key, SIZE_MAX);
		put_char(ln, ':');
	} else {
		if (!first)
			put_char(ln, ' ');
		put_bytes(ln, field->key, strlen(field->key));
		put_char(ln, '=');
	}
	put_value(ln, field);
}

/* Length of the line, or 0 when it does not fit with values of at most value_max bytes. */
static size_t try_line(char *out, size_t cap, enum log_format format, const struct item *items, size_t count,
		       size_t value_max)
{
	struct line ln = {.at = out, .end = out + cap, .format = format, .value_max = value_max};

	for (size_t i = 0; i < count; i++)
		put_item(&ln, items[i].field, i == 0);
	put_bytes(&ln, "}\n" + (format == LOG_FORMAT_TEXT), 2 - (format == LOG_FORMAT_TEXT));
	return ln.full ? 0 : (size_t)(ln.at - out);
}

/* The largest value_max that fits, by halving: only the longest values lose anything. */
static size_t cut_line(char *out, size_t cap, enum log_format format, const struct item *items, size_t count)
{
	size_t fits = 0, too_long = cap;

	while (too_long - fits > 1) {
		size_t middle = fits + (too_long - fits) / 2;
		if (try_line(out, cap, format, items, count, middle))
			fits = middle;
		else
			too_long = middle;
	}
	return try_line(out, cap, format, items, count, fits);
}

static size_t collect(struct item *items, enum log_format format, const struct log_record *rec,
		      const struct log_field own[3])
{
	size_t count = 0, fixed = format == LOG_FORMAT_TEXT ? 3 : 0;

	for (size_t i = 0; i < fixed; i++)
		items[i] = (struct item){0, &own[i]};
	for (size_t i = 0; i < rec->count; i++)
		count = add_item(items + fixed, count, &rec->fields[i]);
	for (size_t i = fixed; i < 3; i++)
		count = add_item(items, count, &own[i]);
	return count + fixed;
}

size_t log_format_line(char *out, size_t cap, enum log_format format, const struct log_record *rec,
		       const char *msg, uint64_t wall_ns)
{
	char when[TIME_TEXT_MAX];
	const struct log_field own[3] = {
		{.key = "time", .type = LOG_FIELD_STR, .str = when},
		{.key = "level", .type = LOG_FIELD_STR, .str = log_level_name(rec->level)},
		{.key = "msg", .type = LOG_FIELD_STR, .str = msg},
	};
	struct item items[ITEMS_MAX];

	format_time(wall_ns, when);
	size_t count = collect(items, format, rec, own);
	size_t len = try_line(out, cap, format, items, count, SIZE_MAX);
	return len ? len : cut_line(out, cap, format, items, count);
}
