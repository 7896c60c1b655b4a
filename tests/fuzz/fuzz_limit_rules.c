/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_limit_rules.c - any text into each kind of limit.
 *
 * Why: besides memory errors it looks for a text that is refused without a reason, and for a limit that limits nothing.
 * Input: the text.
 */
#include <stdlib.h>
#include <string.h>

#include "limit_rules.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_rule(enum limit_kind kind, const struct limit_rule *rule)
{
	if (kind == LIMIT_CONNECTIONS)
		require(rule->connections > 0);
	else if (kind == LIMIT_RATE)
		require(rule->interval_ns > 0 && rule->burst > 0 && rule->interval_ns <= UINT64_MAX / rule->burst);
	else
		require(rule->in_bytes_s || rule->out_bytes_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	for (int kind = LIMIT_CONNECTIONS; kind <= LIMIT_BANDWIDTH; kind++) {
		struct limit_rules rules = {0};
		char why[64] = "";
		if (limit_rules_parse(&rules, (enum limit_kind)kind, &text, 1, why, sizeof(why)))
			require(why[0] && !rules.rules);
		else
			check_rule((enum limit_kind)kind, &rules.rules[0]);
		limit_rules_free(&rules);
	}
	free(text);
	return 0;
}
