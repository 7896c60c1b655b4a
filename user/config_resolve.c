/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_resolve.c - the checks that need the whole configuration, and the typed view of it.
 *
 * Why: whether a handler exists is the registry's business, whether a name is unique depends on all
 * sources; both belong behind parsing and before anything is opened.
 * Owns: service_options and node_options (always filled afresh). Never: changes what the user wrote.
 * See: config.h, config_keys.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_model.h"
#include "config_place.h"
#include "config_proxy.h"

static int check_types(const struct service_config *svc, const struct config_types *types,
		       struct config_error *err)
{
	const struct config_type_use uses[] = {
		{"handler", svc->handler_type, svc->handler_given, types->handlers, config_gost_handlers},
		{"listener", svc->listener_type, svc->listener_given, types->listeners, config_gost_listeners},
	};

	return config_check_types(uses, 2, svc->scheme, svc->from_url, err);
}

/* --- targets ----------------------------------------------------------------------------------- */

/* Handlers that carry bytes to a fixed target; the others learn it from the client. */
static bool needs_target(const char *handler)
{
	static const char *const forwarding[] = {"tcp",	    "udp",  "rtcp",  "rudp",
						 "forward", "unix", "runix", NULL};

	return config_list_has(forwarding, handler);
}

/* Security that would silently not happen. */
static int check_security(const struct service_config *svc, struct config_error *err)
{
	static const char *const clear[] = {"tcp", "udp", "rtcp", "rudp", NULL};

	if ((svc->auth.user || svc->authers.count) && needs_target(svc->handler_type))
		return config_fail(err, "handler \"%s\" asks nobody for user and password", svc->handler_type);
	if (svc->listener_tls.present && config_list_has(clear, svc->listener_type))
		return config_fail(err, "listener \"%s\" speaks no TLS: it has no use for a certificate",
				   svc->listener_type);
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that occurs twice among the nodes, or NULL; -ENOMEM through rc. */
static int check_node_names(const struct forwarder_config *fwd, struct config_error *err)
{
	if (fwd->node_count < 2)
		return 0;
	const char **names = calloc(fwd->node_count, sizeof(*names));
	if (!names)
		return config_no_memory(err);
	for (size_t i = 0; i < fwd->node_count; i++)
		names[i] = fwd->nodes[i].name;
	qsort(names, fwd->node_count, sizeof(*names), compare_strings);
	int rc = 0;
	for (size_t i = 1; i < fwd->node_count && !rc; i++)
		if (!strcmp(names[i - 1], names[i]))
			rc = config_fail(err, "two nodes have the name \"%s\"", names[i]);
	free(names);
	return rc;
}

static int resolve_forwarder(const struct config *cfg, struct service_config *svc, struct config_error *err)
{
	struct forwarder_config *fwd = &svc->forwarder;

	if (!fwd->node_count && needs_target(svc->handler_type) && !config_chain_is_target(cfg, svc->chain))
		return config_fail(err, "service \"%s\" has no target", svc->name);
	if (!fwd->selector.present)
		config_key_presets(SCOPE_SELECTOR, &fwd->selector);
	for (size_t i = 0; i < fwd->node_count; i++) {
		struct node_config *node = &fwd->nodes[i];
		node->opt = (struct node_options){.send_proxy = -1, .send_dst_local = -1, .send_crc32c = -1};
		config_key_presets(SCOPE_NODE, &node->opt);
		int rc = config_key_apply_all(&node->metadata, SCOPE_NODE, &node->opt, err);
		if (rc)
			return config_fail_at(err, rc, "node \"%s\"", node->name);
	}
	return check_node_names(fwd, err);
}

/* --- options ----------------------------------------------------------------------------------- */

/* The same key in two scopes would make one of them win silently. */
static int check_scopes(const struct service_config *svc, struct config_error *err)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (key->scopes != (SCOPE_SERVICE | SCOPE_HANDLER))
			continue;
		if (config_metadata_get(&svc->metadata, key->name) &&
		    config_metadata_get(&svc->handler_metadata, key->name))
			return config_fail(err, "key \"%s\" is given for the service and for its handler",
					   key->name);
	}
	return 0;
}

static int resolve_options(struct service_config *svc, enum engine_kind engine, struct config_error *err)
{
	struct service_options opt;
	int rc = check_scopes(svc, err);

	if (rc)
		return rc;
	memset(&opt, 0, sizeof(opt)); /* with its padding: a reload compares options as bytes, lists as text */
	opt.engine = engine;
	for (unsigned scope = SCOPE_SERVICE; scope <= SCOPE_LISTENER; scope <<= 1)
		config_key_presets(scope, &opt);
	rc = config_key_apply_all(&svc->metadata, SCOPE_SERVICE, &opt, err);
	if (!rc)
		rc = config_key_apply_all(&svc->handler_metadata, SCOPE_HANDLER, &opt, err);
	if (!rc)
		rc = config_key_apply_all(&svc->listener_metadata, SCOPE_LISTENER, &opt, err);
	if (!rc)
		svc->opt = opt;
	return rc;
}

