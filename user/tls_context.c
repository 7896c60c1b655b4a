/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_context.c - certificates, and whom to believe. See tls.h.
 *
 * Why sessions are not cached on the server: tickets do the same without memory that grows. Why kTLS is asked for only where the
 * kernel has it: each attempt on a kernel without makes that look for a module.
 * Owns: struct tls_context. Never: reads a file after the start.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_internal.h"

enum { READ_AHEAD = 64 * 1024 };

/* OpenSSL's own sentence about what came first. */
static int fail(char *why, size_t why_size, const char *what, const char *name)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	snprintf(why, why_size, "%s%s%s: %s", what, name ? " " : "", name ? name : "", reason ? reason : "unknown error");
	ERR_clear_error();
	return -EINVAL;
}

static int load_certificate(SSL_CTX *ctx, const struct tls_settings *set, char *why, size_t why_size)
{
	if (!set->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, set->cert_file) != 1)
		return fail(why, why_size, "certificate", set->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, set->key_file, SSL_FILETYPE_PEM) != 1)
		return fail(why, why_size, "key", set->key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return fail(why, why_size, "key does not belong to the certificate:", set->key_file);
	return 0;
}

static int load_authorities(SSL_CTX *ctx, const struct tls_settings *set, char *why, size_t why_size)
{
	if (set->ca_file && SSL_CTX_load_verify_locations(ctx, set->ca_file, NULL) != 1)
		return fail(why, why_size, "authorities", set->ca_file);
	if (!set->ca_file && !set->server && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return fail(why, why_size, "the system's authorities", NULL);
	if (set->server && set->ca_file)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (!set->server)
		SSL_CTX_set_verify(ctx, set->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return 0;
}

/* A kernel without TLS says ENOENT; one that has it, that this socket is not connected. */
static bool kernel_has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0 && errno == ENOTCONN;

	if (fd >= 0)
		close(fd);
	return has;
}

static void set_modes(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | (kernel_has_tls() ? SSL_OP_ENABLE_KTLS : 0));
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
}

int tls_context_new(struct tls_context **out, const struct tls_settings *set, char *why, size_t why_size)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));
	int rc = ctx ? 0 : -ENOMEM;

	snprintf(why, why_size, "out of memory");
	ERR_clear_error();
	if (!rc)
		rc = tls_early_method(&ctx->early);
	if (!rc)
		ctx->ssl = SSL_CTX_new(set->server ? TLS_server_method() : TLS_client_method());
	if (!rc && !ctx->ssl)
		rc = -ENOMEM;
	if (!rc) {
		ctx->server = set->server;
		set_modes(ctx->ssl);
		rc = load_certificate(ctx->ssl, set, why, why_size);
	}
	if (!rc)
		rc = load_authorities(ctx->ssl, set, why, why_size);
	if (rc)
		tls_context_free(ctx);
	else
		*out = ctx;
	return rc;
}

void tls_context_free(struct tls_context *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl);
	BIO_meth_free(ctx->early);
	free(ctx);
}
