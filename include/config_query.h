/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_query.h - what stands behind '?' in -L and -F: key=value&scope.key=value.
 *
 * Why: GOST copies an unscoped key into all maps that it has; here it goes to its home scope only, so what -O prints holds
 * no key that nobody reads. Which scopes there are is all that -L and -F differ in.
 * Owns: what it collects, until config_query_fini(). Never: gives a key a meaning of its own; config_keys.c does.
 * See: config_url.c, config_hop_url.c, tests/unit/test_config_url.c.
 */
#pragma once

#include "config_keys.h"
#include "config_special.h"
#include "config_spec.h"

struct config_query {
	struct config *cfg; /* that is being filled */
	const char *origin;
	enum config_side side;
	const unsigned *prefixes; /* scopes that a key may name, 0 at the end */
	unsigned scopes;	  /* where a key without prefix may stand */
	/* Puts a checked key where it belongs: scope is one of prefixes, or another single scope. */
	int (*store)(struct config_query *q, unsigned scope, const struct config_key *key, const char *value,
		     struct config_error *err);
	struct metadata special; /* keys that are no metadata: auth, cert, ... */
	struct metadata selector_given; /* as written; only to see what comes twice */
	struct auth_config auth;
	struct tls_config tls;
};

/* Takes spec->query apart (it is overwritten). 0 or -errno. */
int config_query_read(struct config_query *q, const struct config_spec *spec, struct config_error *err);
void config_query_fini(struct config_query *q);
