/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector_relay.c - asks a relay server for a connection (CONNECT) or for a listening port (BIND, always for many), of TCP
 * or UDP.
 *
 * Why the answer to a CONNECT is not waited for, unless nodelay says so: GOST's server sends it glued to the first payload of
 * the target (its nodelay is off by default). Waiting would stall every protocol in which the client speaks first;
 * holding the request back until the client speaks, as GOST's client does, stalls every one in which the server does. So
 * the request leaves at once, the way counts as open (late), and the answer is taken off the first bytes that come back;
 * one that says no ends the session with a reset. With nodelay=true the server is known to answer at once: the answer is
 * awaited and its status reaches the client's handshake. BIND is always answered at once.
 * Owns: nothing. Never: takes a byte behind the answer.
 * See: include/proto_relay.h, include/connector.h.
 */
#include "connector.h"

#include <errno.h>
#include <stdio.h>

#include "proto_datagram.h"
#include "proto_relay.h"

/* Features in GOST's order: the network comes first with CONNECT, where it is only named when it is not TCP. */
static void add_connect(struct relay_builder *b, const struct connector_request *req)
{
	if (req->command == CONNECTOR_UDP)
		relay_add_network(b, RELAY_NET_UDP);
	if (req->user)
		relay_add_user(b, req->user, req->password ? req->password : "");
	relay_add_host(b, req->host, req->port);
}

static void add_bind(struct relay_builder *b, const struct connector_request *req)
{
	if (req->user)
		relay_add_user(b, req->user, req->password ? req->password : "");
	relay_add_network(b, req->command == CONNECTOR_UDP_BIND ? RELAY_NET_UDP : RELAY_NET_TCP);
	relay_add_host(b, req->host, req->port);
}

/* With the deprecated flag where it is for datagrams, as GOST has it. */
static uint8_t code_of(enum connector_command command)
{
	bool udp = command == CONNECTOR_UDP || command == CONNECTOR_UDP_BIND;
	bool binds = command == CONNECTOR_MUX_BIND || command == CONNECTOR_UDP_BIND;

	return (uint8_t)((binds ? RELAY_BIND : RELAY_CONNECT) | (udp ? RELAY_FLAG_UDP : 0));
}

static int begin(struct connector *c)
{
	const struct connector_request *req = c->req;
	bool binds = req->command == CONNECTOR_MUX_BIND || req->command == CONNECTOR_UDP_BIND;
	struct relay_builder b;

	if (req->command == CONNECTOR_BIND) {
		snprintf(c->error, sizeof(c->error), "the relay protocol opens no port for a single peer");
		return -EINVAL;
	}
	relay_begin(&b, code_of(req->command), c->out, sizeof(c->out));
	if (binds)
		add_bind(&b, req);
	else
		add_connect(&b, req);
	ssize_t n = relay_end(&b);
	if (n < 0) {
		snprintf(c->error, sizeof(c->error), "a name or password is longer than the relay protocol allows (255)");
		return (int)n;
	}
	c->out_len = (size_t)n;
	c->late = !binds && !req->nodelay;
	return 0;
}

static enum connector_result input(struct connector *c, const uint8_t *data, size_t len, size_t *consumed)
{
	struct relay_message m;
	const char *why;

	switch (relay_parse(data, len, &m, &why)) {
	case RELAY_NEED_MORE:
		return CONNECTOR_MORE;
	case RELAY_REJECT:
		snprintf(c->error, sizeof(c->error), "its answer is wrong: %s", why);
		return CONNECTOR_FAILED;
	case RELAY_ACCEPT:
		break;
	}
	*consumed = m.consumed;
	if (m.code != RELAY_OK) {
		snprintf(c->error, sizeof(c->error), "relay status %u: %s", m.code, relay_status_name(m.code));
		return CONNECTOR_FAILED;
	}
	if (m.at_count)
		c->bound = m.at[0].ip;
	return CONNECTOR_DONE;
}

static enum connector_result visitor(const uint8_t *data, size_t len, struct addr *peer, size_t *consumed)
{
	struct relay_message m;
	const char *why;
	enum relay_result result = relay_parse(data, len, &m, &why);

	if (result == RELAY_NEED_MORE)
		return CONNECTOR_MORE;
	if (result == RELAY_REJECT || m.code != RELAY_OK || !m.at_count || !addr_is_set(&m.at[0].ip))
		return CONNECTOR_FAILED;
	*peer = m.at[0].ip;
	*consumed = m.consumed;
	return CONNECTOR_DONE;
}

const struct connector_ops connector_relay_ops = {
	.name = "relay",
	.begin = begin,
	.input = input,
	.visitor = visitor,
	.udp = &datagram_counted,
	.udp_bind = &datagram_addressed,
};
