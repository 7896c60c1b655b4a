/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_auth.c - may this client use the service? User and password against the handler's inline auth.
 *
 * Why the comparison always looks at every byte: how long a refusal takes must not tell how much of a guess was right.
 * Owns: s->user. Never: logs a password.
 * See: include/session.h.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

bool session_needs_auth(const struct session *s)
{
	return s->svc->cfg->auth.user != NULL;
}

/* No early exit; the length of the secret is not hidden. */
static bool same(const char *given, size_t given_len, const char *wanted)
{
	size_t wanted_len = wanted ? strlen(wanted) : 0;
	unsigned char differs = given_len != wanted_len;

	for (size_t i = 0; i < given_len; i++)
		differs |= (unsigned char)(given[i] ^ (wanted_len ? wanted[i % wanted_len] : 0));
	return !differs;
}

bool session_authenticate(struct session *s, const char *user, size_t user_len, const char *password,
			  size_t password_len)
{
	const struct auth_config *auth = &s->svc->cfg->auth;

	if (!session_needs_auth(s))
		return true;
	bool user_ok = same(user, user_len, auth->user), password_ok = same(password, password_len, auth->password);
	if (!user_ok || !password_ok)
		return false;
	free(s->user);
	s->user = strndup(user, user_len);
	return true;
}
