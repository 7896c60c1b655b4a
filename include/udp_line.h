/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_line.h - datagrams over a connected stream: frames out, frames in, late answers of proxies off the front.
 *
 * Why what does not fit is dropped and not waited for: to its users a line is a path for datagrams, and one that is full loses
 * some; a queue that grows would only make all of them late. A datagram goes as a whole or not at all.
 * Owns: bytes that the stream has not taken, and the beginning of a frame. Socket and TLS stay the caller's, which watches the
 * socket (edge-triggered, both ways) and calls udp_line_ready().
 * Never: waits, cuts a datagram, calls back after udp_line_close().
 * See: include/proto_datagram.h, tests/unit/test_udp_line.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "loop.h"
#include "proto_datagram.h"

struct connector_ops;
struct tls_conn;
struct udp_line;

enum { UDP_LINE_OUT_MAX = 512 * 1024 }; /* waiting to be sent; a datagram that comes then is dropped */

struct udp_line_ops {
	/* One datagram, which is there until pause() or ended() returns. May close the line: then neither is called. */
	void (*datagram)(struct udp_line *l, const struct datagram *d);
	/* Those that came together are through. May close the line. */
	void (*pause)(struct udp_line *l);
	/* Once: err 0 is an end in order, otherwise -errno; why says it in words. Close the line here or later. */
	void (*ended)(struct udp_line *l, int err, const char *why);
};

struct udp_line_setup {
	struct loop *loop;
	const struct loop_io *io; /* of the connected stream; fd -1 once it is closed */
	struct tls_conn *tls; /* NULL: plain */
	const struct datagram_framing *framing;
	const struct udp_line_ops *ops;
	const struct connector_ops *late; /* whose answers come in front of the first frame */
	unsigned late_count;
};

struct udp_line {
	struct udp_line_setup set;
	struct loop_task again;
	bool closed;
	bool busy; /* datagrams are being handed out: what they lie in stays, even when the line is closed meanwhile */
	uint8_t *out;
	size_t out_off, out_len, out_cap;
	uint8_t *in;
	size_t in_len, in_cap;
	uint64_t read_bytes, written_bytes; /* on the stream */
};

void udp_line_open(struct udp_line *l, const struct udp_line_setup *set);
void udp_line_close(struct udp_line *l); /* idempotent */

/* Something happened on the socket: writes and reads as far as it goes now. */
void udp_line_ready(struct udp_line *l);
/* Bytes that somebody has read from the stream already; before the first udp_line_ready(). */
void udp_line_feed(struct udp_line *l, const void *data, size_t len);

/*
 * Queues a datagram that lies in count parts. 0, or why it is dropped: -EMSGSIZE, -ENOMSG (see proto_datagram.h), -ENOBUFS: the
 * stream does not keep up, -ENOMEM, -EPIPE: it has ended.
 */
int udp_line_put(struct udp_line *l, const struct socks_target *peer, const struct iovec *part, size_t count);
/* Sends what was queued, as far as the stream takes it. May call ended(). */
void udp_line_flush(struct udp_line *l);
