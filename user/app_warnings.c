/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * app_warnings.c - what the operator should know about the configuration, once at start: it works as written, and is dangerous.
 *
 * Why not errors: all of it is allowed, as in GOST, and right in some networks.
 * Owns: nothing. Never: changes anything.
 * See: app.h, README.md.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "app.h"
#include "handler.h"
#include "proxy_policy.h"
#include "service.h"

static void warn(struct app *app, const struct service *svc, const char *what)
{
	struct log_record rec;

	log_begin(&rec, LOG_WARN);
	log_str(&rec, "kind", "service");
	log_str(&rec, "service", svc->cfg->name);
	log_emit(app->log, &rec, "service %s %s", svc->cfg->name, what);
}

/* Whoever can connect can then claim to be anybody: the operator should have meant that. */
static void warn_if_gullible(struct app *app, const struct service *svc)
{
	const struct service_options *opt = &svc->cfg->opt;
	bool believes = opt->recv_policy == PROXY_POLICY_USE || opt->recv_policy == PROXY_POLICY_REQUIRE;

	if (opt->recv_proxy && !opt->recv_from && believes)
		warn(app, svc, "believes PROXY headers from any source: set proxyProtocol.from");
}

static bool is_loopback(const struct addr *listen)
{
	struct addr a = *listen;

	addr_unmap(&a);
	if (addr_family(&a) == AF_INET)
		return ntohl(a.in4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return addr_family(&a) == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a.in6.sin6_addr);
}

/* A client chooses where it goes, and nothing is asked of it: no password, no certificate, no address of a list. */
static bool is_open_proxy(const struct service *svc)
{
	bool proxy = svc->handler && !svc->handler->needs_target && !svc->node_count;
	bool asks = svc->access.needs_auth || svc->access.admission.count || (svc->tls && svc->cfg->listener_tls.ca_file);

	return proxy && !asks;
}

static void warn_if_open(struct app *app, const struct service *svc)
{
	char text[256], at[ADDR_TEXT_MAX];

	if (!is_open_proxy(svc) || is_loopback(&svc->at))
		return;
	snprintf(text, sizeof(text),
		 "is an open proxy: whoever can reach %s can use it; set user:pass@, an admission list or a loopback address",
		 addr_format(&svc->at, at));
	warn(app, svc, text);
}

/* Whoever is on the way can then read and change what passes. */
static void warn_unverified(struct app *app, const struct chain *chain)
{
	for (size_t h = 0; h < chain->hop_count; h++)
		for (size_t n = 0; n < chain->hops[h].node_count; n++) {
			const struct chain_node *node = &chain->hops[h].nodes[n];
			if (node->tls && !node->tls_verified)
				log_msg(app->log, LOG_WARN, "chain", "chain %s: the certificate of %s@%s is not verified (secure: false)",
					chain->cfg->name, node->cfg->name, node->cfg->addr);
		}
}

void app_warn(struct app *app)
{
	for (size_t i = 0; i < app->chains.count; i++)
		warn_unverified(app, &app->chains.chains[i]);
	for (size_t i = 0; i < app->service_count; i++) {
		warn_if_gullible(app, &app->services[i]);
		warn_if_open(app, &app->services[i]);
	}
}
