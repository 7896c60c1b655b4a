/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_header.h - a PROXY header from the words of a command line.
 *
 * Why: `encode` and `send` describe a header alike; here is what the words mean and what does not go together. The result
 * is judged by the parser before it is handed out, so nothing leaves that gostbpf itself would refuse.
 * Owns: nothing. Never: prints, does I/O, shortens what does not fit.
 * See: cmd_encode.c, cmd_send.c, tests/unit/test_cmd_header.c.
 */
#pragma once

#include "addr.h"
#include "cmd_flags.h"
#include "proto_proxy.h"

struct cmd_header {
	const char *version;   /* "1" or "2"; NULL: 1, or 2 when something only version 2 can say is asked for */
	const char *src, *dst; /* ip:port */
	struct cmd_list tlvs;  /* TYPE=text, TYPE=hex:digits */
	bool local, dgram, crc;
};

/* The rows that both commands have, for a struct with a member `header`. */
#define CMD_HEADER_FLAGS(type)                                                                            \
	{"src", CMD_TEXT, offsetof(type, header.src), "IP:PORT", "the client ([IPv6]:port with brackets)"}, \
	{"dst", CMD_TEXT, offsetof(type, header.dst), "IP:PORT", "where the client connected to"},          \
	{"local", CMD_SWITCH, offsetof(type, header.local), NULL, "name nobody: LOCAL; UNKNOWN in version 1"}, \
	{"tlv", CMD_LIST, offsetof(type, header.tlvs), "TYPE=VALUE", "add a TLV (version 2); may be repeated"}, \
	{"crc", CMD_SWITCH, offsetof(type, header.crc), NULL, "add a CRC32C (version 2)"}
#define CMD_HEADER_NOTES                                                                                  \
	"TYPE is 0x00 to 0xff or a name: ALPN, AUTHORITY, NOOP, UNIQUE_ID, SSL, NETNS, GCP, ALIBABA, AWS, AZURE.\n" \
	"VALUE is text, or hex: and hexadecimal digits.\n"

/*
 * Writes the header to out[0..cap), PROXY_HEADER_MAX suffices. own_src and own_dst stand for src and dst that are not
 * given; NULL: both must be. Returns the length, or -EINVAL, -EOVERFLOW, -ENOSPC, -ENOMEM with err filled.
 */
ssize_t cmd_header_build(const struct cmd_header *want, const struct addr *own_src, const struct addr *own_dst,
			 uint8_t *out, size_t cap, struct cmd_error *err);
