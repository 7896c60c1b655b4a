/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_names.c - see resolver_names.h.
 *
 * Why: plain ASCII comparisons: the process' locale must not decide what a letter is.
 * Owns: nothing.
 */
#include "resolver_names.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

static const uint8_t loopback4[4] = {127, 0, 0, 1};
static const uint8_t loopback6[16] = {[15] = 1};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* An interface's name, or its number. 0 = neither. */
static unsigned zone_index(const char *zone)
{
	unsigned long long number = 0;
	size_t len = strlen(zone);

	if (len && len <= 10 && strspn(zone, "0123456789") == len) {
		for (; *zone; zone++)
			number = number * 10 + (unsigned)(*zone - '0');
		return number <= UINT32_MAX ? (unsigned)number : 0;
	}
	return if_nametoindex(zone);
}

static int numeric_with_zone(const char *host, const char *percent, struct addr *out)
{
	struct addr a;

	if (addr_parse_ip(&a, host, (size_t)(percent - host), 0) < 0 || addr_family(&a) != AF_INET6)
		return 0;
	a.in6.sin6_scope_id = zone_index(percent + 1);
	if (!a.in6.sin6_scope_id)
		return -ENODEV;
	*out = a;
	return 1;
}

int resolver_name_numeric(const char *host, struct addr *out)
{
	const char *percent = strchr(host, '%');

	if (!*host) {
		addr_from_in4(&out[0], loopback4, 0);
		addr_from_in6(&out[1], loopback6, 0);
		return 2;
	}
	if (percent)
		return numeric_with_zone(host, percent, out);
	return addr_parse_ip(out, host, strlen(host), 0) == 0 ? 1 : 0;
}

/* Length of a label, or 0 when it is none. */
static size_t label_len(const char *s)
{
	size_t n = 0;

	while ((to_lower(s[n]) >= 'a' && to_lower(s[n]) <= 'z') || is_digit(s[n]) || s[n] == '-' ||
	       s[n] == '_')
		n++;
	return n <= 63 ? n : 0;
}

bool resolver_name_valid(const char *host)
{
	size_t len = strlen(host);

	if (len > RESOLVER_NAME_MAX || (len == RESOLVER_NAME_MAX && host[len - 1] != '.'))
		return false;
	if (strspn(host, "0123456789.") == len)
		return false;
	for (;;) {
		size_t n = label_len(host);
		if (!n)
			return false;
		host += n;
		if (!*host || strcmp(host, ".") == 0)
			return true;
		if (*host++ != '.')
			return false;
	}
}

void resolver_name_key(const char *host, char out[static RESOLVER_NAME_MAX + 1])
{
	do
		*out++ = to_lower(*host);
	while (*host++);
}
