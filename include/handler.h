/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.h - an inbound protocol: what happens between the PROXY header and the choice of a target.
 *
 * Why: a new protocol is one file that fills this and one row in the registry.
 * Owns: nothing. Never: touches the sockets after session_connect(): the engine has them then.
 * See: include/session.h, user/registry.c.
 */
#pragma once

struct session;

struct handler_ops {
	const char *name;
	/* The session is in SESSION_HANDSHAKE. Ends in session_connect() or session_fail(), now or later. */
	void (*start)(struct session *s);
};

extern const struct handler_ops handler_tcp_ops;
