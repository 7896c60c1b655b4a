/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mux.h - many streams over one connection: smux, either side, both versions.
 *
 * Why a stream is one end of a socket pair: to the rest of the program it is a socket like any other, with back-pressure,
 * half-close and events of its own, so a session over a tunnel is an ordinary session.
 * smux has no word for "broken off": a stream that did not end well is marked by a PSH frame without data, which GOST ignores
 * and this program takes as a reset, followed by the FIN that GOST needs. So between two of us a truncation stays visible.
 * Owns: the connection, our end of each pair, what peers sent and sessions have not taken (4 MiB over all streams; then the
 * connection is not read). Never: blocks, waits for a stream to hand data of another over (short of that limit).
 * See: include/proto_smux.h, user/mux.c, user/mux_stream.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct mux;
struct mux_stream;
struct tls_conn;

struct mux_ops {
	/*
	 * The beginning of a stream that the peer opened. Returns the bytes it took once it knows who is there and has
	 * attached the stream; 0: needs more (at most MUX_PREFACE_MAX and MUX_PREFACE_NS); negative: refuse the stream.
	 * NULL: streams of the peer are refused.
	 */
	ssize_t (*opened)(void *ctx, struct mux_stream *st, const uint8_t *data, size_t len);
	/* The stream broke: its user must be ended with a reset and not call mux_stream_release(). */
	void (*reset)(void *user);
	/* The connection is gone; all streams were reset. From a deferred task, once; mux_free() is due, and why goes with it. */
	void (*ended)(void *ctx, const char *why);
};

#define MUX_PREFACE_MAX 4096
#define MUX_PREFACE_NS (15 * 1000000000ull)

struct mux_options {
	bool client;     /* our streams have odd numbers */
	uint8_t version; /* 1 or 2 */
};

/* Takes the connected, non-blocking fd, also on failure. data: what was read behind the handshake. 0 or -errno. */
int mux_new(struct mux **out, struct loop *loop, int fd, const struct mux_options *opt, const struct mux_ops *ops,
	    void *ctx);
/* The connection speaks TLS, whose handshake is over: takes tls. Before anything else is done with the mux. */
void mux_secure(struct mux *m, struct tls_conn *tls);
/* Bytes of the peer that were read before mux_new(). */
void mux_feed(struct mux *m, const uint8_t *data, size_t len);
/* Resets what is left; ended() is not called. NULL is fine. */
void mux_free(struct mux *m);
size_t mux_stream_count(const struct mux *m);

/* Opens a stream whose first bytes are data (at most 32 KiB; none is fine). Returns the descriptor for its user, or -errno. */
int mux_open(struct mux *m, const void *data, size_t len, struct mux_stream **out);
/* From ops->opened(): the same for a stream of the peer's. */
int mux_stream_attach(struct mux_stream *st);
/* Who is told of a reset. Due as soon as there is a user. */
void mux_stream_bind(struct mux_stream *st, void *user);
/* The user has closed its descriptor; due at once when both directions have ended. clean: both directions ended in order; otherwise the peer is told of a reset. */
void mux_stream_release(struct mux_stream *st, bool clean);
