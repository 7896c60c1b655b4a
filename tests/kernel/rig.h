/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rig.h - client > source | target > server on loopback, with the real BPF object, for tests of kernel facts.
 *
 * Why: each fact the design rests on is asserted on its own, so that a kernel that breaks one says which.
 * Owns: four sockets and one record per rig. Never: uses the engine; these are the kernel's promises, not ours.
 * See: user/sockmap_maps.c (the operations), user/engine_sockmap.c (what rests on them).
 */
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sockmap_maps.h"
#include "unit.h"

struct rig {
	struct sockmap *sm;
	int client, source, target, server;
	uint64_t source_cookie, target_cookie;
	uint32_t index;
	struct flow_record *rec;
};

static inline void nap_us(long us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&ts, NULL);
}

static inline void tcp_pair(int *a, int *b)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	CU_ASSERT_FATAL(listen(listener, 1) == 0);
	CU_ASSERT_FATAL(getsockname(listener, (struct sockaddr *)&sa, &len) == 0);
	*a = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_FATAL(connect(*a, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	*b = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(*b >= 0);
	close(listener);
}

/* False (after unit_skip) when this kernel or these privileges do not allow BPF at all. */
static inline bool rig_open(struct rig *r)
{
	struct sockmap_config cfg = {.workers = 1, .budget_bytes = 256 << 20, .flow_bytes = 16 << 20};
	char why[256];

	memset(r, 0, sizeof(*r));
	if (sockmap_new(&r->sm, &cfg, why, sizeof(why)) < 0) {
		unit_skip(why);
		return false;
	}
	tcp_pair(&r->client, &r->source);
	tcp_pair(&r->target, &r->server);
	r->source_cookie = sockmap_cookie(r->source);
	r->target_cookie = sockmap_cookie(r->target);
	CU_ASSERT_FATAL(sockmap_record_get(r->sm, 0, r->source_cookie, r->target_cookie, &r->index) == 0);
	r->rec = &r->sm->records[r->index];
	r->rec->pause = r->rec->soft = r->rec->hard = UINT32_MAX / 2;
	*r->sm->flow_cap = UINT32_MAX / 2;
	CU_ASSERT_FATAL(sockmap_add_target(r->sm, r->source_cookie, r->source) == 0);
	CU_ASSERT_FATAL(sockmap_add_target(r->sm, r->target_cookie, r->target) == 0);
	CU_ASSERT_FATAL(sockmap_add_slot(r->sm, r->source_cookie, r->index) == 0);
	return true;
}

static inline void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void rig_close(struct rig *r)
{
	close_one(&r->client);
	close_one(&r->source);
	close_one(&r->target);
	close_one(&r->server);
	sockmap_free(r->sm);
}

/* Out of the map whatever its verdict does: the product must not (sockmap_leave_source()), these tests have it quiet. */
static inline void rig_delete(struct rig *r)
{
	bpf_map_delete_elem(r->sm->sources_fd, &r->source_cookie);
}

static inline int rig_join(struct rig *r)
{
	r->rec->gate = FLOW_GATE_ARMED;
	r->rec->sequenced = 0;
	return sockmap_add_source(r->sm, r->source_cookie, r->source);
}

/* Reads exactly len bytes within two seconds. */
static inline bool read_full(int fd, void *buf, size_t len)
{
	for (size_t got = 0; got < len;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 2000) != 1)
			return false;
		ssize_t n = recv(fd, (char *)buf + got, len - got, 0);
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static inline bool nothing_arrives(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

/* Writes a counting pattern of 64-bit words, from a byte of it on, as far as the socket takes it; the total in bytes. */
static inline uint64_t push_from(int fd, uint64_t first_byte, uint64_t max_bytes)
{
	uint64_t words[8192], sent = 0;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (sent < max_bytes) {
		for (size_t i = 0; i < 8192; i++)
			words[i] = (first_byte + sent) / 8 + i;
		size_t skip = (first_byte + sent) % 8; /* a partial word goes on where it stopped */
		ssize_t n = send(fd, (char *)words + skip, sizeof(words) - skip, MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (uint64_t)n;
	}
	return sent;
}

static inline uint64_t push_words(int fd, uint64_t first_word, uint64_t max_bytes)
{
	return push_from(fd, first_word * 8, max_bytes);
}

/* Reads that pattern from that byte on; true when all came, never so many ms without one, and none differed. */
static inline bool pull_from(int fd, uint64_t first_byte, uint64_t bytes, int ms)
{
	static uint8_t buf[256 * 1024];

	for (uint64_t at = first_byte; at < first_byte + bytes;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t left = first_byte + bytes - at;
		if (poll(&p, 1, ms) != 1)
			return false;
		ssize_t n = recv(fd, buf, left < sizeof(buf) ? left : sizeof(buf), 0);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++, at++) {
			uint64_t word = at / 8;
			if (buf[i] != ((uint8_t *)&word)[at % 8])
				return false;
		}
	}
	return true;
}

static inline bool pull_words(int fd, uint64_t first_word, uint64_t bytes)
{
	return pull_from(fd, first_word * 8, bytes, 3000);
}
