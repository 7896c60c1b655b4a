/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flow_prefix.c - answers in front of a payload, cut at every two places; too long, refused, and who is told.
 *
 * An answer here is a byte with its own length and that many bytes behind it; length 255 says no.
 * See: include/flow_prefix.h.
 */
#include "flow_prefix.h"

#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "unit.h"

static unsigned taken, told, released;

static int take(void *ctx, const uint8_t *data, size_t len, size_t *consumed)
{
	(void)ctx;
	if (!len)
		return 0;
	if (data[0] == 255)
		return -1;
	if (len < 1 + (size_t)data[0])
		return 0;
	*consumed = 1 + (size_t)data[0];
	taken++;
	return 1;
}

static void ended(void *ctx)
{
	(void)ctx;
	told++;
}

static void release(void *ctx)
{
	(void)ctx;
	released++;
}

static void fresh(struct flow *flow, unsigned answers, size_t held_max)
{
	*flow = (struct flow){.prefix = flow_prefix_new(held_max)};
	CU_ASSERT_FATAL(flow->prefix != NULL);
	flow->prefix->take = take;
	flow->prefix->ended = ended;
	flow->prefix->release = release;
	flow->prefix->left = answers;
	taken = told = released = 0;
}

/* What is payload of data goes behind out. */
static ssize_t feed(struct flow *flow, const char *data, size_t len, char *out, size_t *out_len)
{
	uint8_t *copy = malloc(len ? len : 1); /* a sanitizer sees a byte too many */
	ssize_t n = (ssize_t)len;

	memcpy(copy, data, len);
	if (flow->prefix && len)
		n = flow_strip(flow, copy, len);
	if (n > 0)
		memcpy(out + *out_len, copy, (size_t)n);
	*out_len += n > 0 ? (size_t)n : 0;
	free(copy);
	return n;
}

static const char stream[] = "\x03" "abc" "\x00" "\x02" "de" "payload";
enum { STREAM = sizeof(stream) - 1, ANSWERS = 4 + 1 + 3 };

static void cut_anywhere(void)
{
	for (size_t a = 0; a <= STREAM; a++)
		for (size_t b = a; b <= STREAM; b++) {
			struct flow flow;
			char out[STREAM];
			size_t len = 0;
			fresh(&flow, 3, 16);
			feed(&flow, stream, a, out, &len);
			CU_ASSERT_EQUAL(len, a > ANSWERS ? a - ANSWERS : 0);
			feed(&flow, stream + a, b - a, out, &len);
			CU_ASSERT_EQUAL(len, b > ANSWERS ? b - ANSWERS : 0);
			feed(&flow, stream + b, STREAM - b, out, &len);
			CU_ASSERT_EQUAL(len, 7);
			CU_ASSERT(memcmp(out, "payload", 7) == 0);
			CU_ASSERT(!flow.prefix && taken == 3 && released == 1 && !told);
		}
}

static void refused_anywhere(void)
{
	static const char bytes[] = "\x03" "abc" "\xff" "never";

	for (size_t cut = 0; cut < sizeof(bytes) - 1; cut++) {
		struct flow flow;
		char out[sizeof(bytes)];
		size_t len = 0;
		fresh(&flow, 2, 16);
		ssize_t n = feed(&flow, bytes, cut, out, &len);
		if (n >= 0)
			n = feed(&flow, bytes + cut, sizeof(bytes) - 1 - cut, out, &len);
		CU_ASSERT(n == -1 && len == 0);
		flow_prefix_free(flow.prefix);
		CU_ASSERT_EQUAL(released, 1);
	}
}

static void longer_than_any_answer(void)
{
	struct flow flow;
	char out[64];
	size_t len = 0;

	fresh(&flow, 1, 8);
	CU_ASSERT_EQUAL(feed(&flow, "\x20" "1234", 5, out, &len), 0);
	CU_ASSERT_EQUAL(feed(&flow, "56789", 5, out, &len), -1);
	flow_prefix_free(flow.prefix);
	fresh(&flow, 1, 8);
	CU_ASSERT_EQUAL(feed(&flow, "\x20" "123456789", 10, out, &len), -1);
	flow_prefix_free(flow.prefix);
	CU_ASSERT_EQUAL(len, 0);
}

static void end_in_front_of_the_payload(void)
{
	struct flow flow;

	fresh(&flow, 1, 8);
	CU_ASSERT_EQUAL(flow_prefix_cut(&flow), -1);
	CU_ASSERT_EQUAL(told, 1);
	flow_prefix_free(flow.prefix);
}

static const struct unit_case cases[] = {
	{"three answers and a payload, cut at every two places", cut_anywhere},
	{"an answer that says no, cut anywhere", refused_anywhere},
	{"longer than any answer", longer_than_any_answer},
	{"the end in front of the payload", end_in_front_of_the_payload},
};
UNIT_MAIN("flow_prefix", cases)
