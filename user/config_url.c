/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_url.c - one -L string to services: [scheme://]host:port[-port][/targets][?query].
 *
 * Why: GOST's grammar, cut by hand as GOST does (a port range is no URL), but where GOST guesses
 * or drops a piece, this names the piece and stops.
 * Owns: struct url until its contents have been copied into the services.
 * Never: resolves names, checks whether a handler exists.
 * See: config_url_query.c for what follows '?', tests/unit/test_config_url.c, tests/fuzz/fuzz_config_url.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_url.h"

#define SPEC_SHOWN  180	  /* of a long -L in a message */
#define TARGETS_MAX 65536 /* ranges multiply; nobody means more */

/* --- cutting ----------------------------------------------------------------------------------- */

static bool is_scheme(const char *text, size_t len)
{
	if (!len || !isalpha((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("+.-", text[i]))
			return false;
	return true;
}

/* A spec that starts with ':' or has no "://" is auto's, as in GOST. */
static int cut_scheme(struct url *url, char **rest, struct config_error *err)
{
	char *sep = (*rest)[0] == ':' ? NULL : strstr(*rest, "://");

	if (!sep)
		return 0;
	if (!is_scheme(*rest, (size_t)(sep - *rest)))
		return config_fail(err, "\"%.*s\" is not a scheme", (int)(sep - *rest), *rest);
	*sep = '\0';
	for (char *p = *rest; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	url->scheme = *rest;
	*rest = sep + 3;
	return 0;
}

/* host | path | query, all inside the copy of the spec. */
static int cut_parts(struct url *url, char *rest, struct config_error *err)
{
	char *query = strchr(rest, '?');
	char *path;

	if (strchr(rest, '#'))
		return config_fail(err, "\"#\" has no meaning here; write %%23");
	if (query)
		*query++ = '\0';
	path = strchr(rest, '/');
	if (path)
		*path++ = '\0';
	if (strrchr(rest, '@'))
		return config_fail(err, "user and password (auth) before \"%s\": not supported yet",
				   strrchr(rest, '@'));
	if ((path && strchr(path, '@')) || (query && strchr(query, '@')))
		return config_fail(
			err, "\"@\" behind the host: write %%2F and %%3F for \"/\" and \"?\" in a password");
	url->host = rest;
	url->path = path ? path : rest + strlen(rest);
	url->query = query ? query : rest + strlen(rest);
	return 0;
}

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
	char *plus = strchr(url->scheme, '+');
	size_t len = strlen(url->scheme), handler_len = plus ? (size_t)(plus - url->scheme) : len;

	if (plus && strchr(plus + 1, '+'))
		return config_fail(err, "scheme \"%s\" has more than two parts", url->scheme);
	if (len >= WORD_MAX || !handler_len || (plus && !plus[1]))
		return config_fail(err, "\"%.*s\" is not a scheme", WORD_MAX, url->scheme);
	memcpy(url->handler, url->scheme, handler_len);
	url->handler[handler_len] = '\0';
	strcpy(url->listener, plus ? plus + 1 : url->scheme);
	if (config_list_has(without_port, url->listener)) /* their addresses would only be called wrong */
		return config_fail(err, "scheme \"%s\" is not supported yet", url->scheme);
	if (plus)
		return 0;
	bool handler = config_list_has(config_gost_handlers, url->scheme);
	bool listener = config_list_has(config_gost_listeners, url->scheme);
	if (!strcmp(url->scheme, "https")) {
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
	char *path = url->path + strspn(url->path, "/");
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

static int shown(ptrdiff_t len)
{
	return len < SPEC_SHOWN ? (int)len : SPEC_SHOWN;
}

/* The password of a -L must not come back on a terminal or in a log. */
static char *describe(const char *spec)
{
	const char *start = strstr(spec, "://");
	const char *host = start ? start + 3 : spec;
	const char *at = strrchr(host, '@');
	const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	char *out = NULL;
	int rc;

	if (colon)
		rc = asprintf(&out, "-L \"%.*s:***%.*s\"", shown(colon - spec), spec, SPEC_SHOWN, at);
	else
		rc = asprintf(&out, "-L \"%.*s%s\"", SPEC_SHOWN, spec,
			      strlen(spec) > SPEC_SHOWN ? "..." : "");
	return rc < 0 ? NULL : out;
}

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
	svc->scheme = url->scheme ? strdup(url->scheme) : NULL;
	if (!svc->name || !svc->addr || !svc->handler_type || !svc->listener_type || !svc->origin ||
	    (url->scheme && !svc->scheme))
		return -ENOMEM;
	int rc = copy_metadata(svc, url);
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
	}
	return 0;
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

static int parse_spec(struct url *url, char *spec, struct config_error *err)
{
	char *rest = spec;
	int rc;

	for (const char *p = spec; *p; p++)
		if (iscntrl((unsigned char)*p))
			return config_fail(err, "there is a control character in it");
	if (!*spec)
		return config_fail(err, "it is empty");
	strcpy(url->handler, "auto");
	strcpy(url->listener, "tcp");
	rc = cut_scheme(url, &rest, err);
	if (!rc && url->scheme)
		rc = split_scheme(url, err);
	if (!rc)
		rc = cut_parts(url, rest, err);
	if (!rc) {
		rc = config_parse_hostport(url->host, &url->listen, err);
		if (rc)
			config_fail_at(err, rc, "listen address");
	}
	if (!rc)
		rc = parse_path(url, err);
	if (!rc)
		rc = config_url_query(url, err);
	return rc ? rc : check_counts(url, err);
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static void url_fini(struct url *url)
{
	config_forwarder_fini(&url->forwarder);
	config_metadata_fini(&url->metadata);
	config_metadata_fini(&url->handler_metadata);
	config_metadata_fini(&url->listener_metadata);
	config_metadata_fini(&url->selector_given);
}

int config_add_url(struct config *cfg, const char *spec, struct config_error *err)
{
	struct url url = {0};
	char *copy = strdup(spec), *origin = describe(spec);
	int rc;

	if (!copy || !origin) {
		rc = config_no_memory(err);
		goto out;
	}
	rc = parse_spec(&url, trim(copy), err);
	if (!rc)
		rc = add_services(cfg, &url, origin, err);
	if (rc)
		config_fail_at(err, rc, "%s", origin);
out:
	url_fini(&url);
	free(origin);
	free(copy);
	return rc;
}
