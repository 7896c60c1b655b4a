/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_relay.c - the server side of GOST's relay protocol: CONNECT, BIND, or forwarding to the service's own targets.
 *
 * Why the answer is sent at once: GOST's server glues it to the target's first bytes unless nodelay is set, which makes a
 * client that waits for it wait for ever; one that does not wait takes it off just as well.
 * With a forwarder the requested address is ignored, as in GOST. A message that is not of the protocol is not answered.
 * Owns: nothing. Never: answers before it knows.
 * See: include/proto_relay.h, user/handler_relay_udp.c (datagrams), user/handler_endpoint.c (BIND).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "handler_endpoint.h"
#include "handler_relay.h"
#include "handler_udp_tun.h"
#include "selector.h"

void relay_refuse(struct session *s, enum relay_status status, const char *reason, const char *text)
{
	uint8_t reply[RELAY_FIXED];
	struct relay_builder b;

	relay_begin(&b, status, reply, sizeof(reply));
	session_refuse(s, reason, reply, (size_t)relay_end(&b), "%s", text);
}

static bool authenticated(struct session *s, const struct relay_message *m)
{
	if (!session_needs_auth(s))
		return true;
	return m->has_user &&
	       session_authenticate(s, m->user.data, m->user.len, m->password.data, m->password.len);
}

/* The flag is GOST's older way to say it; it sends both. */
static bool is_for_datagrams(const struct relay_message *m)
{
	return m->code & RELAY_FLAG_UDP || m->network == RELAY_NET_UDP;
}

/* --- BIND ------------------------------------------------------------------------------------------------------------ */

static ssize_t build_place(uint8_t *out, size_t cap, const struct addr *at)
{
	struct relay_builder b;

	relay_begin(&b, RELAY_OK, out, cap);
	relay_add_addr(&b, at);
	return relay_end(&b);
}

/* An empty name is every address; other names are not looked up. */
static int bind_address(const struct relay_endpoint *at, struct addr *out)
{
	if (addr_is_set(&at->ip)) {
		*out = at->ip;
		return 0;
	}
	if (at->name.len)
		return -EADDRNOTAVAIL;
	addr_from_in6(out, &in6addr_any, at->port);
	return 0;
}

static void no_port(struct session *s, const struct relay_endpoint *at, int err)
{
	char text[160];

	snprintf(text, sizeof(text), "cannot listen on port %u: %s", at->port, strerror(-err));
	relay_refuse(s, RELAY_UNAVAILABLE, "bind-failed", text);
}

/* False: the session is gone. */
static bool say_place(struct session *s, const struct addr *at)
{
	uint8_t reply[ENDPOINT_GREETING_MAX];

	return session_reply(s, reply, (size_t)build_place(reply, sizeof(reply), at)) == 0;
}

static void relay_bind(struct session *s, const struct relay_endpoint *at)
{
	struct relay *h = s->handshake;
	struct addr address;
	int err = bind_address(at, &address);

	if (!err)
		err = endpoint_open(&h->endpoint, s, &address, build_place);
	if (err)
		no_port(s, at, err);
	else if (say_place(s, endpoint_addr(h->endpoint)))
		endpoint_begin(h->endpoint);
}

/* --- BIND for datagrams ---------------------------------------------------------------------------------------------- */

static void on_tun(struct loop_io *io, uint32_t events)
{
	const struct relay *h = session_of_io(io, SIDE_CLIENT)->handshake;

	(void)events;
	udp_tun_ready(h->tun);
}

/* Whoever has such a port may send from it to anywhere: a chain would be gone round. */
static void relay_bind_udp(struct session *s, const struct relay_endpoint *at)
{
	struct relay *h = s->handshake;
	struct addr address;
	int err = bind_address(at, &address);

	if (s->svc->chain) {
		relay_refuse(s, RELAY_FORBIDDEN, "bind-failed", "a port for datagrams is not carried through a chain");
		return;
	}
	if (!err)
		err = udp_tun_open(&h->tun, s, &address);
	if (err)
		no_port(s, at, err);
	else if (say_place(s, udp_tun_addr(h->tun)))
		udp_tun_begin(h->tun, on_tun);
}

