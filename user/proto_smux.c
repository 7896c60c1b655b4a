/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_smux.c - see proto_smux.h.
 *
 * Why a length on SYN, FIN or NOP is refused: the original neither sends nor skips one, so what follows would be read
 * as a frame by it and as data by us.
 * Owns: nothing. Never: does I/O.
 */
#include "proto_smux.h"

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	put_le16(p, (uint16_t)v);
	put_le16(p + 2, (uint16_t)(v >> 16));
}

static enum smux_result reject(const char **why, const char *text)
{
	*why = text;
	return SMUX_REJECT;
}

static const char *check_length(const struct smux_frame *f)
{
	if (f->command == SMUX_UPD)
		return f->len == SMUX_UPD_DATA ? NULL : "a window update of the wrong length";
	return f->len && f->command != SMUX_PSH ? "data on a frame that has none" : NULL;
}

enum smux_result smux_parse(const uint8_t *data, size_t len, uint8_t version, struct smux_frame *f, const char **why)
{
	struct smux_frame parsed = {.size = SMUX_HEADER};

	if (len && data[0] != version)
		return reject(why, "not a frame of this version of smux");
	if (len > 1 && data[1] > (version == 1 ? SMUX_NOP : SMUX_UPD))
		return reject(why, "unknown smux command");
	if (len < SMUX_HEADER)
		return SMUX_NEED_MORE;
	parsed.command = data[1];
	parsed.len = le16(data + 2);
	parsed.stream = le32(data + 4);
	const char *wrong = check_length(&parsed);
	if (wrong)
		return reject(why, wrong);
	if (parsed.command == SMUX_UPD) {
		if (len < SMUX_FRAME_MAX)
			return SMUX_NEED_MORE;
		parsed.consumed = le32(data + SMUX_HEADER);
		parsed.window = le32(data + SMUX_HEADER + 4);
		parsed.size = SMUX_FRAME_MAX;
	}
	*f = parsed;
	return SMUX_ACCEPT;
}

size_t smux_build(const struct smux_frame *f, uint8_t version, uint8_t out[static SMUX_FRAME_MAX])
{
	out[0] = version;
	out[1] = f->command;
	put_le16(out + 2, f->command == SMUX_UPD ? SMUX_UPD_DATA : f->len);
	put_le32(out + 4, f->stream);
	if (f->command != SMUX_UPD)
		return SMUX_HEADER;
	put_le32(out + SMUX_HEADER, f->consumed);
	put_le32(out + SMUX_HEADER + 4, f->window);
	return SMUX_FRAME_MAX;
}
