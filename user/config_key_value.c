/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_key_value.c - the types of the key table: check a value, store it, say what was expected.
 *
 * Why: every type ends as one number with bounds, so storing and defaults need no code for each key.
 * Never: allocates, except through config_metadata_add().
 * See: config_keys.h, tests/unit/test_config_keys.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"
#include "config_place.h"
#include "config_proxy.h"

#define NS_PER_S UINT64_C(1000000000)
#define TEXT_MAX 127

/* GOST's -L takes 1, 2 and more; the empty value and "true" do nothing there, to its users' surprise. */
static int parse_receive(const char *text, uint64_t *out)
{
	bool on;

	if (!*text || !strcmp(text, "2")) {
		*out = 1;
		return 0;
	}
	if (config_parse_bool(text, &on))
		return -EINVAL;
	*out = on;
	return 0;
}

static int parse_send(const char *text, uint64_t *out)
{
	bool on;

	if (!config_parse_uint(text, 2, out))
		return 0;
	if (config_parse_bool(text, &on))
		return -EINVAL;
	*out = on;
	return 0;
}

static int parse_bool(const char *text, uint64_t *out)
{
	bool on;
	int rc = config_parse_bool(text, &on);

	if (!rc)
		*out = on;
	return rc;
}

static int parse_seconds(const char *text, uint64_t *out)
{
	uint64_t ns;

	if (config_parse_duration(text, &ns) || ns % NS_PER_S)
		return -EINVAL;
	*out = ns / NS_PER_S;
	return 0;
}

static int parse_engine(const char *text, uint64_t *out)
{
	enum engine_kind kind;
	int rc = config_parse_engine(text, &kind);

	if (!rc)
		*out = kind;
	return rc;
}

static int parse_strategy(const char *text, uint64_t *out)
{
	enum selector_strategy strategy;
	int rc = config_parse_strategy(text, &strategy);

	if (!rc)
		*out = strategy;
	return rc;
}

static int parse_udp_header(const char *text, uint64_t *out)
{
	if (strcasecmp(text, "each") && strcasecmp(text, "first"))
		return -EINVAL;
	*out = strcasecmp(text, "each") ? UDP_HEADER_FIRST : UDP_HEADER_EACH;
	return 0;
}

static int parse_hash(const char *text, uint64_t *out)
{
	if (strcasecmp(text, "client") && strcasecmp(text, "host"))
		return -EINVAL;
	*out = !strcasecmp(text, "host");
	return 0;
}

static int parse_uint(const char *text, uint64_t *out)
{
	return config_parse_uint(text, INT64_MAX, out);
}

static int check_text(const char *text, struct config_error *err)
{
	if (!*text)
		return config_fail(err, "it has no value");
	for (const char *p = text; *p; p++) /* some go into the heads of messages */
		if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '"' || *p == '\\')
			return config_fail(err, "there is a control character, a quote or a backslash in the value");
	return strlen(text) > TEXT_MAX ? config_fail(err, "the value is longer than %d bytes", TEXT_MAX) : 0;
}

