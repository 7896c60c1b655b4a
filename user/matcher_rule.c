/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * matcher_rule.c - see matcher_rule.h.
 *
 * Why the order of the tests: a slash makes a network, a wildcard a pattern, two addresses around a dash a range; what
 * is left is an address or a name, perhaps with ports. No text has two readings.
 * Owns: nothing. Never: allocates.
 */
#include "matcher_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a text is read from, so that a sentence can show all of it. */
struct reading {
	const char *text;
	size_t len;
	char *why;
	size_t why_cap;
};

static int fail(const struct reading *r, const char *what)
{
	snprintf(r->why, r->why_cap, "\"%.*s\" %s", (int)(r->len < 64 ? r->len : 64), r->text, what);
	return -EINVAL;
}

int matcher_compare_ip(const struct addr *a, const struct addr *b)
{
	int order = addr_family(a) == AF_INET ? memcmp(&a->in4.sin_addr, &b->in4.sin_addr, 4)
					      : memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16);

	return (order > 0) - (order < 0);
}

static int parse_address(struct addr *out, const char *text, size_t len)
{
	struct addr a;

	if (addr_parse_ip(&a, text, len, 0))
		return -EINVAL;
	addr_unmap(&a);
	*out = a;
	return 0;
}

/* --- networks and ranges -------------------------------------------------------------------------------- */

static int parse_network(struct matcher_rule *rule, const struct reading *r)
{
	char copy[64];
	struct acl acl = {0};

	if (r->len >= sizeof(copy) || memchr(r->text, ',', r->len))
		return fail(r, "is not a network");
	memcpy(copy, r->text, r->len);
	copy[r->len] = '\0';
	int rc = acl_parse(&acl, copy, r->why, r->why_cap);
	if (rc)
		return rc;
	rule->kind = MATCHER_NETWORK;
	rule->network = acl.entries[0];
	acl_free(&acl);
	return 0;
}

static bool is_range(struct matcher_rule *rule, const struct reading *r)
{
	const char *dash = memchr(r->text, '-', r->len);

	if (!dash)
		return false;
	size_t low_len = (size_t)(dash - r->text);
	return !parse_address(&rule->low, r->text, low_len) &&
	       !parse_address(&rule->high, dash + 1, r->len - low_len - 1);
}

static int finish_range(struct matcher_rule *rule, const struct reading *r)
{
	rule->kind = MATCHER_RANGE;
	if (addr_family(&rule->low) != addr_family(&rule->high))
		return fail(r, "goes from one family of addresses to another");
	if (matcher_compare_ip(&rule->low, &rule->high) > 0)
		return fail(r, "ends before it begins");
	return 0;
}

/* --- hosts and patterns with ports ----------------------------------------------------------------------- */

static int parse_port(const char *text, size_t len, uint16_t *out)
{
	unsigned value = 0;

	if (!len || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value > 65535)
		return -EINVAL;
	*out = (uint16_t)value;
	return 0;
}

static int parse_ports(struct matcher_ports *out, const char *text, size_t len)
{
	const char *dash = memchr(text, '-', len);
	size_t first = dash ? (size_t)(dash - text) : len;
	struct matcher_ports ports;

	if (parse_port(text, first, &ports.min))
		return -EINVAL;
	ports.max = ports.min;
	if (dash && parse_port(dash + 1, len - first - 1, &ports.max))
		return -EINVAL;
	if (ports.min > ports.max)
		return -EINVAL;
	*out = ports;
	return 0;
}

static bool is_name_byte(char c, bool pattern)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       (pattern && (c == '*' || c == '?' || c == ':'));
}

/* Copies in lower case. */
static int take_name(struct matcher_rule *rule, const char *text, size_t len, bool pattern)
{
	if (!len || len > MATCHER_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
		if (!is_name_byte(c, pattern))
			return -EINVAL;
		rule->host[i] = c;
	}
	rule->host[len] = '\0';
	return 0;
}

/* As resolver_name_valid() says: "1.2.3" and "01.2.3.4" are typos of addresses, and labels are not empty. */
static bool is_broken_name(const char *host)
{
	return host[strspn(host, "0123456789.")] == '\0' || strstr(host, "..");
}

