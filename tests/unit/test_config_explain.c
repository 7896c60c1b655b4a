/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_explain.c - explain: origins, defaults, engines; and that what it prints is a configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"
#include "unit.h"

static const char *const names[] = {"tcp", "udp", "http", "tls", "socks5", "forward", NULL};
static const struct config_types types = {names, names, names, names};

static const char first[] = "log:\n"
			    "  level: warn\n"
			    "services:\n"
			    "- name: one\n"
			    "  addr: ':80'\n"
			    "  handler:\n"
			    "    type: http\n"
			    "    auther: a\n"
			    "    retries: 2\n"
			    "  metadata:\n"
			    "    proxyProtocol: {from: [10.0.0.0/8]}\n"
			    "authers: [{name: a, auths: [{username: u, password: hidden}]}]\n";
static const char second[] = "services: [{name: two, addr: ':53', handler: {type: udp}, listener: {type: udp},\n"
			     "  forwarder: {nodes: [{addr: ':54', metadata: {weight: 3}}]}}]\n";

static char *explain(const struct config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(config_explain(cfg, out), 0);
	fclose(out);
	return text;
}

static void fill(struct config *cfg)
{
	struct config_error err = {""};

	config_init(cfg);
	CU_ASSERT_EQUAL_FATAL(config_keep_origins(cfg), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(cfg, "a.yml", first, sizeof(first) - 1, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(cfg, "b.yml", second, sizeof(second) - 1, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_url(cfg, "http://x:hidden@:1?climiter=3&engine=copy", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_hop(cfg, "socks5+tls://y:hidden@h:1", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(cfg, &types, &err), 0);
}

/* A line that holds all three words. */
static bool has_line(const char *text, const char *key, const char *value, const char *origin)
{
	char copy[512];

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"), line);
		char *comment = strstr(copy, " # ");
		if (comment && strstr(copy, key) && strstr(copy, value) && !strcmp(comment + 3, origin))
			return true;
	}
	printf("    no line with %s, %s and %s\n", key, value, origin);
	return false;
}

static void test_origins(void)
{
	struct config cfg;

	fill(&cfg);
	char *text = explain(&cfg);
	CU_ASSERT(has_line(text, "level:", "warn", "a.yml:2:10"));
	CU_ASSERT(has_line(text, "format:", "json", "default"));
	CU_ASSERT(has_line(text, "name:", "one", "a.yml:4:9"));
	CU_ASSERT(has_line(text, "auther:", "a", "a.yml:8:13"));
	CU_ASSERT(has_line(text, "retries:", "2", "a.yml:9:14"));
	CU_ASSERT(has_line(text, "proxyProtocol.from:", "10.0.0.0/8", "a.yml:11:27"));
	CU_ASSERT(has_line(text, "dialTimeout:", "15s", "default"));
	CU_ASSERT(has_line(text, "username:", "u", "a.yml:12:40"));
	CU_ASSERT(has_line(text, "name:", "two", "b.yml:1:19"));
	CU_ASSERT(has_line(text, "weight:", "3", "b.yml:2:56"));
	CU_ASSERT(has_line(text, "addr:", ":1", "-L \"http://x:***@:1?climiter=3&engine=copy\""));
	CU_ASSERT(has_line(text, "chain:", "chain-0", "-F"));
	CU_ASSERT(has_line(text, "addr:", "h:1", "-F \"socks5+tls://y:***@h:1\""));
	CU_ASSERT(has_line(text, "workers:", "0", "default"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# two: engine copy: datagrams"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# service-0: engine copy where a node of the chain speaks TLS"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# one: engine auto: "));
	CU_ASSERT_PTR_NULL(strstr(text, "hidden"));
	free(text);
	config_free(&cfg);
}

/* It is YAML, and means the same but for the passwords: explaining it again gives the same values. */
static void test_round_trip(void)
{
	struct config cfg, again;
	struct config_error err = {""};

	fill(&cfg);
	char *text = explain(&cfg);
	config_init(&again);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(&again, "x", text, strlen(text), &err), 0);
	int rc = config_resolve(&again, &types, &err);
	if (rc)
		printf("    %s\n", err.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL_FATAL(again.service_count, cfg.service_count);
	for (size_t i = 0; i < cfg.service_count; i++) {
		struct service_options *a = &cfg.services[i].opt, *b = &again.services[i].opt;
		CU_ASSERT_EQUAL(!a->recv_from, !b->recv_from);
		CU_ASSERT_STRING_EQUAL(a->auth_realm, b->auth_realm);
		CU_ASSERT_STRING_EQUAL(a->proxy_agent, b->proxy_agent);
		a->recv_from = b->recv_from = a->auth_realm = b->auth_realm = a->proxy_agent = b->proxy_agent = NULL;
		CU_ASSERT_EQUAL(memcmp(a, b, sizeof(*a)), 0);
	}
	CU_ASSERT_EQUAL(again.services[2].chain != NULL, true);
	CU_ASSERT_EQUAL(again.chains[0].hops[0].nodes[0].opt.connect_timeout_ns,
			cfg.chains[0].hops[0].nodes[0].opt.connect_timeout_ns);
	free(text);
	config_free(&cfg);
	config_free(&again);
}

/* Of the defaults only those that somebody reads. */
static void check_defaults(const char *url, const char *hop, const char *const yes[], const char *const no[])
{
	struct config cfg;
	struct config_error err = {""};
	char key[64];

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_keep_origins(&cfg), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, url, &err), 0);
	if (hop)
		CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, hop, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(&cfg, &types, &err), 0);
	char *text = explain(&cfg);
	for (size_t i = 0; yes[i]; i++)
		CU_ASSERT(has_line(text, yes[i], "", "default"));
	for (size_t i = 0; no[i]; i++) {
		snprintf(key, sizeof(key), " %s: ", no[i]);
		CU_ASSERT_PTR_NULL(strstr(text, key));
	}
	free(text);
	config_free(&cfg);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void)
{
	check_defaults("tcp://:1/:2", NULL, WORDS("retries", "keepalive.idle", "dialTimeout", "backlog"),
		       WORDS("bind", "comp", "udp", "notls", "authBasicRealm", "proxyAgent", "hash", "readTimeout", "nodelay",
			     "ttl", "limiter.ipv6Prefix", "proxyProtocol.timeout"));
	check_defaults("http://:1?climiter=5", NULL,
		       WORDS("authBasicRealm", "proxyAgent", "readTimeout", "limiter.ipv6Prefix"),
		       WORDS("bind", "comp", "udp", "notls", "nodelay", "hash"));
	check_defaults("socks5://:1", "socks5://h:1", WORDS("bind", "comp", "udp", "notls", "hash", "readTimeout", "timeout"),
		       WORDS("authBasicRealm", "proxyAgent", "nodelay", "disable4a"));
	check_defaults("tls://:1/:2?cert=c&key=k", NULL, WORDS("readTimeout"), WORDS("bind", "hash", "ttl"));
	check_defaults("udp://:1/:2", NULL, WORDS("ttl", "readBufferSize", "udp.sessions", "idleTimeout"),
		       WORDS("retries", "readTimeout", "backlog", "dialTimeout", "keepalive.idle", "bind"));
}

static const struct unit_case cases[] = {
	{"origins", test_origins}, {"round trip", test_round_trip}, {"defaults", test_defaults}};

UNIT_MAIN("config_explain", cases)
