/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_config.c - from a parsed command line to one struct config: files, -L, flags, environment.
 *
 * Why: precedence is decided here and nowhere else. For log.level: -D and -DD, then GOST_LOGGER_LEVEL,
 * then the files. For the gostbpf: section: flags, then the files.
 * Never: resolves the configuration (config_resolve() needs the registry's names).
 * See: cli.h, tests/unit/test_cli_config.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_flags.h"
#include "config_parts.h"

/* --- the usual places -------------------------------------------------------------------------- */

/* The first that exists is taken, even if it cannot be read: that is then the error. */
static int find_default(const char *home, char **out)
{
	static const char *const names[] = {"gostbpf.yaml", "gostbpf.yml", "gost.yaml", "gost.yml",
					    "gost.json"};
	char own[4096] = "";

	if (home && home[0])
		snprintf(own, sizeof(own), "%s/.gost", home);
	const char *dirs[] = {"/etc/gostbpf", "/etc/gost", own, "."};
	for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
		for (size_t n = 0; dirs[d][0] && n < sizeof(names) / sizeof(names[0]); n++) {
			char *path;
			if (asprintf(&path, "%s/%s", dirs[d], names[n]) < 0)
				return -ENOMEM;
			if (!access(path, F_OK)) {
				*out = path;
				return 0;
			}
			free(path);
		}
	}
	return -ENOENT;
}

static int add_default(struct config *cfg, struct config_error *err)
{
	char *path = NULL;
	int rc = find_default(getenv("HOME"), &path);

	if (rc == -ENOENT)
		return config_fail(err, "nothing to serve: give -L or -C, or put gostbpf.yml or gost.yml "
					"into /etc/gostbpf, /etc/gost, $HOME/.gost or the working directory");
	if (rc)
		return config_no_memory(err);
	rc = config_add_source(cfg, path, err);
	free(path);
	return rc;
}

/* --- environment and flags --------------------------------------------------------------------- */

/* GOST would start these services; somebody who sets the variable expects them. */
static int refuse_environment(struct config_error *err)
{
	static const char *const later[] = {"GOST_API", "GOST_METRICS", "GOST_PROFILING"};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		const char *value = getenv(later[i]);
		if (value && value[0])
			return config_fail(err, "environment variable %s is not supported yet", later[i]);
	}
	return 0;
}

static int apply_log_level(const struct cli *cli, struct config *cfg, struct config_error *err)
{
	const char *level = getenv("GOST_LOGGER_LEVEL");

	if (cli->trace || cli->debug)
		config_note_origin(cfg->origins, "log.level", cli->trace ? "-DD" : "-D");
	if (cli->trace || cli->debug)
		return config_set_log_level(cfg, cli->trace ? "trace" : "debug", err);
	if (!level || !level[0])
		return 0;
	config_note_origin(cfg->origins, "log.level", "environment GOST_LOGGER_LEVEL");
	int rc = config_set_log_level(cfg, level, err);
	return rc ? config_fail_at(err, rc, "environment variable GOST_LOGGER_LEVEL") : 0;
}

static void note_process(struct config *cfg, const struct cli_flag *flag)
{
	char path[64], where[64];

	snprintf(path, sizeof(path), "gostbpf.%s", flag->key);
	snprintf(where, sizeof(where), "-%s", flag->name);
	config_note_origin(cfg->origins, path, where);
}

static int apply_process(const struct cli *cli, struct config *cfg, struct config_error *err)
{
	for (const struct cli_flag *flag = cli_flags; flag->name; flag++) {
		if (flag->kind != CLI_FLAG_PROCESS)
			continue;
		const char *value = *(const char *const *)((const char *)cli + flag->offset);
		int rc = value ? config_set_process(cfg, flag->key, value, err) : 0;
		if (rc)
			return config_fail_at(err, rc, "-%s", flag->name);
		if (value)
			note_process(cfg, flag);
	}
	return 0;
}

/* --- the whole --------------------------------------------------------------------------------- */

static int add_sources(const struct cli *cli, struct config *cfg, struct config_error *err)
{
	int rc = 0;

	if (cli->hop_count && !cli->url_count)
		return config_fail(err, "-F needs a -L: it is the way of the command line's services only");
	for (size_t i = 0; i < cli->source_count && !rc; i++)
		rc = config_add_source(cfg, cli->sources[i], err);
	for (size_t i = 0; i < cli->url_count && !rc; i++)
		rc = config_add_url(cfg, cli->urls[i], err);
	for (size_t i = 0; i < cli->hop_count && !rc; i++)
		rc = config_add_hop(cfg, cli->hops[i], err);
	if (!rc)
		rc = config_link_chain(cfg, err);
	if (!rc && !cli->source_count && !cli->url_count)
		rc = add_default(cfg, err);
	return rc;
}

int cli_build_config(const struct cli *cli, struct config *cfg, struct config_error *err)
{
	int rc = 0;

	cfg->lenient = cli->lenient;
	if (cli->action == CLI_EXPLAIN && config_keep_origins(cfg))
		return config_no_memory(err);
	rc = add_sources(cli, cfg, err);

	if (!rc && !cfg->service_count)
		rc = config_fail(err, "nothing to serve: the configuration has no services");
	if (!rc)
		rc = refuse_environment(err);
	if (!rc)
		rc = apply_log_level(cli, cfg, err);
	if (!rc)
		rc = apply_process(cli, cfg, err);
	return rc;
}
