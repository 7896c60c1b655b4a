/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_socks.c - any bytes into every parser of SOCKS4 and SOCKS5, and what they accept back again.
 *
 * Why: besides memory errors it looks for a parser that takes more than it was given, that changes its mind when more
 * comes, or whose message cannot be read again as it was written.
 * Input: a byte that chooses the parser, and the message.
 */
#include <stdlib.h>
#include <string.h>

#include "proto_socks4.h"
#include "proto_socks5.h"

#define require(ok) ((ok) ? (void)0 : abort())

union value {
	struct socks4_request request4;
	struct socks4_reply reply4;
	struct socks5_offer offer;
	struct socks5_login login;
	struct socks5_message message;
	struct socks5_udp_header udp;
	uint8_t byte;
};

static enum socks_result parse(uint8_t which, struct socks_parse *in, union value *v)
{
	switch (which % 8) {
	case 0:
		return socks4_parse_request(in, &v->request4);
	case 1:
		return socks4_parse_reply(in, &v->reply4);
	case 2:
		return socks5_parse_offer(in, &v->offer);
	case 3:
		return socks5_parse_choice(in, &v->byte);
	case 4:
		return socks5_parse_login(in, &v->login);
	case 5:
		return socks5_parse_status(in, &v->byte);
	case 6:
		return socks5_parse_message(in, &v->message);
	default:
		return socks5_parse_udp(in, &v->udp);
	}
}

static ssize_t build(uint8_t which, uint8_t *out, size_t cap, const union value *v)
{
	switch (which % 8) {
	case 0:
		return socks4_build_request(out, cap, &v->request4);
	case 4:
		return socks5_build_login(out, cap, &v->login);
	case 6:
		return socks5_build_message(out, cap, &v->message);
	case 7:
		return socks5_build_udp(out, cap, &v->udp);
	default:
		return 0;
	}
}

/* A message without a host has no form of its own. */
static bool has_host(uint8_t which, const union value *v)
{
	return which % 8 == 6 ? v->message.target.host[0] : which % 8 != 7 || v->udp.target.host[0];
}

static void check_again(uint8_t which, const union value *v)
{
	uint8_t out[1024];
	union value again;
	ssize_t n = build(which, out, sizeof(out), v);

	if (!n || !has_host(which, v))
		return;
	require(n > 0);
	struct socks_parse in = {.data = out, .len = (size_t)n};
	memset(&again, 0, sizeof(again));
	require(parse(which, &in, &again) == SOCKS_ACCEPT && in.consumed == (size_t)n);
	if (which % 8 == 0) {
		require(!strcmp(v->request4.target.host, again.request4.target.host));
		require(!strcmp(v->request4.user, again.request4.user));
	} else if (which % 8 == 4) {
		require(!memcmp(&v->login, &again.login, sizeof(again.login)));
	} else if (which % 8 == 6) {
		require(!strcmp(v->message.target.host, again.message.target.host));
		require(v->message.target.port == again.message.target.port && v->message.code == again.message.code);
	} else {
		require(!strcmp(v->udp.target.host, again.udp.target.host));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union value v;
	enum socks_result before = SOCKS_MORE;
	size_t consumed = 0;

	if (!size)
		return 0;
	for (size_t len = 0; len < size; len++) { /* every prefix, in a block of its own */
		uint8_t *block = malloc(len ? len : 1);
		struct socks_parse in = {.data = block, .len = len};
		memcpy(block, data + 1, len);
		memset(&v, 0, sizeof(v));
		enum socks_result r = parse(data[0], &in, &v);
		require(before == SOCKS_MORE || (r == before && in.consumed == consumed));
		require(r == SOCKS_ACCEPT ? in.consumed && in.consumed <= len : !in.consumed);
		require((r == SOCKS_REJECT || r == SOCKS_UNSUPPORTED) == (in.error != NULL));
		if (r == SOCKS_ACCEPT && before == SOCKS_MORE) {
			require(in.consumed == len); /* accepted at its last byte, not later */
			check_again(data[0], &v);
		}
		before = r;
		consumed = in.consumed;
		free(block);
	}
	return 0;
}
