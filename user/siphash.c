/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * siphash.c - see siphash.h.
 *
 * Owns: nothing. Never: allocates.
 */
#include "siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *s, int rounds)
{
	while (rounds--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

uint64_t siphash(const uint64_t seed[2], const void *data, size_t len)
{
	const uint8_t *in = data;
	struct sip s = {seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d, seed[0] ^ 0x6c7967656e657261,
			seed[1] ^ 0x7465646279746573};
	uint64_t word, last = 0;

	for (size_t left = len; left >= sizeof(word); left -= sizeof(word), in += sizeof(word)) {
		memcpy(&word, in, sizeof(word));
		sip_word(&s, le64toh(word));
	}
	memcpy(&last, in, len % sizeof(last));
	sip_word(&s, le64toh(last) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
