/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_url.c - one -L string to services: [scheme://]host:port[-port][/targets][?query].
 *
 * Why: GOST's grammar, cut by hand as GOST does (a port range is no URL), but where GOST guesses
 * or drops a piece, this names the piece and stops.
 * Owns: struct url until its contents have been copied into the services.
 * Never: resolves names, checks whether a handler exists.
 * See: config_query.c for what follows '?', tests/unit/test_config_url.c, tests/fuzz/fuzz_config_url.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"
#include "config_query.h"

#define TARGETS_MAX 65536 /* ranges multiply; nobody means more */

/* One -L string taken apart; the texts point into config_add_url()'s copy of it. */
struct url {
	struct config_query query;
	struct config_spec spec;
	char handler[WORD_MAX], listener[WORD_MAX];
	struct config_hostport listen;
	unsigned ports; /* services to make */
	struct forwarder_config forwarder;
	struct metadata metadata, handler_metadata, listener_metadata;
};

/* --- scheme ------------------------------------------------------------------------------------ */

/* Listeners that GOST pairs with the handler of the same name when there are targets. */
static const char *const forwarding_listeners[] = {"tcp", "udp",  "rtcp",  "rudp",   "tun", "tap",
						   "dns", "unix", "runix", "serial", NULL};

static const char *const without_port[] = {"unix", "runix", "serial", "stdio", NULL};

/*
 * GOST's rules: "a" is both names, "a+b" is one each; what is no handler is auto, what is no listener is
 * tcp; with targets the handler becomes a forwarding one. A name that GOST does not know either is
 * kept, for config_resolve() to complain about.
 */
static int split_scheme(struct url *url, struct config_error *err)
{
	const char *scheme = url->spec.scheme;
	int rc = config_spec_split_scheme(scheme, url->handler, url->listener, err);

	if (rc)
		return rc;
	bool plus = url->listener[0] != '\0';
	if (!plus)
		strcpy(url->listener, url->handler);
	if (config_list_has(without_port, url->listener)) /* their addresses would only be called wrong */
		return config_fail(err, "scheme \"%s\" is not supported yet", scheme);
	if (plus)
		return 0;
	bool handler = config_list_has(config_gost_handlers, scheme);
	bool listener = config_list_has(config_gost_listeners, scheme);
	if (!strcmp(scheme, "https")) {
		strcpy(url->handler, "http");
		strcpy(url->listener, "tls");
		return 0;
	}
	if (!listener)
		strcpy(url->listener, "tcp");
	if (!handler && listener)
		strcpy(url->handler, "auto");
	return 0;
}

static void choose_forwarding_handler(struct url *url)
{
	if (!config_list_has(config_gost_handlers, url->handler) || !strcmp(url->handler, "relay"))
		return;
	if (config_list_has(forwarding_listeners, url->listener))
		strcpy(url->handler, url->listener);
	else
		strcpy(url->handler, "forward");
}

/* --- targets ----------------------------------------------------------------------------------- */

static int add_target(struct url *url, const struct config_hostport *hp, unsigned port,
		      struct config_error *err)
{
	if (url->forwarder.node_count >= TARGETS_MAX)
		return config_fail(err, "there are more than %d targets", TARGETS_MAX);
	struct node_config *node = config_new_node(&url->forwarder);
	if (!node)
		return config_no_memory(err);
	if (asprintf(&node->name, "target-%zu", url->forwarder.node_count - 1) < 0)
		node->name = NULL;
	if (asprintf(&node->addr, "%.*s:%u", (int)hp->host_len, hp->host, port) < 0)
		node->addr = NULL;
	return node->name && node->addr ? 0 : config_no_memory(err);
}

static int add_targets(struct url *url, const char *item, struct config_error *err)
{
	struct config_hostport hp;

	if (!*item)
		return config_fail(err, "there is an empty target between commas");
	if (strchr(item, '/'))
		return config_fail(err, "target \"%s\" has a path", item);
	int rc = config_parse_hostport(item, &hp, err);
	if (rc)
		return config_fail_at(err, rc, "target");
	if (!hp.min)
		return config_fail(err, "target \"%s\" has port 0", item);
	for (unsigned port = hp.min; port <= hp.max && !rc; port++)
		rc = add_target(url, &hp, port, err);
	return rc;
}

static int parse_path(struct url *url, struct config_error *err)
{
	char *path = url->spec.path + strspn(url->spec.path, "/");
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	if (!len)
		return 0;
	for (char *item = path; item;) {
		char *comma = strchr(item, ',');
		if (comma)
			*comma++ = '\0';
		int rc = add_targets(url, item, err);
		if (rc)
			return rc;
		item = comma;
	}
	choose_forwarding_handler(url);
	return 0;
}

/* --- services ---------------------------------------------------------------------------------- */

static size_t count_url_services(const struct config *cfg)
{
	size_t count = 0;

	for (size_t i = 0; i < cfg->service_count; i++)
		count += cfg->services[i].from_url;
	return count;
}

static int copy_node(struct forwarder_config *to, const struct node_config *from)
{
	struct node_config *node = config_new_node(to);

	if (!node)
		return -ENOMEM;
	node->name = strdup(from->name);
	node->addr = strdup(from->addr);
	return node->name && node->addr ? 0 : -ENOMEM;
}

/* One target is for all ports of a range; as many as ports, and each port has its own. */
static int copy_forwarder(struct service_config *svc, const struct url *url, unsigned index)
{
	const struct forwarder_config *from = &url->forwarder;
	size_t first = 0, end = from->node_count;
	int rc = 0;

	if (url->ports > 1 && from->node_count > 1) {
		first = index;
		end = first + 1;
	}
	svc->forwarder.selector = from->selector;
	for (size_t i = first; i < end && !rc; i++)
		rc = copy_node(&svc->forwarder, &from->nodes[i]);
	return rc;
}

static int copy_metadata(struct service_config *svc, const struct url *url)
{
	int rc = config_metadata_copy(&svc->metadata, &url->metadata);

	if (!rc)
		rc = config_metadata_copy(&svc->handler_metadata, &url->handler_metadata);
	if (!rc)
		rc = config_metadata_copy(&svc->listener_metadata, &url->listener_metadata);
	return rc;
}

static int fill_service(struct service_config *svc, const struct url *url, const char *origin, unsigned index,
			size_t number)
{
	svc->from_url = svc->handler_given = svc->listener_given = true;
	if (asprintf(&svc->name, "service-%zu", number) < 0)
		svc->name = NULL;
	if (asprintf(&svc->addr, "%.*s:%u", (int)url->listen.host_len, url->listen.host,
		     url->listen.min + index) < 0)
		svc->addr = NULL;
	svc->handler_type = strdup(url->handler);
	svc->listener_type = strdup(url->listener);
	svc->origin = strdup(origin);
	svc->scheme = url->spec.scheme ? strdup(url->spec.scheme) : NULL;
	if (!svc->name || !svc->addr || !svc->handler_type || !svc->listener_type || !svc->origin ||
	    (url->spec.scheme && !svc->scheme))
		return -ENOMEM;
	int rc = copy_metadata(svc, url);
	if (!rc)
		rc = config_auth_copy(&svc->auth, &url->query.auth);
	if (!rc)
		rc = config_tls_copy(&svc->listener_tls, &url->query.tls);
	return rc ? rc : copy_forwarder(svc, url, index);
}

static int add_services(struct config *cfg, const struct url *url, const char *origin,
			struct config_error *err)
{
	size_t number = count_url_services(cfg);

	for (unsigned i = 0; i < url->ports; i++) {
		struct service_config *svc = config_new_service(cfg);
		if (!svc || fill_service(svc, url, origin, i, number + i))
			return config_no_memory(err);
		int rc = config_special_service(&url->query.special, &cfg->access, svc, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- query ------------------------------------------------------------------------------------- */

/* "handler.x" is x in the handler's scope. */
static const unsigned prefixes[] = {SCOPE_SERVICE, SCOPE_HANDLER, SCOPE_LISTENER, 0};

static int store(struct config_query *q, unsigned scope, const struct config_key *key, const char *value,
		 struct config_error *err)
{
	struct url *url = (struct url *)((char *)q - offsetof(struct url, query));

	switch (scope) {
	case SCOPE_SERVICE:
		return config_key_add(&url->metadata, key, value, err);
	case SCOPE_HANDLER:
		return config_key_add(&url->handler_metadata, key, value, err);
	case SCOPE_LISTENER:
		return config_key_add(&url->listener_metadata, key, value, err);
	default:
		return config_selector_set(&url->forwarder.selector, &q->selector_given, key, value, err);
	}
}

static int parse_query(struct url *url, struct config_error *err)
{
	const struct tls_config *tls = &url->query.tls;
	int rc = config_query_read(&url->query, &url->spec, err);

	if (!rc && tls->present && (!tls->cert_file || !tls->key_file)) /* GOST drops what is there, also a client's CA */
		rc = config_fail(err, "a listener's certificate needs cert and key");
	return rc;
}

/* --- the whole --------------------------------------------------------------------------------- */

static int check_counts(struct url *url, struct config_error *err)
{
	size_t targets = url->forwarder.node_count;

	url->ports = url->listen.max - url->listen.min + 1;
	if (url->ports > 1 && targets > 1 && targets != url->ports)
		return config_fail(err, "%zu targets for %u ports: give one target, or one for each port",
				   targets, url->ports);
	if (url->forwarder.selector.present && !targets)
		return config_fail(err, "the query chooses between targets (strategy, maxFails, failTimeout) "
					"but there is no target");
	return 0;
}

static int parse_spec(struct url *url, char *text, struct config_error *err)
{
	int rc = config_spec_cut(&url->spec, text, err);

	strcpy(url->handler, "auto");
	strcpy(url->listener, "tcp");
	if (!rc && url->spec.scheme)
		rc = split_scheme(url, err);
	if (!rc) {
		rc = config_parse_hostport(url->spec.host, &url->listen, err);
		if (rc)
			config_fail_at(err, rc, "listen address");
	}
	if (!rc)
		rc = parse_path(url, err);
	if (!rc)
		rc = parse_query(url, err);
	return rc ? rc : check_counts(url, err);
}

static void url_fini(struct url *url)
{
	config_forwarder_fini(&url->forwarder);
	config_metadata_fini(&url->metadata);
	config_metadata_fini(&url->handler_metadata);
	config_metadata_fini(&url->listener_metadata);
	config_query_fini(&url->query);
}

static int read_url(void *ctx, char *text, const char *origin, struct config_error *err)
{
	struct url *url = ctx;

	url->query.origin = origin;
	int rc = parse_spec(url, text, err);
	return rc ? rc : add_services(url->query.cfg, url, origin, err);
}

int config_add_url(struct config *cfg, const char *spec, struct config_error *err)
{
	struct url url = {.query = {
		.cfg = cfg,
		.side = CONFIG_SIDE_SERVICE,
		.prefixes = prefixes,
		.scopes = SCOPE_URL,
		.store = store,
	}};
	int rc = config_spec_read("-L", spec, read_url, &url, err);

	url_fini(&url);
	return rc;
}
