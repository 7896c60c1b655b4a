/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - the few socket calls that every test tool repeats.
 *
 * Why: tools are single files (Makefile), and must not share code with the program that they test.
 * Owns: nothing. Never: is included by user/.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t net_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

__attribute__((noreturn, format(printf, 1, 2))) static inline void net_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* "1.2.3.4:80", "[::1]:80", ":80" and "80" (the last two: 127.0.0.1). Numeric only. Exits on a bad one. */
static inline socklen_t net_addr(const char *text, struct sockaddr_storage *out)
{
	char host[128] = "127.0.0.1", *p = host;
	const char *port = strrchr(text, ':');
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *ai;

	if (port && port != text) {
		snprintf(host, sizeof(host), "%.*s", (int)(port - text), text);
		if (*p == '[')
			p++, host[strlen(host) - 1] = '\0';
	}
	if (getaddrinfo(p, port ? port + 1 : text, &hints, &ai) != 0)
		net_die("bad address \"%s\"", text);
	socklen_t len = ai->ai_addrlen;
	memcpy(out, ai->ai_addr, len);
	freeaddrinfo(ai);
	return len;
}

static inline int net_listen(const char *text, int rcvbuf)
{
	struct sockaddr_storage ss;
	socklen_t len = net_addr(text, &ss);
	int one = 1;
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		net_die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 4096) < 0)
		net_die("listen on %s: %s", text, strerror(errno));
	return fd;
}

static inline void net_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Tools hold many sockets: as many descriptors as root can have, else all that are allowed. */
static inline void net_raise_nofile(void)
{
	struct rlimit rl, wide = { 200000, 200000 };

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	if (rl.rlim_max < wide.rlim_max && setrlimit(RLIMIT_NOFILE, &wide) == 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

static inline long net_long(const char *name, const char *text, long min, long max)
{
	char *end;
	long v = strtol(text, &end, 0);

	if (!*text || *end || v < min || v > max)
		net_die("%s: \"%s\" is not a number in %ld..%ld", name, text, min, max);
	return v;
}
