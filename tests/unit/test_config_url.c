/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_url.c - one -L string: what it makes, and what is refused with which words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 UINT64_C(1000000000)

/* "name addr handler/listener > target,..." of every service, for comparing as one string. */
static void describe(const struct config *cfg, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < cfg->service_count; i++) {
		const struct service_config *svc = &cfg->services[i];
		len += (size_t)snprintf(out + len, cap - len, "%s%s %s %s/%s", i ? "; " : "", svc->name,
					svc->addr, svc->handler_type, svc->listener_type);
		for (size_t n = 0; n < svc->forwarder.node_count; n++)
			len += (size_t)snprintf(out + len, cap - len, " %s=%s", svc->forwarder.nodes[n].name,
						svc->forwarder.nodes[n].addr);
	}
}

static void test_shapes(void)
{
	static const struct {
		const char *spec, *want;
	} rows[] = {
		{"tcp://:8080/:8000", "service-0 :8080 tcp/tcp target-0=:8000"},
		{"  tcp://:8080/:8000\n", "service-0 :8080 tcp/tcp target-0=:8000"},
		{"TCP://:8080/:8000", "service-0 :8080 tcp/tcp target-0=:8000"},
		{"tcp://:8080/:8000/", "service-0 :8080 tcp/tcp target-0=:8000"},
		{"tcp://:8080//:8000//", "service-0 :8080 tcp/tcp target-0=:8000"},
		{"tcp://:8080", "service-0 :8080 tcp/tcp"},
		{"tcp://:8080/", "service-0 :8080 tcp/tcp"},
		{"tcp://:8080?", "service-0 :8080 tcp/tcp"},
		{"tcp://:8080/a:1,b:2?", "service-0 :8080 tcp/tcp target-0=a:1 target-1=b:2"},
		{"tcp://[::1]:80/[2001:db8::1]:81,1.2.3.4:82",
		 "service-0 [::1]:80 tcp/tcp target-0=[2001:db8::1]:81 target-1=1.2.3.4:82"},
		{"tcp://h:1/a:80-82", "service-0 h:1 tcp/tcp target-0=a:80 target-1=a:81 target-2=a:82"},
		{"tcp://:1-2/a:80-81",
		 "service-0 :1 tcp/tcp target-0=a:80; service-1 :2 tcp/tcp target-1=a:81"},
		{"tcp://:1-2/a:1,b:2",
		 "service-0 :1 tcp/tcp target-0=a:1; service-1 :2 tcp/tcp target-1=b:2"},
		{"tcp://:1-2/a:9", "service-0 :1 tcp/tcp target-0=a:9; service-1 :2 tcp/tcp target-0=a:9"},
		{"tcp://:1-2", "service-0 :1 tcp/tcp; service-1 :2 tcp/tcp"},
		{"tcp://:0/:1", "service-0 :0 tcp/tcp target-0=:1"},
		/* scheme rules */
		{":8080", "service-0 :8080 auto/tcp"},
		{"localhost:8080", "service-0 localhost:8080 auto/tcp"},
		{":8080/:80", "service-0 :8080 tcp/tcp target-0=:80"},
		{"http://:8080", "service-0 :8080 http/tcp"},
		{"http://:8080/:80", "service-0 :8080 tcp/tcp target-0=:80"},
		{"https://:8080", "service-0 :8080 http/tls"},
		{"tls://:443", "service-0 :443 auto/tls"},
		{"tls://:443/:80", "service-0 :443 forward/tls target-0=:80"},
		{"relay+tls://:1/:2", "service-0 :1 relay/tls target-0=:2"},
		{"http+tls://:1", "service-0 :1 http/tls"},
		{"rtcp://:1/:2", "service-0 :1 rtcp/rtcp target-0=:2"},
		{"foo://:1", "service-0 :1 foo/tcp"},
		{"foo://:1/:2", "service-0 :1 foo/tcp target-0=:2"},
		{"tcp+foo://:1/:2", "service-0 :1 forward/foo target-0=:2"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		char got[1024];
		config_init(&cfg);
		CU_ASSERT_EQUAL(config_add_url(&cfg, rows[i].spec, &err), 0);
		describe(&cfg, got, sizeof(got));
		CU_ASSERT_STRING_EQUAL(got, rows[i].want);
		config_free(&cfg);
	}
}

struct error_row {
	const char *spec, *text;
};

static void check_error(const struct error_row *row)
{
	struct config cfg;
	struct config_error err = {""};

	config_init(&cfg);
	CU_ASSERT_EQUAL(config_add_url(&cfg, row->spec, &err), -EINVAL);
	CU_ASSERT_EQUAL(strncmp(err.text, "-L \"", 4), 0);
	if (!strstr(err.text, row->text)) {
		printf("    %s\n", err.text);
		CU_FAIL("another sentence was expected");
	}
	config_free(&cfg);
}

static void test_errors(void)
{
	static const struct error_row rows[] = {
		{"", "-L \"\": it is empty"},
		{" \t", "it is empty"},
		{"8080", "-L \"8080\": listen address: \"8080\" has no port"},
		{"tcp://", "listen address: \"\" has no port"},
		{"tcp:///:80", "listen address: \"\" has no port"},
		{"tcp://:99999/:80",
		 "-L \"tcp://:99999/:80\": listen address: \":99999\" has a port above 65535"},
		{"tcp://:http/:80", "listen address: \":http\" has a port that is not a number"},
		{"tcp://:9-1/:80", "listen address: \":9-1\" has a port range that runs backwards"},
		{"tcp://::1:80/:80", "listen address: \"::1:80\" has more than one colon"},
		{"tcp://:1/a", "target: \"a\" has no port"},
		{"tcp://:1/a:", "target: \"a:\" has an empty port"},
		{"tcp://:1/a:0", "target \"a:0\" has port 0"},
		{"tcp://:1/a:2-1", "target: \"a:2-1\" has a port range that runs backwards"},
		{"tcp://:1/a:1,,b:2", "there is an empty target between commas"},
		{"tcp://:1/a:1,", "there is an empty target between commas"},
		{"tcp://:1/,", "there is an empty target between commas"},
		{"tcp://:1/a:1/b:2", "target \"a:1/b:2\" has a path"},
		{"tcp://:1/http://a:1", "has a path"},
		{"tcp://:1/a%41:1", "has \"%\" in its host name"},
		{"tcp://:1-3/a:1,b:2", "2 targets for 3 ports: give one target, or one for each port"},
		{"tcp://:1-2/a:1-3", "3 targets for 2 ports"},
		{"tcp://:1/a:1-65535,b:1-65535", "more than 65536 targets"},
		{"tcp://:1/:2#x", "\"#\" has no meaning here"},
		{"tcp://:1/:2\x01", "there is a control character in it"},
		{"tcp://:1/a\nb:2", "there is a control character in it"},
		{"t cp://:1/:2", "\"t cp\" is not a scheme"},
		{"://:1", "-L \"://:1\": listen address"},
		{"1tcp://:1", "\"1tcp\" is not a scheme"},
		{"8080/http://x:1", "\"8080/http\" is not a scheme"},
		{"+tcp://:1", "is not a scheme"},
		{"tcp+://:1", "is not a scheme"},
		{"a+b+c://:1", "scheme \"a+b+c\" has more than two parts"},
		{"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz://:1", "is not a scheme"},
		{"unix://x.sock/:80", "scheme \"unix\" is not supported yet"},
		{"tcp://@:1/:2", "there is no user before the \"@\""},
		{"http://us%zz:p@:1", "-L \"http://us%zz:***@:1\": bad escape in user or password"},
		{"http://u:p%00@:1", "control character \"%00\" in user or password"},
		{"http://user:p?ss@:1", "\"@\" behind the host"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_error(&rows[i]);
}

static void test_query_errors(void)
{
	static const struct error_row rows[] = {
		{"tcp://:1/:2?foo=1", "unknown key \"foo\""},
		{"tcp://:1/:2?proxyprotocl=1",
		 "unknown key \"proxyprotocl\", did you mean \"proxyProtocol\"?"},
		{"tcp://:1/:2?preUp=1", "key \"preUp\" is not supported yet"},
		{"tcp://:1/:2?interface=a%20b", "key \"interface\": \"a b\" is neither a device's name nor an IP address"},
		{"tcp://:1/:2?netns=", "key \"netns\": \"\" is neither a namespace's name nor an absolute path"},
		{"tcp://:1/:2?limiter.scope=client", "key \"limiter.scope\" is not supported yet"},
		{"tcp://:1/:2?chain=c", "key \"chain\" is not supported yet"},
		{"tcp://:1/:2?proxyProtocol=-1", "key \"proxyProtocol\": bad value \"-1\""},
		{"tcp://:1/:2?proxyProtocol=3", "key \"proxyProtocol\": bad value \"3\""},
		{"tcp://:1/:2?handler.proxyProtocol=3", "key \"proxyProtocol\": bad value \"3\""},
		{"tcp://:1/:2?handler.proxyProtocol=", "key \"proxyProtocol\": bad value \"\""},
		{"tcp://:1/:2?listener.proxyProtocol=1",
		 "is not read in listener; it belongs in: service, handler"},
		{"tcp://:1/:2?handler.backlog=1", "is not read in handler; it belongs in: listener"},
		{"tcp://:1/:2?service.strategy=hash", "is not read in service; it belongs in: selector"},
		{"tcp://:1/:2?weight=1", "is not read in -L"},
		{"tcp://:1/:2?workers=1", "is not read in -L"},
		{"tcp://:1/:2?retries=x",
		 "key \"retries\": bad value \"x\": expected a whole number, from 0 to 100"},
		{"tcp://:1/:2?backlog=1&backlog=1", "key \"backlog\" is given twice"},
		{"tcp://:1/:2?backlog=1&listener.BackLog=2", "key \"backlog\" is given twice"},
		{"tcp://:1/:2?maxFails=1&max_fails=1", "key \"maxFails\" is given twice"},
		{"tcp://:1/:2?strategy=best", "key \"strategy\": bad value \"best\""},
		{"tcp://:1?strategy=hash", "but there is no target"},
		{"tcp://:1/:2?backlog=1;retries=2", "\";\" does not separate keys"},
		{"tcp://:1/:2?backlog=%zz", "bad escape \"%zz\""},
		{"tcp://:1/:2?backlog=1%", "bad escape \"%\""},
		{"tcp://:1/:2?backlog=1%3", "bad escape \"%3\""},
		{"tcp://:1/:2?backlog=%00", "control character \"%00\""},
		{"tcp://:1/:2?=1", "empty key"},
		{"tcp://:1/:2?handler.=1", "empty key"},
		{"http://u:p@:1?auth=dTpw", "-L \"http://u:***@:1?auth=***\": there are a user before the host and an"},
		{"http://:1?auth=dTpw&auth=x", "-L \"http://:1?auth=***&auth=\": key \"auth\" is given twice"},
		{"http://:1?auth=", "key \"auth\" has no value"},
		{"http://u:%ff@:1", "there is text that is not UTF-8 in user or password"},
		{"http://:1?bypass=%c0%80", "there is text that is not UTF-8 in the query"},
		{"http://\xed\xa0\x80@:1", "it is not UTF-8"},
		{"http://:1?auth=dTr/", "auth is not user:password in base64"},
		{"http://:1?auth=d", "auth is not user:password in base64"},
		{"http://:1?auth=dTp!", "auth is not user:password in base64"},
		{"https://:1?cert=c", "a listener's certificate needs cert and key"},
		{"https://:1?key=c&ca=x", "a listener's certificate needs cert and key"},
		{"https://:1?cert=c&tls.certFile=d", "key \"certFile\" is given twice"},
		{"https://:1?secure=true", "key \"secure\" is not supported yet"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_error(&rows[i]);
}

/* Every key lands in the one scope that reads it, spelled as in the table. */
static void test_scopes(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(
		config_add_url(&cfg,
			       "tcp://:1/:2?PROXYPROTOCOL=&handler.proxyprotocol=2&keepalive.idle=30&"
			       "engine=copy&idleTimeout=1m&retries=3&Service.dialTimeout=5s&&",
			       &err),
		0);
	const struct service_config *svc = &cfg.services[0];
	CU_ASSERT_EQUAL(svc->metadata.count, 3);
	CU_ASSERT_STRING_EQUAL(svc->metadata.entries[0].key, "proxyProtocol");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->metadata, "proxyProtocol"), "");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->metadata, "engine"), "copy");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->metadata, "dialTimeout"), "5s");
	CU_ASSERT_EQUAL(svc->handler_metadata.count, 3);
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->handler_metadata, "proxyProtocol"), "2");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->handler_metadata, "idleTimeout"), "1m");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->handler_metadata, "retries"), "3");
	CU_ASSERT_EQUAL(svc->listener_metadata.count, 1);
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&svc->listener_metadata, "keepalive.idle"), "30");
	config_free(&cfg);
}

