/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - one configured service made ready: targets parsed, engine and selector chosen.
 *
 * Owns: what service_init() allocates. Never: opens a socket (worker.c does, once per worker).
 * See: include/service.h.
 */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chain.h"
#include "connector.h"
#include "engine.h"
#include "registry.h"
#include "selector.h"
#include "tls.h"

static const struct node_options no_node = {.send_proxy = -1, .send_dst_local = -1, .send_crc32c = -1};

/* The lists have been checked: what can fail here is memory. */
static int fill_send(struct proxy_send *send, const struct node_options *node, const struct service_options *opt)
{
	const char *pass = node->send_pass ? node->send_pass : opt->send_pass;
	const char *add = node->send_add ? node->send_add : opt->send_add;
	char why[64];
	int rc = 0;

	send->version = node->send_proxy >= 0 ? node->send_proxy : opt->send_proxy;
	send->dst_local = (node->send_dst_local >= 0 ? node->send_dst_local : opt->send_dst_local) != 0;
	if (send->version != 2)
		return 0;
	send->crc32c = (node->send_crc32c >= 0 ? node->send_crc32c : opt->send_crc32c) != 0;
	if (pass)
		rc = proxy_send_parse_pass(send, pass, why, sizeof(why));
	if (!rc && add)
		rc = proxy_send_parse_add(send, add, why, sizeof(why));
	return rc;
}

/* What sending needs of every session. */
static void note_send(struct service *svc, const struct proxy_send *send)
{
	svc->keep_tlvs |= proxy_send_passes_any(send);
	svc->unique_id |= send->unique_id;
}

static int fill_receive(struct service *svc)
{
	const struct service_options *opt = &svc->cfg->opt;
	char why[64];

	svc->recv_limits = (struct proxy_limits){
		.max_size = opt->recv_proxy_max,
		.allow_v1 = opt->recv_versions >> 1 & 1,
		.allow_v2 = opt->recv_versions >> 2 & 1,
		.reject_unspec = opt->recv_reject_unspec,
		.v4_in_tcp6 = opt->recv_v4_in_tcp6,
		.crc = opt->recv_crc,
	};
	svc->recv_rules = (struct proxy_rules){.policy = opt->recv_policy, .untrusted = opt->recv_untrusted};
	svc->keep_tlvs = opt->recv_log_tlv;
	return opt->recv_from ? acl_parse(&svc->recv_from, opt->recv_from, why, sizeof(why)) : 0;
}

static int parse_node(struct service_node *node, const struct service_config *cfg, size_t i,
		      struct config_error *err)
{
	const struct node_config *from = &cfg->forwarder.nodes[i];
	char host[256];
	int port;

	if (addr_split_hostport(from->addr, host, sizeof(host), &port) < 0 || port < 0) {
		snprintf(err->text, sizeof(err->text), "%s: target \"%s\" is not HOST:PORT", cfg->origin, from->addr);
		return -EINVAL;
	}
	node->name = from->name;
	node->text = from->addr;
	node->port = (uint16_t)port;
	node->host = strdup(host);
	if (!node->host)
		return -ENOMEM;
	return fill_send(&node->send, &from->opt, &cfg->opt);
}

static void fill_socket_options(struct listener_options *out, const struct service_options *opt)
{
	*out = (struct listener_options){
		.backlog = opt->backlog,
		.keepalive = opt->keepalive,
		.keepalive_idle_s = opt->keepalive_idle_s,
		.keepalive_interval_s = opt->keepalive_interval_s,
		.keepalive_count = opt->keepalive_count,
		.user_timeout_ms = (unsigned)(opt->user_timeout_ns / 1000000),
	};
}

static int open_place(struct service *svc, const struct socket_wish *wish, struct socket_place *place,
		      const struct socket_place **out, struct config_error *err)
{
	char why[400];
	bool wanted;
	int rc = socket_place_init(place, wish, &wanted, why, sizeof(why));

	if (rc)
		snprintf(err->text, sizeof(err->text), "%s: %s", svc->cfg->origin, why);
	else if (wanted)
		*out = place;
	return rc;
}

static int open_places(struct service *svc, struct config_error *err)
{
	const struct service_options *opt = &svc->cfg->opt;
	struct socket_wish listen = {.netns_key = "netns", .netns = opt->netns};
	struct socket_wish dial = {
		.netns_key = "netns.out",
		.netns = opt->netns_out,
		.interfaces = opt->interface,
		.mark = opt->so_mark,
		.transparent = opt->transparent,
	};
	int rc = open_place(svc, &listen, &svc->listen_place, &svc->socket_opt.place, err);

	return rc ? rc : open_place(svc, &dial, &svc->dial_place, &svc->dial_opt.place, err);
}

static int open_tls(struct service *svc, struct config_error *err)
{
	const struct tls_config *from = &svc->cfg->listener_tls;
	struct tls_settings set = {
		.server = true, .cert_file = from->cert_file, .key_file = from->key_file, .ca_file = from->ca_file};
	char why[300] = "a certificate (certFile) and its key (keyFile) are needed";
	int rc = -EINVAL;

	if (strcasecmp(svc->cfg->listener_type, "tls"))
		return 0;
	if (set.cert_file && set.key_file)
		rc = tls_context_new(&svc->tls, &set, why, sizeof(why));
	if (rc)
		snprintf(err->text, sizeof(err->text), "%s: listener tls: %s", svc->cfg->origin, why);
	return rc;
}

