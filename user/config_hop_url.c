/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_hop_url.c - one -F string to a hop: [scheme://][user:password@]host:port[,host:port...][?query].
 *
 * Why: all -F together are one chain, in their order. An unscoped key goes where it is read, not (as in GOST) into hop,
 * node, connector and dialer at once.
 * Owns: struct node_url until its contents have been copied into the nodes.
 * Never: resolves names, checks whether a connector exists (config_resolve_chain.c does).
 * See: config_url.c for -L, tests/unit/test_config_hop_url.c, tests/fuzz/fuzz_config_url.c.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_model.h"
#include "config_query.h"

#define CHAIN_NAME "chain-0"

/* What all nodes of the hop get. */
struct node_url {
	struct config_query query;
	struct config_spec spec;
	char connector[WORD_MAX], dialer[WORD_MAX];
	struct metadata hop, node, connector_md, dialer_md;
	struct selector_config selector;
};

/*
 * GOST's rules: "a" is both names, "a+b" is one each; what is no connector is http, what is no dialer is tcp. A name
 * that GOST does not know either is kept, for config_resolve() to complain about.
 */
static int split_scheme(struct node_url *url, struct config_error *err)
{
	const char *scheme = url->spec.scheme;

	strcpy(url->connector, "http");
	strcpy(url->dialer, "tcp");
	if (!scheme || !strcmp(scheme, "auto"))
		return 0;
	if (!strcmp(scheme, "https")) {
		strcpy(url->dialer, "tls");
		return 0;
	}
	int rc = config_spec_split_scheme(scheme, url->connector, url->dialer, err);
	if (rc || url->dialer[0])
		return rc;
	bool connector = config_list_has(config_gost_connectors, scheme);
	bool dialer = config_list_has(config_gost_dialers, scheme);
	strcpy(url->dialer, dialer ? scheme : "tcp");
	if (!connector && dialer)
		strcpy(url->connector, "http");
	return 0;
}

/* --- query ------------------------------------------------------------------------------------- */

static int store(struct config_query *q, unsigned scope, const struct config_key *key, const char *value,
		 struct config_error *err)
{
	struct node_url *url = (struct node_url *)((char *)q - offsetof(struct node_url, query));

	switch (scope) {
	case SCOPE_HOP:
		return config_key_add(&url->hop, key, value, err);
	case SCOPE_PROXY:
		return config_key_add(&url->node, key, value, err);
	case SCOPE_CONNECTOR:
		return config_key_add(&url->connector_md, key, value, err);
	case SCOPE_DIALER:
		return config_key_add(&url->dialer_md, key, value, err);
	default:
		return config_selector_set(&url->selector, &q->selector_given, key, value, err);
	}
}

static int parse_query(struct node_url *url, struct config_error *err)
{
	const struct tls_config *tls = &url->query.tls;
	int rc = config_query_read(&url->query, &url->spec, err);

	if (!rc && !tls->cert_file != !tls->key_file)
		rc = config_fail(err, "a certificate needs cert and key");
	return rc;
}

static int parse_spec(struct node_url *url, char *text, struct config_error *err)
{
	int rc = config_spec_cut(&url->spec, text, err);

	if (!rc && url->spec.path[0])
		rc = config_fail(err, "there is a path behind the host; a node has none");
	if (!rc)
		rc = split_scheme(url, err);
	return rc ? rc : parse_query(url, err);
}

/* --- the hop ----------------------------------------------------------------------------------- */

/* GOST: the server's name is the host as written, if there is one. */
static int fill_tls(struct chain_node_config *node, const struct tls_config *from)
{
	const char *colon = strrchr(node->addr, ':');
	size_t len = (size_t)(colon - node->addr);
	const char *host = node->addr;

	if (config_tls_copy(&node->tls, from))
		return -ENOMEM;
	if (len && host[0] == '[') {
		host++;
		len -= 2;
	}
	if (!len || node->tls.server_name)
		return 0;
	node->tls.present = true;
	node->tls.server_name = strndup(host, len);
	return node->tls.server_name ? 0 : -ENOMEM;
}

static int fill_node(struct chain_node_config *node, const struct node_url *url, const char *addr, size_t number)
{
	node->connector_given = node->dialer_given = true;
	if (asprintf(&node->name, "node-%zu", number) < 0)
		node->name = NULL;
	node->addr = strdup(addr);
	node->connector_type = strdup(url->connector);
	node->dialer_type = strdup(url->dialer);
	if (!node->name || !node->addr || !node->connector_type || !node->dialer_type)
		return -ENOMEM;
	int rc = config_auth_copy(&node->auth, &url->query.auth);
	if (!rc)
		rc = fill_tls(node, &url->query.tls);
	if (!rc)
		rc = config_metadata_copy(&node->metadata, &url->node);
	if (!rc)
		rc = config_metadata_copy(&node->connector_metadata, &url->connector_md);
	return rc ? rc : config_metadata_copy(&node->dialer_metadata, &url->dialer_md);
}

static int add_nodes(struct hop_config *hop, const struct node_url *url, struct config_error *err)
{
	for (char *item = url->spec.host; item;) {
		char *comma = strchr(item, ',');
		if (comma)
			*comma++ = '\0';
		int rc = *item ? config_check_addr(item, CONFIG_ADDR_NODE, err)
			       : config_fail(err, "there is an empty node between commas");
		if (rc)
			return rc;
		struct chain_node_config *node = config_new_proxy(hop);
		if (!node || fill_node(node, url, item, hop->node_count - 1))
			return config_no_memory(err);
		item = comma;
	}
	return 0;
}

static int fill_hop(struct hop_config *hop, const struct node_url *url, const char *origin, size_t number,
		    struct config_error *err)
{
	hop->selector = url->selector;
	if (asprintf(&hop->name, "hop-%zu", number) < 0)
		hop->name = NULL;
	hop->origin = strdup(origin);
	hop->scheme = url->spec.scheme ? strdup(url->spec.scheme) : NULL;
	if (!hop->name || !hop->origin || (url->spec.scheme && !hop->scheme) ||
	    config_metadata_copy(&hop->metadata, &url->hop))
		return config_no_memory(err);
	return add_nodes(hop, url, err);
}

/* The chain that earlier -F have begun; its origin tells it from one of a file. */
static struct chain_config *find_chain(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->chain_count; i++)
		if (!strcmp(cfg->chains[i].origin, "-F"))
			return &cfg->chains[i];
	return NULL;
}

