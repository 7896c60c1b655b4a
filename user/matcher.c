/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * matcher.c - see matcher.h. Names and single addresses in a table, the rest in arrays that are walked.
 *
 * Why: lists of ten thousand names are common, lists of ten thousand patterns are not. A name is looked up as itself,
 * then as suffix of each of its parents, so the cost does not depend on the list's length.
 * Owns: the rules. Never: changes after matcher_new(): all workers read it.
 */
#include "matcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

#include "acl.h"
#include "matcher_rule.h"

struct host_rule {
	UT_hash_handle hh;
	struct host_rule *next; /* same host, other ports */
	struct matcher_ports ports;
	char host[];
};

struct range_rule {
	struct addr low, high;
};

struct pattern_rule {
	struct matcher_ports ports;
	char text[MATCHER_HOST_MAX + 1];
};

struct matcher {
	bool whitelist;
	struct host_rule *hosts;
	struct acl networks;
	struct range_rule *ranges;
	struct pattern_rule *patterns;
	size_t range_count, pattern_count;
};

/* --- making -------------------------------------------------------------------------------------------- */

static int add_host(struct matcher *m, const struct matcher_rule *rule)
{
	size_t len = strlen(rule->host);
	struct host_rule *host = calloc(1, sizeof(*host) + len + 1), *first;

	if (!host)
		return -ENOMEM;
	memcpy(host->host, rule->host, len + 1);
	host->ports = rule->ports;
	HASH_FIND(hh, m->hosts, rule->host, len, first);
	if (first) {
		host->next = first->next;
		first->next = host;
		return 0;
	}
	size_t before = HASH_COUNT(m->hosts);
	HASH_ADD_KEYPTR(hh, m->hosts, host->host, len, host);
	if (HASH_COUNT(m->hosts) == before) {
		free(host);
		return -ENOMEM;
	}
	return 0;
}

/* The arrays have been made large enough for every text. */
static int add_rule(struct matcher *m, const struct matcher_rule *rule)
{
	switch (rule->kind) {
	case MATCHER_NETWORK:
		m->networks.entries[m->networks.count++] = rule->network;
		return 0;
	case MATCHER_RANGE:
		m->ranges[m->range_count++] = (struct range_rule){rule->low, rule->high};
		return 0;
	case MATCHER_PATTERN:
		m->patterns[m->pattern_count].ports = rule->ports;
		memcpy(m->patterns[m->pattern_count++].text, rule->host, sizeof(rule->host));
		return 0;
	case MATCHER_HOST:
		break;
	}
	return add_host(m, rule);
}

static int make_room(struct matcher *m, const size_t counts[])
{
	m->networks.entries = calloc(counts[MATCHER_NETWORK] + 1, sizeof(*m->networks.entries));
	m->ranges = calloc(counts[MATCHER_RANGE] + 1, sizeof(*m->ranges));
	m->patterns = calloc(counts[MATCHER_PATTERN] + 1, sizeof(*m->patterns));
	return m->networks.entries && m->ranges && m->patterns ? 0 : -ENOMEM;
}

/* Reads the texts twice: once to count what there is of each kind. */
static int fill(struct matcher *m, enum matcher_kind kind, char *const *texts, size_t count, char *why, size_t why_cap)
{
	size_t counts[MATCHER_PATTERN + 1] = {0};
	struct matcher_rule rule;

	for (size_t i = 0; i < count; i++) {
		int rc = matcher_rule_parse(&rule, kind, texts[i], why, why_cap);
		if (rc)
			return rc;
		counts[rule.kind]++;
	}
	int rc = make_room(m, counts);
	for (size_t i = 0; i < count && !rc; i++) {
		rc = matcher_rule_parse(&rule, kind, texts[i], why, why_cap);
		if (!rc)
			rc = add_rule(m, &rule);
	}
	return rc;
}

int matcher_new(struct matcher **out, enum matcher_kind kind, bool whitelist, char *const *texts, size_t count,
		char *why, size_t why_cap)
{
	struct matcher *m = calloc(1, sizeof(*m));
	int rc = m ? fill(m, kind, texts, count, why, why_cap) : -ENOMEM;

	if (rc) {
		matcher_free(m);
		return rc;
	}
	m->whitelist = whitelist;
	*out = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	struct host_rule *host, *tmp;

	if (!m)
		return;
	HASH_ITER(hh, m->hosts, host, tmp) {
		HASH_DEL(m->hosts, host);
		for (struct host_rule *next; host; host = next) {
			next = host->next;
			free(host);
		}
	}
	acl_free(&m->networks);
	free(m->ranges);
	free(m->patterns);
	free(m);
}

