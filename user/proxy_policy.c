/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_policy.c - see proxy_policy.h.
 *
 * Why LOCAL passes every policy that looks: it claims nobody's address (a load balancer's own health check), receivers
 * must accept it, and refusing it would take a healthy service out of rotation.
 * Why an untrusted peer without a header is still refused under REQUIRE: otherwise going round the load balancer would
 * be the way in.
 * Owns: nothing. Never: depends on anything but its arguments.
 * See: tests/unit/test_proxy_policy.c has the whole table.
 */
#include "proxy_policy.h"

static const char missing[] = "proxy-header-missing";

static struct proxy_verdict act(enum proxy_action action)
{
	return (struct proxy_verdict){.action = action};
}

static struct proxy_verdict end(const char *reason, const char *text)
{
	return (struct proxy_verdict){.action = PROXY_END, .reason = reason, .text = text};
}

bool proxy_skips(const struct proxy_rules *rules, bool trusted)
{
	return rules->policy == PROXY_POLICY_SKIP || (!trusted && rules->untrusted == PROXY_POLICY_SKIP);
}

bool proxy_insists(const struct proxy_rules *rules)
{
	return rules->policy == PROXY_POLICY_REQUIRE;
}

static struct proxy_verdict on_header(const struct proxy_rules *rules, const struct proxy_sight *sight)
{
	enum proxy_policy policy = sight->trusted ? rules->policy : rules->untrusted;

	if (sight->command == PROXY_CMD_LOCAL)
		return act(PROXY_CONSUME);
	if (policy == PROXY_POLICY_REJECT)
		return end("proxy-header-unexpected", sight->trusted ? "there is one, and the policy is reject"
								    : "its sender is not one of those that are trusted");
	return act(policy == PROXY_POLICY_IGNORE ? PROXY_CONSUME : PROXY_BELIEVE);
}

static struct proxy_verdict on_payload(const struct proxy_rules *rules)
{
	return proxy_insists(rules) ? end(missing, "something else came") : act(PROXY_PASS);
}

static struct proxy_verdict on_part(const struct proxy_rules *rules, const struct proxy_sight *sight)
{
	bool insists = proxy_insists(rules);

	switch (sight->moment) {
	case PROXY_AT_EOF:
		if (!sight->bytes)
			return act(PROXY_LEAVE);
		return end(insists ? missing : "proxy-header-truncated", "the connection ended inside it");
	case PROXY_AT_DEADLINE:
		if (sight->bytes)
			return end("proxy-header-timeout", "incomplete when its time was up");
		return insists ? end(missing, "the client sent nothing in time") : act(PROXY_PASS);
	case PROXY_AT_WAIT_END:
		return sight->bytes || insists ? act(PROXY_WAIT) : act(PROXY_PASS);
	case PROXY_AT_DATA:
		break;
	}
	return act(PROXY_WAIT);
}

struct proxy_verdict proxy_decide(const struct proxy_rules *rules, const struct proxy_sight *sight)
{
	if (proxy_skips(rules, sight->trusted))
		return act(PROXY_PASS);
	switch (sight->result) {
	case PROXY_ACCEPT:
		return on_header(rules, sight);
	case PROXY_REJECT:
		return end("proxy-header-invalid", NULL);
	case PROXY_NOT_PROXY:
		return on_payload(rules);
	case PROXY_NEED_MORE:
		break;
	}
	return on_part(rules, sight);
}
