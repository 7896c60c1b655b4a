/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.c - socket addresses as values; text by hand.
 *
 * Why: addresses are printed several times per session, so the digits are written directly instead
 * of through printf; inet_ntop() also writes ::1.2.3.4 for ::102:304, which Go (and so GOST) does not.
 * Owns: nothing.
 * Never: allocates, resolves. Only a link-local address with a zone costs a system call.
 * See: include/addr.h, RFC 5952.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

static const uint8_t v4mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

int addr_family(const struct addr *a)
{
	return addr_is_set(a) ? a->sa.sa_family : AF_UNSPEC;
}

uint16_t addr_port(const struct addr *a)
{
	switch (addr_family(a)) {
	case AF_INET:
		return ntohs(a->in4.sin_port);
	case AF_INET6:
		return ntohs(a->in6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (addr_family(a) == AF_INET)
		a->in4.sin_port = htons(port);
	else if (addr_family(a) == AF_INET6)
		a->in6.sin6_port = htons(port);
}

void addr_from_in4(struct addr *a, const void *ip4_be, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&in4.sin_addr, ip4_be, sizeof(in4.sin_addr));
	a->in4 = in4;
	a->len = sizeof(in4);
}

void addr_from_in6(struct addr *a, const void *ip6_be, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&in6.sin6_addr, ip6_be, sizeof(in6.sin6_addr));
	a->in6 = in6;
	a->len = sizeof(in6);
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	memset(a, 0, sizeof(*a));
	if (!sa || len < sizeof(sa->sa_family))
		return;
	if (len > sizeof(a->un))
		len = sizeof(a->un);
	memcpy(&a->un, sa, len);
	a->len = len;
}

bool addr_is_v4mapped(const struct addr *a)
{
	return addr_family(a) == AF_INET6 &&
	       memcmp(&a->in6.sin6_addr, v4mapped_prefix, sizeof(v4mapped_prefix)) == 0;
}

void addr_unmap(struct addr *a)
{
	uint8_t ip4[4];

	if (!addr_is_v4mapped(a))
		return;
	memcpy(ip4, &a->in6.sin6_addr.s6_addr[12], sizeof(ip4));
	addr_from_in4(a, ip4, addr_port(a));
}

void addr_map(struct addr *a)
{
	uint8_t ip6[16];

	if (addr_family(a) != AF_INET)
		return;
	memcpy(ip6, v4mapped_prefix, sizeof(v4mapped_prefix));
	memcpy(ip6 + 12, &a->in4.sin_addr, 4);
	addr_from_in6(a, ip6, addr_port(a));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	if (addr_family(a) != addr_family(b))
		return false;
	switch (addr_family(a)) {
	case AF_UNSPEC:
		return true;
	case AF_INET:
		return a->in4.sin_port == b->in4.sin_port && a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
	case AF_INET6:
		return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
		       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
	default:
		return a->len == b->len && memcmp(&a->un, &b->un, a->len) == 0;
	}
}

/* --- text out: every put_ function returns the end of what it wrote --- */

