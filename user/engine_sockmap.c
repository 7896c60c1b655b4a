/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_sockmap.c - joining a flow to the kernel path, stopping it before the kernel holds too much, getting it back.
 *
 * A flow's life here (enum flow_path):
 *
 *   NATIVE --join--> SPLICED --soft limit--> FLUSHING --> PARKED --room again--> SPLICED
 *                       |                       |            |
 *                       +--small or idle--------+--> DRAINING <--FIN while parked
 *                       +--FIN--> ENDING ----------> DRAINING --kernel holds nothing--> NATIVE (reads the end of stream)
 *
 * Why so: redirect has no back-pressure, so a flow whose target holds too much is taken out of the sources map; its
 * source's receive window then closes by itself. Taking it out (2 us) rather than passing data to user space means that what
 * queues up meanwhile is redirected in one go when it is put back, without a copy. Every end goes through NATIVE, so there is
 * one place that sees end of stream and one that compares totals.
 * Owns: the worker's event ring and list of kernel flows.
 * Never: writes to a target the kernel still has bytes for; leaves a flow in the map while reading it natively.
 * See: bpf/sockmap.bpf.c, include/sockmap.h, tests/kernel/ (each kernel fact this rests on).
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "flow.h"
#include "loop.h"
#include "sockmap_maps.h"

static const uint64_t LOOK_FIRST_NS = 50 * 1000;
static const uint64_t LOOK_MAX_NS = 10 * 1000 * 1000;
static const uint64_t PARK_FIRST_NS = 100 * 1000;
static const uint64_t PARK_BUSY_NS = 500 * 1000;
static const uint64_t LOSS_NS = 3000 * 1000000ull;
/*
 * One flow's share of the budget: a quarter (at most 4 MiB) for the source's receive window, the rest for the target. Soft
 * at two thirds of that leaves room for what arrives until the source is stopped; putting it back while the target still has
 * five eighths of the soft limit keeps both ends busy (scripts/bench-peers; 4 MiB budgets are slower than copying).
 */
enum {
	WINDOW_SHARE = 4,
	WINDOW_MAX = 4 * 1024 * 1024,
	NATIVE_SNDBUF = 2 * 1024 * 1024,
};

static uint32_t window_of(uint64_t share)
{
	return share / WINDOW_SHARE < WINDOW_MAX ? (uint32_t)(share / WINDOW_SHARE) : WINDOW_MAX;
}

static uint32_t resume_mark(uint32_t soft)
{
	return soft / 8 * 5;
}

struct sockmap_worker {
	struct sockmap *sm;
	struct flow_env *env;
	uint32_t index;
	int ring_fd;
	struct ring_buffer *ring;
	struct loop_io ring_io;
	struct flow **by_record; /* indexed by record: events name records */
	struct flow *flows;      /* all that are not native */
	struct loop_timer look;
};

static void on_flow_timer(struct loop_timer *timer);
static void flush_step(struct flow *flow);

static struct sockmap_worker *worker_of(struct flow *flow)
{
	return flow_env(flow)->sockmap;
}

uint64_t flow_kernel_bytes(const struct flow *flow)
{
	return flow->record ? flow->record->redirected : flow->kernel_bytes;
}

/* --- the worker's list of kernel flows, and the periodic look at them ------------------------------ */

static void on_look(struct loop_timer *timer);

static void list_add(struct sockmap_worker *w, struct flow *flow)
{
	flow->spliced_next = w->flows;
	flow->spliced_prev = &w->flows;
	if (w->flows)
		w->flows->spliced_prev = &flow->spliced_next;
	w->flows = flow;
	if (!loop_timer_armed(&w->look))
		loop_timer_set(w->env->loop, &w->look, SPLICE_LOOK_NS, on_look);
}

