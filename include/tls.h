/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls.h - TLS over a connected, non-blocking socket: contexts (certificates, whom to believe) and connections.
 *
 * Why behind this header: OpenSSL's errors, retries and half-closes are a language of their own; here they are a byte stream
 * with errno. A build without TLS links tls_none.c, in which only making a context can be asked for, and fails.
 * An end without close_notify is a truncation and reads as ECONNRESET. TLS 1.2 and later, no renegotiation.
 * Owns: contexts and connections; the socket stays the caller's. Never: blocks (but to read certificates), closes a socket.
 * See: user/tls.c, SSL_read(3), include/flow.h (pair_recv() and its like).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_context;
struct tls_conn;

struct tls_settings {
	bool server;
	bool verify;			/* client: the server's certificate and name must be right */
	const char *cert_file, *key_file; /* PEM; a server's must be there */
	const char *ca_file;		/* whom to believe; NULL: the system's. Server: demand a client certificate */
};

/* 0, or -errno with a sentence that names the file. */
int tls_context_new(struct tls_context **out, const struct tls_settings *settings, char *why, size_t why_size);
void tls_context_free(struct tls_context *ctx); /* NULL is fine */

/*
 * A connection in its handshake. name: whom the certificate of a server must name (a host or an IP address), and what it is
 * asked for; NULL for a server. early: bytes that were read from the socket already; they are copied. 0 or -ENOMEM.
 */
int tls_conn_new(struct tls_conn **out, const struct tls_context *ctx, int fd, const char *name, const void *early,
		 size_t early_len);
void tls_conn_free(struct tls_conn *c); /* says nothing to the peer; NULL is fine */

/* 0: done. -EAGAIN: call again when the socket is readable or writable. Otherwise it has failed: tls_error(). */
int tls_handshake(struct tls_conn *c);
/* Has the peer sent nothing at all yet? */
bool tls_is_silent(const struct tls_conn *c);
/* As recv(2) and send(2), but -errno. A write that said -EAGAIN must be repeated with the same bytes in front. */
ssize_t tls_read(struct tls_conn *c, void *buf, size_t len);
ssize_t tls_write(struct tls_conn *c, const void *buf, size_t len);
/* Sends close_notify, once. 0, -EAGAIN or -errno. Reading goes on. */
int tls_shutdown(struct tls_conn *c);
/* Did the last read wait for room to write, the last write for something to read? */
bool tls_read_awaits_write(const struct tls_conn *c);
bool tls_write_awaits_read(const struct tls_conn *c);
/* What went wrong, or "". */
const char *tls_error(const struct tls_conn *c);
