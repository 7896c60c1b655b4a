/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy.h - PROXY protocol v1 and v2: bytes in, header out, and back.
 *
 * Why: pure functions over bytes, so that every prefix of every vector can be tested and fuzzed.
 * The result is decided at the first byte that settles it: a receiver must neither wait for bytes
 * that cannot change the verdict nor judge before they came.
 * Owns: nothing. Views (TLVs, UNIX paths) point into the caller's buffer.
 * Never: does I/O, allocates, logs.
 * See: haproxy's proxy-protocol.txt (rev 2026/04/27); tests/vectors/proxy_header.tsv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

enum proxy_result {
	PROXY_ACCEPT,    /* complete; header->consumed bytes belong to it, the rest is payload */
	PROXY_NEED_MORE, /* a prefix of a possible header */
	PROXY_REJECT,    /* it is the PROXY protocol and it is wrong */
	PROXY_NOT_PROXY, /* it is something else */
};

enum proxy_command { PROXY_CMD_PROXY, PROXY_CMD_LOCAL, PROXY_CMD_UNKNOWN /* v1 UNKNOWN */ };
enum proxy_family { PROXY_AF_UNSPEC, PROXY_AF_INET, PROXY_AF_INET6, PROXY_AF_UNIX };
enum proxy_proto { PROXY_PROTO_UNSPEC, PROXY_PROTO_STREAM, PROXY_PROTO_DGRAM };

/* TLV types used by name; others are opaque. */
enum {
	PROXY_TLV_ALPN = 0x01,
	PROXY_TLV_AUTHORITY = 0x02,
	PROXY_TLV_CRC32C = 0x03,
	PROXY_TLV_NOOP = 0x04,
	PROXY_TLV_UNIQUE_ID = 0x05,
	PROXY_TLV_SSL = 0x20,
	PROXY_TLV_NETNS = 0x30,
	PROXY_TLV_AWS = 0xEA, /* first byte PROXY_AWS_VPC_ENDPOINT: the rest is an endpoint's name */
};
#define PROXY_AWS_VPC_ENDPOINT 0x01

#define PROXY_V1_MAX 107   /* bytes with CRLF; spec section 2.1 */
#define PROXY_V2_FIXED 16  /* signature, version/command, family/transport, length */
#define PROXY_HEADER_MAX 65551 /* 16 + 65535 */
#define PROXY_DEFAULT_MAX 4096

enum proxy_crc {
	PROXY_CRC_VERIFY,  /* a wrong checksum is a reject, a missing one is not */
	PROXY_CRC_REQUIRE, /* a v2 header without one is a reject, too; LOCAL is skipped unread all the same */
	PROXY_CRC_IGNORE,  /* the value is not looked at; its form is */
};

struct proxy_limits {
	size_t max_size;          /* v2: whole header; a longer one is rejected at byte 16 */
	bool allow_v1, allow_v2;  /* false: that version is a reject, naming it */
	bool reject_unspec;       /* v2 PROXY with family or transport UNSPEC */
	bool v4_in_tcp6;          /* IPv4 text in a v1 TCP6 line (old nginx), taken as v4-mapped */
	enum proxy_crc crc;
};
/* max 4096, both versions, no switches, checksums verified. */
extern const struct proxy_limits proxy_default_limits;

struct proxy_header {
	int version;               /* 1 or 2 */
	enum proxy_command command;
	enum proxy_family family;
	enum proxy_proto proto;
	struct addr src, dst;      /* unset for LOCAL, UNKNOWN, UNSPEC: use the socket's */
	size_t consumed;
	const uint8_t *tlvs;       /* whole TLV area, in the input; NULL: none, or LOCAL */
	size_t tlvs_len;
	bool crc_present;          /* and verified, unless limits->crc is IGNORE */
};

struct proxy_fault {
	const char *error;   /* sentence without a full stop, static text */
	size_t offset;       /* of the first byte that decided it */
	const char *section; /* section of the specification, static text */
};

/*
 * Judges buf[0..len). *header is written on ACCEPT only, *fault on REJECT and NOT_PROXY only; either
 * may be NULL. fault->offset is always below len.
 * A longer input with the same beginning never gets a verdict that contradicts an earlier ACCEPT,
 * REJECT or NOT_PROXY. With max(max_size, PROXY_V1_MAX) bytes there is a verdict: a buffer of that
 * size never fills up on NEED_MORE. LOCAL headers are skipped unread (family, TLVs, CRC).
 */
enum proxy_result proxy_parse(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
			      struct proxy_header *header, struct proxy_fault *fault);

struct proxy_tlv {
	uint8_t type;
	uint16_t len;
	const uint8_t *value; /* borrowed */
};
/*
 * Walks a TLV area, or the part of an SSL TLV from byte 5 on. Start with *offset = 0.
 * 1 = *out filled and *offset moved on, 0 = end, -EBADMSG = malformed (not in an accepted header).
 */
int proxy_tlv_next(const uint8_t *tlvs, size_t len, size_t *offset, struct proxy_tlv *out);

/*
 * Writes a header for the pair src -> dst (stream). An unset or UNIX address on either side gives
 * "PROXY UNKNOWN" / LOCAL with no addresses. v4-mapped counts as IPv4: two such addresses give an
 * IPv4 header, one beside a real IPv6 address is written v4-mapped. Zones are not carried.
 * Returns the length, or -ENOSPC with out untouched (PROXY_V1_MAX or PROXY_V2_FIXED + 36 suffice).
 */
ssize_t proxy_build_v1(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst);
ssize_t proxy_build_v2(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst);

/*
 * The same in general: TLVs in their order, and a CRC32C over it all in front of them when asked for. proto is STREAM or
 * DGRAM; UNSPEC gives LOCAL, as a pair that is not IP does; LOCAL carries the TLVs too. Values must not lie in out.
 * Never shorter than asked for: -EOVERFLOW when the length field cannot say it (65535 with the addresses), -ENOSPC when
 * cap is too small (PROXY_HEADER_MAX suffices), -EINVAL for a CRC32C among tlvs; out is untouched then.
 */
ssize_t proxy_build_v2_tlvs(uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst,
			    enum proxy_proto proto, const struct proxy_tlv *tlvs, size_t count, bool crc32c);

/* CRC-32C (Castagnoli, reflected), start with crc = 0; chain by passing the last result. */
uint32_t proxy_crc32c(uint32_t crc, const void *data, size_t len);
