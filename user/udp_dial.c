/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_dial.c - the target of a UDP session: choose a node, resolve its name, connect a socket to it.
 *
 * Why connecting hardly ever fails: with UDP it only asks for a route. That nobody is there shows later, as an ICMP error
 * (udp_session.c).
 * Owns: the look-up under way. Never: sends a datagram.
 * See: include/selector.h, include/resolver.h; session_dial.c does the same for TCP.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dial.h"
#include "hosts.h"
#include "udp_chain.h"
#include "udp_session.h"

enum { ATTEMPTS_MAX = 64 }; /* what a selector_pick can remember */

static void try_node(struct udp_session *s);

void udp_dial_cancel(struct udp_session *s)
{
	resolver_cancel(s->service->host->resolver, &s->lookup);
	udp_chain_cancel(s);
}

uint32_t udp_dial_hash(const struct udp_session *s)
{
	char ip[ADDR_TEXT_MAX];

	addr_format_ip(&s->client, ip);
	return selector_hash(ip, strlen(ip));
}

static int pick_node(struct udp_session *s)
{
	const struct service *svc = s->service->svc;
	enum selector_strategy strategy = selector_strategy(svc->selector);
	uint32_t hash = strategy == SELECTOR_HASH ? udp_dial_hash(s) : 0;
	uint32_t random = strategy == SELECTOR_RANDOM ? arc4random() : 0;

	if (s->attempts++ >= ATTEMPTS_MAX)
		return -ENOENT;
	return selector_next(svc->selector, &s->pick, hash, random, loop_now(s->service->host->env.loop));
}

void udp_dial_failed(struct udp_session *s, enum dial_outcome outcome, const char *text)
{
	struct service *svc = s->service->svc;

	udp_log_fault(s, LOG_ERROR, text);
	/* A chain that is down says nothing about the target. */
	if (outcome != DIAL_CHAIN)
		selector_mark_failed(svc->selector, (size_t)s->node, loop_now(s->service->host->env.loop));
	int node = outcome == DIAL_CHAIN ? -1 : pick_node(s);
	if (node < 0) {
		atomic_fetch_add(&svc->failed_dials, 1);
		udp_session_end(s, "dial-failed");
		return;
	}
	s->node = node;
	try_node(s);
}

static void connect_failed(struct udp_session *s, int err)
{
	char text[DIAL_ERROR_MAX];

	udp_dial_failed(s, DIAL_UNREACHABLE, dial_error("udp", err, &s->service->svc->dial_opt, &s->client, &s->upstream, text));
}

/* With a header in front a datagram may become too long for the path: that is to be seen, not to be fragmented. */
static int open_socket(struct udp_session *s)
{
	const struct service *svc = s->service->svc;
	bool whole = svc->nodes[s->node].send.version != 0;

	return udp_socket_connect(&s->upstream, whole, svc->dial_opt.place, &s->client, &s->upstream_src);
}

static int connect_to(struct udp_session *s, const struct addr *to)
{
	struct udp_service *u = s->service;

	s->upstream = *to;
	int fd = open_socket(s);
	if (fd != -EMFILE && fd != -ENFILE)
		return fd;
	udp_log_trouble(u, UDP_TROUBLE_RESOURCES, &s->peer, "no descriptor left: the udp session unused longest is ended");
	return udp_service_evict(u, s) ? open_socket(s) : fd;
}

static void on_resolved(struct resolver_request *req, int status, const struct addr *addrs, size_t count,
			const char *error)
{
	struct udp_session *s = (struct udp_session *)((char *)req - offsetof(struct udp_session, lookup));
	int fd = -EADDRNOTAVAIL;

	if (status < 0) {
		udp_dial_failed(s, DIAL_UNRESOLVED, error);
		return;
	}
	for (size_t i = 0; i < count && fd < 0; i++)
		fd = connect_to(s, &addrs[i]);
	if (fd < 0)
		connect_failed(s, fd);
	else
		udp_session_connected(s, fd);
}

static bool is_bypassed(const struct udp_session *s, const struct service_node *node)
{
	const struct matcher_group *bypass = &s->service->svc->access.bypass;

	return bypass->count && matcher_group_refuses(bypass, node->host, node->port);
}

/* hosts first, then the service's resolver, or the system's. */
static void look_up(struct udp_session *s, const struct service_node *node)
{
	const struct access_rules *access = &s->service->svc->access;
	struct session_host *host = s->service->host;
	struct addr addrs[HOSTS_ADDRS_MAX];
	size_t count = access->hosts ? hosts_find(access->hosts, node->host, node->port, addrs) : 0;

	if (count)
		on_resolved(&s->lookup, 0, addrs, count, NULL);
	else
		resolver_lookup(access->resolver < 0 ? host->resolver : host->named[access->resolver], &s->lookup,
				node->host, node->port, on_resolved);
}

static void try_node(struct udp_session *s)
{
	const struct service_node *node = &s->service->svc->nodes[s->node];

	s->upstream = s->upstream_src = (struct addr){0};
	if (is_bypassed(s, node)) {
		udp_log_fault(s, LOG_INFO, "bypass: this target is not allowed");
		udp_session_end(s, "bypassed");
	} else if (s->service->svc->chain) {
		udp_chain_dial(s);
	} else {
		look_up(s, node);
	}
}

void udp_dial(struct udp_session *s)
{
	s->node = pick_node(s);
	if (s->node < 0)
		udp_session_end(s, "no-target");
	else
		try_node(s);
}
