/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_channel.h - c-ares on a loop: its sockets, its timeouts, its configuration.
 *
 * Why: c-ares says what it wants to watch and until when; this is the only file that listens. It knows nothing
 * of requests or the cache.
 * Owns: the c-ares channel, one watch per socket of c-ares.
 * Never: runs anybody's code from inside c-ares: settled is called after c-ares has returned.
 * See: resolver.c (the only user); ares_init_options(3), ares_timeout(3).
 */
#pragma once

#include <ares.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "loop.h"
#include "resolver.h"

struct resolver_watch;

/* Embedded; zeroed before init. */
struct resolver_channel {
	struct loop *loop;
	ares_channel ares; /* NULL: could not be opened */
	void (*settled)(struct resolver_channel *ch);
	struct resolver_watch *watches;
	struct loop_timer timer;    /* c-ares' next timeout */
	struct resolver_config cfg; /* numbers; its strings are these: */
	char *servers, *resolv_conf;
	struct timespec conf_changed; /* resolv.conf as it was read */
	uint64_t conf_checked_ns;
};

/* settled: c-ares may have called back; look at what it said. 0, or -errno and nothing is owned. */
int resolver_channel_init(struct resolver_channel *ch, struct loop *loop,
			  void (*settled)(struct resolver_channel *ch));
/* Queries in flight are called back with ARES_EDESTRUCTION. Idempotent. */
void resolver_channel_fini(struct resolver_channel *ch);
/* Only while no query is in flight. After an error there is no channel, and every query fails. */
int resolver_channel_configure(struct resolver_channel *ch, const struct resolver_config *cfg);

/* Starts anew when resolv.conf has changed (looked at once a second). Only while no query is in flight. */
void resolver_channel_refresh(struct resolver_channel *ch);
/* May call back at once (hosts file). Does not call settled. */
void resolver_channel_ask(struct resolver_channel *ch, const char *host, ares_addrinfo_callback fn,
			  void *arg);
/* Waits for what c-ares wants next: at the end of settled, and after asking. */
void resolver_channel_arm(struct resolver_channel *ch);
