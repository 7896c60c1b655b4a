/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_proto_relay.c - any bytes as a message of the relay protocol.
 *
 * Why: besides memory errors it looks for a verdict that changes when more bytes come, for a message that needs more
 * than the limit, and for one that reads differently once it is built again.
 * Input: the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_relay.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void text_of(const struct relay_text *t, char out[256])
{
	if (t->len)
		memcpy(out, t->data, t->len);
	out[t->len] = '\0';
	require(strlen(out) == t->len);
}

static void rebuild(const struct relay_message *m)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	char a[RELAY_HOST_MAX], b[RELAY_HOST_MAX];
	struct relay_message again;
	struct relay_builder builder;
	const char *why;

	relay_begin(&builder, m->code, out, sizeof(out));
	if (m->has_user) {
		text_of(&m->user, a);
		text_of(&m->password, b);
		relay_add_user(&builder, a, b);
	}
	for (size_t i = 0; i < m->at_count; i++) {
		relay_endpoint_host(&m->at[i], a);
		relay_add_host(&builder, a, m->at[i].port);
	}
	ssize_t n = relay_end(&builder);
	require(n > 0 && relay_parse(out, (size_t)n, &again, &why) == RELAY_ACCEPT);
	require(again.consumed == (size_t)n && again.at_count == m->at_count && again.has_user == m->has_user);
	for (size_t i = 0; i < m->at_count; i++) {
		relay_endpoint_host(&m->at[i], a);
		relay_endpoint_host(&again.at[i], b);
		bool rewritten = !addr_is_set(&m->at[i].ip) && addr_is_set(&again.at[i].ip); /* a name that is numeric */
		require((rewritten || !strcmp(a, b)) && m->at[i].port == again.at[i].port);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum relay_result before = RELAY_NEED_MORE;
	struct relay_message m;

	for (size_t n = 0; n <= size && n <= RELAY_MESSAGE_MAX + 1; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		const char *why = NULL;
		if (n)
			memcpy(copy, data, n);
		enum relay_result now = relay_parse(copy, n, &m, &why);
		require(before == RELAY_NEED_MORE || now == before);
		require(now != RELAY_REJECT || why);
		require(now != RELAY_NEED_MORE || n < RELAY_MESSAGE_MAX);
		if (now == RELAY_ACCEPT && before == RELAY_NEED_MORE) {
			require(m.consumed == n);
			rebuild(&m);
		}
		before = now;
		free(copy);
	}
	return 0;
}