static void check_selector(const char *spec, enum selector_strategy strategy, unsigned fails,
			   uint64_t timeout)
{
	struct config cfg;
	struct config_error err = {""};

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, spec, &err), 0);
	const struct selector_config *selector = &cfg.services[0].forwarder.selector;
	CU_ASSERT(selector->present);
	CU_ASSERT_EQUAL(selector->strategy, strategy);
	CU_ASSERT_EQUAL(selector->max_fails, fails);
	CU_ASSERT_EQUAL(selector->fail_timeout_ns, timeout);
	config_free(&cfg);
}

static void test_selector(void)
{
	check_selector("tcp://:1/:2?strategy=hash", SELECTOR_HASH, 1, 30 * S);
	check_selector("tcp://:1/:2?maxFails=3", SELECTOR_ROUND, 3, 30 * S);
	check_selector("tcp://:1/:2?fail_timeout=1m", SELECTOR_ROUND, 1, 60 * S);
	check_selector("tcp://:1/:2?failTimeout=5", SELECTOR_ROUND, 1, 5 * S);
	check_selector("tcp://:1/:2?max_fails=0&failTimeout=0", SELECTOR_ROUND, 1, 30 * S);
	check_selector("tcp://:1/:2?failTimeout=7s&strategy=fifo&max_fails=2", SELECTOR_FIFO, 2, 7 * S);
}

