/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_auth.c - may this client use the service? User and password against its authers, or the handler's own pair.
 *
 * Why so little is here: auth.c compares in constant time, access_rules.c knows the users.
 * Owns: s->user. Never: logs a password.
 * See: include/session.h, include/auth.h.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

bool session_needs_auth(const struct session *s)
{
	return s->svc->access.needs_auth;
}

bool session_authenticate(struct session *s, const char *user, size_t user_len, const char *password,
			  size_t password_len)
{
	const struct access_rules *access = &s->svc->access;

	if (!session_needs_auth(s))
		return true;
	if (auth_find(access->users, access->user_count, user, user_len, password, password_len) < 0)
		return false;
	free(s->user);
	s->user = strndup(user, user_len);
	return true;
}
