/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit_rules.h - the texts of limiters, climiters and rlimiters, read, and which rule is a client's.
 *
 * Why: GOST's three kinds differ in the numbers behind the key only. What it skips in silence (a rule without a number,
 * a limit of 0, a key that is no address) is an error here: a limit that is not in force must not look as if it were.
 * Owns: the rules. Never: counts anything (limiter.h does).
 * See: user/limit_rules.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "acl.h"

enum limit_kind {
	LIMIT_CONNECTIONS, /* KEY N: open at the same time */
	LIMIT_RATE,        /* KEY R: new ones each second, fractions allowed */
	LIMIT_BANDWIDTH,   /* KEY IN [OUT]: bytes each second, 0 or nothing: not limited; sizes are base 2 */
};

enum limit_key {
	LIMIT_SERVICE, /* "$": all clients of a service together */
	LIMIT_DEFAULT, /* "$$": each client; for bandwidth each connection */
	LIMIT_NETWORK, /* an address or network: each client in it */
};

struct limit_rule {
	enum limit_key key;
	struct acl_entry network;
	uint64_t connections;      /* LIMIT_CONNECTIONS */
	uint64_t interval_ns;      /* LIMIT_RATE: between two connections */
	uint64_t burst;            /* LIMIT_RATE: at once; GOST's: the rate's whole part and one */
	uint64_t in_bytes_s;       /* LIMIT_BANDWIDTH: from the client; 0: not limited */
	uint64_t out_bytes_s;      /* to the client */
};

struct limit_rules {
	struct limit_rule *rules;
	size_t count;
};

/* 0, -ENOMEM, or -EINVAL with a sentence in why that names the text. *out is untouched on failure. */
int limit_rules_parse(struct limit_rules *out, enum limit_kind kind, char *const *texts, size_t count, char *why,
		      size_t why_cap);
void limit_rules_free(struct limit_rules *rules);

/* The rule of that key, or NULL. LIMIT_SERVICE and LIMIT_DEFAULT only. */
const struct limit_rule *limit_rules_of_key(const struct limit_rules *rules, enum limit_key key);
/* The rule with the longest prefix that has the address (GOST: the shortest), or NULL. */
const struct limit_rule *limit_rules_of_client(const struct limit_rules *rules, const struct addr *client);
