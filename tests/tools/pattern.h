/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pattern.h - bytes that can be made and checked at any position of a stream.
 *
 * Why: a load generator has to notice one flipped, lost, repeated or foreign byte at once and without keeping what
 * it sent. Word n of a stream is a mix of (key, n), so the two ends need only agree on the key.
 * Owns: nothing. Never: allocates, does I/O.
 * See: pipestress.c, stalled.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64's finaliser: every input bit changes half of the output bits. */
static inline uint64_t pattern_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t pattern_word(uint64_t key, uint64_t n)
{
	return pattern_mix(key + (n + 1) * 0x9e3779b97f4a7c15ULL);
}

/* The inverse of pattern_mix. */
static inline uint64_t pattern_unmix(uint64_t x)
{
	x ^= x >> 31 ^ x >> 62;
	x *= 0x319642b2d24d8ec3ULL;
	x ^= x >> 27 ^ x >> 54;
	x *= 0x96de1b173f119089ULL;
	return x ^ x >> 30 ^ x >> 60;
}

/* Where in the stream these bytes belong: tells a lost piece from a repeated or foreign one. -1: nowhere. */
static inline int64_t pattern_locate(uint64_t key, const unsigned char *in, size_t len)
{
	for (size_t skip = 0; skip < 8 && skip + 16 <= len; skip++) {
		uint64_t w[2];

		memcpy(w, in + skip, 16);
		uint64_t n = (pattern_unmix(w[0]) - key) * 0xf1de83e19937733dULL - 1;
		if (n < 1ULL << 40 && pattern_word(key, n + 1) == w[1])
			return (int64_t)(n * 8) - (int64_t)skip;
	}
	return -1;
}

/* Writes bytes [pos, pos+len) of the stream to out. */
static inline void pattern_fill(uint64_t key, uint64_t pos, unsigned char *out, size_t len)
{
	while (len) {
		uint64_t w = pattern_word(key, pos / 8);
		size_t off = pos % 8;
		size_t n = 8 - off < len ? 8 - off : len;

		if (n == 8)
			memcpy(out, &w, 8);
		else
			memcpy(out, (unsigned char *)&w + off, n);
		pos += n, out += n, len -= n;
	}
}

/* Index of the first byte that differs from the stream at pos, or len when all agree. */
static inline size_t pattern_check(uint64_t key, uint64_t pos, const unsigned char *in, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t w = pattern_word(key, pos / 8);
		size_t off = pos % 8;
		size_t n = 8 - off < len - done ? 8 - off : len - done;

		if (memcmp(in + done, (unsigned char *)&w + off, n) != 0) {
			for (size_t i = 0; i < n; i++)
				if (in[done + i] != ((unsigned char *)&w)[off + i])
					return done + i;
		}
		pos += n, done += n;
	}
	return len;
}
