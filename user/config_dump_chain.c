/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump_chain.c - chains: and hops: of -O.
 *
 * See: config_dump.h, config_dump.c.
 */
#include "config_dump.h"

static void put_connector(struct dump *d, json_t *object, const struct chain_node_config *node)
{
	json_t *out = json_object();

	dump_put_text(d, out, "type", node->connector_type);
	dump_put_auth(d, out, &node->auth);
	dump_put_metadata(d, out, &node->connector_metadata, SCOPE_CONNECTOR);
	dump_put(d, object, "connector", out);
}

static void put_dialer(struct dump *d, json_t *object, const struct chain_node_config *node)
{
	json_t *out = json_object();

	dump_put_text(d, out, "type", node->dialer_type);
	dump_put_tls(d, out, &node->tls);
	dump_put_metadata(d, out, &node->dialer_metadata, SCOPE_DIALER);
	dump_put(d, object, "dialer", out);
}

static json_t *dump_node(struct dump *d, const struct chain_node_config *node)
{
	json_t *out = json_object();

	dump_put_text(d, out, "name", node->name);
	dump_put_text(d, out, "addr", node->addr);
	dump_put_names(d, out, "bypass", "bypasses", &node->bypasses);
	dump_put_text(d, out, "resolver", node->resolver);
	dump_put_text(d, out, "hosts", node->hosts);
	if (node->connector_given)
		put_connector(d, out, node);
	if (node->dialer_given)
		put_dialer(d, out, node);
	dump_put_metadata(d, out, &node->metadata, SCOPE_PROXY);
	return out;
}

static json_t *dump_hops(struct dump *d, const struct hop_config *hops, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct hop_config *hop = &hops[i];
		json_t *out = json_object(), *nodes = json_array();
		dump_put_text(d, out, "name", hop->name);
		if (hop->selector.present)
			dump_put(d, out, "selector", dump_selector(d, &hop->selector));
		dump_put_names(d, out, "bypass", "bypasses", &hop->bypasses);
		dump_put_text(d, out, "resolver", hop->resolver);
		dump_put_text(d, out, "hosts", hop->hosts);
		for (size_t n = 0; n < hop->node_count; n++)
			dump_append(d, nodes, dump_node(d, &hop->nodes[n]));
		if (hop->node_count)
			dump_put(d, out, "nodes", json_incref(nodes));
		json_decref(nodes);
		dump_put_metadata(d, out, &hop->metadata, SCOPE_HOP);
		dump_append(d, list, out);
	}
	return list;
}

void dump_chains(struct dump *d, json_t *out, const struct config *cfg)
{
	json_t *chains = json_array();

	for (size_t i = 0; i < cfg->chain_count; i++) {
		json_t *chain = json_object();
		dump_put_text(d, chain, "name", cfg->chains[i].name);
		dump_put(d, chain, "hops", dump_hops(d, cfg->chains[i].hops, cfg->chains[i].hop_count));
		dump_append(d, chains, chain);
	}
	if (cfg->chain_count)
		dump_put(d, out, "chains", json_incref(chains));
	if (cfg->hop_count)
		dump_put(d, out, "hops", dump_hops(d, cfg->hops, cfg->hop_count));
	json_decref(chains);
}
