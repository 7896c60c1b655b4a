/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_sockmap.c - joining a flow to the kernel path, stopping it before the kernel holds too much, getting it back.
 *
 * A flow's life here (enum flow_path):
 *
 *   NATIVE --join--> SPLICED --soft limit--> PARKED --room again--> SPLICED
 *                       |                      |
 *                       |                      +--data was passed--> FLUSHING --all read--> PARKED
 *                       +--small or idle---------------------------> DRAINING --kernel holds nothing--> NATIVE
 *                       +--FIN--> ENDING --all accounted for-------> DRAINING (NATIVE then reads the end of stream)
 *
 * Why so: redirect has no back-pressure, so a flow whose target holds too much is held (a large SO_RCVLOWAT keeps the verdict
 * from being called) and taken out of the map; its receive window fills and the sender stops. What queues up meanwhile is
 * redirected in one go when it is put back, without a copy. Data that the verdict had to pass to user space is read first
 * (FLUSHING). Every end goes through NATIVE, so there is one place that sees end of stream and one that compares totals.
 * Owns: a flow's path, record and timer.
 * Never: writes to a target the kernel still has bytes for; leaves a flow in the map while reading it natively.
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
static const uint64_t PARK_BUSY_NS = 500 * 1000;
static const uint64_t LOSS_NS = 3000 * 1000000ull;
static void flush_step(struct flow *flow);
static bool flush_hold(struct flow *flow);
static void begin_flush(struct flow *flow);

uint64_t flow_kernel_bytes(const struct flow *flow)
{
	return flow->record ? flow->record->redirected : flow->kernel_bytes;
}

/* --- waiting -------------------------------------------------------------------------------------- */

static void look_in(struct flow *flow, uint64_t delay_ns)
{
	flow->look_ns = delay_ns;
	loop_timer_set(flow_env(flow)->loop, &flow->timer, delay_ns, sockmap_on_flow_timer);
}

static void look_later(struct flow *flow)
{
	uint64_t next = flow->look_ns * 2;

	look_in(flow, next > LOOK_MAX_NS ? LOOK_MAX_NS : next);
}

static void begin_wait(struct flow *flow, enum flow_path path)
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

static void kernel_loss(struct flow *flow)
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
		look_later(flow);
}

static void begin_drain(struct flow *flow)
{
	begin_wait(flow, PATH_DRAINING);
	drain_look(flow);
}

/* --- parked: waiting for room ---------------------------------------------------------------------- */

/* Arms the gate; the verdict opens it at the next skb. */
static void arm(struct flow *flow)
{
	struct flow_record *rec = flow->record;

	sockmap_set_limits(flow);
	rec->written = flow->written_bytes;
	rec->notified = 0;
	__atomic_store_n(&rec->gate, (uint32_t)FLOW_GATE_ARMED, __ATOMIC_RELEASE);
}

static int add_source(struct flow *flow)
{
	int err = sockmap_add_source(sockmap_of(flow), flow->cookie, flow_src_fd(flow));

	flow->in_map = !err;
	return err;
}

static void del_source(struct flow *flow)
{
	sockmap_del_source(sockmap_of(flow), flow->cookie);
	flow->in_map = false;
	sockmap_held(flow);
}

static void resume(struct flow *flow)
{
	if (flow->record->passed != flow->record->consumed) {
		begin_flush(flow);
		return;
	}
	arm(flow);
	if (!flow->in_map && add_source(flow) < 0) {
		begin_drain(flow); /* a FIN came: what is queued goes natively */
		return;
	}
	flow->path = PATH_SPLICED;
	sockmap_kick(flow_src_fd(flow));
	if (flow->rdhup) /* its FIN came while it was parked: no event will */
		sockmap_source_event(flow, true);
}

/*
 * Looks again well before the room should be there, judging by how fast the target took bytes since the last look: a look
 * costs 2 us, a target that ran dry costs the line's rate. A stalled target is looked at ever more rarely.
 */
