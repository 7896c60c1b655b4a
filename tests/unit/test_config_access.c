/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_access.c - access lists in YAML and as keys of -L and -F; and that every name refers to something. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const names[] = {"tcp", "http", "rtcp", NULL};
static const struct config_types types = {names, names, names, names};

static const char whole[] =
	"services:\n"
	"- name: s\n"
	"  addr: ':80'\n"
	"  admission: in\n"
	"  bypasses: [not, also]\n"
	"  hosts: h\n"
	"  resolver: r\n"
	"  limiter: l\n"
	"  climiter: c\n"
	"  rlimiter: q\n"
	"  handler: {type: http, authers: [a], chain: ch}\n"
	"authers: [{name: a, auths: [{username: u, password: p}, {username: v, password: w}]}]\n"
	"admissions: [{name: in, whitelist: true, matchers: [10.0.0.0/8, '::1']}]\n"
	"bypasses: [{name: not, matchers: [.org]}, {name: also, reverse: true, matchers: ['*.net:80']}]\n"
	"hosts: [{name: h, mappings: [{ip: 1.2.3.4, hostname: x, aliases: [y, z]}]}]\n"
	"resolvers: [{name: r, nameservers: [{addr: 1.1.1.1, prefer: ipv6}, {addr: 'tcp://8.8.8.8', prefer: IPv6}]}]\n"
	"limiters: [{name: l, limits: ['$ 1MB 2MB', '$$ 1KB']}]\n"
	"climiters: [{name: c, limits: ['$ 10']}]\n"
	"rlimiters: [{name: q, limits: ['$ 2.5']}]\n"
	"chains: [{name: ch, hops: [{name: one, hosts: h, nodes: [{addr: ':1', bypass: not, connector: {type: http}}]},\n"
	"  {name: shared}]}]\n"
	"hops: [{name: shared, resolver: r, bypass: also, nodes: [{addr: ':2'}]}]\n";

static int add(struct config *cfg, const char *text, struct config_error *err)
{
	config_init(cfg);
	int rc = config_add_yaml(cfg, "a.yml", text, strlen(text), err);
	return rc ? rc : config_resolve(cfg, &types, err);
}

static void test_whole(void)
{
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_EQUAL_FATAL(add(&cfg, whole, &err), 0);
	const struct service_config *svc = &cfg.services[0];
	const struct access_config *a = &cfg.access;
	CU_ASSERT_STRING_EQUAL(svc->admissions.names[0], "in");
	CU_ASSERT_EQUAL(svc->bypasses.count, 2);
	CU_ASSERT_STRING_EQUAL(svc->bypasses.names[1], "also");
	CU_ASSERT_STRING_EQUAL(svc->authers.names[0], "a");
	CU_ASSERT_STRING_EQUAL(svc->chain, "ch");
	CU_ASSERT(svc->hosts && svc->resolver && svc->limiter && svc->climiter && svc->rlimiter);
	CU_ASSERT_STRING_EQUAL(a->authers[0].auths[1].user, "v");
	CU_ASSERT_STRING_EQUAL(a->authers[0].auths[1].password, "w");
	CU_ASSERT(a->admissions[0].whitelist && !a->bypasses[0].whitelist && a->bypasses[1].whitelist);
	CU_ASSERT_STRING_EQUAL(a->admissions[0].matchers.names[1], "::1");
	CU_ASSERT_STRING_EQUAL(a->hosts[0].mappings[0].aliases.names[1], "z");
	CU_ASSERT_STRING_EQUAL(a->resolvers[0].servers.names[1], "tcp://8.8.8.8");
	CU_ASSERT(a->resolvers[0].prefer_ipv6 && !a->resolvers[0].prefer_ipv4);
	CU_ASSERT_STRING_EQUAL(a->limiters[0].limits.names[1], "$$ 1KB");
	CU_ASSERT_STRING_EQUAL(a->rlimiters[0].limits.names[0], "$ 2.5");
	CU_ASSERT_STRING_EQUAL(a->bypasses[1].origin, "a.yml:14:43");
	config_free(&cfg);
}

