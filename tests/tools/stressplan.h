/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stressplan.h - what one stream of pipestress.c does: a pure function of (seed, direction, id).
 *
 * Why: sender and receiver derive the same plan on their own, so a receiver knows the length, the content and
 * the way of ending from the first 8 bytes, and a failure is repeated by its seed.
 * A stream of 8 bytes or more opens with a head (direction, id, hash); one of 1..7 bytes repeats 0xE0|length.
 */
#pragma once

#include "pattern.h"

#include <stdbool.h>

enum dir { UP, DOWN }; /* client to upstream, upstream to client */
enum { HEAD_LEN = 8, SHORT_MARK = 0xE0, KIB = 1024, MIB = 1024 * 1024, ID_MAX = 1 << 24 };

struct stress_config {
	uint64_t seed, max_len, deadline_ns;
	uint64_t bulk_len; /* not 0: every stream so long, without pauses, at full speed */
	uint32_t sessions, concurrency, aborts_pct;
	bool no_empty; /* every stream has at least 8 bytes */
};

struct plan {
	uint64_t key, len;
	uint64_t abort_at;     /* reset by the sender after so many bytes; 0 = never */
	uint32_t tx_chunk, rx_chunk;
	uint32_t tx_pause_every, tx_pause_ms, tx_pauses; /* pauses = how many at most */
	uint32_t rx_pause_every, rx_pause_ms, rx_pauses;
	uint32_t start_ms, fin_ms; /* silence before the first byte, and between the last one and the FIN */
	uint32_t rcvbuf, sndbuf;   /* 0 = the kernel's choice */
	bool wait_eof;             /* half-closes only after the other side has */
};

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	d->state += 0x9e3779b97f4a7c15ULL;
	return pattern_mix(d->state);
}
static inline uint64_t dice_range(struct dice *d, uint64_t lo, uint64_t hi) /* lo..hi inclusive */
{
	return lo + dice_next(d) % (hi - lo + 1);
}
static inline bool dice_pct(struct dice *d, unsigned pct)
{
	return dice_next(d) % 100 < pct;
}

/* Log-uniform: every power of two equally likely. lo >= 1. */
static inline uint64_t dice_log(struct dice *d, uint64_t lo, uint64_t hi)
{
	unsigned a = 63 - (unsigned)__builtin_clzll(lo), b = 63 - (unsigned)__builtin_clzll(hi);
	uint64_t base = 1ULL << dice_range(d, a, b > a ? b - 1 : a);
	uint64_t v = base + dice_next(d) % base;

	return v < lo ? lo : v > hi ? hi : v;
}

static inline uint64_t plan_length(struct dice *d, const struct stress_config *cfg)
{
	unsigned roll = (unsigned)dice_range(d, 0, 999);
	uint64_t len = roll < 40    ? 0
		       : roll < 80  ? dice_range(d, 1, 7)
		       : roll < 900 ? dice_log(d, HEAD_LEN, 256 * KIB)
		       : roll < 990 ? dice_log(d, 256 * KIB, 4 * MIB)
				    : dice_log(d, 4 * MIB, 64 * MIB);

	if (cfg->no_empty && len < HEAD_LEN)
		len = HEAD_LEN;
	return len < cfg->max_len ? len : cfg->max_len;
}

static inline uint32_t plan_chunk(struct dice *d, uint64_t len)
{
	if (len < 4 * KIB && dice_pct(d, 30))
		return (uint32_t)dice_range(d, 1, 64);
	return (uint32_t)(dice_pct(d, 50) ? 256 * KIB : dice_log(d, 1 * KIB, 256 * KIB));
}

static inline void plan_pauses(struct dice *d, uint32_t *every, uint32_t *ms, uint32_t *count)
{
	if (!dice_pct(d, 12))
		return;
	*every = (uint32_t)dice_log(d, 64, MIB);
	*ms = (uint32_t)dice_range(d, 1, 40);
	*count = (uint32_t)dice_range(d, 1, 40);
}

static inline struct plan plan_bulk(const struct stress_config *cfg, struct dice *d)
{
	return (struct plan){ .key = dice_next(d), .len = cfg->bulk_len, .tx_chunk = 256 * KIB, .rx_chunk = 256 * KIB };
}

static inline struct plan plan_make(const struct stress_config *cfg, enum dir dir, uint32_t id)
{
	struct dice d = { pattern_mix(cfg->seed ^ pattern_mix(((uint64_t)id << 1) | dir)) };

	if (cfg->bulk_len)
		return plan_bulk(cfg, &d);
	struct plan p = { .key = dice_next(&d) };
	p.len = plan_length(&d, cfg);
	p.tx_chunk = plan_chunk(&d, p.len);
	p.rx_chunk = dice_pct(&d, 10) ? (uint32_t)dice_range(&d, 64, KIB) : plan_chunk(&d, MIB);
	plan_pauses(&d, &p.tx_pause_every, &p.tx_pause_ms, &p.tx_pauses);
	plan_pauses(&d, &p.rx_pause_every, &p.rx_pause_ms, &p.rx_pauses);
	p.start_ms = dice_pct(&d, 10) ? (uint32_t)dice_range(&d, 1, 100) : 0;
	p.fin_ms = dice_pct(&d, 10) ? (uint32_t)dice_range(&d, 1, 200) : 0;
	if (dice_pct(&d, 1))
		p.fin_ms = (uint32_t)dice_range(&d, 500, 2000);
	p.rcvbuf = dice_pct(&d, 15) ? (uint32_t)dice_log(&d, 8 * KIB, 512 * KIB) : 0;
	p.sndbuf = dice_pct(&d, 10) ? (uint32_t)dice_log(&d, 16 * KIB, 512 * KIB) : 0;
	p.wait_eof = dice_pct(&d, 20) && p.len >= HEAD_LEN;
	if (dir == UP && p.len >= 64 && dice_pct(&d, cfg->aborts_pct))
		p.abort_at = dice_range(&d, HEAD_LEN, p.len - 1);
	return p;
}

/* The first 8 bytes of a stream. The first one is never >= 0xE0, so that it cannot be taken for a short one. */
static inline uint64_t head_word(const struct stress_config *cfg, enum dir dir, uint32_t id)
{
	uint32_t hash = (uint32_t)pattern_mix(cfg->seed * 3 + (((uint64_t)id << 1) | dir));

	return ((uint64_t)hash << 32) | (id << 8) | (0x50u + dir);
}

static inline void stream_fill(const struct plan *p, uint64_t head, uint64_t pos, unsigned char *out, size_t len)
{
	if (p->len < HEAD_LEN) {
		memset(out, SHORT_MARK | (int)p->len, len);
		return;
	}
	pattern_fill(p->key, pos, out, len);
	for (size_t i = 0; pos + i < HEAD_LEN && i < len; i++)
		out[i] = ((unsigned char *)&head)[pos + i];
}
