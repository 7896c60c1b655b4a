/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_states.h - what the files of a session share with each other and with their unit test only.
 *
 * See: user/session.c (mover), user/session_preface.c, session_handshake.c, session_dial.c, session_exchange.c.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "handler.h"
#include "session.h"

/* The one mover: asserts that the move is legal. */
void session_set_state(struct session *s, enum session_state to);
bool session_move_is_legal(enum session_state from, enum session_state to);
/* Where the session goes, for dialing and for the records. False: no memory. */
bool session_set_target(struct session *s, const char *host, uint16_t port);
/* Forgets a lookup or connection attempt under way. Idempotent. */
void session_dial_cancel(struct session *s);
/* Closes a session that never got a pair: the client sees a reset, or with quiet an ordinary close. */
void session_close_early(struct session *s, bool quiet);
/* The header, if any, has been dealt with: the handler's turn. */
void session_begin_handler(struct session *s);
/* The same, where TLS has been dealt with too. */
void session_open_handler(struct session *s);
/* The client's events are session.c's (again). */
void session_watch_client(struct session *s);

/* --- session_handshake.c: SESSION_HANDSHAKE and SESSION_LEAVING --- */
void session_handshake_begin(struct session *s);
void session_handshake_ready(struct session *s);
void session_leaving_ready(struct session *s);
/* Makes room for at least one more byte of input. False: no memory. */
bool session_input_room(struct session *s);
void session_input_free(struct session *s);
/* Forwarding starts with what user space holds for either side. */
void session_forward(struct session *s);

/* --- session_tls.c: SESSION_SECURING --- */
/* What is in the input belongs to TLS. Ends in session_open_handler(). */
void session_tls_begin(struct session *s);
void session_tls_ready(struct session *s);
/* --- session_late.c: answers of proxies that come in front of the target's first byte --- */
struct route_result;
/* 0 or -ENOMEM. */
int session_expect_late(struct session *s, const struct route_result *res);

/* --- session_dial.c and session_race.c: SESSION_DIALING --- */
struct proxy_send;
struct route_request;
struct route_result;
/* All nodes that may be tried now; before: what to say when there is none. */
void session_race_begin(struct session *s, enum dial_outcome before);
void session_race_cancel(struct session *s); /* idempotent */
/* node: NULL for a target that the client named. ctx is the session. */
void session_fill_request(struct session *s, const struct service_node *node, struct route_request *req);
ssize_t session_build_header(struct session *s, const struct proxy_send *plan, uint8_t *out, size_t cap);
void session_routed(struct session *s, const struct route_result *res); /* there is a way */
void session_give_up(struct session *s, enum dial_outcome outcome);

/* --- session_preface.c: SESSION_PREFACE --- */
/* May the client still owe us a PROXY header? */
bool session_expects_preface(struct session *s);
void session_preface_begin(struct session *s);
/* There is something to read, or the end. */
void session_preface_ready(struct session *s);
