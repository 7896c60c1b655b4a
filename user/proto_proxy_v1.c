/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_proxy_v1.c - the text header: "PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n".
 *
 * Why: bytes are judged as they come while that is cheap (keyword, alphabet, line end), and decoded
 * only once CRLF is there, as section 2.1 demands: "1.2.3.4" may be the beginning of "1.2.3.45".
 * Numbers are read strictly; receivers that wrap 65536 to 0 or take 010 for 8 let two hops disagree
 * about one client.
 * Owns: nothing.
 * Never: sees fewer bytes than the signature; treats the line as a C string (it may hold a NUL).
 * See: proxy-protocol.txt section 2.1.
 */
#include <errno.h>

#include "proto_proxy_internal.h"

#define PROTOCOL_AT (PROXY_V1_SIGNATURE_LEN + 1) /* after "PROXY " */
#define TCP4_LINE_MAX 56
#define FIELDS 4

struct protocol {
	const char *word;
	size_t word_len;
	enum proxy_family family;
	size_t line_max; /* with CRLF */
	const char *too_long, *bad_byte;
	const char *bad_address[2]; /* source, destination */
};

/*
 * TCP6 lines end at 104 in pure hexadecimal; dotted tails (accepted, see parse_address) may take
 * what is left.
 */
static const struct protocol protocols[] = {
	{
		.word = "TCP4",
		.word_len = 4,
		.family = PROXY_AF_INET,
		.line_max = TCP4_LINE_MAX,
		.too_long = "no CRLF within the 56 bytes of a TCP4 line",
		.bad_byte = "a byte that no TCP4 line can contain",
		.bad_address = {"the source is not an IPv4 address",
				"the destination is not an IPv4 address"},
	},
	{
		.word = "TCP6",
		.word_len = 4,
		.family = PROXY_AF_INET6,
		.line_max = PROXY_V1_MAX,
		.too_long = "no CRLF within 107 bytes",
		.bad_byte = "a byte that no TCP6 line can contain",
		.bad_address = {"the source is not an IPv6 address",
				"the destination is not an IPv6 address"},
	},
	{
		.word = "UNKNOWN",
		.word_len = 7,
		.family = PROXY_AF_UNSPEC,
		.line_max = PROXY_V1_MAX,
		.too_long = "no CRLF within 107 bytes",
	},
};

struct field {
	size_t at, len;
};

struct v1_line {
	const uint8_t *buf;
	size_t len;
	const struct proxy_limits *limits;
	struct proxy_fault *fault;
	const struct protocol *protocol;
	size_t cr; /* offset of the CR of CRLF */
};

static enum proxy_result reject(const struct v1_line *l, size_t offset, const char *error)
{
	proxy_set_fault(l->fault, error, offset, "2.1");
	return PROXY_REJECT;
}

/* Finds the keyword; ACCEPT once it is complete and a byte follows. */
static enum proxy_result find_protocol(struct v1_line *l)
{
	size_t best = 0, rest = l->len - PROTOCOL_AT;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		const struct protocol *p = &protocols[i];
		size_t same = proxy_common_prefix(l->buf + PROTOCOL_AT, rest, p->word, p->word_len);

		if (same == rest)
			return PROXY_NEED_MORE;
		if (same == p->word_len) {
			l->protocol = p;
			return PROXY_ACCEPT;
		}
		if (same > best)
			best = same;
	}
	return reject(l, PROTOCOL_AT + best, "the protocol is none of TCP4, TCP6, UNKNOWN");
}

static enum proxy_result judge_protocol(struct v1_line *l)
{
	if (l->len < PROTOCOL_AT)
		return PROXY_NEED_MORE;
	if (l->buf[PROTOCOL_AT - 1] != ' ')
		return reject(l, PROTOCOL_AT - 1, "no space after PROXY");
	enum proxy_result r = find_protocol(l);
	if (r != PROXY_ACCEPT)
		return r;
	size_t end = PROTOCOL_AT + l->protocol->word_len;
	bool unknown = l->protocol->family == PROXY_AF_UNSPEC;
	if (l->buf[end] != ' ' && !(unknown && l->buf[end] == '\r'))
		return reject(l, end,
			      unknown ? "neither a space nor CRLF after UNKNOWN"
				      : "no space after the protocol");
	return PROXY_ACCEPT;
}