static void test_escapes(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL(config_add_url(&cfg, "tcp://:1/:2?%62acklog=%31%30&keepalive=%74rue", &err), 0);
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&cfg.services[0].listener_metadata, "backlog"), "10");
	CU_ASSERT_EQUAL(config_add_url(&cfg, "tcp://:1/:2?backlog=1+0", &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "bad value \"1 0\""));
	config_free(&cfg);
}

/* service-N counts what -L made, ranges included, over all of them. */
static void test_numbering(void)
{
	struct config cfg;
	struct config_error err;
	char got[512];

	config_init(&cfg);
	config_add_url(&cfg, "tcp://:1-2/:9", &err);
	config_add_url(&cfg, "tcp://:7/:9", &err);
	describe(&cfg, got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, "service-0 :1 tcp/tcp target-0=:9; service-1 :2 tcp/tcp target-0=:9; "
				    "service-2 :7 tcp/tcp target-0=:9");
	CU_ASSERT_STRING_EQUAL(cfg.services[1].origin, "-L \"tcp://:1-2/:9\"");
	CU_ASSERT(cfg.services[1].from_url && cfg.services[1].handler_given &&
		  cfg.services[1].listener_given);
	CU_ASSERT_STRING_EQUAL(cfg.services[1].scheme, "tcp");
	config_free(&cfg);
}

