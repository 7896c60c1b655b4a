/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_config.c - from a command line to a configuration: order, precedence, the usual places. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define INLINE	 "{\"services\":[{\"name\":\"%s\",\"addr\":\":%d\"}]%s}"

/* Up to seven words after the program's name; err is that of whichever step failed. */
static int build(struct config *cfg, struct config_error *err, const char *const *words)
{
	char *argv[9] = {(char *)"gostbpf"};
	struct cli cli;
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	config_init(cfg);
	int rc = cli_parse(argc, argv, NULL, &cli, err);
	if (!rc)
		rc = cli_build_config(&cli, cfg, err);
	cli_free(&cli);
	return rc;
}

#define BUILD(cfg, err, ...) build(cfg, err, (const char *const[]){__VA_ARGS__, NULL})

static void clear_environment(void)
{
	static const char *const names[] = {"GOST_LOGGER_LEVEL", "GOST_API", "GOST_METRICS",
					    "GOST_PROFILING"};

	for (size_t i = 0; i < COUNT(names); i++)
		unsetenv(names[i]);
}

/* Files come before -L whatever the order of the words, and -L counts only its own services. */
static void test_order(void)
{
	struct config cfg;
	struct config_error err = {""};
	char a[128], b[128];

	clear_environment();
	snprintf(a, sizeof(a), INLINE, "a", 1, "");
	snprintf(b, sizeof(b), INLINE, "b", 2, "");
	CU_ASSERT_EQUAL_FATAL(BUILD(&cfg, &err, "-L=tcp://:3/:9", "-C", a, "-L=tcp://:4/:9", "-C", b), 0);
	CU_ASSERT_EQUAL_FATAL(cfg.service_count, 4);
	CU_ASSERT_STRING_EQUAL(cfg.services[0].name, "a");
	CU_ASSERT_STRING_EQUAL(cfg.services[1].name, "b");
	CU_ASSERT_STRING_EQUAL(cfg.services[2].name, "service-0");
	CU_ASSERT_STRING_EQUAL(cfg.services[3].name, "service-1");
	CU_ASSERT(!cfg.log.present && !cfg.process_present);
	config_free(&cfg);
}

static void test_log_level(void)
{
	static const struct {
		const char *flag, *env, *want;
	} rows[] = {
		{NULL, NULL, "error"}, {NULL, "", "error"},	{NULL, "warn", "warn"},
		{"-D", NULL, "debug"}, {"-D", "warn", "debug"}, {"-DD", "warn", "trace"},
	};
	struct config_error err = {""};
	char file[160];

	snprintf(file, sizeof(file), INLINE, "a", 1, ",\"log\":{\"level\":\"error\",\"format\":\"text\"}");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		clear_environment();
		if (rows[i].env)
			setenv("GOST_LOGGER_LEVEL", rows[i].env, 1);
		CU_ASSERT_EQUAL_FATAL(BUILD(&cfg, &err, "-C", file, rows[i].flag), 0);
		CU_ASSERT_STRING_EQUAL(cfg.log.level, rows[i].want);
		CU_ASSERT_STRING_EQUAL(cfg.log.format, "text");
		config_free(&cfg);
	}
	clear_environment();
}

/* -DD wins over -D in either order. */
static void test_both_levels(void)
{
	struct config cfg;
	struct config_error err = {""};

	clear_environment();
	CU_ASSERT_EQUAL_FATAL(BUILD(&cfg, &err, "-DD", "-D", "-L", "tcp://:1/:2"), 0);
	CU_ASSERT_STRING_EQUAL(cfg.log.level, "trace");
	config_free(&cfg);
}

static void test_process(void)
{
	struct config cfg;
	struct config_error err = {""};
	char file[160];

	clear_environment();
	snprintf(file, sizeof(file), INLINE, "a", 1, ",\"gostbpf\":{\"engine\":\"copy\",\"workers\":3}");
	CU_ASSERT_EQUAL_FATAL(BUILD(&cfg, &err, "-engine=splice", "-C", file, "-budget=1G", "-drain", "0"),
			      0);
	CU_ASSERT(cfg.process_present && cfg.process.engine == ENGINE_SPLICE && cfg.process.workers == 3);
	CU_ASSERT(cfg.process.budget_bytes == 1 << 30 && cfg.process.flow_budget_bytes == 16 << 20);
	CU_ASSERT_EQUAL(cfg.process.drain_timeout_ns, 0);
	config_free(&cfg);
}

