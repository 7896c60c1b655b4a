/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_endpoint.h - a port opened for a client, whose connection then carries everybody who comes to it (smux).
 *
 * Why apart from the protocols: relay and SOCKS5 differ in how the port is asked for and in what a stream begins with, no more.
 * Owns: what is opened. Never: answers the client; that is the protocol's.
 * See: user/handler_endpoint.c, user/handler_relay.c, user/handler_socks5_bind.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct addr;
struct endpoint;
struct session;

enum { ENDPOINT_GREETING_MAX = 512 };

/* What a visitor's stream begins with, into out: its length, or -errno. */
typedef ssize_t (*endpoint_greet_fn)(uint8_t *out, size_t cap, const struct addr *visitor);

/* Listens at at. greet NULL: streams begin with payload. 0 or -errno. */
int endpoint_open(struct endpoint **out, struct session *s, const struct addr *at, endpoint_greet_fn greet);
const struct addr *endpoint_addr(const struct endpoint *ep);
/* The client has been answered: its session becomes the tunnel. */
void endpoint_begin(struct endpoint *ep);
/* From the handler's release(): the client's share is over. NULL is fine. */
void endpoint_release(struct endpoint *ep);
/* The process ends: nobody new is let in, and a tunnel that nobody uses ends. NULL is fine. */
void endpoint_drain(struct endpoint *ep);
