/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_relay.h - what the files of the relay handler share.
 *
 * Owns: nothing. Never: included outside user/handler_relay*.c.
 * See: handler_relay.c (requests, streams, ports), handler_relay_udp.c (datagrams).
 */
#pragma once

#include "proto_relay.h"
#include "session.h"

struct endpoint;
struct relay_udp;
struct udp_tun;

/* s->handshake, from the request on. */
struct relay {
	struct endpoint *endpoint; /* BIND: a port for many */
	struct udp_tun *tun;       /* BIND: the same for datagrams */
	struct relay_udp *udp;     /* CONNECT for datagrams */
};

/* Answers with a status and ends the session in order. */
void relay_refuse(struct session *s, enum relay_status status, const char *reason, const char *text);

/* CONNECT for datagrams: the way to the target is there. */
void relay_udp_begin(struct session *s, const struct route_result *res);
/* Datagrams hold up no end of the process. */
void relay_udp_drain(struct relay_udp *ru); /* NULL is fine */
void relay_udp_free(struct relay_udp *ru); /* NULL is fine */
