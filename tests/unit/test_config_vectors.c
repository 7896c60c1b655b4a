/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_vectors.c - every recorded command line of GOST: printed alike, or different on purpose.
 *
 * A row of cli.jsonl that is not listed below must print GOST's configuration, by value. A listed one
 * must fail with the given words, or print what is given here; its reason says why. A listed id that
 * the file does not have is a failure too, so no row can go unasserted.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VECTORS	 "tests/vectors/gost/cli.jsonl"

/* "tcp://:8080/:8000" with this for proxyProtocol at the service. */
#define RECEIVE(n)                                                                                           \
	"{\"services\":[{\"name\":\"service-0\",\"addr\":\":8080\",\"handler\":{\"type\":\"tcp\"},"          \
	"\"listener\":{\"type\":\"tcp\"},\"forwarder\":{\"nodes\":[{\"name\":\"target-0\","                  \
	"\"addr\":\":8000\"}]},\"metadata\":{\"proxyProtocol\":" n "}}]}"

#define AUTO	"scheme \"auto\" (no scheme given) is not supported yet"
#define CHAIN	"-F is not supported yet"
#define AUTH	"user and password (auth)"
#define NOTHING "nothing to serve"

static const struct {
	const char *id;
	const char *fails; /* words of the error, or NULL: */
	const char *prints;
	const char *reason;
} differ[] = {
	/* not built yet: said so, instead of serving something else */
	{"bare-port", AUTO, NULL, "auto handler"},
	{"bare-eq", AUTO, NULL, "auto handler"},
	{"double-dash-flag", AUTO, NULL, "auto handler"},
	{"pp-seed-empty", AUTO, NULL, "auto handler"},
	{"flag-D", AUTO, NULL, "auto handler"},
	{"flag-DD", AUTO, NULL, "auto handler"},
	{"flag-D-DD", AUTO, NULL, "auto handler"},
	{"env-logger", AUTO, NULL, "auto handler"},
	{"C-dup-name", AUTO, NULL, "auto handler"},
	{"C-stdin-json", "handler type \"auto\" (no handler given) is not supported yet", NULL,
	 "auto handler"},
	{"C-default-json", "./gost.json:1:14: handler type \"auto\"", NULL,
	 "auto handler; the file is found"},
	{"C-file-json", "a.json:1:14: handler type \"http\" is not supported yet", NULL, "http handler"},
	{"scheme-http", "scheme \"http\" is not supported yet", NULL, "http handler"},
	{"scheme-socks4", "scheme \"socks4\" is not supported yet", NULL, "socks4 handler"},
	{"scheme-socks", "scheme \"socks\" is not supported yet", NULL, "socks5 handler"},
	{"scheme-socks5-bind", "key \"bind\" is not supported yet", NULL, "socks5 handler"},
	{"scheme-relay", "scheme \"relay\" is not supported yet", NULL, "relay handler"},
	{"scheme-relay_tls", "scheme \"relay+tls\" is not supported yet", NULL, "relay handler"},
	{"scheme-http_tls", "scheme \"http+tls\" is not supported yet", NULL, "tls listener"},
	{"scheme-tls", "scheme \"tls\" is not supported yet", NULL, "tls listener"},
	{"scheme-ss", "scheme \"ss\" is not supported yet", NULL, "ss handler"},
	{"scheme-http2", "scheme \"http2\" is not supported yet", NULL, "http2 handler"},
	{"scheme-rudp", "scheme \"rudp\" is not supported yet", NULL, "rudp handler"},
	{"scheme-rtcp-pp-recv", "scheme \"rtcp\" is not supported yet", NULL, "rtcp listener"},
	{"pp-seed-rtcp", "scheme \"rtcp\" is not supported yet", NULL, "rtcp listener"},
	{"scheme-unix-target", "scheme \"unix\" is not supported yet", NULL, "unix listener"},
	{"auth-http", AUTH, NULL, "authentication"},
	{"auth-http-pct", AUTH, NULL, "authentication"},
	{"auth-user-only", AUTH, NULL, "authentication"},
	{"auth-empty-pass", AUTH, NULL, "authentication"},
	{"auth-empty-user", AUTH, NULL, "authentication"},
	{"auth-relay", AUTH, NULL, "authentication"},
	{"auth-auto", AUTH, NULL, "authentication"},
	{"q-limiter-conn", "key \"limiter.conn.in\" is not supported yet", NULL, "limiters"},
	{"q-rlimiter", "key \"rlimiter\" is not supported yet", NULL, "limiters"},
	{"q-bypass-white", "key \"bypass\" is not supported yet", NULL, "bypass"},
	{"q-admission-white", "key \"admission\" is not supported yet", NULL, "admission"},
	{"q-resolver", "key \"resolver\" is not supported yet", NULL, "resolvers"},
	{"q-dns", "key \"dns\" is not supported yet", NULL, "dns handler"},
	{"q-tls-caonly", "key \"ca\" is not supported yet", NULL, "tls listener"},
	{"q-reuseport", "key \"mptcp\" is not supported yet", NULL, "multipath TCP"},
	{"pp-seed-node", CHAIN, NULL, "chains"},
	{"chain-1", CHAIN, NULL, "chains"},
	{"chain-3", CHAIN, NULL, "chains"},
	{"chain-forward", CHAIN, NULL, "chains"},
	{"chain-bare-host", CHAIN, NULL, "chains"},
	{"chain-forward-tls", CHAIN, NULL, "chains"},
	{"chain-path", CHAIN, NULL, "chains"},
	{"chain-noport", CHAIN, NULL, "chains"},
	{"chain-scopes", CHAIN, NULL, "chains"},
	{"chain-interface", CHAIN, NULL, "chains"},
	{"chain-only", CHAIN, NULL, "chains"},
	{"bad-node-escape", CHAIN, NULL, "chains"},
	{"flag-api", "-api is not supported yet", NULL, "web API"},
	{"flag-api-full", "-api is not supported yet", NULL, "web API"},
	{"flag-api-only", "-api is not supported yet", NULL, "web API"},
	{"bad-api", "-api is not supported yet", NULL, "web API"},
	{"env-api", "environment variable GOST_API is not supported yet", NULL, "web API"},
	{"env-metrics-flag", "-metrics is not supported yet", NULL, "metrics"},

	/* stricter than GOST, which guesses, drops or listens elsewhere */
	{"bare-number", "listen address: \"8080\" has no port", NULL, "would fail only at bind"},
	{"tcp-trailing-comma", "empty target between commas", NULL, "a node without an address"},
	{"tcp-target-noport", "target: \"example.com\" has no port", NULL, "dials port 0"},
	{"tcp-no-target", "service \"service-0\" has no target", NULL, "dials nothing"},
	{"tcp-slash-only", "service \"service-0\" has no target", NULL, "dials nothing"},
	{"tcp-path-in-path", "target \"a:80/b:81\" has a path", NULL, "not an address"},
	{"pp-neg1", "key \"proxyProtocol\": bad value \"-1\"", NULL, "silently off"},
	{"q-unknown", "unknown key \"foo\"", NULL, "silently ignored"},
	{"q-semicolon", "\";\" does not separate keys", NULL, "the whole query is dropped"},
	{"q-selector-notarget", "but there is no target", NULL, "silently dropped"},
	{"q-retries-bad", "key \"retries\": bad value \"x\"", NULL, "silently 0"},
	{"scheme-http_tcp_tls", "scheme \"http+tcp+tls\" has more than two parts", NULL,
	 "an open auto proxy"},
	{"scheme-http_nosuch", "unknown scheme \"http+nosuch\": there is no listener \"nosuch\"", NULL,
	 "plain tcp"},
	{"range-listen-less-targets", "2 targets for 3 ports", NULL, "the third port has no target"},
	{"bad-escape-query", "bad escape \"%zz\"", NULL, "silently dropped"},
	{"bad-port", "listen address: \":99999\" has a port above 65535", NULL, "listens on a random port"},
	{"bad-port-neg", "listen address: \":-1\" has a port that is not a number", NULL,
	 "listens on a random port"},
	{"bad-pass-question", "\"@\" behind the host", NULL, "listens on host \"user\", any port"},

	/* GOST fails as well; only the words differ */
	{"C-inline-yaml", "ends in .yml, .yaml or .json", NULL, "own words"},
	{"C-missing", "nofile.yml: No such file or directory", NULL, "own words"},
	{"C-badext", "a.conf: the name of a configuration ends in", NULL, "own words"},
	{"env-api-only", NOTHING, NULL, "own words"},
	{"bad-noargs", NOTHING, NULL, "own words"},
	{"bad-flag", "flag provided but not defined: -X", NULL, "GOST's words"},
	{"bad-escape-user", AUTH, NULL, "authentication"},
	{"bad-scheme-char", "\"t cp\" is not a scheme", NULL, "own words"},
	{"bad-control", "there is a control character in it", NULL, "own words"},
	{"bad-inline-json2", "inline:1:14: unexpected token near '}'", NULL, "own words"},

	/* printed in another way: an unscoped key goes only to the scope that reads it */
	{"pp-0", NULL, RECEIVE("0"), "off; not copied to handler and listener"},
	{"pp-true", NULL, RECEIVE("1"), "on; GOST: no effect"},
	{"pp-empty", NULL, RECEIVE("1"), "on; GOST: no effect"},
	{"pp-nokeyvalue", NULL, RECEIVE("1"), "on; GOST: no effect"},
	{"q-keepalive", NULL,
	 "{\"services\":[{\"name\":\"service-0\",\"addr\":\":5353\",\"handler\":{\"type\":\"udp\"},"
	 "\"listener\":{\"type\":\"udp\",\"metadata\":{\"keepalive\":\"true\",\"readBufferSize\":\"4096\","
	 "\"ttl\":\"5s\"}},\"forwarder\":{\"nodes\":[{\"name\":\"target-0\",\"addr\":\"1.1.1.1:53\"}]}}]}",
	 "not copied to handler and service"},
};

