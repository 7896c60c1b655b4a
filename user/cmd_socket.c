/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_socket.c - see cmd_socket.h.
 *
 * Why SO_SNDTIMEO: it bounds connect() as well, without a poll() of its own.
 */
#include "cmd_socket.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "addr.h"

#define CONNECT_SECONDS 10
#define HOST_MAX	256
#define BACKLOG		64

/* Opens the socket for one address: a descriptor or -1 with errno. */
typedef int (*open_fn)(const struct addrinfo *ai);

static int close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

static int open_listener(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG))
		return close_keeping_errno(fd);
	return fd;
}

static int open_connection(const struct addrinfo *ai)
{
	struct timeval limit = {.tv_sec = CONNECT_SECONDS}, none = {0};
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		errno = errno == EINPROGRESS ? ETIMEDOUT : errno;
		return close_keeping_errno(fd);
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return fd;
}

static int open_first(const char *host, int port, open_fn open, struct cmd_error *err, const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
	char service[8];
	int fd = -1;

	snprintf(service, sizeof(service), "%d", port);
	int rc = getaddrinfo(*host ? host : NULL, service, &hints, &list);
	if (rc) {
		snprintf(err->text, sizeof(err->text), "%.100s: %s", text, gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = open(ai);
	if (fd < 0)
		snprintf(err->text, sizeof(err->text), "%.100s: %s", text, strerror(errno));
	freeaddrinfo(list);
	return fd;
}

static int split(const char *text, char host[static HOST_MAX], int *port, struct cmd_error *err)
{
	if (!addr_split_hostport(text, host, HOST_MAX, port) && *port >= 0)
		return 0;
	snprintf(err->text, sizeof(err->text), "\"%.100s\" is not HOST:PORT (IPv6: [IP]:PORT)", text);
	return -1;
}

int cmd_socket_listen(const char *text, struct cmd_error *err)
{
	char host[HOST_MAX];
	int port, fd;

	if (split(text, host, &port, err))
		return -1;
	if (*host)
		return open_first(host, port, open_listener, err, text);
	fd = open_first("::", port, open_listener, err, text);
	return fd < 0 ? open_first("0.0.0.0", port, open_listener, err, text) : fd;
}

int cmd_socket_connect(const char *text, struct cmd_error *err)
{
	char host[HOST_MAX];
	int port;

	return split(text, host, &port, err) ? -1 : open_first(host, port, open_connection, err, text);
}
