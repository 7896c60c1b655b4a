/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.c - one row per handler, listener, connector and engine.
 *
 * Owns: the tables. Never: knows what a row does. See: include/registry.h.
 */
#include "registry.h"

#include <stddef.h>
#include <strings.h>

#include "connector.h"
#include "engine.h"
#include "handler.h"

static const struct handler_ops *const handlers[] = {
	&handler_tcp_ops,
};

static const struct connector_ops *const connectors[] = {
	&connector_tcp_ops,
	&connector_forward_ops,
};

static const struct engine_ops *const engines[] = {
	&engine_auto_ops,
	&engine_sockmap_ops,
	&engine_splice_ops,
	&engine_copy_ops,
};

static const char *const handler_names[] = {"tcp", "udp", NULL};
static const char *const listener_names[] = {"tcp", "udp", NULL};
static const char *const connector_names[] = {NULL};
static const char *const dialer_names[] = {"tcp", NULL};

const struct config_types registry_types = {
	.handlers = handler_names,
	.listeners = listener_names,
	.connectors = connector_names,
	.dialers = dialer_names,
};

const struct handler_ops *registry_handler(const char *name)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (strcasecmp(handlers[i]->name, name) == 0)
			return handlers[i];
	return NULL;
}

const struct connector_ops *registry_connector(const char *name)
{
	for (size_t i = 0; i < sizeof(connectors) / sizeof(connectors[0]); i++)
		if (strcasecmp(connectors[i]->name, name) == 0)
			return connectors[i];
	return NULL;
}

const struct engine_ops *registry_engine(enum engine_kind kind)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (engines[i]->kind == kind)
			return engines[i];
	return NULL;
}