/* Not a decoder: it only finds the first byte after which no line of that protocol can be valid. */
static bool byte_is_possible(const struct protocol *p, uint8_t c)
{
	if (p->family == PROXY_AF_UNSPEC)
		return true;
	if ((c >= '0' && c <= '9') || c == '.' || c == ' ')
		return true;
	return p->family == PROXY_AF_INET6 &&
	       (c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

static enum proxy_result judge_cr(struct v1_line *l, size_t at)
{
	if (at + 1 == l->len)
		return PROXY_NEED_MORE;
	if (l->buf[at + 1] != '\n')
		return reject(l, at + 1, "CR is not followed by LF");
	l->cr = at;
	return PROXY_ACCEPT;
}

/*
 * ACCEPT: l->cr is set. A lone LF is refused in UNKNOWN lines too, though the receiver ignores what
 * they say: a peer that ends lines so would have its payload swallowed up to the next CRLF.
 */
static enum proxy_result find_line_end(struct v1_line *l)
{
	const struct protocol *p = l->protocol;
	size_t last = p->line_max - 2; /* the last place for the CR */

	for (size_t i = PROTOCOL_AT + p->word_len; i < l->len && i <= last; i++) {
		uint8_t c = l->buf[i];
		if (c == '\r')
			return judge_cr(l, i);
		if (c == '\n')
			return reject(l, i, "LF without CR");
		if (!byte_is_possible(p, c))
			return reject(l, i, p->bad_byte);
	}
	return l->len <= last ? PROXY_NEED_MORE : reject(l, last, p->too_long);
}

/* Exactly one space between fields and none at the end, so an empty field is a fault. */
static enum proxy_result split_fields(const struct v1_line *l, struct field fields[static FIELDS])
{
	size_t at = PROTOCOL_AT + l->protocol->word_len; /* of the space before the field */

	for (int i = 0; i < FIELDS; i++) {
		if (at == l->cr)
			return reject(l, at, "fewer than four fields after the protocol");
		struct field f = {.at = at + 1};
		for (at = f.at; at < l->cr && l->buf[at] != ' '; at++)
			f.len++;
		if (!f.len)
			return reject(l, f.at, "an empty field: one space only between fields");
		fields[i] = f;
	}
	return at == l->cr ? PROXY_ACCEPT
			   : reject(l, at, "more than four fields after the protocol");
}

/* 0..65535, no sign, no heading zero: section 2.1. */
static int parse_port(const uint8_t *text, size_t len, uint16_t *out)
{
	unsigned port = 0;

	if (!len || len > 5 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		port = port * 10 + (text[i] - '0');
	}
	if (port > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

/*
 * The grammar does not mention ::ffff:1.2.3.4, every receiver takes it, and so does this one. IPv4
 * text in a TCP6 line is what old nginx sends for mixed pairs; under v4_in_tcp6 it becomes the
 * v4-mapped form, so that both addresses have the family that the line names.
 */
static int parse_address(const struct v1_line *l, struct field f, uint16_t port, struct addr *out)
{
	struct addr a = {0};
	int err = addr_parse_ip(&a, (const char *)l->buf + f.at, f.len, port);

	if (err)
		return err;
	if (l->protocol->family == PROXY_AF_INET6 && l->limits->v4_in_tcp6)
		addr_map(&a);
	if (addr_family(&a) != (l->protocol->family == PROXY_AF_INET ? AF_INET : AF_INET6))
		return -EINVAL;
	*out = a;
	return 0;
}

static enum proxy_result parse_pair(const struct v1_line *l, struct addr pair[static 2])
{
	static const char *const bad_port[2] = {
		"the source port is not a number from 0 to 65535 without heading zero",
		"the destination port is not a number from 0 to 65535 without heading zero",
	};
	struct field fields[FIELDS];
	enum proxy_result r = split_fields(l, fields);

	for (int i = 0; i < 2 && r == PROXY_ACCEPT; i++) {
		uint16_t port;
		if (parse_port(l->buf + fields[i + 2].at, fields[i + 2].len, &port))
			return reject(l, fields[i + 2].at, bad_port[i]);
		if (parse_address(l, fields[i], port, &pair[i]))
			return reject(l, fields[i].at, l->protocol->bad_address[i]);
	}
	return r;
}

static enum proxy_result accept_line(const struct v1_line *l, struct proxy_header *header)
{
	bool unknown = l->protocol->family == PROXY_AF_UNSPEC;
	struct addr pair[2] = {0};

	if (!unknown) {
		enum proxy_result r = parse_pair(l, pair);
		if (r != PROXY_ACCEPT)
			return r;
	}
	if (header)
		*header = (struct proxy_header){
			.version = 1,
			.command = unknown ? PROXY_CMD_UNKNOWN : PROXY_CMD_PROXY,
			.family = l->protocol->family,
			.proto = unknown ? PROXY_PROTO_UNSPEC : PROXY_PROTO_STREAM,
			.src = pair[0],
			.dst = pair[1],
			.consumed = l->cr + 2,
		};
	return PROXY_ACCEPT;
}

enum proxy_result proxy_parse_v1(const uint8_t *buf, size_t len, const struct proxy_limits *limits,
				 struct proxy_header *header, struct proxy_fault *fault)
{
	struct v1_line l = {.buf = buf, .len = len, .limits = limits, .fault = fault};
	enum proxy_result r = judge_protocol(&l);

	if (r == PROXY_ACCEPT)
		r = find_line_end(&l);
	return r == PROXY_ACCEPT ? accept_line(&l, header) : r;
}
