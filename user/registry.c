/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.c - one row per handler, listener, connector, dialer and engine.
 *
 * Why a row has a name of its own: several names may stand for one implementation, as in GOST.
 * Owns: the tables. Never: knows what a row does. See: include/registry.h.
 */
#include "registry.h"

#include <stddef.h>
#include <strings.h>

#include "connector.h"
#include "engine.h"
#include "handler.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static const struct handler_row {
	const char *name;
	const struct handler_ops *ops; /* NULL: datagrams, served without a handler */
} handlers[] = {
	{"tcp", &handler_tcp_ops},
	{"forward", &handler_tcp_ops},
	{"rtcp", &handler_tcp_ops},
	{"http", &handler_http_ops},
	{"socks4", &handler_socks4_ops},
	{"socks4a", &handler_socks4_ops},
	{"socks5", &handler_socks5_ops},
	{"socks", &handler_socks5_ops},
	{"auto", &handler_auto_ops},
	{"relay", &handler_relay_ops},
	{"udp", NULL},
	{"rudp", NULL},
};

static const struct connector_row {
	const char *name;
	const struct connector_ops *ops;
} connectors[] = {
	{"tcp", &connector_tcp_ops},
	{"forward", &connector_forward_ops},
	{"http", &connector_http_ops},
	{"socks4", &connector_socks4_ops},
	{"socks4a", &connector_socks4a_ops},
	{"socks5", &connector_socks5_ops},
	{"socks", &connector_socks_ops},
	{"relay", &connector_relay_ops},
};

static const char *const listeners[] = {"tcp", "rtcp", "udp", "rudp", "tls"};
static const char *const dialers[] = {"tcp", "tls"};

static const struct engine_ops *const engines[] = {
	&engine_auto_ops,
	&engine_sockmap_ops,
	&engine_splice_ops,
	&engine_copy_ops,
};

_Static_assert(ROWS(handlers) < REGISTRY_NAMES_MAX && ROWS(connectors) < REGISTRY_NAMES_MAX, "names end with NULL");
_Static_assert(ROWS(listeners) < REGISTRY_NAMES_MAX && ROWS(dialers) < REGISTRY_NAMES_MAX, "names end with NULL");

void registry_list(struct registry_names *out)
{
	*out = (struct registry_names){0};
	for (size_t i = 0; i < ROWS(handlers); i++)
		out->handlers[i] = handlers[i].name;
	for (size_t i = 0; i < ROWS(connectors); i++)
		out->connectors[i] = connectors[i].name;
	for (size_t i = 0; i < ROWS(listeners); i++)
		out->listeners[i] = listeners[i];
	for (size_t i = 0; i < ROWS(dialers); i++)
		out->dialers[i] = dialers[i];
	out->types = (struct config_types){
		.handlers = out->handlers,
		.listeners = out->listeners,
		.connectors = out->connectors,
		.dialers = out->dialers,
	};
}

const struct handler_ops *registry_handler(const char *name)
{
	for (size_t i = 0; i < ROWS(handlers); i++)
		if (strcasecmp(handlers[i].name, name) == 0)
			return handlers[i].ops;
	return NULL;
}

const struct connector_ops *registry_connector(const char *name)
{
	for (size_t i = 0; i < ROWS(connectors); i++)
		if (strcasecmp(connectors[i].name, name) == 0)
			return connectors[i].ops;
	return NULL;
}

const struct engine_ops *registry_engine(enum engine_kind kind)
{
	for (size_t i = 0; i < ROWS(engines); i++)
		if (engines[i]->kind == kind)
			return engines[i];
	return NULL;
}
