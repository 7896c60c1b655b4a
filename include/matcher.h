/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * matcher.h - lists of targets (bypass) and of clients (admission), and what several lists together decide.
 *
 * Why: one reading of GOST's texts for both: address, network, range of addresses, and for targets names, suffixes and
 * patterns with ports. The same address must not have two answers, so v4-mapped ones count as IPv4 and texts of
 * addresses are compared as addresses.
 * Owns: its rules. Never: resolves a name: a list is ready when it is made, or it is not made.
 * See: user/matcher.c, user/matcher_rule.c, acl.h (networks), tests/vectors/matcher.tsv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct matcher;

enum matcher_kind {
	MATCHER_TARGETS, /* everything, with ports where GOST allows them */
	MATCHER_CLIENTS, /* addresses, networks and ranges, without ports */
};

/*
 *   10.0.0.0/8  2001:db8::/32          network, any port
 *   10.0.0.1  10.0.0.1-10.0.0.9        address (and [v6]:port), range
 *   example.org  example.org:443       name; also with a range of ports :8000-8010
 *   .example.org                       example.org and every name below it
 *   *.example.org  192.168.?.1:80      pattern: * any text, ? any character
 * 0, -ENOMEM, or -EINVAL with a sentence in why that names the text. *out is untouched on failure.
 */
int matcher_new(struct matcher **out, enum matcher_kind kind, bool whitelist, char *const *texts, size_t count,
		char *why, size_t why_cap);
void matcher_free(struct matcher *m);

/* Whether a text of the list is about it. host: a name or a numeric address without brackets; "" is this machine. */
bool matcher_hits(const struct matcher *m, const char *host, uint16_t port);
/* False for addresses that are not IP. */
bool matcher_hits_addr(const struct matcher *m, const struct addr *a);

/* Lists that count together. Borrowed. */
struct matcher_group {
	const struct matcher **members;
	size_t count;
};
/*
 * GOST's rule: refused when there are whitelists and none of them has it, or when any blacklist has it. An empty group
 * refuses nobody.
 */
bool matcher_group_refuses(const struct matcher_group *group, const char *host, uint16_t port);
bool matcher_group_refuses_addr(const struct matcher_group *group, const struct addr *a);