static struct chain_config *open_chain(struct config *cfg)
{
	struct chain_config *chain = find_chain(cfg);

	if (chain)
		return chain;
	chain = config_new_chain(cfg);
	if (!chain)
		return NULL;
	chain->name = strdup(CHAIN_NAME);
	chain->origin = strdup("-F");
	return chain->name && chain->origin ? chain : NULL;
}

static void url_fini(struct node_url *url)
{
	config_metadata_fini(&url->hop);
	config_metadata_fini(&url->node);
	config_metadata_fini(&url->connector_md);
	config_metadata_fini(&url->dialer_md);
	config_query_fini(&url->query);
}

/* node.x is x of the node, and so on. */
static const unsigned prefixes[] = {SCOPE_HOP, SCOPE_PROXY, SCOPE_CONNECTOR, SCOPE_DIALER, 0};

static int read_hop(void *ctx, char *text, const char *origin, struct config_error *err)
{
	struct node_url *url = ctx;
	struct config *cfg = url->query.cfg;
	struct chain_config *chain = open_chain(cfg);
	struct hop_config *hop = chain ? config_new_hop(&chain->hops, &chain->hop_count) : NULL;

	if (!hop)
		return config_no_memory(err);
	url->query.origin = origin;
	int rc = parse_spec(url, text, err);
	if (!rc)
		rc = fill_hop(hop, url, origin, chain->hop_count - 1, err);
	return rc ? rc : config_special_hop(&url->query.special, &cfg->access, hop, err);
}

int config_add_hop(struct config *cfg, const char *spec, struct config_error *err)
{
	struct node_url url = {.query = {
		.cfg = cfg,
		.side = CONFIG_SIDE_CHAIN,
		.prefixes = prefixes,
		.scopes = SCOPE_CHAIN,
		.store = store,
	}};
	int rc = config_spec_read("-F", spec, read_hop, &url, err);

	url_fini(&url);
	return rc;
}

/* --- linking ----------------------------------------------------------------------------------- */

/* GOST: these are listened for at the far end of the chain. */
static bool listens_through_chain(const struct service_config *svc)
{
	static const char *const remote[] = {"rtcp", "rudp", "runix", NULL};

	return config_list_has(remote, svc->listener_type);
}

int config_link_chain(struct config *cfg, struct config_error *err)
{
	const struct chain_config *chain = find_chain(cfg);

	for (size_t i = 0; chain && i < cfg->service_count; i++) {
		struct service_config *svc = &cfg->services[i];
		char **field = listens_through_chain(svc) ? &svc->listener_chain : &svc->chain;
		if (!svc->from_url)
			continue;
		free(*field);
		*field = strdup(chain->name);
		if (!*field)
			return config_no_memory(err);
	}
	return 0;
}
