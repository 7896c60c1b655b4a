/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml.c - the shape of the YAML file: which key may stand where, and what it fills.
 *
 * Why: GOST ignores keys it does not know. Here each mapping has a table of its fields, and anything
 * else is an error with its line: a known section or field of GOST's by name, the rest with a suggestion.
 * Owns: nothing but the tree while it is read. Never: reads files (config_source.c does).
 * See: config_tree.h, config_yaml_field.c, tests/unit/test_config_yaml.c, tests/fuzz/fuzz_config_yaml.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_yaml.h"

/* --- services[] -------------------------------------------------------------------------------- */

static int read_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_text(r, value, &((struct service_config *)target)->name);
}

static int read_addr(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct service_config *svc = target;
	int rc = yaml_read_text(r, value, &svc->addr);

	if (!rc && config_check_addr(svc->addr, CONFIG_ADDR_LISTEN, r->err))
		rc = yaml_fail_here(r, value);
	return rc;
}

static int read_service_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_SERVICE, &((struct service_config *)target)->metadata);
}

static int read_admissions(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct service_config *)target)->admissions);
}

static int read_bypasses(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct service_config *)target)->bypasses);
}

static int read_hosts(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->hosts);
}

static int read_resolver(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->resolver);
}

static int read_limiter(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->limiter);
}

static int read_climiter(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->climiter);
}

static int read_rlimiter(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->rlimiter);
}

static int read_handler_type(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_type(r, value, &((struct service_config *)target)->handler_type);
}

static int read_retries(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct service_config *svc = target;

	return yaml_read_key(r, "retries", value, SCOPE_HANDLER, &svc->handler_metadata);
}

static int read_handler_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_HANDLER,
				  &((struct service_config *)target)->handler_metadata);
}

static int read_handler_chain(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->chain);
}

static int read_handler_auth(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_auth(r, value, &((struct service_config *)target)->auth);
}

static int read_authers(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct service_config *)target)->authers);
}

static int read_handler(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"type", read_handler_type},
		{"retries", read_retries},
		{"chain", read_handler_chain},
		{"auther", read_authers},
		{"authers", read_authers},
		{"auth", read_handler_auth},
		{"metadata", read_handler_metadata},
		{0},
	};

	((struct service_config *)target)->handler_given = true;
	return yaml_read_mapping(r, value, fields, config_gost_handler_fields, "key", target);
}

static int read_listener_type(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_type(r, value, &((struct service_config *)target)->listener_type);
}

static int read_listener_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_LISTENER,
				  &((struct service_config *)target)->listener_metadata);
}

static int read_listener_chain(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct service_config *)target)->listener_chain);
}

static int read_listener_tls(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_tls(r, value, &((struct service_config *)target)->listener_tls);
}

static int read_listener(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"type", read_listener_type},
		{"chain", read_listener_chain},
		{"tls", read_listener_tls},
		{"metadata", read_listener_metadata},
		{0},
	};

	((struct service_config *)target)->listener_given = true;
	return yaml_read_mapping(r, value, fields, config_gost_listener_fields, "key", target);
}

/* --- forwarder --------------------------------------------------------------------------------- */

static int read_node_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_text(r, value, &((struct node_config *)target)->name);
}

static int read_node_addr(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct node_config *node = target;
	int rc = yaml_read_text(r, value, &node->addr);

	if (!rc && config_check_addr(node->addr, CONFIG_ADDR_TARGET, r->err))
		rc = yaml_fail_here(r, value);
	return rc;
}

static int read_node_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_NODE, &((struct node_config *)target)->metadata);
}

static int read_node(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"name", read_node_name},
		{"addr", read_node_addr},
		{"metadata", read_node_metadata},
		{0},
	};
	struct forwarder_config *fwd = &((struct service_config *)target)->forwarder;
	struct node_config *node = config_new_node(fwd);

	if (!node)
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, config_gost_node_fields, "key", node);
	if (rc)
		return rc;
	if (!node->addr)
		return yaml_fail(r, value, "the target has no addr");
	if (!node->name && asprintf(&node->name, "target-%zu", fwd->node_count - 1) < 0) {
		node->name = NULL;
		return config_no_memory(r->err);
	}
	return 0;
}

static int read_nodes(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_node, target);
}

