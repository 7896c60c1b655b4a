/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_send.c - `gostbpf send`: connects, sends a PROXY header, then is a pipe: an nc that speaks PROXY.
 *
 * Why poll(): a back end that answers while it is being fed must not stand still with us, each waiting for the other to
 * read. Writing to standard output may block; that is the user's own pipe.
 * Owns: the connection, one buffer per direction.
 * Never: connects for a header that cannot be written.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd_header.h"
#include "cmd_socket.h"
#include "commands.h"

#define CHUNK 65536

struct send_options {
	struct cmd_header header;
	const char *address;
};

static const struct cmd_flag flags[] = {
	{"proxy", CMD_TEXT, offsetof(struct send_options, header.version), "1|2",
	 "version (default 1; 2 for what only it can say)"},
	CMD_HEADER_FLAGS(struct send_options),
	{0},
};

static const struct cmd_spec spec = {
	.name = "send",
	.synopsis = "[-proxy 1|2] [-src IP:PORT] [-dst IP:PORT] [-tlv TYPE=VALUE ...] [-crc] ADDR",
	.notes = "Connects to ADDR (within 10 s), sends a PROXY protocol header, then standard input; prints "
		 "what\n"
		 "comes back until the other side ends. -src and -dst default to the connection's own "
		 "addresses.\n" CMD_HEADER_NOTES "\n"
		 "exit status: 0; 1 when it cannot connect, or the connection is cut; 64 wrong usage\n"
		 "\n"
		 "example\n"
		 "  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | gostbpf send -proxy 2 -src 192.0.2.7:40001 "
		 "127.0.0.1:8080\n",
	.flags = flags,
	.word = "ADDR",
	.word_offset = offsetof(struct send_options, address),
};

/* up: standard input to the socket. */
struct pipe_state {
	int sock;
	uint8_t up[CHUNK], down[CHUNK];
	size_t up_at, up_len;
	bool input_open, cut; /* cut: by an error, not by an end */
};

static void cut(struct pipe_state *p, const char *doing)
{
	if (!p->cut)
		cmd_fail(&spec, CMD_FAILED, "%s: %s", doing, strerror(errno));
	p->cut = true;
	p->input_open = false;
	p->up_at = p->up_len = 0;
}

static void end_input(struct pipe_state *p)
{
	p->input_open = false;
	shutdown(p->sock, SHUT_WR);
}

static void read_input(struct pipe_state *p)
{
	ssize_t n = read(STDIN_FILENO, p->up, sizeof(p->up));

	if (n > 0) {
		p->up_at = 0;
		p->up_len = (size_t)n;
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		end_input(p);
	}
}

/* A failure is not the end: what the other side said before it cut may still be there. */
static void write_socket(struct pipe_state *p)
{
	ssize_t n = send(p->sock, p->up + p->up_at, p->up_len - p->up_at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		cut(p, "cannot send");
	else if (n > 0)
		p->up_at += (size_t)n;
}

static bool write_output(const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* False: nothing more will come, or nobody wants it. */
static bool read_socket(struct pipe_state *p)
{
	ssize_t n = recv(p->sock, p->down, sizeof(p->down), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0)
		cut(p, "cannot receive");
	if (n <= 0)
		return false;
	if (!write_output(p->down, (size_t)n)) {
		cut(p, "cannot write to standard output");
		return false;
	}
	return true;
}

static int run_pipe(struct pipe_state *p)
{
	bool open = true;

	while (open) {
		bool pending = p->up_at < p->up_len;
		struct pollfd fds[2] = {
			{.fd = p->sock, .events = (short)(POLLIN | (pending ? POLLOUT : 0))},
			{.fd = p->input_open && !pending ? STDIN_FILENO : -1, .events = POLLIN},
		};
		if (poll(fds, 2, -1) < 0)
			continue; /* EINTR */
		if (fds[1].revents)
			read_input(p);
		if (fds[0].revents & POLLOUT)
			write_socket(p);
		if (fds[0].revents & ~POLLOUT)
			open = read_socket(p);
	}
	return p->cut ? CMD_FAILED : CMD_OK;
}

/* --- header ------------------------------------------------------------------------------------ */

static void own_pair(int sock, struct addr *src, struct addr *dst)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	getsockname(sock, (struct sockaddr *)&at, &len);
	addr_from_sockaddr(src, (struct sockaddr *)&at, len);
	len = sizeof(at);
	getpeername(sock, (struct sockaddr *)&at, &len);
	addr_from_sockaddr(dst, (struct sockaddr *)&at, len);
}

static int send_header(int sock, const uint8_t *header, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(sock, header + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return cmd_fail(&spec, CMD_FAILED, "cannot send the header: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	return CMD_RUN;
}

/* Into header[0..PROXY_HEADER_MAX); its length, or negative after a message. */
static ssize_t build(const struct send_options *o, const struct addr *src, const struct addr *dst,
		     uint8_t *header)
{
	struct cmd_error err;
	ssize_t len = cmd_header_build(&o->header, src, dst, header, PROXY_HEADER_MAX, &err);

	if (len < 0)
		cmd_fail(&spec, CMD_FAILED, "%s", err.text);
	return len;
}

static int talk(const struct send_options *o, int sock, uint8_t *header)
{
	struct pipe_state *p = calloc(1, sizeof(*p));
	struct addr src, dst;
	int status = CMD_FAILED;

	own_pair(sock, &src, &dst);
	ssize_t len = p ? build(o, &src, &dst, header) : -ENOMEM;
	if (len > 0)
		status = send_header(sock, header, (size_t)len);
	if (status == CMD_RUN) {
		p->sock = sock;
		p->input_open = true;
		status = run_pipe(p);
	}
	free(p);
	return status;
}

static int connect_and_talk(const struct send_options *o, uint8_t *header)
{
	struct addr nobody;
	struct cmd_error err;

	addr_from_in4(&nobody, "\0\0\0\0", 0);
	if (build(o, &nobody, &nobody, header) < 0) /* before anybody is connected to */
		return CMD_FAILED;
	int sock = cmd_socket_connect(o->address, &err);
	if (sock < 0)
		return cmd_fail(&spec, CMD_FAILED, "%s", err.text);
	int status = talk(o, sock, header);
	close(sock);
	return status;
}

int cmd_send(int argc, char **argv)
{
	struct send_options o = {.address = NULL};
	int status = cmd_parse(&spec, argc, argv, &o);

	if (status == CMD_RUN && !o.address)
		status = cmd_misuse(&spec, "ADDR is missing");
	if (status == CMD_RUN) {
		uint8_t *header = malloc(PROXY_HEADER_MAX);
		status = header ? connect_and_talk(&o, header) : cmd_fail(&spec, CMD_FAILED, "out of memory");
		free(header);
	}
	cmd_list_free(&o.header.tlvs);
	return status;
}
