/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * app_health.c - which nodes are probed: all of services and chains that say how often.
 *
 * Why on the main thread's loop: it has nothing else to do, and a probe must not wait for a busy worker.
 * Owns: nothing. Never: changes a selector itself.
 * See: health.h, app.h.
 */
#include <stdlib.h>

#include "app.h"
#include "connector.h"
#include "health.h"
#include "service.h"

static const uint64_t DEFAULT_TIMEOUT_NS = 2000 * 1000000ull;

/* unreachable: NULL, or why this node cannot be connected to from here. */
static int add(struct app *app, struct health_target *target, const char *unreachable)
{
	if (target->interval_ns && unreachable)
		log_msg(app->log, LOG_WARN, "health", "node %s (%s) of %s is not probed: %s", target->name, target->text,
			target->owner, unreachable);
	if (!target->interval_ns || unreachable)
		return 0;
	if (!target->timeout_ns)
		target->timeout_ns = DEFAULT_TIMEOUT_NS;
	int err = app->health ? 0 : health_new(&app->health, app->loop, app->log, &app->access);
	return err ? err : health_add(app->health, target);
}

/* This machine, as a proxy is asked for it. */
static const char *host_for(const char *host, const struct chain *chain)
{
	return chain && !host[0] ? "127.0.0.1" : host;
}

/* Where a chain leads is known by what its last hop says. NULL, or why that says nothing. */
static const char *silent_hop(const struct chain_hop *hop)
{
	for (size_t i = 0; i < hop->node_count; i++) {
		const struct chain_node *node = &hop->nodes[i];
		if (node->connector->transparent)
			return "the hop before it is asked for nothing (tcp, forward)";
		if (node->connector == &connector_relay_ops && !node->cfg->opt.nodelay)
			return "the relay before it need not answer (nodelay=true)";
	}
	return NULL;
}

static int add_service(struct app *app, struct service *svc)
{
	const struct chain *chain = svc->chain;
	const char *unreachable = svc->datagram ? "it is a UDP target" : NULL;
	int err = 0;

	if (!unreachable && chain)
		unreachable = silent_hop(&chain->hops[chain->hop_count - 1]);
	for (size_t i = 0; i < svc->node_count && !err; i++) {
		const struct service_node *node = &svc->nodes[i];
		const struct node_options *opt = &svc->cfg->forwarder.nodes[i].opt;
		err = add(app, &(struct health_target){
				       .selector = svc->selector,
				       .node = i,
				       .owner = svc->cfg->name,
				       .name = node->name,
				       .text = node->text,
				       .host = host_for(node->host, chain),
				       .port = node->port,
				       .chain = chain,
				       .hosts = svc->access.hosts,
				       .resolver = svc->access.resolver,
				       .socket_opt = &svc->dial_opt,
				       .header_version = node->send.version,
				       .interval_ns = opt->probe_interval_ns,
				       .timeout_ns = opt->probe_timeout_ns,
			       },
			  unreachable);
	}
	return err;
}

/* The first hop's nodes are dialled from here; the others' names are the business of the hop before. */
static int add_hop(struct app *app, const struct chain *chain, size_t k)
{
	const struct chain_hop *hop = &chain->hops[k];
	int err = 0;

	for (size_t i = 0; i < hop->node_count && !err; i++) {
		const struct chain_node *node = &hop->nodes[i];
		err = add(app, &(struct health_target){
				       .selector = hop->selector,
				       .node = i,
				       .owner = hop->cfg->name,
				       .name = node->cfg->name,
				       .text = node->cfg->addr,
				       .host = host_for(node->host, k ? chain : NULL),
				       .port = node->port,
				       .chain = k ? chain : NULL,
				       .hops = k,
				       .hosts = k ? NULL : node->hosts,
				       .resolver = k ? -1 : node->resolver,
				       .socket_opt = &node->socket_opt,
				       .header_version = node->send.version,
				       .interval_ns = node->cfg->opt.probe_interval_ns,
				       .timeout_ns = node->cfg->opt.probe_timeout_ns,
			       },
			  k ? silent_hop(&chain->hops[k - 1]) : NULL);
	}
	return err;
}

int app_start_health(struct app *app)
{
	int err = 0;

	for (size_t i = 0; i < app->service_count && !err; i++)
		err = add_service(app, &app->services[i]);
	for (size_t i = 0; i < app->chains.count; i++)
		for (size_t k = 0; k < app->chains.chains[i].hop_count && !err; k++)
			err = add_hop(app, &app->chains.chains[i], k);
	return err;
}
