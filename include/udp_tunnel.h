/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_tunnel.h - rudp with a chain: a udp service whose datagrams come to a port at the end of the chain instead of here.
 *
 * Why one per service, on the first worker: the far end opens one port for one connection. To the sessions it is what the
 * service's socket is without a chain: each visitor has one, with its own address.
 * Owns: the connection to the far end. Never: takes a datagram of nobody; keeps a session beyond the connection it came through
 * (behind the next there may be somebody else with that address).
 * See: user/udp_tunnel.c, include/far_port.h; user/handler_udp_tun.c (the other end).
 */
#pragma once

struct udp_service;
struct udp_tunnel;

/* Begins to connect at once. 0 or -errno. */
int udp_tunnel_new(struct udp_tunnel **out, struct udp_service *u);
/* Sends the service's replies. */
void udp_tunnel_send(struct udp_tunnel *t, unsigned count);
void udp_tunnel_free(struct udp_tunnel *t); /* NULL is fine */
