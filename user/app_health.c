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
	int err = app->health ? 0 : health_new(&app->health, app->loop, app->log);
	return err ? err : health_add(app->health, target);
}

static const struct access_resolver *resolver_at(const struct app *app, int index)
{
	return index < 0 ? NULL : &app->access.resolvers[index];
}

static int add_service(struct app *app, struct service *svc)
{
	const char *unreachable = svc->datagram ? "it is a UDP target" : svc->chain ? "it is behind a chain" : NULL;
	int err = 0;

	for (size_t i = 0; i < svc->node_count && !err; i++) {
		const struct service_node *node = &svc->nodes[i];
		const struct node_options *opt = &svc->cfg->forwarder.nodes[i].opt;
		err = add(app, &(struct health_target){
				       .selector = svc->selector,
				       .node = i,
				       .owner = svc->cfg->name,
				       .name = node->name,
				       .text = node->text,
				       .host = node->host,
				       .port = node->port,
				       .hosts = svc->access.hosts,
				       .resolver = resolver_at(app, svc->access.resolver),
				       .socket_opt = &svc->dial_opt,
				       .header_version = node->send.version,
				       .interval_ns = opt->probe_interval_ns,
				       .timeout_ns = opt->probe_timeout_ns,
			       },
			  unreachable);
	}
	return err;
}

static int add_hop(struct app *app, struct chain_hop *hop, bool first)
{
	int err = 0;

	for (size_t i = 0; i < hop->node_count && !err; i++) {
		const struct chain_node *node = &hop->nodes[i];
		err = add(app, &(struct health_target){
				       .selector = hop->selector,
				       .node = i,
				       .owner = hop->cfg->name,
				       .name = node->cfg->name,
				       .text = node->cfg->addr,
				       .host = node->host,
				       .port = node->port,
				       .hosts = node->hosts,
				       .resolver = resolver_at(app, node->resolver),
				       .socket_opt = &node->socket_opt,
				       .header_version = node->send.version,
				       .interval_ns = node->cfg->opt.probe_interval_ns,
				       .timeout_ns = node->cfg->opt.probe_timeout_ns,
			       },
			  first ? NULL : "it is behind another hop");
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
			err = add_hop(app, &app->chains.chains[i].hops[k], !k);
	return err;
}
