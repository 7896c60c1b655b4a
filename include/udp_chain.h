/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_chain.h - a UDP session's way through a chain.
 *
 * Owns: s->chain. Never: included outside user/udp_*.c.
 * See: user/udp_chain.c, include/udp_session.h.
 */
#pragma once

#include <stddef.h>

struct iovec;
struct udp_session;

void udp_chain_dial(struct udp_session *s); /* as udp_dial(), for the node chosen */
void udp_chain_cancel(struct udp_session *s);
/* Queues one datagram that lies in count parts: 0, or -errno: dropped. */
int udp_chain_put(struct udp_session *s, const struct iovec *part, size_t count);
void udp_chain_flush(struct udp_session *s); /* may end the session */
void udp_chain_stop(struct udp_session *s);  /* in order, before its socket is closed */
void udp_chain_free(struct udp_session *s);