static void list_del(struct flow *flow)
{
	*flow->spliced_prev = flow->spliced_next;
	if (flow->spliced_next)
		flow->spliced_next->spliced_prev = flow->spliced_prev;
	flow->spliced_next = NULL;
	flow->spliced_prev = NULL;
}

/* --- waiting -------------------------------------------------------------------------------------- */

static void look_in(struct flow *flow, uint64_t delay_ns)
{
	flow->look_ns = delay_ns;
	loop_timer_set(flow_env(flow)->loop, &flow->timer, delay_ns, on_flow_timer);
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

static void kernel_loss(struct flow *flow)
{
	atomic_fetch_add(&worker_of(flow)->sm->losses, 1);
	pair_finish(flow_pair(flow), PAIR_KERNEL_LOSS);
}

/* --- back to user space ---------------------------------------------------------------------------- */

static void set_buffer(int fd, int option, int size)
{
	setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

/* Which of a socket's buffers stay fixed: those that a spliced flow reads from or writes to. */
static void unlock_buffers(struct pair *pair, int side)
{
	int lock = 0;

	if (pair->flow[side].path != PATH_NATIVE)
		lock |= SOCK_RCVBUF_LOCK;
	if (pair->flow[!side].path != PATH_NATIVE)
		lock |= SOCK_SNDBUF_LOCK;
	set_buffer(pair->io[side].fd, SO_BUF_LOCK, lock);
}

/* Gives both back to the kernel's tuning; a forced send buffer would let user space fill it for a stalled reader. */
static void restore_buffers(struct flow *flow)
{
	set_buffer(flow_dst_fd(flow), SO_SNDBUF, NATIVE_SNDBUF);
	unlock_buffers(flow_pair(flow), SIDE_CLIENT);
	unlock_buffers(flow_pair(flow), SIDE_UPSTREAM);
}

static void go_native(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);

	flow->path = PATH_NATIVE;
	list_del(flow);
	sockmap_budget_give(worker_of(flow)->sm);
	sockmap_kick(flow_src_fd(flow));
	if (!flow->rdhup)
		restore_buffers(flow);
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

static void set_limits(struct flow *flow)
{
	struct sockmap *sm = worker_of(flow)->sm;
	uint32_t share = __atomic_load_n(&sm->share, __ATOMIC_RELAXED);

	flow->record->hard = share - window_of(share);
	flow->record->soft = flow->record->hard / 3 * 2;
}

/* Into the sources map, with the gate open; -errno when the kernel does not take it (a FIN came first). */
static int enter(struct flow *flow, enum flow_gate gate)
{
	struct sockmap_worker *w = worker_of(flow);
	struct flow_record *rec = flow->record;

	set_limits(flow);
	rec->written = flow->written_bytes;
	rec->consumed = rec->passed;
	rec->notified = 0;
	__atomic_store_n(&rec->gate, (uint32_t)gate, __ATOMIC_RELEASE);
	int err = sockmap_add_source(w->sm, flow->cookie, flow_src_fd(flow));
	if (err)
		return err;
	flow->path = PATH_SPLICED;
	return 0;
}

static void resume(struct flow *flow)
{
	if (enter(flow, FLOW_GATE_OPEN) < 0) {
		begin_drain(flow);
		return;
	}
	sockmap_kick(flow_src_fd(flow));
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

static void park_look(struct flow *flow)
{
	struct tcp_totals totals;
	uint64_t mark = resume_mark(flow->record->soft);

	if (flow->rdhup) {
		begin_drain(flow); /* a socket with a FIN cannot join again */
		return;
	}
	if (sockmap_tcp_totals(flow_dst_fd(flow), &totals) < 0) {
		pair_socket_error(flow_pair(flow), !flow->side, ECONNRESET);
		return;
	}
	uint64_t queued = flow->written_bytes + flow->record->redirected - totals.acked;
	if ((int64_t)queued <= (int64_t)mark)
		resume(flow);
	else
		look_in(flow, park_delay(flow, totals.acked, queued - mark));
}

/* --- stopping a source ------------------------------------------------------------------------------- */

/*
 * Out of the map. Data passed in the last instant can be read only inside it (outside, reading it leaves the socket's
 * sequence behind and it stalls), so then the source goes back in and is flushed again.
 */
static void leave_map(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);
	struct flow_record *rec = flow->record;

	sockmap_del_source(w->sm, flow->cookie);
	if (rec->passed != rec->consumed) {
		if (sockmap_add_source(w->sm, flow->cookie, flow_src_fd(flow)) < 0) {
			kernel_loss(flow);
			return;
		}
		sockmap_kick(flow_src_fd(flow));
		look_in(flow, LOOK_FIRST_NS);
		return;
	}
	if (flow->leaving || flow->rdhup) {
		begin_drain(flow);
		return;
	}
	begin_wait(flow, PATH_PARKED);
	look_in(flow, PARK_FIRST_NS);
}

/* Writes what is held. True: all of it. */
static bool flush_hold(struct flow *flow)
{
	enum pump_result result = pump_flush_hold(flow);

	flow->record->written = flow->written_bytes;
	if (result == PUMP_DST_ERROR)
		pair_socket_error(flow_pair(flow), !flow->side, errno);
	return result == PUMP_YIELD;
}

/* Reads one piece of what the verdict passed. False: nothing more to do now. */
static bool flush_piece(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);
	ssize_t n = recv(flow_src_fd(flow), env->buf, env->buf_size, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	flow->record->consumed += (uint64_t)n;
	flow->read_bytes += (uint64_t)n;
	if (flow_hold(flow, env->buf, (size_t)n) < 0) {
		pair_finish(flow_pair(flow), PAIR_NO_MEMORY);
		return false;
	}
	return flush_hold(flow);
}

/* Nothing passed is left unread: hold the source still, make sure, and take it out. */
static void try_leave_map(struct flow *flow)
{
	sockmap_quiesce(flow_src_fd(flow));
	if (flow->record->passed == flow->record->consumed) {
		leave_map(flow);
		return;
	}
	sockmap_kick(flow_src_fd(flow));
	look_in(flow, LOOK_FIRST_NS);
}

/*
 * The gate is shut and the source not held: what arrives goes on through the verdict to user space, so its order is kept. (A
 * held source with data in its receive queue says EAGAIN even when passed data is there: Linux 6.18.)
 */
static void flush_step(struct flow *flow)
{
	struct flow_record *rec = flow->record;
	struct pair *pair = flow_pair(flow);

	if (is_broken(flow))
		return;
	/* Our bytes come after everything the kernel has for the target. */
	int64_t left = backlog(flow);
	flow->writable = true;
	if (left < 0) {
		pair_socket_error(pair, !flow->side, ECONNRESET);
		return;
	}
	if (left == 0 && (!flow->hold_len || flush_hold(flow)))
		while (!pair->ended && rec->passed != rec->consumed && flush_piece(flow))
			continue;
	if (pair->ended)
		return;
	if (rec->passed == rec->consumed && !flow->hold_len)
		try_leave_map(flow);
	else
		look_later(flow);
}

static void stop_source(struct flow *flow, bool leaving)
{
	struct flow_record *rec = flow->record;

	sockmap_quiesce(flow_src_fd(flow));
	flow->leaving = leaving;
	begin_wait(flow, PATH_FLUSHING);
	if (rec->passed == rec->consumed && rec->gate != FLOW_GATE_BROKEN) {
		__atomic_store_n(&rec->gate, (uint32_t)FLOW_GATE_SHUT, __ATOMIC_RELEASE);
		leave_map(flow);
		return;
	}
	if (rec->gate != FLOW_GATE_BROKEN)
		__atomic_store_n(&rec->gate, (uint32_t)FLOW_GATE_SHUT, __ATOMIC_RELEASE);
	sockmap_kick(flow_src_fd(flow));
	flush_step(flow);
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
		flow->leaving = true;
		begin_wait(flow, PATH_FLUSHING);
		flush_step(flow);
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
	if (flow->path == PATH_SPLICED) {
		begin_wait(flow, PATH_ENDING);
		ending_look(flow);
	} else if (flow->path == PATH_PARKED) {
		begin_drain(flow);
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
	atomic_fetch_add(&worker_of(flow)->sm->losses, 1);
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

static int get_record(struct flow *flow, struct sockmap_worker *w)
{
	uint64_t peer = flow_pair(flow)->flow[!flow->side].cookie;
	uint32_t index;

	if (flow->record)
		return 0;
	int err = sockmap_record_get(w->sm, w->index, peer, &index);
	if (err)
		return err;
	err = sockmap_add_slot(w->sm, flow->cookie, index);
	if (err) {
		sockmap_record_put(w->sm, w->index, index);
		return err;
	}
	flow->record = &w->sm->records[index];
	flow->record_index = index;
	w->by_record[index] = flow;
	return 0;
}

/*
 * The target's send buffer takes the hard limit, so that the kernel's work queue never waits for room (it would, a jiffy at a
 * time). The source's window is fixed: left to tuning it follows the speed of redirecting to the largest size allowed,
 * all of which a parked flow would then fill.
 */
static void force_buffers(struct flow *flow, const struct sockmap *sm)
{
	int window = (int)window_of(__atomic_load_n(&sm->share, __ATOMIC_RELAXED));

	set_buffer(flow_dst_fd(flow), SO_SNDBUFFORCE, (int)sm->cfg.flow_bytes); /* the kernel doubles both */
	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, window);
	setsockopt(flow_src_fd(flow), IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
}

bool sockmap_join(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);
	struct pair *pair = flow_pair(flow);
	bool first = !flow->record;

	if (!sockmap_budget_take(w->sm))
		return false;
	if (join_pair(pair, w->sm) < 0 || get_record(flow, w) < 0 ||
	    enter(flow, first ? FLOW_GATE_ARMED : FLOW_GATE_OPEN) < 0) {
		sockmap_budget_give(w->sm);
		flow->no_splice = true;
		return false;
	}
	list_add(w, flow);
	force_buffers(flow, w->sm);
	splice_policy_joined(&flow->policy, flow->record->redirected, flow->record->skbs, loop_now(w->env->loop));
	pair_update_events(pair);
	sockmap_kick(flow_src_fd(flow));
	return true;
}

void sockmap_detach_flow(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);

	if (flow->path != PATH_NATIVE) {
		list_del(flow);
		sockmap_budget_give(w->sm);
		flow->path = PATH_NATIVE;
	}
}

void sockmap_release_flow(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);

	if (!flow->record)
		return;
	sockmap_del_slot(w->sm, flow->cookie);
	flow->kernel_bytes = flow->record->redirected;
	flow->record = NULL;
	w->by_record[flow->record_index] = NULL;
	sockmap_record_put(w->sm, w->index, flow->record_index);
}

uint64_t pair_active_ns(const struct pair *pair)
{
	uint64_t active = pair->active_ns;

	for (int i = 0; i < 2; i++)
		if (pair->flow[i].path != PATH_NATIVE && pair->flow[i].policy.active_ns > active)
			active = pair->flow[i].policy.active_ns;
	return active;
}

/* --- the worker --------------------------------------------------------------------------------------- */

static void on_flow_timer(struct loop_timer *timer)
{
	struct flow *flow = (struct flow *)((char *)timer - offsetof(struct flow, timer));

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

static int on_ring_event(void *ctx, void *data, size_t size)
{
	struct sockmap_worker *w = ctx;
	const struct flow_event *ev = data;
	struct flow *flow;

	if (size < sizeof(*ev) || ev->record >= FLOW_RECORDS_MAX)
		return 0;
	flow = w->by_record[ev->record];
	if (!flow || flow->record->generation != ev->generation || flow->path != PATH_SPLICED)
		return 0;
	stop_source(flow, false);
	return 0;
}

static void on_ring(struct loop_io *io, uint32_t events)
{
	struct sockmap_worker *w = (struct sockmap_worker *)((char *)io - offsetof(struct sockmap_worker, ring_io));

	(void)events;
	ring_buffer__consume(w->ring);
}

static void look_at(struct flow *flow, uint64_t now)
{
	struct flow_record *rec = flow->record;
	enum splice_mode mode = flow_pair(flow)->engine->mode;
	enum splice_verdict verdict = splice_policy_look(&flow->policy, mode, rec->redirected, rec->skbs, now);

	if (flow->path != PATH_SPLICED)
		return;
	/* A lost event (ring full) must not leave a gate shut for ever. */
	if (rec->notified || rec->gate == FLOW_GATE_BROKEN) {
		stop_source(flow, false);
	} else if (verdict != SPLICE_STAY) {
		splice_policy_left(&flow->policy, verdict);
		stop_source(flow, true);
	}
}

static void on_look(struct loop_timer *timer)
{
	struct sockmap_worker *w = (struct sockmap_worker *)((char *)timer - offsetof(struct sockmap_worker, look));
	struct flow *next;

	/* The end of a pair takes both its flows off the list: what is left waits for the next look. */
	for (struct flow *flow = w->flows; flow && flow->spliced_prev; flow = next) {
		next = flow->spliced_next;
		look_at(flow, loop_now(w->env->loop));
	}
	if (w->flows)
		loop_timer_set(w->env->loop, &w->look, SPLICE_LOOK_NS, on_look);
}

int sockmap_worker_new(struct sockmap_worker **out, struct sockmap *sm, unsigned index, struct flow_env *env)
{
	struct sockmap_worker *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->sm = sm;
	w->env = env;
	w->index = index;
	w->ring_io.fd = -1;
	w->by_record = calloc(FLOW_RECORDS_MAX, sizeof(*w->by_record));
	w->ring_fd = w->by_record ? sockmap_add_ring(sm, index) : -ENOMEM;
	if (w->ring_fd < 0)
		goto fail;
	w->ring = ring_buffer__new(w->ring_fd, on_ring_event, w, NULL);
	if (!w->ring)
		goto fail;
	err = loop_io_add(env->loop, &w->ring_io, ring_buffer__epoll_fd(w->ring), EPOLLIN, on_ring);
	if (err)
		goto fail;
	*out = w;
	return 0;
fail:
	sockmap_worker_free(w);
	return err;
}

void sockmap_worker_free(struct sockmap_worker *w)
{
	if (!w)
		return;
	loop_timer_cancel(w->env->loop, &w->look);
	loop_io_del(w->env->loop, &w->ring_io);
	ring_buffer__free(w->ring);
	if (w->ring_fd >= 0)
		close(w->ring_fd);
	free(w->by_record);
	free(w);
}

/* --- the engines that use it ---------------------------------------------------------------------------- */

const struct engine_ops engine_sockmap_ops = {
	.name = "sockmap",
	.kind = ENGINE_SOCKMAP,
	.mode = SPLICE_ALWAYS,
	.pump = pump_copy,
};

/* Bulk that the kernel path does not take (no BPF, budget used up) goes by splice(2), small messages by copy. */
static enum pump_result pump_auto(struct flow *flow)
{
	bool bulk = splice_policy_wants_in(&flow->policy, SPLICE_BULK);

	if (flow->pipe || (bulk && (!flow_env(flow)->sockmap || flow->no_splice)))
		return pump_splice(flow);
	return pump_copy(flow);
}

const struct engine_ops engine_auto_ops = {
	.name = "auto",
	.kind = ENGINE_AUTO,
	.mode = SPLICE_BULK,
	.pump = pump_auto,
};
