/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_udp.c - what only makes sense for datagrams, and what does not make sense for them.
 *
 * Why: a key that a udp service would not read is a mistake of its user, and the other way round. New keys are refused
 * for udp until they are listed here.
 * Owns: nothing. Never: changes what the user wrote.
 * See: config_resolve.c, tests/unit/test_config_udp.c.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

/* The handler has the listener's name. rudp without a chain listens here: it is udp. */
static const char *const datagram_types[] = {"udp", "rudp", NULL};

static const char *const udp_only[] = {"proxyProtocol.udp", "proxyProtocol.remember", "ttl", "readBufferSize", "udp.sessions", NULL};

static const char *const with_udp[] = {
	"proxyProtocol", "proxyProtocol.maxSize", "proxyProtocol.policy", "proxyProtocol.from", "proxyProtocol.untrusted",
	"proxyProtocol.versions", "proxyProtocol.crc32c", "proxyProtocol.unspec", "proxyProtocol.v4InTCP6", "proxyProtocol.logTLV",
	"proxyProtocol.dst", "proxyProtocol.pass", "proxyProtocol.add", "proxyProtocol.sendCrc32c",
	"idleTimeout", "keepalive", "reuseport",
	"limiter.ipv6Prefix", "transparent", "so_mark", "interface", "netns", "netns.out", NULL,
};

static const char *const with_chain[] = {"dialTimeout", NULL};

bool config_is_udp(const struct service_config *svc)
{
	return config_list_has(datagram_types, svc->listener_type);
}

bool config_key_fits(const char *key, const struct service_config *svc)
{
	bool chain = svc->chain || svc->listener_chain;

	if (!config_is_udp(svc))
		return !config_list_has(udp_only, key);
	return config_list_has(udp_only, key) || config_list_has(with_udp, key) ||
	       (chain && config_list_has(with_chain, key));
}

static int check_keys(const struct service_config *svc, const struct metadata *md, struct config_error *err)
{
	for (size_t i = 0; i < md->count; i++) {
		const char *key = md->entries[i].key;
		if (config_key_fits(key, svc))
			continue;
		return config_is_udp(svc) ? config_fail(err, "key \"%s\" means nothing for a udp service%s", key,
							config_list_has(with_chain, key) ? " without a chain" : "")
					  : config_fail(err, "key \"%s\" is for udp services", key);
	}
	return 0;
}

static int check_version(int version, struct config_error *err)
{
	return version == 1 ? config_fail(err, "proxyProtocol=1: version 1 of the header cannot say udp; write 2") : 0;
}

static int check_values(const struct service_config *svc, struct config_error *err)
{
	int rc = check_version(svc->opt.send_proxy, err);

	for (size_t i = 0; i < svc->forwarder.node_count && !rc; i++) {
		rc = check_version(svc->forwarder.nodes[i].opt.send_proxy, err);
		if (rc)
			config_fail_at(err, rc, "node \"%s\"", svc->forwarder.nodes[i].name);
	}
	if (!rc && !svc->opt.keepalive)
		rc = config_fail(err, "keepalive=false: a udp session ends when its ttl is over, not with the first answer");
	return rc;
}

int config_check_udp(struct service_config *svc, struct config_error *err)
{
	bool udp = config_is_udp(svc);
	int rc;

	if (udp ? strcasecmp(svc->handler_type, svc->listener_type) : config_list_has(datagram_types, svc->handler_type))
		return config_fail(err, "handler \"%s\" does not go with listener \"%s\"", svc->handler_type,
				   svc->listener_type);
	rc = check_keys(svc, &svc->metadata, err);
	if (!rc)
		rc = check_keys(svc, &svc->handler_metadata, err);
	if (!rc)
		rc = check_keys(svc, &svc->listener_metadata, err);
	if (rc || !udp)
		return rc;
	/* Version 1 is a text for streams: only who asks for it gets it. */
	if (!config_metadata_get(&svc->metadata, "proxyProtocol.versions"))
		svc->opt.recv_versions = 1u << 2;
	svc->opt.engine = ENGINE_COPY; /* no other can move datagrams: not a reason to load one */
	return check_values(svc, err);
}