static uint64_t park_delay(struct flow *flow, uint64_t acked, uint64_t excess)
{
	uint64_t now = loop_now(flow_env(flow)->loop), delay;
	uint64_t moved = acked - flow->wait_mark;

	if (!moved) {
		delay = flow->look_ns * 2;
		return delay > LOOK_MAX_NS ? LOOK_MAX_NS : delay;
	}
	delay = flow->wait_mark ? (uint64_t)((double)excess / (double)moved * (double)(now - flow->wait_since_ns)) / 2 : 0;
	flow->wait_mark = acked;
	flow->wait_since_ns = now;
	if (delay < PARK_FIRST_NS)
		return PARK_FIRST_NS;
	return delay > PARK_BUSY_NS ? PARK_BUSY_NS : delay;
}

/* Our bytes come after everything the kernel has for the target, and only while that has room. True: none are left. */
static bool write_collected(struct flow *flow, const struct tcp_totals *target)
{
	uint64_t given = flow->written_bytes + flow->record->redirected;

	if (!flow->hold_len)
		return true;
	return target->handed == given && (int64_t)(given - target->acked) <= (int64_t)flow->record->soft &&
	       flush_hold(flow);
}

static void park_look(struct flow *flow)
{
	struct tcp_totals totals;
	uint64_t mark = sockmap_resume_mark(flow);

	if (is_broken(flow))
		return;
	if (sockmap_tcp_totals(flow_dst_fd(flow), &totals) < 0) {
		pair_socket_error(flow_pair(flow), !flow->side, ECONNRESET);
		return;
	}
	bool written = write_collected(flow, &totals);
	if (flow_pair(flow)->ended)
		return;
	int64_t queued = (int64_t)(flow->written_bytes + flow->record->redirected - totals.acked);
	if (written && queued <= (int64_t)mark)
		resume(flow);
	else
		look_in(flow, park_delay(flow, totals.acked, queued > (int64_t)mark ? (uint64_t)queued - mark : 1));
}

/* --- stopping a source ------------------------------------------------------------------------------- */

/*
 * Out of the map. Data passed in the last instant can be read only inside it (outside, reading it leaves the socket's sequence
 * behind and it stalls), so then the source goes back in. False: it did, or the session ended.
 */
static bool leave_map(struct flow *flow)
{
	del_source(flow);
	if (flow->record->passed == flow->record->consumed)
		return true;
	if (add_source(flow) < 0)
		kernel_loss(flow);
	else
		begin_flush(flow);
	return false;
}

/*
 * Taking a source out while the verdict runs can lose an skb. It runs on a held source only when the window is full or a FIN
 * comes, so a source whose window is half full already stays in.
 */
static bool may_leave(struct flow *flow)
{
	struct flow_record *rec = flow->record;
	struct tcp_totals totals;

	if (sockmap_tcp_totals(flow_src_fd(flow), &totals) < 0)
		return false;
	uint64_t taken = flow->read_bytes + rec->redirected + rec->passed - rec->consumed;
	return totals.received - taken < sockmap_window(flow) / 16;
}

static void park(struct flow *flow)
{
	if (!may_leave(flow))
		sockmap_held(flow);
	else if (!leave_map(flow))
		return;
	begin_wait(flow, PATH_PARKED);
	look_in(flow, PARK_FIRST_NS);
}

/* A thread that lost its CPU since it held the source may find the window full: then what came goes through user space first. */
static void leave_for_good(struct flow *flow)
{
	if (may_leave(flow)) {
		if (leave_map(flow))
			begin_drain(flow);
		return;
	}
	begin_wait(flow, PATH_FLUSHING);
	sockmap_held(flow);
	sockmap_narrow_window(flow, true);
	sockmap_kick(flow_src_fd(flow));
	look_in(flow, LOOK_FIRST_NS);
}

/* Writes what user space holds. True: all of it. */
static bool flush_hold(struct flow *flow)
{
	enum pump_result result;

	flow->writable = true;
	result = pump_flush_hold(flow);
	if (result == PUMP_DST_ERROR)
		pair_socket_error(flow_pair(flow), !flow->side, errno);
	return result == PUMP_YIELD;
}

/* Reads one piece of what the verdict passed. False: nothing is there now, or the session ended. */
static bool collect_piece(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);
	ssize_t n = recv(flow_src_fd(flow), env->buf, env->buf_size, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	flow->read_bytes += (uint64_t)n;
	flow->record->consumed += (uint64_t)n;
	if (flow_hold(flow, env->buf, (size_t)n) == 0)
		return true;
	pair_finish(flow_pair(flow), PAIR_NO_MEMORY);
	return false;
}

