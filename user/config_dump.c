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

/* --- pieces ------------------------------------------------------------------------------------ */

void dump_put(struct dump *d, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		d->failed = true;
}

void dump_append(struct dump *d, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		d->failed = true;
}

void dump_put_text(struct dump *d, json_t *object, const char *key, const char *text)
{
	if (text && *text)
		dump_put(d, object, key, json_string(text));
}

void dump_put_auth(struct dump *d, json_t *object, const struct auth_config *auth)
{
	json_t *out = json_object();

	dump_put_text(d, out, "username", auth->user);
	dump_put_text(d, out, "password", auth->password);
	if (auth->user)
		dump_put(d, object, "auth", json_incref(out));
	json_decref(out);
}

void dump_put_tls(struct dump *d, json_t *object, const struct tls_config *tls)
{
	json_t *out = json_object();

	dump_put_text(d, out, "certFile", tls->cert_file);
	dump_put_text(d, out, "keyFile", tls->key_file);
	dump_put_text(d, out, "caFile", tls->ca_file);
	if (tls->secure_given)
		dump_put(d, out, "secure", json_boolean(tls->secure));
	dump_put_text(d, out, "serverName", tls->server_name);
	if (tls->present)
		dump_put(d, object, "tls", json_incref(out));
	json_decref(out);
}

void dump_put_names(struct dump *d, json_t *object, const char *one, const char *several, const struct name_list *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		dump_append(d, out, json_string(list->names[i]));
	if (list->count == 1)
		dump_put_text(d, object, one, list->names[0]);
	else if (list->count)
		dump_put(d, object, several, json_incref(out));
	json_decref(out);
}

static void put_duration(struct dump *d, json_t *object, const char *key, uint64_t ns)
{
	char text[CONFIG_DURATION_MAX];

	if (d->durations_as_text)
		dump_put_text(d, object, key, config_format_duration(ns, text));
	else
		dump_put(d, object, key, json_integer((json_int_t)ns));
}

/* --- services ---------------------------------------------------------------------------------- */

static const struct config_key *row_of(const char *name, unsigned scope)
{
	struct config_error ignored;
	const struct config_key *key;

	return config_key_find(name, scope, &key, &ignored) ? NULL : key;
}

/* Values stay as they were written, except the few that GOST has as integers: switches of -L and -F. */
static json_t *metadata_value(const struct metadata_entry *entry, unsigned scope)
{
	const struct config_key *key = row_of(entry->key, scope);
	uint64_t number;
	bool on = false;

	if (!key || !(scope & (SCOPE_SERVICE | SCOPE_HOP)))
		return json_string(entry->value);
	if ((key->type == KEY_UINT || key->type == KEY_SEND) && !config_parse_uint(entry->value, INT64_MAX, &number))
		return json_integer((json_int_t)number);
	if (key->type != KEY_RECEIVE)
		return json_string(entry->value);
	if (!strcmp(entry->value, "2"))
		return json_integer(2);
	return json_integer(!entry->value[0] || (!config_parse_bool(entry->value, &on) && on));
}

static bool is_field(const char *name, unsigned scope)
{
	const struct config_key *key = row_of(name, scope);

	return key && key->field;
}

void dump_put_metadata(struct dump *d, json_t *object, const struct metadata *md, unsigned scope)
{
	json_t *out = json_object();

	for (size_t i = 0; i < md->count; i++)
		if (!is_field(md->entries[i].key, scope))
			dump_put(d, out, md->entries[i].key, metadata_value(&md->entries[i], scope));
	if (json_object_size(out))
		dump_put(d, object, "metadata", json_incref(out));
	json_decref(out);
}

/* handler.retries and its like: whole numbers beside metadata. */
static void put_fields(struct dump *d, json_t *object, const struct metadata *md, unsigned scope)
{
	for (size_t i = 0; i < md->count; i++)
		if (is_field(md->entries[i].key, scope))
			dump_put(d, object, md->entries[i].key,
			    json_integer(strtoll(md->entries[i].value, NULL, 10)));
}

static json_t *dump_handler(struct dump *d, const struct service_config *svc)
{
	json_t *out = json_object();

	dump_put_text(d, out, "type", svc->handler_type);
	put_fields(d, out, &svc->handler_metadata, SCOPE_HANDLER);
	dump_put_text(d, out, "chain", svc->chain);
	dump_put_names(d, out, "auther", "authers", &svc->authers);
	dump_put_auth(d, out, &svc->auth);
	dump_put_metadata(d, out, &svc->handler_metadata, SCOPE_HANDLER);
	return out;
}

