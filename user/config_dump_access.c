/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_dump_access.c - authers, admissions, bypasses, hosts, resolvers and limiters of -O.
 *
 * See: config_dump.h, config_dump.c.
 */
#include "config_dump.h"

static json_t *names(struct dump *d, const struct name_list *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		dump_append(d, out, json_string(list->names[i]));
	return out;
}

/* A list that holds nothing is not printed. */
static void put_list(struct dump *d, json_t *object, const char *key, json_t *list)
{
	if (json_array_size(list))
		dump_put(d, object, key, json_incref(list));
	json_decref(list);
}

static json_t *authers(struct dump *d, const struct access_config *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->auther_count; i++) {
		json_t *out = json_object(), *auths = json_array();
		dump_put_text(d, out, "name", a->authers[i].name);
		for (size_t n = 0; n < a->authers[i].count; n++) {
			json_t *auth = json_object();
			dump_put_text(d, auth, "username", a->authers[i].auths[n].user);
			dump_put_text(d, auth, "password", a->authers[i].auths[n].password);
			dump_append(d, auths, auth);
		}
		dump_put(d, out, "auths", auths);
		dump_append(d, list, out);
	}
	return list;
}

static json_t *matchers(struct dump *d, const struct matcher_config *lists, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *out = json_object();
		dump_put_text(d, out, "name", lists[i].name);
		if (lists[i].whitelist)
			dump_put(d, out, "whitelist", json_true());
		dump_put(d, out, "matchers", names(d, &lists[i].matchers));
		dump_append(d, list, out);
	}
	return list;
}

static json_t *mappings(struct dump *d, const struct hosts_config *hosts)
{
	json_t *list = json_array();

	for (size_t i = 0; i < hosts->count; i++) {
		json_t *out = json_object();
		dump_put_text(d, out, "ip", hosts->mappings[i].ip);
		dump_put_text(d, out, "hostname", hosts->mappings[i].hostname);
		put_list(d, out, "aliases", names(d, &hosts->mappings[i].aliases));
		dump_append(d, list, out);
	}
	return list;
}

static json_t *all_hosts(struct dump *d, const struct access_config *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->hosts_count; i++) {
		json_t *out = json_object();
		dump_put_text(d, out, "name", a->hosts[i].name);
		dump_put(d, out, "mappings", mappings(d, &a->hosts[i]));
		dump_append(d, list, out);
	}
	return list;
}

static json_t *resolvers(struct dump *d, const struct access_config *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->resolver_count; i++) {
		const struct resolver_section *from = &a->resolvers[i];
		json_t *out = json_object(), *servers = json_array();
		dump_put_text(d, out, "name", from->name);
		for (size_t n = 0; n < from->servers.count; n++) {
			json_t *server = json_object();
			dump_put_text(d, server, "addr", from->servers.names[n]);
			if (from->prefer_ipv4 || from->prefer_ipv6)
				dump_put_text(d, server, "prefer", from->prefer_ipv4 ? "ipv4" : "ipv6");
			dump_append(d, servers, server);
		}
		dump_put(d, out, "nameservers", servers);
		dump_append(d, list, out);
	}
	return list;
}

static json_t *limiters(struct dump *d, const struct limiter_config *from, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *out = json_object();
		dump_put_text(d, out, "name", from[i].name);
		dump_put(d, out, "limits", names(d, &from[i].limits));
		dump_append(d, list, out);
	}
	return list;
}

void dump_access(struct dump *d, json_t *out, const struct access_config *a)
{
	put_list(d, out, "authers", authers(d, a));
	put_list(d, out, "admissions", matchers(d, a->admissions, a->admission_count));
	put_list(d, out, "bypasses", matchers(d, a->bypasses, a->bypass_count));
	put_list(d, out, "resolvers", resolvers(d, a));
	put_list(d, out, "hosts", all_hosts(d, a));
	put_list(d, out, "limiters", limiters(d, a->limiters, a->limiter_count));
	put_list(d, out, "climiters", limiters(d, a->climiters, a->climiter_count));
	put_list(d, out, "rlimiters", limiters(d, a->rlimiters, a->rlimiter_count));
}
