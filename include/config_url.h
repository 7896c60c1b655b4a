/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_url.h - one -L string taken apart; shared by config_url.c and config_url_query.c only.
 *
 * Owns: metadata and forwarder; the texts point into config_add_url()'s copy of the string.
 * Never: outlives config_add_url().
 * See: config_url.c.
 */
#pragma once

#include "config_spec.h"

struct url {
	struct config *cfg; /* that is being filled */
	const char *origin;
	struct config_spec spec;
	char handler[WORD_MAX], listener[WORD_MAX];
	struct config_hostport listen;
	unsigned ports; /* services to make */
	struct forwarder_config forwarder;
	struct metadata metadata, handler_metadata, listener_metadata;
	struct metadata selector_given; /* as written; only to see what comes twice */
	struct metadata special;	/* keys that are no metadata: auth, cert, ... */
	struct auth_config auth;
	struct tls_config tls;
};

/* Takes url->spec.query apart (it is overwritten) into all that follows it. 0 or -errno. */
int config_url_query(struct url *url, struct config_error *err);