static json_t *dump_listener(struct dump *d, const struct service_config *svc)
{
	json_t *out = json_object();

	dump_put_text(d, out, "type", svc->listener_type);
	dump_put_text(d, out, "chain", svc->listener_chain);
	dump_put_tls(d, out, &svc->listener_tls);
	dump_put_metadata(d, out, &svc->listener_metadata, SCOPE_LISTENER);
	return out;
}

json_t *dump_selector(struct dump *d, const struct selector_config *selector)
{
	json_t *out = json_object();

	dump_put_text(d, out, "strategy", config_strategy_name(selector->strategy));
	dump_put(d, out, "maxFails", json_integer(selector->max_fails));
	put_duration(d, out, "failTimeout", selector->fail_timeout_ns);
	return out;
}

static json_t *dump_forwarder(struct dump *d, const struct forwarder_config *fwd)
{
	json_t *out = json_object(), *nodes = json_array();

	if (fwd->selector.present)
		dump_put(d, out, "selector", dump_selector(d, &fwd->selector));
	for (size_t i = 0; i < fwd->node_count; i++) {
		json_t *node = json_object();
		dump_put_text(d, node, "name", fwd->nodes[i].name);
		dump_put_text(d, node, "addr", fwd->nodes[i].addr);
		dump_put_metadata(d, node, &fwd->nodes[i].metadata, SCOPE_NODE);
		dump_append(d, nodes, node);
	}
	dump_put(d, out, "nodes", nodes);
	return out;
}

static json_t *dump_service(struct dump *d, const struct service_config *svc)
{
	json_t *out = json_object();

	dump_put_text(d, out, "name", svc->name);
	dump_put_text(d, out, "addr", svc->addr);
	dump_put_names(d, out, "admission", "admissions", &svc->admissions);
	dump_put_names(d, out, "bypass", "bypasses", &svc->bypasses);
	dump_put_text(d, out, "resolver", svc->resolver);
	dump_put_text(d, out, "hosts", svc->hosts);
	dump_put_text(d, out, "limiter", svc->limiter);
	dump_put_text(d, out, "climiter", svc->climiter);
	dump_put_text(d, out, "rlimiter", svc->rlimiter);
	if (svc->handler_given)
		dump_put(d, out, "handler", dump_handler(d, svc));
	if (svc->listener_given)
		dump_put(d, out, "listener", dump_listener(d, svc));
	if (svc->forwarder.node_count || svc->forwarder.selector.present)
		dump_put(d, out, "forwarder", dump_forwarder(d, &svc->forwarder));
	dump_put_metadata(d, out, &svc->metadata, SCOPE_SERVICE);
	return out;
}

/* --- the rest ---------------------------------------------------------------------------------- */

static json_t *dump_log(struct dump *d, const struct log_section *log)
{
	json_t *out = json_object();

	if (log->output)
		dump_put_text(d, out, "output", log->output);
	if (log->level)
		dump_put_text(d, out, "level", log->level);
	if (log->format)
		dump_put_text(d, out, "format", log->format);
	return out;
}

json_t *dump_process(struct dump *d, const struct process_options *opt)
{
	json_t *out = json_object();

	dump_put(d, out, "workers", json_integer(opt->workers));
	dump_put_text(d, out, "engine", config_engine_name(opt->engine));
	dump_put(d, out, "budget", json_integer((json_int_t)opt->budget_bytes));
	dump_put(d, out, "flowBudget", json_integer((json_int_t)opt->flow_budget_bytes));
	put_duration(d, out, "drainTimeout", opt->drain_timeout_ns);
	if (opt->shake_ns)
		put_duration(d, out, "shake", opt->shake_ns);
	return out;
}

json_t *config_dump_tree(const struct config *cfg, bool durations_as_text)
{
	struct dump d = {.durations_as_text = durations_as_text};
	json_t *out = json_object(), *services = json_array();

	for (size_t i = 0; i < cfg->service_count; i++)
		dump_append(&d, services, dump_service(&d, &cfg->services[i]));
	dump_put(&d, out, "services", services);
	dump_chains(&d, out, cfg);
	dump_access(&d, out, &cfg->access);
	if (cfg->log.present)
		dump_put(&d, out, "log", dump_log(&d, &cfg->log));
	if (cfg->process_present)
		dump_put(&d, out, "gostbpf", dump_process(&d, &cfg->process));
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
