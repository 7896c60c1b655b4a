/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_udp.c - which keys a udp service reads, which it refuses, and which are for it alone.
 *
 * See: user/config_udp.c.
 */
#include <string.h>

#include "config.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* NULL: accepted. */
static const struct {
	const char *spec, *fails;
} rows[] = {
	{"udp://:53/:54", NULL},
	{"udp://:53/:54?ttl=10s&keepalive=true&readBufferSize=4096&udp.sessions=100", NULL},
	{"udp://:53/:54?keepalive.ttl=10s&udp.bufferSize=512", NULL},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.maxSize=512&handler.proxyProtocol=2", NULL},
	{"udp://:53/:54?handler.proxyProtocol=2&proxyProtocol.udp=first", NULL},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.policy=require&proxyProtocol.from=10.0.0.0/8&proxyProtocol.untrusted=skip", NULL},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.versions=1,2&proxyProtocol.crc32c=require&proxyProtocol.logTLV=true", NULL},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.remember=true", NULL},
	{"udp://:53/:54?proxyProtocol.remember=true", "has no effect without proxyProtocol=1"},
	{"tcp://:53/:54?proxyProtocol=1&proxyProtocol.remember=true", "is for udp services"},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.unspec=reject&proxyProtocol.v4InTCP6=true", NULL},
	{"udp://:53/:54?handler.proxyProtocol=2&proxyProtocol.dst=local&proxyProtocol.pass=all&proxyProtocol.add=0xE1=x", NULL},
	{"udp://:53/:54?handler.proxyProtocol=2&proxyProtocol.sendCrc32c=true", NULL},
	{"udp://:53/:54?proxyProtocol.policy=require", "has no effect without proxyProtocol=1"},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.untrusted=skip", "has no effect without proxyProtocol.from"},
	{"udp://:53/:54?proxyProtocol.pass=all", "has no effect without handler.proxyProtocol"},
	{"udp://:53/:54?proxyProtocol=1&proxyProtocol.wait=1s", "key \"proxyProtocol.wait\" means nothing for a udp service"},
	{"udp://:53/:54?idleTimeout=1m&reuseport=true", NULL},
	{"udp://:53/:54,:55?strategy=hash&maxFails=2", NULL},
	{"UDP://:53/:54", NULL},
	{"udp://:53", "has no target"},
	{"udp://:53/:54?handler.proxyProtocol=1", "version 1 of the header cannot say udp"},
	{"udp://:53/:54?keepalive=false", "keepalive=false"},
	{"udp://:53/:54?ttl=0", "key \"ttl\""},
	{"udp://:53/:54?readBufferSize=70000", "key \"readBufferSize\""},
	{"udp://:53/:54?udp.sessions=0", "key \"udp.sessions\""},
	{"udp://:53/:54?proxyProtocol.udp=none", "each or first"},
	{"udp://:53/:54?engine=sockmap", "key \"engine\" means nothing for a udp service"},
	{"udp://:53/:54?handler.engine=copy", "key \"engine\" means nothing for a udp service"},
	{"udp://:53/:54?dialTimeout=1s", "key \"dialTimeout\" means nothing for a udp service"},
	{"udp://:53/:54?userTimeout=1s", "key \"userTimeout\" means nothing for a udp service"},
	{"udp://:53/:54?retries=1", "key \"retries\" means nothing for a udp service"},
	{"udp://:53/:54?backlog=10", "key \"backlog\" means nothing for a udp service"},
	{"udp://:53/:54?keepalive.idle=10s", "key \"keepalive.idle\" means nothing for a udp service"},
	{"udp://:53/:54?proxyProtocol.timeout=1s", "key \"proxyProtocol.timeout\" means nothing for a udp service"},
	{"tcp://:53/:54?ttl=5s", "key \"ttl\" is for udp services"},
	{"tcp://:53/:54?readBufferSize=5", "key \"readBufferSize\" is for udp services"},
	{"tcp://:53/:54?udp.sessions=5", "key \"udp.sessions\" is for udp services"},
	{"tcp://:53/:54?proxyProtocol.udp=each", "key \"proxyProtocol.udp\" is for udp services"},
};

static int resolve(struct config *cfg, const char *const *specs, struct config_error *err)
{
	static const char *const names[] = {"tcp", "udp", NULL};
	static const struct config_types types = {names, names, names, names};
	int rc = 0;

	config_init(cfg);
	for (; *specs && !rc; specs++)
		rc = config_add_url(cfg, *specs, err);
	return rc ? rc : config_resolve(cfg, &types, err);
}

static void test_rows(void)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *specs[] = {rows[i].spec, NULL};
		struct config_error err = {""};
		struct config cfg;
		bool failed = resolve(&cfg, specs, &err) != 0;
		if (failed != !!rows[i].fails || (failed && !strstr(err.text, rows[i].fails))) {
			printf("    %s: %s\n", rows[i].spec, err.text);
			CU_FAIL("another result was expected");
		}
		config_free(&cfg);
	}
}

static void test_values(void)
{
	static const char *const specs[] = {
		"udp://:1/:2?proxyProtocol=1",
		"udp://:5/:6?proxyProtocol=1&proxyProtocol.versions=1,2", "udp://:3/:4?ttl=2m&udp.sessions=7&readBufferSize=1K&handler.proxyProtocol=2&proxyProtocol.udp=first&idleTimeout=9s", NULL};
	struct config_error err;
	struct config cfg;

	CU_ASSERT_EQUAL_FATAL(resolve(&cfg, specs, &err), 0);
	const struct service_options *a = &cfg.services[0].opt, *b = &cfg.services[2].opt;
	CU_ASSERT(a->recv_versions == 4 && cfg.services[1].opt.recv_versions == 6);
	CU_ASSERT_EQUAL(a->ttl_ns, 5000000000);
	CU_ASSERT_EQUAL(a->udp_sessions, 4096);
	CU_ASSERT_EQUAL(a->read_buffer, 65535);
	CU_ASSERT_EQUAL(a->udp_header, UDP_HEADER_EACH);
	CU_ASSERT_EQUAL(a->engine, ENGINE_COPY);
	CU_ASSERT_EQUAL(b->ttl_ns, 120000000000);
	CU_ASSERT_EQUAL(b->udp_sessions, 7);
	CU_ASSERT_EQUAL(b->read_buffer, 1024);
	CU_ASSERT_EQUAL(b->udp_header, UDP_HEADER_FIRST);
	CU_ASSERT_EQUAL(b->idle_timeout_ns, 9000000000);
	config_free(&cfg);
}

/* A port of each kind; two of one kind are a mistake. */
static void test_ports(void)
{
	static const char *const both[] = {"tcp://:53/:54", "udp://:53/:54", NULL};
	static const char *const twice[] = {"udp://:53/:54", "tcp://:53/:54", "udp://0.0.0.0:53/:54", NULL};
	struct config_error err;
	struct config cfg;

	CU_ASSERT_EQUAL(resolve(&cfg, both, &err), 0);
	config_free(&cfg);
	CU_ASSERT_NOT_EQUAL(resolve(&cfg, twice, &err), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is used twice"));
	config_free(&cfg);
}

static const struct unit_case cases[] = {
	{"keys of udp and tcp services", test_rows},
	{"values and defaults", test_values},
	{"one port of each kind", test_ports},
};

UNIT_MAIN("config_udp", cases)
