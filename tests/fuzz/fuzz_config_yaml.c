/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_config_yaml.c - any bytes as a configuration: YAML, or JSON when they begin with a brace.
 *
 * Holds: a refusal has a text that ends; what is accepted and resolves prints YAML that is accepted
 * again and prints the same.
 */
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"

static char *dump(const struct config *cfg, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (config_dump_yaml(cfg, out))
		abort();
	fclose(out);
	return text;
}

static void check_round_trip(const struct config *cfg)
{
	struct config again;
	struct config_error err;
	size_t len = 0, len_again = 0;
	char *first = dump(cfg, &len);

	config_init(&again);
	if (config_add_yaml(&again, "dump", first, len, &err))
		abort();
	char *second = dump(&again, &len_again);
	if (len != len_again || memcmp(first, second, len))
		abort();
	free(first);
	free(second);
	config_free(&again);
}

/* A file that is no JSON goes to the YAML reader, not to the file system. */
static int add(struct config *cfg, const char *text, size_t size, struct config_error *err)
{
	if (text[0] == '{')
		return config_add_source(cfg, text, err);
	return config_add_yaml(cfg, "fuzz", text, size, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_types types = {config_gost_handlers, config_gost_listeners, config_gost_connectors,
					   config_gost_dialers};
	char *text = malloc(size + 1);
	struct config cfg;
	struct config_error err = {""};

	memcpy(text, data, size);
	text[size] = '\0';
	config_init(&cfg);
	int rc = add(&cfg, text, size, &err);
	if (!rc && !config_resolve(&cfg, &types, &err))
		check_round_trip(&cfg);
	if (rc && (!err.text[0] || !memchr(err.text, '\0', sizeof(err.text))))
		abort();
	config_free(&cfg);
	free(text);
	return 0;
}
