/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_socks.c - see proto_socks.h.
 *
 * Why names are looked at: a NUL would cut the name that is checked from the one that is meant, and a line break has no
 * business in a log or a Host header.
 * Owns: nothing. Never: allocates.
 */
#include "proto_socks.h"

#include <string.h>

bool socks_target_name(struct socks_target *t, const uint8_t *name, size_t len)
{
	if (len > SOCKS_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] == 0x7f)
			return false;
	memcpy(t->host, name, len);
	t->host[len] = '\0';
	return true;
}

void socks_target_addr(struct socks_target *t, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	struct addr plain = *a;

	if (addr_family(&plain) == AF_INET6)
		plain.in6.sin6_scope_id = 0; /* the protocol has no zones */
	addr_unmap(&plain);
	t->port = addr_port(&plain);
	strcpy(t->host, addr_family(&plain) == AF_UNIX ? "" : addr_format_ip(&plain, text));
}

bool socks_target_is_numeric(const struct socks_target *t, struct addr *out)
{
	struct addr a = {0};

	if (addr_parse_ip(&a, t->host, strlen(t->host), t->port))
		return false;
	addr_unmap(&a);
	*out = a;
	return true;
}
