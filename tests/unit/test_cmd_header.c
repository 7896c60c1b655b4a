/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cmd_header.c - headers from words: what goes together, what is refused, decode(encode(x)) = x.
 *
 * Why: the words are the ones a user types, through the flag table, so the table is under test as well.
 * See: cmd_header.h; the commands as processes are in tests/e2e/test_tools.py.
 */
#include <errno.h>

#include "cmd_header.h"
#include "hex.h"
#include "proxy_check.h"
#include "unit.h"

#define MAX_WORDS 24

struct options {
	struct cmd_header header;
	const char *word, *maybe;
};

static const struct cmd_flag flags[] = {
	CMD_HEADER_FLAGS(struct options),
	{"v", CMD_TEXT, offsetof(struct options, header.version), "1|2", "version"},
	{"dgram", CMD_SWITCH, offsetof(struct options, header.dgram), NULL, "UDP"},
	{"x", CMD_OPTIONAL, offsetof(struct options, maybe), "HEX", "hex"},
	{0},
};
static const struct cmd_spec spec = {"test", "", "", flags, "FILE", offsetof(struct options, word)};

/* Splits at blanks; line is kept by the caller while out is used. */
static int parse(char *line, struct options *out)
{
	char *argv[MAX_WORDS] = {(char *)"test"}, *rest = line;
	int argc = 1;

	while (rest && *rest && argc < MAX_WORDS)
		argv[argc++] = strsep(&rest, " ");
	*out = (struct options){0};
	return cmd_parse(&spec, argc, argv, out);
}

static ssize_t build(const char *words, uint8_t *out, size_t cap, struct cmd_error *err)
{
	char *line = strdup(words);
	struct options o;

	CU_ASSERT_FATAL(line && parse(line, &o) == CMD_RUN);
	ssize_t n = cmd_header_build(&o.header, NULL, NULL, out, cap, err);
	cmd_list_free(&o.header.tlvs);
	free(line);
	return n;
}

/* --- words ------------------------------------------------------------------------------------- */

static void check_text(const char *words, const char *want)
{
	uint8_t out[200];
	struct cmd_error err = {""};
	ssize_t n = build(words, out, sizeof(out), &err);

	CU_ASSERT(n == (ssize_t)strlen(want) && !memcmp(out, want, strlen(want)));
}

