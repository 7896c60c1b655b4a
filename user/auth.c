/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auth.c - see auth.h.
 *
 * Why the loop runs over what the client sent: its length is known to the client anyway.
 * Owns: nothing. Never: branches on a secret.
 */
#include "auth.h"

#include <stdint.h>
#include <string.h>

/* 0 when equal. Reads at least one byte of want: its NUL. */
static unsigned differs(const char *want, const char *got, size_t got_len)
{
	size_t want_len = strlen(want), size = want_len + 1;
	size_t lengths = want_len ^ got_len;
	unsigned diff = (unsigned)(lengths | lengths >> 32);

	for (size_t i = 0; i < got_len; i++)
		diff |= (unsigned char)want[i % size] ^ (unsigned char)got[i];
	return diff;
}

/* All ones when x is 0, else 0, without a branch. */
static unsigned mask_of_zero(unsigned x)
{
	return (unsigned)(((uint64_t)x - 1) >> 32);
}

int auth_find(const struct auth_user *users, size_t count, const char *user, size_t user_len, const char *password,
	      size_t password_len)
{
	unsigned found = 0; /* index + 1 */

	for (size_t i = 0; i < count; i++) {
		unsigned diff = differs(users[i].user ? users[i].user : "", user, user_len) |
				differs(users[i].password ? users[i].password : "", password, password_len);
		found |= mask_of_zero(diff) & mask_of_zero(found) & (unsigned)(i + 1);
	}
	return (int)found - 1;
}
