/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_auto.c - SOCKS5, SOCKS4 or HTTP on one port: the first byte decides.
 *
 * Why nothing else is guessed: GOST's newer auto handler also takes a TLS greeting and connects to the host it names,
 * which is a proxy open to everybody, whatever authentication the service asks for.
 * Owns: nothing. Never: takes the byte.
 * See: handler_socks4.c, handler_socks5.c, handler_http.c.
 */
#include "handler.h"
#include "session.h"

static void auto_start(struct session *s)
{
	(void)s;
}

static void auto_input(struct session *s)
{
	switch (s->input.data[0]) {
	case 5:
		session_become(s, &handler_socks5_ops);
		break;
	case 4:
		session_become(s, &handler_socks4_ops);
		break;
	default: /* which says 400 to whatever is not HTTP either */
		session_become(s, &handler_http_ops);
	}
}

const struct handler_ops handler_auto_ops = {
	.name = "auto",
	.chooses = true,
	.input_max = 1,
	.start = auto_start,
	.input = auto_input,
};
