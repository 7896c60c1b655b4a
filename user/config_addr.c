/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_addr.c - the grammar of host:port and host:min-max, checked as text.
 *
 * Why: GOST turns a port it cannot read into 0 and listens somewhere at random; a typing error in an
 * address is worth an error at start, before anything is bound or resolved.
 * Never: resolves a name, allocates.
 * See: config_url.c, config_yaml.c, tests/unit/test_config_addr.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "config_parts.h"

#define PORT_MAX 65535
#define HOST_MAX 253 /* the longest name DNS can carry */

/* What stands between brackets: an IPv6 address, perhaps with a zone. */
static bool is_ipv6(const char *text, size_t len)
{
	char addr[INET6_ADDRSTRLEN];
	struct in6_addr bin;
	const char *zone = memchr(text, '%', len);
	size_t addr_len = zone ? (size_t)(zone - text) : len;

	if (addr_len >= sizeof(addr))
		return false;
	if (zone && (len - addr_len < 2 || len - addr_len > IF_NAMESIZE))
		return false;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	return inet_pton(AF_INET6, addr, &bin) == 1;
}

/* Only digits and points: meant as an address, so it must be one. */
static bool is_bad_ipv4(const char *host, size_t len)
{
	char addr[INET_ADDRSTRLEN] = "";
	struct in_addr bin;

	if (!len || strspn(host, "0123456789.") < len)
		return false;
	if (len >= sizeof(addr))
		return true;
	memcpy(addr, host, len);
	return inet_pton(AF_INET, addr, &bin) != 1;
}

static int check_name(const char *text, const char *host, size_t len, struct config_error *err)
{
	if (len > HOST_MAX)
		return config_fail(err, "\"%.60s...\" has too long a host name", text);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)host[i];
		if (c == ':')
			return config_fail(
				err, "\"%s\" has more than one colon; an IPv6 address needs brackets", text);
		if (!isalnum(c) && !strchr("-._", c))
			return config_fail(err, "\"%s\" has \"%c\" in its host name", text,
					   c < 0x7f ? c : '?');
	}
	if (is_bad_ipv4(host, len))
		return config_fail(err, "\"%s\" has a host that is not an IPv4 address", text);
	return 0;
}

/* Finds the end of the host: its colon, from the right, or the one behind the bracket. */
static int split_host(const char *text, size_t *host_len, const char **port, struct config_error *err)
{
	const char *colon = strrchr(text, ':');

	if (text[0] != '[') {
		if (!colon)
			return config_fail(err, "\"%s\" has no port", text);
		*host_len = (size_t)(colon - text);
		*port = colon + 1;
		return check_name(text, text, *host_len, err);
	}
	const char *end = strchr(text, ']');
	if (!end)
		return config_fail(err, "\"%s\" has no closing bracket", text);
	if (end[1] != ':')
		return config_fail(err, "\"%s\" has no port behind the bracket", text);
	if (!is_ipv6(text + 1, (size_t)(end - text - 1)))
		return config_fail(err, "\"%s\" has no IPv6 address between its brackets", text);
	*host_len = (size_t)(end + 1 - text);
	*port = end + 2;
	return 0;
}

static int parse_port(const char *text, const char *port, size_t len, unsigned *out, struct config_error *err)
{
	unsigned value = 0;

	if (!len)
		return config_fail(err, "\"%s\" has an empty port", text);
	if (strspn(port, "0123456789") < len)
		return config_fail(err, "\"%s\" has a port that is not a number", text);
	for (size_t i = 0; i < len && value <= PORT_MAX; i++)
		value = value * 10 + (unsigned)(port[i] - '0');
	if (value > PORT_MAX)
		return config_fail(err, "\"%s\" has a port above %d", text, PORT_MAX);
	*out = value;
	return 0;
}

static int parse_ports(const char *text, const char *port, struct config_hostport *hp,
		       struct config_error *err)
{
	const char *dash = strchr(port, '-');
	size_t len = dash ? (size_t)(dash - port) : strlen(port);

	if (dash == port)
		return config_fail(err, "\"%s\" has a port that is not a number", text);
	int rc = parse_port(text, port, len, &hp->min, err);
	if (rc)
		return rc;
	hp->max = hp->min;
	if (!dash)
		return 0;
	rc = parse_port(text, dash + 1, strlen(dash + 1), &hp->max, err);
	if (rc)
		return rc;
	if (hp->min > hp->max)
		return config_fail(err, "\"%s\" has a port range that runs backwards", text);
	if (!hp->min)
		return config_fail(err, "\"%s\" has a port range that starts at 0", text);
	return 0;
}

int config_parse_hostport(const char *text, struct config_hostport *out, struct config_error *err)
{
	struct config_hostport hp = {.host = text};
	const char *port = text;
	int rc = split_host(text, &hp.host_len, &port, err);

	if (!rc)
		rc = parse_ports(text, port, &hp, err);
	if (!rc)
		*out = hp;
	return rc;
}

int config_check_addr(const char *text, enum config_addr_use use, struct config_error *err)
{
	static const char *const names[] = {"listen address", "target", "node"};
	struct config_hostport hp;
	int rc = config_parse_hostport(text, &hp, err);

	if (!rc && hp.min != hp.max)
		rc = config_fail(err, "\"%s\" is a port range, which only -L can expand", text);
	if (!rc && !hp.min && use != CONFIG_ADDR_LISTEN)
		rc = config_fail(err, "\"%s\" has port 0", text);
	return rc ? config_fail_at(err, rc, "%s", names[use]) : 0;
}
