/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_auto.c - the engines whose flows may go to the kernel: sockmap at once, auto when it pays.
 *
 * Why: both pump natively like copy; the difference is the splice mode, and what auto does with bulk that cannot go.
 * Owns: nothing. See: include/splice_policy.h, user/engine_sockmap.c.
 */
#include "engine.h"
#include "flow.h"

const struct engine_ops engine_sockmap_ops = {
	.name = "sockmap",
	.kind = ENGINE_SOCKMAP,
	.mode = SPLICE_ALWAYS,
	.pump = pump_copy,
};

/* Bulk that the kernel path does not take (no BPF, it refused the flow, a slow target) goes by splice(2), small messages by copy. */
static enum pump_result pump_auto(struct flow *flow)
{
	bool bulk = splice_policy_wants_in(&flow->policy, SPLICE_BULK);

	if (flow->pipe || splice_policy_is_slow(&flow->policy) || (bulk && (!flow_env(flow)->sockmap || flow->no_splice)))
		return pump_splice(flow);
	return pump_copy(flow);
}

const struct engine_ops engine_auto_ops = {
	.name = "auto",
	.kind = ENGINE_AUTO,
	.mode = SPLICE_BULK,
	.pump = pump_auto,
};
