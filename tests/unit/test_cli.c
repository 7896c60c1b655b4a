/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli.c - the command line by Go's rules, and what GOST ignores refused. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int no_command(int argc, char **argv)
{
	(void)argv;
	return argc;
}
static const struct cli_command commands[] = {{"decode", no_command, "decode a PROXY header"}, {0}};

static int parse(const char *const *words, struct cli *cli, struct config_error *err)
{
	static char *argv[16]; /* results point into it */
	int argc = 1;

	argv[0] = (char *)"gostbpf";
	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	return cli_parse(argc, argv, commands, cli, err);
}

static void test_spellings(void)
{
	static const char *const rows[][4] = {
		{"-L", ":1"},
		{"-L=:1"},
		{"--L", ":1"},
		{"--L=:1"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cli cli;
		struct config_error err;
		CU_ASSERT_EQUAL(parse(rows[i], &cli, &err), 0);
		CU_ASSERT_EQUAL_FATAL(cli.url_count, 1);
		CU_ASSERT_STRING_EQUAL(cli.urls[0], ":1");
		CU_ASSERT_EQUAL(cli.action, CLI_RUN);
		cli_free(&cli);
		cli_free(&cli);
	}
}

static void test_all(void)
{
	static const char *const words[] = {"-L",	"a",  "-C",	 "b.yml", "-L=c=d",
					    "-C=-",	"-D", "-engine", "copy",  "--drain=5s",
					    "-workers", "-1", NULL};
	struct cli cli;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(parse(words, &cli, &err), 0);
	CU_ASSERT(cli.url_count == 2 && !strcmp(cli.urls[0], "a") && !strcmp(cli.urls[1], "c=d"));
	CU_ASSERT(cli.source_count == 2 && !strcmp(cli.sources[0], "b.yml") && !strcmp(cli.sources[1], "-"));
	CU_ASSERT(cli.debug && !cli.trace);
	CU_ASSERT_STRING_EQUAL(cli.engine, "copy");
	CU_ASSERT_STRING_EQUAL(cli.drain, "5s");
	CU_ASSERT_STRING_EQUAL(cli.workers, "-1"); /* a value may look like a flag; the key table judges it */
	CU_ASSERT_PTR_NULL(cli.budget);
	cli_free(&cli);
}

static void test_actions(void)
{
	static const struct {
		const char *words[5];
		enum cli_action action;
	} rows[] = {
		{{NULL}, CLI_RUN},
		{{"-O", "json"}, CLI_DUMP_JSON},
		{{"-O=yaml"}, CLI_DUMP_YAML},
		{{"-O", "yaml", "-O", "json"}, CLI_DUMP_JSON},
		{{"-V"}, CLI_VERSION},
		{{"-V", "-O", "json"}, CLI_VERSION},
		{{"-O", "json", "-V"}, CLI_VERSION},
		{{"-V=false"}, CLI_RUN},
		{{"-h"}, CLI_HELP},
		{{"-help"}, CLI_HELP},
		{{"--help"}, CLI_HELP},
		{{"-h", "-X"}, CLI_HELP}, /* Go stops at once */
		{{"decode", "-X", "y"}, CLI_COMMAND},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cli cli;
		struct config_error err;
		CU_ASSERT_EQUAL(parse(rows[i].words, &cli, &err), 0);
		CU_ASSERT_EQUAL(cli.action, rows[i].action);
		cli_free(&cli);
	}
}

static void test_command(void)
{
	static const char *const words[] = {"decode", "-x", "y", NULL};
	struct cli cli;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(parse(words, &cli, &err), 0);
	CU_ASSERT_EQUAL(cli.argc, 3);
	CU_ASSERT_STRING_EQUAL(cli.argv[0], "decode");
	CU_ASSERT_EQUAL(cli.command->fn(cli.argc, cli.argv), 3);
	cli_free(&cli);
}

static void test_errors(void)
{
	static const struct {
		const char *words[5];
		int status;
		const char *text;
	} rows[] = {
		{{"-X"}, 2, "flag provided but not defined: -X"},
		{{"--X=1"}, 2, "flag provided but not defined: -X"},
		{{"-l", "x"}, 2, "flag provided but not defined: -l"},
		{{"-LL", "x"}, 2, "flag provided but not defined: -LL"},
		{{"-L"}, 2, "flag needs an argument: -L"},
		{{"-L", "a", "-O"}, 2, "flag needs an argument: -O"},
		{{"---L"}, 2, "bad flag syntax: ---L"},
		{{"-=x"}, 2, "bad flag syntax: -=x"},
		{{"--="}, 2, "bad flag syntax: --="},
		{{"-D=maybe"}, 2, "invalid boolean value \"maybe\" for -D: parse error"},
		{{"-O", "xml"}, 2, "invalid value \"xml\" for flag -O: expected json or yaml"},
		{{"-O", "JSON"}, 2, "expected json or yaml"},
		{{"-L", "a", "b"}, 2, "\"b\" is neither a flag nor a flag's value"},
		{{"-D", "true"}, 2, "\"true\" is neither a flag nor a flag's value"},
		{{"-L", "a", "--", "-L"}, 2, "\"--\" does not go with a command"},
		{{"check", "-O", "json"}, 2, "-O goes with neither check nor explain"},
		{{"check", "file"}, 2, "\"file\" is neither a flag nor a flag's value"},
		{{"-L", "a", "check"}, 2, "\"check\" is neither a flag nor a flag's value"},
		{{"-"}, 2, "\"-\" is neither a flag"},
		{{""}, 2, "\"\" is neither a flag"},
		{{"-L", "a", "decode"}, 2, "\"decode\" is neither a flag"},
		{{"-F"}, 2, "flag needs an argument: -F"},
		{{"-api", ":1"}, 1, "-api is not supported yet"},
		{{"-metrics=:1"}, 1, "-metrics is not supported yet"},
		{{"-R", "1s"}, 1, "-R is not supported yet"},
		{{"-C", "-", "-C", "-"}, 1, "-C - is given twice"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cli cli;
		struct config_error err = {""};
		CU_ASSERT_EQUAL(parse(rows[i].words, &cli, &err), rows[i].status);
		if (!strstr(err.text, rows[i].text)) {
			printf("    %s\n", err.text);
			CU_FAIL("another sentence was expected");
		}
		cli_free(&cli);
	}
}

static void test_switches(void)
{
	static const char *const words[] = {"-D=true", "-D=false", "-DD=T", NULL};
	struct cli cli;
	struct config_error err;

	CU_ASSERT_EQUAL_FATAL(parse(words, &cli, &err), 0);
	CU_ASSERT(!cli.debug && cli.trace);
	cli_free(&cli);
}

static char *print(void (*fn)(FILE *))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	fn(out);
	fclose(out);
	return text;
}

static void print_help(FILE *out)
{
	cli_print_help(out, commands);
}

static void test_texts(void)
{
	static const char *const words[] = {"usage:",
					    "-L SPEC",
					    "-engine NAME",
					    "-DD",
					    "decode a PROXY header",
					    "-O json|yaml",
					    "-C gost.yml",
					    "proxyProtocol.maxSize",
					    "tcp://:8080/example.com:80?proxyProtocol=1"};
	char *text = print(print_help);

	for (size_t i = 0; i < COUNT(words); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(text, words[i]));
	free(text);
	text = print(cli_print_version);
	CU_ASSERT_EQUAL(strncmp(text, "gostbpf " GOSTBPF_VERSION " (linux/",
				strlen("gostbpf " GOSTBPF_VERSION " (linux/")),
			0);
	CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
	free(text);
	text = print(cli_print_usage);
	CU_ASSERT(strlen(text) < 400);
	free(text);
}

static const struct unit_case cases[] = {
	{"spellings", test_spellings},	{"all of it", test_all}, {"actions", test_actions},
	{"sub-commands", test_command}, {"errors", test_errors}, {"switches", test_switches},
	{"texts", test_texts},
};

UNIT_MAIN("cli", cases)
