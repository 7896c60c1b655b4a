/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proto_smux.c - any bytes as a frame of smux, both versions.
 *
 * Why: besides memory errors it looks for a verdict that changes when more bytes come, and for a frame that is not the
 * same when it is built again.
 * Input: a byte that chooses the version, then the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_smux.h"

static void require(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum smux_result before = SMUX_NEED_MORE;
	uint8_t version = size && data[0] & 1 ? 1 : 2;

	for (size_t n = 0; size && n < size && n <= SMUX_FRAME_MAX + 1; n++) {
		uint8_t *copy = malloc(n ? n : 1), out[SMUX_FRAME_MAX];
		const char *why = NULL;
		struct smux_frame f;
		memcpy(copy, data + 1, n);
		enum smux_result now = smux_parse(copy, n, version, &f, &why);
		require(before == SMUX_NEED_MORE || now == before);
		require(now != SMUX_REJECT || why);
		require(now != SMUX_NEED_MORE || n < SMUX_FRAME_MAX);
		if (now == SMUX_ACCEPT)
			require(smux_build(&f, version, out) == f.size && !memcmp(out, copy, f.size));
		before = now;
		free(copy);
	}
	return 0;
}
