/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_http_write.c - a head as the next one may see it.
 *
 * Why: what is meant for this hop must not reach the next; what frames the body must, whatever Connection claims, or the
 * two would disagree about where the message ends. Kept lines are copied as they are, so a head cannot grow by more than
 * HTTP_REWRITE_EXTRA.
 * Owns: nothing. Never: adds Via, X-Forwarded-For or another trace (as GOST).
 * See: RFC 9110 section 7.6.1, RFC 9112 section 3.2.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "proto_http.h"

struct writer {
	char *out;
	size_t len, cap;
	bool full;
};

static void put(struct writer *w, const char *data, size_t len)
{
	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->out + w->len, data, len);
	w->len += len;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_slice(struct writer *w, struct http_slice s)
{
	if (s.len)
		put(w, s.at, s.len);
}

/* From the first byte of the name to the last of the value, which lie behind one another. */
static void put_field(struct writer *w, const struct http_field *f)
{
	put(w, f->name.at, (size_t)(f->value.at + f->value.len - f->name.at));
	put_text(w, "\r\n");
}

static const char *const version_text[] = {"HTTP/1.0", "HTTP/1.1"};

/* --- which fields go on ------------------------------------------------------------------------------------------ */

static const char *const hop_fields[] = {
	"connection", "keep-alive", "te", "upgrade", "http2-settings", "gost-target", "x-gost-target", "x-gost-protocol",
};

static bool is_framing(struct http_slice name)
{
	return http_slice_is(name, "content-length") || http_slice_is(name, "transfer-encoding");
}

static bool named_by_connection(const struct http_head *head, struct http_slice name)
{
	struct http_slice list, item;

	for (size_t i = 0; i < head->count; i++) {
		if (!http_slice_is(head->field[i].name, "connection"))
			continue;
		for (list = head->field[i].value; http_list_next(&list, &item);)
			if (item.len == name.len && strncasecmp(item.at, name.at, name.len) == 0)
				return true;
	}
	return false;
}

static bool is_for_this_hop(const struct http_head *head, struct http_slice name)
{
	if (is_framing(name))
		return false;
	if (name.len >= 6 && strncasecmp(name.at, "proxy-", 6) == 0)
		return true;
	for (size_t i = 0; i < sizeof(hop_fields) / sizeof(hop_fields[0]); i++)
		if (http_slice_is(name, hop_fields[i]))
			return true;
	return named_by_connection(head, name);
}

static void put_persist(struct writer *w, const struct http_head *head, enum http_persist persist)
{
	if (persist == HTTP_PERSIST_CLOSE)
		put_text(w, "Connection: close\r\n");
	if (persist != HTTP_PERSIST_UPGRADE)
		return;
	put_text(w, "Connection: Upgrade\r\nUpgrade: ");
	put_slice(w, head->upgrade_to);
	put_text(w, "\r\n");
}

static ssize_t finish(struct writer *w, const struct http_head *head, enum http_persist persist)
{
	put_persist(w, head, persist);
	put_text(w, "\r\n");
	return w->full ? -ENOSPC : (ssize_t)w->len;
}

bool http_wants_upgrade(const struct http_head *head)
{
	struct http_slice list = head->upgrade_to, item;
	bool any = false;

	while (http_list_next(&list, &item)) {
		if (http_slice_is(item, "h2c"))
			return false;
		any = true;
	}
	return any && head->upgrade && head->minor == 1;
}

/* --- the two kinds ------------------------------------------------------------------------------------------------ */

static void put_path(struct writer *w, const struct http_head *head, struct http_slice path)
{
	if (!path.len && http_slice_is(head->method, "OPTIONS"))
		put_text(w, "*");
	else if (!path.len || *path.at != '/')
		put_text(w, "/");
	put_slice(w, path);
}

ssize_t http_write_request(const struct http_head *head, const struct http_target *target, enum http_persist persist,
			   char *out, size_t cap)
{
	struct writer w = {.out = out, .cap = cap};

	put_slice(&w, head->method);
	put_text(&w, " ");
	put_path(&w, head, target->path);
	put_text(&w, " ");
	put_text(&w, version_text[head->minor]);
	put_text(&w, "\r\nHost: ");
	put_slice(&w, target->authority);
	put_text(&w, "\r\n");
	for (size_t i = 0; i < head->count; i++) {
		const struct http_field *f = &head->field[i];
		if (!http_slice_is(f->name, "host") && !is_for_this_hop(head, f->name))
			put_field(&w, f);
	}
	return finish(&w, head, persist);
}

ssize_t http_write_response(const struct http_head *head, enum http_persist persist, char *out, size_t cap)
{
	struct writer w = {.out = out, .cap = cap};
	char code[] = {' ', (char)('0' + head->status / 100), (char)('0' + head->status / 10 % 10),
		       (char)('0' + head->status % 10), ' '};
	/* These end with their head; a length would only mislead. */
	bool bare = head->status < 200 || head->status == 204;

	put_text(&w, version_text[head->minor]);
	put(&w, code, sizeof(code));
	put_slice(&w, head->reason);
	put_text(&w, "\r\n");
	for (size_t i = 0; i < head->count; i++) {
		const struct http_field *f = &head->field[i];
		if (!is_for_this_hop(head, f->name) && !(bare && is_framing(f->name)))
			put_field(&w, f);
	}
	return finish(&w, head, persist);
}
