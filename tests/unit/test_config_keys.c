/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_keys.c - the key table: consistent in itself, and each type at its bounds. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static size_t struct_size(unsigned scope)
{
	switch (scope) {
	case SCOPE_NODE:
		return sizeof(struct node_options);
	case SCOPE_SELECTOR:
		return sizeof(struct selector_config);
	case SCOPE_PROCESS:
		return sizeof(struct process_options);
	case SCOPE_HOP:
	case SCOPE_PROXY:
	case SCOPE_CONNECTOR:
	case SCOPE_DIALER:
		return sizeof(struct chain_node_options);
	default:
		return sizeof(struct service_options);
	}
}

static void test_rows(void)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		struct config_error err = {""};
		CU_ASSERT(key->name && key->name[0] && key->doc && key->doc[0]);
		CU_ASSERT(key->scopes & key->home);
		CU_ASSERT_EQUAL(key->home & (key->home - 1), 0);
		CU_ASSERT(key->offset + key->width <= struct_size(key->home));
		CU_ASSERT(key->width == 0 || key->width == 1 || key->width == 4 || key->width == 8);
		CU_ASSERT(key->max == 0 || key->min <= key->max);
		if (key->preset && config_key_apply(key, key->preset, NULL, &err))
			CU_FAIL("a preset is refused by its own row");
		CU_ASSERT(key->type == KEY_DURATION || key->type == KEY_SIZE ? key->width == 8 : true);
	}
}

/* No two rows may be read in the same scope under one name. */
static void test_unambiguous(void)
{
	for (size_t i = 0; i < config_key_count; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcasecmp(config_keys[i].name, config_keys[j].name))
				CU_ASSERT_EQUAL(config_keys[i].scopes & config_keys[j].scopes, 0);
}

static void test_find(void)
{
	const struct config_key *key = NULL;
	struct config_error err;

	CU_ASSERT_EQUAL(config_key_find("proxyProtocol", SCOPE_URL, &key, &err), 0);
	CU_ASSERT_EQUAL(key->home, SCOPE_SERVICE);
	CU_ASSERT_EQUAL(config_key_find("PROXYPROTOCOL", SCOPE_HANDLER, &key, &err), 0);
	CU_ASSERT_EQUAL(key->type, KEY_SEND);
	CU_ASSERT_EQUAL(config_key_find("max_fails", SCOPE_SELECTOR, &key, &err), 0);
	CU_ASSERT_STRING_EQUAL(key->name, "maxFails");
	CU_ASSERT_EQUAL(config_key_find("engine", SCOPE_PROCESS, &key, &err), 0);
	CU_ASSERT_EQUAL(key->home, SCOPE_PROCESS);
}

static void test_find_errors(void)
{
	static const struct {
		const char *name;
		unsigned scopes;
		const char *sentence;
	} rows[] = {
		{"foo", SCOPE_URL, "unknown key \"foo\""},
		{"baklog", SCOPE_LISTENER, "unknown key \"baklog\", did you mean \"backlog\"?"},
		{"so_marc", SCOPE_URL, "unknown key \"so_marc\", did you mean \"so_mark\"?"},
		{"preUp", SCOPE_URL, "key \"preUp\" is not supported yet"},
		{"sniffing.timeout", SCOPE_HANDLER, "key \"sniffing.timeout\" is not supported yet"},
		{"backlog", SCOPE_HANDLER, "key \"backlog\" is not read in handler; it belongs in: listener"},
		{"weight", SCOPE_URL,
		 "key \"weight\" is not read in -L; it belongs in: nodes[].metadata (YAML)"},
		{"budget", SCOPE_URL, "it belongs in: gostbpf section (YAML) or a flag"},
		{"proxyProtocol", SCOPE_LISTENER, "it belongs in: service, handler, nodes[].metadata (YAML)"},
		{"maxFails", SCOPE_SERVICE,
		 "key \"maxFails\" is not read in service; it belongs in: nodes[].metadata (YAML), selector"},
		{"disable4a", SCOPE_HOP, "key \"disable4a\" is not read in hop; it belongs in: connector"},
		{"workers", SCOPE_CHAIN, "key \"workers\" is not read in -F; it belongs in: gostbpf section"},
		{"weight", SCOPE_HOP, "key \"weight\" is not read in hop; it belongs in: node of a hop"},
		{"netns", SCOPE_LISTENER, "key \"netns\" is not read in listener; it belongs in: service"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct config_key *key = NULL;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(config_key_find(rows[i].name, rows[i].scopes, &key, &err), -EINVAL);
		CU_ASSERT_PTR_NULL(key);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].sentence));
	}
}

