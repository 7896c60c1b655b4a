/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_dump.c - -O: GOST's shape and order, and back again through -C without loss. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const names[] = {"tcp", NULL};
static const struct config_types types = {names, names, names, names};

static char *dump(const struct config *cfg, int (*fn)(const struct config *, FILE *))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(fn(cfg, out), 0);
	fclose(out);
	return text;
}

static void load(struct config *cfg, const char *text)
{
	struct config_error err = {""};

	config_init(cfg);
	int rc = config_add_yaml(cfg, "x", text, strlen(text), &err);
	if (!rc)
		rc = config_resolve(cfg, &types, &err);
	if (rc)
		printf("    %s\n", err.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
}

static void load_url(struct config *cfg, const char *spec)
{
	struct config_error err = {""};

	config_init(cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_url(cfg, spec, &err), 0);
	CU_ASSERT_EQUAL_FATAL(config_resolve(cfg, &types, &err), 0);
}

static void test_json_text(void)
{
	static const char want[] = "{\n"
				   "  \"services\": [\n"
				   "    {\n"
				   "      \"name\": \"service-0\",\n"
				   "      \"addr\": \":1\",\n"
				   "      \"handler\": {\n"
				   "        \"type\": \"tcp\",\n"
				   "        \"retries\": 2,\n"
				   "        \"metadata\": {\n"
				   "          \"proxyProtocol\": \"2\"\n"
				   "        }\n"
				   "      },\n"
				   "      \"listener\": {\n"
				   "        \"type\": \"tcp\"\n"
				   "      },\n"
				   "      \"forwarder\": {\n"
				   "        \"selector\": {\n"
				   "          \"strategy\": \"hash\",\n"
				   "          \"maxFails\": 1,\n"
				   "          \"failTimeout\": 30000000000\n"
				   "        },\n"
				   "        \"nodes\": [\n"
				   "          {\n"
				   "            \"name\": \"target-0\",\n"
				   "            \"addr\": \"[::1]:2\"\n"
				   "          }\n"
				   "        ]\n"
				   "      },\n"
				   "      \"metadata\": {\n"
				   "        \"proxyProtocol\": 1,\n"
				   "        \"dialTimeout\": \"5\"\n"
				   "      }\n"
				   "    }\n"
				   "  ]\n"
				   "}\n";
	struct config cfg;

	load_url(&cfg,
		 "tcp://:1/"
		 "[::1]:2?proxyProtocol=true&retries=2&handler.proxyProtocol=2&strategy=hash&dialTimeout=5");
	char *got = dump(&cfg, config_dump_json);
	CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
	config_free(&cfg);
}

static void test_yaml_text(void)
{
	static const char want[] = "services:\n"
				   "- name: service-0\n"
				   "  addr: :1\n"
				   "  handler:\n"
				   "    type: tcp\n"
				   "    metadata:\n"
				   "      proxyProtocol: \"1\"\n"
				   "  listener:\n"
				   "    type: tcp\n"
				   "    metadata:\n"
				   "      keepalive: \"false\"\n"
				   "  forwarder:\n"
				   "    selector:\n"
				   "      strategy: round\n"
				   "      maxFails: 1\n"
				   "      failTimeout: 1m30s\n"
				   "    nodes:\n"
				   "    - name: target-0\n"
				   "      addr: '[::1]:2'\n"
				   "  metadata:\n"
				   "    proxyProtocol: 2\n"
				   "    engine: copy\n";
	struct config cfg;

	load_url(&cfg, "tcp://:1/"
		       "[::1]:2?proxyProtocol=2&handler.proxyProtocol=1&failTimeout=90s&engine=copy&"
		       "keepalive=false");
	char *got = dump(&cfg, config_dump_yaml);
	CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
	config_free(&cfg);
}

/* The receive switch is GOST's integer, whatever was written. */
static void test_receive(void)
{
	static const struct {
		const char *value, *want;
	} rows[] = {{"", "\"proxyProtocol\": 1"},  {"true", "\"proxyProtocol\": 1"},
		    {"1", "\"proxyProtocol\": 1"}, {"2", "\"proxyProtocol\": 2"},
		    {"0", "\"proxyProtocol\": 0"}, {"false", "\"proxyProtocol\": 0"}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		char spec[64];
		snprintf(spec, sizeof(spec), "tcp://:1/:2?proxyProtocol=%s", rows[i].value);
		load_url(&cfg, spec);
		char *got = dump(&cfg, config_dump_json);
		CU_ASSERT_PTR_NOT_NULL(strstr(got, rows[i].want));
		free(got);
		config_free(&cfg);
	}
}

/* Both dumps, read again, give the same text and the same typed options. */
static void check_round_trip(const struct config *cfg)
{
	int (*const fns[])(const struct config *, FILE *) = {config_dump_yaml, config_dump_json};

	for (size_t f = 0; f < COUNT(fns); f++) {
		struct config again;
		char *first = dump(cfg, fns[f]);
		load(&again, first);
		char *second = dump(&again, fns[f]);
		CU_ASSERT_STRING_EQUAL(first, second);
		CU_ASSERT_EQUAL_FATAL(again.service_count, cfg->service_count);
		for (size_t i = 0; i < cfg->service_count; i++) {
			const struct forwarder_config *a = &cfg->services[i].forwarder,
						      *b = &again.services[i].forwarder;
			CU_ASSERT_EQUAL(memcmp(&cfg->services[i].opt, &again.services[i].opt,
					       sizeof(struct service_options)),
					0);
			CU_ASSERT_EQUAL(a->node_count, b->node_count);
			CU_ASSERT_EQUAL(a->selector.fail_timeout_ns, b->selector.fail_timeout_ns);
			CU_ASSERT(a->selector.strategy == b->selector.strategy &&
				  a->selector.max_fails == b->selector.max_fails);
		}
		CU_ASSERT_EQUAL(memcmp(&cfg->process, &again.process, sizeof(cfg->process)), 0);
		CU_ASSERT_EQUAL(cfg->process_present, again.process_present);
		config_free(&again);
		free(first);
		free(second);
	}
}

static void test_round_trip_urls(void)
{
	static const char *const specs[] = {
		"tcp://:1/:2",
		"tcp://:1-3/:2",
		"tcp://:1-2/a:1-2?handler.proxyProtocol=true",
		"tcp://127.0.0.1:1/1.2.3.4:5,[fe80::1%eth0]:2",
		"tcp://[::]:1/[::1]:2,10.0.0.1:80,010.example:80",
		"tcp://:1/:2?proxyProtocol",
		"tcp://:1/:2?proxyProtocol=0&proxyProtocol.timeout=1500ms&proxyProtocol.maxSize=1K",
		"tcp://:1/:2?engine=sockmap&dialTimeout=1.5s&userTimeout=30&idleTimeout=1h&retries=0",
		"tcp://:1/:2?handler.engine=copy&service.idleTimeout=0",
		"tcp://:1/"
		":2?keepalive=F&keepalive.idle=1m&keepalive.interval=7&keepalive.count=3&backlog=0001&"
		"reuseport=1",
		"tcp://:1/:2?strategy=random&maxFails=1000000&failTimeout=1.001s",
		"tcp://:1/:2?failTimeout=1000001ns",
		"http://:1/:2",
	};

	for (size_t i = 0; i < COUNT(specs); i++) {
		struct config cfg;
		load_url(&cfg, specs[i]);
		check_round_trip(&cfg);
		config_free(&cfg);
	}
}

static void test_round_trip_files(void)
{
	static const char *const texts[] = {
		"services: []\nlog: {level: warn, format: text, output: \"a b: #c\"}",
		"services:\n- {name: 'no', addr: ':1', handler: {type: tcp}, forwarder: {nodes: [{name: '1', "
		"addr: 'h:1'}]}}",
		"services:\n- name: \"1:30 - {x}\\n\\u00e9\\U0001F600\"\n  addr: :1\n  handler: {type: tcp}\n"
		"  forwarder:\n    selector: {}\n"
		"    nodes: [{addr: 'h:1', metadata: {weight: 2, backup: true, proxyProtocol: 2}}, {addr: "
		"'h:2'}]",
		"gostbpf: {workers: 3, engine: splice, budget: 1M, flowBudget: 2M, drainTimeout: 0}",
		"gostbpf: {drainTimeout: 1ms}",
		"gostbpf: {drainTimeout: 1.000001s}",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config cfg;
		load(&cfg, texts[i]);
		check_round_trip(&cfg);
		config_free(&cfg);
	}
}

static void test_absent(void)
{
	struct config cfg;

	config_init(&cfg);
	char *json = dump(&cfg, config_dump_json);
	CU_ASSERT_STRING_EQUAL(json, "{\n  \"services\": []\n}\n");
	free(json);
	char *yaml = dump(&cfg, config_dump_yaml);
	CU_ASSERT_STRING_EQUAL(yaml, "services: []\n");
	free(yaml);
	config_free(&cfg);
}

/* A file may leave out handler and listener; what was not written is not printed. */
static void test_left_out(void)
{
	static const char text[] = "services:\n- name: a\n  addr: :1\n";
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_yaml(&cfg, "x", text, strlen(text), &err), 0);
	char *yaml = dump(&cfg, config_dump_yaml);
	CU_ASSERT_STRING_EQUAL(yaml, text);
	free(yaml);
	config_free(&cfg);
}

static void test_full_disk(void)
{
	struct config cfg;
	FILE *full = fopen("/dev/full", "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(full);
	load_url(&cfg, "tcp://:1-100/:2");
	CU_ASSERT_EQUAL(config_dump_json(&cfg, full), -EIO);
	clearerr(full);
	CU_ASSERT_EQUAL(config_dump_yaml(&cfg, full), -EIO);
	config_free(&cfg);
	fclose(full);
}

static const struct unit_case cases[] = {
	{"JSON text", test_json_text},
	{"YAML text", test_yaml_text},
	{"proxyProtocol is an integer", test_receive},
	{"round trip of -L", test_round_trip_urls},
	{"round trip of files", test_round_trip_files},
	{"nothing given, nothing printed", test_absent},
	{"handler and listener left out", test_left_out},
	{"a full disk", test_full_disk},
};

UNIT_MAIN("config_dump", cases)
