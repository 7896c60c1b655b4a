/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proxy_build.c - any pair of addresses into a PROXY header and back.
 *
 * Why: what is written must be read as the same pair, fit the announced maximum, and write nothing
 * where it does not fit.
 * Input: one byte each for version, capacity, and the two kinds of address; then their bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_proxy.h"

struct input {
	uint8_t v2, cap, src_kind, dst_kind;
	uint8_t src[18], dst[18];
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void make_addr(struct addr *a, uint8_t kind, const uint8_t bytes[18])
{
	uint16_t port = (uint16_t)(bytes[16] << 8 | bytes[17]);
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	memset(a, 0, sizeof(*a));
	switch (kind % 5) {
	case 1:
		addr_from_in4(a, bytes, port);
		break;
	case 2:
		addr_from_in6(a, bytes, port);
		break;
	case 3:
		addr_from_in4(a, bytes, port);
		addr_map(a);
		break;
	case 4:
		memcpy(un.sun_path, bytes, 18);
		addr_from_sockaddr(a, (struct sockaddr *)&un, sizeof(un));
		break;
	}
}

static bool is_ip(const struct addr *a)
{
	return addr_family(a) == AF_INET || addr_family(a) == AF_INET6;
}

static void check_pair(const struct proxy_header *h, struct addr src, struct addr dst)
{
	struct addr got_src = h->src, got_dst = h->dst;

	if (!is_ip(&src) || !is_ip(&dst)) {
		require(h->command != PROXY_CMD_PROXY && !addr_is_set(&h->src) && !addr_is_set(&h->dst));
		return;
	}
	require(h->command == PROXY_CMD_PROXY && h->proto == PROXY_PROTO_STREAM);
	require(addr_family(&got_src) == addr_family(&got_dst));
	addr_unmap(&src);
	addr_unmap(&dst);
	addr_unmap(&got_src);
	addr_unmap(&got_dst);
	require(addr_equal(&src, &got_src) && addr_equal(&dst, &got_dst));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {0};
	struct addr src, dst;
	struct proxy_header h;

	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	make_addr(&src, in.src_kind, in.src);
	make_addr(&dst, in.dst_kind, in.dst);
	size_t cap = in.cap % 128;
	uint8_t *out = malloc(cap ? cap : 1);
	ssize_t n = (in.v2 & 1 ? proxy_build_v2 : proxy_build_v1)(out, cap, &src, &dst);
	require(n < 0 ? cap < (in.v2 & 1 ? PROXY_V2_FIXED + 36 : PROXY_V1_MAX) : (size_t)n <= cap);
	if (n > 0) {
		require(proxy_parse(out, (size_t)n, &proxy_default_limits, &h, NULL) == PROXY_ACCEPT);
		require(h.consumed == (size_t)n);
		check_pair(&h, src, dst);
	}
	free(out);
	return 0;
}
