/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_source.c - files, standard input and inline JSON; JSON's own escapes through libyaml. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_parts.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int add(struct config *cfg, const char *source, struct config_error *err)
{
	config_init(cfg);
	return config_add_source(cfg, source, err);
}

/* Puts a service of this name (as JSON writes it) through inline JSON. */
static void check_name(const char *json, const char *want)
{
	struct config cfg;
	struct config_error err = {""};
	char text[256];

	snprintf(text, sizeof(text), " {\"services\":\t[{\"name\":\"%s\",\n\t\"addr\":\":1\"}]}\n", json);
	CU_ASSERT_EQUAL_FATAL(add(&cfg, text, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg.services[0].name, want);
	config_free(&cfg);
}

static void test_json_escapes(void)
{
	check_name("a\\/b", "a/b");
	check_name("\\u0041\\n\\t\\\"\\\\", "A\n\t\"\\");
	check_name("\\ud83d\\ude00", "\U0001F600");
	check_name("x\\uD83D\\uDE00\\u00e9y", "x\U0001F600\u00e9y");
	check_name("\\\\ud83d\\\\ude00", "\\ud83d\\ude00"); /* backslashes, no escapes */
	check_name("\\\\\\ud83d\\ude00", "\\\U0001F600");
	check_name("\xc3\xa9", "\u00e9");
}

/* libyaml takes no tab where a line begins; JSON does. */
static void test_json_blanks(void)
{
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_EQUAL(add(&cfg, "\t{\t\"services\"\t:\r\n\t[\t]\t}\t", &err), 0);
	config_free(&cfg);
}

static void test_json_errors(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{", "inline:1:1: string or '}' expected"},
		{"{\"services\":[}", "inline:1:14: unexpected token"},
		{"{\"services\":[],}", "inline:1:"},
		{"{\"services\":[]} x", "inline:1:"},
		{"{services: []}", "inline:1:"},
		{"{\"services\":[],\"services\":[]}", "duplicate object key"},
		{"{\"services\":[{\"name\":\"\\ud83d\",\"addr\":\":1\"}]}", "invalid Unicode"},
		{"{\"services\":[{\"name\":\"\\u0000\",\"addr\":\":1\"}]}", "\\u0000"},
		{"{\n \"servces\": []}", "inline:2:2: unknown section \"servces\""},
		{"{\"services\":[{\"name\":\"a\"}]}", "inline:1:14: service \"a\" has no addr"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(add(&cfg, rows[i].text, &err), -EINVAL);
		if (!strstr(err.text, rows[i].want)) {
			printf("    got:  %s\n    want: %s\n", err.text, rows[i].want);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static void test_files(void)
{
	static const char yaml[] = "services:\n- {name: y, addr: ':1'}\n",
			  json[] = "{\"services\":[{\"name\":\"j\",\"addr\":\":1\"}]}";
	char dir[] = "/tmp/gostbpf-test-XXXXXX", path[64];
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{"a.yml", yaml, "y"},	 {"a.yaml", yaml, "y"},	   {"a.YML", yaml, "y"},
		{"a.json", json, "j"},	 {"b.yml", json, "j"}, /* JSON is YAML */
		{"b.json", yaml, NULL},	 {"a.conf", yaml, NULL},   {"a", yaml, NULL},
		{"x.yml/a", NULL, NULL}, {"none.yml", NULL, NULL},
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].name);
		if (rows[i].text)
			write_file(path, rows[i].text);
		int rc = add(&cfg, path, &err);
		CU_ASSERT_EQUAL(rc, rows[i].want ? 0 : -EINVAL);
		CU_ASSERT(rc ? !strncmp(err.text, path, strlen(path))
			     : !strcmp(cfg.services[0].name, rows[i].want));
		config_free(&cfg);
		unlink(path);
	}
	rmdir(dir);
}

static void test_directory(void)
{
	char dir[] = "/tmp/gostbpf-test-XXXXXX", path[64];
	struct config cfg;
	struct config_error err = {""};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s.yml", dir);
	CU_ASSERT_EQUAL_FATAL(rename(dir, path), 0);
	CU_ASSERT_EQUAL(add(&cfg, path, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "Is a directory"));
	config_free(&cfg);
	rmdir(path);
}

/* A name that ends nowhere sensible must neither overflow a message nor hide the reason. */
static void test_long_name(void)
{
	char path[5000];
	struct config cfg;
	struct config_error err = {""};

	memset(path, 'x', sizeof(path));
	strcpy(path + sizeof(path) - 5, ".yml");
	CU_ASSERT_EQUAL(add(&cfg, path, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "File name too long"));
	config_free(&cfg);
}

static void check_stdin(const char *text, size_t repeat, int want, const char *words)
{
	struct config cfg;
	struct config_error err = {""};
	FILE *f = tmpfile();

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (size_t i = 0; i < repeat; i++)
		fputs(text, f);
	rewind(f);
	fflush(f);
	FILE *saved = stdin;
	stdin = f;
	int rc = add(&cfg, "-", &err);
	stdin = saved;
	fclose(f);
	CU_ASSERT_EQUAL(rc, want);
	CU_ASSERT_PTR_NOT_NULL(strstr(rc ? err.text : cfg.services[0].name, words));
	config_free(&cfg);
}

static void test_stdin(void)
{
	check_stdin("services:\n- {name: y, addr: ':1'}\n", 1, 0, "y");
	check_stdin(" \n{\"services\":[{\"name\":\"\\ud83d\\ude00\",\"addr\":\":1\"}]}", 1, 0, "\U0001F600");
	check_stdin("services: [\n", 1, -EINVAL, "-:2:1: did not find expected node content");
	check_stdin("# 0123456789abcdef0123456789abc\n", 1 << 20, -EINVAL, "too large");
}

static const struct unit_case cases[] = {
	{"JSON: blanks", test_json_blanks}, {"JSON: escapes", test_json_escapes},
	{"JSON: errors", test_json_errors}, {"files", test_files},
	{"a directory", test_directory},    {"a long name", test_long_name},
	{"standard input", test_stdin},
};

UNIT_MAIN("config_source", cases)
