/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_sockmap.c - joining a flow to the kernel path, stopping it before the kernel holds too much, getting it back.
 *
 * A flow's life here (enum flow_path):
 *
 *   NATIVE --join--> SPLICED --soft limit--> PARKED --room again--> SPLICED (after a FIN DRAINING)
 *                       |                      |
 *                       +--far ahead of the target--> PAUSED --it has caught up--> SPLICED (or PARKED: see there)
 *                       |                      |
 *                       +--not safe to leave the map, or data was passed--> FLUSHING --all read--> SPLICED, or DRAINING
 *                       +--small or idle---------------------------> DRAINING --kernel holds nothing--> NATIVE
 *                       +--FIN--> ENDING --all accounted for-------> DRAINING (NATIVE then reads the end of stream)
 *
 * Why so: redirect has no back-pressure, so a flow whose target holds too much is held (a large SO_RCVLOWAT keeps the verdict
 * from being called) and taken out of the map; its receive window fills and the sender stops. What queues up meanwhile is
 * redirected in one go when it is put back, without a copy. If the verdict had to pass data to user space before that, the flow
 * stays in the map and user space moves that data (FLUSHING): at most a receive window, because the sender is not told that
 * there is room before the last byte. Every end goes through NATIVE, so there is one place that sees end of stream and one that
 * compares totals.
 * Owns: a flow's path, record and timer.
 * Never: writes to a target the kernel still has bytes for; takes a source out of the map while its verdict may run (that
 * loses an skb); leaves a flow in the map while reading it natively.
 * See: bpf/sockmap.bpf.c, include/sockmap.h, tests/kernel/ (each kernel fact this rests on).
 */
#include <errno.h>
#include <sys/socket.h>

#include "engine.h"
#include "loop.h"
#include "sockmap_flow.h"

static const uint64_t LOOK_FIRST_NS = 50 * 1000;
static const uint64_t LOOK_MAX_NS = 10 * 1000 * 1000;
static const uint64_t PARK_FIRST_NS = 100 * 1000;
static const uint64_t PARK_BUSY_NS = 5 * 1000 * 1000;
static const uint64_t LOSS_NS = 3000 * 1000000ull;
enum { LEAVE_MARGIN = 4 }; /* a source leaves the map only while this part of its window is on offer */

uint64_t flow_kernel_bytes(const struct flow *flow)
{
	return flow->record ? flow->record->redirected : flow->kernel_bytes;
}

uint64_t sockmap_unread(const struct flow *flow)
{
	return flow->record->passed - flow->passed_read;
}

/* --- waiting -------------------------------------------------------------------------------------- */

void sockmap_look_in(struct flow *flow, uint64_t delay_ns)
{
	flow->look_ns = delay_ns;
	loop_timer_set(flow_env(flow)->loop, &flow->timer, delay_ns, sockmap_on_flow_timer);
}

void sockmap_look_later(struct flow *flow)
{
	uint64_t next = flow->look_ns * 2;

	sockmap_look_in(flow, next > LOOK_MAX_NS ? LOOK_MAX_NS : next);
}

void sockmap_look_soon(struct flow *flow)
{
	if (!flow_pair(flow)->ended)
		sockmap_look_in(flow, LOOK_FIRST_NS * 2);
}

void sockmap_begin_wait(struct flow *flow, enum flow_path path)
{
	flow->path = (uint8_t)path;
	flow->look_ns = LOOK_FIRST_NS / 2;
	flow->wait_since_ns = loop_now(flow_env(flow)->loop);
	flow->wait_mark = 0;
}

/* Bytes for the target that its TCP has not taken (kernel backlog), or -1 on error. */
static int64_t backlog(struct flow *flow)
{
	struct tcp_totals totals;

	if (sockmap_tcp_totals(flow_dst_fd(flow), &totals) < 0)
		return -1;
	return (int64_t)(flow->written_bytes + flow->record->redirected - totals.handed);
}

