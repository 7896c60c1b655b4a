/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_yaml_path.c - where the YAML reader is, as the path that config_explain() will look for.
 *
 * Why: the model does not remember places of single values, and only explain wants them.
 * See: config_yaml.h, config_origin.c.
 */
#include <stdio.h>
#include <string.h>

#include "config_yaml.h"

size_t yaml_path_push(struct yaml_reader *r, const char *name, size_t index)
{
	size_t len = r->path_len, left = sizeof(r->path) - len;
	int added = name ? snprintf(r->path + len, left, "%s%s", len ? "." : "", name)
			 : snprintf(r->path + len, left, "[%zu]", index);

	r->path_len += (size_t)added < left ? (size_t)added : left - 1;
	return len;
}

void yaml_path_pop(struct yaml_reader *r, size_t len)
{
	r->path_len = len;
	r->path[len] = '\0';
}

void yaml_path_note(struct yaml_reader *r, const struct tree_node *node)
{
	char where[300];

	if (!r->cfg->origins)
		return;
	snprintf(where, sizeof(where), "%.*s:%u:%u", 200, r->name, node->line, node->column);
	config_note_origin(r->cfg->origins, r->path, where);
}

size_t yaml_section_count(const struct config *cfg, const char *path)
{
	const struct access_config *a = &cfg->access;
	const struct {
		const char *name;
		size_t count;
	} sections[] = {
		{"services", cfg->service_count},   {"chains", cfg->chain_count},
		{"hops", cfg->hop_count},	    {"authers", a->auther_count},
		{"admissions", a->admission_count}, {"bypasses", a->bypass_count},
		{"hosts", a->hosts_count},	    {"resolvers", a->resolver_count},
		{"limiters", a->limiter_count},	    {"climiters", a->climiter_count},
		{"rlimiters", a->rlimiter_count},
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (!strcmp(sections[i].name, path))
			return sections[i].count;
	return 0;
}
