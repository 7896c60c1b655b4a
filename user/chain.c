/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.c - see chain.h. Configured chains made ready: references followed, addresses parsed, connectors found.
 *
 * Owns: what chains_init() allocates. Never: opens a socket.
 * See: include/chain_config.h.
 */
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "connector.h"
#include "registry.h"
#include "tls.h"

static int fail(struct config_error *err, const struct hop_config *hop, const char *what, const char *name)
{
	snprintf(err->text, sizeof(err->text), "%s: hop \"%s\": %s \"%s\"", hop->origin ? hop->origin : "chain", hop->name,
		 what, name);
	return -EINVAL;
}

/* A hop without nodes is a reference into the hops: section. */
static const struct hop_config *follow(const struct config *cfg, const struct hop_config *hop)
{
	for (size_t i = 0; !hop->node_count && i < cfg->hop_count; i++)
		if (!strcmp(cfg->hops[i].name, hop->name))
			return &cfg->hops[i];
	return hop;
}

static int fail_node(struct config_error *err, const struct hop_config *hop, const struct chain_node_config *node,
		     const char *why)
{
	snprintf(err->text, sizeof(err->text), "%s: node \"%s\": %s", hop->origin ? hop->origin : "chain", node->name, why);
	return -EINVAL;
}

/* The node's own settings, or its hop's. */
static int open_place(struct chain_node *node, const struct hop_config *hop, struct config_error *err)
{
	const struct chain_node_options *own = &node->cfg->opt, *common = &hop->opt;
	struct socket_wish wish = {
		.netns_key = "netns",
		.netns = own->netns ? own->netns : common->netns,
		.interfaces = own->interface ? own->interface : common->interface,
		.mark = own->so_mark ? own->so_mark : common->so_mark,
	};
	char why[300];
	bool wanted;

	if (socket_place_init(&node->place, &wish, &wanted, why, sizeof(why)))
		return fail_node(err, hop, node->cfg, why);
	if (wanted)
		node->socket_opt.place = &node->place;
	return 0;
}

static int open_tls(struct chain_node *node, const struct hop_config *hop, struct config_error *err)
{
	const struct tls_config *from = &node->cfg->tls;
	struct tls_settings set = {
		.verify = !from->secure_given || from->secure,
		.cert_file = from->cert_file,
		.key_file = from->key_file,
		.ca_file = from->ca_file,
	};
	char why[300], text[320];

	if (strcasecmp(node->cfg->dialer_type, "tls"))
		return 0;
	node->tls_verified = set.verify;
	node->tls_name = from->server_name ? from->server_name : node->host[0] ? node->host : "localhost";
	if (!tls_context_new(&node->tls, &set, why, sizeof(why)))
		return 0;
	snprintf(text, sizeof(text), "dialer tls: %s", why);
	return fail_node(err, hop, node->cfg, text);
}

static int parse_node(struct chain_node *node, const struct hop_config *hop, const struct chain_node_config *cfg,
		      struct config_error *err)
{
	char host[256];
	int port;

	node->cfg = cfg;
	node->place = (struct socket_place){.netns_fd = -1, .home_fd = -1};
	node->connector = registry_connector(cfg->connector_type);
	if (!node->connector)
		return fail(err, hop, "there is no connector", cfg->connector_type);
	if (addr_split_hostport(cfg->addr, host, sizeof(host), &port) < 0 || port <= 0)
		return fail(err, hop, "not HOST:PORT:", cfg->addr);
	node->port = (uint16_t)port;
	node->host = strdup(host);
	node->send.version = cfg->opt.send_proxy >= 0 ? cfg->opt.send_proxy : hop->opt.send_proxy;
	if (node->send.version < 0)
		node->send.version = 0;
	/* Go's defaults, as for targets. */
	node->socket_opt = (struct listener_options){
		.keepalive = true, .keepalive_idle_s = 15, .keepalive_interval_s = 15, .keepalive_count = 9};
	if (!node->host)
		return -ENOMEM;
	int rc = open_place(node, hop, err);
	return rc ? rc : open_tls(node, hop, err);
}

/* A node's own hosts and resolver, or the hop's. */
static int find_access(struct chain_node *node, const struct hop_config *hop, const struct access *access,
		       struct config_error *err)
{
	const struct chain_node_config *cfg = node->cfg;
	int rc = access_find_bypasses(access, &cfg->bypasses, hop->origin, &node->bypass, err);

	if (!rc)
		rc = access_find_hosts(access, cfg->hosts ? cfg->hosts : hop->hosts, hop->origin, &node->hosts, err);
	if (!rc)
		rc = access_find_resolver(access, cfg->resolver ? cfg->resolver : hop->resolver, hop->origin,
					  &node->resolver, err);
	return rc;
}

