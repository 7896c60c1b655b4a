/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_rules.c - what one service takes from the sections: see access.h.
 *
 * Why a limiter is the service's own: "$" means the service, also where two of them name the same section.
 * Owns: arrays and the limiter. Never: decides anything about a client.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "access.h"

static int missing(struct config_error *err, const struct service_config *svc, const char *word, const char *name)
{
	snprintf(err->text, sizeof(err->text), "%s: there is no %s \"%s\"", svc->origin ? svc->origin : svc->name, word,
		 name);
	return -EINVAL;
}

/* --- limits -------------------------------------------------------------------------------------------------- */

static int find_limits(const struct limit_rules *made, const struct limiter_config *cfg, size_t count, const char *name,
		       const struct limit_rules **out)
{
	*out = NULL;
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(cfg[i].name, name))
			*out = &made[i];
	return name && !*out ? -EINVAL : 0;
}

/* Clients inside one network are one: a rule about some of them has nobody to apply to. */
static int check_prefix(const struct limit_rules *rules, const struct service_config *svc, struct config_error *err)
{
	unsigned bits = svc->opt.limit_ipv6_bits;

	for (size_t i = 0; rules && bits && i < rules->count; i++) {
		const struct limit_rule *rule = &rules->rules[i];
		if (rule->key != LIMIT_NETWORK || rule->network.family != AF_INET6 || rule->network.bits <= bits)
			continue;
		snprintf(err->text, sizeof(err->text),
			 "%s: limiter.ipv6Prefix=%u: a limit is about a smaller IPv6 network, of %u bits",
			 svc->origin ? svc->origin : svc->name, bits, rule->network.bits);
		return -EINVAL;
	}
	return 0;
}

static int check_unlimited(const struct service_config *svc, struct config_error *err)
{
	if (!svc->opt.limit_ipv6_bits || svc->opt.limit_ipv6_bits == 128)
		return 0;
	snprintf(err->text, sizeof(err->text), "%s: limiter.ipv6Prefix: the service has no limits",
		 svc->origin ? svc->origin : svc->name);
	return -EINVAL;
}

static int check_prefixes(const struct limiter_setup *setup, const struct service_config *svc, struct config_error *err)
{
	int rc = check_prefix(setup->connections, svc, err);

	if (!rc)
		rc = check_prefix(setup->rate, svc, err);
	return rc ? rc : check_prefix(setup->bandwidth, svc, err);
}

static int make_limiter(struct access_rules *rules, const struct access *a, const struct service_config *svc,
			struct config_error *err)
{
	const struct access_config *cfg = a->cfg;
	struct limiter_setup setup;

	if (find_limits(a->limiters, cfg->limiters, cfg->limiter_count, svc->limiter, &setup.bandwidth))
		return missing(err, svc, "limiter", svc->limiter);
	if (find_limits(a->climiters, cfg->climiters, cfg->climiter_count, svc->climiter, &setup.connections))
		return missing(err, svc, "climiter", svc->climiter);
	if (find_limits(a->rlimiters, cfg->rlimiters, cfg->rlimiter_count, svc->rlimiter, &setup.rate))
		return missing(err, svc, "rlimiter", svc->rlimiter);
	if (!setup.bandwidth && !setup.connections && !setup.rate)
		return check_unlimited(svc, err);
	if (check_prefixes(&setup, svc, err))
		return -EINVAL;
	setup.ipv6_bits = svc->opt.limit_ipv6_bits;
	arc4random_buf(setup.seed, sizeof(setup.seed));
	return limiter_new(&rules->limiter, &setup);
}

/* --- users ---------------------------------------------------------------------------------------------------- */

static const struct auther_config *find_auther(const struct access_config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->auther_count; i++)
		if (!strcmp(cfg->authers[i].name, name))
			return &cfg->authers[i];
	return NULL;
}

static int count_users(const struct access_config *cfg, const struct service_config *svc, size_t *out,
		       struct config_error *err)
{
	size_t count = svc->auth.user != NULL;

	for (size_t i = 0; i < svc->authers.count; i++) {
		const struct auther_config *auther = find_auther(cfg, svc->authers.names[i]);
		if (!auther)
			return missing(err, svc, "auther", svc->authers.names[i]);
		count += auther->count;
	}
	*out = count;
	return 0;
}

static void add_user(struct access_rules *rules, const struct auth_config *auth)
{
	rules->users[rules->user_count++] = (struct auth_user){.user = auth->user, .password = auth->password};
}

/* GOST's order: authers win over the handler's own pair. An auther without users lets nobody in. */
static int make_users(struct access_rules *rules, const struct access_config *cfg, const struct service_config *svc,
		      struct config_error *err)
{
	size_t count = 0;
	int rc = count_users(cfg, svc, &count, err);

	if (rc)
		return rc;
	rules->users = calloc(count + 1, sizeof(*rules->users)); /* + 1: never of size 0 */
	if (!rules->users)
		return -ENOMEM;
	rules->needs_auth = svc->authers.count || svc->auth.user;
	if (!svc->authers.count && svc->auth.user)
		add_user(rules, &svc->auth);
	for (size_t i = 0; i < svc->authers.count; i++) {
		const struct auther_config *auther = find_auther(cfg, svc->authers.names[i]);
		for (size_t k = 0; k < auther->count; k++)
			add_user(rules, &auther->auths[k]);
	}
	return 0;
}

/* --- a service ------------------------------------------------------------------------------------------------- */

int access_rules_init(struct access_rules *rules, const struct access *a, const struct service_config *svc,
		      struct config_error *err)
{
	*rules = (struct access_rules){.resolver = -1};
	int rc = access_find_admissions(a, &svc->admissions, svc->origin, &rules->admission, err);

	if (!rc)
		rc = access_find_bypasses(a, &svc->bypasses, svc->origin, &rules->bypass, err);
	if (!rc)
		rc = access_find_hosts(a, svc->hosts, svc->origin, &rules->hosts, err);
	if (!rc)
		rc = access_find_resolver(a, svc->resolver, svc->origin, &rules->resolver, err);
	if (!rc)
		rc = make_users(rules, a->cfg, svc, err);
	if (!rc)
		rc = make_limiter(rules, a, svc, err);
	return rc;
}

void access_rules_fini(struct access_rules *rules)
{
	access_group_fini(&rules->admission);
	access_group_fini(&rules->bypass);
	free(rules->users);
	rules->users = NULL;
	limiter_free(rules->limiter);
	rules->limiter = NULL;
}