/* Nothing passed is left unread: hold the source still, make sure, and go on. */
static void try_stop(struct flow *flow)
{
	sockmap_hold(flow);
	if (flow->record->passed != flow->record->consumed) {
		sockmap_held(flow);
		sockmap_kick(flow_src_fd(flow));
		look_in(flow, LOOK_FIRST_NS);
		return;
	}
	sockmap_narrow_window(flow, false);
	if (flow->leaving || flow->rdhup)
		leave_for_good(flow);
	else
		park(flow);
}

/* Reads what is passed until user space has caught up, or holds a window's worth. True: caught up. */
static bool collect(struct flow *flow)
{
	struct flow_record *rec = flow->record;

	while (rec->passed != rec->consumed && flow->hold_len < sockmap_window(flow))
		if (!collect_piece(flow))
			break;
	return rec->passed == rec->consumed;
}

/*
 * Collects what was passed, at most a receive window at a time, until nothing is left and the source can be stopped. It cannot be
 * held meanwhile (a held source with data in its receive queue says EAGAIN even when passed data is there: Linux 6.18), so its
 * window is narrowed: user space must be faster than the sender for an instant.
 */
static void flush_step(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);
	struct tcp_totals totals;
	uint64_t consumed = flow->record->consumed;
	bool written = false;

	if (is_broken(flow))
		return;
	bool done = collect(flow);
	if (pair->ended)
		return;
	if (done) {
		try_stop(flow);
		return;
	}
	if (sockmap_tcp_totals(flow_dst_fd(flow), &totals) < 0)
		pair_socket_error(pair, !flow->side, ECONNRESET);
	else
		written = write_collected(flow, &totals);
	if (pair->ended)
		return;
	if (written || flow->record->consumed != consumed)
		look_in(flow, LOOK_FIRST_NS);
	else /* a slow target: user space holds all it may, and need not ask every 50 us */
		look_later(flow);
}

static void begin_flush(struct flow *flow)
{
	begin_wait(flow, PATH_FLUSHING);
	sockmap_held(flow);
	sockmap_narrow_window(flow, true);
	sockmap_kick(flow_src_fd(flow));
	flush_step(flow);
}

/* Holds the source still: the verdict is not called before its receive window is full. */
void sockmap_flow_stop(struct flow *flow, bool leaving)
{
	struct flow_record *rec = flow->record;

	sockmap_hold(flow);
	flow->leaving = leaving;
	if (rec->gate != FLOW_GATE_BROKEN)
		__atomic_store_n(&rec->gate, (uint32_t)FLOW_GATE_SHUT, __ATOMIC_RELEASE);
	if (rec->gate == FLOW_GATE_BROKEN || rec->passed != rec->consumed)
		begin_flush(flow);
	else if (leaving)
		leave_for_good(flow);
	else
		park(flow);
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
	uint64_t seen = flow->read_bytes + rec->redirected + rec->passed - rec->consumed;
	if (seen + 1 == totals.received) { /* the FIN counts as one */
		sockmap_flow_stop(flow, true);
		return;
	}
	if (seen != flow->wait_mark) {
		flow->wait_mark = seen;
		flow->wait_since_ns = now;
	}
	if (now - flow->wait_since_ns > LOSS_NS)
		kernel_loss(flow);
	else
		look_later(flow);
}

void sockmap_source_event(struct flow *flow, bool rdhup)
{
	if (!rdhup)
		return;
	/* Parked: what is queued goes through the verdict when there is room, then this path again. */
	if (flow->path == PATH_SPLICED) {
		begin_wait(flow, PATH_ENDING);
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
	int err = sockmap_record_get(sm, sockmap_worker_index(flow), peer, &index);
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
	flow->record->consumed = flow->record->passed;
	flow->record->sequenced = 0;
	arm(flow);
	return add_source(flow);
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
	case PATH_PARKED:
		park_look(flow);
		break;
	case PATH_DRAINING:
		drain_look(flow);
		break;
	case PATH_FLUSHING:
		flush_step(flow);
		break;
	case PATH_ENDING:
		ending_look(flow);
		break;
	case PATH_NATIVE:
	case PATH_SPLICED:
		break;
	}
}
