/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_connector_http.c - CONNECT through an HTTP proxy: what is sent, as recorded from GOST, and what answers mean.
 *
 * Why: answers come in any two pieces and byte by byte; bytes behind them must be left alone.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "hex.h"
#include "unit.h"

static struct connector_request request = {.host = "10.9.8.7", .port = 80};

static int begin(struct connector *c, const struct connector_request *req)
{
	*c = (struct connector){.ops = &connector_http_ops, .req = req};
	return c->ops->begin(c);
}

/* --- what is sent -------------------------------------------------------------------------------------------------- */

static void check_recorded(json_t *row, const char *user, const char *password)
{
	struct connector c;
	struct connector_request req = request;
	const char *hex = json_string_value(json_object_get(row, "observed_hex"));
	uint8_t want[1024];
	ssize_t n = hex_decode(hex, strcspn(hex, " |"), want, sizeof(want));

	req.user = user;
	req.password = password;
	CU_ASSERT_EQUAL_FATAL(begin(&c, &req), 0);
	CU_ASSERT(n > 0 && c.out_len == (size_t)n && !memcmp(c.out, want, (size_t)n));
}

static void test_recorded(void)
{
	FILE *f = fopen("tests/vectors/gost/wire.jsonl", "r");
	char *line = NULL;
	size_t cap = 0, found = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (getline(&line, &cap, f) > 0) {
		json_t *row = json_loads(line, 0, NULL);
		const char *id = json_string_value(json_object_get(row, "id"));
		bool auth = !strcmp(id, "node-http-auth");
		if (auth || !strcmp(id, "node-http") || !strcmp(id, "node-http-503")) {
			check_recorded(row, auth ? "user" : NULL, auth ? "pa:ss" : NULL);
			found++;
		}
		json_decref(row);
	}
	CU_ASSERT_EQUAL(found, 3);
	free(line);
	fclose(f);
}

static void test_v6_and_agent(void)
{
	struct connector c;
	struct connector_request req = {.host = "2001:db8::1", .port = 443, .agent = "curl/8"};
	static const char want[] = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nUser-Agent: curl/8\r\n"
				   "Proxy-Connection: keep-alive\r\n\r\n";

	CU_ASSERT_EQUAL_FATAL(begin(&c, &req), 0);
	CU_ASSERT(c.out_len == strlen(want) && !memcmp(c.out, want, strlen(want)));
}

static void test_what_cannot_be_sent(void)
{
	static char host[400], long_user[1700];
	struct connector c;
	struct connector_request req;
	static const char *const hosts[] = {"", "a b", "a\r\nX: y", "a\n", "a\x7f", "a\tb"};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		req = (struct connector_request){.host = hosts[i], .port = 1};
		CU_ASSERT_EQUAL(begin(&c, &req), -EINVAL);
		CU_ASSERT(c.error[0] && !c.out_len);
	}
	memset(host, 'a', sizeof(host) - 1);
	req = (struct connector_request){.host = host, .port = 1};
	CU_ASSERT_EQUAL(begin(&c, &req), -EINVAL);
	req = (struct connector_request){.host = "a", .port = 1, .agent = "x\r\ny"};
	CU_ASSERT_EQUAL(begin(&c, &req), -EINVAL);
	req = (struct connector_request){.host = "a", .port = 1, .command = CONNECTOR_BIND};
	CU_ASSERT_EQUAL(begin(&c, &req), -EOPNOTSUPP);
	/* Every length of credentials: either the whole request fits, or there is none. */
	host[255] = '\0';
	for (size_t n = 0; n < sizeof(long_user); n++) {
		memset(long_user, 'u', n);
		req = (struct connector_request){.host = host, .port = 65535, .user = long_user, .password = ""};
		int err = begin(&c, &req);
		CU_ASSERT(err == -EMSGSIZE ? !c.out_len : err == 0 && c.out_len <= sizeof(c.out));
		CU_ASSERT(err || !memcmp(c.out + c.out_len - 16, ": keep-alive\r\n\r\n", 16));
	}
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static const struct answer {
	const char *text;
	size_t head; /* bytes that belong to it */
	enum connector_result want;
	const char *error;
} answers[] = {
	{"HTTP/1.1 200 Connection established\r\n\r\n", 39, CONNECTOR_DONE, ""},
	{"HTTP/1.1 200 Connection established\r\n\r\nSSH-2.0-x\r\n\r\n", 39, CONNECTOR_DONE, ""},
	{"HTTP/1.0 200\r\nX: y\r\n\r\n\r\n\r\n", 22, CONNECTOR_DONE, ""},
	{"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 x\r\n\r\n", 27, CONNECTOR_DONE, ""},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 38, CONNECTOR_DONE, ""},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", 62, CONNECTOR_DONE, ""},
	{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 55, CONNECTOR_FAILED, "503 Service Unavailable"},
	{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 46, CONNECTOR_FAILED, "407 Proxy Authentication Required"},
	{"HTTP/1.1 302\r\n\r\n", 16, CONNECTOR_FAILED, "302"},
	{"SSH-2.0-OpenSSH\r\n\r\n", 0, CONNECTOR_FAILED, "the answer is not HTTP: the version is not HTTP/1.0 or HTTP/1.1"},
	{"HTTP/1.1 200 OK\n\n", 0, CONNECTOR_FAILED, "the answer is not HTTP: a line feed without a carriage return"},
};

