/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_parts.h - what the config_*.c files share with each other and with nobody else.
 *
 * Why: the front ends differ in syntax and in how they say where an error is. Everything below
 * writes one sentence without a place; the caller that knows the place adds it (config_fail_at()).
 * Owns: nothing; memory belongs to the struct config that is being built.
 * Never: included outside user/config*.c and their tests.
 * See: config.h.
 */
#pragma once

#include "config.h"

/* Writes the sentence; control characters become '?'. Returns -EINVAL, so that callers can return it. */
int config_fail(struct config_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "where: " before the sentence that is there. Returns rc. */
int config_fail_at(struct config_error *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int config_no_memory(struct config_error *err); /* -ENOMEM */

/* --- -lenient ------------------------------------------------------------------------------------ */

/*
 * Whether a word that is GOST's and not ours may be passed over: only with -lenient, and only if leaving it out can
 * neither open nor redirect anything. Then a warning is kept: "WHERE: WORD "name" is not supported yet: ignored".
 */
bool config_pass_over(struct config *cfg, const char *word, const char *name, const char *where);

/* --- origins -------------------------------------------------------------------------------------- */

/* What stands at path ("services[0].handler.type"). The last one wins. origins may be NULL: nothing happens. */
void config_note_origin(struct config_origins *origins, const char *path, const char *where);
/* NULL: nothing is known of that path. */
const char *config_find_origin(struct config_origins *origins, const char *path);
#define CONFIG_PATH_MAX 256
/* Cut when it is too long: such a path finds nothing. */
void config_format_path(char out[static CONFIG_PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void config_origins_free(struct config_origins *origins);

/* --- building the tree ------------------------------------------------------------------------- */

/*
 * Makes room for one more element and zeroes it: returns the array, perhaps moved, or NULL (the old
 * array is untouched). Grows at powers of two, so that count alone tells the capacity.
 */
void *config_grow(void *array, size_t count, size_t size);

struct service_config *config_new_service(struct config *cfg); /* NULL: out of memory */
struct node_config *config_new_node(struct forwarder_config *fwd);
void config_forwarder_fini(struct forwarder_config *fwd);

const char *config_metadata_get(const struct metadata *md, const char *key); /* NULL: not there */
int config_metadata_add(struct metadata *md, const char *key, const char *value);
int config_metadata_copy(struct metadata *to, const struct metadata *from);
void config_metadata_fini(struct metadata *md);

/* --- words ------------------------------------------------------------------------------------- */

/* Finds the closest of the candidates offered, for "did you mean". Letter case does not count. */
struct config_nearest {
	const char *word;
	const char *best; /* NULL: none is close enough */
	unsigned distance;
};
void config_nearest_offer(struct config_nearest *near, const char *candidate);
void config_nearest_offer_list(struct config_nearest *near, const char *const *list);
/* `, did you mean "x"?` or "" in a caller's buffer. */
#define CONFIG_HINT_MAX 96
const char *config_nearest_hint(const struct config_nearest *near, char out[static CONFIG_HINT_MAX]);

/* NULL-terminated lists; an entry that ends in '*' stands for every word that begins so. */
bool config_list_has(const char *const *list, const char *word);
extern const char *const config_gost_handlers[];
extern const char *const config_gost_listeners[];
extern const char *const config_gost_connectors[];
extern const char *const config_gost_dialers[];
extern const char *const config_gost_keys[];	       /* metadata and query keys we do not read yet */
extern const char *const config_gost_sections[];       /* top level of YAML */
extern const char *const config_gost_service_fields[]; /* and so on, below services[] */
extern const char *const config_gost_handler_fields[];
extern const char *const config_gost_listener_fields[];
extern const char *const config_gost_forwarder_fields[];
extern const char *const config_gost_selector_fields[];
extern const char *const config_gost_node_fields[];

/* --- values ------------------------------------------------------------------------------------ */

int config_parse_bool(const char *text, bool *out);
int config_parse_uint(const char *text, uint64_t max, uint64_t *out);
/*
 * Durations in typed YAML fields. GOST reads a bare integer there as nanoseconds, so 30 would mean 30 ns.
 * From a millisecond on (what -O json prints) that is accepted; less is -ERANGE: nobody means it.
 */
int config_parse_duration_field(const char *text, uint64_t *ns_out);
#define CONFIG_DURATION_MAX 48
/* As Go prints it ("1m30s", "1.5s"), which is what -O yaml of GOST holds. */
const char *config_format_duration(uint64_t ns, char out[static CONFIG_DURATION_MAX]);
int config_parse_strategy(const char *text, enum selector_strategy *out);
const char *config_strategy_name(enum selector_strategy strategy);
bool config_is_utf8(const char *text); /* what is not cannot be printed by -O */
bool config_is_log_level(const char *text);
extern const char *const config_log_levels[];

/* --- udp --------------------------------------------------------------------------------------- */

bool config_is_udp(const struct service_config *svc);
/* Types that go together, keys that mean something for this kind of service. After its options are filled. */
int config_check_udp(struct service_config *svc, struct config_error *err);

/* Whether that key means something for this kind of service. */
bool config_key_fits(const char *key, const struct service_config *svc);

/* --- addresses --------------------------------------------------------------------------------- */

/* host:port or host:min-max; host may be empty, an IPv6 address has brackets (kept). */
struct config_hostport {
	const char *host; /* into the text */
	size_t host_len;
	unsigned min, max; /* equal without a range */
};
/* The sentence names the piece that is wrong. */
int config_parse_hostport(const char *text, struct config_hostport *out, struct config_error *err);
/* The same for one port only, named so in the sentence; only a listen address may have port 0. */
enum config_addr_use { CONFIG_ADDR_LISTEN, CONFIG_ADDR_TARGET, CONFIG_ADDR_NODE };
int config_check_addr(const char *text, enum config_addr_use use, struct config_error *err);
