/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proto_proxy_rules.c - what the vectors do not say about the PROXY parser.
 *
 * Why: the byte at which a fault is noticed and how it is described, the limits, every port.
 * See: test_proto_proxy.c for the vectors, test_proto_proxy_v2.c for what is inside a v2 header.
 */
#include <stdio.h>

#include "proxy_check.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* A literal that may hold NULs. */
struct bytes {
	const char *data;
	size_t len;
};
#define BYTES(s) {s, sizeof(s) - 1}

static enum proxy_result parse_bytes(struct bytes b, size_t len, const struct proxy_limits *limits,
				     struct proxy_header *h, struct proxy_fault *f)
{
	return parse_copy((const uint8_t *)b.data, len, limits, h, f);
}

static enum proxy_result parse_text(const char *text, const struct proxy_limits *limits,
				    struct proxy_header *h)
{
	return parse_copy((const uint8_t *)text, strlen(text), limits, h, NULL);
}

/* --- faults --- */

struct fault_case {
	struct bytes input;
	size_t settled; /* bytes that are enough for the verdict; one fewer is not */
	size_t offset;
	const char *section, *error;
};

#define V1(s, settled, offset, error) {BYTES(s), settled, offset, "2.1", error}
#define V2(s, settled, offset, section, error) {BYTES(SIG s), settled, offset, section, error}

