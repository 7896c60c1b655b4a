/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_config_url.c - any bytes as -L strings, one a line; as a -F when a line begins with '>', lenient when with '!'.
 *
 * Holds: a refusal has a text that begins with -L or -F and ends, without the password "hush"; what is accepted and resolves prints YAML
 * that is accepted again and prints the same.
 */
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"

static char *dump(const struct config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (config_dump_yaml(cfg, out))
		abort();
	fclose(out);
	return text;
}

static void check_round_trip(const struct config *cfg)
{
	struct config again;
	struct config_error err;
	char *first = dump(cfg);

	config_init(&again);
	if (config_add_yaml(&again, "dump", first, strlen(first), &err))
		abort();
	char *second = dump(&again);
	if (strcmp(first, second))
		abort();
	free(first);
	free(second);
	config_free(&again);
}

/* Ranges of thousands of ports are slow, and nothing new. */
static bool is_slow(const char *text)
{
	size_t run = 0;

	for (const char *p = strchr(text, '-'); p && *p && run < 4; p++)
		run = *p >= '0' && *p <= '9' ? run + 1 : 0;
	return run >= 4;
}

/* A password "hush" that stands nowhere else in the text must be in no message and no origin. */
static void check_secret(const struct config *cfg, size_t before, const char *spec, const char *message)
{
	const struct service_config *svc = cfg->service_count > before ? &cfg->services[cfg->service_count - 1] : NULL;
	const char *secret = strstr(spec, "hush");
	bool once = secret && !strstr(secret + 1, "hush") && strstr(spec, ":hush@"); /* not by auth=, in base64 */

	if (!once || !svc || !svc->auth.password || strcmp(svc->auth.password, "hush"))
		return;
	if (strstr(message, "hush") || (svc->origin && strstr(svc->origin, "hush")))
		abort();
}

static int add(struct config *cfg, const char *spec, struct config_error *err)
{
	size_t before = cfg->service_count; /* of other lines */
	int rc = *spec == '>' ? config_add_hop(cfg, spec + 1, err) : config_add_url(cfg, spec, err);

	if (*spec != '>')
		check_secret(cfg, before, spec, rc ? err->text : "");
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_types types = {config_gost_handlers, config_gost_listeners, config_gost_connectors,
					   config_gost_dialers};
	char *text = strndup((const char *)data, size), *rest = text, *spec;
	struct config cfg;
	struct config_error err = {""};
	bool failed = false;

	config_init(&cfg);
	while (!failed && (spec = strsep(&rest, "\n"))) {
		cfg.lenient = *spec == '!';
		failed = !is_slow(spec) && add(&cfg, spec + cfg.lenient, &err);
	}
	if (failed && ((strncmp(err.text, "-L \"", 4) && strncmp(err.text, "-F \"", 4)) ||
		       !memchr(err.text, '\0', sizeof(err.text))))
		abort();
	failed = failed || config_link_chain(&cfg, &err);
	if (!failed && !config_resolve(&cfg, &types, &err))
		check_round_trip(&cfg);
	config_free(&cfg);
	free(text);
	return 0;
}