static char *put_decimal(char *p, uint32_t v)
{
	char digits[10]; /* UINT32_MAX */
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_octet(char *p, unsigned v)
{
	if (v >= 100)
		*p++ = (char)('0' + v / 100);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

static char *put_in4(char *p, const uint8_t ip[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_octet(p, ip[i]);
	}
	return p;
}

static char *put_hextet(char *p, unsigned v)
{
	static const char hex[] = "0123456789abcdef";
	int shift = 12;

	while (shift > 0 && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = hex[v >> shift & 15];
	return p;
}

static unsigned hextet(const uint8_t ip[16], int i)
{
	return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The run of zero groups that "::" replaces: the longest of at least two, the first of equals. */
static int longest_zero_run(const uint8_t ip[16], int *length)
{
	int best = -1, best_len = 1;

	for (int i = 0, run = 0; i < 8; i++) {
		run = hextet(ip, i) ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	*length = best_len;
	return best; /* none: -1, length 1, so that start + length is group 0, which has no separator */
}

static char *put_in6(char *p, const uint8_t ip[16])
{
	int zeros_len, zeros = longest_zero_run(ip, &zeros_len);

	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			*p++ = ':';
			*p++ = ':';
			i += zeros_len - 1;
			continue;
		}
		if (i && i != zeros + zeros_len)
			*p++ = ':';
		p = put_hextet(p, hextet(ip, i));
	}
	return p;
}

static char *put_zone(char *p, uint32_t scope_id)
{
	char name[IF_NAMESIZE];

	if (!scope_id)
		return p;
	*p++ = '%';
	if (!if_indextoname(scope_id, name))
		return put_decimal(p, scope_id);
	return stpcpy(p, name);
}

/* Abstract names start with NUL; each NUL prints as '@' (/proc/net/unix). No name at all is "@" (Go). */
static char *put_unix(char *p, const struct addr *a)
{
	size_t len = a->len > offsetof(struct sockaddr_un, sun_path)
			     ? a->len - offsetof(struct sockaddr_un, sun_path)
			     : 0;

	if (!len) {
		*p++ = '@';
		return p;
	}
	bool abstract = a->un.sun_path[0] == '\0';
	for (size_t i = 0; i < len; i++) {
		if (!a->un.sun_path[i] && !abstract)
			break;
		*p++ = a->un.sun_path[i] ? a->un.sun_path[i] : '@';
	}
	return p;
}

static char *put_ip(char *p, const struct addr *a)
{
	switch (addr_family(a)) {
	case AF_INET:
		return put_in4(p, (const uint8_t *)&a->in4.sin_addr);
	case AF_INET6:
		if (addr_is_v4mapped(a))
			return put_in4(p, &a->in6.sin6_addr.s6_addr[12]);
		return put_zone(put_in6(p, a->in6.sin6_addr.s6_addr), a->in6.sin6_scope_id);
	case AF_UNIX:
		return put_unix(p, a);
	default:
		return p;
	}
}

const char *addr_format_ip(const struct addr *a, char out[static ADDR_TEXT_MAX])
{
	*put_ip(out, a) = '\0';
	return out;
}

const char *addr_format(const struct addr *a, char out[static ADDR_TEXT_MAX])
{
	int family = addr_family(a);
	bool brackets = family == AF_INET6 && !addr_is_v4mapped(a);
	char *p = out;

	if (brackets)
		*p++ = '[';
	p = put_ip(p, a);
	if (brackets)
		*p++ = ']';
	if (family == AF_INET || family == AF_INET6) {
		*p++ = ':';
		p = put_decimal(p, addr_port(a));
	}
	*p = '\0';
	return out;
}

/* --- text in --- */

int addr_parse_ip(struct addr *a, const char *text, size_t len, uint16_t port)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	/* inet_pton() stops at a NUL, so a NUL inside len must be refused here. */
	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, ip) == 1)
		addr_from_in4(a, ip, port);
	else if (inet_pton(AF_INET6, copy, ip) == 1)
		addr_from_in6(a, ip, port);
	else
		return -EINVAL;
	return 0;
}

/* Decimal digits only, 0..65535. */
static int parse_port(const char *text, int *out)
{
	size_t len = strlen(text);
	int port = 0;

	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return -EINVAL;
	for (; *text; text++)
		port = port * 10 + (*text - '0');
	if (port > UINT16_MAX)
		return -EINVAL;
	*out = port;
	return 0;
}

/* Finds the host's bytes and the text after its end ("" or ":port"). */
static int split_host(const char *text, const char **host, size_t *host_len, const char **rest)
{
	size_t len;

	if (*text == '[') {
		len = strcspn(++text, "[]");
		if (text[len] != ']')
			return -EINVAL;
		*rest = text + len + 1;
	} else {
		len = strcspn(text, ":[]");
		*rest = text + len;
	}
	*host = text;
	*host_len = len;
	return **rest == '\0' || **rest == ':' ? 0 : -EINVAL;
}

int addr_split_hostport(const char *text, char *host, size_t host_cap, int *port_out)
{
	const char *start, *rest;
	size_t len;
	int port = -1;

	int err = split_host(text, &start, &len, &rest);
	if (!err && *rest)
		err = parse_port(rest + 1, &port);
	if (err)
		return err;
	if (len >= host_cap)
		return -ENAMETOOLONG;
	memcpy(host, start, len);
	host[len] = '\0';
	*port_out = port;
	return 0;
}
