/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_service.h - one UDP service on one worker: its socket, and a session for each client.
 *
 * Why: UDP has no connection to hand around, so a worker's own socket (SO_REUSEPORT: the kernel deals by addresses, the same
 * client always comes to the same worker) and its own table need no lock.
 * Owns: the socket, the sessions with their upstream sockets, two batches of datagrams.
 * Never: touches another worker's sessions, holds up a drain.
 * See: include/udp_table.h; user/udp_session.c.
 */
#pragma once

#include "service.h"
#include "session.h"

struct udp_service;

/* sessions_max: what the process can afford, if that is less than the service's own limit. 0 or -errno. */
int udp_service_new(struct udp_service **out, struct session_host *host, struct service *svc, size_t sessions_max);
/* Ends all sessions, each with its closing record. From the loop's thread, not from inside a call of ours. */
void udp_service_free(struct udp_service *u); /* NULL is fine */