static void test_version_1(void)
{
	check_text("-v 1 -src 1.2.3.4:5 -dst 6.7.8.9:10", "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
	check_text("--src=1.2.3.4:5 -dst=6.7.8.9:10", "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
	check_text("-src [2001:db8::1]:5 -dst 6.7.8.9:10 -v=1", "PROXY TCP6 2001:db8::1 ::ffff:607:809 5 10\r\n");
	check_text("-local", "PROXY UNKNOWN\r\n");
	check_text("-local=true -v 1", "PROXY UNKNOWN\r\n");
}

static void check_hex(const char *words, const char *want)
{
	uint8_t out[200];
	char text[401];
	struct cmd_error err = {""};
	ssize_t n = build(words, out, sizeof(out), &err);

	CU_ASSERT_FATAL(n > 12 && n <= (ssize_t)sizeof(out));
	CU_ASSERT_STRING_EQUAL(hex_encode(out + 12, (size_t)n - 12, text), want);
}

static void test_version_2(void)
{
	check_hex("-v 2 -src 1.2.3.4:5 -dst 6.7.8.9:10", "2111000c01020304060708090005000a");
	check_hex("-dgram -src 1.2.3.4:5 -dst 6.7.8.9:10", "2112000c01020304060708090005000a");
	check_hex("-v 2 -local", "20000000");
	check_hex("-src 1.2.3.4:5 -dst 6.7.8.9:10 -tlv authority=a=b -tlv 0xE5=hex:0x01:ff -tlv NOOP=",
		  "2111001a01020304060708090005000a020003613d62e5000201ff040000");
}

static void test_refused(void)
{
	static const struct { const char *words, *error; int rc; } wrong[] = {
		{"-src 1.2.3.4:5", "-dst is missing", -EINVAL},
		{"-src 1.2.3.4 -dst 1.2.3.4:5", "\"1.2.3.4\" is not IP:PORT", -EINVAL},
		{"-src ::1:5 -dst [::1]:5", "is not IP:PORT", -EINVAL},
		{"-src :5 -dst [::1]:5", "is not IP:PORT", -EINVAL},
		{"-src a.example:5 -dst [::1]:5", "is not IP:PORT", -EINVAL},
		{"-src 1.2.3.4:65536 -dst 1.2.3.4:5", "is not IP:PORT", -EINVAL},
		{"-local -src 1.2.3.4:5", "-local names nobody", -EINVAL},
		{"-v 3 -local", "version \"3\"", -EINVAL},
		{"-v 1 -local -tlv NOOP=", "version 1 has no TLVs", -EINVAL},
		{"-v 1 -local -crc", "version 1 has no CRC32C", -EINVAL},
		{"-v 1 -local -dgram", "version 1 has no datagrams", -EINVAL},
		{"-local -tlv NOOP", "expected TYPE=VALUE", -EINVAL},
		{"-local -tlv 0x100=a", "unknown type", -EINVAL},
		{"-local -tlv ABCDEFGHIJKLMNOPQRSTUVWXYZ=a", "unknown type", -EINVAL},
		{"-local -tlv 0x02=hex:abc", "not hexadecimal", -EINVAL},
		{"-local -tlv crc32c=hex:00000000", "use -crc", -EINVAL},
		{"-src 1.2.3.4:5 -dst 1.2.3.4:5 -tlv SSL=abc", "receivers would refuse it: the SSL TLV is shorter", -EINVAL},
	};
	uint8_t out[200];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct cmd_error err = {""};
		CU_ASSERT(build(wrong[i].words, out, sizeof(out), &err) == wrong[i].rc);
		if (!strstr(err.text, wrong[i].error))
			printf("    %s: \"%s\" does not say \"%s\"\n", wrong[i].words, err.text, wrong[i].error);
		CU_ASSERT(strstr(err.text, wrong[i].error) != NULL);
	}
}

static void test_too_long(void)
{
	static uint8_t out[PROXY_HEADER_MAX];
	static char value[UINT16_MAX + 20];
	struct cmd_error err;
	struct cmd_header h = {.src = "1.2.3.4:5", .dst = "1.2.3.4:5", .tlvs = {(const char *[]){value}, 1}};

	memcpy(value, "0xE5=", 5);
	memset(value + 5, 'a', UINT16_MAX - 15);
	CU_ASSERT(cmd_header_build(&h, NULL, NULL, out, sizeof(out), &err) == PROXY_HEADER_MAX);
	CU_ASSERT(cmd_header_build(&h, NULL, NULL, out, sizeof(out) - 1, &err) == -ENOSPC);
	value[5 + UINT16_MAX - 15] = 'a';
	CU_ASSERT(cmd_header_build(&h, NULL, NULL, out, sizeof(out), &err) == -EOVERFLOW);
	memset(value + 5, 'a', UINT16_MAX + 1);
	CU_ASSERT(cmd_header_build(&h, NULL, NULL, out, sizeof(out), &err) == -EOVERFLOW);
	CU_ASSERT(strstr(err.text, "65536 bytes") != NULL);
}

static void test_own_addresses(void)
{
	struct addr src, dst;
	struct cmd_header h = {.src = NULL};
	struct cmd_error err;
	uint8_t out[PROXY_V1_MAX];

	addr_from_in4(&src, "\1\2\3\4", 5);
	addr_from_in4(&dst, "\6\7\x08\x09", 10);
	CU_ASSERT(cmd_header_build(&h, &src, &dst, out, sizeof(out), &err) == 33);
	CU_ASSERT(!memcmp(out, "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n", 33));
	h.src = "9.9.9.9:9";
	CU_ASSERT(cmd_header_build(&h, &src, &dst, out, sizeof(out), &err) == 33);
	CU_ASSERT(!memcmp(out, "PROXY TCP4 9.9.9.9 6.7.8.9 9 10\r\n", 33));
}

/* --- flags ------------------------------------------------------------------------------------- */

static int status_of(const char *words, struct options *out)
{
	char *line = strdup(words);

	CU_ASSERT_FATAL(line != NULL);
	int status = parse(line, out);
	CU_ASSERT(!out->word || !strcmp(out->word, "f") || !strcmp(out->word, "-"));
	if (out->maybe)
		out->maybe = *out->maybe ? "text" : "";
	cmd_list_free(&out->header.tlvs);
	free(line);
	return status;
}

static void test_flags(void)
{
	struct options o;

	CU_ASSERT(status_of("f -crc", &o) == CMD_RUN && o.header.crc && o.word);
	CU_ASSERT(status_of("-crc -", &o) == CMD_RUN && o.word);
	CU_ASSERT(status_of("-crc -crc=f", &o) == CMD_RUN && !o.header.crc);
	CU_ASSERT(status_of("-x f", &o) == CMD_RUN && !strcmp(o.maybe, "") && o.word);
	CU_ASSERT(status_of("-x=0d0a", &o) == CMD_RUN && !strcmp(o.maybe, "text"));
	CU_ASSERT(status_of("-x -x=false", &o) == CMD_RUN && !o.maybe);
	/* These say why on standard error, which a test run shows only when something fails. */
	CU_ASSERT(status_of("f g", &o) == CMD_USAGE);
	CU_ASSERT(status_of("-nope", &o) == CMD_USAGE);
	CU_ASSERT(status_of("--", &o) == CMD_USAGE);
	CU_ASSERT(status_of("---crc", &o) == CMD_USAGE);
	CU_ASSERT(status_of("-crc=maybe", &o) == CMD_USAGE);
	CU_ASSERT(status_of("-src", &o) == CMD_USAGE);
}

/* --- decode(encode(x)) = x --------------------------------------------------------------------- */

/* xorshift: the same cases in every run. */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void random_addr(uint64_t *seed, bool v6, struct addr *a)
{
	uint8_t ip[16];

	for (size_t i = 0; i < sizeof(ip); i++)
		ip[i] = next(seed) % 3 ? (uint8_t)next(seed) : 0;
	ip[0] |= 0x20; /* not v4-mapped: that is written as IPv4 */
	if (v6)
		addr_from_in6(a, ip, (uint16_t)next(seed));
	else
		addr_from_in4(a, ip, (uint16_t)next(seed));
}

struct made_tlv {
	uint8_t type;
	size_t len;
	uint8_t value[64];
	char word[160];
};

static void random_tlv(uint64_t *seed, struct made_tlv *t)
{
	char hex[2 * sizeof(t->value) + 1];

	do
		t->type = (uint8_t)next(seed);
	while (t->type == PROXY_TLV_CRC32C || t->type == PROXY_TLV_SSL);
	t->len = next(seed) % sizeof(t->value);
	for (size_t i = 0; i < t->len; i++)
		t->value[i] = (uint8_t)next(seed);
	snprintf(t->word, sizeof(t->word), "0x%02x=hex:%s", t->type, hex_encode(t->value, t->len, hex));
}

static void check_tlvs(const struct proxy_header *h, const struct made_tlv *made, size_t count)
{
	struct proxy_tlv tlv = {0};
	size_t offset = 0;

	if (h->crc_present)
		CU_ASSERT(proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) == 1 && tlv.type == PROXY_TLV_CRC32C);
	for (size_t i = 0; i < count; i++) {
		CU_ASSERT_FATAL(proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) == 1);
		CU_ASSERT(tlv.type == made[i].type && tlv.len == made[i].len && !memcmp(tlv.value, made[i].value, tlv.len));
	}
	CU_ASSERT(proxy_tlv_next(h->tlvs, h->tlvs_len, &offset, &tlv) == 0);
}

