/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_resolve.c - names, addresses and types across services; the typed view of the options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 UINT64_C(1000000000)

static const char *const names[] = {"tcp", NULL};
static const struct config_types types = {names, names, names, names};

/* Up to three specs; 0, or -EINVAL with the sentence. cfg stays filled. */
static int resolve(struct config *cfg, const char *const specs[3], struct config_error *err)
{
	config_init(cfg);
	for (size_t i = 0; i < 3 && specs[i]; i++)
		CU_ASSERT_EQUAL_FATAL(config_add_url(cfg, specs[i], err), 0);
	return config_resolve(cfg, &types, err);
}

static void test_errors(void)
{
	static const struct {
		const char *specs[3];
		const char *text;
	} rows[] = {
		{{":8080"}, "-L \":8080\": scheme \"auto\" (no scheme given) is not supported yet"},
		{{"auto://:8080"}, "scheme \"auto\" is not supported yet"},
		{{"socks5://:1080"}, "-L \"socks5://:1080\": scheme \"socks5\" is not supported yet"},
		{{"tcp+tls://:1/:2"}, "scheme \"tcp+tls\" is not supported yet"},
		{{"foo://:1/:2"}, "-L \"foo://:1/:2\": unknown scheme \"foo\""},
		{{"tpc://:1/:2"}, "unknown scheme \"tpc\", did you mean \"tcp\"?"},
		{{"tcpp://:1/:2"}, "unknown scheme \"tcpp\", did you mean \"tcp\"?"},
		{{"socsk5://:1"}, "unknown scheme \"socsk5\", did you mean \"socks5\"?"},
		{{"http+foo://:1"}, "unknown scheme \"http+foo\": there is no listener \"foo\""},
		{{"foo+tcp://:1"}, "unknown scheme \"foo+tcp\": there is no handler \"foo\""},
		{{"tcp://:1"}, "-L \"tcp://:1\": service \"service-0\" has no target"},
		{{"tcp://:1/:2?engine=copy&handler.engine=splice"},
		 "key \"engine\" is given for the service and for its handler"},
		{{"tcp://:1/:2", "tcp://:1/:3"},
		 "listen address \":1\" is used twice: by -L \"tcp://:1/:2\" and by -L \"tcp://:1/:3\""},
		{{"tcp://:1/:2", "tcp://[::]:1/:3"}, "is used twice"},
		{{"tcp://0.0.0.0:1/:2", "tcp://:5/:3", "tcp://[::]:01/:3"}, "is used twice"},
		{{"tcp://Localhost:1/:2", "tcp://localhost:1/:3"}, "is used twice"},
		{{"tcp://:1-9/:2", "tcp://:9/:3"}, "listen address \":9\" is used twice"},
		{{"tcp://:1/:2?proxyProtocol.policy=require"},
		 "key \"proxyProtocol.policy\" has no effect without proxyProtocol=1"},
		{{"tcp://:1/:2?proxyProtocol.timeout=1s"}, "has no effect without proxyProtocol=1"},
		{{"tcp://:1/:2?proxyProtocol=1&proxyProtocol.untrusted=skip"},
		 "has no effect without proxyProtocol.from"},
		{{"tcp://:1/:2?proxyProtocol=1&proxyProtocol.timeout=1s&proxyProtocol.wait=2s"},
		 "proxyProtocol.wait is longer than proxyProtocol.timeout"},
		{{"tcp://:1/:2?handler.proxyProtocol.dst=local"},
		 "key \"proxyProtocol.dst\" has no effect without handler.proxyProtocol"},
		{{"tcp://:1/:2?handler.proxyProtocol=1&proxyProtocol.pass=all"},
		 "key \"proxyProtocol.pass\" needs version 2"},
		{{"tcp://:1/:2?handler.proxyProtocol=1&proxyProtocol.add=ALPN=h2"}, "needs version 2"},
		{{"tcp://:1/:2?handler.proxyProtocol=1&proxyProtocol.sendCrc32c=1"}, "needs version 2"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(resolve(&cfg, rows[i].specs, &err), -EINVAL);
		if (!strstr(err.text, rows[i].text)) {
			printf("    %s\n", err.text);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

static void test_not_the_same(void)
{
	static const char *const rows[][3] = {
		{"tcp://:0/:2", "tcp://:0/:3"},		 /* each gets a port of its own */
		{"tcp://127.0.0.1:1/:2", "tcp://:1/:3"}, /* the more specific one wins */
		{"tcp://127.0.0.1:1/:2", "tcp://127.0.0.2:1/:3"},
		{"tcp://:1/:2", "tcp://:11/:3"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(resolve(&cfg, rows[i], &err), 0);
		config_free(&cfg);
	}
}

static void rename_to(char **name, const char *to)
{
	free(*name);
	*name = strdup(to);
}

/* What only a file can do: two services, or two nodes of one, with the same name. */
static void test_names(void)
{
	static const char *const specs[3] = {"tcp://:1/:2,:3", "tcp://:5/:6"};
	struct config cfg;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(resolve(&cfg, specs, &err), 0);
	rename_to(&cfg.services[1].name, "service-0");
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "service name \"service-0\" is used twice: by -L \"tcp://:"));
	rename_to(&cfg.services[1].name, "Service-0"); /* names are compared as they are written */
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), 0);
	rename_to(&cfg.services[0].forwarder.nodes[1].name, "target-0");
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "-L \"tcp://:1/:2,:3\": two nodes have the name \"target-0\"");
	config_free(&cfg);
}

