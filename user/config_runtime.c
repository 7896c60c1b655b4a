/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_runtime.c - what the model can hold and nothing carries out yet.
 *
 * Why: -O prints such a configuration, but a run that ignored a part of it would be GOST's mistake. Whoever builds a
 * feature takes its row away.
 * Never: looks at types of handlers and the like: the registry knows those.
 * See: config.h (config_check_runtime()).
 */
#include <errno.h>

#include "config_model.h"

static bool has_listener_chain(const struct service_config *svc)
{
	static const char *const reverse[] = {"rtcp", NULL};

	return svc->listener_chain && !config_list_has(reverse, svc->listener_type);
}

static bool has_datagram_chain(const struct service_config *svc)
{
	return svc->chain && config_is_udp(svc);
}

static bool has_authers(const struct service_config *svc)
{
	return svc->authers.count > 0;
}

/* Port forwarding asks nobody: a password there would protect nothing. */
static bool has_useless_auth(const struct service_config *svc)
{
	static const char *const open[] = {"tcp", "udp", "forward", "rtcp", "rudp", NULL};

	return (svc->auth.user || svc->authers.count) && config_list_has(open, svc->handler_type);
}

static bool has_admission(const struct service_config *svc)
{
	return svc->admissions.count > 0;
}

static bool has_bypass(const struct service_config *svc)
{
	return svc->bypasses.count > 0;
}

static bool has_hosts(const struct service_config *svc)
{
	return svc->hosts != NULL;
}

static bool has_resolver(const struct service_config *svc)
{
	return svc->resolver != NULL;
}

static bool has_limiter(const struct service_config *svc)
{
	return svc->limiter || svc->climiter || svc->rlimiter;
}

static const struct {
	const char *what;
	bool (*used)(const struct service_config *svc);
} service_rows[] = {
	{"a listener's chain (but for rtcp)", has_listener_chain},
	{"a chain of a udp service", has_datagram_chain},
	{"user and password for port forwarding", has_useless_auth},
	{"a list of users (auther)", has_authers},
	{"an admission list", has_admission},
	{"a bypass list", has_bypass},
	{"a list of hosts", has_hosts},
	{"a resolver of its own", has_resolver},
	{"a limiter", has_limiter},
	{NULL, NULL},
};

static bool has_lists(const struct hop_config *hop, const struct chain_node_config *node)
{
	return hop->bypasses.count || hop->hosts || hop->resolver || node->bypasses.count || node->hosts ||
	       node->resolver;
}

static const struct {
	const char *what;
	bool (*used)(const struct hop_config *hop, const struct chain_node_config *node);
} hop_rows[] = {
	{"bypass, hosts or resolver of a hop", has_lists},
	{NULL, NULL},
};

static int fail(const char *origin, const char *what, struct config_error *err)
{
	config_fail(err, "%s is not supported yet", what);
	return config_fail_at(err, -EINVAL, "%s", origin);
}

static int check_hops(const struct hop_config *hops, size_t count, struct config_error *err)
{
	for (size_t h = 0; h < count; h++)
		for (size_t n = 0; n < hops[h].node_count; n++)
			for (size_t i = 0; hop_rows[i].what; i++)
				if (hop_rows[i].used(&hops[h], &hops[h].nodes[n]))
					return fail(hops[h].origin, hop_rows[i].what, err);
	return 0;
}

int config_check_runtime(const struct config *cfg, struct config_error *err)
{
	for (size_t s = 0; s < cfg->service_count; s++)
		for (size_t i = 0; service_rows[i].what; i++)
			if (service_rows[i].used(&cfg->services[s]))
				return fail(cfg->services[s].origin, service_rows[i].what, err);
	int rc = check_hops(cfg->hops, cfg->hop_count, err);
	for (size_t i = 0; i < cfg->chain_count && !rc; i++)
		rc = check_hops(cfg->chains[i].hops, cfg->chains[i].hop_count, err);
	return rc;
}
