/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_early.c - an OpenSSL source of bytes that gives what was read already, then what the socket has.
 *
 * Why: whoever reads a PROXY header, or a proxy's answer, may read into the TLS records behind it.
 * Owns: struct tls_early, through its BIO. Never: writes; the socket's own BIO does.
 * See: BIO_meth_new(3).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_internal.h"

static int read_socket(BIO *bio, int fd, char *buf, int len)
{
	ssize_t n = recv(fd, buf, (size_t)len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static int early_read(BIO *bio, char *buf, int len)
{
	struct tls_early *e = BIO_get_data(bio);
	size_t n = e->len - e->at;

	BIO_clear_retry_flags(bio);
	if (!n)
		return read_socket(bio, e->fd, buf, len);
	if (n > (size_t)len)
		n = (size_t)len;
	memcpy(buf, e->data + e->at, n);
	e->at += n;
	return (int)n;
}

/* OpenSSL asks for many things; only flushing must not fail. */
static long early_ctrl(BIO *bio, int command, long arg, void *ptr)
{
	(void)bio, (void)arg, (void)ptr;
	return command == BIO_CTRL_FLUSH;
}

static int early_free(BIO *bio)
{
	free(BIO_get_data(bio));
	return 1;
}

int tls_early_method(BIO_METHOD **out)
{
	int index = BIO_get_new_index();
	BIO_METHOD *method = index < 0 ? NULL : BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "early bytes");

	if (!method)
		return -ENOMEM;
	BIO_meth_set_read(method, early_read);
	BIO_meth_set_ctrl(method, early_ctrl);
	BIO_meth_set_destroy(method, early_free);
	*out = method;
	return 0;
}

BIO *tls_early_new(const BIO_METHOD *method, int fd, const void *data, size_t len)
{
	struct tls_early *e = malloc(sizeof(*e) + len);
	BIO *bio = e ? BIO_new(method) : NULL;

	if (!bio) {
		free(e);
		return NULL;
	}
	e->fd = fd;
	e->len = len;
	e->at = 0;
	memcpy(e->data, data, len);
	BIO_set_data(bio, e);
	BIO_set_init(bio, 1);
	return bio;
}
