/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_access.c - sections made ready, found by name, or refused with the place and the name.
 *
 * See: include/access.h.
 */
#include "access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"

#define NAMES(...) {.names = (char *[]){__VA_ARGS__}, .count = sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)}

static struct matcher_config admissions[] = {
	{.name = "inside", .whitelist = true, .matchers = NAMES("10.0.0.0/8"), .origin = "g.yml:3:5"},
	{.name = "bad-guys", .matchers = NAMES("10.6.6.6"), .origin = "g.yml:4:5"},
};
static struct matcher_config bypasses[] = {{.name = "ads", .matchers = NAMES(".ads.test"), .origin = "g.yml:5:5"}};
static struct host_mapping mappings[] = {{.ip = "192.0.2.1", .hostname = "db"}};
static struct hosts_config hosts[] = {{.name = "h", .mappings = mappings, .count = 1, .origin = "g.yml:6:5"}};
static struct resolver_section resolvers[] = {
	{.name = "r", .servers = NAMES("10.0.0.1", "udp://10.0.0.2:5353", "[::1]:53", "::2"), .prefer_ipv6 = true},
	{.name = "t", .servers = NAMES("tcp://10.0.0.1"), .prefer_ipv4 = true},
};
static struct limiter_config limiters[] = {{.name = "l", .limits = NAMES("$$ 1MB"), .origin = "g.yml:7:5"}};
static struct limiter_config climiters[] = {
	{.name = "c", .limits = NAMES("$$ 1"), .origin = "g.yml:8:5"},
	{.name = "six", .limits = NAMES("10.1.1.1 1", "2001:db8::/64 1", "2001:db8::/65 1")},
};
static struct limiter_config rlimiters[] = {{.name = "r", .limits = NAMES("$$ 1"), .origin = "g.yml:9:5"}};
static struct auth_config users[] = {{"a", "1"}, {"b", "2"}};
static struct auther_config authers[] = {{.name = "two", .auths = users, .count = 2}, {.name = "none"}};

static const struct access_config model = {
	.authers = authers, .auther_count = 2, .admissions = admissions, .admission_count = 2,
	.bypasses = bypasses, .bypass_count = 1, .hosts = hosts, .hosts_count = 1,
	.resolvers = resolvers, .resolver_count = 2, .limiters = limiters, .limiter_count = 1,
	.climiters = climiters, .climiter_count = 2, .rlimiters = rlimiters, .rlimiter_count = 1,
};

static struct addr ip(const char *text)
{
	struct addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&a, text, strlen(text), 1), 0);
	return a;
}

static void test_service(void)
{
	struct service_config svc = {.origin = "g.yml:1:1", .admissions = NAMES("inside", "bad-guys"),
				     .bypasses = NAMES("ads"), .hosts = "h", .resolver = "t", .limiter = "l",
				     .climiter = "c", .rlimiter = "r", .authers = NAMES("two"), .auth = {"x", "y"}};
	struct access a;
	struct access_rules rules;
	struct config_error err = {.text = ""};
	struct addr good = ip("10.1.1.1"), bad = ip("10.6.6.6"), outside = ip("192.0.2.1"), found[HOSTS_ADDRS_MAX];
	struct limiter_lease first = {0}, second = {0};

	CU_ASSERT_EQUAL_FATAL(access_init(&a, &model, &err), 0);
	CU_ASSERT_EQUAL_FATAL(access_rules_init(&rules, &a, &svc, &err), 0);
	CU_ASSERT_FALSE(matcher_group_refuses_addr(&rules.admission, &good));
	CU_ASSERT_TRUE(matcher_group_refuses_addr(&rules.admission, &bad));
	CU_ASSERT_TRUE(matcher_group_refuses_addr(&rules.admission, &outside));
	CU_ASSERT_TRUE(matcher_group_refuses(&rules.bypass, "x.ads.test", 80));
	CU_ASSERT_EQUAL(hosts_find(rules.hosts, "db", 1, found), 1);
	CU_ASSERT_EQUAL(rules.resolver, 1);
	CU_ASSERT_TRUE(rules.needs_auth);
	CU_ASSERT_EQUAL(auth_find(rules.users, rules.user_count, "b", 1, "2", 1), 1);
	CU_ASSERT_EQUAL(auth_find(rules.users, rules.user_count, "x", 1, "y", 1), -1); /* authers win */
	CU_ASSERT_EQUAL(limiter_enter(rules.limiter, &first, &good, 1), LIMITER_PASS);
	CU_ASSERT_EQUAL(limiter_enter(rules.limiter, &second, &good, 1), LIMITER_CONNECTIONS);
	limiter_leave(rules.limiter, &first, 1);
	access_rules_fini(&rules);
	access_fini(&a);
}

static void test_nothing(void)
{
	struct service_config plain = {.origin = "x"}, inline_auth = {.origin = "x", .auth = {"x", "y"}},
			      nobody = {.origin = "x", .authers = NAMES("none")};
	struct access a;
	struct access_rules rules;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(access_init(&a, &model, &err), 0);
	CU_ASSERT_EQUAL_FATAL(access_rules_init(&rules, &a, &plain, &err), 0);
	CU_ASSERT(!rules.admission.count && !rules.bypass.count && !rules.hosts && rules.resolver == -1);
	CU_ASSERT(!rules.needs_auth && !rules.limiter);
	access_rules_fini(&rules);
	CU_ASSERT_EQUAL_FATAL(access_rules_init(&rules, &a, &inline_auth, &err), 0);
	CU_ASSERT(rules.needs_auth && auth_find(rules.users, rules.user_count, "x", 1, "y", 1) == 0);
	access_rules_fini(&rules);
	CU_ASSERT_EQUAL_FATAL(access_rules_init(&rules, &a, &nobody, &err), 0);
	CU_ASSERT(rules.needs_auth && rules.user_count == 0); /* nobody gets in */
	access_rules_fini(&rules);
	access_fini(&a);
}