/* value -> number per key, or refused (number -1). */
struct value_row {
	const char *name;
	unsigned scope;
	const char *value;
	int64_t number;
};

static void check_values(const struct value_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_key *key = NULL;
		struct config_error err = {""};
		unsigned char target[sizeof(struct service_options)];
		memset(target, 0xa5, sizeof(target));
		CU_ASSERT_EQUAL_FATAL(config_key_find(rows[i].name, rows[i].scope, &key, &err), 0);
		int rc = config_key_apply(key, rows[i].value, target, &err);
		CU_ASSERT_EQUAL(rc, rows[i].number < 0 ? -EINVAL : 0);
		uint64_t got = 0;
		memcpy(&got, target + key->offset, key->width);
		CU_ASSERT(!rc || (strstr(err.text, rows[i].name) && strstr(err.text, rows[i].value)));
		CU_ASSERT(rc || !key->width || got == (uint64_t)rows[i].number);
	}
}

static void test_values(void)
{
	static const struct value_row rows[] = {
		{"dialTimeout", SCOPE_SERVICE, "15", 15000000000},
		{"dialTimeout", SCOPE_SERVICE, "2h", -1},
		{"idleTimeout", SCOPE_HANDLER, "0", 0},
		{"idleTimeout", SCOPE_HANDLER, "1us", -1},
		{"engine", SCOPE_SERVICE, "splice", ENGINE_SPLICE},
		{"engine", SCOPE_SERVICE, "", -1},
		{"retries", SCOPE_HANDLER, "3", 3},
		{"retries", SCOPE_HANDLER, "-1", -1},
		{"retries", SCOPE_HANDLER, "101", -1},
		{"keepalive", SCOPE_LISTENER, "false", 0},
		{"keepalive", SCOPE_LISTENER, "", -1},
		{"keepalive.idle", SCOPE_LISTENER, "1m", 60},
		{"keepalive.idle", SCOPE_LISTENER, "1500ms", -1},
		{"keepalive.idle", SCOPE_LISTENER, "0", -1},
		{"keepalive.count", SCOPE_LISTENER, "127", 127},
		{"keepalive.count", SCOPE_LISTENER, "128", -1},
		{"reuseport", SCOPE_LISTENER, "true", 1},
		{"reuseport", SCOPE_LISTENER, "false", -1},
		{"backlog", SCOPE_LISTENER, "0", -1},
		{"weight", SCOPE_NODE, "0", -1},
		{"weight", SCOPE_NODE, "7", 7},
		{"backup", SCOPE_NODE, "true", 1},
		{"maxFails", SCOPE_SELECTOR, "0", 0},
		{"strategy", SCOPE_SELECTOR, "best", -1},
		{"workers", SCOPE_PROCESS, "1025", -1},
		{"budget", SCOPE_PROCESS, "1", -1},
		{"drainTimeout", SCOPE_PROCESS, "0", 0},
	};

	check_values(rows, COUNT(rows));
}

