/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_none.c - the tls.h of a build without TLS (make TLS=0): whoever asks for a context is told so.
 *
 * Why the rest can be empty: without a context there is no connection.
 * Never: pretends.
 */
#include <errno.h>
#include <stdio.h>

#include "tls.h"

int tls_context_new(struct tls_context **out, const struct tls_settings *settings, char *why, size_t why_size)
{
	(void)out, (void)settings;
	snprintf(why, why_size, "this gostbpf was built without TLS");
	return -ENOTSUP;
}

void tls_context_free(struct tls_context *ctx)
{
	(void)ctx;
}

int tls_conn_new(struct tls_conn **out, const struct tls_context *ctx, int fd, const char *name, const void *early,
		 size_t early_len)
{
	(void)out, (void)ctx, (void)fd, (void)name, (void)early, (void)early_len;
	return -ENOTSUP;
}

void tls_conn_free(struct tls_conn *c)
{
	(void)c;
}

int tls_handshake(struct tls_conn *c)
{
	(void)c;
	return -ENOTSUP;
}

bool tls_is_silent(const struct tls_conn *c)
{
	(void)c;
	return true;
}

ssize_t tls_read(struct tls_conn *c, void *buf, size_t len)
{
	(void)c, (void)buf, (void)len;
	return -ENOTSUP;
}

ssize_t tls_write(struct tls_conn *c, const void *buf, size_t len)
{
	(void)c, (void)buf, (void)len;
	return -ENOTSUP;
}

int tls_shutdown(struct tls_conn *c)
{
	(void)c;
	return -ENOTSUP;
}

bool tls_read_awaits_write(const struct tls_conn *c)
{
	(void)c;
	return false;
}

bool tls_write_awaits_read(const struct tls_conn *c)
{
	(void)c;
	return false;
}

const char *tls_error(const struct tls_conn *c)
{
	(void)c;
	return "";
}