static json_t *rows;

/* --- running one row --------------------------------------------------------------------------- */

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void write_files(json_t *row)
{
	const char *name;
	json_t *content;

	json_object_foreach(json_object_get(row, "files"), name, content)
	{
		FILE *f = fopen(name, "w");
		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		fputs(json_string_value(content), f);
		fclose(f);
	}
}

static void remove_files(json_t *row)
{
	const char *name;
	json_t *content;

	json_object_foreach(json_object_get(row, "files"), name, content) unlink(name);
}

static void set_environment(json_t *row, bool set)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(row, "env"), name, value)
	{
		if (set)
			setenv(name, json_string_value(value), 1);
		else
			unsetenv(name);
	}
}

/* The exit status; 0: cfg is resolved. */
static int load(json_t *row, struct config *cfg, struct cli *cli, struct config_error *err)
{
	static const char *const names[] = {"tcp", "udp", NULL};
	static const struct config_types types = {names, names, names, names};
	char *argv[16] = {(char *)"gostbpf", (char *)"-O", (char *)"json"};
	int argc = 3;
	size_t i;
	json_t *arg;

	json_array_foreach(json_object_get(row, "args"), i, arg) argv[argc++] =
		(char *)json_string_value(arg);
	int rc = cli_parse(argc, argv, NULL, cli, err);
	if (rc || cli->action == CLI_VERSION)
		return rc;
	return cli_build_config(cli, cfg, err) || config_resolve(cfg, &types, err) ? 1 : 0;
}