static void test_proxy_values(void)
{
	static const struct value_row rows[] = {
		{"proxyProtocol", SCOPE_SERVICE, "", 1},
		{"proxyProtocol", SCOPE_SERVICE, "true", 1},
		{"proxyProtocol", SCOPE_SERVICE, "1", 1},
		{"proxyProtocol", SCOPE_SERVICE, "2", 1},
		{"proxyProtocol", SCOPE_SERVICE, "0", 0},
		{"proxyProtocol", SCOPE_SERVICE, "false", 0},
		{"proxyProtocol", SCOPE_SERVICE, "-1", -1},
		{"proxyProtocol", SCOPE_SERVICE, "3", -1},
		{"proxyProtocol", SCOPE_SERVICE, "yes", -1},
		{"proxyProtocol", SCOPE_SERVICE, " 1", -1},
		{"proxyProtocol", SCOPE_HANDLER, "0", 0},
		{"proxyProtocol", SCOPE_HANDLER, "1", 1},
		{"proxyProtocol", SCOPE_HANDLER, "2", 2},
		{"proxyProtocol", SCOPE_HANDLER, "true", 1},
		{"proxyProtocol", SCOPE_HANDLER, "", -1},
		{"proxyProtocol", SCOPE_HANDLER, "3", -1},
		{"proxyProtocol", SCOPE_HANDLER, "-1", -1},
		{"proxyProtocol", SCOPE_NODE, "-1", -1},
		{"proxyProtocol.policy", SCOPE_SERVICE, "use", 0},
		{"proxyProtocol.policy", SCOPE_SERVICE, "REQUIRE", 1},
		{"proxyProtocol.policy", SCOPE_SERVICE, "reject", 2},
		{"proxyProtocol.policy", SCOPE_SERVICE, "ignore", 3},
		{"proxyProtocol.policy", SCOPE_SERVICE, "skip", 4},
		{"proxyProtocol.policy", SCOPE_SERVICE, "", -1},
		{"proxyProtocol.policy", SCOPE_SERVICE, "uses", -1},
		{"proxyProtocol.untrusted", SCOPE_SERVICE, "reject", 2},
		{"proxyProtocol.untrusted", SCOPE_SERVICE, "use", -1},
		{"proxyProtocol.versions", SCOPE_SERVICE, "1", 2},
		{"proxyProtocol.versions", SCOPE_SERVICE, "2", 4},
		{"proxyProtocol.versions", SCOPE_SERVICE, "1,2", 6},
		{"proxyProtocol.versions", SCOPE_SERVICE, "", -1},
		{"proxyProtocol.versions", SCOPE_SERVICE, "1,3", -1},
		{"proxyProtocol.crc32c", SCOPE_SERVICE, "ignore", 2},
		{"proxyProtocol.crc32c", SCOPE_SERVICE, "on", -1},
		{"proxyProtocol.wait", SCOPE_SERVICE, "300ms", 300000000},
		{"proxyProtocol.wait", SCOPE_SERVICE, "0", -1},
		{"proxyProtocol.unspec", SCOPE_SERVICE, "reject", 1},
		{"proxyProtocol.logTLV", SCOPE_SERVICE, "true", 1},
		{"proxyProtocol.v4InTCP6", SCOPE_SERVICE, "yes", -1},
		{"proxyProtocol.dst", SCOPE_HANDLER, "local", 1},
		{"proxyProtocol.dst", SCOPE_NODE, "received", 0},
		{"proxyProtocol.dst", SCOPE_NODE, "theirs", -1},
		{"proxyProtocol.maxSize", SCOPE_SERVICE, "15", -1},
		{"proxyProtocol.maxSize", SCOPE_SERVICE, "16", 16},
		{"proxyProtocol.maxSize", SCOPE_SERVICE, "65551", 65551},
		{"proxyProtocol.maxSize", SCOPE_SERVICE, "65552", -1},
		{"proxyProtocol.maxSize", SCOPE_SERVICE, "4K", 4096},
		{"proxyProtocol.timeout", SCOPE_SERVICE, "0", -1},
		{"proxyProtocol.timeout", SCOPE_SERVICE, "1ms", 1000000},
		{"proxyProtocol.timeout", SCOPE_SERVICE, "999us", -1},
	};

	check_values(rows, COUNT(rows));
}

