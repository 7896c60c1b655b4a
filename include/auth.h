/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auth.h - who may use a service: users and passwords, compared in constant time.
 *
 * Why: how long a comparison takes must not tell how much of a password, or which user, was right. What may be seen from
 * outside is the number of users and the length of what the client itself has sent.
 * Owns: nothing: the texts are the configuration's. Never: logs a password.
 * See: user/auth.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct auth_user {
	const char *user, *password; /* NULL counts as "" */
};

/* Looks at every user, whoever matches. Index of the first that does, or -1. */
int auth_find(const struct auth_user *users, size_t count, const char *user, size_t user_len, const char *password,
	      size_t password_len);
