/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_names.h - what a host text is: this machine, an address, a domain name, or nothing.
 *
 * Why: a name comes from a client with some handlers; only what can be a domain name reaches a server
 * or the cache, and an address never does.
 * Owns: nothing.
 * Never: asks anybody. A zone costs a system call.
 * See: resolver.c, RFC 1035 section 2.3.4.
 */
#pragma once

#include <stdbool.h>

#include "addr.h"

#define RESOLVER_NAME_MAX 254 /* with a final dot */

/*
 * Addresses (port 0) that the text itself says: none, one, or two for "" (127.0.0.1, ::1). -ENODEV for a
 * zone that no interface has. out has room for two.
 */
int resolver_name_numeric(const char *host, struct addr *out);
/* Letters, digits, '-', '_', dots between labels of 1..63; "1.2.3" and "01.2.3.4" are typos of addresses. */
bool resolver_name_valid(const char *host);
/* Lower-case copy of a valid name. */
void resolver_name_key(const char *host, char out[static RESOLVER_NAME_MAX + 1]);
