/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_chain.c - chains: and hops: of the YAML file.
 *
 * Why: a hop looks the same below a chain and under hops; without nodes it refers to the latter by name.
 * See: config_yaml.h, config_resolve_chain.c for what needs the whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_yaml.h"

/* --- nodes[] ----------------------------------------------------------------------------------- */

static int read_connector_type(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_type(r, value, &((struct chain_node_config *)target)->connector_type);
}

static int read_connector_auth(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_auth(r, value, &((struct chain_node_config *)target)->auth);
}

static int read_connector_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct chain_node_config *node = target;

	return yaml_read_metadata(r, value, SCOPE_CONNECTOR, &node->connector_metadata);
}

static int read_connector(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"type", read_connector_type},
		{"auth", read_connector_auth},
		{"metadata", read_connector_metadata},
		{0},
	};
	static const char *const later[] = {"tls", NULL};

	((struct chain_node_config *)target)->connector_given = true;
	return yaml_read_mapping(r, value, fields, later, "key", target);
}

static int read_dialer_type(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_type(r, value, &((struct chain_node_config *)target)->dialer_type);
}

static int read_dialer_tls(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_tls(r, value, &((struct chain_node_config *)target)->tls);
}

static int read_dialer_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct chain_node_config *node = target;

	return yaml_read_metadata(r, value, SCOPE_DIALER, &node->dialer_metadata);
}

static int read_dialer(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"type", read_dialer_type},
		{"tls", read_dialer_tls},
		{"metadata", read_dialer_metadata},
		{0},
	};
	static const char *const later[] = {"auth", NULL};

	((struct chain_node_config *)target)->dialer_given = true;
	return yaml_read_mapping(r, value, fields, later, "key", target);
}

static int read_node_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct chain_node_config *)target)->name);
}

static int read_node_addr(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct chain_node_config *node = target;
	int rc = yaml_read_text(r, value, &node->addr);

	if (!rc && config_check_addr(node->addr, CONFIG_ADDR_NODE, r->err))
		rc = yaml_fail_here(r, value);
	return rc;
}

static int read_node_bypass(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct chain_node_config *)target)->bypasses);
}

static int read_node_hosts(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct chain_node_config *)target)->hosts);
}

static int read_node_resolver(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct chain_node_config *)target)->resolver);
}

static int read_node_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_PROXY, &((struct chain_node_config *)target)->metadata);
}

static int finish_node(struct yaml_reader *r, const struct tree_node *value, struct chain_node_config *node,
		       size_t number)
{
	if (!node->addr)
		return yaml_fail(r, value, "the node has no addr");
	if (!node->name && asprintf(&node->name, "node-%zu", number) < 0)
		node->name = NULL;
	if (!node->connector_type)
		node->connector_type = strdup("http");
	if (!node->dialer_type)
		node->dialer_type = strdup("tcp");
	return node->name && node->connector_type && node->dialer_type ? 0 : config_no_memory(r->err);
}

static int read_node(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {
		{"name", read_node_name},	  {"addr", read_node_addr},
		{"connector", read_connector},	  {"dialer", read_dialer},
		{"bypass", read_node_bypass},	  {"bypasses", read_node_bypass},
		{"hosts", read_node_hosts},	  {"resolver", read_node_resolver},
		{"metadata", read_node_metadata}, {0},
	};
	static const char *const later[] = {"network", "filter", "matcher", "http", "tls", "probe", NULL};
	struct hop_config *hop = target;
	struct chain_node_config *node = config_new_proxy(hop);

	if (!node)
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, later, "key", node);
	return rc ? rc : finish_node(r, value, node, hop->node_count - 1);
}

/* --- hops[] ------------------------------------------------------------------------------------ */

static int read_hop_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct hop_config *)target)->name);
}

static int read_hop_selector(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_selector(r, value, &((struct hop_config *)target)->selector);
}

static int read_hop_bypass(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_names(r, value, &((struct hop_config *)target)->bypasses);
}

static int read_hop_hosts(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct hop_config *)target)->hosts);
}

static int read_hop_resolver(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct hop_config *)target)->resolver);
}

static int read_hop_nodes(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_node, target);
}

static int read_hop_metadata(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_metadata(r, value, SCOPE_HOP, &((struct hop_config *)target)->metadata);
}

static int fill_hop(struct yaml_reader *r, const struct tree_node *value, struct hop_config *hop)
{
	static const struct yaml_field fields[] = {
		{"name", read_hop_name},	 {"selector", read_hop_selector}, {"bypass", read_hop_bypass},
		{"bypasses", read_hop_bypass},	 {"hosts", read_hop_hosts},	  {"resolver", read_hop_resolver},
		{"nodes", read_hop_nodes},	 {"metadata", read_hop_metadata}, {0},
	};
	static const char *const later[] = {"reload", "file",	   "redis",    "http",
					    "plugin", "interface", "sockopts", NULL};

	if (!hop || yaml_set_origin(r, value, &hop->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, later, "key", hop);
	return !rc && !hop->name ? yaml_fail(r, value, "the hop has no name") : rc;
}

/* A reference has nothing of its own: GOST would ignore it. */
static int check_reference(struct yaml_reader *r, const struct tree_node *value, const struct hop_config *hop)
{
	if (!hop->node_count && (hop->selector.present || hop->metadata.count || hop->bypasses.count || hop->hosts ||
				 hop->resolver))
		return yaml_fail(r, value, "hop \"%s\" has no nodes: as a reference it has nothing but a name",
				 hop->name);
	return 0;
}

static int read_chain_hop(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct chain_config *chain = target;
	struct hop_config *hop = config_new_hop(&chain->hops, &chain->hop_count);
	int rc = fill_hop(r, value, hop);

	return rc ? rc : check_reference(r, value, hop);
}

static int read_hop(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct config *cfg = target;
	struct hop_config *hop = config_new_hop(&cfg->hops, &cfg->hop_count);
	int rc = fill_hop(r, value, hop);

	return !rc && !hop->node_count ? yaml_fail(r, value, "hop \"%s\" has no nodes", hop->name) : rc;
}

int yaml_read_hops(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_hop, target);
}

/* --- chains[] ---------------------------------------------------------------------------------- */

static int read_chain_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct chain_config *)target)->name);
}

static int read_chain_hops(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_chain_hop, target);
}

static int read_chain(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"name", read_chain_name}, {"hops", read_chain_hops}, {0}};
	static const char *const later[] = {"metadata", NULL};
	struct chain_config *chain = config_new_chain(target);

	if (!chain || yaml_set_origin(r, value, &chain->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, later, "key", chain);
	if (!rc && !chain->name)
		rc = yaml_fail(r, value, "the chain has no name");
	return !rc && !chain->hop_count ? yaml_fail(r, value, "chain \"%s\" has no hops", chain->name) : rc;
}

int yaml_read_chains(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_chain, target);
}
