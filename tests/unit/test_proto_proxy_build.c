/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy_build.c - PROXY headers as written, byte for byte, and read back.
 *
 * Why: a round trip alone would let writer and reader share a mistake, so the bytes are spelled out.
 * See: proto_proxy.h for the rules on pairs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "proxy_check.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAPPED(a, b, c, d) "\0\0\0\0\0\0\0\0\0\0\xff\xff" a b c d
#define DB8_1 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"

struct pair_case {
	const char *src, *dst; /* numeric IP; NULL: unset; "/": UNIX */
	const char *v1;
	const char *v2; /* bytes 12 to the end */
	size_t v2_len;
};

#define V2(s) s, sizeof(s) - 1
#define PORTS "\x30\x39\1\xbb" /* 12345, 443 */

static const struct pair_case pairs[] = {
	{"1.2.3.4", "5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n",
	 V2("\x21\x11\0\x0c\1\2\3\4\5\6\7\10" PORTS)},
	{"2001:DB8::1", "2001:db8:0:0::1", "PROXY TCP6 2001:db8::1 2001:db8::1 12345 443\r\n",
	 V2("\x21\x21\0\x24" DB8_1 DB8_1 PORTS)},
	/* v4-mapped counts as IPv4. */
	{"::ffff:1.2.3.4", "::ffff:5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n",
	 V2("\x21\x11\0\x0c\1\2\3\4\5\6\7\10" PORTS)},
	{"1.2.3.4", "::ffff:5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n",
	 V2("\x21\x11\0\x0c\1\2\3\4\5\6\7\10" PORTS)},
	{"::ffff:1.2.3.4", "5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n",
	 V2("\x21\x11\0\x0c\1\2\3\4\5\6\7\10" PORTS)},
	/* Mixed: both IPv6, in the hexadecimal spelling that the grammar has. */
	{"1.2.3.4", "2001:db8::1", "PROXY TCP6 ::ffff:102:304 2001:db8::1 12345 443\r\n",
	 V2("\x21\x21\0\x24" MAPPED("\1", "\2", "\3", "\4") DB8_1 PORTS)},
	{"2001:db8::1", "0.0.0.9", "PROXY TCP6 2001:db8::1 ::ffff:0:9 12345 443\r\n",
	 V2("\x21\x21\0\x24" DB8_1 MAPPED("\0", "\0", "\0", "\x09") PORTS)},
	{"2001:db8::1", "::ffff:1.2.3.4", "PROXY TCP6 2001:db8::1 ::ffff:102:304 12345 443\r\n",
	 V2("\x21\x21\0\x24" DB8_1 MAPPED("\1", "\2", "\3", "\4") PORTS)},
	/* Not v4-mapped, though inet_ntop() would show dots. */
	{"::102:304", "2001:db8::1", "PROXY TCP6 ::102:304 2001:db8::1 12345 443\r\n",
	 V2("\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4" DB8_1 PORTS)},
	/* Nothing to tell. */
	{NULL, "1.2.3.4", "PROXY UNKNOWN\r\n", V2("\x20\0\0\0")},
	{"1.2.3.4", NULL, "PROXY UNKNOWN\r\n", V2("\x20\0\0\0")},
	{NULL, NULL, "PROXY UNKNOWN\r\n", V2("\x20\0\0\0")},
	{"/", "1.2.3.4", "PROXY UNKNOWN\r\n", V2("\x20\0\0\0")},
	{"2001:db8::1", "/", "PROXY UNKNOWN\r\n", V2("\x20\0\0\0")},
};

static struct addr make_addr(const char *text, uint16_t port)
{
	struct addr a = {0};

	if (!text)
		return a;
	if (*text == '/') {
		a.un = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "/run/x\r\nPROXY"};
		a.len = sizeof(a.un);
	} else if (inet_pton(AF_INET, text, &a.in4.sin_addr) == 1) {
		a.in4.sin_family = AF_INET;
		a.in4.sin_port = htons(port);
		a.len = sizeof(a.in4);
	} else {
		CU_ASSERT(inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1);
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		a.in6.sin6_scope_id = 1; /* must leave no trace */
		a.len = sizeof(a.in6);
	}
	return a;
}

static ssize_t build(bool v2, uint8_t *out, size_t cap, const struct addr *src, const struct addr *dst)
{
	return v2 ? proxy_build_v2(out, cap, src, dst) : proxy_build_v1(out, cap, src, dst);
}

