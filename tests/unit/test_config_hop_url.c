/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_hop_url.c - one -F string: what it makes, and what is refused with which words. */
#include <errno.h>
#include <string.h>

#include "config_model.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 UINT64_C(1000000000)

static const char *const connectors[] = {"http", "socks4", "socks5", "relay", "tcp", "forward", NULL};
static const char *const dialers[] = {"tcp", "tls", NULL};
static const char *const names[] = {"tcp", "http", "rtcp", NULL};
static const struct config_types types = {names, names, connectors, dialers};

/* "hop-0 node-0=addr connector/dialer tls=name" of every node. */
static void describe(const struct config *cfg, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t h = 0; h < cfg->chains[0].hop_count; h++) {
		const struct hop_config *hop = &cfg->chains[0].hops[h];
		len += (size_t)snprintf(out + len, cap - len, "%s%s", h ? "; " : "", hop->name);
		for (size_t n = 0; n < hop->node_count; n++)
			len += (size_t)snprintf(out + len, cap - len, " %s=%s %s/%s %s", hop->nodes[n].name,
						hop->nodes[n].addr, hop->nodes[n].connector_type,
						hop->nodes[n].dialer_type,
						hop->nodes[n].tls.server_name ? hop->nodes[n].tls.server_name : "-");
	}
}

static void test_shapes(void)
{
	static const struct {
		const char *spec, *want;
	} rows[] = {
		{"http://h:1", "hop-0 node-0=h:1 http/tcp h"},
		{" HTTP://h:1 ", "hop-0 node-0=h:1 http/tcp h"},
		{":8000", "hop-0 node-0=:8000 http/tcp -"},
		{"h:8000", "hop-0 node-0=h:8000 http/tcp h"},
		{"auto://h:1", "hop-0 node-0=h:1 http/tcp h"},
		{"https://h:1", "hop-0 node-0=h:1 http/tls h"},
		{"tls://h:1", "hop-0 node-0=h:1 http/tls h"},
		{"socks5://[2001:db8::1]:1080", "hop-0 node-0=[2001:db8::1]:1080 socks5/tcp 2001:db8::1"},
		{"relay+tls://h:1?servername=x", "hop-0 node-0=h:1 relay/tls x"},
		{"forward+tls://h:1", "hop-0 node-0=h:1 forward/tls h"},
		{"tcp://h:1", "hop-0 node-0=h:1 tcp/tcp h"},
		{"ss://h:1", "hop-0 node-0=h:1 ss/tcp h"},
		{"wss://h:1", "hop-0 node-0=h:1 http/wss h"},
		{"htpp://h:1", "hop-0 node-0=h:1 htpp/tcp h"},
		{"socks4://a:1,b:2", "hop-0 node-0=a:1 socks4/tcp a node-1=b:2 socks4/tcp b"},
		{"http://h:1/?", "hop-0 node-0=h:1 http/tcp h"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		char got[512];
		config_init(&cfg);
		CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, rows[i].spec, &err), 0);
		describe(&cfg, got, sizeof(got));
		CU_ASSERT_STRING_EQUAL(got, rows[i].want);
		config_free(&cfg);
	}
}

