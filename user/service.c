/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - one configured service made ready: targets parsed, engine and selector chosen.
 *
 * Owns: what service_init() allocates. Never: opens a socket (worker.c does, once per worker).
 * See: include/service.h.
 */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine.h"
#include "registry.h"
#include "selector.h"

static int parse_node(struct service_node *node, const struct service_config *cfg, size_t i,
		      struct config_error *err)
{
	const struct node_config *from = &cfg->forwarder.nodes[i];
	char host[256];
	int port;

	if (addr_split_hostport(from->addr, host, sizeof(host), &port) < 0 || port < 0) {
		snprintf(err->text, sizeof(err->text), "%s: target \"%s\" is not HOST:PORT", cfg->origin, from->addr);
		return -EINVAL;
	}
	node->name = from->name;
	node->text = from->addr;
	node->port = (uint16_t)port;
	node->send_proxy = from->opt.send_proxy >= 0 ? from->opt.send_proxy : cfg->opt.send_proxy;
	node->host = strdup(host);
	return node->host ? 0 : -ENOMEM;
}

static void fill_socket_options(struct listener_options *out, const struct service_options *opt)
{
	*out = (struct listener_options){
		.backlog = opt->backlog,
		.keepalive = opt->keepalive,
		.keepalive_idle_s = opt->keepalive_idle_s,
		.keepalive_interval_s = opt->keepalive_interval_s,
		.keepalive_count = opt->keepalive_count,
		.user_timeout_ms = (unsigned)(opt->user_timeout_ns / 1000000),
	};
}

static int find_address(struct service *svc, struct config_error *err)
{
	const struct service_config *cfg = svc->cfg;
	int rc = listener_resolve(cfg->addr, &svc->at);

	if (rc)
		snprintf(err->text, sizeof(err->text), "%s: cannot listen on \"%s\": %s", cfg->origin, cfg->addr,
			 rc == -EINVAL ? "not HOST:PORT" : strerror(-rc));
	return rc;
}

int service_init(struct service *svc, const struct service_config *cfg, struct config_error *err)
{
	memset(svc, 0, sizeof(*svc));
	svc->cfg = cfg;
	svc->datagram = !strcasecmp(cfg->listener_type, "udp");
	svc->handler = registry_handler(cfg->handler_type);
	svc->engine = registry_engine(cfg->opt.engine);
	fill_socket_options(&svc->socket_opt, &cfg->opt);
	int rc = find_address(svc, err);
	if (rc)
		return rc;
	svc->nodes = calloc(cfg->forwarder.node_count, sizeof(*svc->nodes));
	if (!svc->nodes)
		return -ENOMEM;
	svc->node_count = cfg->forwarder.node_count;
	for (size_t i = 0; i < svc->node_count && !rc; i++)
		rc = parse_node(&svc->nodes[i], cfg, i, err);
	return rc ? rc : selector_new(&svc->selector, &cfg->forwarder);
}

void service_fini(struct service *svc)
{
	for (size_t i = 0; i < svc->node_count; i++)
		free(svc->nodes[i].host);
	free(svc->nodes);
	svc->nodes = NULL;
	svc->node_count = 0;
	selector_free(svc->selector);
	svc->selector = NULL;
}
