/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_http_body.c - where the body of an HTTP/1 message ends.
 *
 * Why a scanner and not a decoder: a proxy passes the body on as it is, chunk lines and trailers included; it only has
 * to know which bytes belong to it. Bytes are looked at in chunk lines and trailers only.
 * Owns: nothing. Never: copies; accepts a chunk line that another parser could read differently.
 * See: RFC 9112 sections 6.3 and 7.1.
 */
#include <string.h>

#include "proto_http.h"

enum { LINE_MAX_LEN = 4096, TRAILER_MAX = 16384, SIZE_DIGITS_MAX = 15 };

/* Steps of a chunked body. */
enum {
	STEP_SIZE,      /* hexadecimal digits; line_len counts them */
	STEP_PAD,       /* blanks behind the size: nothing but an extension or the end may follow */
	STEP_EXTENSION, /* anything up to CR */
	STEP_SIZE_LF,
	STEP_DATA,
	STEP_DATA_CR,
	STEP_DATA_LF,
	STEP_TRAILER,   /* a line of the trailer; line_len 0: at its beginning */
	STEP_TRAILER_LF,
	STEP_END_LF,
	STEP_DONE,
	STEP_BAD,
};

void http_body_of_request(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){.framing = HTTP_BODY_NONE};
	if (head->chunked)
		body->framing = HTTP_BODY_CHUNKED;
	else if (head->has_length && head->length)
		*body = (struct http_body){.framing = HTTP_BODY_LENGTH, .left = head->length};
}

void http_body_of_response(struct http_body *body, const struct http_head *head, bool head_request)
{
	http_body_of_request(body, head);
	if (head_request || head->status < 200 || head->status == 204 || head->status == 304)
		*body = (struct http_body){.framing = HTTP_BODY_NONE};
	else if (!head->chunked && !head->has_length)
		body->framing = HTTP_BODY_CLOSE;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static uint8_t after_size(struct http_body *b, unsigned char c)
{
	int digit = hex_value(c);

	if (digit >= 0 && b->line_len < SIZE_DIGITS_MAX) {
		b->left = b->left << 4 | (uint64_t)digit;
		b->line_len++;
		return STEP_SIZE;
	}
	if (digit >= 0 || !b->line_len)
		return STEP_BAD;
	if (c == ' ' || c == '\t')
		return STEP_PAD;
	return c == ';' ? STEP_EXTENSION : c == '\r' ? STEP_SIZE_LF : STEP_BAD;
}

static uint8_t after_pad(struct http_body *b, unsigned char c)
{
	if ((c == ' ' || c == '\t') && ++b->line_len < LINE_MAX_LEN)
		return STEP_PAD;
	return c == ';' ? STEP_EXTENSION : c == '\r' ? STEP_SIZE_LF : STEP_BAD;
}

static uint8_t after_extension(struct http_body *b, unsigned char c)
{
	if (c == '\r')
		return STEP_SIZE_LF;
	return is_text(c) && ++b->line_len < LINE_MAX_LEN ? STEP_EXTENSION : STEP_BAD;
}

static uint8_t after_size_line(struct http_body *b, unsigned char c)
{
	b->line_len = 0;
	if (c != '\n')
		return STEP_BAD;
	return b->left ? STEP_DATA : STEP_TRAILER;
}

static uint8_t after_trailer(struct http_body *b, unsigned char c)
{
	if (++b->trailer_len > TRAILER_MAX)
		return STEP_BAD;
	if (c == '\r')
		return b->line_len ? STEP_TRAILER_LF : STEP_END_LF;
	if (!is_text(c) || (!b->line_len && (c == ' ' || c == '\t')))
		return STEP_BAD;
	b->line_len++;
	return STEP_TRAILER;
}

static uint8_t after_trailer_line(struct http_body *b, unsigned char c)
{
	b->line_len = 0;
	b->trailer_len++;
	return c == '\n' ? STEP_TRAILER : STEP_BAD;
}

static uint8_t next_step(struct http_body *b, unsigned char c)
{
	switch (b->step) {
	case STEP_SIZE:
		return after_size(b, c);
	case STEP_PAD:
		return after_pad(b, c);
	case STEP_EXTENSION:
		return after_extension(b, c);
	case STEP_SIZE_LF:
		return after_size_line(b, c);
	case STEP_DATA_CR:
		return c == '\r' ? STEP_DATA_LF : STEP_BAD;
	case STEP_DATA_LF:
		return c == '\n' ? STEP_SIZE : STEP_BAD;
	case STEP_TRAILER:
		return after_trailer(b, c);
	case STEP_TRAILER_LF:
		return after_trailer_line(b, c);
	case STEP_END_LF:
		return c == '\n' ? STEP_DONE : STEP_BAD;
	default:
		return b->step;
	}
}

/* As many of len as the length or the chunk still has. */
static size_t take_counted(struct http_body *b, size_t len)
{
	size_t n = len < b->left ? len : (size_t)b->left;

	b->left -= n;
	return n;
}

static enum http_result scan_chunked(struct http_body *b, const unsigned char *p, size_t len, size_t *taken)
{
	size_t i = 0;

	while (i < len && b->step < STEP_DONE) {
		if (b->step == STEP_DATA) {
			i += take_counted(b, len - i);
			if (!b->left)
				b->step = STEP_DATA_CR;
			continue;
		}
		b->step = next_step(b, p[i]);
		i += b->step != STEP_BAD;
	}
	*taken = i;
	return b->step == STEP_BAD ? HTTP_BAD : b->step == STEP_DONE ? HTTP_OK : HTTP_MORE;
}

enum http_result http_body_scan(struct http_body *body, const void *data, size_t len, size_t *taken)
{
	switch (body->framing) {
	case HTTP_BODY_CHUNKED:
		return scan_chunked(body, data, len, taken);
	case HTTP_BODY_CLOSE:
		*taken = len;
		return HTTP_MORE;
	default: /* NONE is a length of 0 */
		*taken = take_counted(body, len);
		return body->left ? HTTP_MORE : HTTP_OK;
	}
}