static const struct {
	int (*parse)(const char *text, uint64_t *out);
	int (*check)(const char *text, struct config_error *err); /* instead: the value stays text */
	const char *expected;
	const char *name; /* in --help */
} types[] = {
	[KEY_BOOL] = {parse_bool, NULL, "true or false", "true|false"},
	[KEY_TRUE] = {parse_bool, NULL, "true; it is always on", "true"},
	[KEY_UINT] = {parse_uint, NULL, "a whole number", "number"},
	[KEY_DURATION] = {config_parse_duration, NULL, "a duration such as 500ms, 10s or 1m30s", "duration"},
	[KEY_SECONDS] = {parse_seconds, NULL, "a duration in whole seconds, such as 15s", "duration"},
	[KEY_SIZE] = {config_parse_size, NULL, "a size such as 4096, 64K or 16M", "size"},
	[KEY_ENGINE] = {parse_engine, NULL, "auto, sockmap, splice or copy", "auto|sockmap|splice|copy"},
	[KEY_RECEIVE] = {parse_receive, NULL, "1, 2, true or nothing to receive PROXY headers, 0 or false not to",
			 "0|1|2"},
	[KEY_SEND] = {parse_send, NULL, "1 or 2, the version to send, or 0 for none", "0|1|2"},
	[KEY_STRATEGY] = {parse_strategy, NULL, "round, random, fifo, hash or parallel", "strategy"},
	[KEY_UDP_HEADER] = {parse_udp_header, NULL, "each or first", "each|first"},
	[KEY_HASH] = {parse_hash, NULL, "client or host", "client|host"},
	[KEY_POLICY] = {config_parse_proxy_policy, NULL, "use, require, reject, ignore or skip",
			"use|require|reject|ignore|skip"},
	[KEY_UNTRUSTED] = {config_parse_proxy_untrusted, NULL, "reject, ignore or skip", "reject|ignore|skip"},
	[KEY_VERSIONS] = {config_parse_proxy_versions, NULL, "1, 2 or 1,2", "1|2|1,2"},
	[KEY_CRC] = {config_parse_proxy_crc, NULL, "verify, require or ignore", "verify|require|ignore"},
	[KEY_UNSPEC] = {config_parse_proxy_unspec, NULL, "accept or reject", "accept|reject"},
	[KEY_DST] = {config_parse_proxy_dst, NULL, "received or local", "received|local"},
	[KEY_NETWORKS] = {NULL, config_check_networks, NULL, "networks"},
	[KEY_TLV_TYPES] = {NULL, config_check_tlv_types, NULL, "all|types"},
	[KEY_TLVS] = {NULL, config_check_tlvs, NULL, "TYPE=VALUE,..."},
	[KEY_TEXT] = {NULL, check_text, NULL, "text"},
	[KEY_INTERFACES] = {NULL, config_check_interfaces, NULL, "NAME|IP[!],..."},
	[KEY_NETNS] = {NULL, config_check_netns, NULL, "name"},
};

static bool in_range(const struct config_key *key, uint64_t value)
{
	if (key->type == KEY_TRUE)
		return value == 1;
	if (!value && key->zero)
		return true;
	return value >= key->min && (!key->max || value <= key->max);
}

static void print_bound(const struct config_key *key, uint64_t bound, char out[static CONFIG_DURATION_MAX])
{
	if (key->type == KEY_DURATION)
		config_format_duration(bound, out);
	else if (key->type == KEY_SECONDS)
		config_format_duration(bound * NS_PER_S, out);
	else
		snprintf(out, CONFIG_DURATION_MAX, "%" PRIu64, bound);
}

static int fail_value(const struct config_key *key, const char *value, struct config_error *err)
{
	char from[CONFIG_DURATION_MAX], to[CONFIG_DURATION_MAX];

	if (!key->max)
		return config_fail(err, "key \"%s\": bad value \"%.100s\": expected %s", key->name, value,
				   types[key->type].expected);
	print_bound(key, key->min, from);
	print_bound(key, key->max, to);
	return config_fail(err, "key \"%s\": bad value \"%.100s\": expected %s, from %s to %s%s", key->name,
			   value, types[key->type].expected, from, to, key->zero ? ", or 0" : "");
}

static void store(void *field, size_t width, uint64_t value)
{
	uint32_t half = (uint32_t)value;

	if (width == sizeof(bool))
		*(bool *)field = value != 0;
	else if (width == sizeof(half))
		memcpy(field, &half, sizeof(half)); /* int, unsigned or an enum */
	else if (width == sizeof(value))
		memcpy(field, &value, sizeof(value));
}

/* target borrows the text. */
static int apply_text(const struct config_key *key, const char *value, void *target, struct config_error *err)
{
	int rc = types[key->type].check(value, err);

	if (rc)
		return config_fail_at(err, rc, "key \"%s\"", key->name);
	if (target)
		memcpy((char *)target + key->offset, &value, sizeof(value));
	return 0;
}

