/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_worker.c - a worker's side of the kernel path: its list of flows there, its event ring, its timers.
 *
 * Why: events name records, timers name flows; both end in one call of user/engine_sockmap.c for the flow's path.
 * Owns: the ring, the table from record to flow. Never: changes a flow's path itself.
 * See: include/sockmap_flow.h.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine.h"
#include "loop.h"
#include "sockmap_flow.h"

struct sockmap_worker {
	struct sockmap *sm;
	struct flow_env *env;
	uint32_t index;
	int ring_fd;
	struct ring_buffer *ring;
	struct loop_io ring_io;
	struct flow **by_record; /* indexed by record: events name records */
	struct flow *flows;      /* all that are not native */
	struct loop_timer look, shake;
	uint64_t dice;
};

static struct sockmap_worker *worker_of(const struct flow *flow)
{
	return flow_pair((struct flow *)(uintptr_t)flow)->env->sockmap;
}

struct sockmap *sockmap_of(const struct flow *flow)
{
	return worker_of(flow)->sm;
}

uint32_t sockmap_worker_index(const struct flow *flow)
{
	return worker_of(flow)->index;
}

/* --- the worker's list of kernel flows, and the periodic look at them ------------------------------ */

static void on_look(struct loop_timer *timer);
static void shake_later(struct sockmap_worker *w);

void sockmap_list_add(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);

	flow->spliced_next = w->flows;
	flow->spliced_prev = &w->flows;
	if (w->flows)
		w->flows->spliced_prev = &flow->spliced_next;
	w->flows = flow;
	if (!loop_timer_armed(&w->look))
		loop_timer_set(w->env->loop, &w->look, SPLICE_LOOK_NS, on_look);
	if (w->sm->cfg.shake_ns && !loop_timer_armed(&w->shake))
		shake_later(w);
}

void sockmap_list_del(struct flow *flow)
{
	*flow->spliced_prev = flow->spliced_next;
	if (flow->spliced_next)
		flow->spliced_next->spliced_prev = flow->spliced_prev;
	flow->spliced_next = NULL;
	flow->spliced_prev = NULL;
}

uint64_t pair_active_ns(const struct pair *pair)
{
	uint64_t active = pair->active_ns;

	for (int i = 0; i < 2; i++)
		if (pair->flow[i].policy.moved_ns > active)
			active = pair->flow[i].policy.moved_ns;
	return active;
}

void sockmap_table_set(struct flow *flow, bool present)
{
	worker_of(flow)->by_record[flow->record_index] = present ? flow : NULL;
}

/* --- the worker --------------------------------------------------------------------------------------- */

void sockmap_on_flow_timer(struct loop_timer *timer)
{
	struct flow *flow = (struct flow *)((char *)timer - offsetof(struct flow, timer));

	sockmap_flow_look(flow);
}

static int on_ring_event(void *ctx, void *data, size_t size)
{
	struct sockmap_worker *w = ctx;
	const struct flow_event *ev = data;
	struct flow *flow;

	if (size < sizeof(*ev) || ev->record >= FLOW_RECORDS_MAX)
		return 0;
	flow = w->by_record[ev->record];
	if (!flow || flow->record->generation != ev->generation)
		return 0;
	if (flow->path == PATH_SPLICED || flow->path == PATH_PAUSED)
		sockmap_too_fast(flow);
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
	if (rec->notified || sockmap_must_stop(flow)) {
		sockmap_flow_stop(flow, false);
	} else if (verdict != SPLICE_STAY) {
		splice_policy_left(&flow->policy, verdict);
		sockmap_flow_stop(flow, true);
	} else {
		rec->hinted = 0;
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

/* --- for tests: joins and leaves at random ----------------------------------------------------------- */

/* 0 .. sides - 1 */
static uint64_t throw(struct sockmap_worker *w, uint64_t sides)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return w->dice % sides;
}

static void shake_flow(struct sockmap_worker *w, struct flow *flow)
{
	uint64_t side = throw(w, 3);

	if (side == 2)
		sockmap_pause(flow);
	else
		sockmap_flow_stop(flow, side == 0);
}

/* One in three of those in the kernel is stopped, for good or to be put back, or paused. */
static void on_shake(struct loop_timer *timer)
{
	struct sockmap_worker *w = (struct sockmap_worker *)((char *)timer - offsetof(struct sockmap_worker, shake));
	struct flow *next;

	for (struct flow *flow = w->flows; flow && flow->spliced_prev; flow = next) {
		next = flow->spliced_next;
		if (flow->path == PATH_SPLICED && throw(w, 3) == 0)
			shake_flow(w, flow);
	}
	if (w->flows)
		shake_later(w);
}

static void shake_later(struct sockmap_worker *w)
{
	loop_timer_set(w->env->loop, &w->shake, throw(w, 2 * w->sm->cfg.shake_ns), on_shake);
}

bool sockmap_wants_in(struct flow *flow)
{
	struct sockmap_worker *w = worker_of(flow);
	enum splice_mode mode = flow_pair(flow)->engine->mode;

	if (w->sm->cfg.shake_ns && mode != SPLICE_NEVER)
		return throw(w, 4) == 0;
	return splice_policy_wants_in(&flow->policy, mode);
}

/* --- life --------------------------------------------------------------------------------------------- */

int sockmap_worker_new(struct sockmap_worker **out, struct sockmap *sm, unsigned index, struct flow_env *env)
{
	struct sockmap_worker *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->sm = sm;
	w->env = env;
	w->index = index;
	w->dice = loop_clock() | 1;
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
	loop_timer_cancel(w->env->loop, &w->shake);
	loop_io_del(w->env->loop, &w->ring_io);
	ring_buffer__free(w->ring);
	if (w->ring_fd >= 0)
		close(w->ring_fd);
	free(w->by_record);
	free(w);
}