static bool is_broken(struct flow *flow)
{
	if (flow->record->gate != FLOW_GATE_BROKEN)
		return false;
	pair_finish(flow_pair(flow), PAIR_BUDGET);
	return true;
}

static void count_loss(struct flow *flow)
{
	atomic_fetch_add(&sockmap_of(flow)->losses, 1);
}

void sockmap_kernel_loss(struct flow *flow)
{
	count_loss(flow);
	pair_finish(flow_pair(flow), PAIR_KERNEL_LOSS);
}

/* --- back to user space ---------------------------------------------------------------------------- */

static void go_native(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);

	flow->path = PATH_NATIVE;
	sockmap_list_del(flow);
	sockmap_budget_give(sockmap_of(flow));
	sockmap_kick(flow_src_fd(flow));
	if (!flow->rdhup)
		sockmap_restore_buffers(flow);
	flow->readable = flow->writable = true;
	pair_update_events(pair);
	flow_run(flow);
}

static void drain_look(struct flow *flow)
{
	int64_t left = backlog(flow);

	if (left < 0)
		pair_socket_error(flow_pair(flow), !flow->side, ECONNRESET);
	else if (left == 0)
		go_native(flow);
	else
		sockmap_look_later(flow);
}

static void begin_drain(struct flow *flow)
{
	sockmap_begin_wait(flow, PATH_DRAINING);
	drain_look(flow);
}

/* --- out of the map ---------------------------------------------------------------------------------- */