/* Views of the message point into the input, so what is needed is taken first. */
static void open_port(struct session *s, const struct relay_message *m)
{
	struct relay_endpoint at = {0};
	bool udp = is_for_datagrams(m);

	s->command = "bind";
	if (m->at_count == 1)
		at = m->at[0];
	session_consume(s, m->consumed);
	at.name.data = NULL;
	if (!s->svc->cfg->opt.bind)
		relay_refuse(s, RELAY_FORBIDDEN, "forbidden", "opening ports (bind) is not allowed here");
	else if (m->at_count != 1)
		relay_refuse(s, RELAY_BAD_REQUEST, "bad-request", "the request names no address");
	else if (udp)
		relay_bind_udp(s, &at);
	else
		relay_bind(s, &at);
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static void connect_to(struct session *s, const struct relay_message *m)
{
	char host[RELAY_HOST_MAX] = "";
	uint16_t port = 0;

	s->command = "connect";
	if (m->at_count == 1) {
		relay_endpoint_host(&m->at[0], host);
		port = m->at[0].port;
	}
	session_consume(s, m->consumed);
	s->datagrams = is_for_datagrams(m);
	if (s->datagrams && selector_strategy(s->svc->selector) == SELECTOR_PARALLEL)
		relay_refuse(s, RELAY_UNAVAILABLE, "bad-request", "strategy parallel is not for datagrams");
	else if (s->svc->node_count)
		session_connect(s);
	else if (!host[0] || !port)
		relay_refuse(s, RELAY_BAD_REQUEST, "bad-request", "the request names no address");
	else
		session_connect_to(s, host, port);
}

static void on_request(struct session *s, const struct relay_message *m)
{
	uint8_t command = m->code & RELAY_COMMAND_MASK;

	if (!authenticated(s, m))
		relay_refuse(s, RELAY_UNAUTHORIZED, "unauthorized", "wrong or missing credentials");
	else if (command > RELAY_BIND || m->network > RELAY_NET_UDP)
		relay_refuse(s, RELAY_BAD_REQUEST, "bad-request", "the request is for something that is not served here");
	else if (command == RELAY_BIND)
		open_port(s, m);
	else
		connect_to(s, m);
}

static void relay_start(struct session *s)
{
	s->handshake = calloc(1, sizeof(struct relay));
	if (!s->handshake)
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a handshake");
}

static void relay_input(struct session *s)
{
	struct relay_message m;
	const char *why;

	switch (relay_parse(s->input.data, s->input.len, &m, &why)) {
	case RELAY_NEED_MORE:
		return;
	case RELAY_REJECT:
		session_fail(s, LOG_INFO, "bad-request", "%s", why);
		return;
	case RELAY_ACCEPT:
		on_request(s, &m);
		return;
	}
}

static void relay_connected(struct session *s)
{
	uint8_t reply[RELAY_FIXED];
	struct relay_builder b;

	relay_begin(&b, RELAY_OK, reply, sizeof(reply));
	session_reply(s, reply, (size_t)relay_end(&b));
}

static void relay_refused(struct session *s, enum dial_outcome why)
{
	if (why == DIAL_NO_NODE)
		relay_refuse(s, RELAY_UNAVAILABLE, "dial-failed", "there is no target");
	else if (why == DIAL_BYPASSED)
		relay_refuse(s, RELAY_FORBIDDEN, "bypassed", "the target is not allowed");
	else if (s->svc->node_count)
		relay_refuse(s, RELAY_HOST_UNREACHABLE, "dial-failed", "no target is left to try");
	else
		relay_refuse(s, RELAY_NETWORK_UNREACHABLE, "dial-failed", "the target cannot be reached");
}

static void relay_drain(struct session *s)
{
	struct relay *h = s->handshake;

	if (!h)
		return;
	endpoint_drain(h->endpoint);
	relay_udp_drain(h->udp);
	udp_tun_drain(h->tun);
}

static void relay_release(struct session *s)
{
	struct relay *h = s->handshake;

	if (!h)
		return;
	endpoint_release(h->endpoint);
	relay_udp_free(h->udp);
	udp_tun_free(h->tun);
	free(h);
	s->handshake = NULL;
}

const struct handler_ops handler_relay_ops = {
	.name = "relay",
	.input_max = RELAY_MESSAGE_MAX,
	.start = relay_start,
	.input = relay_input,
	.connected = relay_connected,
	.datagrams = relay_udp_begin,
	.refused = relay_refused,
	.drain = relay_drain,
	.release = relay_release,
};
