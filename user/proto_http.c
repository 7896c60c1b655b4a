/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_http.c - the head of an HTTP/1 message.
 *
 * Why in two steps: finding the end looks at every byte once however it arrives; only a complete head is taken apart, so
 * the parser itself knows nothing of partial input. A byte that no head may contain ends the matter at once.
 * Owns: nothing. Never: accepts what the specification lets a recipient repair.
 * See: RFC 9112 sections 2.2, 3, 4, 5, 6.
 */
#include "proto_http.h"

#include <string.h>
#include <strings.h>

enum { METHOD_MAX = 32, CONNECTION_ITEMS_MAX = 64 };

/* What is left of a head. */
struct cursor {
	const char *at, *end;
};

bool http_slice_is(struct http_slice s, const char *text)
{
	return s.at && strlen(text) == s.len && strncasecmp(s.at, text, s.len) == 0;
}

size_t http_skip_empty_line(const void *buf, size_t len)
{
	return len >= 2 && memcmp(buf, "\r\n", 2) == 0 ? 2 : 0;
}

/* --- where it ends -------------------------------------------------------------------------------------------- */

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* NULL, or why the byte at i may not stand there. Who speaks something else need not wait for an empty line. */
static const char *judge_byte(const unsigned char *p, size_t i)
{
	if (i && p[i - 1] == '\r')
		return p[i] == '\n' ? NULL : "a carriage return without a line feed";
	if (p[i] == '\n')
		return "a line feed without a carriage return";
	if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\r') || p[i] == 0x7f)
		return "a control character in the head";
	if (i == 0 && !is_token_char(p[0]) && p[0] != '\r')
		return "the first byte cannot begin a message";
	return NULL;
}

static bool ends_at(const unsigned char *p, size_t i)
{
	return p[i] == '\n' && (i == 1 || (i >= 3 && p[i - 2] == '\n'));
}

/* OK: *seen is the length of the head. */
static enum http_result find_end(const unsigned char *p, size_t len, size_t *seen, const char **error)
{
	size_t i = *seen;

	for (; i < len && i < HTTP_HEAD_MAX; i++) {
		const char *why = judge_byte(p, i);
		if (why) {
			*error = why;
			return HTTP_BAD;
		}
		if (ends_at(p, i)) {
			*seen = i + 1;
			return HTTP_OK;
		}
	}
	*seen = i;
	if (i < HTTP_HEAD_MAX)
		return HTTP_MORE;
	*error = "the head is longer than 16384 bytes";
	return HTTP_TOO_LONG;
}

/* --- pieces --------------------------------------------------------------------------------------------------- */

static struct http_slice take_token(struct cursor *c)
{
	struct http_slice s = {.at = c->at};

	while (c->at < c->end && is_token_char((unsigned char)*c->at))
		c->at++;
	s.len = (size_t)(c->at - s.at);
	return s;
}

/* Up to a space, which is taken, too. len 0: there is none. */
static struct http_slice take_word(struct cursor *c)
{
	const char *space = memchr(c->at, ' ', (size_t)(c->end - c->at));
	struct http_slice s = {.at = c->at, .len = space ? (size_t)(space - c->at) : 0};

	if (space)
		c->at = space + 1;
	return s;
}

static struct http_slice trim(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct http_slice){.at = at, .len = (size_t)(end - at)};
}

/* The next line without CRLF; find_end() has seen to it that there is one. */
static struct cursor take_line(struct cursor *c)
{
	const char *end = memchr(c->at, '\r', (size_t)(c->end - c->at));
	struct cursor line = {c->at, end};

	c->at = end + 2;
	return line;
}

bool http_list_next(struct http_slice *list, struct http_slice *item)
{
	while (list->len) {
		const char *end = list->at + list->len, *comma = memchr(list->at, ',', list->len);
		*item = trim(list->at, comma ? comma : end);
		list->len = comma ? (size_t)(end - comma - 1) : 0;
		list->at = comma ? comma + 1 : end;
		if (item->len)
			return true;
	}
	return false;
}

/* --- fields that decide something ------------------------------------------------------------------------------ */

typedef const char *(*note_fn)(struct http_head *head, struct http_slice value);

static const char *note_length(struct http_head *head, struct http_slice value)
{
	uint64_t n = 0;

	if (head->has_length)
		return "more than one Content-Length";
	if (!value.len || value.len > 18)
		return "Content-Length is not a number of at most 18 digits";
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return "Content-Length is not a number of at most 18 digits";
		n = n * 10 + (uint64_t)(value.at[i] - '0');
	}
	head->has_length = true;
	head->length = n;
	return NULL;
}

static const char *note_coding(struct http_head *head, struct http_slice value)
{
	if (head->chunked)
		return "more than one Transfer-Encoding";
	if (!http_slice_is(value, "chunked"))
		return "Transfer-Encoding is not chunked";
	head->chunked = true;
	return NULL;
}

static const char *note_connection(struct http_head *head, struct http_slice value)
{
	struct http_slice item;
	unsigned items = 0;

	while (http_list_next(&value, &item)) {
		if (++items > CONNECTION_ITEMS_MAX)
			return "Connection names too many fields";
		head->close |= http_slice_is(item, "close");
		head->keep_alive |= http_slice_is(item, "keep-alive");
		head->upgrade |= http_slice_is(item, "upgrade");
	}
	return NULL;
}

