/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump.c - -O: the configuration back as text, in GOST's shape and key order.
 *
 * Why: one JSON tree is built and then written twice, as JSON by jansson or as YAML by libyaml's emitter
 * (config_dump_yaml.c); so the two cannot differ in anything but how a duration looks.
 * Owns: the tree while it prints. Never: prints what the user did not write (defaults stay out).
 * See: tests/vectors/gost/cli.jsonl, tests/unit/test_config_dump.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_dump.h"
#include "config_keys.h"

/* jansson's _new functions take the reference also when they fail; an error sticks until the end. */
static void put(struct dump *d, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		d->failed = true;
}

static void put_text(struct dump *d, json_t *object, const char *key, const char *text)
{
	put(d, object, key, json_string(text));
}

static void append(struct dump *d, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		d->failed = true;
}

static void put_duration(struct dump *d, json_t *object, const char *key, uint64_t ns)
{
	char text[CONFIG_DURATION_MAX];

	if (d->durations_as_text)
		put_text(d, object, key, config_format_duration(ns, text));
	else
		put(d, object, key, json_integer((json_int_t)ns));
}

/* --- services ---------------------------------------------------------------------------------- */

static bool is_field(const char *name, unsigned scope)
{
	struct config_error ignored;
	const struct config_key *key;

	return !config_key_find(name, scope, &key, &ignored) && key->field;
}

/* Values stay as they were written, except that the receive switch is GOST's integer. */
static json_t *metadata_value(const struct metadata_entry *entry, unsigned scope)
{
	if (scope == SCOPE_SERVICE && !strcmp(entry->key, "so_mark"))
		return json_integer(strtoll(entry->value, NULL, 10));
	if (scope != SCOPE_SERVICE || strcmp(entry->key, "proxyProtocol"))
		return json_string(entry->value);
	bool on = false;
	if (!strcmp(entry->value, "2"))
		return json_integer(2);
	return json_integer(!entry->value[0] || (!config_parse_bool(entry->value, &on) && on));
}

static void put_metadata(struct dump *d, json_t *object, const struct metadata *md, unsigned scope)
{
	json_t *out = json_object();

	for (size_t i = 0; i < md->count; i++)
		if (!is_field(md->entries[i].key, scope))
			put(d, out, md->entries[i].key, metadata_value(&md->entries[i], scope));
	if (json_object_size(out))
		put(d, object, "metadata", json_incref(out));
	json_decref(out);
}

/* handler.retries and its like: whole numbers beside metadata. */
static void put_fields(struct dump *d, json_t *object, const struct metadata *md, unsigned scope)
{
	for (size_t i = 0; i < md->count; i++)
		if (is_field(md->entries[i].key, scope))
			put(d, object, md->entries[i].key,
			    json_integer(strtoll(md->entries[i].value, NULL, 10)));
}

static json_t *dump_part(struct dump *d, const char *type, const struct metadata *md, unsigned scope)
{
	json_t *out = json_object();

	put_text(d, out, "type", type);
	put_fields(d, out, md, scope);
	put_metadata(d, out, md, scope);
	return out;
}

static json_t *dump_selector(struct dump *d, const struct selector_config *selector)
{
	json_t *out = json_object();

	put_text(d, out, "strategy", config_strategy_name(selector->strategy));
	put(d, out, "maxFails", json_integer(selector->max_fails));
	put_duration(d, out, "failTimeout", selector->fail_timeout_ns);
	return out;
}

static json_t *dump_forwarder(struct dump *d, const struct forwarder_config *fwd)
{
	json_t *out = json_object(), *nodes = json_array();

	if (fwd->selector.present)
		put(d, out, "selector", dump_selector(d, &fwd->selector));
	for (size_t i = 0; i < fwd->node_count; i++) {
		json_t *node = json_object();
		put_text(d, node, "name", fwd->nodes[i].name);
		put_text(d, node, "addr", fwd->nodes[i].addr);
		put_metadata(d, node, &fwd->nodes[i].metadata, SCOPE_NODE);
		append(d, nodes, node);
	}
	put(d, out, "nodes", nodes);
	return out;
}

static json_t *dump_service(struct dump *d, const struct service_config *svc)
{
	json_t *out = json_object();

	put_text(d, out, "name", svc->name);
	put_text(d, out, "addr", svc->addr);
	if (svc->handler_given)
		put(d, out, "handler",
		    dump_part(d, svc->handler_type, &svc->handler_metadata, SCOPE_HANDLER));
	if (svc->listener_given)
		put(d, out, "listener",
		    dump_part(d, svc->listener_type, &svc->listener_metadata, SCOPE_LISTENER));
	if (svc->forwarder.node_count || svc->forwarder.selector.present)
		put(d, out, "forwarder", dump_forwarder(d, &svc->forwarder));
	put_metadata(d, out, &svc->metadata, SCOPE_SERVICE);
	return out;
}

/* --- the rest ---------------------------------------------------------------------------------- */

static json_t *dump_log(struct dump *d, const struct log_section *log)
{
	json_t *out = json_object();

	if (log->output)
		put_text(d, out, "output", log->output);
	if (log->level)
		put_text(d, out, "level", log->level);
	if (log->format)
		put_text(d, out, "format", log->format);
	return out;
}

static json_t *dump_process(struct dump *d, const struct process_options *opt)
{
	json_t *out = json_object();

	put(d, out, "workers", json_integer(opt->workers));
	put_text(d, out, "engine", config_engine_name(opt->engine));
	put(d, out, "budget", json_integer((json_int_t)opt->budget_bytes));
	put(d, out, "flowBudget", json_integer((json_int_t)opt->flow_budget_bytes));
	put_duration(d, out, "drainTimeout", opt->drain_timeout_ns);
	return out;
}

json_t *config_dump_tree(const struct config *cfg, bool durations_as_text)
{
	struct dump d = {.durations_as_text = durations_as_text};
	json_t *out = json_object(), *services = json_array();

	for (size_t i = 0; i < cfg->service_count; i++)
		append(&d, services, dump_service(&d, &cfg->services[i]));
	put(&d, out, "services", services);
	if (cfg->log.present)
		put(&d, out, "log", dump_log(&d, &cfg->log));
	if (cfg->process_present)
		put(&d, out, "gostbpf", dump_process(&d, &cfg->process));
	if (!d.failed)
		return out;
	json_decref(out);
	return NULL;
}

int config_dump_json(const struct config *cfg, FILE *out)
{
	json_t *tree = config_dump_tree(cfg, false);

	if (!tree)
		return -ENOMEM;
	int rc = json_dumpf(tree, out, JSON_INDENT(2)) || fputc('\n', out) == EOF || fflush(out) ? -EIO : 0;
	json_decref(tree);
	return rc;
}
