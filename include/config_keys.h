/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_keys.h - the table of keys: one row drives parsing, checks, defaults, --help and the manual.
 *
 * Why: GOST copies an unscoped key into three maps and ignores what nobody reads, so a typing error
 * is silence. Here a key exists only where a row says that somebody reads it.
 * Every value is text until a row turns it into one number, stored in a field of 1, 4 or 8 bytes; lists
 * are checked and stay text.
 * Owns: nothing. Never: allocates (config_key_add() copies through config_metadata_add()).
 * See: design notes on GOST's keys; tests/unit/test_config_keys.c.
 */
#pragma once

#include "config_parts.h"

/* Where a key may stand. */
enum config_scope {
	SCOPE_SERVICE = 1,
	SCOPE_HANDLER = 2,
	SCOPE_LISTENER = 4,
	SCOPE_NODE = 8,
	SCOPE_SELECTOR = 16,
	SCOPE_PROCESS = 32,
	SCOPE_HOP = 64,
	SCOPE_PROXY = 128, /* a node of a hop */
	SCOPE_CONNECTOR = 256,
	SCOPE_DIALER = 512,
};
#define SCOPE_URL   (SCOPE_SERVICE | SCOPE_HANDLER | SCOPE_LISTENER | SCOPE_SELECTOR)	       /* of -L */
#define SCOPE_CHAIN (SCOPE_HOP | SCOPE_PROXY | SCOPE_CONNECTOR | SCOPE_DIALER | SCOPE_SELECTOR) /* of -F */

enum config_type {
	KEY_BOOL,
	KEY_TRUE, /* only true: documents what is always on */
	KEY_UINT,
	KEY_DURATION, /* nanoseconds */
	KEY_SECONDS,  /* a duration in whole seconds */
	KEY_SIZE,
	KEY_ENGINE,
	KEY_RECEIVE, /* proxyProtocol on a service: "", true, 1, 2 all mean on */
	KEY_SEND,    /* proxyProtocol on a handler or node: a version, 0 for none */
	KEY_STRATEGY,
	KEY_UDP_HEADER, /* proxyProtocol.udp */
	KEY_HASH,
	/* words and lists of config_proxy.h */
	KEY_POLICY,
	KEY_UNTRUSTED,
	KEY_VERSIONS,
	KEY_CRC,
	KEY_UNSPEC,
	KEY_DST,
	KEY_NETWORKS, /* the lists stay text: the field points at the value, which the metadata own */
	KEY_TLV_TYPES,
	KEY_TLVS,
	KEY_TEXT, /* any word; stays text as well */
	/* config_place.h */
	KEY_INTERFACES,
	KEY_NETNS,
};

struct config_key {
	const char *name;  /* canonical; matched without regard to letter case */
	const char *alias; /* or NULL */
	unsigned scopes;   /* read in each of these */
	unsigned home;	   /* where an unscoped key of -L or -F goes */
	enum config_type type;
	bool zero;	 /* 0 is allowed below min */
	bool field;	 /* in YAML a field of its section, not of metadata */
	bool reloadable; /* a reload applies it without closing sessions */
	uint64_t min, max;
	size_t offset, width; /* in the scope's struct; width 0: read by nobody, only checked */
	const char *readers;  /* types of handlers (or connectors, ...) that read it, between spaces; NULL: all */
	const char *preset;   /* default, as text; NULL: set by config_init() or inherited */
	const char *doc;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The row for a name in any of the scopes (in table order), or a sentence that says what is wrong with it. */
int config_key_find(const char *name, unsigned scopes, const struct config_key **out,
		    struct config_error *err);
/* Checks value and, unless target is NULL, stores it in the scope's struct. */
int config_key_apply(const struct config_key *key, const char *value, void *target, struct config_error *err);
/* Finds, checks and appends to md with the canonical spelling; twice is an error. */
int config_key_add(struct metadata *md, const struct config_key *key, const char *value,
		   struct config_error *err);
/* Does a handler, listener, connector or dialer of this type read it, or (of a handler) the listener below? NULL: none. */
bool config_key_is_read_by(const struct config_key *key, const char *type, const char *below);
/* Sets every field of the scope's struct that has a default. */
void config_key_presets(unsigned scope, void *target);
/* Applies all entries of md, which config_key_add() has checked. */
int config_key_apply_all(const struct metadata *md, unsigned scope, void *target, struct config_error *err);
/* What nobody would read must not look as if it were in force: types as in config_key_is_read_by(). */
int config_key_check_readers(const struct metadata *md, unsigned scope, const char *type, const char *below,
			     struct config_error *err);
const char *config_scope_name(unsigned scope); /* "service", ... of a single scope */
