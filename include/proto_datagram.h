/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_datagram.h - datagrams in a stream of bytes: how GOST's relay protocol and its SOCKS5 mark where one ends.
 *
 * Why two: a way to one target needs a length only; a way to many (UDP-TUN, an opened port) must say whose each datagram is.
 * A framing is a table of functions, so whoever moves datagrams need not know which it is.
 * Owns: nothing; data points into the caller's buffer. Never: does I/O, allocates, takes a byte of the next datagram.
 * See: tests/vectors/datagram.tsv, include/udp_line.h.
 */
#pragma once

#include <sys/types.h>

#include "proto_socks5.h"

enum datagram_result { DATAGRAM_ACCEPT, DATAGRAM_MORE, DATAGRAM_REJECT };

enum {
	DATAGRAM_HEAD_MAX = SOCKS5_UDP_HEADER_MAX,
	DATAGRAM_DATA_MAX = 65535,
	DATAGRAM_FRAME_MAX = DATAGRAM_HEAD_MAX + DATAGRAM_DATA_MAX,
};

struct datagram {
	struct socks_target peer; /* addressed framings: whose it is, or whom it is for; otherwise untouched */
	const uint8_t *data;
	size_t len;
	size_t size; /* of the frame; what follows is the next one's */
};

struct datagram_framing {
	const char *name;
	bool addressed;
	/* len bytes are there; *why is a sentence on DATAGRAM_REJECT. */
	enum datagram_result (*parse)(const uint8_t *data, size_t len, struct datagram *out, const char **why);
	/* What stands in front of len bytes: its length, -EMSGSIZE, or -ENOMSG: this framing cannot say it. */
	ssize_t (*head)(uint8_t out[static DATAGRAM_HEAD_MAX], const struct socks_target *peer, size_t len);
};

/* Relay's CONNECT: two bytes of length. */
extern const struct datagram_framing datagram_counted;
/*
 * SOCKS5's UDP-TUN and relay's BIND: the header of a SOCKS5 datagram with its length in the reserved bytes and 0xff for the
 * fragment. An empty datagram is read, but never written: GOST takes what follows for its content.
 */
extern const struct datagram_framing datagram_addressed;
