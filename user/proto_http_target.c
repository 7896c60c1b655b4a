/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_http_target.c - whom a request is for, and who asks.
 *
 * Why: the request target alone says where to connect; a Host field that says something else is replaced, never obeyed.
 * Names are checked for their characters here, so that nothing odd reaches the resolver, the log or the next proxy.
 * Owns: nothing. Never: resolves.
 * See: RFC 9112 section 3.2, RFC 7617.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "proto_http.h"

enum { PORT_DEFAULT = 80 };

/* --- authority -------------------------------------------------------------------------------------------------- */

static bool is_name(struct http_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i], lower = c | 0x20;
		if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return s.len && s.len <= HTTP_HOST_MAX;
}

/* ":port", ":" or "". */
static int parse_port(const char *at, const char *end, uint16_t *port)
{
	unsigned long n = 0;

	if (at < end && *at++ != ':')
		return -EINVAL;
	if (at == end) {
		*port = PORT_DEFAULT;
		return 0;
	}
	if (end - at > 5)
		return -EINVAL;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return -EINVAL;
		n = n * 10 + (unsigned long)(*at - '0');
	}
	if (!n || n > 65535)
		return -EINVAL;
	*port = (uint16_t)n;
	return 0;
}

/* host is the text between the brackets. */
static int split_literal(struct http_slice text, struct http_slice *host, const char **rest)
{
	const char *close = memchr(text.at, ']', text.len);
	struct addr parsed;

	if (!close)
		return -EINVAL;
	*host = (struct http_slice){text.at + 1, (size_t)(close - text.at - 1)};
	*rest = close + 1;
	if (addr_parse_ip(&parsed, host->at, host->len, 0) < 0 || addr_family(&parsed) != AF_INET6)
		return -EINVAL;
	return 0;
}

static int split_name(struct http_slice text, struct http_slice *host, const char **rest)
{
	const char *colon = memchr(text.at, ':', text.len);

	*rest = colon ? colon : text.at + text.len;
	*host = (struct http_slice){text.at, (size_t)(*rest - text.at)};
	return is_name(*host) ? 0 : -EINVAL;
}

int http_parse_authority(struct http_slice text, struct http_target *target)
{
	struct http_slice host;
	const char *rest;
	uint16_t port;

	if (!text.len)
		return -EINVAL;
	if (*text.at == '[' ? split_literal(text, &host, &rest) : split_name(text, &host, &rest))
		return -EINVAL;
	if (parse_port(rest, text.at + text.len, &port) < 0)
		return -EINVAL;
	target->authority = text;
	target->host = host;
	target->port = port;
	return 0;
}

/* --- forms ------------------------------------------------------------------------------------------------------ */

static bool has_prefix(struct http_slice s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && strncasecmp(s.at, prefix, len) == 0;
}

static int parse_absolute(struct http_slice text, struct http_target *target, const char **error)
{
	size_t scheme = strlen("http://"), end;

	if (!has_prefix(text, "http://")) {
		*error = "the target is not an http:// address";
		return -EINVAL;
	}
	for (end = scheme; end < text.len && text.at[end] != '/' && text.at[end] != '?'; end++)
		;
	target->path = (struct http_slice){text.at + end, text.len - end};
	if (http_parse_authority((struct http_slice){text.at + scheme, end - scheme}, target) == 0)
		return 0;
	*error = "the target has no valid host and port";
	return -EINVAL;
}

int http_parse_target(const struct http_head *head, struct http_target *out, const char **error)
{
	struct http_target target = {.form = HTTP_FORM_ABSOLUTE};
	struct http_slice text = head->target;
	int err = 0;

	if (http_slice_is(head->method, "CONNECT")) {
		target.form = HTTP_FORM_AUTHORITY;
		err = http_parse_authority(text, &target);
		if (err)
			*error = "the target of CONNECT is not host:port";
	} else if (text.at[0] == '/') {
		target.form = HTTP_FORM_ORIGIN;
		target.path = text;
	} else if (text.len == 1 && text.at[0] == '*') {
		target.form = HTTP_FORM_ASTERISK;
	} else {
		err = parse_absolute(text, &target, error);
	}
	if (!err)
		*out = target;
	return err;
}

/* --- Basic ------------------------------------------------------------------------------------------------------ */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Without padding. Bits behind the last byte must be 0: one text, one value. */
static ssize_t decode_base64(struct http_slice in, char *out, size_t cap)
{
	unsigned held = 0, bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		const char *digit = in.at[i] ? strchr(digits, in.at[i]) : NULL;
		if (!digit)
			return -EINVAL;
		held = (held << 6 | (unsigned)(digit - digits)) & 0xfff;
		bits += 6;
		if (bits < 8)
			continue;
		if (n == cap)
			return -EMSGSIZE;
		bits -= 8;
		out[n++] = (char)(held >> bits);
	}
	return bits == 6 || (held & ((1u << bits) - 1)) ? -EINVAL : (ssize_t)n;
}

/* "=" or "==" where they belong, or none at all. */
static int strip_padding(struct http_slice *in)
{
	size_t pad = 0;

	while (pad < 2 && pad < in->len && in->at[in->len - 1 - pad] == '=')
		pad++;
	if (pad && in->len % 4)
		return -EINVAL;
	in->len -= pad;
	return 0;
}

int http_decode_basic(struct http_slice value, struct http_credentials *out)
{
	if (!has_prefix(value, "Basic "))
		return -EINVAL;
	value = (struct http_slice){value.at + 6, value.len - 6};
	while (value.len && *value.at == ' ')
		value = (struct http_slice){value.at + 1, value.len - 1};
	if (!value.len || strip_padding(&value) < 0)
		return -EINVAL;
	ssize_t n = decode_base64(value, out->text, sizeof(out->text));
	if (n < 0)
		return (int)n;
	const char *colon = memchr(out->text, ':', (size_t)n);
	if (!colon)
		return -EINVAL;
	out->user_len = (size_t)(colon - out->text);
	out->password_len = (size_t)n - out->user_len - 1;
	return 0;
}

/* The i-th byte of "user:password". */
static unsigned char pair_byte(const char *user, size_t user_len, const char *password, size_t i)
{
	if (i == user_len)
		return ':';
	return (unsigned char)(i < user_len ? user[i] : password[i - user_len - 1]);
}

ssize_t http_encode_basic(const char *user, const char *password, char *out, size_t cap)
{
	size_t user_len = strlen(user), len = user_len + 1 + strlen(password), need = 6 + (len + 2) / 3 * 4;
	char *p = out + 6;

	if (need >= cap)
		return -ENOSPC;
	memcpy(out, "Basic ", 6);
	for (size_t i = 0; i < len; i += 3) {
		unsigned group = 0;
		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (i + k < len ? pair_byte(user, user_len, password, i + k) : 0u);
		for (size_t k = 0; k < 4; k++)
			*p++ = i + k <= len ? digits[group >> (18 - 6 * k) & 63] : '=';
	}
	*p = '\0';
	return (ssize_t)need;
}