static int find_address(struct service *svc, struct config_error *err)
{
	const struct service_config *cfg = svc->cfg;
	if (cfg->listener_chain) /* somebody else's address */
		return 0;
	int rc = listener_resolve(cfg->addr, &svc->at);

	if (rc)
		snprintf(err->text, sizeof(err->text), "%s: cannot listen on \"%s\": %s", cfg->origin, cfg->addr,
			 rc == -EINVAL ? "not HOST:PORT" : strerror(-rc));
	return rc;
}

static int make_selector(struct service *svc)
{
	const struct forwarder_config *fwd = &svc->cfg->forwarder;
	struct selector_node *nodes = calloc(fwd->node_count + 1, sizeof(*nodes)); /* + 1: never of size 0 */

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < fwd->node_count; i++) {
		const struct node_options *opt = &fwd->nodes[i].opt;
		nodes[i] = (struct selector_node){.weight = opt->weight,
						  .backup = opt->backup,
						  .max_fails = opt->max_fails,
						  .fail_timeout_ns = opt->fail_timeout_ns};
	}
	int rc = selector_new(&svc->selector, &fwd->selector, nodes, fwd->node_count);
	free(nodes);
	return rc;
}

/* The last hop opens the port: each of its nodes must speak a protocol that can. */
static int check_bind(const struct service *svc, struct config_error *err)
{
	const struct chain *chain = svc->listener_chain;

	for (size_t i = 0; chain && i < chain->hops[chain->hop_count - 1].node_count; i++) {
		const struct chain_node *node = &chain->hops[chain->hop_count - 1].nodes[i];
		if (node->connector->visitor)
			continue;
		snprintf(err->text, sizeof(err->text), "%s: %s cannot listen through %s: only relay and socks5 can",
			 svc->cfg->origin, svc->cfg->listener_type, node->cfg->addr);
		return -EINVAL;
	}
	return 0;
}

/* The same for datagrams, going out and coming in. */
static bool carries(const struct connector_ops *connector, bool bind)
{
	return (bind ? connector->udp_bind : connector->udp) != NULL;
}

static int check_datagrams(const struct service *svc, const struct chain *chain, bool bind, struct config_error *err)
{
	const struct chain_hop *last = chain ? &chain->hops[chain->hop_count - 1] : NULL;

	for (size_t i = 0; last && i < last->node_count; i++) {
		const struct chain_node *node = &last->nodes[i];
		if (carries(node->connector, bind))
			continue;
		snprintf(err->text, sizeof(err->text), "%s: %s cannot go through %s: %s carries no datagrams, only relay and socks5 do",
			 svc->cfg->origin, svc->cfg->handler_type, node->cfg->addr, node->cfg->connector_type);
		return -EINVAL;
	}
	return 0;
}

static int check_chains(const struct service *svc, struct config_error *err)
{
	if (!svc->datagram)
		return check_bind(svc, err);
	int rc = check_datagrams(svc, svc->chain, false, err);
	return rc ? rc : check_datagrams(svc, svc->listener_chain, true, err);
}

static int find_chain(struct service *svc, const struct chains *chains, struct config_error *err)
{
	svc->chain = chains_find(chains, svc->cfg->chain);
	svc->listener_chain = chains_find(chains, svc->cfg->listener_chain);
	bool missing = svc->cfg->chain && !svc->chain;
	if (!missing && (!svc->cfg->listener_chain || svc->listener_chain))
		return check_chains(svc, err);
	snprintf(err->text, sizeof(err->text), "%s: there is no chain \"%s\"", svc->cfg->origin,
		 missing ? svc->cfg->chain : svc->cfg->listener_chain);
	return -EINVAL;
}

int service_init(struct service *svc, const struct service_config *cfg, const struct chains *chains,
		 const struct access *access, struct config_error *err)
{
	memset(svc, 0, sizeof(*svc));
	svc->cfg = cfg;
	svc->handler = registry_handler(cfg->handler_type);
	svc->datagram = !svc->handler; /* the type is known: config_resolve() */
	svc->engine = registry_engine(cfg->opt.engine);
	svc->listen_place = svc->dial_place = (struct socket_place){.netns_fd = -1, .home_fd = -1};
	fill_socket_options(&svc->socket_opt, &cfg->opt);
	svc->dial_opt = svc->socket_opt;
	int rc = open_places(svc, err);
	if (!rc)
		rc = open_tls(svc, err);
	if (!rc)
		rc = find_address(svc, err);
	if (!rc)
		rc = fill_receive(svc);
	if (!rc)
		rc = find_chain(svc, chains, err);
	if (!rc)
		rc = access_rules_init(&svc->access, access, cfg, err);
	if (!rc)
		rc = fill_send(&svc->send, &no_node, &cfg->opt);
	if (rc)
		return rc;
	note_send(svc, &svc->send);
	svc->nodes = calloc(cfg->forwarder.node_count + 1, sizeof(*svc->nodes));
	if (!svc->nodes)
		return -ENOMEM;
	svc->node_count = cfg->forwarder.node_count;
	for (size_t i = 0; i < svc->node_count && !rc; i++) {
		rc = parse_node(&svc->nodes[i], cfg, i, err);
		note_send(svc, &svc->nodes[i].send);
	}
	return rc ? rc : make_selector(svc);
}

void service_fini(struct service *svc)
{
	for (size_t i = 0; i < svc->node_count; i++) {
		free(svc->nodes[i].host);
		proxy_send_free(&svc->nodes[i].send);
	}
	tls_context_free(svc->tls);
	socket_place_fini(&svc->listen_place);
	socket_place_fini(&svc->dial_place);
	proxy_send_free(&svc->send);
	acl_free(&svc->recv_from);
	access_rules_fini(&svc->access);
	free(svc->nodes);
	svc->nodes = NULL;
	svc->node_count = 0;
	selector_free(svc->selector);
	svc->selector = NULL;
}
