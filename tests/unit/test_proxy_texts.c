/* SPDX-License-Identifier: BSD-2-Clause */
/* test_proxy_texts.c - which TLVs the log shows, and as what. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "proxy_texts.h"
#include "unit.h"

static struct proxy_texts taken(const char *tlvs, size_t len)
{
	struct proxy_texts texts;

	memset(&texts, 'x', sizeof(texts));
	proxy_texts_take(&texts, (const uint8_t *)tlvs, len);
	return texts;
}

#define TAKEN(text) taken(text, sizeof(text) - 1)

static void test_take(void)
{
	struct proxy_texts t = TAKEN("\x05\0\2id\x02\0\1a\x02\0\1b\xEA\0\6\1vpce-\x30\0\1n");

	CU_ASSERT_STRING_EQUAL(t.authority, "a");
	CU_ASSERT_STRING_EQUAL(t.unique_id, "id");
	CU_ASSERT_STRING_EQUAL(t.vpc_endpoint, "vpce-");
	t = TAKEN("\x02\0\2a\n\xEA\0\2\2v\xEA\0\0");
	CU_ASSERT_STRING_EQUAL(t.authority, "hex:610a");
	CU_ASSERT_STRING_EQUAL(t.unique_id, "");
	CU_ASSERT_STRING_EQUAL(t.vpc_endpoint, "");
	t = taken(NULL, 0);
	CU_ASSERT_STRING_EQUAL(t.authority, "");
}

/* Every prefix: nothing beyond it is read (the sanitizers see it), nothing half is shown. */
static void test_prefixes(void)
{
	static const char whole[] = "\x02\0\3abc\x05\0\2id";

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *copy = memcpy(malloc(n + 1), whole, n);
		struct proxy_texts t = taken(copy, n);
		CU_ASSERT_STRING_EQUAL(t.authority, n < 6 ? "" : "abc");
		CU_ASSERT_STRING_EQUAL(t.unique_id, "");
		free(copy);
	}
}

static void test_log(void)
{
	struct proxy_texts t = TAKEN("\x02\0\1a\x05\0\2id");
	char line[LOG_LINE_MAX + 1];
	struct log_record rec;

	log_begin(&rec, LOG_INFO);
	proxy_texts_log(&rec, NULL);
	proxy_texts_log(&rec, &t);
	line[log_format_line(line, LOG_LINE_MAX, LOG_FORMAT_JSON, &rec, "x", 0)] = '\0';
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"proxyAuthority\":\"a\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"proxyUniqueId\":\"id\""));
	CU_ASSERT_PTR_NULL(strstr(line, "proxyVpcEndpoint"));
}

static const struct unit_case cases[] = {
	{"what is taken", test_take},
	{"every prefix", test_prefixes},
	{"fields of a record", test_log},
};

UNIT_MAIN("proxy_texts", cases)
