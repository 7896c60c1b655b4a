/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks4.h - SOCKS4 and 4a: the request and its reply, read and written.
 *
 * Why: bytes in, values out; who asks whom is the handler's and the connector's.
 * Owns: nothing. Never: takes a byte behind a message.
 * See: the SOCKS4 and SOCKS4A memos, tests/vectors/socks4.tsv.
 */
#pragma once

#include <sys/types.h>

#include "proto_socks.h"

enum {
	SOCKS4_USER_MAX = 255,
	SOCKS4_REQUEST_MAX = 8 + SOCKS4_USER_MAX + 1 + SOCKS_HOST_MAX + 1,
	SOCKS4_REPLY_LEN = 8,
};

enum socks4_code {
	SOCKS4_GRANTED = 90,
	SOCKS4_FAILED = 91,
	SOCKS4_FORBIDDEN = 92, /* GOST: bypass */
	SOCKS4_BAD_USER = 93,
};

struct socks4_request {
	uint8_t command;
	bool with_name; /* 4a: the host travels as text (which may be a numeric address) */
	struct socks_target target;
	char user[SOCKS4_USER_MAX + 1];
};

struct socks4_reply {
	uint8_t code;
	struct addr bound; /* IPv4 */
};

enum socks_result socks4_parse_request(struct socks_parse *in, struct socks4_request *out);
enum socks_result socks4_parse_reply(struct socks_parse *in, struct socks4_reply *out);

/*
 * Bytes written, -EINVAL (without with_name only a numeric IPv4 host can be said; an empty host never), or -ENOSPC.
 */
ssize_t socks4_build_request(uint8_t *out, size_t cap, const struct socks4_request *req);
/* bound unset or not IPv4: zeroes, as GOST sends. */
void socks4_build_reply(uint8_t out[static SOCKS4_REPLY_LEN], enum socks4_code code, const struct addr *bound);
/* "request rejected or failed", ... */
const char *socks4_code_text(uint8_t code);
