/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings.h - the small types that all parts of the configuration's model share.
 *
 * Why: services, chains and access lists are headers of their own; what they have in common must not make them
 * include one another.
 * Owns: nothing; strings belong to the struct config they are part of. Never: has a function.
 * See: config.h, chain_config.h, access_config.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text of an error, with where it came from ("-L tcp://..." or "file.yml:3:5"). One sentence. */
struct config_error {
	char text[512];
};

enum engine_kind { ENGINE_AUTO, ENGINE_SOCKMAP, ENGINE_SPLICE, ENGINE_COPY };

/* One metadata entry as written by the user; values stay text, typed by the key table. */
struct metadata_entry {
	char *key;   /* canonical spelling from the key table */
	char *value; /* may be "" */
};
struct metadata {
	struct metadata_entry *entries;
	size_t count;
};

enum selector_strategy { SELECTOR_ROUND, SELECTOR_RANDOM, SELECTOR_FIFO, SELECTOR_HASH, SELECTOR_PARALLEL };

struct selector_config {
	bool present; /* false: GOST's defaults apply (round, 1, 10 s) */
	enum selector_strategy strategy;
	unsigned max_fails;
	uint64_t fail_timeout_ns;
};

/* user and password as written; both NULL: none. */
struct auth_config {
	char *user, *password;
};

/* Names of other sections (bypasses, admissions, ...). */
struct name_list {
	char **names;
	size_t count;
};

struct tls_config {
	bool present;
	char *cert_file, *key_file, *ca_file; /* NULL: none */
	char *server_name;                    /* NULL: the node's host */
	bool secure_given, secure;            /* a dialer verifies unless secure: false was written (GOST: never by default) */
};
