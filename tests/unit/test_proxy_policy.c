/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_proxy_policy.c - the whole truth table of who may send a PROXY header.
 *
 * The expected side is written as it is documented, one letter per situation, not computed: B believed, C consumed
 * (taken off, not believed), P payload, U unexpected, M missing, I invalid, T timeout, X truncated (cut), W wait, L the
 * client left without a byte.
 */
#include <stdio.h>
#include <string.h>

#include "proxy_policy.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Columns of the tables below. */
static const struct {
	const char *name;
	struct proxy_sight sight;
} situations[] = {
	{"header", {.bytes = true, .result = PROXY_ACCEPT, .command = PROXY_CMD_PROXY}},
	{"UNKNOWN", {.bytes = true, .result = PROXY_ACCEPT, .command = PROXY_CMD_UNKNOWN}},
	{"LOCAL", {.bytes = true, .result = PROXY_ACCEPT, .command = PROXY_CMD_LOCAL}},
	{"bad header", {.bytes = true, .result = PROXY_REJECT}},
	{"something else", {.bytes = true, .result = PROXY_NOT_PROXY}},
	{"part", {.bytes = true, .result = PROXY_NEED_MORE}},
	{"part, wait over", {.bytes = true, .result = PROXY_NEED_MORE, .moment = PROXY_AT_WAIT_END}},
	{"part, deadline", {.bytes = true, .result = PROXY_NEED_MORE, .moment = PROXY_AT_DEADLINE}},
	{"part, end", {.bytes = true, .result = PROXY_NEED_MORE, .moment = PROXY_AT_EOF}},
	{"silence, wait over", {.result = PROXY_NEED_MORE, .moment = PROXY_AT_WAIT_END}},
	{"silence, deadline", {.result = PROXY_NEED_MORE, .moment = PROXY_AT_DEADLINE}},
	{"silence, end", {.result = PROXY_NEED_MORE, .moment = PROXY_AT_EOF}},
};

static const struct {
	enum proxy_policy policy, untrusted;
	const char *trusted, *other;
} rows[] = {
	{PROXY_POLICY_USE, PROXY_POLICY_REJECT, "BBCIPWWTXPPL", "UUCIPWWTXPPL"},
	{PROXY_POLICY_USE, PROXY_POLICY_IGNORE, "BBCIPWWTXPPL", "CCCIPWWTXPPL"},
	{PROXY_POLICY_USE, PROXY_POLICY_SKIP, "BBCIPWWTXPPL", "PPPPPPPPPPPP"},
	{PROXY_POLICY_REQUIRE, PROXY_POLICY_REJECT, "BBCIMWWTMWML", "UUCIMWWTMWML"},
	{PROXY_POLICY_REQUIRE, PROXY_POLICY_IGNORE, "BBCIMWWTMWML", "CCCIMWWTMWML"},
	{PROXY_POLICY_REQUIRE, PROXY_POLICY_SKIP, "BBCIMWWTMWML", "PPPPPPPPPPPP"},
	{PROXY_POLICY_REJECT, PROXY_POLICY_REJECT, "UUCIPWWTXPPL", "UUCIPWWTXPPL"},
	{PROXY_POLICY_REJECT, PROXY_POLICY_IGNORE, "UUCIPWWTXPPL", "CCCIPWWTXPPL"},
	{PROXY_POLICY_REJECT, PROXY_POLICY_SKIP, "UUCIPWWTXPPL", "PPPPPPPPPPPP"},
	{PROXY_POLICY_IGNORE, PROXY_POLICY_REJECT, "CCCIPWWTXPPL", "UUCIPWWTXPPL"},
	{PROXY_POLICY_IGNORE, PROXY_POLICY_IGNORE, "CCCIPWWTXPPL", "CCCIPWWTXPPL"},
	{PROXY_POLICY_IGNORE, PROXY_POLICY_SKIP, "CCCIPWWTXPPL", "PPPPPPPPPPPP"},
	{PROXY_POLICY_SKIP, PROXY_POLICY_REJECT, "PPPPPPPPPPPP", "PPPPPPPPPPPP"},
	{PROXY_POLICY_SKIP, PROXY_POLICY_IGNORE, "PPPPPPPPPPPP", "PPPPPPPPPPPP"},
	{PROXY_POLICY_SKIP, PROXY_POLICY_SKIP, "PPPPPPPPPPPP", "PPPPPPPPPPPP"},
};

static char letter_of_end(const struct proxy_verdict *v)
{
	static const struct {
		const char *reason;
		char letter;
	} reasons[] = {
		{"proxy-header-unexpected", 'U'}, {"proxy-header-missing", 'M'}, {"proxy-header-invalid", 'I'},
		{"proxy-header-timeout", 'T'},	  {"proxy-header-truncated", 'X'},
	};

	for (size_t i = 0; i < COUNT(reasons); i++)
		if (!strcmp(v->reason, reasons[i].reason))
			return reasons[i].letter;
	return '?';
}

static char letter(const struct proxy_verdict *v)
{
	static const char letters[] = {
		[PROXY_WAIT] = 'W', [PROXY_BELIEVE] = 'B', [PROXY_CONSUME] = 'C', [PROXY_PASS] = 'P', [PROXY_LEAVE] = 'L'};

	return v->action == PROXY_END ? letter_of_end(v) : letters[v->action];
}

static void check_row(size_t row, bool trusted)
{
	const struct proxy_rules rules = {.policy = rows[row].policy, .untrusted = rows[row].untrusted};
	const char *want = trusted ? rows[row].trusted : rows[row].other;

	CU_ASSERT_EQUAL_FATAL(strlen(want), COUNT(situations));
	for (size_t i = 0; i < COUNT(situations); i++) {
		struct proxy_sight sight = situations[i].sight;
		sight.trusted = trusted;
		struct proxy_verdict v = proxy_decide(&rules, &sight);
		if (letter(&v) != want[i]) {
			printf("    policy %d/%d, %s, %s: %c\n", rules.policy, rules.untrusted,
			       trusted ? "trusted" : "other", situations[i].name, letter(&v));
			CU_FAIL("another verdict was expected");
		}
		bool ends = v.action == PROXY_END;
		CU_ASSERT_EQUAL(v.reason != NULL, ends);
		CU_ASSERT_EQUAL(v.text != NULL, ends && want[i] != 'I');
	}
}

static void test_table(void)
{
	for (size_t row = 0; row < COUNT(rows); row++) {
		check_row(row, true);
		check_row(row, false);
	}
}

static void test_skips_and_insists(void)
{
	for (size_t row = 0; row < COUNT(rows); row++) {
		const struct proxy_rules rules = {.policy = rows[row].policy, .untrusted = rows[row].untrusted};
		CU_ASSERT_EQUAL(proxy_skips(&rules, true), rows[row].trusted[0] == 'P');
		CU_ASSERT_EQUAL(proxy_skips(&rules, false), rows[row].other[0] == 'P');
		CU_ASSERT_EQUAL(proxy_insists(&rules), rules.policy == PROXY_POLICY_REQUIRE);
	}
}

static const struct unit_case cases[] = {
	{"every policy in every situation", test_table},
	{"who is not looked at, who must send one", test_skips_and_insists},
};

UNIT_MAIN("proxy_policy", cases)
