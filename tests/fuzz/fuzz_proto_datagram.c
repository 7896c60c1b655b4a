/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proto_datagram.c - any bytes as datagrams in a stream.
 *
 * Why: besides memory errors it looks for a verdict that changes when more bytes come, for a frame that is longer than any may
 * be, and for one that reads differently once it is built again.
 * Input: one byte for the framing, then the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto_datagram.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void rebuild(const struct datagram_framing *framing, const struct datagram *d)
{
	uint8_t *frame = malloc(DATAGRAM_FRAME_MAX);
	struct datagram again;
	const char *why;
	ssize_t head = framing->head(frame, &d->peer, d->len);

	if (framing->addressed && !d->len) {
		require(head == -ENOMSG);
	} else {
		require(head > 0 && head <= DATAGRAM_HEAD_MAX);
		if (d->len)
			memcpy(frame + head, d->data, d->len);
		require(framing->parse(frame, (size_t)head + d->len, &again, &why) == DATAGRAM_ACCEPT);
		require(again.len == d->len && (!d->len || !memcmp(again.data, d->data, d->len)));
		require(!framing->addressed || again.peer.port == d->peer.port);
		require(!framing->addressed || !d->peer.host[0] || !strcmp(again.peer.host, d->peer.host) ||
			strchr(d->peer.host, ':') || strchr(d->peer.host, '.')); /* a name that is numeric */
	}
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct datagram_framing *framing = size && data[0] & 1 ? &datagram_addressed : &datagram_counted;
	enum datagram_result before = DATAGRAM_MORE;
	struct datagram d = {0};

	for (size_t n = 0; n + 1 <= size && n < 600; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		const char *why = NULL;
		if (n)
			memcpy(copy, data + 1, n);
		enum datagram_result now = framing->parse(copy, n, &d, &why);
		require(before == DATAGRAM_MORE || now == before);
		require(now != DATAGRAM_REJECT || why);
		if (now == DATAGRAM_ACCEPT) {
			require(d.size <= n && d.size <= DATAGRAM_FRAME_MAX && d.data + d.len == copy + d.size);
			if (before == DATAGRAM_MORE)
				rebuild(framing, &d);
		}
		before = now;
		free(copy);
	}
	return 0;
}