static int make_selector(struct chain_hop *hop)
{
	struct selector_node *nodes = calloc(hop->node_count, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < hop->node_count; i++) {
		const struct chain_node_options *opt = &hop->cfg->nodes[i].opt;
		nodes[i] = (struct selector_node){.weight = opt->weight,
						  .backup = opt->backup,
						  .max_fails = opt->max_fails,
						  .fail_timeout_ns = opt->fail_timeout_ns};
	}
	int rc = selector_new(&hop->selector, &hop->cfg->selector, nodes, hop->node_count);
	free(nodes);
	return rc;
}

static int hop_init(struct chain_hop *hop, const struct config *cfg, const struct access *access,
		    const struct hop_config *from, struct config_error *err)
{
	hop->cfg = follow(cfg, from);
	if (!hop->cfg->node_count)
		return fail(err, from, "there are no nodes in", from->name);
	hop->nodes = calloc(hop->cfg->node_count, sizeof(*hop->nodes));
	if (!hop->nodes)
		return -ENOMEM;
	for (size_t i = 0; i < hop->cfg->node_count; i++) {
		hop->node_count = i + 1; /* a half-made node is finished too */
		int rc = parse_node(&hop->nodes[i], hop->cfg, &hop->cfg->nodes[i], err);
		if (!rc)
			rc = find_access(&hop->nodes[i], hop->cfg, access, err);
		if (rc)
			return rc;
	}
	int rc = access_find_bypasses(access, &hop->cfg->bypasses, hop->cfg->origin, &hop->bypass, err);
	return rc ? rc : make_selector(hop);
}

static bool hop_has_tls(const struct chain_hop *hop)
{
	for (size_t i = 0; i < hop->node_count; i++)
		if (hop->nodes[i].tls)
			return true;
	return false;
}

/* What leaves is encrypted once: TLS inside TLS has no pump. */
static int check_tls(const struct chain *chain, struct config_error *err)
{
	const struct chain_hop *first = NULL;

	for (size_t i = 0; i < chain->hop_count; i++) {
		if (!hop_has_tls(&chain->hops[i]))
			continue;
		if (first)
			return fail(err, chain->hops[i].cfg, "only one hop of a chain can use TLS, and this is already", first->cfg->name);
		first = &chain->hops[i];
	}
	return 0;
}

static int chain_init(struct chain *chain, const struct config *cfg, const struct access *access,
		      const struct chain_config *from, struct config_error *err)
{
	chain->cfg = from;
	if (!from->hop_count) {
		snprintf(err->text, sizeof(err->text), "%s: chain \"%s\" has no hops", from->origin, from->name);
		return -EINVAL;
	}
	chain->hops = calloc(from->hop_count, sizeof(*chain->hops));
	if (!chain->hops)
		return -ENOMEM;
	for (size_t i = 0; i < from->hop_count; i++) {
		chain->hop_count = i + 1; /* a half-made hop is finished too */
		int rc = hop_init(&chain->hops[i], cfg, access, &from->hops[i], err);
		if (rc)
			return rc;
	}
	return check_tls(chain, err);
}

int chains_init(struct chains *chains, const struct config *cfg, const struct access *access,
		struct config_error *err)
{
	if (!cfg->chain_count)
		return 0;
	chains->chains = calloc(cfg->chain_count, sizeof(*chains->chains));
	if (!chains->chains)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->chain_count; i++) {
		chains->count = i + 1;
		int rc = chain_init(&chains->chains[i], cfg, access, &cfg->chains[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

static void hop_fini(struct chain_hop *hop)
{
	for (size_t i = 0; i < hop->node_count; i++) {
		free(hop->nodes[i].host);
		tls_context_free(hop->nodes[i].tls);
		socket_place_fini(&hop->nodes[i].place);
		proxy_send_free(&hop->nodes[i].send);
		access_group_fini(&hop->nodes[i].bypass);
	}
	access_group_fini(&hop->bypass);
	free(hop->nodes);
	selector_free(hop->selector);
}

void chains_fini(struct chains *chains)
{
	for (size_t i = 0; i < chains->count; i++) {
		for (size_t k = 0; k < chains->chains[i].hop_count; k++)
			hop_fini(&chains->chains[i].hops[k]);
		free(chains->chains[i].hops);
	}
	free(chains->chains);
	*chains = (struct chains){0};
}

const struct chain *chains_find(const struct chains *chains, const char *name)
{
	for (size_t i = 0; name && i < chains->count; i++)
		if (!strcmp(chains->chains[i].cfg->name, name))
			return &chains->chains[i];
	return NULL;
}
