/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_chain.c - the life of chains, hops and their nodes, and of the small types they share with services.
 *
 * Owns: the memory rules of chain_config.h and settings.h. Never: checks a value.
 * See: config_model.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_model.h"

/* NULL stays NULL. */
static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* --- shared types ------------------------------------------------------------------------------ */

int config_auth_copy(struct auth_config *to, const struct auth_config *from)
{
	int rc = copy_text(&to->user, from->user);

	return rc ? rc : copy_text(&to->password, from->password);
}

void config_auth_fini(struct auth_config *auth)
{
	if (auth->password)
		explicit_bzero(auth->password, strlen(auth->password));
	free(auth->user);
	free(auth->password);
	*auth = (struct auth_config){0};
}

int config_tls_copy(struct tls_config *to, const struct tls_config *from)
{
	to->present = from->present;
	to->secure_given = from->secure_given;
	to->secure = from->secure;
	int rc = copy_text(&to->cert_file, from->cert_file);
	if (!rc)
		rc = copy_text(&to->key_file, from->key_file);
	if (!rc)
		rc = copy_text(&to->ca_file, from->ca_file);
	return rc ? rc : copy_text(&to->server_name, from->server_name);
}

void config_tls_fini(struct tls_config *tls)
{
	free(tls->cert_file);
	free(tls->key_file);
	free(tls->ca_file);
	free(tls->server_name);
	*tls = (struct tls_config){0};
}

int config_names_add(struct name_list *list, const char *name)
{
	char **grown = config_grow(list->names, list->count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->names = grown;
	return copy_text(&grown[list->count++], name);
}

int config_names_copy(struct name_list *to, const struct name_list *from)
{
	int rc = 0;

	for (size_t i = 0; i < from->count && !rc; i++)
		rc = config_names_add(to, from->names[i]);
	return rc;
}

void config_names_fini(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct name_list){0};
}

int config_selector_set(struct selector_config *selector, struct metadata *given, const struct config_key *key,
			const char *value, struct config_error *err)
{
	static const struct selector_config partial = {
		.present = true,
		.strategy = SELECTOR_ROUND,
		.max_fails = 1,
		.fail_timeout_ns = UINT64_C(30) * 1000 * 1000 * 1000,
	};
	int rc = config_key_add(given, key, value, err);

	if (rc)
		return rc;
	if (!selector->present)
		*selector = partial;
	rc = config_key_apply(key, value, selector, err);
	if (!selector->max_fails) /* 0 is GOST's "not given" */
		selector->max_fails = partial.max_fails;
	if (!selector->fail_timeout_ns)
		selector->fail_timeout_ns = partial.fail_timeout_ns;
	return rc;
}

bool config_is_flag(const char *origin)
{
	return origin[0] == '-' && (origin[1] == 'L' || origin[1] == 'F');
}

/* --- chains ------------------------------------------------------------------------------------ */

struct chain_config *config_new_chain(struct config *cfg)
{
	struct chain_config *grown = config_grow(cfg->chains, cfg->chain_count, sizeof(*grown));

	if (!grown)
		return NULL;
	cfg->chains = grown;
	return &grown[cfg->chain_count++];
}

struct hop_config *config_new_hop(struct hop_config **hops, size_t *count)
{
	struct hop_config *grown = config_grow(*hops, *count, sizeof(*grown));

	if (!grown)
		return NULL;
	*hops = grown;
	return &grown[(*count)++];
}

struct chain_node_config *config_new_proxy(struct hop_config *hop)
{
	struct chain_node_config *grown = config_grow(hop->nodes, hop->node_count, sizeof(*grown));

	if (!grown)
		return NULL;
	hop->nodes = grown;
	return &grown[hop->node_count++];
}

static void proxy_fini(struct chain_node_config *node)
{
	free(node->name);
	free(node->addr);
	free(node->connector_type);
	free(node->dialer_type);
	config_auth_fini(&node->auth);
	config_tls_fini(&node->tls);
	config_metadata_fini(&node->metadata);
	config_metadata_fini(&node->connector_metadata);
	config_metadata_fini(&node->dialer_metadata);
	config_names_fini(&node->bypasses);
	free(node->hosts);
	free(node->resolver);
}

static void hops_fini(struct hop_config *hops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct hop_config *hop = &hops[i];
		for (size_t n = 0; n < hop->node_count; n++)
			proxy_fini(&hop->nodes[n]);
		free(hop->nodes);
		free(hop->name);
		config_metadata_fini(&hop->metadata);
		config_names_fini(&hop->bypasses);
		free(hop->hosts);
		free(hop->resolver);
		free(hop->scheme);
		free(hop->origin);
	}
	free(hops);
}

void config_chains_fini(struct config *cfg)
{
	for (size_t i = 0; i < cfg->chain_count; i++) {
		hops_fini(cfg->chains[i].hops, cfg->chains[i].hop_count);
		free(cfg->chains[i].name);
		free(cfg->chains[i].origin);
	}
	free(cfg->chains);
	hops_fini(cfg->hops, cfg->hop_count);
	cfg->chains = NULL;
	cfg->hops = NULL;
	cfg->chain_count = cfg->hop_count = 0;
}
