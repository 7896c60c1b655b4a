/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_vectors.c - every recorded command line of GOST: printed alike, or different on purpose.
 *
 * A row of cli.jsonl that docs/differences.md does not list must print GOST's configuration, by value. A listed one must
 * fail with the words that stand there, or print what stands there, which must be another thing than GOST's. A listed id
 * that the file does not have is a failure too, so no row can go unasserted.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "unit.h"

#define VECTORS	    "tests/vectors/gost/cli.jsonl"
#define DIFFERENCES "docs/differences.md"

/* One row of the document: | `id` | fails `words` | reason |, or prints and JSON instead. */
struct difference {
	char id[64], what[2048];
	bool fails;
};
static struct difference differ[200];
static size_t differ_count;

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
	static const char *const handlers[] = {"tcp",	 "udp",	  "http",  "socks4", "socks4a", "socks5", "socks",
					       "relay", "auto", "rtcp", "rudp",	  "forward", NULL};
	static const char *const listeners[] = {"tcp", "udp", "rtcp", "rudp", "tls", NULL};
	static const char *const connectors[] = {"http",  "socks4", "socks4a", "socks5", "socks",
						 "relay", "tcp",    "forward", NULL};
	static const char *const dialers[] = {"tcp", "tls", NULL};
	static const struct config_types types = {handlers, listeners, connectors, dialers};
	char *argv[24] = {(char *)"gostbpf", (char *)"-O", (char *)"json"};
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

	while (i < differ_count && strcmp(differ[i].id, id))
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
	char *dump = NULL;
	json_t *got = parse_dump(cfg);
	json_t *want = prints ? json_loads(prints, 0, NULL) : json_incref(json_object_get(row, "config"));

	if (!want || !json_equal(got, want))
		complain(text_of(row, "id"), "another configuration was expected, not", dump = json_dumps(got, 0));
	if (prints && json_equal(got, json_object_get(row, "config")))
		complain(text_of(row, "id"), "it is listed as different, and is not", prints);
	free(dump);
	check_round_trip(text_of(row, "id"), cfg, got);
	json_decref(got);
	json_decref(want);
}

static void check_row(json_t *row)
{
	const char *id = text_of(row, "id");
	size_t at = find_differ(id);
	const struct difference *listed = at < differ_count ? &differ[at] : NULL;
	struct config cfg;
	struct cli cli;
	struct config_error err = {""};

	config_init(&cfg);
	int rc = load(row, &cfg, &cli, &err);
	if (listed && listed->fails && rc)
		check_failure(row, rc, listed->what, &err);
	else if (listed && listed->fails)
		complain(id, "this must fail with", listed->what);
	else if (rc)
		complain(id, "this must not fail", err.text);
	else if (cli.action == CLI_VERSION && strcmp(id, "flag-version"))
		complain(id, "this must not print a version", "");
	else if (cli.action != CLI_VERSION)
		check_config(row, &cfg, listed ? listed->what : NULL);
	config_free(&cfg);
	cli_free(&cli);
}

/* --- the document ------------------------------------------------------------------------------ */

/* The text between the next two backticks, and where to go on. */
static const char *quoted(const char *line, char *out, size_t cap)
{
	const char *start = strchr(line, '`'), *end = start ? strchr(start + 1, '`') : NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	CU_ASSERT_FATAL((size_t)(end - start) < cap);
	snprintf(out, cap, "%.*s", (int)(end - start - 1), start + 1);
	return end + 1;
}

static void read_differences(void)
{
	char line[4096];
	FILE *f = fopen(DIFFERENCES, "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "| `", 3))
			continue;
		CU_ASSERT_FATAL(differ_count < sizeof(differ) / sizeof(differ[0]));
		struct difference *row = &differ[differ_count++];
		const char *rest = quoted(line, row->id, sizeof(row->id));
		row->fails = !strncmp(rest, " | fails ", 9);
		CU_ASSERT(row->fails || !strncmp(rest, " | prints ", 10));
		rest = quoted(rest, row->what, sizeof(row->what));
		CU_ASSERT(!strncmp(rest, " | ", 3) && strlen(rest) > 8); /* a reason */
	}
	fclose(f);
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
	read_differences();
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
	CU_ASSERT(differ_count > 30);
	for (size_t d = 0; d < differ_count; d++) {
		size_t i;
		json_t *row;
		bool found = false;
		json_array_foreach(rows, i, row) found |= !strcmp(text_of(row, "id"), differ[d].id);
		if (!found || find_differ(differ[d].id) != d)
			complain(differ[d].id, "listed twice, or not in the file", differ[d].what);
	}
	json_decref(rows);
}

static const struct unit_case cases[] = {
	{"every row of cli.jsonl", test_rows},
	{"the list of differences is current", test_list},
};

UNIT_MAIN("config_vectors", cases)
