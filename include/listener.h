/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.h - one listening TCP socket on one loop: accepts in batches, survives running out of descriptors.
 *
 * Why: every worker has its own socket (SO_REUSEPORT), so accepting needs no lock. Options that every session wants
 * (no delay, keepalive, user timeout) are set here once: accepted sockets inherit them.
 * Owns: its socket. Accepted descriptors are the callback's.
 * Never: reads from a client, knows what a session is.
 * See: listen(2), include/service.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "loop.h"

struct listener;
struct socket_place;

struct listener_options {
	unsigned backlog;
	bool keepalive;
	unsigned keepalive_idle_s, keepalive_interval_s, keepalive_count;
	unsigned user_timeout_ms; /* 0 = the kernel's default */
	const struct socket_place *place; /* where the socket is made; NULL: here */
	const struct addr *client; /* dial.h: whose address a transparent place connects from; outlives the dial */
};

struct listener_ops {
	/* fd is non-blocking and close-on-exec. */
	void (*accepted)(void *ctx, int fd, const struct addr *peer);
	/* False: leave connections in the backlog for a moment (the process is at its limit). */
	bool (*may_accept)(void *ctx);
	/* accept() failed, or a connection was refused for want of descriptors. At most once a second. */
	void (*trouble)(void *ctx, int err, const char *what);
};

/*
 * Resolves a listen address as GOST does: ":80" and "[::]:80" are dual stack, a name or IPv4 is IPv4 only. 0 or -errno.
 * Blocks on a name that is not in the hosts file: start-up only.
 */
int listener_resolve(const char *text, struct addr *out);
/* Fails with -EADDRINUSE if anybody, ourselves included, listens there: SO_REUSEPORT alone would share silently. */
int listener_probe(const struct addr *at, const struct socket_place *place);

int listener_new(struct listener **out, struct loop *loop, const struct addr *at,
		 const struct listener_options *opt, const struct listener_ops *ops, void *ctx);
void listener_free(struct listener *l); /* closes; NULL is fine */
/* The bound address (port 0 resolved). */
const struct addr *listener_addr(const struct listener *l);
/* The options on any socket: what an upstream connection gets. */
void listener_apply_options(int fd, const struct listener_options *opt);
