/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_resolver.c - the nameservers of a resolvers: section, as one list.
 *
 * Why servers must be addresses: to ask a name for the way to ask names would need a second resolver.
 * Owns: nothing. Never: asks anybody.
 * See: access.h, resolver.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "access.h"

enum { DNS_PORT = 53 };

static int fail(const char *text, const char *what, char *why, size_t why_cap)
{
	snprintf(why, why_cap, "nameserver \"%.64s\" %s", text, what);
	return -EINVAL;
}

static int take_scheme(const char **text, bool *tcp)
{
	const char *sep = strstr(*text, "://");

	*tcp = false;
	if (!sep)
		return 0;
	*tcp = !strncmp(*text, "tcp://", 6);
	if (!*tcp && strncmp(*text, "udp://", 6))
		return -EINVAL;
	*text = sep + 3;
	return 0;
}

static int parse_address(const char *text, struct addr *out)
{
	char host[ADDR_TEXT_MAX];
	int port;

	if (!addr_parse_ip(out, text, strlen(text), DNS_PORT))
		return 0;
	if (addr_split_hostport(text, host, sizeof(host), &port) || !port)
		return -EINVAL;
	return addr_parse_ip(out, host, strlen(host), port < 0 ? DNS_PORT : (uint16_t)port);
}

/* One more of the list; tcp is the same for all. */
static int add_server(struct access_resolver *r, const char *server, bool first, char *why, size_t why_cap)
{
	const char *text = server;
	char at[ADDR_TEXT_MAX];
	struct addr addr;
	bool tcp;

	if (take_scheme(&text, &tcp))
		return fail(server, "is not reached by udp:// or tcp://", why, why_cap);
	if (parse_address(text, &addr))
		return fail(server, "is not an address or address:port", why, why_cap);
	if (!first && tcp != r->tcp)
		return fail(server, "is asked another way than the one before it", why, why_cap);
	r->tcp = tcp;
	addr_format(&addr, at);
	strcat(r->servers, first ? "" : ",");
	strcat(r->servers, at);
	return 0;
}

int access_resolver_parse(struct access_resolver *out, const struct resolver_section *cfg, char *why, size_t why_cap)
{
	struct access_resolver r = {.prefer = cfg->prefer_ipv6 ? AF_INET6 : cfg->prefer_ipv4 ? AF_INET : AF_UNSPEC};
	int rc = 0;

	if (!cfg->servers.count) {
		snprintf(why, why_cap, "has no nameservers");
		return -EINVAL;
	}
	r.servers = calloc(cfg->servers.count, ADDR_TEXT_MAX + 1);
	if (!r.servers)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->servers.count && !rc; i++)
		rc = add_server(&r, cfg->servers.names[i], !i, why, why_cap);
	if (rc) {
		free(r.servers);
		return rc;
	}
	*out = r;
	return 0;
}
