/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_lenient.c - what -lenient lets pass: words of GOST's whose absence does no harm.
 *
 * Why a list of what may be ignored and not of what must not: whoever adds a word to GOST's lists (config_names.c) must
 * decide for it, and until then it is refused. Nothing is here that authenticates, encrypts, limits, chooses a way, or
 * runs a command.
 * Never: lets an unknown word pass.
 * See: config_names.c, tests/unit/test_config_lenient.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"

static const char *const harmless[] = {
	/* sections */
	"recorders", "observers", "loggers", "profiling", "api", "metrics", "caches",
	/* fields of services, handlers and the log */
	"logger", "recorders", "observer", "cache", "status", "rotation",
	/* metadata */
	"comp", "compression", "enableStats", "labels", "mptcp", "mux.*", "observePeriod", "observer.*", "readQueueSize",
	"recvQueueSize", "sniffing", "sniffing.*", "stateless", "bufferSize", NULL,
};

bool config_pass_over(struct config *cfg, const char *word, const char *name, const char *where)
{
	char *text;

	if (!cfg->lenient || !config_list_has(harmless, name))
		return false;
	if (asprintf(&text, "%s%s%s \"%s\" is not supported yet: ignored", where, *where ? ": " : "", word, name) < 0)
		return false;
	int rc = config_names_add(&cfg->warnings, text);
	free(text);
	return rc == 0;
}