/* --- asking --------------------------------------------------------------------------------------------- */

static bool has_port(const struct matcher_ports *ports, uint16_t port)
{
	return port >= ports->min && port <= ports->max;
}

static bool in_table(const struct matcher *m, const char *host, size_t len, uint16_t port)
{
	struct host_rule *rule;

	HASH_FIND(hh, m->hosts, host, len, rule);
	for (; rule; rule = rule->next)
		if (has_port(&rule->ports, port))
			return true;
	return false;
}

static bool in_patterns(const struct matcher *m, const char *host, uint16_t port)
{
	for (size_t i = 0; i < m->pattern_count; i++)
		if (has_port(&m->patterns[i].ports, port) && matcher_pattern_fits(m->patterns[i].text, host))
			return true;
	return false;
}

static bool in_ranges(const struct matcher *m, const struct addr *ip)
{
	for (size_t i = 0; i < m->range_count; i++)
		if (addr_family(&m->ranges[i].low) == addr_family(ip) &&
		    matcher_compare_ip(&m->ranges[i].low, ip) <= 0 && matcher_compare_ip(ip, &m->ranges[i].high) <= 0)
			return true;
	return false;
}

static bool hits_ip(const struct matcher *m, const struct addr *any, uint16_t port)
{
	struct addr ip = *any;
	char text[ADDR_TEXT_MAX];

	addr_unmap(&ip);
	if (addr_family(&ip) != AF_INET && addr_family(&ip) != AF_INET6)
		return false;
	if (addr_family(&ip) == AF_INET6)
		ip.in6.sin6_scope_id = 0; /* a zone says through which interface, not who */
	addr_format_ip(&ip, text);
	return acl_match(&m->networks, &ip) || in_ranges(m, &ip) || in_table(m, text, strlen(text), port) ||
	       in_patterns(m, text, port);
}

bool matcher_hits_addr(const struct matcher *m, const struct addr *a)
{
	return hits_ip(m, a, addr_port(a));
}

static bool hits_name(const struct matcher *m, const char *host, uint16_t port)
{
	char name[MATCHER_HOST_MAX + 3]; /* with a dot on each side */
	size_t len = strlen(host);

	if (len && host[len - 1] == '.')
		len--;
	if (len > MATCHER_HOST_MAX)
		return false;
	name[0] = '.';
	for (size_t i = 0; i < len; i++)
		name[i + 1] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] | 0x20) : host[i];
	name[len + 1] = '\0';
	if (in_table(m, name + 1, len, port) || in_patterns(m, name + 1, port))
		return true;
	for (const char *dot = name; dot; dot = strchr(dot + 1, '.'))
		if (in_table(m, dot, strlen(dot), port))
			return true;
	return false;
}

bool matcher_hits(const struct matcher *m, const char *host, uint16_t port)
{
	struct addr ip;

	if (!*host) {
		addr_from_in4(&ip, (const uint8_t[4]){127, 0, 0, 1}, port);
		return hits_ip(m, &ip, port);
	}
	if (!addr_parse_ip(&ip, host, strcspn(host, "%"), port))
		return hits_ip(m, &ip, port);
	return hits_name(m, host, port);
}

/* --- groups ---------------------------------------------------------------------------------------------- */

struct tally {
	bool white, white_hit, black_hit;
};

static void count_in(struct tally *tally, const struct matcher *m, bool hit)
{
	tally->white |= m->whitelist;
	tally->white_hit |= m->whitelist && hit;
	tally->black_hit |= !m->whitelist && hit;
}

static bool refuses(const struct tally *tally)
{
	return (tally->white && !tally->white_hit) || tally->black_hit;
}

bool matcher_group_refuses(const struct matcher_group *group, const char *host, uint16_t port)
{
	struct tally tally = {0};

	for (size_t i = 0; i < group->count; i++)
		count_in(&tally, group->members[i], matcher_hits(group->members[i], host, port));
	return refuses(&tally);
}

bool matcher_group_refuses_addr(const struct matcher_group *group, const struct addr *a)
{
	struct tally tally = {0};

	for (size_t i = 0; i < group->count; i++)
		count_in(&tally, group->members[i], matcher_hits_addr(group->members[i], a));
	return refuses(&tally);
}