/* Lists are checked piece by piece, and stay text. */
static void test_lists(void)
{
	static const struct {
		const char *name;
		unsigned scope;
		const char *value, *sentence;
	} rows[] = {
		{"proxyProtocol.from", SCOPE_SERVICE, "10.0.0.0/8, ::1", NULL},
		{"proxyProtocol.from", SCOPE_SERVICE, "10.0.0.0/8,lb", "key \"proxyProtocol.from\": \"lb\" is not"},
		{"proxyProtocol.pass", SCOPE_HANDLER, "all", NULL},
		{"proxyProtocol.pass", SCOPE_NODE, "CRC32C", "key \"proxyProtocol.pass\": \"CRC32C\" is never"},
		{"proxyProtocol.add", SCOPE_NODE, "ALPN=h2", NULL},
		{"interface", SCOPE_HOP, "eth0", NULL},
		{"authBasicRealm", SCOPE_HANDLER, "the office", NULL},
		{"authBasicRealm", SCOPE_HANDLER, "", "key \"authBasicRealm\": it has no value"},
		{"authBasicRealm", SCOPE_HANDLER, "a\r\nX: y", "there is a control character"},
		{"authBasicRealm", SCOPE_HANDLER, "a\"b", "a quote"},
		{"interface", SCOPE_PROXY, "", "key \"interface\": \"\" is neither"},
		{"proxyProtocol.add", SCOPE_HANDLER, "ALPN", "key \"proxyProtocol.add\": \"ALPN\" is not TYPE=VALUE"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct config_key *key = NULL;
		struct config_error err = {""};
		unsigned char target[sizeof(struct service_options)] = {0};
		const char *stored = NULL;
		CU_ASSERT_EQUAL_FATAL(config_key_find(rows[i].name, rows[i].scope, &key, &err), 0);
		int rc = config_key_apply(key, rows[i].value, target, &err);
		memcpy(&stored, target + key->offset, sizeof(stored));
		CU_ASSERT_EQUAL(rc, rows[i].sentence ? -EINVAL : 0);
		CU_ASSERT_PTR_EQUAL(stored, rc ? NULL : rows[i].value);
		CU_ASSERT(!rc || strstr(err.text, rows[i].sentence) != NULL);
	}
}

static void test_presets(void)
{
	struct service_options opt;
	struct process_options process;

	memset(&opt, 0xff, sizeof(opt));
	opt.engine = ENGINE_COPY;
	config_key_presets(SCOPE_SERVICE | SCOPE_HANDLER | SCOPE_LISTENER, &opt);
	CU_ASSERT(!opt.recv_proxy && opt.keepalive);
	CU_ASSERT_EQUAL(opt.recv_proxy_timeout_ns, UINT64_C(10000000000));
	CU_ASSERT_EQUAL(opt.recv_proxy_max, 4096);
	CU_ASSERT_EQUAL(opt.send_proxy, 0);
	CU_ASSERT_EQUAL(opt.engine, ENGINE_COPY);
	CU_ASSERT_EQUAL(opt.dial_timeout_ns, UINT64_C(15000000000));
	CU_ASSERT_EQUAL(opt.idle_timeout_ns, 0);
	CU_ASSERT_EQUAL(opt.user_timeout_ns, 0);
	CU_ASSERT(opt.keepalive_idle_s == 15 && opt.keepalive_interval_s == 15 && opt.keepalive_count == 9);
	CU_ASSERT_EQUAL(opt.backlog, 4096);
	CU_ASSERT_EQUAL(opt.retries, 0);
	memset(&process, 0xff, sizeof(process));
	config_key_presets(SCOPE_PROCESS, &process);
	CU_ASSERT(process.workers == 0 && process.engine == ENGINE_AUTO);
	CU_ASSERT_EQUAL(process.budget_bytes, 256 << 20);
	CU_ASSERT_EQUAL(process.flow_budget_bytes, 16 << 20);
	CU_ASSERT_EQUAL(process.drain_timeout_ns, UINT64_C(30000000000));
}

static void test_add(void)
{
	struct metadata md = {0};
	const struct config_key *key = NULL;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(config_key_find("BackLog", SCOPE_LISTENER, &key, &err), 0);
	CU_ASSERT_EQUAL(config_key_add(&md, key, "x", &err), -EINVAL);
	CU_ASSERT_EQUAL(md.count, 0);
	CU_ASSERT_EQUAL(config_key_add(&md, key, "5", &err), 0);
	CU_ASSERT_STRING_EQUAL(md.entries[0].key, "backlog");
	CU_ASSERT_STRING_EQUAL(config_metadata_get(&md, "BACKLOG"), "5");
	CU_ASSERT_EQUAL(config_key_add(&md, key, "5", &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "key \"backlog\" is given twice");
	config_metadata_fini(&md);
	config_metadata_fini(&md);
}

static void test_print(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	config_print_keys(out);
	fclose(out);
	for (size_t i = 0; i < config_key_count; i++) {
		CU_ASSERT_PTR_NOT_NULL(strstr(text, config_keys[i].name));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, config_keys[i].doc));
	}
	free(text);
}

static const struct unit_case cases[] = {
	{"rows are sound", test_rows}, {"one row per name and scope", test_unambiguous},
	{"find", test_find},	       {"find: errors", test_find_errors},
	{"values", test_values},       {"values of proxyProtocol.*", test_proxy_values},
	{"lists", test_lists},	       {"defaults", test_presets},
	{"add to metadata", test_add}, {"listing", test_print},
};

UNIT_MAIN("config_keys", cases)
