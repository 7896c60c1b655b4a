/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - the life of a struct config: defaults, appending, single settings, freeing.
 *
 * Why: parsers only append; one walk frees whatever they managed to build.
 * Owns: the memory rules of config.h. Never: reads text of more than one value.
 * See: config_resolve.c for the checks that need the whole.
 */
#include <stdlib.h>
#include <string.h>

#include "config_model.h"

/* --- services and nodes ------------------------------------------------------------------------ */

struct service_config *config_new_service(struct config *cfg)
{
	struct service_config *grown = config_grow(cfg->services, cfg->service_count, sizeof(*grown));

	if (!grown)
		return NULL;
	cfg->services = grown;
	return &grown[cfg->service_count++];
}

struct node_config *config_new_node(struct forwarder_config *fwd)
{
	struct node_config *grown = config_grow(fwd->nodes, fwd->node_count, sizeof(*grown));

	if (!grown)
		return NULL;
	fwd->nodes = grown;
	return &grown[fwd->node_count++];
}

void config_forwarder_fini(struct forwarder_config *fwd)
{
	for (size_t i = 0; i < fwd->node_count; i++) {
		free(fwd->nodes[i].name);
		free(fwd->nodes[i].addr);
		config_metadata_fini(&fwd->nodes[i].metadata);
	}
	free(fwd->nodes);
	*fwd = (struct forwarder_config){0};
}

static void service_fini(struct service_config *svc)
{
	free(svc->name);
	free(svc->addr);
	free(svc->handler_type);
	free(svc->listener_type);
	free(svc->origin);
	free(svc->scheme);
	config_metadata_fini(&svc->metadata);
	config_metadata_fini(&svc->handler_metadata);
	config_metadata_fini(&svc->listener_metadata);
	config_forwarder_fini(&svc->forwarder);
	config_auth_fini(&svc->auth);
	config_tls_fini(&svc->listener_tls);
	free(svc->chain);
	free(svc->listener_chain);
	config_names_fini(&svc->authers);
	config_names_fini(&svc->admissions);
	config_names_fini(&svc->bypasses);
	free(svc->hosts);
	free(svc->resolver);
	free(svc->limiter);
	free(svc->climiter);
	free(svc->rlimiter);
	*svc = (struct service_config){0};
}

/* --- the whole --------------------------------------------------------------------------------- */

void config_init(struct config *cfg)
{
	*cfg = (struct config){0};
	config_key_presets(SCOPE_PROCESS, &cfg->process);
}

void config_free(struct config *cfg)
{
	for (size_t i = 0; i < cfg->service_count; i++)
		service_fini(&cfg->services[i]);
	free(cfg->services);
	config_chains_fini(cfg);
	config_access_fini(&cfg->access);
	config_names_fini(&cfg->warnings);
	config_origins_free(cfg->origins);
	free(cfg->log.level);
	free(cfg->log.format);
	free(cfg->log.output);
	*cfg = (struct config){0};
}

int config_set_process(struct config *cfg, const char *key, const char *value, struct config_error *err)
{
	const struct config_key *row;
	int rc = config_key_find(key, SCOPE_PROCESS, &row, err);

	if (!rc)
		rc = config_key_apply(row, value, &cfg->process, err);
	if (!rc)
		cfg->process_present = true;
	return rc;
}

int config_set_log_level(struct config *cfg, const char *level, struct config_error *err)
{
	if (!config_is_log_level(level)) {
		char hint[CONFIG_HINT_MAX];
		struct config_nearest near = {.word = level};
		config_nearest_offer_list(&near, config_log_levels);
		return config_fail(err, "unknown log level \"%s\"%s", level,
				   config_nearest_hint(&near, hint));
	}
	char *copy = strdup(level);
	if (!copy)
		return config_no_memory(err);
	free(cfg->log.level);
	cfg->log.level = copy;
	cfg->log.present = true;
	return 0;
}
