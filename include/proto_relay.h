/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_relay.h - GOST's relay protocol, version 1: bytes in, message out, and back.
 *
 * Why: request and response have one shape (version, one byte, length, features), so one parser and one builder serve
 * the connector, the handler and the streams of a tunnel. The result is decided at the first byte that settles it.
 * Owns: nothing. Views (names, credentials) point into the caller's buffer.
 * Never: does I/O, allocates, logs.
 * See: tests/vectors/relay.tsv (recorded from GOST 3.2.6), tests/unit/test_proto_relay.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

enum relay_result { RELAY_ACCEPT, RELAY_NEED_MORE, RELAY_REJECT };

/* A request's second byte: a command in the low nibble; 0 means CONNECT. */
enum { RELAY_CONNECT = 1, RELAY_BIND = 2, RELAY_ASSOCIATE = 3, RELAY_COMMAND_MASK = 0x0f, RELAY_FLAG_UDP = 0x80 };

/* A response's second byte. */
enum relay_status {
	RELAY_OK = 0,
	RELAY_BAD_REQUEST = 1,
	RELAY_UNAUTHORIZED = 2,
	RELAY_FORBIDDEN = 3,
	RELAY_TIMEOUT = 4,
	RELAY_UNAVAILABLE = 5,
	RELAY_HOST_UNREACHABLE = 6,
	RELAY_NETWORK_UNREACHABLE = 7,
	RELAY_INTERNAL = 8,
};
/* "forbidden"; "unknown status" for what GOST does not define. */
const char *relay_status_name(uint8_t status);

enum relay_network { RELAY_NET_TCP = 0, RELAY_NET_UDP = 1 };

enum {
	RELAY_FIXED = 4,
	RELAY_FEATURES_MAX = 2048, /* all that exist take less than 900; a longer list is refused at byte 4 */
	RELAY_MESSAGE_MAX = RELAY_FIXED + RELAY_FEATURES_MAX,
	RELAY_ADDRS_MAX = 2, /* a tunnel's stream: the visitor, and what the visitor asked for */
};

struct relay_text {
	const char *data; /* not terminated; never holds a NUL */
	uint8_t len;
};

/* A numeric address, or a name; an empty name stands for "any" where something is to be bound. */
struct relay_endpoint {
	struct addr ip;         /* set: numeric, with the port */
	struct relay_text name; /* otherwise */
	uint16_t port;
};

struct relay_message {
	uint8_t code; /* command and flags, or status */
	bool has_user, has_network, has_tunnel;
	struct relay_text user, password;
	uint16_t network;
	struct relay_endpoint at[RELAY_ADDRS_MAX];
	size_t at_count;
	size_t consumed; /* bytes of the message; what follows is payload */
};

/* *why is a sentence on RELAY_REJECT. len bytes are there. */
enum relay_result relay_parse(const uint8_t *data, size_t len, struct relay_message *m, const char **why);

/* Features in the order they are added: GOST's order differs between CONNECT and BIND. */
struct relay_builder {
	uint8_t *out;
	size_t cap, len;
	int error; /* the first thing that did not fit: -EMSGSIZE, -ENAMETOOLONG */
};
void relay_begin(struct relay_builder *b, uint8_t code, uint8_t *out, size_t cap);
void relay_add_user(struct relay_builder *b, const char *user, const char *password);
void relay_add_network(struct relay_builder *b, enum relay_network network);
/* host: numeric text becomes an address, "" and everything else a name. */
void relay_add_host(struct relay_builder *b, const char *host, uint16_t port);
void relay_add_addr(struct relay_builder *b, const struct addr *a);
/* Length of the message, or -errno. */
ssize_t relay_end(struct relay_builder *b);

/* host (at least RELAY_HOST_MAX) and port as text and number, as handlers want them. */
#define RELAY_HOST_MAX 256
void relay_endpoint_host(const struct relay_endpoint *e, char host[static RELAY_HOST_MAX]);
