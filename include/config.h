/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - the one model that the command line and YAML/JSON both build.
 *
 * Why: two front ends with one meaning. Nothing but config_url.c, config_yaml.c and cli.c
 * parses text; everything else reads this. Names and defaults are GOST's (design: names, keys and
 * wire formats are the interface), strictness is not: an unknown key, value, scheme or reference is an error.
 * Owns: all strings below a struct config (one config_free() walks the tree).
 * Never: opens sockets, resolves names, reads the environment (cli.c does that).
 * See: config_keys.h (one row per key), config_parts.h (what the config_*.c files share),
 * tests/vectors/gost/cli.jsonl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "access_config.h"
#include "chain_config.h"
#include "log.h"
#include "options.h"
#include "settings.h"

struct node_config {
	char *name;
	char *addr; /* as written: host:port, :port, [v6]:port */
	struct metadata metadata;
	struct node_options opt;
};

struct forwarder_config {
	struct selector_config selector;
	struct node_config *nodes;
	size_t node_count; /* 0 = no forwarder */
};

struct service_config {
	char *name;
	char *addr;
	char *handler_type;  /* never NULL after parsing; default "auto" */
	char *listener_type; /* default "tcp" */
	bool handler_given,
		listener_given; /* written by the user (YAML may omit them; -O prints what was written) */
	char *origin;		/* "-L "tcp://..."" or "file.yml:LINE:COL", for error messages */
	bool from_url;		/* named service-N by position among its kind; messages speak of schemes */
	char *scheme; /* as written in -L; NULL when there was none, or the service came from a file */
	struct metadata metadata; /* service scope */
	struct metadata handler_metadata;
	struct metadata listener_metadata;
	struct forwarder_config forwarder;
	struct auth_config auth;	 /* of the handler; for ssh-like listeners GOST puts it elsewhere */
	struct tls_config listener_tls;	 /* certificate of a tls listener */
	char *chain;			 /* handler.chain; NULL: direct */
	char *listener_chain;		 /* listener.chain: where rtcp and rudp listen */
	struct name_list authers, admissions, bypasses;
	char *hosts, *resolver, *limiter, *climiter, *rlimiter; /* names of sections; NULL: none */
	struct service_options opt;
};

struct log_section {
	bool present;
	char *level, *format, *output; /* NULL = not given */
};

struct config {
	struct service_config *services;
	size_t service_count;
	struct chain_config *chains;
	size_t chain_count;
	struct hop_config *hops; /* the hops: section, referred to by name */
	size_t hop_count;
	struct access_config access;
	struct log_section log;
	struct process_options process;
	bool process_present; /* the gostbpf: section or one of its flags was given */
	bool lenient;		   /* -lenient: GOST's harmless words that we do not support are warned about */
	struct name_list warnings; /* one sentence each, with its place */
	struct config_origins *origins; /* NULL: nobody wants to know (config_explain() does) */
};

void config_init(struct config *cfg); /* defaults */
void config_free(struct config *cfg); /* idempotent; does not free cfg itself */

/* Appends the service(s) of one -L string (a port range makes several). 0 or -EINVAL with err filled. */
int config_add_url(struct config *cfg, const char *spec, struct config_error *err);

/* Appends one -F: another hop of the command line's chain-0. 0 or -EINVAL. */
int config_add_hop(struct config *cfg, const char *spec, struct config_error *err);
/* Once, behind the last -L and -F: every service of the command line goes through chain-0, if there is one. */
int config_link_chain(struct config *cfg, struct config_error *err);

/*
 * Appends what a YAML (or JSON: a subset) text holds. name is for messages ("gost.yml", "-").
 * 0 or -EINVAL with err = "name:line:column: sentence". cfg may be partly filled on failure: free it.
 */
int config_add_yaml(struct config *cfg, const char *name, const char *text, size_t len,
		    struct config_error *err);
/* Reads a file (".yml" ".yaml" ".json"), "-" for standard input, or an inline "{...}" JSON text. */
int config_add_source(struct config *cfg, const char *source, struct config_error *err);

/*
 * Checks what only the whole can show (duplicate names, a missing addr, handler/listener types against the
 * registry's names) and fills every opt. 0 or -EINVAL.
 */
struct config_types {
	const char *const *handlers, *const *listeners;	 /* NULL-terminated, as are the others */
	const char *const *connectors, *const *dialers; /* of -F and nodes of hops */
};
int config_resolve(struct config *cfg, const struct config_types *types, struct config_error *err);

/* Before a run, behind config_resolve(): refuses by name what the model holds and nobody carries out yet. */
int config_check_runtime(const struct config *cfg, struct config_error *err);

/* -O: GOST's shape (durations in nanoseconds in JSON, as GOST prints them). 0 or -errno. */
int config_dump_json(const struct config *cfg, FILE *out);
int config_dump_yaml(const struct config *cfg, FILE *out);

/* Call before the sources are read, for config_explain() to know what stands where. 0 or -ENOMEM. */
int config_keep_origins(struct config *cfg);
/*
 * After config_resolve(): the whole as YAML with defaults, each value with its origin behind it as a comment, for each
 * service which engine it can use and why. Passwords are hidden. 0 or -errno.
 */
int config_explain(const struct config *cfg, FILE *out);

/* Parses "30s", "1m30s", "500ms", or a bare integer (seconds, GOST's metadata rule). 0 or -EINVAL. */
int config_parse_duration(const char *text, uint64_t *ns_out);
/* Sets one process-wide option by its key in the gostbpf: section ("workers", "drainTimeout"). */
int config_set_process(struct config *cfg, const char *key, const char *value, struct config_error *err);
/* Replaces log.level, after checking the name. */
int config_set_log_level(struct config *cfg, const char *level, struct config_error *err);

/* "auto" "sockmap" "splice" "copy". 0 or -EINVAL. */
int config_parse_engine(const char *text, enum engine_kind *out);
const char *config_engine_name(enum engine_kind kind);
/* "256MiB", "16M", "1048576": base 2, as GOST's sizes. 0 or -EINVAL. */
int config_parse_size(const char *text, uint64_t *bytes_out);

/* --help and the man page: one line per key, grouped by scope. */
void config_print_keys(FILE *out);
