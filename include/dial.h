/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.h - one outgoing TCP connection, to whichever of several addresses answers first.
 *
 * Why: a name with IPv6 and IPv4 addresses of which one is a black hole must not cost the whole timeout: attempts
 * start 300 ms apart (Go's and so GOST's value; RFC 8305), the first to connect wins.
 * Owns: all attempt sockets until one is handed over. Heap-allocated: an idle session does not carry it.
 * Never: blocks, resolves names, calls back after dial_cancel().
 * See: include/resolver.h, user/session.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "listener.h"
#include "loop.h"

struct dial;

/*
 * status 0: io watches a connected socket (events EPOLLOUT); take it with loop_io_adopt(). It is closed otherwise when the
 * callback returns. status <0: -errno of the last failure, at = the address it concerns.
 */
typedef void (*dial_fn)(void *ctx, int status, struct loop_io *io, const struct addr *at);

/*
 * Starts. Never calls fn from inside this call. 0, or -ENOMEM. Options are set before connecting; timeout_ns is for
 * all attempts together.
 */
int dial_start(struct dial **out, struct loop *loop, const struct addr *addrs, size_t count,
	       const struct listener_options *opt, uint64_t timeout_ns, dial_fn fn, void *ctx);
/* Why a connection failed, in Go's words: "dial tcp 127.0.0.1:1: connect: connection refused". Returns out. */
#define DIAL_ERROR_MAX 320
const char *dial_error(const char *network, int status, const struct listener_options *opt, const struct addr *client,
		       const struct addr *at, char out[static DIAL_ERROR_MAX]);
/* Closes all attempts; NULL is fine. After fn ran the dial is gone already. */
void dial_cancel(struct dial *d);
