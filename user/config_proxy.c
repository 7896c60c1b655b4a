/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_proxy.c - see config_proxy.h.
 *
 * Why a key without effect is an error: proxyProtocol.policy=require without proxyProtocol would look like protection
 * and be none.
 * Never: stores a list; service.c parses it again from the text that was checked here.
 * See: include/proxy_policy.h, proxy_send.h, acl.h.
 */
#include "config_proxy.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "config_keys.h"
#include "proxy_policy.h"
#include "proxy_send.h"

enum { WHY_MAX = 200 };

/* --- words --------------------------------------------------------------------------------------------- */

struct word {
	const char *text;
	uint64_t value;
};

static int find_word(const struct word *words, size_t count, const char *text, uint64_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(words[i].text, text))
			continue;
		*out = words[i].value;
		return 0;
	}
	return -EINVAL;
}

#define FIND(words, text, out) find_word(words, sizeof(words) / sizeof((words)[0]), text, out)

int config_parse_proxy_policy(const char *text, uint64_t *out)
{
	static const struct word words[] = {
		{"use", PROXY_POLICY_USE},	 {"require", PROXY_POLICY_REQUIRE}, {"reject", PROXY_POLICY_REJECT},
		{"ignore", PROXY_POLICY_IGNORE}, {"skip", PROXY_POLICY_SKIP},
	};

	return FIND(words, text, out);
}

int config_parse_proxy_untrusted(const char *text, uint64_t *out)
{
	static const struct word words[] = {
		{"reject", PROXY_POLICY_REJECT},
		{"ignore", PROXY_POLICY_IGNORE},
		{"skip", PROXY_POLICY_SKIP},
	};

	return FIND(words, text, out);
}

int config_parse_proxy_crc(const char *text, uint64_t *out)
{
	static const struct word words[] = {
		{"verify", PROXY_CRC_VERIFY},
		{"require", PROXY_CRC_REQUIRE},
		{"ignore", PROXY_CRC_IGNORE},
	};

	return FIND(words, text, out);
}

int config_parse_proxy_unspec(const char *text, uint64_t *out)
{
	static const struct word words[] = {{"accept", 0}, {"reject", 1}};

	return FIND(words, text, out);
}

int config_parse_proxy_dst(const char *text, uint64_t *out)
{
	static const struct word words[] = {{"received", 0}, {"local", 1}};

	return FIND(words, text, out);
}

int config_parse_proxy_versions(const char *text, uint64_t *out)
{
	static const struct word words[] = {{"1", 2}, {"2", 4}, {"1,2", 6}, {"2,1", 6}, {"1, 2", 6}};

	return FIND(words, text, out);
}

/* --- lists ---------------------------------------------------------------------------------------------- */

static int finish_check(int rc, const char *why, struct config_error *err)
{
	if (rc == -ENOMEM)
		return config_no_memory(err);
	return rc ? config_fail(err, "%s", why) : 0;
}

int config_check_networks(const char *text, struct config_error *err)
{
	char why[WHY_MAX] = "";
	struct acl acl = {0};
	int rc = acl_parse(&acl, text, why, sizeof(why));

	acl_free(&acl);
	return finish_check(rc, why, err);
}

int config_check_tlv_types(const char *text, struct config_error *err)
{
	char why[WHY_MAX] = "";
	struct proxy_send plan = {0};

	return finish_check(proxy_send_parse_pass(&plan, text, why, sizeof(why)), why, err);
}

int config_check_tlvs(const char *text, struct config_error *err)
{
	char why[WHY_MAX] = "";
	struct proxy_send plan = {0};
	int rc = proxy_send_parse_add(&plan, text, why, sizeof(why));

	proxy_send_free(&plan);
	return finish_check(rc, why, err);
}

/* --- receiving: keys that need others --------------------------------------------------------------------- */

static bool is_detail(const char *key)
{
	return !strncmp(key, "proxyProtocol.", strlen("proxyProtocol."));
}

/* proxyProtocol=0 beside them is somebody who has turned it off for now. */
static int check_receive_on(const struct metadata *md, struct config_error *err)
{
	if (config_metadata_get(md, "proxyProtocol"))
		return 0;
	for (size_t i = 0; i < md->count; i++)
		if (is_detail(md->entries[i].key))
			return config_fail(err, "key \"%s\" has no effect without proxyProtocol=1",
					   md->entries[i].key);
	return 0;
}

static int finish_receive(struct service_config *svc, struct config_error *err)
{
	struct service_options *opt = &svc->opt;
	int rc = check_receive_on(&svc->metadata, err);

	if (rc)
		return rc;
	if (!opt->recv_from && config_metadata_get(&svc->metadata, "proxyProtocol.untrusted"))
		return config_fail(err, "key \"proxyProtocol.untrusted\" has no effect without proxyProtocol.from");
	if (opt->recv_wait_ns > opt->recv_proxy_timeout_ns)
		return config_fail(err, "proxyProtocol.wait is longer than proxyProtocol.timeout");
	if (!opt->recv_wait_ns)
		opt->recv_wait_ns = opt->recv_proxy_timeout_ns;
	return 0;
}

/* --- sending: TLVs need version 2 -------------------------------------------------------------------------- */

static int check_versions(const struct metadata *md, bool v1, bool v2, const char *hint, struct config_error *err)
{
	for (size_t i = 0; i < md->count; i++) {
		const char *key = md->entries[i].key;
		if (!is_detail(key))
			continue;
		if (!v1 && !v2)
			return config_fail(err, "key \"%s\" has no effect without %s", key, hint);
		if (!v2 && strcmp(key, "proxyProtocol.dst"))
			return config_fail(err, "key \"%s\" needs version 2 of the PROXY protocol: version 1 has no TLVs",
					   key);
	}
	return 0;
}

static int node_version(const struct service_config *svc, size_t i)
{
	int own = svc->forwarder.nodes[i].opt.send_proxy;

	return own >= 0 ? own : svc->opt.send_proxy;
}

static int finish_send(const struct service_config *svc, struct config_error *err)
{
	bool v1 = svc->opt.send_proxy == 1, v2 = svc->opt.send_proxy == 2;
	int rc = 0;

	for (size_t i = 0; i < svc->forwarder.node_count && !rc; i++) {
		int version = node_version(svc, i);
		v1 |= version == 1;
		v2 |= version == 2;
		rc = check_versions(&svc->forwarder.nodes[i].metadata, version == 1, version == 2, "proxyProtocol", err);
	}
	return rc ? rc : check_versions(&svc->handler_metadata, v1, v2, "handler.proxyProtocol", err);
}

int config_finish_proxy(struct service_config *svc, struct config_error *err)
{
	int rc = finish_receive(svc, err);

	return rc ? rc : finish_send(svc, err);
}