/* Taking away any line of the lists leaves a name that refers to nothing, which is an error and no open door. */
static void test_missing_lines(void)
{
	const char *line = strstr(whole, "authers:");

	for (; line && *line; line = strchr(line, '\n') + 1) {
		char text[sizeof(whole)];
		struct config cfg;
		struct config_error err = {""};
		size_t before = (size_t)(line - whole);
		if (*line == ' ')
			continue;
		snprintf(text, sizeof(text), "%.*s%s", (int)before, whole, strchr(line, '\n') + 1);
		CU_ASSERT_EQUAL(add(&cfg, text, &err), -EINVAL);
		CU_ASSERT_EQUAL(strncmp(err.text, "a.yml:", 6), 0);
		config_free(&cfg);
	}
}

/* Every prefix is an error or a configuration, never more memory than what config_free() finds. */
static void test_truncation(void)
{
	for (size_t len = 0; len < sizeof(whole); len++) {
		struct config cfg;
		struct config_error err = {""};
		config_init(&cfg);
		int rc = config_add_yaml(&cfg, "a.yml", whole, len, &err);
		CU_ASSERT(rc == 0 || (rc == -EINVAL && !strncmp(err.text, "a.yml:", 6)));
		config_free(&cfg);
	}
}

#define SVC "services: [{name: s, addr: ':80', handler: {type: http}"