static json_t *parse_dump(const struct config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(config_dump_json(cfg, out), 0);
	fclose(out);
	json_t *tree = json_loads(text, 0, NULL);
	free(text);
	return tree;
}

static size_t find_differ(const char *id)
{
	size_t i = 0;

	while (i < COUNT(differ) && strcmp(differ[i].id, id))
		i++;
	return i;
}

static void complain(const char *id, const char *what, const char *detail)
{
	printf("    %s: %s: %s\n", id, what, detail);
	CU_FAIL("a row of cli.jsonl");
}

static void check_failure(json_t *row, int rc, const char *words, const struct config_error *err)
{
	const char *id = text_of(row, "id");
	json_int_t gost = json_integer_value(json_object_get(row, "rc"));

	if (!strstr(err->text, words))
		complain(id, "another error was expected", err->text);
	if (rc != (gost == 2 ? 2 : 1))
		complain(id, "another exit status was expected", err->text);
}

/* -O yaml, read by -C, prints the same again: no key in a scope that does not read it, nothing lost. */
static void check_round_trip(const char *id, const struct config *cfg, json_t *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct config again;
	struct config_error err = {"it printed something else"};

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(config_dump_yaml(cfg, out), 0);
	fclose(out);
	config_init(&again);
	json_t *got = config_add_yaml(&again, "dump", text, len, &err) ? NULL : parse_dump(&again);
	if (!json_equal(got, want))
		complain(id, "no round trip through YAML", err.text);
	json_decref(got);
	config_free(&again);
	free(text);
}