static void test_errors(void)
{
	static const struct {
		const char *spec, *text;
	} rows[] = {
		{"", "-F \"\": it is empty"},
		{"http://h", "-F \"http://h\": node: \"h\" has no port"},
		{"http://h:0", "node: \"h:0\" has port 0"},
		{"http://h:1-2", "node: \"h:1-2\" is a port range"},
		{"http://h:1,", "there is an empty node between commas"},
		{"http://h:1/x", "there is a path behind the host"},
		{"a+b+c://h:1", "has more than two parts"},
		{"http://u:secret@h:1?x", "-F \"http://u:***@h:1?x\": unknown key \"x\""},
		{"http://h:1?auth=dTpwQQ&x", "-F \"http://h:1?auth=***&x\": unknown key \"x\""},
		{"http://u@h:1?auth=dTpw", "a user before the host and an auth"},
		{"http://h:1?weight=0", "key \"weight\": bad value \"0\""},
		{"http://h:1?hop.weight=1", "key \"weight\" is not read in hop; it belongs in: node of a hop"},
		{"http://h:1?workers=1", "key \"workers\" is not read in -F"},
		{"http://h:1?retries=1", "key \"retries\" is not read in -F"},
		{"http://h:1?header=x", "key \"header\" is not supported yet"},
		{"http://h:1?proxyProtocol=3", "key \"proxyProtocol\": bad value \"3\""},
		{"http://h:1?proxyProtocol=1&hop.proxyProtocol=2", "key \"proxyProtocol\" is given twice"},
		{"http://h:1?so_mark=x", "key \"so_mark\": bad value \"x\""},
		{"http://h:1?interface=", "key \"interface\": \"\" is neither a device"},
		{"http://h:1?cert=c", "a certificate needs cert and key"},
		{"http://h:1?secure=perhaps", "key \"secure\": bad value \"perhaps\""},
		{"http://h:1?node.=1", "there is an empty key"},
		{"http://h:1?strategy=best", "key \"strategy\": bad value \"best\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		config_init(&cfg);
		CU_ASSERT_EQUAL(config_add_hop(&cfg, rows[i].spec, &err), -EINVAL);
		CU_ASSERT_EQUAL(strncmp(err.text, "-F \"", 4), 0);
		if (!strstr(err.text, rows[i].text)) {
			printf("    %s\n", err.text);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

/* Each key where it is read, and the typed view with what a node inherits from its hop. */
static void test_keys(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, "tcp://:1/:2", &err), 0);
	CU_ASSERT_EQUAL_FATAL(
		config_add_hop(&cfg,
			       "relay+tls://u:p@h:1?proxyProtocol=1&node.proxyProtocol=2&so_mark=7&netns=blue&"
			       "connector.nodelay=true&timeout=3s&weight=4&strategy=hash&node.maxFails=9&maxFails=5&"
			       "secure=false&ca=ca.pem",
			       &err),
		0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(&cfg, &types, &err), 0);
	const struct hop_config *hop = &cfg.chains[0].hops[0];
	const struct chain_node_config *node = &hop->nodes[0];
	CU_ASSERT_STRING_EQUAL(cfg.services[0].chain, "chain-0");
	CU_ASSERT_EQUAL(hop->opt.send_proxy, 1);
	CU_ASSERT_EQUAL(hop->selector.strategy, SELECTOR_HASH);
	CU_ASSERT_EQUAL(hop->selector.max_fails, 5);
	CU_ASSERT_EQUAL(hop->selector.fail_timeout_ns, 30 * S);
	CU_ASSERT_EQUAL(node->opt.send_proxy, 2);
	CU_ASSERT_EQUAL(node->opt.so_mark, 7);
	CU_ASSERT_STRING_EQUAL(node->opt.netns, "blue");
	CU_ASSERT_PTR_NULL(node->opt.interface);
	CU_ASSERT_EQUAL(node->opt.weight, 4);
	CU_ASSERT_EQUAL(node->opt.max_fails, 9);
	CU_ASSERT_EQUAL(node->opt.connect_timeout_ns, 3 * S);
	CU_ASSERT(node->opt.nodelay && !node->opt.no_4a && !node->opt.backup);
	CU_ASSERT_STRING_EQUAL(node->auth.user, "u");
	CU_ASSERT_STRING_EQUAL(node->auth.password, "p");
	CU_ASSERT(node->tls.secure_given && !node->tls.secure);
	CU_ASSERT_STRING_EQUAL(node->tls.ca_file, "ca.pem");
	config_free(&cfg);
}

static void test_link(void)
{
	static const char yaml[] = "services: [{name: a, addr: ':3', handler: {type: http}}]";
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(&cfg, "y", yaml, sizeof(yaml) - 1, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, "http://:1", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, "rtcp://:1/:2", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, "http://a:1", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, "socks5://b:1", &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg.chain_count, 1);
	CU_ASSERT_EQUAL(cfg.chains[0].hop_count, 2);
	CU_ASSERT_STRING_EQUAL(cfg.chains[0].hops[1].name, "hop-1");
	CU_ASSERT_PTR_NULL(cfg.services[0].chain);
	CU_ASSERT_STRING_EQUAL(cfg.services[1].chain, "chain-0");
	CU_ASSERT_PTR_NULL(cfg.services[2].chain);
	CU_ASSERT_STRING_EQUAL(cfg.services[2].listener_chain, "chain-0");
	config_free(&cfg);
}

static void check_resolve(const char *url, const char *hop, const char *sentence)
{
	struct config cfg;
	struct config_error err = {""};

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, url, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_hop(&cfg, hop, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_link_chain(&cfg, &err), 0);
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), sentence ? -EINVAL : 0);
	if (sentence && !strstr(err.text, sentence)) {
		printf("    %s\n", err.text);
		CU_FAIL("another sentence was expected");
	}
	config_free(&cfg);
}

static void test_resolve(void)
{
	check_resolve("http://:1", "htpp://h:1", "-F \"htpp://h:1\": unknown scheme \"htpp\", did you mean \"http\"?");
	check_resolve("http://:1", "ss://h:1", "-F \"ss://h:1\": scheme \"ss\" is not supported yet");
	check_resolve("http://:1", "http+wss://h:1", "scheme \"http+wss\" is not supported yet");
	check_resolve("http://:1", "http+tsl://h:1", "unknown scheme \"http+tsl\": there is no dialer \"tsl\", did you");
	check_resolve("http://:1", "tcp://u:p@h:1", "connector \"tcp\" sends no user and password");
	check_resolve("http://:1", "http://h:1?nodelay=true", "key \"nodelay\" means nothing for connector \"http\", but for: relay");
	check_resolve("http://:1", "http://h:1?disable4a=true", "means nothing for connector \"http\", but for: socks4 socks4a");
	check_resolve("http://:1?bind=true", "http://h:1", "key \"bind\" means nothing for handler \"http\", but for: socks5");
	check_resolve("http://:1?readTimeout=1s", "http://h:1?timeout=1s", NULL);
	check_resolve("http://:1", "http://h:1?secure=true", "dialer \"tcp\" speaks no TLS");
	check_resolve("tcp://:1", "http://h:1", "service \"service-0\" has no target");
	check_resolve("tcp://:1", "forward+tls://h:1", NULL);
	check_resolve("tcp://u:p@:1/:2", "forward://h:1", "handler \"tcp\" asks nobody for user and password");
}

static const struct unit_case cases[] = {
	{"shapes", test_shapes}, {"errors", test_errors},   {"keys", test_keys},
	{"link", test_link},	 {"resolve", test_resolve},
};

UNIT_MAIN("config_hop_url", cases)