/* Gives cut bytes, then all. */
static void check_answer(const struct answer *a, size_t cut)
{
	size_t len = strlen(a->text), consumed = 0, taken = 0;
	struct connector c;
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, a->text, len);
	CU_ASSERT_EQUAL_FATAL(begin(&c, &request), 0);
	enum connector_result r = c.ops->input(&c, copy, cut, &consumed);
	CU_ASSERT_FATAL(consumed <= cut);
	taken = consumed;
	if (r == CONNECTOR_MORE) {
		r = c.ops->input(&c, copy + taken, len - taken, &consumed);
		taken += consumed;
	}
	CU_ASSERT_EQUAL(r, a->want);
	CU_ASSERT(a->head == 0 || taken == a->head);
	CU_ASSERT_STRING_EQUAL(c.error, a->error);
	free(copy);
}

static void test_answers(void)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (size_t cut = 0; cut <= strlen(answers[i].text); cut++)
			check_answer(&answers[i], cut);
}

static void test_answers_byte_by_byte(void)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct connector c;
		enum connector_result r = CONNECTOR_MORE;
		size_t from = 0, to = 0, consumed = 0;
		CU_ASSERT_EQUAL_FATAL(begin(&c, &request), 0);
		while (r == CONNECTOR_MORE && to < strlen(answers[i].text)) {
			r = c.ops->input(&c, (const uint8_t *)answers[i].text + from, ++to - from, &consumed);
			from += consumed;
		}
		CU_ASSERT_EQUAL(r, answers[i].want);
		CU_ASSERT(!answers[i].head || from == answers[i].head);
	}
}

static void test_endless_answer(void)
{
	static uint8_t buf[CONNECTOR_IN_MAX];
	struct connector c;
	size_t consumed;

	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "HTTP/1.1 200 OK\r\nX: ", 20);
	CU_ASSERT_EQUAL_FATAL(begin(&c, &request), 0);
	CU_ASSERT_EQUAL(c.ops->input(&c, buf, sizeof(buf), &consumed), CONNECTOR_FAILED);
}

static const struct unit_case cases[] = {
	{"as recorded", test_recorded},
	{"IPv6 and another agent", test_v6_and_agent},
	{"what cannot be sent", test_what_cannot_be_sent},
	{"answers in two pieces", test_answers},
	{"answers byte by byte", test_answers_byte_by_byte},
	{"an answer without an end", test_endless_answer},
};

UNIT_MAIN("connector_http", cases)
