/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hop_line.h - what is said to the hops of a chain and what they answer, by TLS from the hop on that wants it.
 *
 * Why two small buffers: hops answer with messages, not streams, and what comes behind the last answer is the target's: it must
 * not get lost in anybody's buffer.
 * Owns: its buffers and the TLS; the socket is the route's. Never: waits.
 * See: user/route.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_conn;
struct tls_context;

struct hop_line {
	struct tls_conn *tls;
	uint8_t *out; /* not sent yet */
	size_t out_len, out_off, out_cap;
	uint8_t *in; /* read and not consumed */
	size_t in_len, in_cap;
	uint64_t read_bytes, written_bytes;
};

void hop_line_reset(struct hop_line *l); /* for another connection: everything but the memory is forgotten */
void hop_line_fini(struct hop_line *l);

/* Room for len more bytes at out + out_len. False: no memory. */
bool hop_line_room(struct hop_line *l, size_t len);
bool hop_line_say(struct hop_line *l, const void *data, size_t len);
/* 0: all sent, 1: more later, -errno. */
int hop_line_flush(struct hop_line *l, int fd);
/* 1: something came, 0: nothing now, -errno: -ECONNRESET at the end of the stream, -EMSGSIZE beyond max. */
int hop_line_fill(struct hop_line *l, int fd, size_t max);
void hop_line_take(struct hop_line *l, size_t n); /* off the front of in */

/* One step of TLS; what is in the buffer belongs to it. 0: done, -EAGAIN, -ENOMEM, or another -errno: hop_line_error(). */
int hop_line_secure(struct hop_line *l, int fd, const struct tls_context *ctx, const char *name);
/* What went wrong: TLS's own words, or those for err. */
const char *hop_line_error(const struct hop_line *l, int err);
