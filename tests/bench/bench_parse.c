/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_parse.c - how long a PROXY header takes to read, and whether reading it allocates.
 *
 *   parse [ROUNDS [HEX ...]]      prints one JSON line for each header
 *
 * Without HEX: a version 2 header of 108 bytes with AUTHORITY, SSL, UNIQUE_ID and CRC32C, and the longest of version 1. The time
 * is the fastest of ten runs of ROUNDS (a million) each, TLVs walked once. Allocations of the parser are counted: its
 * object files are linked with malloc and its kin wrapped.
 * Exit status: 0, or 1 when a header is not accepted or something was allocated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto_proxy.h"

enum { RUNS = 10 };

static unsigned long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static size_t put_tlv(uint8_t *at, uint8_t type, const void *value, size_t len)
{
	at[0] = type;
	at[1] = (uint8_t)(len >> 8);
	at[2] = (uint8_t)len;
	memcpy(at + 3, value, len);
	return 3 + len;
}

/* 16 + 12 + (3+4) + (3+20) + (3+5+3+7) + (3+29) bytes. */
static size_t make_v2(uint8_t *out)
{
	static const char ssl[] = "\1\0\0\0\0\x21\0\7TLSv1.3";
	size_t len = 28;

	memcpy(out, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x5c\xc0\0\2\1\xc6\x33\x64\1\x30\x39\1\xbb", 28);
	size_t crc = len + 3;
	len += put_tlv(out + len, PROXY_TLV_CRC32C, "\0\0\0\0", 4);
	len += put_tlv(out + len, PROXY_TLV_AUTHORITY, "www.customer.example", 20);
	len += put_tlv(out + len, PROXY_TLV_SSL, ssl, sizeof(ssl) - 1);
	len += put_tlv(out + len, PROXY_TLV_UNIQUE_ID, "0123456789abcdef0123456789abc", 29);
	uint32_t sum = proxy_crc32c(0, out, len);
	for (int i = 0; i < 4; i++)
		out[crc + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
	return len;
}

static size_t from_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t len = 0;

	for (unsigned byte; len < cap && sscanf(text, "%2x", &byte) == 1; text += 2) {
		out[len++] = (uint8_t)byte;
		if (!text[1] || !text[2])
			break;
	}
	return len;
}

static bool read_once(const uint8_t *buf, size_t len)
{
	struct proxy_header header;
	size_t offset = 0;
	struct proxy_tlv tlv;
	struct proxy_fault fault;

	if (proxy_parse(buf, len, &proxy_default_limits, &header, &fault) != PROXY_ACCEPT)
		return false;
	while (proxy_tlv_next(header.tlvs, header.tlvs_len, &offset, &tlv) > 0)
		;
	return true;
}

static bool bench(const uint8_t *buf, size_t len, unsigned long rounds)
{
	double best = 1e18;
	bool good = true;

	allocations = 0;
	for (int run = 0; run < RUNS; run++) {
		uint64_t start = now_ns();
		for (unsigned long i = 0; i < rounds; i++)
			good &= read_once(buf, len);
		double each = (double)(now_ns() - start) / (double)rounds;
		best = each < best ? each : best;
	}
	printf("{\"bytes\": %zu, \"accepted\": %s, \"nanoseconds\": %.1f, \"allocations\": %lu}\n", len, good ? "true" : "false", best,
	       allocations);
	return good && !allocations;
}

int main(int argc, char **argv)
{
	static const char v1[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	static uint8_t buf[4096];
	bool good = true;

	if (!rounds) {
		fprintf(stderr, "usage: parse [ROUNDS [HEX ...]]\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		good &= bench(buf, from_hex(argv[i], buf, sizeof(buf)), rounds);
	if (argc <= 2) {
		good &= bench(buf, make_v2(buf), rounds);
		good &= bench((const uint8_t *)v1, sizeof(v1) - 1, rounds);
	}
	return good ? 0 : 1;
}
