/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * matcher_rule.h - one text of a list, read. Only matcher.c and its tests need it.
 *
 * Owns: nothing; a rule is a plain value with its host copied in. Never: guesses what a wrong text meant.
 * See: matcher.h for the texts.
 */
#pragma once

#include "acl.h"
#include "matcher.h"

#define MATCHER_HOST_MAX 253

enum matcher_rule_kind { MATCHER_NETWORK, MATCHER_RANGE, MATCHER_HOST, MATCHER_PATTERN };

struct matcher_ports {
	uint16_t min, max;
};

struct matcher_rule {
	enum matcher_rule_kind kind;
	struct acl_entry network;
	struct addr low, high;           /* MATCHER_RANGE: same family, in order */
	char host[MATCHER_HOST_MAX + 1]; /* lower case, canonical if an address, with its dot if a suffix; or a pattern */
	struct matcher_ports ports;      /* 0 to 65535 where none are named */
};

/* 0 or -EINVAL with a sentence in why. *out is untouched on failure. */
int matcher_rule_parse(struct matcher_rule *out, enum matcher_kind kind, const char *text, char *why, size_t why_cap);
/* Text without a wildcard counts as itself. */
bool matcher_pattern_fits(const char *pattern, const char *text);
/* -1, 0, 1 for addresses of one family. */
int matcher_compare_ip(const struct addr *a, const struct addr *b);