static void test_whole_range(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL(config_add_url(&cfg, "tcp://:1-65535/a:1-65535", &err), 0);
	CU_ASSERT_EQUAL_FATAL(cfg.service_count, 65535);
	CU_ASSERT_STRING_EQUAL(cfg.services[65534].addr, ":65535");
	CU_ASSERT_EQUAL(cfg.services[65534].forwarder.node_count, 1);
	CU_ASSERT_STRING_EQUAL(cfg.services[65534].forwarder.nodes[0].addr, "a:65535");
	config_free(&cfg);
}

/* user[:password]@, and auth= in both alphabets; what is not given is empty, not NULL. */
static void test_auth(void)
{
	static const struct {
		const char *spec, *user, *password;
	} rows[] = {
		{"http://u:p@:1", "u", "p"},
		{"http://u@:1", "u", ""},
		{"http://u:@:1", "u", ""},
		{"http://:p@:1", "", "p"},
		{"http://u%40x:p%3a%2F+%25@:1", "u@x", "p:/+%"},
		{"http://u:p:q@:1", "u", "p:q"},
		{"u:p@:1", "u", "p"},
		{"http://:1?auth=dTpw", "u", "p"},
		{"http://:1?Auth=dXNlcjpwYXNz", "user", "pass"},
		{"http://:1?auth=dTpwcA==", "u", "pp"},
		{"http://:1?auth=dTpwcA", "u", "pp"},
		{"http://:1?auth=dQ", "u", ""},
		{"http://:1?auth=dTrDv8O7w78_", "u", "\u00ff\u00fb\u00ff?"},
		{"http://:1?auth=dTrDv8O%2B", "u", "\u00ff\u00fe"},
		{"http://:1?auth=dTrDv8O+", "u", "\u00ff\u00fe"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		config_init(&cfg);
		CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, rows[i].spec, &err), 0);
		CU_ASSERT_STRING_EQUAL(cfg.services[0].auth.user, rows[i].user);
		CU_ASSERT_STRING_EQUAL(cfg.services[0].auth.password, rows[i].password);
		CU_ASSERT_PTR_NULL(strstr(cfg.services[0].origin, "dTp"));
		config_free(&cfg);
	}
}

