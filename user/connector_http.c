/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector_http.c - asks an HTTP proxy for a tunnel: CONNECT, byte for byte as GOST does.
 *
 * Why any 2xx opens the way: the specification says so, and says that such an answer has no body whatever its fields
 * claim; what comes behind its head is the target speaking.
 * Owns: nothing. Never: takes a byte behind the answer's empty line.
 * See: RFC 9110 section 9.3.6; tests/vectors/gost/wire.jsonl (node-http*).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connector.h"
#include "proto_http.h"

static const char default_agent[] = "Go-http-client/1.1";

/* What c->scratch holds between two calls. */
struct progress {
	size_t seen; /* of the answer's head */
};
_Static_assert(sizeof(struct progress) <= sizeof(((struct connector *)0)->scratch), "does not fit into scratch");

/* A host or an agent must not be able to add a line to the request. */
static bool is_one_word(const char *text, bool blanks)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == ' ' && !blanks))
			return false;
	return *text != '\0';
}

static int refuse(struct connector *c, int err, const char *why)
{
	snprintf(c->error, sizeof(c->error), "%s", why);
	return err;
}

static int write_credentials(struct connector *c, size_t *len)
{
	const struct connector_request *r = c->req;
	char *out = (char *)c->out;

	if (!r->user && !r->password)
		return 0;
	size_t start = *len + (size_t)snprintf(out + *len, sizeof(c->out) - *len, "Proxy-Authorization: ");
	if (start >= sizeof(c->out))
		return -EMSGSIZE;
	ssize_t n = http_encode_basic(r->user ? r->user : "", r->password ? r->password : "", out + start,
				      sizeof(c->out) - start);
	if (n < 0 || sizeof(c->out) - start - (size_t)n < 3)
		return -EMSGSIZE;
	memcpy(out + start + n, "\r\n", 3);
	*len = start + (size_t)n + 2;
	return 0;
}

static int http_begin(struct connector *c)
{
	const struct connector_request *r = c->req;
	const char *agent = r->agent ? r->agent : default_agent, *end = "Proxy-Connection: keep-alive\r\n\r\n";
	bool v6 = strchr(r->host, ':') != NULL;
	char target[HTTP_HOST_MAX + 16];

	if (r->command != CONNECTOR_CONNECT)
		return refuse(c, -EOPNOTSUPP, "an http proxy only connects");
	if (!is_one_word(r->host, false) || strlen(r->host) > HTTP_HOST_MAX || !is_one_word(agent, true))
		return refuse(c, -EINVAL, "the host cannot be written into a request");
	snprintf(target, sizeof(target), v6 ? "[%s]:%" PRIu16 : "%s:%" PRIu16, r->host, r->port);
	size_t len = (size_t)snprintf((char *)c->out, sizeof(c->out), "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n",
				      target, target, agent);
	if (len >= sizeof(c->out) || write_credentials(c, &len) < 0 || len + strlen(end) > sizeof(c->out))
		return refuse(c, -EMSGSIZE, "the request is longer than 2048 bytes");
	memcpy(c->out + len, end, strlen(end));
	c->out_len = len + strlen(end);
	memset(c->scratch, 0, sizeof(c->scratch));
	return 0;
}

static enum connector_result judge_answer(struct connector *c, const struct http_head *head)
{
	if (head->status >= 200 && head->status <= 299)
		return CONNECTOR_DONE;
	/* As GOST: the status line is the error. It comes from outside, but a head has no control characters. */
	snprintf(c->error, sizeof(c->error), "%d%s%.*s", head->status, head->reason.len ? " " : "",
		 head->reason.len > 100 ? 100 : (int)head->reason.len, head->reason.at);
	return CONNECTOR_FAILED;
}

static enum connector_result http_input(struct connector *c, const uint8_t *data, size_t len, size_t *consumed)
{
	struct progress progress;
	struct http_head head;
	const char *error;
	enum http_result r;

	*consumed = 0;
	memcpy(&progress, c->scratch, sizeof(progress));
	while ((r = http_read_response(data + *consumed, len - *consumed, &progress.seen, &head, &error)) == HTTP_OK) {
		*consumed += head.len;
		progress.seen = 0;
		if (head.status >= 200)
			return judge_answer(c, &head);
		/* 1xx: the answer is still to come */
	}
	memcpy(c->scratch, &progress, sizeof(progress));
	if (r == HTTP_MORE)
		return CONNECTOR_MORE;
	snprintf(c->error, sizeof(c->error), "the answer is not HTTP: %s", error);
	return CONNECTOR_FAILED;
}

const struct connector_ops connector_http_ops = {
	.name = "http",
	.begin = http_begin,
	.input = http_input,
};
