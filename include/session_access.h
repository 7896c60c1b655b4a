/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_access.h - who may have a session, and how fast it may go. For the files of a session only.
 *
 * Why: both the socket's peer and, once a header is believed, the client it speaks for must be admitted: else a proxy
 * could lead in whom we keep out, or a kept out proxy claim to be somebody else. What is counted is counted for the client.
 * Owns: a session's place in the limiter, from session_admit_client() to session_leave().
 * Never: decides (matcher.h and limiter.h do); ends the accept loop.
 * See: user/session_access.c, access.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct session;
struct session_host;

/* False: the session has ended, the client sees a reset. */
bool session_admit_peer(struct session *s);
bool session_admit_client(struct session *s);
/* Both sockets are there: the limits of the moment are set, and kept up with while they are shared. */
void session_pace(struct session *s);
void session_leave(struct session *s); /* idempotent */

/* Does the service's configuration forbid this target? */
bool session_is_bypassed(const struct session *s, const char *host, uint16_t port);
