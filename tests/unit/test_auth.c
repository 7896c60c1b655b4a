/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_auth.c - who is let in; bytes and lengths that almost match are not.
 *
 * See: include/auth.h.
 */
#include "auth.h"

#include <string.h>

#include "unit.h"

static const struct auth_user users[] = {
	{"alice", "secret"}, {"bob", ""}, {NULL, "x"}, {"alice", "second"}, {"caf\xc3\xa9", "p:w"}, {"alice", "secret"},
};

static int find(const char *user, size_t user_len, const char *password, size_t password_len)
{
	return auth_find(users, sizeof(users) / sizeof(users[0]), user, user_len, password, password_len);
}

static void test_rows(void)
{
	static const struct {
		const char *user, *password;
		int want;
	} rows[] = {
		{"alice", "secret", 0}, {"alice", "second", 3}, {"bob", "", 1},	     {"", "x", 2},
		{"alice", "", -1},	{"alice", "x", -1},	{"bob", "secret", -1}, {"", "", -1},
		{"Alice", "secret", -1}, {"alice", "Secret", -1}, {"caf\xc3\xa9", "p:w", 4}, {"caf", "p:w", -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(find(rows[i].user, strlen(rows[i].user), rows[i].password, strlen(rows[i].password)),
				rows[i].want);
}

/* Every other length, also one that repeats the right password with its end, as an index modulo its size reads it. */
static void test_lengths(void)
{
	static const char again[] = "secret\0secret\0secret", name[] = "alice\0alice\0alice";

	for (size_t len = 0; len < sizeof(again); len++)
		CU_ASSERT_EQUAL(find("alice", 5, again, len), len == 6 ? 0 : -1);
	for (size_t len = 0; len < sizeof(name); len++)
		CU_ASSERT_EQUAL(find(name, len, "secret", 6), len == 5 ? 0 : -1);
	CU_ASSERT_EQUAL(auth_find(users, 0, "alice", 5, "secret", 6), -1);
}

static void test_every_byte(void)
{
	for (int at = 0; at < 6; at++)
		for (int bit = 0; bit < 8; bit++) {
			char wrong[] = "secret";
			wrong[at] ^= (char)(1 << bit);
			CU_ASSERT_EQUAL(find("alice", 5, wrong, 6), -1);
		}
}

static const struct unit_case cases[] = {{"rows", test_rows},
					 {"lengths", test_lengths},
					 {"every byte", test_every_byte}};

UNIT_MAIN("auth", cases)
