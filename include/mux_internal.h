/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mux_internal.h - what mux.c (connection) and mux_stream.c (streams) share.
 *
 * Why: two files of one thing: frames in and out, and where their data comes from and goes to.
 * Owns: nothing. Never: is included by anybody else.
 */
#pragma once

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <sys/queue.h>
#include <uthash.h>

#include "loop.h"
#include "mux.h"
#include "proto_smux.h"

enum {
	MUX_RECEIVE_BUDGET = 4 * 1024 * 1024, /* GOST's; held for all streams together */
	MUX_OUT_MAX = 256 * 1024,	      /* waiting to be sent; streams are not read beyond */
	MUX_OUT_HARD = 1024 * 1024,	      /* control frames too: a peer that makes us talk and does not read */
	MUX_STREAMS_MAX = 16384,
	MUX_WINDOW = SMUX_WINDOW_FIRST,	      /* version 2: of one stream */
};

struct mux_chunk {
	struct mux_chunk *next;
	uint32_t off, len, cap;
	uint8_t data[];
};

struct mux_stream {
	struct mux *mux;
	uint32_t id;
	UT_hash_handle hh;
	TAILQ_ENTRY(mux_stream) ready; /* has something to read, perhaps */
	struct mux_stream *garbage;
	struct loop_io io; /* our end of the pair; -1 until attached */
	struct loop_timer timer; /* the beginning must come */
	void *user;
	struct mux_chunk *head, *tail; /* for the pair, not taken yet */
	uint32_t queued;
	bool is_ready, dead, released;
	bool waiting;	 /* the user closed its end: release() says how it ended */
	bool peer_fin, fin_passed, sent_fin;
	/* version 2 */
	uint32_t sent, peer_consumed, peer_window;
	uint32_t consumed, told;
};

TAILQ_HEAD(mux_ready, mux_stream);

struct mux {
	struct loop *loop;
	struct mux_options opt;
	const struct mux_ops *ops;
	void *ctx;
	struct loop_io io;
	struct tls_conn *tls; /* NULL: plain */
	struct loop_timer timer;
	struct loop_task sweep, again, end;
	struct mux_stream *streams; /* by id */
	struct mux_stream *garbage;
	struct mux_ready ready;
	uint32_t next_id;
	size_t charged; /* memory of all chunks */
	bool readable, writable, dead;
	char why[120];
	uint64_t heard_ns;
	/* sending */
	uint8_t *out;
	size_t out_off, out_len, out_cap;
	/* receiving */
	uint32_t data_stream;
	size_t data_left; /* of the PSH frame under way */
	size_t in_len;
	uint8_t in[64 * 1024];
};

/* --- mux.c, for streams --- */
/* Ends the connection; everything is reset now, ended() follows. */
void mux_die(struct mux *m, const char *why);
void mux_send_frame(struct mux *m, const struct smux_frame *f);
/* Room for n more bytes at the end of out, or NULL (the connection is then dead). */
uint8_t *mux_out_room(struct mux *m, size_t n);
/* Frees a stream after the events of this turn. */
void mux_sweep_later(struct mux *m, struct mux_stream *st);
/* Sends and reads on in the next turn. */
void mux_run_later(struct mux *m);

/* --- mux_stream.c, for the connection --- */
struct mux_stream *mux_stream_find(struct mux *m, uint32_t id);
void mux_stream_opened(struct mux *m, uint32_t id);
void mux_stream_data(struct mux_stream *st, const uint8_t *data, size_t len);
void mux_stream_fin(struct mux_stream *st);
void mux_stream_broken(struct mux_stream *st); /* the peer says so */
/* Moves at most one frame of this stream to out. */
void mux_stream_pump(struct mux_stream *st);
/* Tells its user and frees it, without a word to the peer. */
void mux_stream_drop(struct mux_stream *st);
void mux_ready_add(struct mux_stream *st);