static int resolve_service(struct config *cfg, struct service_config *svc, const struct config_types *types,
			   struct config_error *err)
{
	int rc = check_types(svc, types, err);

	if (!rc)
		rc = check_security(svc, err);
	if (!rc)
		rc = resolve_forwarder(cfg, svc, err);
	if (!rc)
		rc = resolve_options(svc, cfg->process.engine, err);
	if (!rc)
		rc = config_check_udp(svc, err);
	if (!rc)
		rc = config_key_check_readers(&svc->handler_metadata, SCOPE_HANDLER, svc->handler_type, svc->listener_type,
					      err);
	if (!rc)
		rc = config_finish_proxy(svc, err);
	if (!rc)
		rc = config_finish_place(svc, err);
	return rc ? config_fail_at(err, rc, "%s", svc->origin) : 0;
}

/* --- across services --------------------------------------------------------------------------- */

/* A service with its listen address taken apart; every spelling of "all addresses" has an empty host. */
struct claim {
	const struct service_config *svc;
	const char *host;
	size_t host_len;
	unsigned port;
	bool udp; /* may have the same port as a tcp one */
};

static bool is_wildcard(const char *host, size_t len)
{
	return !len || (len == 4 && !memcmp(host, "[::]", 4)) || (len == 7 && !memcmp(host, "0.0.0.0", 7));
}

static int fill_claim(struct claim *claim, const struct service_config *svc, struct config_error *err)
{
	struct config_hostport hp;
	int rc = config_parse_hostport(svc->addr, &hp, err);

	if (rc)
		return config_fail_at(err, rc, "%s", svc->origin);
	*claim = (struct claim){.svc = svc, .host = hp.host, .host_len = hp.host_len, .port = hp.min,
				 .udp = config_is_udp(svc)};
	if (is_wildcard(hp.host, hp.host_len))
		claim->host_len = 0;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct claim *)a)->svc->name, ((const struct claim *)b)->svc->name);
}

static int compare_addrs(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->udp != y->udp)
		return x->udp - y->udp;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->host_len != y->host_len)
		return x->host_len < y->host_len ? -1 : 1;
	return strncasecmp(x->host, y->host, x->host_len);
}

/* Equal ones stay in the order of the configuration, so that a message names them in that order. */
static int order_names(const void *a, const void *b)
{
	const struct service_config *x = ((const struct claim *)a)->svc, *y = ((const struct claim *)b)->svc;
	int rc = compare_names(a, b);

	return rc ? rc : (x > y) - (x < y);
}

static int order_addrs(const void *a, const void *b)
{
	const struct service_config *x = ((const struct claim *)a)->svc, *y = ((const struct claim *)b)->svc;
	int rc = compare_addrs(a, b);

	return rc ? rc : (x > y) - (x < y);
}

static int check_names(struct claim *claims, size_t count, struct config_error *err)
{
	qsort(claims, count, sizeof(*claims), order_names);
	for (size_t i = 1; i < count; i++)
		if (!compare_names(&claims[i - 1], &claims[i]))
			return config_fail(
				err, "service name \"%.100s\" is used twice: by %.170s and by %.170s",
				claims[i].svc->name, claims[i - 1].svc->origin, claims[i].svc->origin);
	return 0;
}

/* With SO_REUSEPORT the second bind would succeed, and the kernel would deal clients to both. */
static int check_addrs(struct claim *claims, size_t count, struct config_error *err)
{
	qsort(claims, count, sizeof(*claims), order_addrs);
	for (size_t i = 1; i < count; i++)
		if (claims[i].port && !compare_addrs(&claims[i - 1], &claims[i]))
			return config_fail(
				err, "listen address \"%.100s\" is used twice: by %.170s and by %.170s",
				claims[i].svc->addr, claims[i - 1].svc->origin, claims[i].svc->origin);
	return 0;
}

static int check_unique(const struct config *cfg, struct config_error *err)
{
	struct claim *claims = calloc(cfg->service_count ? cfg->service_count : 1, sizeof(*claims));
	int rc = 0;

	if (!claims)
		return config_no_memory(err);
	for (size_t i = 0; i < cfg->service_count && !rc; i++)
		rc = fill_claim(&claims[i], &cfg->services[i], err);
	if (!rc)
		rc = check_names(claims, cfg->service_count, err);
	if (!rc)
		rc = check_addrs(claims, cfg->service_count, err);
	free(claims);
	return rc;
}

int config_resolve(struct config *cfg, const struct config_types *types, struct config_error *err)
{
	for (size_t i = 0; i < cfg->service_count; i++) {
		int rc = resolve_service(cfg, &cfg->services[i], types, err);
		if (rc)
			return rc;
	}
	int rc = config_resolve_chains(cfg, types, err);
	if (!rc)
		rc = config_check_references(cfg, err);
	return rc ? rc : check_unique(cfg, err);
}
