/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_smux.h - frame headers of smux, versions 1 and 2: the multiplexing under GOST's reverse tunnels.
 *
 * Why: eight bytes and five commands, kept apart from the session (mux.c) so that every prefix can be tested.
 * Owns: nothing. Never: looks into the data of a PSH frame.
 * See: tests/vectors/smux.tsv, include/mux.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum smux_result { SMUX_ACCEPT, SMUX_NEED_MORE, SMUX_REJECT };

enum smux_command {
	SMUX_SYN = 0, /* opens a stream */
	SMUX_FIN = 1, /* the sender will send no more on it */
	SMUX_PSH = 2, /* data */
	SMUX_NOP = 3, /* keepalive */
	SMUX_UPD = 4, /* version 2: what the receiver has consumed, and its window */
};

enum {
	SMUX_HEADER = 8,
	SMUX_UPD_DATA = 8,
	SMUX_FRAME_MAX = SMUX_HEADER + SMUX_UPD_DATA, /* the longest that is not followed by payload */
	SMUX_DATA_MAX = 32768, /* of one frame of ours; a peer's may have 65535 */
	SMUX_WINDOW_FIRST = 262144, /* version 2: what may be sent before the first UPD */
};

struct smux_frame {
	uint8_t command;
	uint16_t len;      /* PSH: the data that follows */
	uint32_t stream;
	uint32_t consumed, window; /* UPD */
	size_t size;       /* bytes that were read: the header, with UPD its data too */
};

/* version 1 or 2: a session speaks one of them. *why is a sentence on SMUX_REJECT. */
enum smux_result smux_parse(const uint8_t *data, size_t len, uint8_t version, struct smux_frame *f, const char **why);
/* Writes header (and the data of UPD) to out; returns its length. */
size_t smux_build(const struct smux_frame *f, uint8_t version, uint8_t out[static SMUX_FRAME_MAX]);
