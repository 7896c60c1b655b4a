/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_udp_tun.h - datagrams of many over one client's connection: SOCKS5's UDP-TUN, and relay's BIND for datagrams.
 *
 * Why apart from the protocols: they differ in how it is asked for, no more. With a port everybody who sends to it is heard.
 * Owns: what is opened. Never: answers the request; that is the protocol's.
 * See: user/handler_udp_tun.c, include/proto_datagram.h; user/udp_tunnel.c (rudp, the other end).
 */
#pragma once

#include "loop.h"

struct addr;
struct session;
struct udp_tun;

/* at: the port to open; NULL: none, only to send from. 0 or -errno. */
int udp_tun_open(struct udp_tun **out, struct session *s, const struct addr *at);
const struct addr *udp_tun_addr(const struct udp_tun *t); /* of that port; unset without one */
/*
 * Instead of sockets here, the service's chain: ready is called when it is there, or error says why it is not. on_client as below.
 * 0, or -errno: there is no such chain.
 */
int udp_tun_dial(struct udp_tun *t, loop_io_fn on_client, void (*ready)(struct session *s, const char *error));
/* The client has been answered: what it sends now are datagrams. on_client: calls udp_tun_ready(). */
void udp_tun_begin(struct udp_tun *t, loop_io_fn on_client);
void udp_tun_ready(struct udp_tun *t);
/* Datagrams hold up no end of the process. NULL is fine. */
void udp_tun_drain(struct udp_tun *t);
void udp_tun_free(struct udp_tun *t); /* from the handler's release(); NULL is fine */