static void test_errors(void)
{
	static const struct {
		const char *words[4];
		const char *env;
		const char *text;
	} rows[] = {
		{{"-L", "foo"}, NULL, "-L \"foo\": listen address: \"foo\" has no port"},
		{{"-C", "none.yml"}, NULL, "none.yml: No such file or directory"},
		{{"-C", "{}"}, NULL, "nothing to serve: the configuration has no services"},
		{{"-L=tcp://:1/:2", "-engine", "fast"}, NULL, "-engine: key \"engine\": bad value \"fast\""},
		{{"-L=tcp://:1/:2", "-workers=-1"}, NULL, "-workers: key \"workers\": bad value \"-1\""},
		{{"-L=tcp://:1/:2", "-drain", "x"}, NULL, "-drain: key \"drainTimeout\": bad value \"x\""},
		{{"-L=tcp://:1/:2"}, "GOST_API", "environment variable GOST_API is not supported yet"},
		{{"-L=tcp://:1/:2"},
		 "GOST_METRICS",
		 "environment variable GOST_METRICS is not supported yet"},
		{{"-L=tcp://:1/:2"},
		 "GOST_PROFILING",
		 "environment variable GOST_PROFILING is not supported yet"},
		{{"-L=tcp://:1/:2"},
		 "GOST_LOGGER_LEVEL",
		 "environment variable GOST_LOGGER_LEVEL: unknown log level \":1\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct config_error err = {""};
		clear_environment();
		if (rows[i].env)
			setenv(rows[i].env, ":1", 1);
		CU_ASSERT_EQUAL(build(&cfg, &err, rows[i].words), -EINVAL);
		if (!strstr(err.text, rows[i].text)) {
			printf("    %s\n", err.text);
			CU_FAIL("another sentence was expected");
		}
		config_free(&cfg);
	}
	clear_environment();
}

/* --- the usual places -------------------------------------------------------------------------- */

static void put_service(const char *path, const char *name)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fprintf(f, INLINE, name, 1, "");
	fclose(f);
}

static void check_default(const char *want)
{
	static const char *const none[] = {NULL};
	struct config cfg;
	struct config_error err = {""};
	int rc = build(&cfg, &err, none);

	CU_ASSERT_EQUAL(rc, want ? 0 : -EINVAL);
	if (!rc)
		CU_ASSERT_STRING_EQUAL(cfg.services[0].name, want ? want : "none");
	if (rc)
		CU_ASSERT_PTR_NOT_NULL(
			strstr(err.text, "/etc/gostbpf, /etc/gost, $HOME/.gost or the working directory"));
	config_free(&cfg);
}

/* Later files are found only as long as the earlier ones are not there. */
static void test_places(void)
{
	static const char *const paths[] = {"gost.json",	  "gost.yml",	  "gost.yaml",
					    "gostbpf.yml",	  "gostbpf.yaml", "h/.gost/gost.json",
					    "h/.gost/gostbpf.yml"};
	char dir[] = "/tmp/gostbpf-test-XXXXXX", before[4096];

	if (!access("/etc/gost", F_OK) || !access("/etc/gostbpf", F_OK)) {
		unit_skip("this machine has a configuration of its own");
		return;
	}
	clear_environment();
	CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof(before)));
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_EQUAL_FATAL(chdir(dir), 0);
	CU_ASSERT(!mkdir("h", 0700) && !mkdir("h/.gost", 0700));
	setenv("HOME", "h", 1);
	check_default(NULL);
	for (size_t i = 0; i < COUNT(paths); i++) {
		put_service(paths[i], paths[i]);
		check_default(paths[i]);
	}
	unsetenv("HOME");
	check_default("gostbpf.yaml");
	for (size_t i = 0; i < COUNT(paths); i++)
		unlink(paths[i]);
	CU_ASSERT(!rmdir("h/.gost") && !rmdir("h") && !chdir(before) && !rmdir(dir));
}

static const struct unit_case cases[] = {
	{"order", test_order},
	{"log level", test_log_level},
	{"-D and -DD", test_both_levels},
	{"process options", test_process},
	{"errors", test_errors},
	{"the usual places", test_places},
};

UNIT_MAIN("cli_config", cases)
