/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_resolve_chain.c - chains and hops: their types, their names, and the typed view of their metadata.
 *
 * Why: GOST truncates a route at a hop that yields nothing and then dials directly; here a chain is whole or an error.
 * Owns: chain_node_options (always filled afresh; a node's are complete, with what it inherits from its hop).
 * Never: changes what the user wrote.
 * See: config_resolve.c, config_refs.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_model.h"

static int check_node_types(const struct hop_config *hop, const struct chain_node_config *node,
			    const struct config_types *types, struct config_error *err)
{
	const struct config_type_use uses[] = {
		{"connector", node->connector_type, node->connector_given, types->connectors, config_gost_connectors},
		{"dialer", node->dialer_type, node->dialer_given, types->dialers, config_gost_dialers},
	};

	return config_check_types(uses, 2, hop->scheme, config_is_flag(hop->origin), err);
}

/* Security that would silently not happen. */
static int check_security(const struct chain_node_config *node, struct config_error *err)
{
	static const char *const silent[] = {"tcp", "forward", "direct", NULL};
	static const char *const clear[] = {"tcp", "udp", NULL};
	const struct tls_config *tls = &node->tls;

	if (node->auth.user && config_list_has(silent, node->connector_type))
		return config_fail(err, "connector \"%s\" sends no user and password", node->connector_type);
	if ((tls->secure_given || tls->cert_file || tls->ca_file) && config_list_has(clear, node->dialer_type))
		return config_fail(err, "dialer \"%s\" speaks no TLS", node->dialer_type);
	return 0;
}

/* --- options ----------------------------------------------------------------------------------- */

static void inherit(struct chain_node_options *opt, const struct chain_node_options *hop)
{
	if (opt->send_proxy < 0)
		opt->send_proxy = hop->send_proxy;
	if (!opt->so_mark)
		opt->so_mark = hop->so_mark;
	if (!opt->interface)
		opt->interface = hop->interface;
	if (!opt->netns)
		opt->netns = hop->netns;
}

static int resolve_node(const struct hop_config *hop, struct chain_node_config *node, const struct config_types *types,
			struct config_error *err)
{
	struct chain_node_options opt;
	int rc = check_node_types(hop, node, types, err);

	if (!rc)
		rc = check_security(node, err);
	if (rc)
		return rc;
	memset(&opt, 0, sizeof(opt)); /* with its padding, as service_options */
	opt.send_proxy = -1;
	for (unsigned scope = SCOPE_PROXY; scope <= SCOPE_DIALER; scope <<= 1)
		config_key_presets(scope, &opt);
	rc = config_key_apply_all(&node->metadata, SCOPE_PROXY, &opt, err);
	if (!rc)
		rc = config_key_apply_all(&node->connector_metadata, SCOPE_CONNECTOR, &opt, err);
	if (!rc)
		rc = config_key_check_readers(&node->connector_metadata, SCOPE_CONNECTOR, node->connector_type, NULL, err);
	if (!rc)
		rc = config_key_apply_all(&node->dialer_metadata, SCOPE_DIALER, &opt, err);
	inherit(&opt, &hop->opt);
	node->opt = opt;
	return rc;
}

static int check_node_names(const struct hop_config *hop, struct config_error *err)
{
	for (size_t i = 1; i < hop->node_count; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(hop->nodes[i].name, hop->nodes[j].name))
				return config_fail(err, "two nodes have the name \"%s\"", hop->nodes[i].name);
	return 0;
}

static int resolve_hop(struct hop_config *hop, const struct config_types *types, struct config_error *err)
{
	memset(&hop->opt, 0, sizeof(hop->opt));
	if (!hop->selector.present)
		config_key_presets(SCOPE_SELECTOR, &hop->selector);
	config_key_presets(SCOPE_HOP, &hop->opt);
	int rc = config_key_apply_all(&hop->metadata, SCOPE_HOP, &hop->opt, err);
	for (size_t i = 0; i < hop->node_count && !rc; i++) {
		rc = resolve_node(hop, &hop->nodes[i], types, err);
		if (rc && !config_is_flag(hop->origin))
			config_fail_at(err, rc, "node \"%s\"", hop->nodes[i].name);
	}
	if (!rc)
		rc = check_node_names(hop, err);
	return rc ? config_fail_at(err, rc, "%s", hop->origin) : 0;
}

/* --- a chain as target -------------------------------------------------------------------------- */

static bool hands_through(const struct hop_config *hop)
{
	static const char *const transparent[] = {"tcp", "forward", NULL};

	for (size_t i = 0; i < hop->node_count; i++)
		if (!config_list_has(transparent, hop->nodes[i].connector_type))
			return false;
	return hop->node_count > 0;
}

static const struct hop_config *last_hop(const struct config *cfg, const char *chain)
{
	for (size_t i = 0; chain && i < cfg->chain_count; i++)
		if (!strcmp(cfg->chains[i].name, chain) && cfg->chains[i].hop_count)
			return &cfg->chains[i].hops[cfg->chains[i].hop_count - 1];
	return NULL;
}

bool config_chain_is_target(const struct config *cfg, const char *chain)
{
	const struct hop_config *last = last_hop(cfg, chain);

	for (size_t i = 0; last && !last->node_count && i < cfg->hop_count; i++)
		if (!strcmp(cfg->hops[i].name, last->name))
			last = &cfg->hops[i];
	return last && hands_through(last);
}

/* --- the whole --------------------------------------------------------------------------------- */

static int resolve_chain(struct config *cfg, struct chain_config *chain, const struct config_types *types,
			 struct config_error *err)
{
	if (!chain->hop_count) {
		config_fail(err, "chain \"%s\" has no hops", chain->name);
		return config_fail_at(err, -EINVAL, "%s", chain->origin);
	}
	for (size_t i = 0; i < chain->hop_count; i++) {
		struct hop_config *hop = &chain->hops[i];
		int rc = hop->node_count ? resolve_hop(hop, types, err) : config_check_hop_reference(cfg, hop, err);
		if (rc)
			return rc;
	}
	return 0;
}

int config_resolve_chains(struct config *cfg, const struct config_types *types, struct config_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < cfg->hop_count && !rc; i++)
		rc = resolve_hop(&cfg->hops[i], types, err);
	for (size_t i = 0; i < cfg->chain_count && !rc; i++)
		rc = resolve_chain(cfg, &cfg->chains[i], types, err);
	return rc;
}
