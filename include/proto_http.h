/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_http.h - HTTP/1 as a proxy needs it: heads in and out, targets, credentials, where a body ends.
 *
 * Why: pure functions over bytes. Strict on purpose: what two parsers could read differently (folded lines, bare CR or
 * LF, space before a colon, two lengths, a length beside chunks, unknown codings) is refused and never passed on, so
 * that nobody can smuggle a request through.
 * Owns: nothing. Slices point into the caller's buffer. Never: does I/O, allocates, logs, copies a body.
 * See: RFC 9112, RFC 9110; tests/vectors/http_*.tsv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum http_result {
	HTTP_OK,       /* complete */
	HTTP_MORE,     /* right so far */
	HTTP_BAD,      /* wrong, and no further byte changes that */
	HTTP_TOO_LONG, /* more than HTTP_HEAD_MAX bytes or HTTP_FIELDS_MAX fields */
};

struct http_slice {
	const char *at; /* not terminated; NULL: absent */
	size_t len;
};
struct http_field {
	struct http_slice name, value; /* value without white space around it */
};

#define HTTP_HEAD_MAX   16384
#define HTTP_FIELDS_MAX 128
/* The most that http_write_*() may add to a head's length. */
#define HTTP_REWRITE_EXTRA 64

struct http_head {
	struct http_slice method, target; /* of a request */
	struct http_slice reason;         /* of a response */
	uint16_t status;
	uint8_t minor;                    /* HTTP/1.minor: 0 or 1 */
	bool chunked, has_length;         /* never both */
	bool close, keep_alive, upgrade;  /* named by Connection */
	uint64_t length;
	struct http_slice authorization;  /* Proxy-Authorization */
	struct http_slice upgrade_to;     /* Upgrade */
	size_t len;                       /* bytes of it, with the empty line */
	size_t count;
	struct http_field field[HTTP_FIELDS_MAX];
};

/*
 * Reads the head at the front of buf. *seen: 0 at first, then what the last call left there, so that each byte is looked at
 * once. *head is written on OK only; *error (a sentence without a full stop, static) on BAD and TOO_LONG.
 */
enum http_result http_read_request(const void *buf, size_t len, size_t *seen, struct http_head *head, const char **error);
enum http_result http_read_response(const void *buf, size_t len, size_t *seen, struct http_head *head, const char **error);
/* Length of an empty line that stands in front of a request, as old clients send after a body: 2, or 0. */
size_t http_skip_empty_line(const void *buf, size_t len);

bool http_slice_is(struct http_slice s, const char *text); /* ASCII, without regard to case */
/* Takes the next item off a comma-separated list; false at its end. */
bool http_list_next(struct http_slice *list, struct http_slice *item);

/* --- proto_http_target.c --- */
enum http_form { HTTP_FORM_AUTHORITY, HTTP_FORM_ABSOLUTE, HTTP_FORM_ORIGIN, HTTP_FORM_ASTERISK };

#define HTTP_HOST_MAX 255

struct http_target {
	enum http_form form;
	struct http_slice authority;  /* as it stands: for Host and for the log */
	struct http_slice host;       /* without brackets; a name, or a numeric address */
	uint16_t port;                /* 80 where none is said */
	struct http_slice path;       /* with the query; "" stands for "/" */
};
/* The target of a request: authority form for CONNECT only, absolute form with http:// only. 0, or -EINVAL and *error. */
int http_parse_target(const struct http_head *head, struct http_target *target, const char **error);
/* host, host:port or [v6]:port. 0 or -EINVAL. */
int http_parse_authority(struct http_slice text, struct http_target *target);

#define HTTP_CREDENTIALS_MAX 512
struct http_credentials {
	char text[HTTP_CREDENTIALS_MAX]; /* user:password, decoded */
	size_t user_len, password_len;   /* the password stands behind the colon */
};
/* The value of Proxy-Authorization. 0; -EINVAL: not Basic, not base64, or no colon; -EMSGSIZE. */
int http_decode_basic(struct http_slice value, struct http_credentials *out);
/* "Basic <base64>" of user:password, with NUL. Length without it, or -ENOSPC. */
ssize_t http_encode_basic(const char *user, const char *password, char *out, size_t cap);

/* --- proto_http_write.c: a head as the next one may see it --- */
enum http_persist { HTTP_PERSIST_DEFAULT, HTTP_PERSIST_CLOSE, HTTP_PERSIST_UPGRADE };

/*
 * In origin form, Host from the target, without hop-by-hop fields, Proxy-* and Gost-*; framing fields stay whatever
 * Connection names. Length, or -ENOSPC (head->len + HTTP_REWRITE_EXTRA suffices).
 */
ssize_t http_write_request(const struct http_head *head, const struct http_target *target, enum http_persist persist,
			   char *out, size_t cap);
ssize_t http_write_response(const struct http_head *head, enum http_persist persist, char *out, size_t cap);
/* Whether an Upgrade may be passed on: asked for properly, and not to a protocol that would hide requests (h2c). */
bool http_wants_upgrade(const struct http_head *head);

/* --- proto_http_body.c --- */
enum http_framing { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_CLOSE };

struct http_body {
	uint8_t framing, step;
	uint64_t left;     /* of the length, or of the chunk */
	uint32_t line_len; /* of the line being read */
	uint32_t trailer_len;
};
void http_body_of_request(struct http_body *body, const struct http_head *head);
/* head_request: it answers HEAD. */
void http_body_of_response(struct http_body *body, const struct http_head *head, bool head_request);
/*
 * How many of len bytes belong to the body. MORE: all, and it goes on (until the end of the connection when framing is
 * CLOSE); OK: it ends behind *taken; BAD: malformed behind *taken. A body without bytes is OK with 0 at once.
 */
enum http_result http_body_scan(struct http_body *body, const void *data, size_t len, size_t *taken);