static void test_defaults(void)
{
	static const char *const specs[3] = {"tcp://:1/:2"};
	struct config cfg;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(resolve(&cfg, specs, &err), 0);
	const struct service_config *svc = &cfg.services[0];
	CU_ASSERT(!svc->opt.recv_proxy && svc->opt.keepalive);
	CU_ASSERT_EQUAL(svc->opt.recv_proxy_timeout_ns, 10 * S);
	CU_ASSERT_EQUAL(svc->opt.recv_proxy_max, 4096);
	CU_ASSERT_EQUAL(svc->opt.send_proxy, 0);
	CU_ASSERT_EQUAL(svc->opt.engine, ENGINE_AUTO);
	CU_ASSERT_EQUAL(svc->opt.dial_timeout_ns, 15 * S);
	CU_ASSERT_EQUAL(svc->opt.backlog, 4096);
	const struct forwarder_config *fwd = &svc->forwarder;
	CU_ASSERT(!fwd->selector.present && fwd->selector.strategy == SELECTOR_ROUND);
	CU_ASSERT(fwd->selector.max_fails == 1 && fwd->selector.fail_timeout_ns == 10 * S);
	CU_ASSERT(fwd->nodes[0].opt.send_proxy == -1 && fwd->nodes[0].opt.weight == 1 &&
		  !fwd->nodes[0].opt.backup);
	config_free(&cfg);
}

static void test_options(void)
{
	static const char *const specs[3] = {
		"tcp://:1/"
		":2?proxyProtocol=2&proxyProtocol.timeout=3s&proxyProtocol.maxSize=1K&dialTimeout=4s&"
		"userTimeout=5s&"
		"handler.proxyProtocol=2&handler.engine=splice&idleTimeout=6m&retries=2&"
		"keepalive=0&keepalive.idle=7&keepalive.interval=8s&keepalive.count=4&backlog=10&reuseport="
		"true",
		"tcp://:3/:4?proxyProtocol=false&engine=sockmap&service.idleTimeout=1s",
		"tcp://:5/:6",
	};
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL(config_set_process(&cfg, "engine", "copy", &err), 0);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, specs[i], &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(&cfg, &types, &err), 0);
	const struct service_options *opt = &cfg.services[0].opt;
	CU_ASSERT(opt->recv_proxy && opt->recv_proxy_timeout_ns == 3 * S && opt->recv_proxy_max == 1024);
	CU_ASSERT(opt->dial_timeout_ns == 4 * S && opt->user_timeout_ns == 5 * S &&
		  opt->idle_timeout_ns == 360 * S);
	CU_ASSERT(opt->send_proxy == 2 && opt->engine == ENGINE_SPLICE && opt->retries == 2);
	CU_ASSERT(!opt->keepalive && opt->keepalive_idle_s == 7 && opt->keepalive_interval_s == 8);
	CU_ASSERT(opt->keepalive_count == 4 && opt->backlog == 10);
	opt = &cfg.services[1].opt;
	CU_ASSERT(!opt->recv_proxy && opt->engine == ENGINE_SOCKMAP && opt->idle_timeout_ns == S);
	CU_ASSERT_EQUAL(cfg.services[2].opt.engine, ENGINE_COPY);
	CU_ASSERT_EQUAL(config_resolve(&cfg, &types, &err), 0); /* again, with the same outcome */
	CU_ASSERT_EQUAL(cfg.services[0].opt.engine, ENGINE_SPLICE);
	config_free(&cfg);
}