static void test_errors(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{SVC ", admission: inn}]\nadmissions: [{name: in, matchers: ['::1']}]",
		 "a.yml:1:12: there is no admission \"inn\", did you mean \"in\"?"},
		{SVC ", bypass: b}]", "there is no bypass \"b\""},
		{SVC ", hosts: b}]", "there is no hosts \"b\""},
		{SVC ", resolver: b}]", "there is no resolver \"b\""},
		{SVC ", limiter: b}]", "there is no limiter \"b\""},
		{SVC ", climiter: b}]", "there is no climiter \"b\""},
		{SVC ", rlimiter: b}]", "there is no rlimiter \"b\""},
		{SVC ", admission: }]", "a.yml:1:58: key \"admission\" has no value"},
		{SVC ", admission: ''}]", "expected a name"},
		{SVC ", admissions: [{x: y}]}]", "a.yml:1:71: expected a name"},
		{"services: [{name: s, addr: ':80', handler: {type: http, chain: c}}]", "there is no chain \"c\""},
		{"services: [{name: s, addr: ':80', handler: {type: http, auther: c}}]", "there is no auther \"c\""},
		{"services: [{name: s, addr: ':80', handler: {type: tcp, auther: c}}]", "handler \"tcp\" asks nobody"},
		{"authers: [{name: a}]", "a.yml:1:11: auther \"a\" has no auths"},
		{"authers: [{auths: [{username: u}]}]", "the auther has no name"},
		{"authers: [{name: a, file: {path: x}}]", "key \"file\" is not supported yet"},
		{"admissions: [{name: a}]", "admission \"a\" has no matchers"},
		{"admissions: [{name: a, whitelist: perhaps}]", "key \"whitelist\": expected true or false"},
		{"admissions: [{name: a, whitelist: true, reverse: true}]", "unknown key \"whitelist\""},
		{"bypasses: [{name: a, matchers: [x]}, {name: a, matchers: [y]}]",
		 "bypass name \"a\" is used twice: by a.yml:1:12 and by a.yml:1:38"},
		{"hosts: [{name: h, mappings: [{ip: 1.2.3.4}]}]", "a mapping needs ip and hostname"},
		{"resolvers: [{name: r}]", "resolver \"r\" has no nameservers"},
		{"resolvers: [{name: r, nameservers: [{addr: x, prefer: both}]}]", "expected ipv4 or ipv6"},
		{"resolvers: [{name: r, nameservers: [{addr: x}, {addr: y, prefer: ipv4}]}]", "cannot prefer different"},
		{"limiters: [{name: l}]", "limiter \"l\" has no limits"},
		{"chains: [{name: c, hops: [{name: h}]}]", "hop \"h\" has no nodes, and there is no hop of this name"},
		{"chains: [{name: c, hops: [{name: h, nodes: [{addr: ':1', resolver: r}]}]}]",
		 "a.yml:1:27: node \"node-0\": there is no resolver \"r\""},
		{"hops: [{name: h, nodes: [{addr: ':1', name: a}, {addr: ':2', name: a}]}]",
		 "two nodes have the name \"a\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(add(&cfg, rows[i].text, &err), -EINVAL);
		if (!strstr(err.text, rows[i].want)) {
			printf("    got:  %s\n    want: %s\n", err.text, rows[i].want);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

/* --- the command line -------------------------------------------------------------------------- */

static void test_flags(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(
		config_add_url(&cfg, "http://:1-2?admission=~10.0.0.0/8,::1&bypass=.org&hosts=x:1.2.3.4,y:::1&"
				     "resolver=1.1.1.1,8.8.8.8&prefer=ipv4&limiter.in=1MB&limiter.conn.out=2MB&climiter=3&"
				     "rlimiter=2.5", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, "http://h:1?bypass=~a,b", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(&cfg, &types, &err), 0);
	const struct access_config *a = &cfg.access;
	CU_ASSERT_EQUAL_FATAL(a->admission_count, 2);
	CU_ASSERT(a->admissions[1].whitelist && a->admissions[1].matchers.count == 2);
	CU_ASSERT_STRING_EQUAL(cfg.services[1].admissions.names[0], "admission-1");
	CU_ASSERT_STRING_EQUAL(cfg.services[1].rlimiter, "rlimiter-1");
	CU_ASSERT_STRING_EQUAL(a->hosts[0].mappings[1].hostname, "y");
	CU_ASSERT_STRING_EQUAL(a->hosts[0].mappings[1].ip, "::1");
	CU_ASSERT(a->resolvers[0].prefer_ipv4 && a->resolvers[0].servers.count == 2);
	CU_ASSERT_STRING_EQUAL(a->limiters[0].limits.names[0], "$ 1MB");
	CU_ASSERT_STRING_EQUAL(a->limiters[0].limits.names[1], "$$ 0 2MB");
	CU_ASSERT_STRING_EQUAL(a->climiters[0].limits.names[0], "$ 3");
	CU_ASSERT_EQUAL_FATAL(a->bypass_count, 3);
	CU_ASSERT(a->bypasses[2].whitelist);
	CU_ASSERT_STRING_EQUAL(cfg.chains[0].hops[0].bypasses.names[0], "bypass-2");
	config_free(&cfg);
}

static void test_flag_errors(void)
{
	static const struct {
		const char *spec, *want;
	} rows[] = {
		{"http://:1?admission=", "key \"admission\" has no value"},
		{"http://:1?admission=~", "key \"admission\": there is an empty piece between commas"},
		{"http://:1?bypass=a,,b", "key \"bypass\": there is an empty piece"},
		{"http://:1?hosts=x", "key \"hosts\": \"x\" is not NAME:IP"},
		{"http://:1?hosts=:1.2.3.4", "is not NAME:IP"},
		{"http://:1?resolver=1.1.1.1&prefer=any", "key \"prefer\": bad value \"any\""},
		{"http://:1?prefer=ipv4", "key \"prefer\" needs a resolver"},
		{"http://:1?climiter=1&climiter=2", "key \"climiter\" is given twice"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		config_init(&cfg);
		CU_ASSERT_EQUAL(config_add_url(&cfg, rows[i].spec, &err), -EINVAL);
		if (!strstr(err.text, rows[i].want)) {
			printf("    got:  %s\n    want: %s\n", err.text, rows[i].want);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

/* A file may use the names that the command line makes up. */
static void test_collision(void)
{
	static const char text[] = "bypasses: [{name: bypass-0, matchers: [x]}]";
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(&cfg, "a.yml", text, sizeof(text) - 1, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, "http://:1?bypass=y", &err), 0);
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "bypass name \"bypass-0\" is used twice: by a.yml:1:12 and by -L"));
	config_free(&cfg);
}

static const struct unit_case cases[] = {
	{"a whole file", test_whole}, {"a missing section", test_missing_lines}, {"truncation", test_truncation},
	{"errors", test_errors},      {"keys of -L and -F", test_flags},	 {"their errors", test_flag_errors},
	{"one name, two sources", test_collision},
};

UNIT_MAIN("config_access", cases)
