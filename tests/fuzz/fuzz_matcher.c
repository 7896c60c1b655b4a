/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_matcher.c - any text into a list of targets or clients, and any host against it.
 *
 * Why: besides memory errors it looks for a text that is refused without a reason, for a name that is not in the list
 * it was put into, and for a range without its own ends.
 * Input: one byte (kind), the text, a NUL, the host.
 */
#include <stdlib.h>
#include <string.h>

#include "matcher.h"
#include "matcher_rule.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_self(const struct matcher *m, const struct matcher_rule *rule)
{
	if (rule->kind == MATCHER_RANGE) {
		require(matcher_hits_addr(m, &rule->low) && matcher_hits_addr(m, &rule->high));
	} else if (rule->kind == MATCHER_HOST) {
		require(matcher_hits(m, rule->host + (rule->host[0] == '.'), rule->ports.min));
		require(matcher_hits(m, rule->host + (rule->host[0] == '.'), rule->ports.max));
		require(!rule->ports.min || !matcher_hits(m, rule->host, rule->ports.min - 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum matcher_kind kind = size && data[0] & 1 ? MATCHER_CLIENTS : MATCHER_TARGETS;
	char *text = calloc(1, size + 2), why[64] = "";
	struct matcher_rule rule;
	struct matcher *m = NULL;

	if (size)
		memcpy(text, data + 1, size - 1);
	const char *host = text + strlen(text) + 1;
	if (matcher_rule_parse(&rule, kind, text, why, sizeof(why))) {
		require(why[0]);
		require(matcher_new(&m, kind, false, &text, 1, why, sizeof(why)) && !m);
	} else {
		require(!matcher_new(&m, kind, false, &text, 1, why, sizeof(why)));
		if (host < text + size + 2)
			matcher_hits(m, host, 80);
		check_self(m, &rule);
	}
	matcher_free(m);
	free(text);
	return 0;
}
