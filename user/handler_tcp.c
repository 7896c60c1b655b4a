/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_tcp.c - plain forwarding: no handshake, the target is one of the forwarder's nodes.
 *
 * Why "forward" is the same: it is GOST's name for this where the listener is not tcp (tls://:443/:80).
 * Owns nothing. Never reads from the client. See: include/handler.h.
 */
#include "handler.h"

#include "session.h"

static void tcp_start(struct session *s)
{
	session_connect(s);
}

const struct handler_ops handler_tcp_ops = {
	.name = "tcp",
	.needs_target = true,
	.start = tcp_start,
};
