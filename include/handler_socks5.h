/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_socks5.h - what the files of the SOCKS5 handler share.
 *
 * Owns: struct socks5, the handler's state of one session (s->handshake). Never: included outside user/handler_socks5*.c.
 * See: handler_socks5.c (methods, CONNECT), handler_socks5_bind.c, handler_socks5_udp.c.
 */
#pragma once

#include "proto_socks5.h"
#include "session.h"

struct endpoint;
struct socks5_bind;
struct socks5_udp;
struct udp_tun;

struct socks5 {
	uint8_t step;
	struct socks5_bind *bind; /* while a peer is awaited */
	struct socks5_udp *udp;   /* an association */
	struct endpoint *endpoint; /* a port for many */
	struct udp_tun *tun;       /* datagrams over the client's connection */
};

/* A reply with that code and address; 0, or negative: the session is gone. */
int socks5_say(struct session *s, enum socks5_code code, const struct addr *bound);
void socks5_refuse(struct session *s, enum socks5_code code, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The end of a descriptor as an address; unset when the kernel does not say. */
struct addr socks5_name_of(int fd);

/* BIND: listens, replies twice, and hands the accepted peer over. */
void socks5_bind_begin(struct session *s, const struct socks_target *at);
void socks5_bind_free(struct session *s, struct socks5_bind *bind);

/* MUX-BIND: opens a port for many; the session becomes the tunnel to it. */
void socks5_mux_bind_begin(struct session *s, const struct socks_target *at);

/* UDP ASSOCIATE: relays datagrams until the client's connection ends. */
void socks5_udp_begin(struct session *s);
/* UDP-TUN (GOST's): the same over that connection, or a port for datagrams. */
void socks5_udp_tun_begin(struct session *s, const struct socks_target *at);
void socks5_udp_free(struct session *s, struct socks5_udp *udp);
