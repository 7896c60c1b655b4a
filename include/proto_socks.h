/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks.h - what SOCKS4 and SOCKS5 share: a target, and what a parser can say.
 *
 * Why four outcomes: a client is answered differently when it speaks nonsense (nothing) and when it asks for an address
 * type that we do not know (a reply code).
 * Owns: nothing; a target is a value. Never: resolves a name, does I/O.
 * See: proto_socks4.h, proto_socks5.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum socks_result {
	SOCKS_ACCEPT,      /* complete: consumed says where it ends */
	SOCKS_MORE,        /* so far so good */
	SOCKS_REJECT,      /* not this protocol, or broken: error says how */
	SOCKS_UNSUPPORTED, /* an address type nobody has defined: error says so */
};

enum { SOCKS_HOST_MAX = 255 };

/*
 * GOST's own: MUX_BIND, a port for many, who come as smux streams over the client's connection; UDP_TUN, datagrams over that
 * connection (proto_datagram.h), to and from anybody, or with a port named those of whoever sends to it.
 */
enum socks_command { SOCKS_CONNECT = 1, SOCKS_BIND = 2, SOCKS_UDP = 3, SOCKS_MUX_BIND = 0xf2, SOCKS_UDP_TUN = 0xf3 };

/* host: a name, or a numeric address without brackets (IPv4-mapped IPv6 as IPv4); "" where the client names none. */
struct socks_target {
	char host[SOCKS_HOST_MAX + 1];
	uint16_t port;
};

/* What every parser gets and fills besides its result. On SOCKS_ACCEPT consumed is set, otherwise error or nothing. */
struct socks_parse {
	const uint8_t *data;
	size_t len;
	size_t consumed;
	const char *error;
};

static inline enum socks_result socks_fail(struct socks_parse *in, enum socks_result result, const char *error)
{
	in->error = error;
	return result;
}

/* Copies a name of len bytes. False: it has bytes that no name has (NUL, controls, space), or is too long. */
bool socks_target_name(struct socks_target *t, const uint8_t *name, size_t len);
/* The numeric text and port of an address; port 0 and "" for one that is unset. */
void socks_target_addr(struct socks_target *t, const struct addr *a);
/* The address a numeric host stands for; false for a name. */
bool socks_target_is_numeric(const struct socks_target *t, struct addr *out);
