/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_relay.h - what handler_relay.c (requests) and handler_relay_bind.c (ports opened for clients) share.
 *
 * See: user/handler_relay.c.
 */
#pragma once

#include "proto_relay.h"

struct session;

/* Answers with a status and ends the session in order. */
void relay_refuse(struct session *s, enum relay_status status, const char *reason, const char *text);
/* Opens a port for the client: its session becomes the tunnel. The message is off the input already. */
void relay_bind(struct session *s, const struct relay_endpoint *at);
/* The session's share in an endpoint, if it has one. */
void relay_bind_release(struct session *s);
/* The process ends: nobody new is let in, and a tunnel that nobody uses ends. */
void relay_bind_drain(struct session *s);