/* A broken gate stays broken, also if the verdict breaks it just now: bytes behind the gap must not reach the target. */
static void set_gate(struct flow_record *rec, enum flow_gate gate)
{
	uint32_t was = __atomic_load_n(&rec->gate, __ATOMIC_ACQUIRE);

	while (was != FLOW_GATE_BROKEN &&
	       !__atomic_compare_exchange_n(&rec->gate, &was, (uint32_t)gate, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

/* Arms the gate; the verdict opens it at the next skb. */
void sockmap_arm(struct flow *flow)
{
	struct flow_record *rec = flow->record;

	sockmap_set_limits(flow);
	rec->written = flow->written_bytes;
	rec->notified = rec->hinted = 0;
	set_gate(rec, FLOW_GATE_ARMED);
}

/* On with redirecting: what is queued goes first, in one go. */
void sockmap_go_on(struct flow *flow)
{
	flow->path = PATH_SPLICED;
	sockmap_release(flow);
	if (flow->rdhup) /* its FIN came while it was stopped: no event will */
		sockmap_source_event(flow, true);
}

static void resume(struct flow *flow)
{
	sockmap_arm(flow);
	if (sockmap_add_source(sockmap_of(flow), flow->cookie, flow_src_fd(flow)) < 0)
		begin_drain(flow); /* a FIN came: what is queued goes natively */
	else
		sockmap_go_on(flow);
}

/*
 * Half-way to when the room should be there, judging by how fast the target took bytes since the last look: a look costs 2 us, a
 * target that ran dry costs the line's rate. A stalled target is looked at ever more rarely.
 */
uint64_t sockmap_next_look(struct flow *flow, uint64_t taken, uint64_t excess)
{
	uint64_t now = loop_now(flow_env(flow)->loop), delay;
	uint64_t moved = taken - flow->wait_mark;

	if (!moved) {
		delay = flow->look_ns * 2;
		return delay > LOOK_MAX_NS ? LOOK_MAX_NS : delay;
	}
	delay = flow->wait_mark ? (uint64_t)((double)excess / (double)moved * (double)(now - flow->wait_since_ns)) / 2 : 0;
	flow->wait_mark = taken;
	flow->wait_since_ns = now;
	if (delay < PARK_FIRST_NS)
		return PARK_FIRST_NS;
	return delay > PARK_BUSY_NS ? PARK_BUSY_NS : delay;
}

/* Has the target room? If not, looks again in time; the session may have ended. */
bool sockmap_target_has_room(struct flow *flow, struct tcp_totals *target)
{
	uint64_t mark = sockmap_resume_mark(flow);

	if (is_broken(flow))
		return false;
	if (sockmap_tcp_totals(flow_dst_fd(flow), target) < 0) {
		pair_socket_error(flow_pair(flow), !flow->side, ECONNRESET);
		return false;
	}
	int64_t queued = (int64_t)(flow->written_bytes + flow->record->redirected - target->acked);
	if (queued <= (int64_t)mark)
		return true;
	sockmap_look_in(flow, sockmap_next_look(flow, target->acked, (uint64_t)queued - mark));
	return false;
}

static void park_look(struct flow *flow)
{
	struct tcp_totals target;

	if (sockmap_target_has_room(flow, &target))
		resume(flow);
}

/* --- stopping a source ------------------------------------------------------------------------------- */

/* Out of the map, if that can be done without losing anything: the source is held and nothing passed is unread. */
bool sockmap_leave_map(struct flow *flow)
{
	struct flow_record *rec = flow->record;

	rec->margin = sockmap_window(flow) / LEAVE_MARGIN;
	rec->ended = flow->rdhup;
	if (rec->gate == FLOW_GATE_BROKEN || !sockmap_leave_source(sockmap_of(flow), flow->record_index))
		return false;
	sockmap_narrow(flow);
	if (flow->leaving || flow->rdhup) {
		begin_drain(flow);
	} else {
		sockmap_begin_wait(flow, PATH_PARKED);
		sockmap_look_in(flow, PARK_FIRST_NS);
	}
	return true;
}

void sockmap_shut(struct flow *flow)
{
	sockmap_hold(flow);
	set_gate(flow->record, FLOW_GATE_SHUT);
}

/* Holds the source still: the verdict is not called before its receive window is full. */
void sockmap_flow_stop(struct flow *flow, bool leaving)
{
	flow->leaving = leaving;
	sockmap_shut(flow);
	if (!sockmap_leave_map(flow)) {
		sockmap_narrow(flow);
		sockmap_begin_wait(flow, PATH_FLUSHING);
		sockmap_look_in(flow, LOOK_FIRST_NS);
	}
}

/* --- end of stream ----------------------------------------------------------------------------------- */

/* EPOLLRDHUP comes before the last skb of the same packet is redirected: wait until all is accounted for. */
static void ending_look(struct flow *flow)
{
	struct flow_record *rec = flow->record;
	struct tcp_totals totals;
	uint64_t now = loop_now(flow_env(flow)->loop);

	if (is_broken(flow))
		return;
	if (sockmap_tcp_totals(flow_src_fd(flow), &totals) < 0) {
		pair_socket_error(flow_pair(flow), flow->side, ECONNRESET);
		return;
	}
	uint64_t seen = flow->read_bytes + rec->redirected + sockmap_unread(flow);
	if (seen + 1 == totals.received) { /* the FIN counts as one */
		sockmap_flow_stop(flow, true);
		return;
	}
	if (seen != flow->wait_mark) {
		flow->wait_mark = seen;
		flow->wait_since_ns = now;
	}
	if (now - flow->wait_since_ns > LOSS_NS)
		sockmap_kernel_loss(flow);
	else
		sockmap_look_later(flow);
}

void sockmap_source_event(struct flow *flow, bool rdhup)
{
	if (!rdhup)
		return;
	/* Parked: what is queued goes through the verdict when there is room, then this path again. */
	if (flow->path == PATH_PAUSED)
		sockmap_kick(flow_src_fd(flow));
	if (flow->path == PATH_SPLICED || flow->path == PATH_PAUSED) {
		sockmap_begin_wait(flow, PATH_ENDING);
		ending_look(flow);
	}
}

bool sockmap_reconcile(struct flow *flow)
{
	struct tcp_totals source, target;

	if (!flow->record)
		return true;
	if (sockmap_tcp_totals(flow_src_fd(flow), &source) < 0 || sockmap_tcp_totals(flow_dst_fd(flow), &target) < 0)
		return false;
	if (source.received == flow->read_bytes + flow->record->redirected + 1 &&
	    target.handed == flow->written_bytes + flow->record->redirected)
		return true;
	count_loss(flow);
	return false;
}

/* --- joining ------------------------------------------------------------------------------------------ */

static int join_pair(struct pair *pair, struct sockmap *sm)
{
	if (pair->in_targets)
		return 0;
	for (int i = 0; i < 2; i++)
		pair->flow[i].cookie = sockmap_cookie(pair->io[i].fd);
	for (int i = 0; i < 2; i++) {
		int err = sockmap_add_target(sm, pair->flow[i].cookie, pair->io[i].fd);
		if (err)
			return err;
	}
	pair->in_targets = true;
	return 0;
}

static int get_record(struct flow *flow, struct sockmap *sm)
{
	uint64_t peer = flow_pair(flow)->flow[!flow->side].cookie;
	uint32_t index;

	if (flow->record)
		return 0;
	int err = sockmap_record_get(sm, sockmap_worker_index(flow), flow->cookie, peer, &index);
	if (err)
		return err;
	err = sockmap_add_slot(sm, flow->cookie, index);
	if (err) {
		sockmap_record_put(sm, sockmap_worker_index(flow), index);
		return err;
	}
	flow->record = &sm->records[index];
	flow->record_index = index;
	sockmap_table_set(flow, true);
	return 0;
}

/* Into the sources map, with the gate armed; -errno when the kernel does not take it (a FIN came first). */
static int enter(struct flow *flow)
{
	flow->record->consumed = flow->passed_read = flow->record->passed;
	flow->record->sequenced = 0;
	sockmap_set_window(flow);
	sockmap_arm(flow);
	return sockmap_add_source(sockmap_of(flow), flow->cookie, flow_src_fd(flow));
}

bool sockmap_join(struct flow *flow)
{
	struct sockmap *sm = sockmap_of(flow);
	struct pair *pair = flow_pair(flow);

	if (!sockmap_budget_take(sm))
		return false;
	if (join_pair(pair, sm) < 0 || get_record(flow, sm) < 0 || enter(flow) < 0) {
		sockmap_budget_give(sm);
		flow->no_splice = true;
		return false;
	}
	flow->path = PATH_SPLICED;
	sockmap_list_add(flow);
	sockmap_force_buffers(flow);
	splice_policy_joined(&flow->policy, flow->record->redirected, flow->record->skbs, loop_now(pair->env->loop));
	pair_update_events(pair);
	sockmap_kick(flow_src_fd(flow));
	return true;
}

void sockmap_detach_flow(struct flow *flow)
{
	if (flow->path == PATH_NATIVE)
		return;
	sockmap_list_del(flow);
	sockmap_budget_give(sockmap_of(flow));
	flow->path = PATH_NATIVE;
}

void sockmap_release_flow(struct flow *flow)
{
	struct sockmap *sm;

	if (!flow->record)
		return;
	sm = sockmap_of(flow);
	sockmap_del_slot(sm, flow->cookie);
	flow->kernel_bytes = flow->record->redirected;
	flow->record = NULL;
	sockmap_table_set(flow, false);
	sockmap_record_put(sm, sockmap_worker_index(flow), flow->record_index);
}

void sockmap_flow_look(struct flow *flow)
{
	switch ((enum flow_path)flow->path) {
	case PATH_PAUSED:
		sockmap_pause_look(flow);
		break;
	case PATH_PARKED:
		park_look(flow);
		break;
	case PATH_DRAINING:
		drain_look(flow);
		break;
	case PATH_FLUSHING:
		sockmap_flush_step(flow);
		break;
	case PATH_ENDING:
		ending_look(flow);
		break;
	case PATH_NATIVE:
	case PATH_SPLICED:
		break;
	}
}
