/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_yaml.c - the file's shape, and every complaint with its line and column. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_tree.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 UINT64_C(1000000000)
#define SVC	 "services:\n- name: a\n  addr: :1\n" /* the next line is line 4 */

static int add(struct config *cfg, const char *text, struct config_error *err)
{
	config_init(cfg);
	return config_add_yaml(cfg, "a.yml", text, strlen(text), err);
}

static void test_whole(void)
{
	static const char text[] =
		"# all that there is\n"
		"Services:\n"
		"- name: web\n"
		"  addr: '[::1]:80'\n"
		"  handler: {type: TCP, retries: 2, metadata: {proxyprotocol: 2, idleTimeout: 30}}\n"
		"  listener:\n"
		"    type: tcp\n"
		"    metadata: {keepalive: false, backlog: 0100}\n"
		"  forwarder:\n"
		"    nodes:\n"
		"    - {name: x, addr: 'h:1', metadata: {weight: 3, backup: true, proxyProtocol: 1}}\n"
		"    - addr: h:2\n"
		"    selector: {strategy: hash, maxFails: 4, failTimeout: 5s}\n"
		"  metadata:\n"
		"    PROXYPROTOCOL: \"\"\n"
		"    engine: copy\n"
		"- {name: no, addr: \":2\"}\n"
		"chains: []\n"
		"api:\n"
		"log: {level: warn, format: text, output: /tmp/x.log, rotation: ~}\n"
		"gostbpf: {workers: 2, engine: splice, budget: 64M, flowBudget: 8388608, drainTimeout: 1m}\n";
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_EQUAL_FATAL(add(&cfg, text, &err), 0);
	CU_ASSERT_EQUAL_FATAL(cfg.service_count, 2);
	const struct service_config *svc = &cfg.services[0];
	CU_ASSERT_STRING_EQUAL(svc->name, "web");
	CU_ASSERT_STRING_EQUAL(svc->addr, "[::1]:80");
	CU_ASSERT_STRING_EQUAL(svc->origin, "a.yml:3:3");
	CU_ASSERT(!svc->from_url && svc->handler_given && svc->listener_given);
	CU_ASSERT_STRING_EQUAL(svc->handler_type, "tcp");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->handler_metadata, "proxyProtocol"), "2");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->handler_metadata, "retries"), "2");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->listener_metadata, "backlog"), "0100");
	CU_ASSERT_STRING_EQUAL(svc->metadata.entries[0].key, "proxyProtocol");
	CU_ASSERT_STRING_EQUAL(svc->metadata.entries[0].value, "");
	CU_ASSERT_EQUAL_FATAL(svc->forwarder.node_count, 2);
	CU_ASSERT_STRING_EQUAL(svc->forwarder.nodes[0].name, "x");
	CU_ASSERT_EQUAL(svc->forwarder.nodes[0].metadata.count, 3);
	CU_ASSERT_STRING_EQUAL(svc->forwarder.nodes[1].name, "target-1");
	CU_ASSERT_STRING_EQUAL(svc->forwarder.nodes[1].addr, "h:2");
	const struct selector_config *selector = &svc->forwarder.selector;
	CU_ASSERT(selector->present && selector->strategy == SELECTOR_HASH && selector->max_fails == 4);
	CU_ASSERT_EQUAL(selector->fail_timeout_ns, 5 * S);
	svc = &cfg.services[1];
	CU_ASSERT_STRING_EQUAL(svc->name, "no"); /* no boolean */
	CU_ASSERT(!svc->handler_given && !svc->listener_given);
	CU_ASSERT_STRING_EQUAL(svc->handler_type, "auto");
	CU_ASSERT_STRING_EQUAL(svc->listener_type, "tcp");
	CU_ASSERT(cfg.log.present && !strcmp(cfg.log.level, "warn") && !strcmp(cfg.log.format, "text"));
	CU_ASSERT_STRING_EQUAL(cfg.log.output, "/tmp/x.log");
	CU_ASSERT(cfg.process_present && cfg.process.workers == 2 && cfg.process.engine == ENGINE_SPLICE);
	CU_ASSERT(cfg.process.budget_bytes == 64 << 20 && cfg.process.flow_budget_bytes == 8 << 20);
	CU_ASSERT_EQUAL(cfg.process.drain_timeout_ns, 60 * S);
	config_free(&cfg);
}

