/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_datagram.c - every prefix of every vector, heads byte for byte, the longest, and what cannot be said.
 *
 * See: tests/vectors/datagram.tsv.
 */
#include "proto_datagram.h"

#include <errno.h>

#include "wire_vectors.h"

enum { COL_FRAMING = 1, COL_HEX = 2, COL_EXPECTED = 3 };

static const struct datagram_framing *framing_of(const struct wire_row *row)
{
	return strcmp(row->column[COL_FRAMING], "addressed") ? &datagram_counted : &datagram_addressed;
}

static void say(const struct wire_row *row, const unsigned char *data, size_t len, char *out, size_t cap)
{
	const struct datagram_framing *framing = framing_of(row);
	struct datagram d = {0};
	const char *why = "no reason";
	enum datagram_result result = framing->parse(data, len, &d, &why);
	size_t n = 0;

	if (result == DATAGRAM_MORE)
		snprintf(out, cap, "more");
	if (result == DATAGRAM_REJECT)
		snprintf(out, cap, "reject %s", why);
	if (result != DATAGRAM_ACCEPT)
		return;
	CU_ASSERT_EQUAL(d.size, row->len);
	if (framing->addressed)
		n = (size_t)snprintf(out, cap, "%s:%u ", d.peer.host, d.peer.port);
	n += (size_t)snprintf(out + n, cap - n, "%zu ", d.len);
	for (size_t i = 0; i < d.len; i++)
		n += (size_t)snprintf(out + n, cap - n, "%02x", d.data[i]);
}

static void check_row(const struct wire_row *row)
{
	wire_check_prefixes(row, row->column[COL_EXPECTED], say);
}

static void test_vectors(void)
{
	CU_ASSERT(wire_for_each("tests/vectors/datagram.tsv", COL_HEX, check_row) == 16);
}

/* What was read and is written again is the same; a v4-mapped address is written as IPv4, an empty one is not. */
static void rebuild_row(const struct wire_row *row)
{
	const struct datagram_framing *framing = framing_of(row);
	uint8_t head[DATAGRAM_HEAD_MAX];
	struct datagram d = {0};
	const char *why;

	if (framing->parse(row->bytes, row->len, &d, &why) != DATAGRAM_ACCEPT)
		return;
	ssize_t n = framing->head(head, &d.peer, d.len);
	if (framing->addressed && !d.len) {
		CU_ASSERT_EQUAL(n, -ENOMSG);
	} else if (strcmp(row->column[0], "v4-mapped") && strcmp(row->column[0], "empty-name")) {
		CU_ASSERT_EQUAL_FATAL(n, (ssize_t)(row->len - d.len));
		CU_ASSERT(memcmp(head, row->bytes, (size_t)n) == 0);
	}
}

static void test_heads(void)
{
	wire_for_each("tests/vectors/datagram.tsv", COL_HEX, rebuild_row);
}

static void check_longest(const struct datagram_framing *framing)
{
	uint8_t *frame = malloc(DATAGRAM_FRAME_MAX);
	struct socks_target peer = {.port = 65535};
	struct datagram d;
	const char *why;

	memset(peer.host, 'n', SOCKS_HOST_MAX);
	memset(frame, 0x55, DATAGRAM_FRAME_MAX);
	CU_ASSERT_EQUAL(framing->head(frame, &peer, DATAGRAM_DATA_MAX + 1), -EMSGSIZE);
	size_t head = (size_t)framing->head(frame, &peer, DATAGRAM_DATA_MAX);
	CU_ASSERT(head <= DATAGRAM_HEAD_MAX);
	CU_ASSERT_EQUAL(framing->parse(frame, head + DATAGRAM_DATA_MAX - 1, &d, &why), DATAGRAM_MORE);
	CU_ASSERT_EQUAL(framing->parse(frame, head + DATAGRAM_DATA_MAX, &d, &why), DATAGRAM_ACCEPT);
	CU_ASSERT(d.len == DATAGRAM_DATA_MAX && d.data == frame + head && d.size == head + DATAGRAM_DATA_MAX);
	CU_ASSERT(!framing->addressed || (strlen(d.peer.host) == SOCKS_HOST_MAX && d.peer.port == 65535));
	free(frame);
}

static void test_longest(void)
{
	check_longest(&datagram_counted);
	check_longest(&datagram_addressed);
}

static const struct unit_case cases[] = {
	{"every prefix of every vector", test_vectors},
	{"heads as they were read", test_heads},
	{"the longest, and one more", test_longest},
};
UNIT_MAIN("proto_datagram", cases)
