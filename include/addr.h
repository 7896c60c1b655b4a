/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h - one socket address, and its text forms.
 *
 * Why: every module compares, prints and parses addresses; one union keeps
 * the casts in one file and makes v4-mapped IPv6 a decision taken once.
 * Owns: nothing (plain values, copy freely).
 * Never: resolves names (see resolver.h), does I/O.
 * See: RFC 5952 (IPv6 text), tests/unit/test_addr.c.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct addr {
	socklen_t len; /* 0 = no address */
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

/* "[2001:db8::1%eth0]:65535" and a UNIX path of 108 bytes both fit, with NUL. */
#define ADDR_TEXT_MAX 128

static inline bool addr_is_set(const struct addr *a)
{
	return a->len != 0;
}

/* AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC when nothing is set. */
int addr_family(const struct addr *a);
/* Host byte order; 0 for UNIX and unset addresses. */
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);

void addr_from_in4(struct addr *a, const void *ip4_be, uint16_t port);
void addr_from_in6(struct addr *a, const void *ip6_be, uint16_t port);
/* Copies at most sizeof the union; a longer length is cut. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len);

/* True for ::ffff:a.b.c.d. */
bool addr_is_v4mapped(const struct addr *a);
/* ::ffff:a.b.c.d becomes a.b.c.d; everything else is unchanged. */
void addr_unmap(struct addr *a);
/* a.b.c.d becomes ::ffff:a.b.c.d; everything else is unchanged. */
void addr_map(struct addr *a);

/* Same family, address and port (a v4-mapped address differs from its IPv4 form). */
bool addr_equal(const struct addr *a, const struct addr *b);

/*
 * "1.2.3.4:80", "[2001:db8::1]:80" (RFC 5952, zone kept), "/run/x.sock", "@abstract",
 * or "" when unset. v4-mapped addresses print as IPv4, as Go (and so GOST) does.
 * Always NUL-terminates; returns out.
 */
const char *addr_format(const struct addr *a, char out[static ADDR_TEXT_MAX]);
/* The same without the port. */
const char *addr_format_ip(const struct addr *a, char out[static ADDR_TEXT_MAX]);

/*
 * Numeric IP text of exactly len bytes (no brackets, no zone) -> address with the given port.
 * 0, or -EINVAL. Strict: no leading zeros, no short forms, no NUL inside.
 */
int addr_parse_ip(struct addr *a, const char *text, size_t len, uint16_t port);

/*
 * "host:port", "[v6]:port", ":port", "host" -> host (NUL-terminated copy, "" when empty, brackets
 * removed) and port. port_out is -1 when there is no port. 0, or -EINVAL (bad port, stray
 * bracket, more than one colon outside brackets), or -ENAMETOOLONG.
 */
int addr_split_hostport(const char *text, char *host, size_t host_cap, int *port_out);
