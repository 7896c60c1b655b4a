/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_explain_defaults.c - the part of the configuration that nobody wrote, and which engine follows from it all.
 *
 * Why: the key table knows every default; what it does not know (types, selectors, the log) is here.
 * Never: decides anything: engines and defaults are chosen elsewhere, this tells.
 * See: config_explain.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_dump.h"
#include "config_explain.h"

struct filler {
	struct config_origins *origins;
	struct dump dump;
};

static void add(struct filler *f, json_t *object, const char *path, const char *key, json_t *value)
{
	char full[CONFIG_PATH_MAX];

	if (json_object_get(object, key)) {
		json_decref(value);
		return;
	}
	config_format_path(full, "%s%s%s", path, *path ? "." : "", key);
	dump_put(&f->dump, object, key, value);
	config_note_origin(f->origins, full, "default");
}

/* The object that stands there, or a new one. */
static json_t *child(struct filler *f, json_t *object, const char *key)
{
	if (!json_object_get(object, key))
		dump_put(&f->dump, object, key, json_object());
	return json_object_get(object, key);
}

/* config_finish_proxy() refuses details of what is off; a default of such has no effect either. */
static bool has_effect(const struct config_key *key, const struct service_config *svc)
{
	bool receive = key->home == SCOPE_SERVICE;

	if (!config_key_fits(key->name, svc))
		return false;
	if (!strcmp(key->name, "limiter.ipv6Prefix"))
		return svc->limiter || svc->climiter || svc->rlimiter;
	if (!strcmp(key->name, "hash"))
		return svc->chain;
	if (strncmp(key->name, "proxyProtocol.", 14))
		return true;
	if (!strcmp(key->name, "proxyProtocol.untrusted"))
		return svc->opt.recv_proxy && svc->opt.recv_from;
	if (!strcmp(key->name, "proxyProtocol.sendCrc32c"))
		return svc->opt.send_proxy == 2;
	return receive ? svc->opt.recv_proxy : svc->opt.send_proxy > 0;
}

/* type: of the handler, connector and so on whose object it is. */
static void add_presets(struct filler *f, json_t *object, const char *path, unsigned scope, const char *type,
			const struct service_config *svc)
{
	char below[CONFIG_PATH_MAX];

	config_format_path(below, "%s.metadata", path);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (key->home != scope || !key->preset || (svc && !has_effect(key, svc)))
			continue;
		if (!config_key_is_read_by(key, type, svc ? svc->listener_type : NULL))
			continue;
		if (key->field)
			add(f, object, path, key->name, json_string(key->preset));
		else
			add(f, child(f, object, "metadata"), below, key->name, json_string(key->preset));
	}
}

static void add_selector(struct filler *f, json_t *object, const char *path, const struct selector_config *selector)
{
	char below[CONFIG_PATH_MAX];

	if (json_object_get(object, "selector"))
		return;
	config_format_path(below, "%s.selector", path);
	dump_put(&f->dump, object, "selector", dump_selector(&f->dump, selector));
	config_note_origin(f->origins, below, "default");
}

/* --- services ---------------------------------------------------------------------------------- */

static void complete_service(struct filler *f, const struct config *cfg, size_t i, json_t *object)
{
	const struct service_config *svc = &cfg->services[i];
	char path[CONFIG_PATH_MAX], below[CONFIG_PATH_MAX];

	config_format_path(path, "services[%zu]", i);
	if (svc->from_url)
		config_note_origin(f->origins, path, svc->origin);
	config_format_path(below, "%s.metadata", path);
	if (config_key_fits("engine", svc) && !config_metadata_get(&svc->handler_metadata, "engine"))
		add(f, child(f, object, "metadata"), below, "engine", json_string(config_engine_name(svc->opt.engine)));
	add_presets(f, object, path, SCOPE_SERVICE, NULL, svc);
	config_format_path(below, "%s.handler", path);
	add(f, child(f, object, "handler"), below, "type", json_string(svc->handler_type));
	add_presets(f, child(f, object, "handler"), below, SCOPE_HANDLER, svc->handler_type, svc);
	if (svc->from_url && svc->chain) {
		config_format_path(below, "%s.handler.chain", path);
		config_note_origin(f->origins, below, "-F");
	}
	config_format_path(below, "%s.listener", path);
	add(f, child(f, object, "listener"), below, "type", json_string(svc->listener_type));
	add_presets(f, child(f, object, "listener"), below, SCOPE_LISTENER, svc->listener_type, svc);
	config_format_path(below, "%s.forwarder", path);
	if (svc->forwarder.node_count > 1)
		add_selector(f, child(f, object, "forwarder"), below, &svc->forwarder.selector);
}

/* --- chains ------------------------------------------------------------------------------------ */

static void complete_node(struct filler *f, const struct chain_node_config *node, json_t *object, const char *path)
{
	char below[CONFIG_PATH_MAX];

	add_presets(f, object, path, SCOPE_PROXY, NULL, NULL);
	config_format_path(below, "%s.connector", path);
	add(f, child(f, object, "connector"), below, "type", json_string(node->connector_type));
	add_presets(f, child(f, object, "connector"), below, SCOPE_CONNECTOR, node->connector_type, NULL);
	config_format_path(below, "%s.dialer", path);
	add(f, child(f, object, "dialer"), below, "type", json_string(node->dialer_type));
	add_presets(f, child(f, object, "dialer"), below, SCOPE_DIALER, node->dialer_type, NULL);
}