static const struct fault_case faults[] = {
	V1("PROXYTCP4 ", 6, 5, "no space after PROXY"),
	V1("PROXY  TCP4", 7, 6, "the protocol is none of TCP4, TCP6, UNKNOWN"),
	V1("PROXY UDP4 ", 8, 7, "the protocol is none of TCP4, TCP6, UNKNOWN"),
	V1("PROXY TCP5 ", 10, 9, "the protocol is none of TCP4, TCP6, UNKNOWN"),
	V1("PROXY TCP4\r\n", 11, 10, "no space after the protocol"),
	V1("PROXY UNKNOWN\n", 14, 13, "neither a space nor CRLF after UNKNOWN"),
	V1("PROXY UNKNOWN x\n", 16, 15, "LF without CR"),
	V1("PROXY UNKNOWN \r\r\n", 16, 15, "CR is not followed by LF"),
	V1("PROXY TCP4 1.2.3.4\n", 19, 18, "LF without CR"),
	V1("PROXY TCP4 ::1 ", 12, 11, "a byte that no TCP4 line can contain"),
	V1("PROXY TCP6 ::1%lo", 15, 14, "a byte that no TCP6 line can contain"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", 30, 28, "fewer than four fields after the protocol"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", 34, 30, "more than four fields after the protocol"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", 33, 30, "more than four fields after the protocol"),
	V1("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", 33, 19,
	   "an empty field: one space only between fields"),
	V1("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", 30, 11, "the source is not an IPv4 address"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n", 34, 19, "the destination is not an IPv4 address"),
	V1("PROXY TCP6 1::2::3 ::1 1 2\r\n", 28, 11, "the source is not an IPv6 address"),
	V1("PROXY TCP6 ::1 1.2.3.4 1 2\r\n", 28, 15, "the destination is not an IPv6 address"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", 33, 27,
	   "the source port is not a number from 0 to 65535 without heading zero"),
	V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", 36, 29,
	   "the destination port is not a number from 0 to 65535 without heading zero"),
	V1("PROXY TCP4 111.111.111.111 111.111.111.111 11111 111111\r\n", 55, 54,
	   "no CRLF within the 56 bytes of a TCP4 line"),
	V2("\x11", 13, 12, "2.2", "the version after the binary signature is not 2"),
	V2("\xff", 13, 12, "2.2", "the version after the binary signature is not 2"),
	V2("\x22", 13, 12, "2.2", "the command is neither LOCAL nor PROXY"),
	V2("\x21\x41", 14, 13, "2.2", "the address family is unassigned"),
	V2("\x21\x13", 14, 13, "2.2", "the transport protocol is unassigned"),
	V2("\x21\x11\0\x0b", 16, 14, "2.2", "the length is too small for the address family"),
	V2("\x21\x31\0\xd7", 16, 14, "2.2", "the length is too small for the address family"),
	V2("\x21\x11\0\x0e" PAIR4 "\4\0", 30, 28, "2.2", "a TLV is cut short by the end of the header"),
	V2("\x21\x11\0\x10" PAIR4 "\4\0\2x", 32, 28, "2.2",
	   "a TLV is cut short by the end of the header"),
	V2("\x21\x11\0\x10" PAIR4 "\3\0\1x", 32, 28, "2.2.3", "the CRC32C TLV is not four bytes long"),
	V2("\x21\x11\0\x13" PAIR4 "\3\0\4abcd", 35, 31, "2.2.3", "the CRC32C checksum does not match"),
	V2("\x21\x11\0\x1a" PAIR4 "\3\0\4abcd\3\0\4abcd", 42, 35, "2.2.3", "a second CRC32C TLV"),
	V2("\x21\x11\0\x13" PAIR4 "\x20\0\4abcd", 35, 28, "2.2.6",
	   "the SSL TLV is shorter than its five fixed bytes"),
	V2("\x21\x11\0\x18" PAIR4 "\x20\0\x09" "abcde\x21\0\2x", 40, 36, "2.2.6",
	   "a TLV inside the SSL TLV is cut short by its end"),
};

static void check_fault_case(const struct fault_case *c)
{
	struct proxy_fault f = {0};
	bool ok = parse_bytes(c->input, c->settled - 1, &any_size, NULL, &f) == PROXY_NEED_MORE &&
		  !f.error && parse_bytes(c->input, c->settled, &any_size, NULL, &f) == PROXY_REJECT &&
		  f.offset == c->offset && !strcmp(f.section, c->section) && !strcmp(f.error, c->error);

	CU_ASSERT(ok);
	if (!ok)
		printf("    %s: got \"%s\" at %zu, section %s\n", c->error,
		       f.error ? f.error : "nothing", f.offset, f.section ? f.section : "-");
}

static void test_faults(void)
{
	for (size_t i = 0; i < COUNT(faults); i++)
		check_fault_case(&faults[i]);
}

static void test_long_lines(void)
{
	static const char *const starts[] = {"PROXY UNKNOWN ", "PROXY TCP6 "};
	char line[200];
	struct proxy_fault f;

	for (size_t i = 0; i < COUNT(starts); i++) {
		memset(line, '1', sizeof(line));
		memcpy(line, starts[i], strlen(starts[i]));
		struct bytes b = {line, sizeof(line)};
		CU_ASSERT(parse_bytes(b, 105, &any_size, NULL, NULL) == PROXY_NEED_MORE);
		CU_ASSERT(parse_bytes(b, 106, &any_size, NULL, &f) == PROXY_REJECT && f.offset == 105);
		CU_ASSERT(!strcmp(f.error, "no CRLF within 107 bytes"));
		line[105] = '\r';
		CU_ASSERT(parse_bytes(b, 106, &any_size, NULL, NULL) == PROXY_NEED_MORE);
		CU_ASSERT(parse_bytes(b, 107, &any_size, NULL, NULL) == PROXY_REJECT);
	}
}

static void test_not_proxy(void)
{
	static const struct {
		struct bytes input;
		size_t settled;
	} others[] = {
		{BYTES("GET / HTTP/1.1\r\n"), 1}, {BYTES("\x16\x03\x01"), 1}, {BYTES("\0\0"), 1},
		{BYTES("PROPFIND / HTTP/1.1\r\n"), 4}, {BYTES("PRI * HTTP/2.0\r\n"), 3},
		{BYTES("\r\n\r\nGET /"), 5}, {BYTES("\r\n\r\n\0\r\nQUIT\r\n"), 12}, {BYTES("proxy "), 1},
	};

	for (size_t i = 0; i < COUNT(others); i++) {
		size_t n = others[i].settled;
		struct proxy_fault f = {0};
		CU_ASSERT(parse_bytes(others[i].input, n - 1, &any_size, NULL, NULL) == PROXY_NEED_MORE);
		CU_ASSERT(parse_bytes(others[i].input, n, &any_size, NULL, &f) == PROXY_NOT_PROXY);
		CU_ASSERT(f.offset == n - 1 && f.error && !strcmp(f.section, "2.2"));
	}
}

static void test_outputs_untouched(void)
{
	static const char *const inputs[] = {"PROXY TCP4 1.2.3.4 ", "PROXY TCP4 1.2.3.4 5\r\n", "GET /"};
	struct proxy_header h, pattern;

	memset(&pattern, 0x5a, sizeof(pattern));
	for (size_t i = 0; i < COUNT(inputs); i++) {
		h = pattern;
		CU_ASSERT(parse_text(inputs[i], &any_size, &h) != PROXY_ACCEPT);
		CU_ASSERT(!memcmp(&h, &pattern, sizeof(h)));
	}
}

/* --- limits --- */

static void test_max_size(void)
{
	static const struct bytes b = BYTES(SIG "\x21\x11\0\x0c" PAIR4);
	struct proxy_limits limits = any_size;
	struct proxy_fault f;

	for (limits.max_size = 0; limits.max_size < 28; limits.max_size++) {
		CU_ASSERT(parse_bytes(b, 15, &limits, NULL, NULL) == PROXY_NEED_MORE);
		CU_ASSERT(parse_bytes(b, 16, &limits, NULL, &f) == PROXY_REJECT && f.offset == 14);
		CU_ASSERT(!strcmp(f.error, "the header is longer than the configured maximum"));
		CU_ASSERT(parse_text("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", &limits, NULL) == PROXY_ACCEPT);
	}
	CU_ASSERT(parse_bytes(b, b.len, &limits, NULL, NULL) == PROXY_ACCEPT);
	CU_ASSERT(proxy_default_limits.max_size == 4096);
	CU_ASSERT(proxy_default_limits.allow_v1 && proxy_default_limits.allow_v2);
	CU_ASSERT(!proxy_default_limits.reject_unspec && !proxy_default_limits.v4_in_tcp6);
}

static void test_largest_header(void)
{
	static uint8_t body[65535], header[PROXY_HEADER_MAX + 8];
	struct proxy_header h = {0};

	memcpy(body, PAIR4, 12);
	memcpy(body + 12, "\2\xff\xf0", 3);
	memset(body + 15, 'a', sizeof(body) - 15);
	CU_ASSERT(make_v2(header, 0x21, 0x11, body, sizeof(body)) == PROXY_HEADER_MAX);
	CU_ASSERT(parse_copy(header, 16, &proxy_default_limits, NULL, NULL) == PROXY_REJECT);
	CU_ASSERT(parse_copy(header, PROXY_HEADER_MAX - 1, &any_size, NULL, NULL) == PROXY_NEED_MORE);
	CU_ASSERT(parse_copy(header, sizeof(header), &any_size, &h, NULL) == PROXY_ACCEPT);
	CU_ASSERT(h.consumed == PROXY_HEADER_MAX && h.tlvs_len == 65523);
}

static void test_versions(void)
{
	static const struct bytes v1 = BYTES("PROXY UNKNOWN\r\n"), v2 = BYTES(SIG "\x20\0\0\0");
	struct proxy_limits no_v1 = any_size, no_v2 = any_size;
	struct proxy_fault f;

	no_v1.allow_v1 = no_v2.allow_v2 = false;
	CU_ASSERT(parse_bytes(v1, 4, &no_v1, NULL, NULL) == PROXY_NEED_MORE);
	CU_ASSERT(parse_bytes(v1, 5, &no_v1, NULL, &f) == PROXY_REJECT && strstr(f.error, "version 1"));
	CU_ASSERT(parse_bytes(v1, v1.len, &no_v2, NULL, NULL) == PROXY_ACCEPT);
	CU_ASSERT(parse_bytes(v2, 11, &no_v2, NULL, NULL) == PROXY_NEED_MORE);
	CU_ASSERT(parse_bytes(v2, 12, &no_v2, NULL, &f) == PROXY_REJECT && strstr(f.error, "version 2"));
	CU_ASSERT(parse_bytes(v2, v2.len, &no_v1, NULL, NULL) == PROXY_ACCEPT);
	CU_ASSERT(parse_text("GET", &no_v1, NULL) == PROXY_NOT_PROXY);
	CU_ASSERT(parse_text("PRI", &no_v1, NULL) == PROXY_NOT_PROXY);
}

static void test_v4_in_tcp6(void)
{
	static const char *const lines[] = {"PROXY TCP6 2001:db8::1 1.2.3.4 5 6\r\n",
					    "PROXY TCP6 1.2.3.4 5.6.7.8 5 6\r\n"};
	struct proxy_limits limits = any_size;
	struct proxy_header h;

	for (size_t i = 0; i < COUNT(lines); i++)
		CU_ASSERT(parse_text(lines[i], &limits, NULL) == PROXY_REJECT);
	limits.v4_in_tcp6 = true;
	for (size_t i = 0; i < COUNT(lines); i++) {
		CU_ASSERT(parse_text(lines[i], &limits, &h) == PROXY_ACCEPT);
		CU_ASSERT(h.family == PROXY_AF_INET6 && addr_family(&h.src) == AF_INET6);
		CU_ASSERT(addr_is_v4mapped(&h.dst) && addr_port(&h.dst) == 6);
		CU_ASSERT(addr_is_v4mapped(&h.src) == (i == 1));
	}
	CU_ASSERT(parse_text("PROXY TCP4 ::1 ::1 5 6\r\n", &limits, NULL) == PROXY_REJECT);
	CU_ASSERT(parse_text("PROXY TCP6 1.2.3 ::1 5 6\r\n", &limits, NULL) == PROXY_REJECT);
}

static void test_every_port(void)
{
	struct proxy_header h;
	char line[80];

	for (unsigned port = 0; port < 100000; port++) {
		snprintf(line, sizeof(line), "PROXY TCP4 1.2.3.4 5.6.7.8 %u %u\r\n", port, port ^ 1);
		bool fits = port <= 65535 && (port ^ 1) <= 65535;
		enum proxy_result r = parse_text(line, &any_size, &h);
		CU_ASSERT(r == (fits ? PROXY_ACCEPT : PROXY_REJECT));
		if (fits)
			CU_ASSERT(addr_port(&h.src) == port && addr_port(&h.dst) == (port ^ 1));
	}
}

/* --- checksum modes --- */

static void test_crc_modes(void)
{
	static const struct {
		struct bytes input;
		enum proxy_result verify, require, ignore;
	} rows[] = {
		{BYTES(SIG "\x21\x00\x00\x00"), PROXY_ACCEPT, PROXY_REJECT, PROXY_ACCEPT},
		{BYTES(SIG "\x20\x00\x00\x00"), PROXY_ACCEPT, PROXY_ACCEPT, PROXY_ACCEPT}, /* LOCAL */
		{BYTES(SIG "\x21\x00\x00\x07\x03\x00\x04" "abcd"), PROXY_REJECT, PROXY_REJECT, PROXY_ACCEPT},
		{BYTES(SIG "\x21\x00\x00\x06\x03\x00\x03" "abc"), PROXY_REJECT, PROXY_REJECT, PROXY_REJECT},
		{BYTES("PROXY UNKNOWN\r\n"), PROXY_ACCEPT, PROXY_ACCEPT, PROXY_ACCEPT},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct proxy_limits limits = any_size;
		limits.crc = PROXY_CRC_VERIFY;
		CU_ASSERT_EQUAL(parse_bytes(rows[i].input, rows[i].input.len, &limits, NULL, NULL), rows[i].verify);
		limits.crc = PROXY_CRC_REQUIRE;
		CU_ASSERT_EQUAL(parse_bytes(rows[i].input, rows[i].input.len, &limits, NULL, NULL), rows[i].require);
		limits.crc = PROXY_CRC_IGNORE;
		CU_ASSERT_EQUAL(parse_bytes(rows[i].input, rows[i].input.len, &limits, NULL, NULL), rows[i].ignore);
	}
}

static const struct unit_case cases[] = {
	{"faults", test_faults},
	{"long_lines", test_long_lines},
	{"not_proxy", test_not_proxy},
	{"outputs_untouched", test_outputs_untouched},
	{"max_size", test_max_size},
	{"largest_header", test_largest_header},
	{"versions", test_versions},
	{"v4_in_tcp6", test_v4_in_tcp6},
	{"every_port", test_every_port},
	{"crc_modes", test_crc_modes},
};

UNIT_MAIN("proto_proxy_rules", cases)