int config_key_apply(const struct config_key *key, const char *value, void *target, struct config_error *err)
{
	uint64_t number = 0;

	if (types[key->type].check)
		return apply_text(key, value, target, err);
	if (types[key->type].parse(value, &number) || !in_range(key, number))
		return fail_value(key, value, err);
	if (target)
		store((char *)target + key->offset, key->width, number);
	return 0;
}

int config_key_add(struct metadata *md, const struct config_key *key, const char *value,
		   struct config_error *err)
{
	int rc = config_key_apply(key, value, NULL, err);

	if (rc)
		return rc;
	if (config_metadata_get(md, key->name))
		return config_fail(err, "key \"%s\" is given twice", key->name);
	return config_metadata_add(md, key->name, value) ? config_no_memory(err) : 0;
}

void config_key_presets(unsigned scope, void *target)
{
	struct config_error ignored; /* a preset that its own row refuses fails test_config_keys.c */

	for (size_t i = 0; i < config_key_count; i++)
		if ((config_keys[i].scopes & scope) && config_keys[i].preset)
			config_key_apply(&config_keys[i], config_keys[i].preset, target, &ignored);
}

int config_key_apply_all(const struct metadata *md, unsigned scope, void *target, struct config_error *err)
{
	for (size_t i = 0; i < md->count; i++) {
		const struct config_key *key;
		int rc = config_key_find(md->entries[i].key, scope, &key, err);
		if (!rc)
			rc = config_key_apply(key, md->entries[i].value, target, err);
		if (rc)
			return rc;
	}
	return 0;
}

int config_key_check_readers(const struct metadata *md, unsigned scope, const char *type, const char *below,
			     struct config_error *err)
{
	for (size_t i = 0; i < md->count; i++) {
		const struct config_key *key;
		int rc = config_key_find(md->entries[i].key, scope, &key, err);
		if (rc)
			return rc;
		if (!config_key_is_read_by(key, type, below))
			return config_fail(err, "key \"%s\" means nothing for %s \"%s\", but for: %s", key->name,
					   config_scope_name(scope), type, key->readers);
	}
	return 0;
}

/* --- --help and the manual --------------------------------------------------------------------- */

static void print_scope(FILE *out, unsigned scope, const char *title)
{
	fprintf(out, "%s\n", title);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (!(key->scopes & scope))
			continue;
		fprintf(out, "  %-22s %s%s%s%s", key->name, key->doc, key->preset ? " (" : "",
			key->preset ? key->preset : "", key->preset ? ")" : "");
		fprintf(out, " [%s]\n", types[key->type].name);
	}
}

void config_print_keys(FILE *out)
{
	static const struct {
		unsigned scope;
		const char *title;
	} groups[] = {
		{SCOPE_SERVICE, "service (-L ...?key=value, services[].metadata)"},
		{SCOPE_HANDLER, "handler (-L ...?handler.key=value, services[].handler.metadata)"},
		{SCOPE_LISTENER, "listener (-L ...?listener.key=value, services[].listener.metadata)"},
		{SCOPE_SELECTOR, "choice of targets (-L ...?key=value, services[].forwarder.selector)"},
		{SCOPE_NODE, "target (services[].forwarder.nodes[].metadata)"},
		{SCOPE_HOP, "hop (-F ...?key=value, hops[].metadata)"},
		{SCOPE_PROXY, "node of a hop (-F ...?node.key=value, hops[].nodes[].metadata)"},
		{SCOPE_CONNECTOR, "connector (-F ...?key=value, hops[].nodes[].connector.metadata)"},
		{SCOPE_DIALER, "dialer (-F ...?key=value, hops[].nodes[].dialer.metadata)"},
		{SCOPE_PROCESS, "process (gostbpf: section)"},
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		print_scope(out, groups[i].scope, groups[i].title);
}