struct error_row {
	const char *text, *want;
};

static void check_error(const struct error_row *row)
{
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_EQUAL(add(&cfg, row->text, &err), -EINVAL);
	if (!strstr(err.text, row->want)) {
		printf("    got:  %s\n    want: %s\n", err.text, row->want);
		CU_FAIL("another sentence was expected");
	}
	config_free(&cfg);
}

static void test_errors(void)
{
	static const struct error_row rows[] = {
		{"servces: []", "a.yml:1:1: unknown section \"servces\", did you mean \"services\"?"},
		{"services: []\nrouters:\n- name: c", "a.yml:2:1: section \"routers\" is not supported yet"},
		{"services: []\nServices: []", "a.yml:2:1: section \"Services\" is given twice"},
		{"- a", "a.yml:1:1: expected a mapping"},
		{"services: x", "a.yml:1:11: expected a list"},
		{"services: [x]", "a.yml:1:12: expected a mapping"},
		{"services:\n- addr: :1", "a.yml:2:3: the service has no name"},
		{"services:\n- name:\n  addr: :1", "the service has no name"},
		{"services:\n- name: ''\n  addr: :1", "the service has no name"},
		{"services:\n- name: a", "a.yml:2:3: service \"a\" has no addr"},
		{"services:\n- name: [a]", "a.yml:2:9: expected a single value, not a list"},
		{"services:\n- name: a\n  addr: 8080", "a.yml:3:9: listen address: \"8080\" has no port"},
		{"services:\n- name: a\n  addr: :1-2", "a.yml:3:9: listen address: \":1-2\" is a port range"},
		{SVC "  name: b", "a.yml:4:3: key \"name\" is given twice"},
		{SVC "  adr: :2", "a.yml:4:3: unknown key \"adr\", did you mean \"addr\"?"},
		{SVC "  observer: o", "a.yml:4:3: key \"observer\" is not supported yet"},
		{SVC "  handler: tcp", "a.yml:4:12: expected a mapping"},
		{SVC "  handler: {typ: tcp}", "a.yml:4:13: unknown key \"typ\", did you mean \"type\"?"},
		{SVC "  handler: {retries: -1}", "a.yml:4:22: key \"retries\": bad value \"-1\""},
		{SVC "  handler: {metadata: {retries: 1}}",
		 "a.yml:4:24: key \"retries\" belongs beside metadata"},
		{SVC "  handler: {metadata: {backlog: 1}}",
		 "a.yml:4:24: key \"backlog\" is not read in handler; "
		 "it belongs in: listener"},
		{SVC "  metadata: {preUp: 1}", "a.yml:4:14: key \"preUp\" is not supported yet"},
		{SVC "  metadata: {proxyProtcol: 1}",
		 "a.yml:4:14: unknown key \"proxyProtcol\", did you mean"},
		{SVC "  metadata: {proxyProtocol: 3}", "a.yml:4:29: key \"proxyProtocol\": bad value \"3\""},
		{SVC "  metadata: {proxyProtocol: }", "key \"proxyProtocol\" has no value"},
		{SVC "  metadata: {proxyProtocol: null}", "a.yml:4:29: key \"proxyProtocol\" has no value"},
		{SVC "  metadata: {proxyProtocol: [1]}",
		 "a.yml:4:29: key \"proxyProtocol\": expected a single value"},
		{SVC "  metadata: {engine: copy, Engine: copy}", "key \"engine\" is given twice"},
		{SVC "  metadata: {strategy: hash}", "it belongs in: selector"},
		{SVC "  listener: {retries: 1}", "a.yml:4:14: unknown key \"retries\""},
		{SVC "  forwarder: {hop: h}", "a.yml:4:15: key \"hop\" is not supported yet"},
		{SVC "  forwarder: {nodes: [{name: x}]}", "a.yml:4:23: the target has no addr"},
		{SVC "  forwarder: {nodes: [{addr: 'x'}]}", "a.yml:4:30: target: \"x\" has no port"},
		{SVC "  forwarder: {nodes: [{addr: 'x:0'}]}", "target: \"x:0\" has port 0"},
		{SVC "  forwarder: {nodes: [{addr: 'x:1', filter: {host: h}}]}",
		 "key \"filter\" is not supported yet"},
		{SVC "  forwarder: {nodes: [{addr: 'x:1', metadata: {weight: 0}}]}",
		 "key \"weight\": bad value \"0\""},
		{SVC "  forwarder: {selector: {failTimeout: 30}}",
		 "a.yml:4:39: key \"failTimeout\": write \"30\" with a unit, such as 30s"},
		{SVC "  forwarder: {selector: {failTimeout: soon}}",
		 "key \"failTimeout\": bad value \"soon\""},
		{SVC "  forwarder: {selector: {failTimeout: 1us}}", "key \"failTimeout\": bad value"},
		{SVC "  forwarder: {selector: {strategy: best}}",
		 "a.yml:4:36: key \"strategy\": bad value \"best\""},
		{SVC "  forwarder: {selector: {maxLatency: 1}}", "key \"maxLatency\" is not supported yet"},
		{SVC "  forwarder: {selector: {maxFails: 1, maxfails: 2}}",
		 "key \"maxFails\" is given twice"},
		{SVC "  forwarder: {selector: {weight: 1}}", "key \"weight\" is not read in selector"},
		{"log: {level: loud}", "a.yml:1:14: unknown log level \"loud\""},
		{"log: {level: wran}", "did you mean \"warn\"?"},
		{"log: {format: xml}", "a.yml:1:15: log format \"xml\": expected json or text"},
		{"log: {rotation: {maxSize: 1}}", "a.yml:1:7: key \"rotation\" is not supported yet"},
		{"gostbpf: {worker: 1}", "a.yml:1:11: unknown key \"worker\", did you mean \"workers\"?"},
		{"gostbpf: {workers: -1}", "a.yml:1:20: key \"workers\": bad value \"-1\""},
		{"gostbpf: {drainTimeout: 30}", "write \"30\" with a unit"},
		{"gostbpf: []", "expected a mapping"},
		/* YAML itself */
		{"services: &a []", "a.yml:1:11: anchors are not supported"},
		{"services: *a", "a.yml:1:11: anchors are not supported"},
		{"services: !!seq []", "a.yml:1:11: tags are not supported"},
		{"[a]: b", "a.yml:1:1: a key must be a word"},
		{"{[a]: b}", "a.yml:1:2: a key must be a word"},
		{"services: []\n---\nlog:", "a.yml:2:1: there is a second document"},
		{"services: [", "a.yml:2:1: did not find expected node content"},
		{"services:\n\t- a", "a.yml:2:1: found character that cannot start any token"},
		{"a\\0: \"\\0\"", "zero byte"},
		{"log: \xff", "a.yml: byte 5"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_error(&rows[i]);
}

static void test_chain_errors(void)
{
	static const struct error_row rows[] = {
		{SVC "  handler: {chainGroup: {chains: [c]}}", "a.yml:4:13: key \"chainGroup\" is not supported yet"},
		{SVC "  handler: {auth: {}}", "a.yml:4:19: there are neither username nor password in it"},
		{SVC "  handler: {auth: {username: ''}}", "there are neither username nor password in it"},
		{SVC "  handler: {auth: }", "a.yml:4:13: key \"auth\" has no value"},
		{SVC "  handler: {authers: }", "key \"authers\" has no value"},
		{SVC "  handler: {auth: {user: u}}", "a.yml:4:20: unknown key \"user\""},
		{SVC "  handler: {auth: {file: f}}", "key \"file\" is not supported yet"},
		{SVC "  listener: {tls: {certFile: c}}", "a.yml:4:19: a certificate needs certFile and keyFile"},
		{SVC "  listener: {tls: {secure: maybe}}", "key \"secure\": expected true or false"},
		{"chains: [{name: c}]", "a.yml:1:10: chain \"c\" has no hops"},
		{"chains: [{hops: [{name: h, nodes: [{addr: ':1'}]}]}]", "a.yml:1:10: the chain has no name"},
		{"chains: [{name: c, hops: [{nodes: [{addr: ':1'}]}]}]", "a.yml:1:27: the hop has no name"},
		{"chains: [{name: c, hops: [{name: h, selector: {maxFails: 1}}]}]",
		 "a.yml:1:27: hop \"h\" has no nodes: as a reference it has nothing but a name"},
		{"hops: [{name: h}]", "a.yml:1:8: hop \"h\" has no nodes"},
		{"hops: [{name: h, nodes: [{name: n}]}]", "a.yml:1:26: the node has no addr"},
		{"hops: [{name: h, nodes: [{addr: n}]}]", "a.yml:1:33: node: \"n\" has no port"},
		{"hops: [{name: h, nodes: [{addr: ':1', probe: {x: 1}}]}]", "key \"probe\" is not supported yet"},
		{"hops: [{name: h, metadata: {weight: 1}, nodes: [{addr: ':1'}]}]",
		 "a.yml:1:29: key \"weight\" is not read in hop; it belongs in: node of a hop"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_error(&rows[i]);
}

static void test_empty(void)
{
	static const char *const rows[] = {
		"",
		"\n",
		"# nothing\n",
		"---\n",
		"~",
		"{}",
		"services:",
		"services: []",
		"services: null\nchains: null\nhops: []\nmetrics: {}\nlog:\ngostbpf:\n"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(add(&cfg, rows[i], &err), 0);
		CU_ASSERT(!cfg.service_count && !cfg.log.present && !cfg.process_present);
		config_free(&cfg);
	}
}

static void check_entries(const struct metadata *md, const char *const want[][2], size_t count)
{
	CU_ASSERT_EQUAL_FATAL(md->count, count);
	for (size_t i = 0; i < count; i++) {
		CU_ASSERT_STRING_EQUAL(md->entries[i].key, want[i][0]);
		CU_ASSERT_STRING_EQUAL(md->entries[i].value, want[i][1]);
	}
}

/* Details below their key, lists as lists: the same entries as from -L. */
static void test_nested(void)
{
	static const char text[] =
		SVC "  metadata: {proxyProtocol: {Policy: require, from: [10.0.0.0/8, '::1'], versions: [1, 2]}}\n"
		    "  handler: {type: tcp, metadata: {proxyProtocol: {version: 2, add: ['ALPN=h2', '0xE4=a']}}}\n"
		    "  forwarder: {nodes: [{addr: 'h:1', metadata: {proxyProtocol: {dst: local}, proxyProtocol.pass: [ALPN]}}]}";
	static const char *const service[][2] = {{"proxyProtocol", "1"},
						 {"proxyProtocol.policy", "require"},
						 {"proxyProtocol.from", "10.0.0.0/8,::1"},
						 {"proxyProtocol.versions", "1,2"}};
	static const char *const handler[][2] = {{"proxyProtocol", "2"}, {"proxyProtocol.add", "ALPN=h2,0xE4=a"}};
	static const char *const node[][2] = {{"proxyProtocol.dst", "local"}, {"proxyProtocol.pass", "ALPN"}};
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_EQUAL_FATAL(add(&cfg, text, &err), 0);
	check_entries(&cfg.services[0].metadata, service, COUNT(service));
	check_entries(&cfg.services[0].handler_metadata, handler, COUNT(handler));
	check_entries(&cfg.services[0].forwarder.nodes[0].metadata, node, COUNT(node));
	config_free(&cfg);
}

static void test_nested_errors(void)
{
	static const struct {
		const char *metadata, *want;
	} rows[] = {
		{"{proxyProtocol: {polcy: use}}", "unknown key \"proxyProtocol.polcy\", did you mean \"proxyProtocol.policy\"?"},
		{"{proxyProtocol: {policy: use}, proxyProtocol: 1}", "given twice"},
		{"{proxyProtocol: {policy: use}, proxyProtocol.policy: use}", "key \"proxyProtocol.policy\" is given twice"},
		{"{proxyProtocol: {version: 2}}", "unknown key \"proxyProtocol.version\""},
		{"{proxyProtocol: {from: []}}", "key \"proxyProtocol.from\": \"\" is not"},
		{"{proxyProtocol: {from: [a, [b]]}}", "expected a list of single values"},
		{"{proxyProtocol: {from: {a: b}}}", "expected a single value"},
		{"{proxyProtocol: {policy: [use]}}", "expected a single value"},
		{"{proxyProtocol: {policy: {a: b}}}", "expected a single value"},
		{"{engine: {a: b}}", "expected a single value"},
		{"{proxyProtocol: {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1}}", "unknown key"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		char text[256];
		snprintf(text, sizeof(text), SVC "  metadata: %s", rows[i].metadata);
		CU_ASSERT_EQUAL(add(&cfg, text, &err), -EINVAL);
		if (!strstr(err.text, rows[i].want)) {
			printf("    got:  %s\n    want: %s\n", err.text, rows[i].want);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

static void test_selector_zero(void)
{
	static const char *const rows[] = {"{}", "{strategy: round, maxFails: 0, failTimeout: 0}",
					   "{failTimeout: 10000000000}", "{failTimeout: 0s, maxFails: }"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		char text[256];
		snprintf(text, sizeof(text), SVC "  forwarder: {selector: %s}", rows[i]);
		CU_ASSERT_EQUAL_FATAL(add(&cfg, text, &err), 0);
		const struct selector_config *selector = &cfg.services[0].forwarder.selector;
		CU_ASSERT(selector->present && selector->strategy == SELECTOR_ROUND &&
			  selector->max_fails == 1);
		CU_ASSERT_EQUAL(selector->fail_timeout_ns, 10 * S);
		config_free(&cfg);
	}
}

/* The second source replaces log as a whole and single keys of gostbpf; services are appended. */
static void test_merge(void)
{
	static const char first[] = SVC "log: {level: warn, output: x}\ngostbpf: {workers: 2, engine: copy}";
	static const char second[] =
		"services:\n- {name: b, addr: ':2'}\nlog: {format: text}\ngostbpf: {engine: splice}";
	struct config cfg;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(add(&cfg, first, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(&cfg, "b.yml", second, strlen(second), &err), 0);
	CU_ASSERT_EQUAL_FATAL(cfg.service_count, 2);
	CU_ASSERT_STRING_EQUAL(cfg.services[1].origin, "b.yml:2:3");
	CU_ASSERT(!cfg.log.level && !cfg.log.output && cfg.log.format);
	CU_ASSERT(cfg.process.workers == 2 && cfg.process.engine == ENGINE_SPLICE);
	config_free(&cfg);
}

static void nest(char *text, size_t depth)
{
	strcpy(text, "caches: ");
	memset(text + 8, '[', depth);
	memset(text + 8 + depth, ']', depth);
	text[8 + 2 * depth] = '\0';
}

static void test_limits(void)
{
	struct config cfg;
	struct config_error err;
	char text[256];

	nest(text, CONFIG_DEPTH_MAX - 1); /* the mapping around it is one more */
	CU_ASSERT_EQUAL(add(&cfg, text, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "section \"caches\""));
	nest(text, CONFIG_DEPTH_MAX);
	CU_ASSERT_EQUAL(add(&cfg, text, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a.yml:1:40: it is nested too deeply"));

	char *large = calloc(1, CONFIG_TEXT_MAX + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	memset(large, '#', CONFIG_TEXT_MAX + 1);
	config_init(&cfg);
	CU_ASSERT_EQUAL(config_add_yaml(&cfg, "a.yml", large, CONFIG_TEXT_MAX, &err), 0);
	CU_ASSERT_EQUAL(config_add_yaml(&cfg, "a.yml", large, CONFIG_TEXT_MAX + 1, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "a.yml: it is larger than 16 MiB");
	for (size_t i = 0; i < 3 << 20; i += 2)
		memcpy(large + i, "~,", 2);
	memcpy(large, "[~", 2);
	CU_ASSERT_EQUAL(config_add_yaml(&cfg, "a.yml", large, 3 << 20, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "too many values"));
	free(large);
	config_free(&cfg);
}

/* Cut anywhere, a good file is read or refused, never misread into a crash or a leak. */
static void test_truncation(void)
{
	static const char text[] = SVC "  handler: {type: tcp, metadata: {proxyProtocol: \"2\"}}\n"
				       "  forwarder: {nodes: [{addr: 'h:1'}], selector: {strategy: hash}}\n"
				       "log: {level: info}\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		struct config cfg;
		struct config_error err = {""};
		config_init(&cfg);
		int rc = config_add_yaml(&cfg, "a.yml", text, len, &err);
		CU_ASSERT(rc == 0 || (rc == -EINVAL && !strncmp(err.text, "a.yml:", 6)));
		config_free(&cfg);
	}
}

static const struct unit_case cases[] = {
	{"a whole file", test_whole},	 {"errors", test_errors}, {"errors in chains, auth and tls", test_chain_errors},
	{"nothing in it", test_empty},	 {"selector: zeros", test_selector_zero},
	{"two sources", test_merge},	 {"limits", test_limits},
	{"truncation", test_truncation}, {"details below their key", test_nested},
	{"details: errors", test_nested_errors},
};

UNIT_MAIN("config_yaml", cases)
