/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector_socks4.c - asks a SOCKS4 proxy: one request, one reply.
 *
 * Why every host travels as text: the proxy resolves it (4a), and GOST sends numeric ones so too. With no_4a only a
 * numeric IPv4 host can be said.
 * Owns: nothing. Never: sends a password: the protocol has none.
 * See: include/connector.h, include/proto_socks4.h.
 */
#include "connector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto_socks4.h"

static int fail(struct connector *c, const char *error)
{
	snprintf(c->error, sizeof(c->error), "%s", error);
	return -EINVAL;
}

static int begin(struct connector *c)
{
	const struct connector_request *req = c->req;
	struct socks4_request msg = {.command = SOCKS_CONNECT, .with_name = !req->no_4a, .target.port = req->port};
	const char *user = req->user ? req->user : "";

	if (req->command != CONNECTOR_CONNECT)
		return fail(c, "SOCKS4 is asked for connections only");
	if (strlen(user) > SOCKS4_USER_MAX)
		return fail(c, "the user id is longer than 255 bytes");
	strcpy(msg.user, user);
	if (!socks_target_name(&msg.target, (const uint8_t *)req->host, strlen(req->host)))
		return fail(c, "the host is not a name, or is longer than 255 bytes");
	ssize_t n = socks4_build_request(c->out, sizeof(c->out), &msg);
	if (n < 0)
		return fail(c, req->no_4a ? "SOCKS4 without 4a takes numeric IPv4 hosts only" : "the host is empty");
	c->out_len = (size_t)n;
	return 0;
}

static enum connector_result input(struct connector *c, const uint8_t *data, size_t len, size_t *consumed)
{
	struct socks_parse in = {.data = data, .len = len};
	struct socks4_reply reply;
	enum socks_result r = socks4_parse_reply(&in, &reply);

	*consumed = in.consumed;
	if (r == SOCKS_MORE)
		return CONNECTOR_MORE;
	if (r != SOCKS_ACCEPT) {
		fail(c, in.error);
		return CONNECTOR_FAILED;
	}
	if (reply.code != SOCKS4_GRANTED) {
		snprintf(c->error, sizeof(c->error), "%s (%u)", socks4_code_text(reply.code), reply.code);
		return CONNECTOR_FAILED;
	}
	c->bound = reply.bound;
	return CONNECTOR_DONE;
}

const struct connector_ops connector_socks4_ops = {.name = "socks4", .begin = begin, .input = input};
const struct connector_ops connector_socks4a_ops = {.name = "socks4a", .begin = begin, .input = input};
