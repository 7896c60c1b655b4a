/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hop_line.c - see hop_line.h.
 *
 * Never: closes the socket.
 */
#include "hop_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls.h"

enum { READ_STEP = 2048 };

static bool reserve(uint8_t **data, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	uint8_t *grown = realloc(*data, need);
	if (!grown)
		return false;
	*data = grown;
	*cap = need;
	return true;
}

void hop_line_reset(struct hop_line *l)
{
	tls_conn_free(l->tls);
	l->tls = NULL;
	l->in_len = l->out_len = l->out_off = 0;
	l->read_bytes = l->written_bytes = 0;
}

void hop_line_fini(struct hop_line *l)
{
	tls_conn_free(l->tls);
	free(l->out);
	free(l->in);
	*l = (struct hop_line){0};
}

bool hop_line_room(struct hop_line *l, size_t len)
{
	return reserve(&l->out, &l->out_cap, l->out_len + len);
}

bool hop_line_say(struct hop_line *l, const void *data, size_t len)
{
	if (!hop_line_room(l, len))
		return false;
	if (len)
		memcpy(l->out + l->out_len, data, len);
	l->out_len += len;
	return true;
}

static ssize_t put(struct hop_line *l, int fd, const void *data, size_t len)
{
	if (l->tls)
		return tls_write(l->tls, data, len);
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t get(struct hop_line *l, int fd, void *buf, size_t len)
{
	if (l->tls)
		return tls_read(l->tls, buf, len);
	ssize_t n = recv(fd, buf, len, 0);
	return n < 0 ? -errno : n;
}

int hop_line_flush(struct hop_line *l, int fd)
{
	while (l->out_off < l->out_len) {
		ssize_t n = put(l, fd, l->out + l->out_off, l->out_len - l->out_off);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -EAGAIN ? 1 : (int)n;
		l->out_off += (size_t)n;
		l->written_bytes += (uint64_t)n;
	}
	l->out_off = l->out_len = 0;
	return 0;
}

int hop_line_fill(struct hop_line *l, int fd, size_t max)
{
	if (l->in_len >= max)
		return -EMSGSIZE;
	if (!reserve(&l->in, &l->in_cap, l->in_len + READ_STEP))
		return -ENOMEM;
	ssize_t n = get(l, fd, l->in + l->in_len, l->in_cap - l->in_len);
	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	if (n == 0)
		return -ECONNRESET;
	l->in_len += (size_t)n;
	l->read_bytes += (uint64_t)n;
	return 1;
}

void hop_line_take(struct hop_line *l, size_t n)
{
	l->in_len -= n;
	if (n)
		memmove(l->in, l->in + n, l->in_len);
}

int hop_line_secure(struct hop_line *l, int fd, const struct tls_context *ctx, const char *name)
{
	if (!l->tls) {
		int err = tls_conn_new(&l->tls, ctx, fd, name, l->in, l->in_len);
		if (err)
			return -ENOMEM;
		l->read_bytes -= l->in_len; /* TLS reads them again */
		l->in_len = 0;
	}
	return tls_handshake(l->tls);
}

const char *hop_line_error(const struct hop_line *l, int err)
{
	return l->tls && tls_error(l->tls)[0] ? tls_error(l->tls) : strerror(-err);
}
