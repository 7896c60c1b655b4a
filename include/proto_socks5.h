/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks5.h - SOCKS5: methods, user and password, requests, replies and the header of a datagram, read and written.
 *
 * Why: bytes in, values out; who asks whom is the handler's and the connector's. A request and a reply are one format
 * (struct socks5_message), so they are one parser.
 * Owns: nothing. Never: takes a byte behind a message: what a client sends on is payload.
 * See: RFC 1928, RFC 1929, tests/vectors/socks5.tsv.
 */
#pragma once

#include <sys/types.h>

#include "proto_socks.h"

enum {
	SOCKS5_FIELD_MAX = 255,
	SOCKS5_OFFER_MAX = 2 + 255,
	SOCKS5_CHOICE_LEN = 2,
	SOCKS5_LOGIN_MAX = 3 + 2 * SOCKS5_FIELD_MAX,
	SOCKS5_STATUS_LEN = 2,
	SOCKS5_MESSAGE_MAX = 4 + 1 + SOCKS_HOST_MAX + 2,
	SOCKS5_UDP_HEADER_MAX = SOCKS5_MESSAGE_MAX,
};

enum socks5_method { SOCKS5_METHOD_NONE = 0x00, SOCKS5_METHOD_PASSWORD = 0x02, SOCKS5_METHOD_NO_MATCH = 0xff };

enum socks5_code {
	SOCKS5_SUCCEEDED = 0,
	SOCKS5_FAILURE = 1,
	SOCKS5_NOT_ALLOWED = 2,
	SOCKS5_NETWORK_UNREACHABLE = 3, /* GOST: every failed dial */
	SOCKS5_HOST_UNREACHABLE = 4,
	SOCKS5_REFUSED = 5,
	SOCKS5_TTL_EXPIRED = 6,
	SOCKS5_BAD_COMMAND = 7,
	SOCKS5_BAD_ADDRESS = 8,
};

/* Borrows the parsed bytes. */
struct socks5_offer {
	const uint8_t *methods;
	uint8_t count; /* at least 1 */
};

struct socks5_login {
	char user[SOCKS5_FIELD_MAX + 1], password[SOCKS5_FIELD_MAX + 1];
	uint8_t user_len, password_len; /* neither need be text */
};

/* A request (code: the command) or a reply (code: enum socks5_code). */
struct socks5_message {
	uint8_t code;
	struct socks_target target;
};

struct socks5_udp_header {
	uint8_t fragment; /* 0: the datagram is whole */
	struct socks_target target;
};

enum socks_result socks5_parse_offer(struct socks_parse *in, struct socks5_offer *out);
enum socks_result socks5_parse_choice(struct socks_parse *in, uint8_t *method);
enum socks_result socks5_parse_login(struct socks_parse *in, struct socks5_login *out);
enum socks_result socks5_parse_status(struct socks_parse *in, uint8_t *status); /* 0: welcome */
enum socks_result socks5_parse_message(struct socks_parse *in, struct socks5_message *out);
/* A datagram is whole or broken: SOCKS_MORE means cut short. consumed: where the payload begins. */
enum socks_result socks5_parse_udp(struct socks_parse *in, struct socks5_udp_header *out);

bool socks5_offers(const struct socks5_offer *offer, enum socks5_method method);

/* Bytes written, -EINVAL, or -ENOSPC. */
ssize_t socks5_build_offer(uint8_t *out, size_t cap, const uint8_t *methods, uint8_t count);
ssize_t socks5_build_login(uint8_t *out, size_t cap, const struct socks5_login *login);
/* An empty host is 0.0.0.0; an empty name where a port for many is asked for (MUX_BIND, UDP_TUN), as GOST writes it. */
ssize_t socks5_build_message(uint8_t *out, size_t cap, const struct socks5_message *msg);
ssize_t socks5_build_udp(uint8_t *out, size_t cap, const struct socks5_udp_header *header);
/* "connection refused", ... */
const char *socks5_code_text(uint8_t code);
