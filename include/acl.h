/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acl.h - a list of networks, and whether an address is in one of them.
 *
 * Why: who is trusted is decided by address, and the same client must not have two: a v4-mapped address counts as the
 * IPv4 one, in the list and in the question. ::/0 is every IPv6 address and no IPv4 one.
 * Owns: its entries. Never: resolves names; guesses what a wrong entry meant.
 * See: user/acl.c, tests/vectors/acl.tsv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct acl_entry {
	int family;
	unsigned bits; /* of the prefix */
	uint8_t net[16];
};

struct acl {
	struct acl_entry *entries;
	size_t count;
};

/*
 * "10.0.0.0/8, 2001:db8::/32, 192.0.2.1": at least one; spaces around an entry do not count. 0, -ENOMEM, or -EINVAL with
 * a sentence in why that names the entry. *out is untouched on failure.
 */
int acl_parse(struct acl *out, const char *text, char *why, size_t why_cap);
void acl_free(struct acl *acl);
/* False for addresses that are not IP, and for an empty list. */
bool acl_match(const struct acl *acl, const struct addr *a);