static void complete_hops(struct filler *f, const struct hop_config *hops, json_t *list, const char *path)
{
	char below[CONFIG_PATH_MAX], node[CONFIG_PATH_MAX];
	json_t *object;
	size_t i, n;

	json_array_foreach(list, i, object)
	{
		config_format_path(below, "%s[%zu]", path, i);
		if (config_is_flag(hops[i].origin))
			config_note_origin(f->origins, below, hops[i].origin);
		if (hops[i].node_count > 1)
			add_selector(f, object, below, &hops[i].selector);
		for (n = 0; n < hops[i].node_count; n++) {
			config_format_path(node, "%s.nodes[%zu]", below, n);
			complete_node(f, &hops[i].nodes[n], json_array_get(json_object_get(object, "nodes"), n), node);
		}
	}
}

static void complete_chains(struct filler *f, const struct config *cfg, json_t *tree)
{
	char path[CONFIG_PATH_MAX];
	json_t *chain;
	size_t i;

	json_array_foreach(json_object_get(tree, "chains"), i, chain)
	{
		config_format_path(path, "chains[%zu]", i);
		if (!strcmp(cfg->chains[i].origin, "-F"))
			config_note_origin(f->origins, path, "-F");
		config_format_path(path, "chains[%zu].hops", i);
		complete_hops(f, cfg->chains[i].hops, json_object_get(chain, "hops"), path);
	}
	complete_hops(f, cfg->hops, json_object_get(tree, "hops"), "hops");
}

/* --- lists of the command line ----------------------------------------------------------------- */

/* All these structs begin with their name; origin is an offset. */
static void note_section(struct filler *f, const char *section, const void *array, size_t count, size_t size,
			 size_t origin)
{
	char path[CONFIG_PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		const char *where = *(const char *const *)((const char *)array + i * size + origin);
		config_format_path(path, "%s[%zu]", section, i);
		if (config_is_flag(where))
			config_note_origin(f->origins, path, where);
	}
}

#define NOTE(f, name, list, count, type)                                                                     \
	note_section(f, name, list, count, sizeof(struct type), offsetof(struct type, origin))

static void note_access(struct filler *f, const struct access_config *a)
{
	NOTE(f, "admissions", a->admissions, a->admission_count, matcher_config);
	NOTE(f, "bypasses", a->bypasses, a->bypass_count, matcher_config);
	NOTE(f, "hosts", a->hosts, a->hosts_count, hosts_config);
	NOTE(f, "resolvers", a->resolvers, a->resolver_count, resolver_section);
	NOTE(f, "limiters", a->limiters, a->limiter_count, limiter_config);
	NOTE(f, "climiters", a->climiters, a->climiter_count, limiter_config);
	NOTE(f, "rlimiters", a->rlimiters, a->rlimiter_count, limiter_config);
}

/* --- the process ------------------------------------------------------------------------------- */

static void complete_process(struct filler *f, const struct config *cfg, json_t *tree)
{
	json_t *log = child(f, tree, "log"), *process = dump_process(&f->dump, &cfg->process);
	const char *key;
	json_t *value;

	add(f, log, "log", "level", json_string("info"));
	add(f, log, "log", "format", json_string("json"));
	add(f, log, "log", "output", json_string("stderr"));
	dump_put(&f->dump, tree, "gostbpf", process);
	json_object_foreach(process, key, value)
	{
		char path[CONFIG_PATH_MAX];
		config_format_path(path, "gostbpf.%s", key);
		if (!config_find_origin(f->origins, path))
			config_note_origin(f->origins, path, "default");
	}
}

int config_explain_complete(const struct config *cfg, json_t *tree)
{
	struct filler f = {.origins = cfg->origins, .dump.durations_as_text = true};
	json_t *object;
	size_t i;

	json_array_foreach(json_object_get(tree, "services"), i, object) complete_service(&f, cfg, i, object);
	complete_chains(&f, cfg, tree);
	note_access(&f, &cfg->access);
	complete_process(&f, cfg, tree);
	return f.dump.failed ? -ENOMEM : 0;
}

/* --- engines ----------------------------------------------------------------------------------- */

static bool hops_speak_tls(const struct hop_config *hops, size_t count)
{
	for (size_t h = 0; h < count; h++)
		for (size_t n = 0; n < hops[h].node_count; n++)
			if (!strcasecmp(hops[h].nodes[n].dialer_type, "tls"))
				return true;
	return false;
}

static bool chain_speaks_tls(const struct config *cfg, const char *chain)
{
	for (size_t i = 0; chain && i < cfg->chain_count; i++)
		if (!strcmp(cfg->chains[i].name, chain) &&
		    (hops_speak_tls(cfg->chains[i].hops, cfg->chains[i].hop_count) ||
		     hops_speak_tls(cfg->hops, cfg->hop_count)))
			return true;
	return false;
}

void config_explain_engine(const struct config *cfg, size_t i, FILE *out)
{
	static const char *const because[] = {
		[ENGINE_AUTO] = "auto: bulk moves in the kernel (sockmap), the rest by splice; splice alone where BPF is missing",
		[ENGINE_SOCKMAP] = "sockmap, as written: no start where the kernel cannot",
		[ENGINE_SPLICE] = "splice, as written",
		[ENGINE_COPY] = "copy, as written",
	};
	const struct service_config *svc = &cfg->services[i];
	const char *text = because[svc->opt.engine];

	if (config_is_udp(svc))
		text = "copy: datagrams are moved by user space, in batches";
	else if (!strcasecmp(svc->listener_type, "tls"))
		text = "copy: the client speaks TLS to this process";
	else if (chain_speaks_tls(cfg, svc->chain))
		text = "copy where a node of the chain speaks TLS";
	fprintf(out, "# %s: engine %s\n", svc->name, text);
}
