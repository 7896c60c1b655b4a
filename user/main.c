/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - from argv to an exit status.
 *
 * Why so short: every decision is somebody else's; this is the order of events and who prints what.
 * Owns: struct cli and struct config for the life of the process. Never: starts anything after an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "app.h"
#include "cli.h"
#include "commands.h"
#include "registry.h"
#include "spawner.h"

static const struct cli_command commands[] = {
	{"decode", cmd_decode, "show a PROXY header as JSON"},
	{"encode", cmd_encode, "write a PROXY header"},
	{"routes", cmd_routes, "set up, show or undo what transparent=true needs"},
	{"send", cmd_send, "connect, send a PROXY header, then standard input"},
	{NULL, NULL, NULL},
};

static int fail(const struct config_error *err)
{
	fprintf(stderr, "gostbpf: %s\n", err->text);
	return EXIT_FAILURE;
}

static int open_log(struct logger **out, const struct log_section *section, struct config_error *err)
{
	struct log_config cfg = {.level = LOG_INFO, .output = section->output};

	if (section->level && log_level_parse(section->level, &cfg.level) < 0)
		cfg.level = LOG_INFO; /* GOST's rule for the environment; a file was checked when it was read */
	if (section->format && !strcmp(section->format, "text"))
		cfg.format = LOG_FORMAT_TEXT;
	int rc = logger_new(out, &cfg);
	if (rc)
		snprintf(err->text, sizeof(err->text), "cannot open the log \"%s\": %s",
			 section->output ? section->output : "stderr", strerror(-rc));
	return rc;
}

static int run(const struct config *cfg)
{
	struct config_error err;
	struct logger *log;

	if (open_log(&log, &cfg->log, &err) < 0)
		return fail(&err);
	int status = app_run(cfg, log);
	logger_free(log);
	return status;
}

/* What the texts of the access lists mean; a run makes them ready again. */
static int check_access(const struct config *cfg, struct config_error *err)
{
	struct access access;
	int rc = access_init(&access, &cfg->access, err);

	access_fini(&access);
	return rc;
}

static int load(const struct cli *cli, struct config *cfg, struct config_error *err)
{
	struct registry_names names;
	int rc = cli_build_config(cli, cfg, err);

	registry_list(&names);
	if (!rc)
		rc = config_resolve(cfg, &names.types, err);
	if (!rc)
		rc = check_access(cfg, err);
	for (size_t i = 0; !rc && cli->action != CLI_EXPLAIN && i < cfg->warnings.count; i++)
		fprintf(stderr, "gostbpf: warning: %s\n", cfg->warnings.names[i]);
	return rc;
}

static int check(const struct config *cfg, struct config_error *err)
{
	int rc = config_check_runtime(cfg, err);

	return rc < 0 ? rc : app_check(cfg, err);
}

/* Also of what would be refused: that is then the last line. */
static int explain(const struct config *cfg)
{
	struct config_error err;

	if (config_explain(cfg, stdout) < 0)
		return EXIT_FAILURE;
	return check(cfg, &err) < 0 ? fail(&err) : EXIT_SUCCESS;
}

static int report(const struct config *cfg)
{
	struct config_error err;

	if (check(cfg, &err) < 0)
		return fail(&err);
	return printf("OK: %zu service%s\n", cfg->service_count, cfg->service_count == 1 ? "" : "s") < 0;
}

static int configured(const struct cli *cli)
{
	struct config_error err = {.text = "out of memory"};
	struct config cfg;
	int status;

	config_init(&cfg);
	if (load(cli, &cfg, &err) < 0)
		status = fail(&err);
	else if (cli->action == CLI_DUMP_JSON)
		status = config_dump_json(&cfg, stdout) < 0;
	else if (cli->action == CLI_DUMP_YAML)
		status = config_dump_yaml(&cfg, stdout) < 0;
	else if (cli->action == CLI_EXPLAIN)
		status = explain(&cfg);
	else if (cli->action == CLI_CHECK)
		status = report(&cfg);
	else if (config_check_runtime(&cfg, &err) < 0)
		status = fail(&err);
	else
		status = run(&cfg);
	config_free(&cfg);
	return status;
}

static int act(const struct cli *cli)
{
	switch (cli->action) {
	case CLI_VERSION:
		cli_print_version(stdout);
		return EXIT_SUCCESS;
	case CLI_HELP:
		cli_print_help(stdout, commands);
		return EXIT_SUCCESS;
	case CLI_COMMAND:
		return cli->command->fn(cli->argc, cli->argv);
	case CLI_RUN:
	case CLI_CHECK:
	case CLI_EXPLAIN:
	case CLI_DUMP_JSON:
	case CLI_DUMP_YAML:
		break;
	}
	return configured(cli);
}

static int run_words(int argc, char **argv)
{
	struct config_error err;
	struct cli cli;
	int status = cli_parse(argc, argv, commands, &cli, &err);

	if (status) {
		fprintf(stderr, "gostbpf: %s\n", err.text);
		if (status == 2)
			cli_print_usage(stderr);
	} else {
		status = act(&cli);
	}
	cli_free(&cli);
	return status;
}

int main(int argc, char **argv)
{
	bool command = argc > 1 && argv[1][0] != '-'; /* decode, check, ...: their words are their own */

	return !command && spawn_wanted(argc, argv) ? spawn_all(argc, argv, run_words) : run_words(argc, argv);
}