/* At every capacity: too small leaves out alone, enough gives the same bytes. */
static void check_build(bool v2, const struct pair_case *c, const void *want, size_t want_len)
{
	struct addr src = make_addr(c->src, 12345), dst = make_addr(c->dst, 443);
	uint8_t untouched[PROXY_V1_MAX];

	memset(untouched, 0x5a, sizeof(untouched));
	for (size_t cap = 0; cap <= PROXY_V1_MAX; cap++) {
		uint8_t *out = malloc(cap);
		CU_ASSERT_FATAL(out || !cap);
		if (cap)
			memset(out, 0x5a, cap);
		ssize_t n = build(v2, out, cap, &src, &dst);
		CU_ASSERT(n == (cap < want_len ? -ENOSPC : (ssize_t)want_len));
		size_t written = n > 0 ? (size_t)n : 0;
		CU_ASSERT(!written || !memcmp(out, want, written));
		CU_ASSERT(cap == written || !memcmp(out + written, untouched, cap - written));
		free(out);
	}
}

static void test_bytes(void)
{
	for (size_t i = 0; i < COUNT(pairs); i++) {
		uint8_t v2[64] = SIG;

		memcpy(v2 + 12, pairs[i].v2, pairs[i].v2_len);
		check_build(false, &pairs[i], pairs[i].v1, strlen(pairs[i].v1));
		check_build(true, &pairs[i], v2, 12 + pairs[i].v2_len);
	}
}

/* What is read is what was given, but for the form of v4-mapped addresses. */
static bool same_endpoint(struct addr a, struct addr b)
{
	addr_unmap(&a);
	addr_unmap(&b);
	if (addr_family(&a) == AF_INET6)
		a.in6.sin6_scope_id = b.in6.sin6_scope_id = 0;
	return addr_equal(&a, &b);
}

static void check_round_trip(bool v2, const struct addr *src, const struct addr *dst)
{
	uint8_t out[PROXY_V1_MAX];
	struct proxy_header h;
	ssize_t n = build(v2, out, sizeof(out), src, dst);

	CU_ASSERT_FATAL(n > 0);
	CU_ASSERT_FATAL(parse_copy(out, (size_t)n, &proxy_default_limits, &h, NULL) == PROXY_ACCEPT);
	CU_ASSERT(h.consumed == (size_t)n && h.proto == PROXY_PROTO_STREAM);
	CU_ASSERT(same_endpoint(h.src, *src) && same_endpoint(h.dst, *dst));
	CU_ASSERT(addr_family(&h.src) == addr_family(&h.dst));
}

static void test_round_trips(void)
{
	static const char *const ips[] = {
		"0.0.0.0", "255.255.255.255", "127.0.0.1", "::", "::1", "::ffff:0.0.0.0",
		"::ffff:255.255.255.255", "::1.2.3.4", "64:ff9b::1.2.3.4", "fe80::1", "1:0:0:2:0:0:0:3", "1:2:3:4:5:6:7::",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:1:0:1:0:1:0:1", "::fffe:1.2.3.4",
	};
	static const uint16_t ports[] = {0, 1, 255, 256, 65535};

	for (size_t i = 0; i < COUNT(ips); i++) {
		for (size_t j = 0; j < COUNT(ips); j++) {
			for (size_t k = 0; k < COUNT(ports); k++) {
				struct addr src = make_addr(ips[i], ports[k]);
				struct addr dst = make_addr(ips[j], ports[COUNT(ports) - 1 - k]);
				check_round_trip(false, &src, &dst);
				check_round_trip(true, &src, &dst);
			}
		}
	}
}

/* Every IPv6 text must be one that a reader of the bare grammar takes: no dots. */
static void test_no_dots_in_tcp6(void)
{
	uint8_t out[PROXY_V1_MAX + 1] = {0};
	struct addr dst = make_addr("2001:db8::1", 1);

	for (unsigned i = 0; i < 65536; i += 257) {
		uint8_t high = (uint8_t)(i >> 8);
		uint8_t ip[16] = {[10] = high, [11] = high, [13] = (uint8_t)i, [15] = 1};
		struct addr src;
		addr_from_in6(&src, ip, 1);
		ssize_t n = proxy_build_v1(out, PROXY_V1_MAX, &src, &dst);
		CU_ASSERT(n > 0 && !memchr(out, '.', (size_t)n));
	}
}

static const struct unit_case cases[] = {
	{"bytes", test_bytes},
	{"round_trips", test_round_trips},
	{"no_dots_in_tcp6", test_no_dots_in_tcp6},
};

UNIT_MAIN("proto_proxy_build", cases)