static void check_round_trip(uint64_t *seed)
{
	bool v6 = next(seed) & 1, first = next(seed) % 4 == 0;
	struct cmd_header want = {.version = first ? "1" : "2", .crc = !first && next(seed) & 1,
				  .dgram = !first && next(seed) & 1};
	char src_text[ADDR_TEXT_MAX], dst_text[ADDR_TEXT_MAX];
	size_t count = first ? 0 : next(seed) % 8;
	struct made_tlv made[8];
	const char *words[8];
	struct addr src, dst;
	struct cmd_error err;
	struct proxy_header h;
	uint8_t out[1024];

	random_addr(seed, v6, &src);
	random_addr(seed, v6, &dst);
	want.src = addr_format(&src, src_text);
	want.dst = addr_format(&dst, dst_text);
	for (size_t i = 0; i < count; i++) {
		random_tlv(seed, &made[i]);
		words[i] = made[i].word;
	}
	want.tlvs = (struct cmd_list){words, count};
	ssize_t n = cmd_header_build(&want, NULL, NULL, out, sizeof(out), &err);
	CU_ASSERT_FATAL(n > 0);
	CU_ASSERT_FATAL(parse_copy(out, (size_t)n, &proxy_default_limits, &h, NULL) == PROXY_ACCEPT);
	CU_ASSERT(h.version == (first ? 1 : 2) && h.consumed == (size_t)n && h.command == PROXY_CMD_PROXY);
	CU_ASSERT(h.proto == (want.dgram ? PROXY_PROTO_DGRAM : PROXY_PROTO_STREAM) && h.crc_present == want.crc);
	CU_ASSERT(addr_equal(&h.src, &src) && addr_equal(&h.dst, &dst));
	check_tlvs(&h, made, count);
}

static void test_round_trips(void)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;

	for (int i = 0; i < 20000; i++)
		check_round_trip(&seed);
}

static const struct unit_case cases[] = {
	{"version_1", test_version_1}, {"version_2", test_version_2},	      {"refused", test_refused},
	{"too_long", test_too_long},   {"own_addresses", test_own_addresses}, {"flags", test_flags},
	{"round_trips", test_round_trips},
};

UNIT_MAIN("cmd_header", cases)
