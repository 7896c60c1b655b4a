/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_http.h - what the files of the HTTP handler share: one client's state.
 *
 * Why three: handler_http.c decides about requests (whom for, who asks, yes or no); handler_http_exchange.c leads one that is
 * not a tunnel from its head to the next one's; handler_http_move.c moves its bytes and the answer's.
 * Owns: struct http_session, the session's s->handshake. See: user/handler_http.c, user/handler_http_exchange.c, user/handler_http_move.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "proto_http.h"

struct session;

enum http_phase {
	HTTP_IDLE,   /* between two requests */
	HTTP_AWAIT,  /* the answer's head is to come */
	HTTP_ANSWER, /* its body is under way */
};

/* What the session's timer is set for. */
enum http_wait { HTTP_WAIT_NOTHING, HTTP_WAIT_REQUEST, HTTP_WAIT_HEAD, HTTP_WAIT_ANSWER, HTTP_WAIT_IDLE };

struct http_session {
	struct session *s;
	size_t seen; /* of the head at the front of s->input */
	bool tunnel; /* CONNECT */
	/* --- the request under way --- */
	uint8_t phase, wait;
	struct http_body request, answer;
	bool request_done; /* its last byte was read from the client */
	bool answered;     /* the answer's last byte was read from the upstream */
	bool upload_failed; /* the upstream takes no more; it may have answered before */
	bool is_head, upgrade;
	bool close;        /* the client's connection ends with this answer */
	bool keep;         /* the upstream's connection may serve another request */
	bool reused;       /* it has served one before */
	char *out;         /* the head for the upstream, until there is one */
	size_t out_len;
	char *again;       /* the head as it came, of a request that may be repeated on a new connection */
	size_t again_len;
	uint8_t *in;       /* bytes of the upstream in front of the end of its head */
	size_t in_len, in_seen;
	uint64_t read_mark, written_mark; /* the client's totals when the request began */
	struct loop_task yield;
};

/* --- handler_http.c --- */
/*
 * Judges a request that is there in full: 400, 403 and 407 leave here (false: the session has moved on). The target's slices
 * point into the head's.
 */
bool http_admit(struct session *s, const struct http_head *head, struct http_target *target);

/* --- handler_http_exchange.c --- */
/* Takes the request's head off s->input and keeps what it becomes. 0 or -ENOMEM. */
int http_exchange_prepare(struct session *s, const struct http_head *head, const struct http_target *target);
/* The upstream is there. */
void http_exchange_start(struct session *s);
/* Forgets everything about the request under way. */
void http_exchange_reset(struct http_session *h);
/* The upstream has gone, or makes no sense, before its answer began. */
void http_exchange_broken(struct session *s, const char *why);

/* --- handler_http_move.c: one step each; true: something moved, look again. The session may have moved on. --- */
bool http_move_request(struct session *s);
bool http_move_answer(struct session *s);
/* Appends to s->input. 0 or -ENOMEM. */
int http_input_append(struct session *s, const void *data, size_t len);
