/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_datagram.c - see proto_datagram.h.
 *
 * Why a fragment other than 0xff is refused: it would be a SOCKS5 datagram of the ordinary kind, whose length nobody knows
 * in a stream; everything behind it would be misread.
 * Owns: nothing. Never: reads past len.
 */
#include "proto_datagram.h"

#include <errno.h>

enum { COUNT = 2, FRAGMENT_AT = 2, IN_A_STREAM = 0xff };

static size_t be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static enum datagram_result take(const uint8_t *data, size_t len, size_t head, size_t count, struct datagram *out)
{
	if (len < head + count)
		return DATAGRAM_MORE;
	out->data = data + head;
	out->len = count;
	out->size = head + count;
	return DATAGRAM_ACCEPT;
}

static enum datagram_result parse_counted(const uint8_t *data, size_t len, struct datagram *out, const char **why)
{
	(void)why;
	return len < COUNT ? DATAGRAM_MORE : take(data, len, COUNT, be16(data), out);
}

static ssize_t head_counted(uint8_t out[static DATAGRAM_HEAD_MAX], const struct socks_target *peer, size_t len)
{
	(void)peer;
	if (len > DATAGRAM_DATA_MAX)
		return -EMSGSIZE;
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	return COUNT;
}

const struct datagram_framing datagram_counted = {
	.name = "counted",
	.parse = parse_counted,
	.head = head_counted,
};

static enum datagram_result parse_addressed(const uint8_t *data, size_t len, struct datagram *out, const char **why)
{
	struct socks_parse in = {.data = data, .len = len};
	struct socks5_udp_header header;

	if (len > FRAGMENT_AT && data[FRAGMENT_AT] != IN_A_STREAM) {
		*why = "a datagram in a stream is not marked as one";
		return DATAGRAM_REJECT;
	}
	enum socks_result r = socks5_parse_udp(&in, &header);
	if (r == SOCKS_MORE)
		return DATAGRAM_MORE;
	if (r != SOCKS_ACCEPT) {
		*why = in.error;
		return DATAGRAM_REJECT;
	}
	out->peer = header.target;
	return take(data, len, in.consumed, be16(data), out);
}

static ssize_t head_addressed(uint8_t out[static DATAGRAM_HEAD_MAX], const struct socks_target *peer, size_t len)
{
	struct socks5_udp_header header = {.fragment = IN_A_STREAM, .target = *peer};

	if (len > DATAGRAM_DATA_MAX)
		return -EMSGSIZE;
	if (!len)
		return -ENOMSG;
	ssize_t n = socks5_build_udp(out, DATAGRAM_HEAD_MAX, &header);
	if (n < 0)
		return n;
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	return n;
}

const struct datagram_framing datagram_addressed = {
	.name = "addressed",
	.addressed = true,
	.parse = parse_addressed,
	.head = head_addressed,
};