static int read_selector(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_selector(r, value, &((struct service_config *)target)->forwarder.selector);
}

static int read_forwarder(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"nodes", read_nodes}, {"selector", read_selector}, {0}};

	return yaml_read_mapping(r, value, fields, config_gost_forwarder_fields, "key", target);
}

/* --- one service ------------------------------------------------------------------------------- */

static int preset_text(char **field, const char *text)
{
	if (!*field)
		*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

static int finish_service(struct yaml_reader *r, const struct tree_node *value, struct service_config *svc)
{
	if (!svc->name || !svc->name[0])
		return yaml_fail(r, value, "the service has no name");
	if (!svc->addr)
		return yaml_fail(r, value, "service \"%s\" has no addr", svc->name);
	if (preset_text(&svc->handler_type, "auto") || preset_text(&svc->listener_type, "tcp"))
		return config_no_memory(r->err);
	return 0;
}

static int read_service(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"name", read_name},
		{"addr", read_addr},
		{"handler", read_handler},
		{"listener", read_listener},
		{"forwarder", read_forwarder},
		{"metadata", read_service_metadata},
		{"admission", read_admissions},
		{"admissions", read_admissions},
		{"bypass", read_bypasses},
		{"bypasses", read_bypasses},
		{"hosts", read_hosts},
		{"resolver", read_resolver},
		{"limiter", read_limiter},
		{"climiter", read_climiter},
		{"rlimiter", read_rlimiter},
		{0},
	};
	struct service_config *svc = config_new_service(target);

	if (!svc)
		return config_no_memory(r->err);
	if (yaml_set_origin(r, value, &svc->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, config_gost_service_fields, "key", svc);
	return rc ? rc : finish_service(r, value, svc);
}

static int read_services(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_service, target);
}

/* --- log and gostbpf --------------------------------------------------------------------------- */

static int read_log_level(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	char *level = NULL;
	int rc = yaml_read_text(r, value, &level);

	if (!rc && config_set_log_level(target, level, r->err))
		rc = yaml_fail_here(r, value);
	free(level);
	return rc;
}

static int read_log_format(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct config *cfg = target;
	int rc = yaml_read_text(r, value, &cfg->log.format);

	if (!rc && strcmp(cfg->log.format, "json") && strcmp(cfg->log.format, "text"))
		rc = yaml_fail(r, value, "log format \"%s\": expected json or text", cfg->log.format);
	return rc;
}

static int read_log_output(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_text(r, value, &((struct config *)target)->log.output);
}

/* A later source replaces the section as a whole, as in GOST. */
static int read_log(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"level", read_log_level},
		{"format", read_log_format},
		{"output", read_log_output},
		{0},
	};
	static const char *const later[] = {"rotation", NULL};
	struct config *cfg = target;

	free(cfg->log.level);
	free(cfg->log.format);
	free(cfg->log.output);
	cfg->log = (struct log_section){.present = true};
	return yaml_read_mapping(r, value, fields, later, "key", cfg);
}

static int read_process(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const char *const later[] = {NULL};
	struct config *cfg = target;

	cfg->process_present = true;
	return yaml_read_keys(r, value, SCOPE_PROCESS, later, &cfg->process);
}

/* --- the whole --------------------------------------------------------------------------------- */

int config_add_yaml(struct config *cfg, const char *name, const char *text, size_t len,
		    struct config_error *err)
{
	static const struct yaml_field fields[] = {
		{"services", read_services},
		{"chains", yaml_read_chains},
		{"hops", yaml_read_hops},
		{"authers", yaml_read_authers},
		{"admissions", yaml_read_admissions},
		{"bypasses", yaml_read_bypasses},
		{"hosts", yaml_read_hosts},
		{"resolvers", yaml_read_resolvers},
		{"limiters", yaml_read_limiters},
		{"climiters", yaml_read_climiters},
		{"rlimiters", yaml_read_rlimiters},
		{"log", read_log},
		{"gostbpf", read_process},
		{0},
	};
	struct yaml_reader r = {.name = name, .err = err, .cfg = cfg};
	struct tree_node *root = NULL;
	int rc = config_tree_parse(name, text, len, &root, err);

	if (!rc && root && !config_tree_is_null(root))
		rc = yaml_read_mapping(&r, root, fields, config_gost_sections, "section", cfg);
	config_tree_free(root);
	return rc;
}
