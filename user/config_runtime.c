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
	static const char *const reverse[] = {"rtcp", "rudp", NULL};

	return svc->listener_chain && !config_list_has(reverse, svc->listener_type);
}

/* Port forwarding asks nobody: a password there would protect nothing. */
static bool has_useless_auth(const struct service_config *svc)
{
	static const char *const open[] = {"tcp", "udp", "forward", "rtcp", "rudp", NULL};

	return (svc->auth.user || svc->authers.count) && config_list_has(open, svc->handler_type);
}

static bool has_datagram_race(const struct service_config *svc)
{
	const struct selector_config *selector = &svc->forwarder.selector;

	return selector->present && selector->strategy == SELECTOR_PARALLEL && config_is_udp(svc);
}

static const struct {
	const char *what;
	bool (*used)(const struct service_config *svc);
} service_rows[] = {
	{"a listener's chain (but for rtcp and rudp)", has_listener_chain},
	{"user and password for port forwarding", has_useless_auth},
	{"strategy parallel of a udp service", has_datagram_race},
	{NULL, NULL},
};

static int fail(const char *origin, const char *what, struct config_error *err)
{
	config_fail(err, "%s is not supported yet", what);
	return config_fail_at(err, -EINVAL, "%s", origin);
}

int config_check_runtime(const struct config *cfg, struct config_error *err)
{
	for (size_t s = 0; s < cfg->service_count; s++)
		for (size_t i = 0; service_rows[i].what; i++)
			if (service_rows[i].used(&cfg->services[s]))
				return fail(cfg->services[s].origin, service_rows[i].what, err);
	return 0;
}
