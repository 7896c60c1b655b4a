/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_socket.h - the one TCP socket that a command needs, by the name a user types.
 *
 * Why: a command serves one connection and may block, so getaddrinfo() and a plain connect() do; services have
 * resolver.h and dial.h.
 * Owns: nothing; descriptors are the caller's. Never: retries.
 */
#pragma once

#include "cmd_flags.h"

/* "host:port", "[v6]:port" or ":port". A descriptor, or -1 with err filled. */
int cmd_socket_listen(const char *text, struct cmd_error *err);	 /* ":port": both families; accept() does not block */
int cmd_socket_connect(const char *text, struct cmd_error *err); /* ":port": this machine; 10 s for each address */
