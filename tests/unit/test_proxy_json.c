/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proxy_json.c - headers as JSON: every row of the vectors in all its columns, every prefix of every row.
 *
 * Why: the columns are compared as the text that is printed, so a right number in a wrong spelling fails.
 * See: proxy_json.h; what TLVs mean is checked on values written out below.
 */
#include "hex.h"
#include "proxy_check.h"
#include "proxy_json.h"
#include "proxy_vectors.h"
#include "unit.h"

static void check(bool ok, const char *row, const char *what)
{
	char text[160] = "";

	if (!ok)
		snprintf(text, sizeof(text), "%s: %s", row, what);
	CU_assertImplementation(ok, __LINE__, text, __FILE__, "", CU_FALSE);
}

/* Out and in again, as a script would read it: a string that is not UTF-8 or a broken object fails here. */
static json_t *decode(const uint8_t *bytes, size_t len)
{
	struct proxy_header h = {0};
	struct proxy_fault f = {0};
	uint8_t *copy = malloc(len ? len : 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	if (len)
		memcpy(copy, bytes, len);
	enum proxy_result r = proxy_parse(copy, len, &any_size, &h, &f);
	json_t *made = proxy_json(r, &h, &f);
	free(copy);
	char *text = json_dumps(made, JSON_COMPACT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	json_t *read = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_FATAL(read && json_equal(made, read));
	json_decref(made);
	free(text);
	return read;
}

/* A column's text: numbers in decimal, null as nothing. */
static const char *field(const json_t *o, const char *key, char out[static 300])
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return "(absent)";
	if (json_is_integer(v))
		snprintf(out, 300, "%lld", (long long)json_integer_value(v));
	else
		snprintf(out, 300, "%s", json_is_null(v) ? "" : json_string_value(v));
	return out;
}

static const char *tlvs_text(const json_t *o, char out[static 300])
{
	const json_t *tlv;
	size_t i, n = 0;

	*out = '\0';
	json_array_foreach(json_object_get(o, "tlvs"), i, tlv) {
		const char *type = json_string_value(json_object_get(tlv, "type"));
		n += (size_t)snprintf(out + n, 300 - n, "%s%s:%04x", n ? "," : "", type + 2,
				      (unsigned)json_integer_value(json_object_get(tlv, "length")));
		CU_ASSERT_FATAL(n < 290);
	}
	return out;
}

static void check_row(const struct vector *v)
{
	static const struct { const char *key; enum vector_column column; } columns[] = {
		{"version", VEC_VERSION}, {"cmd", VEC_CMD}, {"family", VEC_FAMILY}, {"proto", VEC_PROTO},
		{"src", VEC_SRC}, {"sport", VEC_SPORT}, {"dst", VEC_DST}, {"dport", VEC_DPORT},
		{"consumed", VEC_CONSUMED},
	};
	json_t *o = decode(v->bytes, v->len);
	const char *want = v->text[VEC_EXPECTED], *name = v->text[VEC_NAME];
	bool accept = !strcmp(want, "accept"), fault = !strcmp(want, "reject") || !strcmp(want, "not-proxy");
	char text[300];

	check(!strcmp(field(o, "result", text), want), name, "result");
	for (size_t i = 0; accept && i < sizeof(columns) / sizeof(columns[0]); i++)
		check(!strcmp(field(o, columns[i].key, text), v->text[columns[i].column]), name, columns[i].key);
	if (accept)
		check(!strcmp(tlvs_text(o, text), v->text[VEC_TLVS]), name, "tlvs");
	check(json_object_size(o) == (accept ? 11u : fault ? 4u : 1u), name, "number of keys");
	check(!fault || (json_is_string(json_object_get(o, "error")) && json_is_integer(json_object_get(o, "offset")) &&
			 json_is_string(json_object_get(o, "spec"))), name, "fault");
	json_decref(o);
}

static void test_rows(void)
{
	CU_ASSERT(for_each_vector(check_row) >= 100);
}

/* The verdict in the object is the parser's, wherever the bytes end. */
static void check_prefixes(const struct vector *v)
{
	static const char *const names[] = {"accept", "need-more", "reject", "not-proxy"};
	char text[300];

	for (size_t n = 0; n <= v->len; n++) {
		json_t *o = decode(v->bytes, n);
		check(!strcmp(field(o, "result", text), names[parse_copy(v->bytes, n, &any_size, NULL, NULL)]),
		      v->text[VEC_NAME], "prefix");
		json_decref(o);
	}
}

static void test_prefixes(void)
{
	CU_ASSERT(for_each_vector(check_prefixes) >= 100);
}

/* --- single values ----------------------------------------------------------------------------- */

/* The object of the only TLV of a header, as text. */
static void check_tlv(const char *bytes, size_t len, const char *want)
{
	uint8_t body[200] = PAIR4, header[240];

	memcpy(body + PAIR4_LEN, bytes, len);
	json_t *o = decode(header, make_v2(header, 0x21, 0x11, body, PAIR4_LEN + len));
	char *got = json_dumps(json_array_get(json_object_get(o, "tlvs"), 0), JSON_COMPACT);
	check(got && !strcmp(got, want), got ? got : "(none)", want);
	free(got);
	json_decref(o);
}
#define CHECK_TLV(bytes, want) check_tlv(bytes, sizeof(bytes) - 1, want)

static void test_tlvs(void)
{
	CHECK_TLV("\2\0\3a.b", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":3,\"value\":\"612e62\",\"text\":\"a.b\"}");
	CHECK_TLV("\2\0\2\xc3\xbc", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":2,\"value\":\"c3bc\",\"text\":\"\xc3\xbc\"}");
	/* Not text: a broken sequence, C1, DEL, a NUL inside, ESC, nothing. */
	CHECK_TLV("\2\0\1\xc3", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":1,\"value\":\"c3\"}");
	CHECK_TLV("\2\0\2\xc2\x9b", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":2,\"value\":\"c29b\"}");
	CHECK_TLV("\2\0\1\x7f", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":1,\"value\":\"7f\"}");
	CHECK_TLV("\2\0\3a\0b", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":3,\"value\":\"610062\"}");
	CHECK_TLV("\2\0\2\x1b[", "{\"type\":\"0x02\",\"name\":\"AUTHORITY\",\"length\":2,\"value\":\"1b5b\"}");
	CHECK_TLV("\xf5\0\0", "{\"type\":\"0xf5\",\"name\":null,\"length\":0,\"value\":\"\"}");
}

static void test_vendors(void)
{
	CHECK_TLV("\xea\0\7\1vpce-1", "{\"type\":\"0xea\",\"name\":\"AWS\",\"length\":7,\"value\":\"01767063652d31\","
				      "\"vpcEndpointId\":\"vpce-1\"}");
	CHECK_TLV("\xea\0\3\2ab", "{\"type\":\"0xea\",\"name\":\"AWS\",\"length\":3,\"value\":\"026162\"}");
	CHECK_TLV("\xee\0\5\1\4\3\2\xf1", "{\"type\":\"0xee\",\"name\":\"AZURE\",\"length\":5,\"value\":\"01040302f1\","
					  "\"linkId\":4043440900}");
	CHECK_TLV("\xee\0\4\1\4\3\2", "{\"type\":\"0xee\",\"name\":\"AZURE\",\"length\":4,\"value\":\"01040302\"}");
	CHECK_TLV("\xe0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe",
		  "{\"type\":\"0xe0\",\"name\":\"GCP\",\"length\":8,\"value\":\"fffffffffffffffe\","
		  "\"pscConnectionId\":\"18446744073709551614\"}");
	CHECK_TLV("\xe0\0\x07\1\2\3\4\5\6\7", "{\"type\":\"0xe0\",\"name\":\"GCP\",\"length\":7,\"value\":\"01020304050607\"}");
}

static void test_ssl(void)
{
	CHECK_TLV("\x20\0\x13\5\0\0\0\1\x21\0\7TLSv1.3\x99\0\1\0",
		  "{\"type\":\"0x20\",\"name\":\"SSL\",\"length\":19,\"value\":\"05000000012100"
		  "07544c5376312e3399000100\",\"client\":\"0x05\",\"clientBits\":[\"SSL\",\"CERT_SESS\"],\"verify\":1,"
		  "\"sub\":[{\"type\":\"0x21\",\"name\":\"SSL_VERSION\",\"length\":7,\"value\":\"544c5376312e33\","
		  "\"text\":\"TLSv1.3\"},{\"type\":\"0x99\",\"name\":null,\"length\":1,\"value\":\"00\"}]}");
	CHECK_TLV("\x20\0\5\0\xff\xff\xff\xff",
		  "{\"type\":\"0x20\",\"name\":\"SSL\",\"length\":5,\"value\":\"00ffffffff\",\"client\":\"0x00\","
		  "\"clientBits\":[],\"verify\":4294967295,\"sub\":[]}");
}

/* UNIX paths are bytes, not text; an abstract name begins with '@'. */
static void check_path(const char *path, size_t len, const char *want)
{
	uint8_t body[216] = {0}, header[240];
	char text[300];

	memcpy(body, path, len);
	json_t *o = decode(header, make_v2(header, 0x21, 0x31, body, sizeof(body)));
	check(!strcmp(field(o, "src", text), want), text, want);
	check(!strcmp(field(o, "dst", text), "@"), text, "unnamed");
	check(json_is_null(json_object_get(o, "sport")), want, "no port");
	json_decref(o);
}

static void test_paths(void)
{
	char raw[108], escaped[4 * 108 + 1] = "";

	check_path("/run/x", 6, "/run/x");
	check_path("\0name", 5, "@name");
	check_path("/\xff\x1b", 3, "/\\xff\\x1b");
	check_path("/\xc3\xbc", 3, "/\xc3\xbc");
	memset(raw, 0xfe, sizeof(raw));
	for (size_t i = 0; i < 70; i++)
		memcpy(escaped + 4 * i, "\\xfe", 5);
	check_path(raw, 70, escaped);
}

static void test_key_order(void)
{
	static const char want[] = "{\"result\":\"accept\",\"version\":2,\"cmd\":\"PROXY\",\"family\":\"INET\","
				   "\"proto\":\"STREAM\",\"src\":\"1.2.3.4\",\"sport\":12345,\"dst\":\"5.6.7.8\","
				   "\"dport\":443,\"consumed\":28,\"tlvs\":[]}";
	uint8_t header[28];
	json_t *o = decode(header, make_v2(header, 0x21, 0x11, PAIR4, PAIR4_LEN));
	char *got = json_dumps(o, JSON_COMPACT);

	check(got && !strcmp(got, want), got, want);
	free(got);
	json_decref(o);
}

/* --- hexadecimal text -------------------------------------------------------------------------- */

static void test_hex(void)
{
	static const char *const same[] = {"0d0aff", "0D0AFF", " 0d 0a\tff\n", "0d:0a:ff", "0x0d 0x0A 0xff", "0x0d0aff", "0X0d:0aff\r\n"};
	static const char *const wrong[] = {"0", "0d0", "0d 0 a", "0dxx", "xx", "0x", "0d,0a", "0x0x0d", "0d-0a"};
	uint8_t out[4];
	char text[9];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		check(hex_decode(same[i], strlen(same[i]), out, 3) == 3 && !memcmp(out, "\r\n\xff", 3), same[i], "bytes");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check(hex_decode(wrong[i], strlen(wrong[i]), out, 4) < 0, wrong[i], "refused");
	CU_ASSERT(hex_decode("", 0, out, 0) == 0 && hex_decode(" \n", 2, out, 0) == 0);
	CU_ASSERT(hex_decode("0d0aff", 6, out, 2) < 0);
	CU_ASSERT(!strcmp(hex_encode("\0\xff\x10z", 4, text), "00ff107a"));
}

static const struct unit_case cases[] = {
	{"rows", test_rows},	       {"prefixes", test_prefixes}, {"tlvs", test_tlvs},   {"vendors", test_vendors},
	{"ssl", test_ssl},	       {"paths", test_paths},	    {"hex", test_hex},	   {"key_order", test_key_order},
};

UNIT_MAIN("proxy_json", cases)
