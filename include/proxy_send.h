/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_send.h - what a PROXY header that we send holds besides the two addresses.
 *
 * Why: which TLVs are passed on and which are added is text in the configuration and bytes in every session; it is
 * checked and taken apart once. An added TLV replaces those of its type that came in: whoever adds one vouches for it.
 * Owns: the added values. Never: does I/O; shortens a header that does not fit.
 * See: user/proxy_send.c, include/proto_proxy.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

struct proxy_added {
	uint8_t type;
	bool literal; /* bytes; otherwise text in which {name} stands for something */
	uint8_t *value;
	size_t len;
};

struct proxy_send {
	int version; /* 0: no header, and nothing below counts */
	bool dst_local; /* the destination is our own socket's address, even where a header named one */
	bool crc32c;
	bool unique_id; /* an added value asks for {unique-id} */
	uint8_t pass[32]; /* bit per type of a received TLV that is sent on */
	struct proxy_added *added;
	size_t added_count;
};

/* Random; for one session. */
#define PROXY_UNIQUE_ID_SIZE 33
void proxy_send_make_unique_id(char out[static PROXY_UNIQUE_ID_SIZE]);

/* "all", or names and 0xNN separated by commas. 0, or -EINVAL with a sentence in why. */
int proxy_send_parse_pass(struct proxy_send *plan, const char *text, char *why, size_t why_cap);
/* TYPE=VALUE separated by commas; VALUE is text, or hex:6162. 0, -ENOMEM, or -EINVAL as above; plan->added must be empty. */
int proxy_send_parse_add(struct proxy_send *plan, const char *text, char *why, size_t why_cap);
void proxy_send_free(struct proxy_send *plan);
bool proxy_send_passes(const struct proxy_send *plan, uint8_t type);
bool proxy_send_passes_any(const struct proxy_send *plan);

struct proxy_send_facts {
	struct addr src, dst;
	bool datagram; /* udp, not tcp */
	const uint8_t *tlvs; /* of the received header */
	size_t tlvs_len;
	const char *unique_id, *client, *service, *sid; /* for templates */
};

/* Length, or -ENOMEM, -ENOSPC, -EOVERFLOW (the TLVs cannot all be said) with out untouched. */
ssize_t proxy_send_build(const struct proxy_send *plan, const struct proxy_send_facts *facts, uint8_t *out, size_t cap);
