/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interface_list.h - the text of `interface`: devices and own addresses, in order of preference.
 *
 * Why: "eth0", "192.0.2.1" and "eth0!,eth1" are GOST's; a device fits every target, an address only those of its
 * family. '!' (strict) ends the list for the targets that the entry fits.
 * Owns: nothing, copies what it reads. Never: asks whether a device exists (socket_place.c does).
 * See: include/socket_place.h, tests/unit/test_interface_list.c.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

enum { INTERFACES_MAX = 4 };

struct interface_entry {
	char device[IF_NAMESIZE]; /* "": an address */
	struct addr source;	  /* port 0; unset for a device */
	bool strict;
};

struct interface_list {
	struct interface_entry entries[INTERFACES_MAX];
	size_t count; /* 0: wherever routing leads */
};

/* 0, or -EINVAL with a sentence that names the entry; out is then untouched. */
int interface_list_parse(struct interface_list *out, const char *text, char *why, size_t why_size);
/* May a connection to that address be made by entry i? Not if it does not fit, or an earlier strict one does. */
bool interface_list_allows(const struct interface_list *list, size_t i, const struct addr *to);
