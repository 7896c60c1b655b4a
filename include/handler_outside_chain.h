/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_outside_chain.h - the same datagrams where the service has a chain: through its last hop instead of sockets here.
 *
 * Owns: the connection through the chain. Never: goes round a hop.
 * See: include/handler_outside.h, user/udp_chain.c (a way to one target).
 */
#pragma once

#include "handler_outside.h"

struct outside_chain;

/* Ends in ops->ready(), perhaps from inside this call. 0, or -errno: never. */
int outside_chain_new(struct outside_chain **out, struct outside *o);
void outside_chain_stop(struct outside_chain *c); /* hangs up; also from inside a callback */
void outside_chain_free(struct outside_chain *c); /* NULL is fine */
/* Queues a datagram: 0, or -errno: dropped. */
int outside_chain_put(struct outside_chain *c, const struct socks_target *to, const void *data, size_t len);
void outside_chain_flush(struct outside_chain *c); /* may call ops->lost() */
