/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_decode_listen.c - `gostbpf decode -listen`: shows what a proxy in front of a server really sends.
 *
 * Why one connection at a time: it is a magnifying glass, not a service; objects come in the order of connections. A
 * silent client is given up after 10 s, so it delays the next one and no more.
 * Owns: the listener, a signalfd, one connection.
 * Never: answers; a connection is closed when its object is printed.
 */
#include "cmd_decode.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "cmd_socket.h"
#include "loop.h"
#include "proxy_json.h"

#define NS_PER_MS   1000000
#define HEADER_MS   10000 /* for all of it */
#define PAYLOAD_MS  100	  /* of silence after the header */
#define BUFFER_SIZE (PROXY_HEADER_MAX + 65536)
#define PREVIEW	    64

enum { WAIT_READY, WAIT_TIMEOUT, WAIT_SIGNAL };

struct arrival {
	int fd, signal_fd;
	struct addr peer;
	uint8_t *buf;
	size_t len;
	const char *end; /* how the connection stood when the object was made: open, eof, reset */
};

static int wait_for(int fd, int signal_fd, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = signal_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int rc = poll(p, 2, timeout_ms);

	if (p[0].revents)
		return WAIT_SIGNAL;
	return rc > 0 ? WAIT_READY : WAIT_TIMEOUT;
}

static bool receive(struct arrival *a)
{
	ssize_t n = recv(a->fd, a->buf + a->len, BUFFER_SIZE - a->len, MSG_DONTWAIT);

	if (n > 0)
		a->len += (size_t)n;
	else if (n == 0)
		a->end = "eof";
	else if (errno != EAGAIN && errno != EINTR)
		a->end = "reset";
	return !strcmp(a->end, "open") && a->len < BUFFER_SIZE;
}

/* How long the next byte may take. */
static int patience_ms(const struct arrival *a, uint64_t started_ns)
{
	int left = HEADER_MS - (int)((loop_clock() - started_ns) / NS_PER_MS);

	if (left < 0)
		left = 0;
	if (proxy_parse(a->buf, a->len, &cmd_decode_limits, NULL, NULL) == PROXY_NEED_MORE)
		return left;
	return left < PAYLOAD_MS ? left : PAYLOAD_MS;
}

/* True when a signal ended it. */
static bool read_arrival(struct arrival *a)
{
	uint64_t started = loop_clock();
	int state;

	do
		state = wait_for(a->fd, a->signal_fd, patience_ms(a, started));
	while (state == WAIT_READY && receive(a));
	return state == WAIT_SIGNAL;
}

static json_t *payload_json(const uint8_t *bytes, size_t len)
{
	size_t shown = len < PREVIEW ? len : PREVIEW;

	return json_pack("{s:I,s:o,s:o*}", "length", (json_int_t)len, "preview", proxy_json_hex(bytes, shown),
			 "text", proxy_json_text(bytes, shown, true));
}

/* What follows the header; all that came when there is none. */
static int print_arrival(const struct cmd_spec *spec, const struct arrival *a)
{
	struct proxy_header header = {.consumed = 0};
	char peer[ADDR_TEXT_MAX];
	struct proxy_fault fault;
	enum proxy_result r = proxy_parse(a->buf, a->len, &cmd_decode_limits, &header, &fault);
	json_t *object = proxy_json(r, &header, &fault);
	json_t *more = json_pack("{s:s,s:s,s:o}", "peer", addr_format(&a->peer, peer), "end", a->end,
				 "payload", payload_json(a->buf + header.consumed, a->len - header.consumed));

	json_object_update(object, more);
	json_decref(more);
	return cmd_decode_print(spec, object);
}

/* CMD_RUN: on to the next one. */
static int serve(const struct cmd_spec *spec, struct arrival *a)
{
	bool stopped = read_arrival(a);
	int status = print_arrival(spec, a);

	close(a->fd);
	return status ? status : stopped ? CMD_OK : CMD_RUN;
}

static int accept_next(const struct cmd_spec *spec, int listener, struct arrival *a)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	if (wait_for(listener, a->signal_fd, -1) == WAIT_SIGNAL)
		return CMD_OK;
	a->fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	if (a->fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return CMD_RUN;
	if (a->fd < 0)
		return cmd_fail(spec, CMD_USAGE, "cannot accept: %s", strerror(errno));
	addr_from_sockaddr(&a->peer, (struct sockaddr *)&from, len);
	a->len = 0;
	a->end = "open";
	return serve(spec, a);
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* With port 0 the user has to be told which one it is. */
static void announce(const struct cmd_spec *spec, int listener)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	char text[ADDR_TEXT_MAX];
	struct addr a;

	if (getsockname(listener, (struct sockaddr *)&at, &len))
		return;
	addr_from_sockaddr(&a, (struct sockaddr *)&at, len);
	fprintf(stderr, "gostbpf %s: listening on %s\n", spec->name, addr_format(&a, text));
}

int cmd_decode_listen(const struct cmd_spec *spec, const char *address)
{
	struct cmd_error err;
	struct arrival a = {.signal_fd = watch_signals(), .buf = malloc(BUFFER_SIZE)};
	int status = CMD_RUN, listener = cmd_socket_listen(address, &err);

	if (listener < 0)
		status = cmd_fail(spec, CMD_USAGE, "-listen %s", err.text);
	else if (a.signal_fd < 0 || !a.buf)
		status = cmd_fail(spec, CMD_USAGE, "cannot start: %s", strerror(errno));
	else
		announce(spec, listener);
	while (status == CMD_RUN)
		status = accept_next(spec, listener, &a);
	if (listener >= 0)
		close(listener);
	if (a.signal_fd >= 0)
		close(a.signal_fd);
	free(a.buf);
	return status;
}