static const char *note_authorization(struct http_head *head, struct http_slice value)
{
	if (head->authorization.at)
		return "more than one Proxy-Authorization";
	head->authorization = value;
	return NULL;
}

static const char *note_upgrade(struct http_head *head, struct http_slice value)
{
	if (head->upgrade_to.at)
		return "more than one Upgrade";
	head->upgrade_to = value;
	return NULL;
}

static const struct {
	const char *name;
	note_fn note;
} known[] = {
	{"content-length", note_length},
	{"transfer-encoding", note_coding},
	{"connection", note_connection},
	{"proxy-authorization", note_authorization},
	{"upgrade", note_upgrade},
};

static const char *note_field(struct http_head *head, const struct http_field *field)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (http_slice_is(field->name, known[i].name))
			return known[i].note(head, field->value);
	return NULL;
}

/* --- lines ----------------------------------------------------------------------------------------------------- */

static const char *parse_field(struct cursor line, struct http_field *field)
{
	if (*line.at == ' ' || *line.at == '\t')
		return "a folded line";
	field->name = take_token(&line);
	if (!field->name.len || line.at == line.end || *line.at != ':')
		return "a field name is not a token with a colon behind it";
	field->value = trim(line.at + 1, line.end);
	return NULL;
}

static const char *parse_version(struct cursor *c, uint8_t *minor)
{
	if (c->end - c->at < 8 || memcmp(c->at, "HTTP/1.", 7) != 0 || (c->at[7] != '0' && c->at[7] != '1'))
		return "the version is not HTTP/1.0 or HTTP/1.1";
	*minor = (uint8_t)(c->at[7] - '0');
	c->at += 8;
	return NULL;
}

static bool is_target(struct http_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == '\t' || s.at[i] == '#')
			return false;
	return s.len != 0;
}

static const char *parse_request_line(struct cursor line, struct http_head *head)
{
	head->method = take_token(&line);
	if (!head->method.len || head->method.len > METHOD_MAX || line.at == line.end || *line.at != ' ')
		return "the request line does not begin with a method and a space";
	line.at++;
	head->target = take_word(&line);
	if (!is_target(head->target))
		return "the request line has no target between two spaces";
	const char *error = parse_version(&line, &head->minor);
	return error ? error : line.at != line.end ? "something behind the version" : NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The space behind the code may be missing when there is no reason. */
static const char *parse_status_line(struct cursor line, struct http_head *head)
{
	const char *error = parse_version(&line, &head->minor);

	if (error)
		return error;
	if (line.end - line.at < 4 || line.at[0] != ' ' || line.at[1] < '1' || line.at[1] > '9' || !is_digit(line.at[2]) ||
	    !is_digit(line.at[3]) || (line.end - line.at > 4 && line.at[4] != ' '))
		return "the status line has no code of three digits";
	head->status = (uint16_t)((line.at[1] - '0') * 100 + (line.at[2] - '0') * 10 + (line.at[3] - '0'));
	head->reason = trim(line.at + 4, line.end);
	return NULL;
}

static const char *judge_framing(const struct http_head *head)
{
	if (head->chunked && head->has_length)
		return "Content-Length beside Transfer-Encoding";
	if (head->chunked && head->minor == 0)
		return "Transfer-Encoding in HTTP/1.0";
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

typedef const char *(*first_line_fn)(struct cursor line, struct http_head *head);

static enum http_result parse_fields(struct cursor c, struct http_head *head, const char **error)
{
	while (*c.at != '\r') {
		if (head->count == HTTP_FIELDS_MAX) {
			*error = "more than 128 fields";
			return HTTP_TOO_LONG;
		}
		struct http_field *field = &head->field[head->count];
		*error = parse_field(take_line(&c), field);
		if (!*error)
			*error = note_field(head, field);
		if (*error)
			return HTTP_BAD;
		head->count++;
	}
	*error = judge_framing(head);
	return *error ? HTTP_BAD : HTTP_OK;
}

static enum http_result read_head(const void *buf, size_t len, size_t *seen, struct http_head *out, const char **error,
				  first_line_fn first_line)
{
	struct http_head head = {0};
	const char *why = NULL;
	enum http_result r = find_end(buf, len, seen, &why);

	if (r == HTTP_OK) {
		struct cursor c = {buf, (const char *)buf + *seen};
		head.len = *seen;
		why = first_line(take_line(&c), &head);
		/* An empty first line ends the head: there is no line of fields to look for. */
		r = why ? HTTP_BAD : parse_fields(c, &head, &why);
	}
	if (r == HTTP_OK)
		*out = head;
	else if (r != HTTP_MORE)
		*error = why;
	return r;
}

enum http_result http_read_request(const void *buf, size_t len, size_t *seen, struct http_head *head, const char **error)
{
	return read_head(buf, len, seen, head, error, parse_request_line);
}

enum http_result http_read_response(const void *buf, size_t len, size_t *seen, struct http_head *head, const char **error)
{
	return read_head(buf, len, seen, head, error, parse_status_line);
}
