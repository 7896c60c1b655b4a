/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_conn.c - one TLS connection: handshake, read, write, close_notify. See tls.h.
 *
 * Why errors stay: OpenSSL forgets what went wrong with the next call; whoever asks later must hear the first reason.
 * Owns: struct tls_conn. Never: reads again after a failure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

struct tls_conn {
	SSL *ssl;
	int failed; /* -errno of the first failure, or 0 */
	bool read_awaits_write, write_awaits_read, said_goodbye;
	char error[160];
};

/* --- what went wrong -------------------------------------------------------------------------------------- */

static void describe(struct tls_conn *c, int err)
{
	long verdict = SSL_get_verify_result(c->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (verdict != X509_V_OK && !SSL_is_init_finished(c->ssl))
		snprintf(c->error, sizeof(c->error), "certificate: %s", X509_verify_cert_error_string(verdict));
	else if (reason)
		snprintf(c->error, sizeof(c->error), "%s", reason);
	else
		snprintf(c->error, sizeof(c->error), "%s", err ? strerror(err) : "the connection ended");
}

static bool is_truncation(void)
{
	return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* -EAGAIN, or the first failure, which is kept. system is errno as the call left it. */
static int judge(struct tls_conn *c, int rc, int system)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		describe(c, system);
		c->failed = system ? -system : -ECONNRESET;
		break;
	default:
		describe(c, 0);
		c->failed = is_truncation() ? -ECONNRESET : -EPROTO;
		if (c->failed == -ECONNRESET)
			snprintf(c->error, sizeof(c->error), "the end came without close_notify");
		break;
	}
	ERR_clear_error();
	return c->failed;
}

static void begin(void)
{
	ERR_clear_error();
	errno = 0;
}

/* --- calls --------------------------------------------------------------------------------------------------- */

int tls_handshake(struct tls_conn *c)
{
	if (c->failed)
		return c->failed;
	begin();
	int rc = SSL_do_handshake(c->ssl);
	return rc == 1 ? 0 : judge(c, rc, errno);
}

bool tls_is_silent(const struct tls_conn *c)
{
	return BIO_number_read(SSL_get_rbio(c->ssl)) == 0;
}

ssize_t tls_read(struct tls_conn *c, void *buf, size_t len)
{
	if (c->failed)
		return c->failed;
	begin();
	int n = SSL_read(c->ssl, buf, len > INT32_MAX ? INT32_MAX : (int)len), system = errno;
	if (n > 0)
		return n;
	c->read_awaits_write = SSL_want_write(c->ssl);
	return SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : judge(c, n, system);
}

ssize_t tls_write(struct tls_conn *c, const void *buf, size_t len)
{
	if (c->failed)
		return c->failed;
	if (!len)
		return 0;
	begin();
	int n = SSL_write(c->ssl, buf, len > INT32_MAX ? INT32_MAX : (int)len), system = errno;
	if (n > 0)
		return n;
	c->write_awaits_read = SSL_want_read(c->ssl);
	return judge(c, n, system);
}

/* SSL_shutdown() called twice would wait for the peer's. */
int tls_shutdown(struct tls_conn *c)
{
	if (c->failed)
		return c->failed;
	if (c->said_goodbye || !SSL_is_init_finished(c->ssl))
		return 0;
	begin();
	int rc = SSL_shutdown(c->ssl), system = errno;
	if (rc < 0)
		return judge(c, rc, system);
	c->said_goodbye = true;
	return 0;
}

bool tls_read_awaits_write(const struct tls_conn *c)
{
	return c->read_awaits_write;
}

bool tls_write_awaits_read(const struct tls_conn *c)
{
	return c->write_awaits_read;
}

const char *tls_error(const struct tls_conn *c)
{
	return c->error;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static bool is_ip(const char *name)
{
	uint8_t ip[16];

	return inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
}

/* Whom the certificate must name; a name is also told to the server (SNI), an address may not be. */
static int expect_name(SSL *ssl, const char *name)
{
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_ip(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -ENOMEM;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -ENOMEM;
}

/* The socket alone where possible: only then may the kernel do the encryption. */
static int attach(SSL *ssl, const struct tls_context *ctx, int fd, const void *early, size_t early_len)
{
	if (!early_len)
		return SSL_set_fd(ssl, fd) == 1 ? 0 : -ENOMEM;
	BIO *from = tls_early_new(ctx->early, fd, early, early_len), *to = BIO_new_socket(fd, BIO_NOCLOSE);
	if (!from || !to) {
		BIO_free(from);
		BIO_free(to);
		return -ENOMEM;
	}
	SSL_set_bio(ssl, from, to);
	return 0;
}

int tls_conn_new(struct tls_conn **out, const struct tls_context *ctx, int fd, const char *name, const void *early,
		 size_t early_len)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ssl = SSL_new(ctx->ssl);
	int rc = c->ssl ? attach(c->ssl, ctx, fd, early, early_len) : -ENOMEM;
	if (!rc && name)
		rc = expect_name(c->ssl, name);
	if (rc) {
		tls_conn_free(c);
		return rc;
	}
	if (ctx->server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	*out = c;
	return 0;
}

void tls_conn_free(struct tls_conn *c)
{
	if (!c)
		return;
	SSL_free(c->ssl);
	free(c);
}