static void test_proxy_options(void)
{
	static const char *const specs[3] = {
		"tcp://:1/:2?proxyProtocol=1&proxyProtocol.policy=require&proxyProtocol.from=10.0.0.0/8,%20::1&"
		"proxyProtocol.untrusted=ignore&proxyProtocol.versions=2&proxyProtocol.crc32c=require&"
		"proxyProtocol.timeout=3s&proxyProtocol.logTLV=1&proxyProtocol.unspec=reject&"
		"handler.proxyProtocol=2&proxyProtocol.pass=all&proxyProtocol.add=UNIQUE_ID={unique-id}&"
		"proxyProtocol.dst=local&proxyProtocol.sendCrc32c=true",
		"tcp://:3/:4?proxyProtocol=0&proxyProtocol.policy=require", /* turned off for now */
	};
	struct config cfg;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(resolve(&cfg, specs, &err), 0);
	const struct service_options *opt = &cfg.services[0].opt;
	CU_ASSERT(opt->recv_policy == PROXY_POLICY_REQUIRE && opt->recv_untrusted == PROXY_POLICY_IGNORE);
	CU_ASSERT_STRING_EQUAL(opt->recv_from, "10.0.0.0/8, ::1");
	CU_ASSERT(opt->recv_versions == 4 && opt->recv_crc == PROXY_CRC_REQUIRE);
	CU_ASSERT(opt->recv_wait_ns == 3 * S && opt->recv_log_tlv && opt->recv_reject_unspec);
	CU_ASSERT(opt->send_proxy == 2 && opt->send_dst_local == 1 && opt->send_crc32c == 1);
	CU_ASSERT_STRING_EQUAL(opt->send_pass, "all");
	CU_ASSERT_STRING_EQUAL(opt->send_add, "UNIQUE_ID={unique-id}");
	const struct node_options *node = &cfg.services[0].forwarder.nodes[0].opt;
	CU_ASSERT(node->send_dst_local == -1 && node->send_crc32c == -1 && !node->send_pass && !node->send_add);
	opt = &cfg.services[1].opt;
	CU_ASSERT(!opt->recv_proxy && opt->recv_wait_ns == 10 * S && !opt->recv_from);
	config_free(&cfg);
}

static void test_settings(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT(!cfg.process_present);
	CU_ASSERT_EQUAL(config_set_process(&cfg, "workers", "x", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_set_process(&cfg, "backlog", "1", &err), -EINVAL);
	CU_ASSERT(!cfg.process_present);
	CU_ASSERT_EQUAL(config_set_process(&cfg, "budget", "64M", &err), 0);
	CU_ASSERT(cfg.process_present && cfg.process.budget_bytes == 64 << 20);
	CU_ASSERT_EQUAL(config_set_log_level(&cfg, "debgu", &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "unknown log level \"debgu\", did you mean \"debug\"?");
	CU_ASSERT_EQUAL(config_set_log_level(&cfg, "debug", &err), 0);
	CU_ASSERT_EQUAL(config_set_log_level(&cfg, "trace", &err), 0);
	CU_ASSERT(cfg.log.present);
	CU_ASSERT_STRING_EQUAL(cfg.log.level, "trace");
	config_free(&cfg);
	config_free(&cfg);
}

static const struct unit_case cases[] = {
	{"errors", test_errors},   {"alike but not the same", test_not_the_same},
	{"names", test_names},	   {"defaults", test_defaults},
	{"options", test_options}, {"PROXY options", test_proxy_options},
	{"single settings", test_settings},
};

UNIT_MAIN("config_resolve", cases)