static void test_missing(void)
{
	const struct {
		struct service_config svc;
		const char *want;
	} rows[] = {
		{{.admissions = NAMES("inside", "nope")}, "g.yml:1:1: there is no admission \"nope\""},
		{{.bypasses = NAMES("inside")}, "g.yml:1:1: there is no bypass \"inside\""},
		{{.hosts = "x"}, "g.yml:1:1: there is no hosts section \"x\""},
		{{.resolver = "x"}, "g.yml:1:1: there is no resolver \"x\""},
		{{.limiter = "c"}, "g.yml:1:1: there is no limiter \"c\""},
		{{.climiter = "l"}, "g.yml:1:1: there is no climiter \"l\""},
		{{.rlimiter = "x"}, "g.yml:1:1: there is no rlimiter \"x\""},
		{{.authers = NAMES("two", "x")}, "g.yml:1:1: there is no auther \"x\""},
		{{.opt.limit_ipv6_bits = 64}, "g.yml:1:1: limiter.ipv6Prefix: the service has no limits"},
		{{.opt.limit_ipv6_bits = 64, .climiter = "six"},
		 "g.yml:1:1: limiter.ipv6Prefix=64: a limit is about a smaller IPv6 network, of 65 bits"},
	};
	struct access a;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(access_init(&a, &model, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct service_config svc = rows[i].svc;
		struct access_rules rules;
		svc.origin = "g.yml:1:1";
		CU_ASSERT_EQUAL(access_rules_init(&rules, &a, &svc, &err), -EINVAL);
		CU_ASSERT_STRING_EQUAL(err.text, rows[i].want);
		access_rules_fini(&rules);
	}
	access_fini(&a);
}

static void check_bad(const struct access_config *cfg, const char *want)
{
	struct config_error err = {.text = ""};
	struct access a;

	CU_ASSERT_EQUAL(access_init(&a, cfg, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, want);
	access_fini(&a);
}

static void test_bad_sections(void)
{
	struct matcher_config m = {.name = "m", .matchers = NAMES("10.0.0.0/8", "x.test"), .origin = "g.yml:2:1"};
	struct limiter_config l = {.name = "l", .limits = NAMES("$ fast"), .origin = "g.yml:2:1"};
	struct resolver_section r = {.name = "r", .servers = NAMES("tls://1.1.1.1"), .origin = "g.yml:2:1"};
	struct host_mapping hm = {.ip = "x", .hostname = "y"};
	struct hosts_config h = {.name = "h", .mappings = &hm, .count = 1, .origin = "g.yml:2:1"};

	check_bad(&(struct access_config){.admissions = &m, .admission_count = 1},
		  "g.yml:2:1: admission \"m\": \"x.test\" is not an address, a network or a range of addresses");
	check_bad(&(struct access_config){.climiters = &l, .climiter_count = 1},
		  "g.yml:2:1: climiter \"l\": \"$ fast\" is not a key and a number of connections");
	check_bad(&(struct access_config){.resolvers = &r, .resolver_count = 1},
		  "g.yml:2:1: resolver \"r\": nameserver \"tls://1.1.1.1\" is not reached by udp:// or tcp://");
	check_bad(&(struct access_config){.hosts = &h, .hosts_count = 1},
		  "g.yml:2:1: hosts \"h\": \"x\" is not an IPv4 or IPv6 address");
}

static void test_resolvers(void)
{
	struct access_resolver r = {0};
	char why[200] = "";
	struct {
		struct resolver_section cfg;
		const char *why;
	} bad[] = {
		{{.servers = {NULL, 0}}, "has no nameservers"},
		{{.servers = NAMES("dns.test")}, "nameserver \"dns.test\" is not an address or address:port"},
		{{.servers = NAMES("1.1.1.1:0")}, "nameserver \"1.1.1.1:0\" is not an address or address:port"},
		{{.servers = NAMES("1.1.1.1", "tcp://1.1.1.1")},
		 "nameserver \"tcp://1.1.1.1\" is asked another way than the one before it"},
		{{.servers = NAMES("")}, "nameserver \"\" is not an address or address:port"},
	};

	CU_ASSERT_EQUAL_FATAL(access_resolver_parse(&r, &resolvers[0], why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(r.servers, "10.0.0.1:53,10.0.0.2:5353,[::1]:53,[::2]:53");
	CU_ASSERT(!r.tcp && r.prefer == AF_INET6);
	free(r.servers);
	CU_ASSERT_EQUAL_FATAL(access_resolver_parse(&r, &resolvers[1], why, sizeof(why)), 0);
	CU_ASSERT(r.tcp && r.prefer == AF_INET);
	free(r.servers);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(access_resolver_parse(&r, &bad[i].cfg, why, sizeof(why)), -EINVAL);
		CU_ASSERT_STRING_EQUAL(why, bad[i].why);
	}
}

static const struct unit_case cases[] = {
	{"a service", test_service},	   {"nothing", test_nothing},	  {"missing names", test_missing},
	{"bad sections", test_bad_sections}, {"resolvers", test_resolvers},
};

UNIT_MAIN("access", cases)