static int take_address(struct matcher_rule *rule, const char *text, size_t len)
{
	char ip[ADDR_TEXT_MAX];
	struct addr a;

	if (parse_address(&a, text, len))
		return -EINVAL;
	strcpy(rule->host, addr_format_ip(&a, ip));
	return 0;
}

static int parse_bracketed(struct matcher_rule *rule, const struct reading *r)
{
	const char *end = memchr(r->text, ']', r->len);
	size_t inside = end ? (size_t)(end - r->text) - 1 : 0;

	if (!end || !memchr(r->text, ':', inside + 1) || take_address(rule, r->text + 1, inside))
		return fail(r, "has no IPv6 address between brackets");
	size_t left = r->len - inside - 2;
	if (left && (end[1] != ':' || parse_ports(&rule->ports, end + 2, left - 1)))
		return fail(r, "has no port or range of ports behind the bracket");
	return 0;
}

static bool has_wildcard(const char *text, size_t len)
{
	return memchr(text, '*', len) || memchr(text, '?', len);
}

/* In a pattern a colon may also be part of an IPv6 address: "2001:db8:*". */
static bool is_address_colon(const struct reading *r, const char *colon)
{
	return memchr(r->text, ':', r->len) != colon || has_wildcard(colon, r->len - (size_t)(colon - r->text));
}

static int parse_host(struct matcher_rule *rule, const struct reading *r)
{
	const char *colon = memrchr(r->text, ':', r->len);
	size_t len = colon ? (size_t)(colon - r->text) : r->len;
	bool pattern = rule->kind == MATCHER_PATTERN;

	if (!pattern && !take_address(rule, r->text, r->len))
		return 0;
	if (r->text[0] == '[')
		return parse_bracketed(rule, r);
	if (colon && parse_ports(&rule->ports, colon + 1, r->len - len - 1)) {
		if (!pattern || !is_address_colon(r, colon))
			return fail(r, "has no port or range of ports behind the colon");
		len = r->len;
	}
	if (!pattern && !take_address(rule, r->text, len))
		return 0;
	if (take_name(rule, r->text, len, pattern) || (!pattern && is_broken_name(rule->host)))
		return fail(r, pattern ? "is not a pattern of letters, digits, dots, * and ?"
				       : "is not an address, a network, a range, a name or a pattern");
	size_t last = len - 1;
	if (!pattern && last && rule->host[last] == '.')
		rule->host[last] = '\0';
	return rule->host[0] == '.' && !rule->host[1] ? fail(r, "names nothing") : 0;
}

static int parse_client(struct matcher_rule *rule, const struct reading *r)
{
	if (take_address(rule, r->text, r->len))
		return fail(r, "is not an address, a network or a range of addresses");
	return 0;
}

static int parse_any(struct matcher_rule *rule, enum matcher_kind kind, const struct reading *r)
{
	if (memchr(r->text, '/', r->len))
		return parse_network(rule, r);
	if (is_range(rule, r))
		return finish_range(rule, r);
	if (kind == MATCHER_CLIENTS)
		return parse_client(rule, r);
	if (has_wildcard(r->text, r->len))
		rule->kind = MATCHER_PATTERN;
	return parse_host(rule, r);
}

int matcher_rule_parse(struct matcher_rule *out, enum matcher_kind kind, const char *text, char *why, size_t why_cap)
{
	struct matcher_rule rule = {.kind = MATCHER_HOST, .ports = {0, 65535}};
	struct reading r = {.text = text, .why = why, .why_cap = why_cap};

	while (*r.text == ' ' || *r.text == '\t')
		r.text++;
	for (r.len = strlen(r.text); r.len && (r.text[r.len - 1] == ' ' || r.text[r.len - 1] == '\t'); r.len--)
		;
	if (!r.len)
		return fail(&r, "is empty");
	int rc = parse_any(&rule, kind, &r);
	if (!rc)
		*out = rule;
	return rc;
}

/* --- patterns ---------------------------------------------------------------------------------------------- */

/* Only the last star needs to be gone back to: what an earlier one took stays right. */
bool matcher_pattern_fits(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = text;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern && (*pattern == '?' || *pattern == *text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
