/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_special.h - keys of -L and -F that are no metadata: they fill a field or make a section of their own.
 *
 * Why: GOST's names for them are many (cert, certFile, tls.certFile), and most exist on the command line only.
 * Owns: nothing: what was given is kept as metadata under the canonical name. Never: prints a value of auth.
 * See: config_query.c, config_hop_url.c.
 */
#pragma once

#include "config_parts.h"

enum config_side { CONFIG_SIDE_SERVICE = 1, CONFIG_SIDE_CHAIN = 2 };

/* Keeps key and value when the key is one of these; *taken says whether it was. 0 or -errno. */
int config_special_add(struct metadata *special, enum config_side side, const char *key, const char *value,
		       bool *taken, struct config_error *err);
/*
 * What admission=, bypass=, hosts=, resolver= and the limiters make: sections of the command line ("admission-0", ...),
 * and their names in the service or hop. 0 or -errno.
 */
int config_special_service(const struct metadata *special, struct access_config *access, struct service_config *svc,
			   struct config_error *err);
int config_special_hop(const struct metadata *special, struct access_config *access, struct hop_config *hop,
		       struct config_error *err);
/* certFile, keyFile, caFile, secure, serverName. 0 or -errno. */
int config_special_tls(const struct metadata *special, struct tls_config *out, struct config_error *err);
