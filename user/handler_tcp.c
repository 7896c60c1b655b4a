/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_tcp.c - plain forwarding: no handshake, the target is one of the forwarder's nodes.
 *
 * Why "forward" is the same: it is GOST's name for this where the listener is not tcp (tls://:443/:80).
 * Owns nothing. Never reads from the client. See: include/handler.h.
 */
#include "handler.h"

#include "session.h"

/* Without a target of ours the chain's last node knows where to go (-L tcp://:8080 -F forward://host:80). */
static void tcp_start(struct session *s)
{
	if (s->svc->node_count)
		session_connect(s);
	else
		session_connect_to(s, "", 0);
}

const struct handler_ops handler_tcp_ops = {
	.name = "tcp",
	.needs_target = true,
	.start = tcp_start,
};
