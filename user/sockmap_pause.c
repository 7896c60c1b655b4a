/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_pause.c - a source that is far ahead of its target is held for a moment (PATH_PAUSED).
 *
 * Why: the kernel's work queue sends for the target on the CPU where the source's packets come in. A fast sender on that CPU keeps
 * it from running, for a scheduler's tick at a time: the backlog grows, falls out of the caches, and the other CPUs have nothing
 * to do. Held early, the sender waits instead, and what it queues meanwhile is redirected by this thread, on whichever CPU
 * has time. That takes two calls where a stop takes ten, so a sixteenth of the soft limit is enough (measured with
 * eight flows across namespaces: 15 to 30 % more throughput at about the same CPU a byte).
 * Owns: nothing. Never: is what bounds memory: a held source whose window is full is redirected all the same, so a target
 * that takes nothing gets to the soft limit, and the source is stopped.
 * See: user/engine_sockmap.c (paths), bpf/sockmap.bpf.c (the event), tests/kernel/ (what holding does).
 */
#include <errno.h>

#include "engine.h"
#include "loop.h"
#include "sockmap_flow.h"

static const uint64_t FIRST_LOOK_NS = 100 * 1000;

void sockmap_pause(struct flow *flow)
{
	sockmap_hold(flow);
	sockmap_begin_wait(flow, PATH_PAUSED);
	sockmap_look_in(flow, FIRST_LOOK_NS);
}

bool sockmap_must_stop(const struct flow *flow)
{
	return sockmap_unread(flow) || flow->record->gate == FLOW_GATE_BROKEN;
}

/* Anything else may yet turn out to be a moment's matter. */
void sockmap_too_fast(struct flow *flow)
{
	if (sockmap_must_stop(flow))
		sockmap_flow_stop(flow, false);
	else if (flow->path == PATH_SPLICED)
		sockmap_pause(flow);
}

/* On with redirecting: what is queued goes first, in one go. */
static void go_on(struct flow *flow)
{
	flow->path = PATH_SPLICED;
	flow->record->hinted = flow->record->notified = 0;
	sockmap_kick(flow_src_fd(flow));
}

void sockmap_pause_look(struct flow *flow)
{
	uint32_t goal = sockmap_pause_goal(flow);
	struct tcp_totals target;

	if (sockmap_tcp_totals(flow_dst_fd(flow), &target) < 0) {
		pair_socket_error(flow_pair(flow), !flow->side, ECONNRESET);
		return;
	}
	uint64_t given = flow->written_bytes + flow->record->redirected, unsent = given - target.sent;
	if (sockmap_must_stop(flow) || given - target.acked > sockmap_stop_mark(flow))
		sockmap_flow_stop(flow, false);
	else if (unsent <= goal)
		go_on(flow);
	else
		sockmap_look_in(flow, sockmap_next_look(flow, target.sent, unsent - goal));
}
