/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * far_port.h - a port at the end of a chain: asked for, and asked for again when it is lost.
 *
 * Why apart: rtcp and rudp differ in what comes through the connection, not in how it is had.
 * Owns: the route under way and the timer; the connection is the user's from opened() on. Comes back after 1, 2, 4, then every 5 seconds.
 * Never: blocks, gives up, calls back after far_port_stop().
 * See: user/tunnel.c (rtcp), user/udp_tunnel.c (rudp).
 */
#pragma once

#include "connector.h"
#include "service.h"
#include "session.h"

struct far_port {
	struct session_host *host;
	struct service *svc;
	enum connector_command command;
	struct route *route;
	struct loop_timer retry;
	unsigned failures;
	struct addr bound; /* what the far end says; set when opened() is called */
	char bind_host[256];
	uint16_t bind_port;
	bool stopped;
	void *ctx;
	/* It is open: takes res->io and res->tls. 0, or -errno: it is asked for again, and res->tls was freed. */
	int (*opened)(void *ctx, const struct route_result *res);
};

/* Begins to connect at once. 0, or -EINVAL: the service's address is none. */
int far_port_init(struct far_port *p, struct session_host *host, struct service *svc, enum connector_command command);
/* The connection is gone: why, in words. */
void far_port_again(struct far_port *p, const char *why);
void far_port_say(struct far_port *p, enum log_level level, const char *text);
/* What a visitor connected to: a port on all addresses of the far end is one of the visitor's own family. */
struct addr far_port_destination(const struct far_port *p, const struct addr *visitor);
void far_port_stop(struct far_port *p); /* idempotent */