static void test_certificate(void)
{
	struct config cfg;
	struct config_error err;

	config_init(&cfg);
	CU_ASSERT_EQUAL_FATAL(config_add_url(&cfg, "https://:1?cert=c&tls.keyFile=k&ca=a", &err), 0);
	const struct tls_config *tls = &cfg.services[0].listener_tls;
	CU_ASSERT(tls->present && !tls->secure_given);
	CU_ASSERT_STRING_EQUAL(tls->cert_file, "c");
	CU_ASSERT_STRING_EQUAL(tls->key_file, "k");
	CU_ASSERT_STRING_EQUAL(tls->ca_file, "a");
	CU_ASSERT_PTR_NULL(tls->server_name);
	config_free(&cfg);
}

/* Neither a password nor an endless string comes back in a message, nor escape sequences. */
static void test_messages(void)
{
	struct config cfg;
	struct config_error err;
	char spec[2000] = "tcp://:1/:2?backlog=";

	config_init(&cfg);
	config_add_url(&cfg, "http://user:secret@:1/:2?x", &err);
	CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "-L \"http://user:***@:1/:2?x\""));
	config_add_url(&cfg, "http://user:se/cr?et@:1/:2", &err);
	CU_ASSERT_PTR_NULL(strstr(err.text, "cr?et"));
	config_add_url(&cfg, "tcp://:1/\x1b[2J\x7f", &err);
	CU_ASSERT_PTR_NULL(strchr(err.text, '\x7f'));
	CU_ASSERT_PTR_NULL(strchr(err.text, '\x1b'));
	memset(spec + strlen(spec), 'x', 1900);
	config_add_url(&cfg, spec, &err);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "...\": key \"backlog\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "expected a whole number"));
	memset(spec, 'u', sizeof(spec) - 1);
	memcpy(spec, "http://", 7);
	strcpy(spec + sizeof(spec) - 20, ":secret@:1/:2?x");
	config_add_url(&cfg, spec, &err);
	CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "unknown key \"x\""));
	config_free(&cfg);
}

static const struct unit_case cases[] = {
	{"shapes", test_shapes},	 {"errors", test_errors},	      {"errors in the query", test_query_errors},     {"scopes", test_scopes},
	{"selector", test_selector},	 {"escapes", test_escapes},   {"numbering", test_numbering},
	{"all ports", test_whole_range}, {"messages", test_messages}, {"auth", test_auth},
	{"certificate", test_certificate},
};

UNIT_MAIN("config_url", cases)