static void check_config(json_t *row, const struct config *cfg, const char *prints)
{
	json_t *got = parse_dump(cfg);
	json_t *want = prints ? json_loads(prints, 0, NULL) : json_incref(json_object_get(row, "config"));

	if (!want || !json_equal(got, want))
		complain(text_of(row, "id"), "another configuration was expected", "see cli.jsonl");
	check_round_trip(text_of(row, "id"), cfg, got);
	json_decref(got);
	json_decref(want);
}

static void check_row(json_t *row)
{
	const char *id = text_of(row, "id");
	size_t at = find_differ(id);
	bool listed = at < COUNT(differ);
	struct config cfg;
	struct cli cli;
	struct config_error err = {""};

	config_init(&cfg);
	int rc = load(row, &cfg, &cli, &err);
	if (listed && differ[at].fails && rc)
		check_failure(row, rc, differ[at].fails, &err);
	else if (listed && differ[at].fails)
		complain(id, "this must fail", differ[at].reason);
	else if (rc)
		complain(id, "this must not fail", err.text);
	else if (cli.action == CLI_VERSION && strcmp(id, "flag-version"))
		complain(id, "this must not print a version", "");
	else if (cli.action != CLI_VERSION)
		check_config(row, &cfg, listed ? differ[at].prints : NULL);
	config_free(&cfg);
	cli_free(&cli);
}

/* --- cases ------------------------------------------------------------------------------------- */

static void read_rows(void)
{
	char line[16384];
	FILE *f = fopen(VECTORS, "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	rows = json_array();
	while (fgets(line, sizeof(line), f)) {
		json_t *row = json_loads(line, 0, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(row);
		json_array_append_new(rows, row);
	}
	fclose(f);
	CU_ASSERT_EQUAL(json_array_size(rows), 116);
}

/* Standard input and the working directory are the row's own. */
static void run_in(json_t *row, FILE *in)
{
	FILE *saved = stdin;

	fputs(text_of(row, "stdin"), in);
	rewind(in);
	stdin = in;
	write_files(row);
	set_environment(row, true);
	check_row(row);
	set_environment(row, false);
	remove_files(row);
	stdin = saved;
}

static void test_rows(void)
{
	char home[] = "/tmp/gostbpf-test-XXXXXX", before[4096];
	size_t i;
	json_t *row;

	read_rows();
	CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof(before)));
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(home));
	setenv("HOME", home, 1);
	CU_ASSERT_EQUAL_FATAL(chdir(home), 0);
	json_array_foreach(rows, i, row)
	{
		FILE *in = tmpfile();
		CU_ASSERT_PTR_NOT_NULL_FATAL(in);
		run_in(row, in);
		fclose(in);
	}
	CU_ASSERT_EQUAL(chdir(before), 0);
	CU_ASSERT_EQUAL(rmdir(home), 0);
}

static void test_list(void)
{
	for (size_t d = 0; d < COUNT(differ); d++) {
		size_t i;
		json_t *row;
		bool found = false;
		json_array_foreach(rows, i, row) found |= !strcmp(text_of(row, "id"), differ[d].id);
		if (!found || find_differ(differ[d].id) != d)
			complain(differ[d].id, "listed twice, or not in the file", differ[d].reason);
	}
	json_decref(rows);
}

static const struct unit_case cases[] = {
	{"every row of cli.jsonl", test_rows},
	{"the list of differences is current", test_list},
};

UNIT_MAIN("config_vectors", cases)
