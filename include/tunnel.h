/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.h - rtcp with a chain: listens at the end of the chain instead of here.
 *
 * Why one per service, on the first worker: the far end opens one port for one connection.
 * Owns: the connection to the far end and its multiplexer; comes back after 1, 2, 4, then every 5 seconds.
 * Never: ends a session that goes on when it is told to stop; takes the end of the tunnel for the end of a stream.
 * See: user/tunnel.c, include/mux.h, user/handler_endpoint.c (the other end).
 */
#pragma once

#include "service.h"
#include "session.h"

struct tunnel;

/* Begins to connect at once. 0 or -errno. */
int tunnel_new(struct tunnel **out, struct session_host *host, struct service *svc);
/* Nobody new is let in, nothing is connected anew; sessions go on. NULL is fine. */
void tunnel_stop(struct tunnel *t);
void tunnel_free(struct tunnel *t); /* NULL is fine */
