/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_internal.h - what the files of TLS share: OpenSSL's types are seen here and nowhere else.
 *
 * See: user/tls_context.c, user/tls_conn.c, user/tls_early.c.
 */
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "tls.h"

struct tls_context {
	SSL_CTX *ssl;
	BIO_METHOD *early;
	bool server;
};

/* Bytes that were read from the socket before TLS began; then the socket. */
struct tls_early {
	int fd;
	size_t len, at;
	uint8_t data[];
};

int tls_early_method(BIO_METHOD **out); /* 0 or -ENOMEM */
/* Takes the bytes first, then reads fd. NULL: out of memory. The BIO owns its struct tls_early. */
BIO *tls_early_new(const BIO_METHOD *method, int fd, const void *data, size_t len);
