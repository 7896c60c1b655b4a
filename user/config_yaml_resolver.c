/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_resolver.c - resolvers: of the YAML file.
 *
 * Why: GOST lets each nameserver prefer a family of its own; a preference is the answer's, so here all say the same.
 * See: config_yaml.h, access_resolver.c (what a nameserver's addr may be).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_yaml.h"

struct nameserver {
	char *addr;
	bool prefer_ipv4, prefer_ipv6;
};

static int read_addr(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct nameserver *)target)->addr);
}

static int read_prefer(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	struct nameserver *server = target;

	if (value->kind != TREE_SCALAR)
		return yaml_fail(r, value, "expected a single value");
	if (config_parse_prefer(value->text, &server->prefer_ipv4, &server->prefer_ipv6))
		return yaml_fail(r, value, "key \"prefer\": bad value \"%.60s\": expected ipv4 or ipv6", value->text);
	return 0;
}

static int add_server(struct yaml_reader *r, const struct tree_node *value, struct resolver_section *resolver,
		      const struct nameserver *server)
{
	if (!server->addr)
		return yaml_fail(r, value, "the nameserver has no addr");
	if (resolver->servers.count && (server->prefer_ipv4 != resolver->prefer_ipv4 ||
					server->prefer_ipv6 != resolver->prefer_ipv6))
		return yaml_fail(r, value, "nameservers of one resolver cannot prefer different families");
	resolver->prefer_ipv4 = server->prefer_ipv4;
	resolver->prefer_ipv6 = server->prefer_ipv6;
	return config_names_add(&resolver->servers, server->addr) ? config_no_memory(r->err) : 0;
}

static int read_server(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"addr", read_addr}, {"prefer", read_prefer}, {0}};
	static const char *const later[] = {"chain", "clientIP", "hostname", "ttl", "timeout", "async", "only", NULL};
	struct nameserver server = {0};
	int rc = yaml_read_mapping(r, value, fields, later, "key", &server);

	if (!rc)
		rc = add_server(r, value, target, &server);
	free(server.addr);
	return rc;
}

static int read_name(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_reference(r, value, &((struct resolver_section *)target)->name);
}

static int read_servers(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_server, target);
}

static int read_resolver(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	static const struct yaml_field fields[] = {{"name", read_name}, {"nameservers", read_servers}, {0}};
	static const char *const later[] = {"plugin", NULL};
	struct resolver_section *resolver = config_new_resolver(&((struct config *)target)->access);

	if (!resolver || yaml_set_origin(r, value, &resolver->origin))
		return config_no_memory(r->err);
	int rc = yaml_read_mapping(r, value, fields, later, "key", resolver);
	if (!rc && !resolver->name)
		rc = yaml_fail(r, value, "the resolver has no name");
	return !rc && !resolver->servers.count ? yaml_fail(r, value, "resolver \"%s\" has no nameservers", resolver->name)
					       : rc;
}

int yaml_read_resolvers(struct yaml_reader *r, const struct tree_node *value, void *target)
{
	return yaml_read_list(r, value, read_resolver, target);
}
