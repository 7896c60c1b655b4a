/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.c - the pair: events in, pumps run, half-closes and ends decided.
 *
 * Why: edge-triggered epoll with both masks set once, so that a native session costs no epoll_ctl per message; each
 * flow remembers whether its source is readable and its target writable.
 * Owns: the pair's descriptors and held bytes, from pair_start() to the end.
 * Never: lets an error look like an end of stream: both sockets are closed with a reset (SO_LINGER 0) unless both
 * FINs came and everything was delivered.
 * See: include/flow.h, user/engine_sockmap.c (all paths but PATH_NATIVE).
 */
#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "flow_prefix.h"
#include "sockmap.h"
#include "tls.h"

enum {
	READ_BUFFER = 256 * 1024, /* one recv; larger gains nothing, smaller costs 10 % on loopback */
	DRAIN_MAX = 8 * 1024 * 1024,
	HOLD_SMALL = READ_BUFFER,
};

static const char *const end_names[] = {
	[PAIR_CLIENT_EOF] = "client-eof",
	[PAIR_UPSTREAM_EOF] = "upstream-eof",
	[PAIR_RESET_CLIENT] = "reset-by-client",
	[PAIR_RESET_UPSTREAM] = "reset-by-upstream",
	[PAIR_ERROR_CLIENT] = "client-error",
	[PAIR_ERROR_UPSTREAM] = "upstream-error",
	[PAIR_IDLE] = "idle",
	[PAIR_BUDGET] = "budget",
	[PAIR_KERNEL_LOSS] = "kernel-loss",
	[PAIR_DRAIN] = "drain",
	[PAIR_NO_MEMORY] = "no-memory",
};
_Static_assert(sizeof(end_names) / sizeof(end_names[0]) == PAIR_END_COUNT, "one name per end");

const char *pair_end_name(enum pair_end end)
{
	return end_names[end];
}

int flow_env_init(struct flow_env *env, struct loop *loop)
{
	*env = (struct flow_env){.loop = loop, .buf_size = READ_BUFFER};
	env->buf = malloc(env->buf_size);
	return env->buf ? 0 : -ENOMEM;
}

void flow_env_fini(struct flow_env *env)
{
	pump_splice_fini(env);
	free(env->buf);
	env->buf = NULL;
}

/* --- bytes user space holds --------------------------------------------------------------------- */

bool flow_empty(const struct flow *flow)
{
	return flow->hold_len == 0 && !flow->pipe;
}

static int hold_reserve(struct flow *flow, size_t len)
{
	size_t need = flow->hold_len + len;

	if (flow->hold_off + need <= flow->hold_cap)
		return 0;
	if (need > HOLD_SMALL) /* it will grow further: do not copy it all each time */
		need *= 2;
	uint8_t *grown = malloc(need);
	if (!grown)
		return -ENOMEM;
	if (flow->hold_len)
		memcpy(grown, flow->hold + flow->hold_off, flow->hold_len);
	free(flow->hold);
	flow->hold = grown;
	flow->hold_off = 0;
	flow->hold_cap = (uint32_t)need;
	return 0;
}

int flow_hold(struct flow *flow, const void *data, size_t len)
{
	int err = len ? hold_reserve(flow, len) : 0;

	if (err || !len)
		return err;
	memcpy(flow->hold + flow->hold_off + flow->hold_len, data, len);
	flow->hold_len += (uint32_t)len;
	return 0;
}

static void hold_free(struct flow *flow)
{
	free(flow->hold);
	flow->hold = NULL;
	flow->hold_off = flow->hold_len = flow->hold_cap = 0;
}

void flow_drop(struct flow *flow)
{
	hold_free(flow);
}

static void prefix_free(struct flow *flow)
{
	flow_prefix_free(flow->prefix);
	flow->prefix = NULL;
}

enum pump_result pump_flush_hold(struct flow *flow)
{
	while (flow->hold_len) {
		if (!flow->writable)
			return PUMP_BLOCKED;
		ssize_t n = pair_send(flow_pair(flow), !flow->side, flow->hold + flow->hold_off, flow->hold_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return PUMP_DST_ERROR;
		if (n < 0) {
			flow->writable = false;
			return PUMP_BLOCKED;
		}
		flow->written_bytes += (uint64_t)n;
		flow->hold_off += (uint32_t)n;
		flow->hold_len -= (uint32_t)n;
		flow_pair(flow)->active_ns = loop_now(flow_env(flow)->loop);
	}
	hold_free(flow);
	return PUMP_YIELD;
}

void flow_note_read(struct flow *flow, size_t n, size_t asked)
{
	struct pair *pair = flow_pair(flow);

	pair->active_ns = loop_now(pair->env->loop);
	flow->read_bytes += n;
	if (pair->tls[flow->side]) { /* the rest may be inside its TLS */
		splice_policy_read(&flow->policy, n, pair->active_ns);
		return;
	}
	flow->whole = n < asked;
	/* A short read emptied the queue. With a FIN behind it no further edge comes, so read on. */
	if (n < asked && !flow->rdhup && !flow->urgent)
		flow->readable = false;
	splice_policy_read(&flow->policy, n, pair->active_ns);
}

/* --- ends --------------------------------------------------------------------------------------- */

/* The pair is gone after on_end(), which may still want to say what was wrong with its TLS. */
static void on_end_task(struct loop_task *task)
{
	struct pair *pair = (struct pair *)((char *)task - offsetof(struct pair, end_task));
	struct tls_conn *tls[2] = {pair->tls[0], pair->tls[1]};

	pair->on_end(pair, pair->end);
	tls_conn_free(tls[0]);
	tls_conn_free(tls[1]);
}

static bool end_is_clean(enum pair_end end)
{
	return end == PAIR_CLIENT_EOF || end == PAIR_UPSTREAM_EOF;
}

static void close_side(struct pair *pair, int side, bool clean)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (!clean && pair->io[side].fd >= 0)
		setsockopt(pair->io[side].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	loop_io_close(pair->env->loop, &pair->io[side]);
}

void pair_finish(struct pair *pair, enum pair_end end)
{
	if (pair->ended)
		return;
	pair->ended = true;
	pair->end = (uint8_t)end;
	loop_task_cancel(pair->env->loop, &pair->yield);
	for (int i = 0; i < 2; i++) {
		loop_timer_cancel(pair->env->loop, &pair->flow[i].timer);
		sockmap_detach_flow(&pair->flow[i]);
		pump_splice_release(&pair->flow[i]);
		hold_free(&pair->flow[i]);
		prefix_free(&pair->flow[i]);
	}
	/* The upstream first: its end is what frees the most. */
	close_side(pair, SIDE_UPSTREAM, end_is_clean(end));
	close_side(pair, SIDE_CLIENT, end_is_clean(end));
	for (int i = 0; i < 2; i++)
		sockmap_release_flow(&pair->flow[i]);
	loop_defer(pair->env->loop, &pair->end_task, on_end_task);
}

void pair_socket_error(struct pair *pair, int side, int err)
{
	bool reset = err == ECONNRESET || err == EPIPE || err == 0;

	if (pair->ended)
		return;
	pair->error = err;
	if (side == SIDE_CLIENT)
		pair_finish(pair, reset ? PAIR_RESET_CLIENT : PAIR_ERROR_CLIENT);
	else
		pair_finish(pair, reset ? PAIR_RESET_UPSTREAM : PAIR_ERROR_UPSTREAM);
}

static void target_failed(struct flow *flow, int err);

/* The source ended and everything is with the target's TCP: pass the FIN on. */
static void flow_finish(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);

	if (!sockmap_reconcile(flow)) {
		pair_finish(pair, PAIR_KERNEL_LOSS);
		return;
	}
	flow->state = FLOW_SHUT;
	if (!pair->first_eof)
		pair->first_eof = (uint8_t)(flow->side + 1);
	if (pair->flow[!flow->side].state == FLOW_SHUT)
		pair_finish(pair, pair->first_eof == SIDE_CLIENT + 1 ? PAIR_CLIENT_EOF : PAIR_UPSTREAM_EOF);
	else if (shutdown(flow_dst_fd(flow), SHUT_WR) < 0)
		target_failed(flow, errno);
}

/* An answer in front of the payload must be seen, so it is copied. */
static enum pump_result pump(struct flow *flow)
{
	const struct engine_ops *engine = flow_pair(flow)->engine;

	return flow->prefix && engine != &engine_tls_ops ? pump_copy(flow) : engine->pump(flow);
}

/* --- running ------------------------------------------------------------------------------------ */

static void on_yield(struct loop_task *task)
{
	struct pair *pair = (struct pair *)((char *)task - offsetof(struct pair, yield));

	for (int i = 0; i < 2 && !pair->ended; i++)
		if (pair->flow[i].readable || !flow_empty(&pair->flow[i]))
			flow_run(&pair->flow[i]);
}

void flow_run_later(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);

	loop_yield(pair->env->loop, &pair->yield, on_yield);
}

/*
 * The target refused bytes. What it sent before it died may still be unread (a server that answers "too large" and
 * resets): move that first.
 */
static void target_failed(struct flow *flow, int err)
{
	struct pair *pair = flow_pair(flow);
	struct flow *reverse = &pair->flow[!flow->side];
	enum pump_result last = PUMP_BLOCKED;

	flow->state = FLOW_SHUT; /* do not come back here from the reverse flow */
	if (reverse->state == FLOW_OPEN && reverse->path == PATH_NATIVE) {
		reverse->readable = true;
		reverse->rdhup = true;
		last = pump(reverse);
	}
	/* TLS: all but the goodbye was taken, and the target has said its own: it need not stay to hear ours. */
	if (flow->ending && last == PUMP_EOF)
		flow_finish(reverse);
	else
		pair_socket_error(pair, !flow->side, err);
}

/*
 * A flow that wants into the kernel must not have a partly read skb (the kernel would redirect it whole, header
 * again). Under load the queue never runs empty by itself, so read it empty once, with a bound.
 */
static void drain_source(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);

	while (!flow->whole && flow->hold_len < DRAIN_MAX) {
		ssize_t n = recv(flow_src_fd(flow), env->buf, env->buf_size, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			flow->whole = true;
		if (n <= 0)
			return;
		if (flow_hold(flow, env->buf, (size_t)n) < 0) {
			pair_finish(flow_pair(flow), PAIR_NO_MEMORY);
			return;
		}
		flow_note_read(flow, (size_t)n, env->buf_size);
	}
}

static bool wants_join(struct flow *flow)
{
	const struct pair *pair = flow_pair(flow);

	return pair->env->sockmap && !flow->no_splice && !flow->rdhup && !flow->prefix &&
	       sockmap_wants_in(flow);
}

static void maybe_join(struct flow *flow)
{
	if (!wants_join(flow) || !flow_empty(flow))
		return;
	if (flow->whole) {
		sockmap_join(flow);
		return;
	}
	drain_source(flow);
	if (!flow_pair(flow)->ended && !flow_empty(flow))
		flow_run_later(flow);
}

void flow_run(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);

	if (pair->ended || flow->state != FLOW_OPEN || flow->path != PATH_NATIVE)
		return;
	/* Held bytes out and nothing half read: join now, before another read could split an skb. */
	if (wants_join(flow) && flow->whole && !flow_empty(flow) && pump_flush_hold(flow) == PUMP_YIELD &&
	    flow_empty(flow) && sockmap_join(flow))
		return;
	enum pump_result result = pump(flow);
	int err = errno;
	switch (result) {
	case PUMP_BLOCKED:
		if (!flow->writable)
			splice_policy_blocked(&flow->policy, loop_now(pair->env->loop));
		maybe_join(flow);
		break;
	case PUMP_YIELD:
		maybe_join(flow);
		if (!pair->ended && flow->path == PATH_NATIVE)
			flow_run_later(flow);
		break;
	case PUMP_EOF:
		flow_finish(flow);
		break;
	case PUMP_SRC_ERROR:
		pair_socket_error(pair, flow->side, err);
		break;
	case PUMP_DST_ERROR:
		target_failed(flow, err);
		break;
	case PUMP_NO_MEMORY:
		pair_finish(pair, PAIR_NO_MEMORY);
		break;
	}
}

/* --- events ------------------------------------------------------------------------------------- */

static uint32_t side_events(const struct pair *pair, int side)
{
	uint32_t events = EPOLLRDHUP | EPOLLOUT | EPOLLET;

	/* Either of these on a spliced socket wakes the loop for every redirected skb: half the throughput. */
	if (pair->flow[side].path == PATH_NATIVE)
		events |= EPOLLIN | EPOLLPRI;
	return events;
}

void pair_update_events(struct pair *pair)
{
	for (int i = 0; i < 2; i++)
		if (loop_io_set(pair->env->loop, &pair->io[i], side_events(pair, i)) < 0)
			pair_finish(pair, PAIR_NO_MEMORY);
}

static void on_error_event(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	socklen_t len = sizeof(int);
	int err = 0;

	/* What arrived before the reset is still readable. */
	flow->readable = true;
	flow_run(flow);
	if (pair->ended)
		return;
	getsockopt(pair->io[side].fd, SOL_SOCKET, SO_ERROR, &err, &len);
	pair_socket_error(pair, side, err);
}

/*
 * Urgent data: recv() stops at the mark and would skip the byte. Deliver it in line (what the kernel path does
 * anyway) and stop taking a short read for an empty queue.
 */
static void on_urgent(struct flow *flow)
{
	int one = 1;

	flow->urgent = true;
	flow->no_splice = true;
	setsockopt(flow_src_fd(flow), SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
}

/* TLS sometimes waits to write for something to read, and the other way round. */
static uint32_t tls_meaning(const struct tls_conn *tls, uint32_t events)
{
	uint32_t more = 0;

	if (tls && events & EPOLLOUT && tls_read_awaits_write(tls))
		more |= EPOLLIN;
	if (tls && events & EPOLLIN && tls_write_awaits_read(tls))
		more |= EPOLLOUT;
	return events | more;
}

static void on_side(struct pair *pair, int side, uint32_t events)
{
	struct flow *flow = &pair->flow[side], *reverse = &pair->flow[!side];

	if (pair->ended)
		return;
	events = tls_meaning(pair->tls[side], events);
	if (events & EPOLLOUT) {
		reverse->writable = true;
		splice_policy_unblocked(&reverse->policy, loop_now(pair->env->loop));
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		flow->rdhup = true;
	if (events & EPOLLPRI && !flow->urgent)
		on_urgent(flow);
	if (events & EPOLLERR) {
		on_error_event(pair, side);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
		flow->readable = true;
		if (flow->path == PATH_NATIVE)
			flow_run(flow);
		else if (flow->state == FLOW_OPEN)
			sockmap_source_event(flow, flow->rdhup);
	}
	if (!pair->ended && events & EPOLLOUT && (!flow_empty(reverse) || reverse->ending))
		flow_run(reverse);
}

static void on_client(struct loop_io *io, uint32_t events)
{
	on_side((struct pair *)((char *)io - offsetof(struct pair, io[SIDE_CLIENT])), SIDE_CLIENT, events);
}

static void on_upstream(struct loop_io *io, uint32_t events)
{
	on_side((struct pair *)((char *)io - offsetof(struct pair, io[SIDE_UPSTREAM])), SIDE_UPSTREAM, events);
}

/* --- life --------------------------------------------------------------------------------------- */

void pair_init(struct pair *pair, struct flow_env *env, const struct engine_ops *engine, pair_end_fn on_end)
{
	memset(pair, 0, sizeof(*pair));
	pair->env = env;
	pair->engine = engine;
	pair->on_end = on_end;
	for (int i = 0; i < 2; i++) {
		pair->io[i].fd = -1;
		pair->flow[i].side = (uint8_t)i;
		pair->flow[i].readable = pair->flow[i].writable = true;
		splice_policy_init(&pair->flow[i].policy);
	}
}

void pair_discard(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		loop_io_close(pair->env->loop, &pair->io[i]);
		pair_secure(pair, i, NULL);
		hold_free(&pair->flow[i]);
		prefix_free(&pair->flow[i]);
	}
}

/* A side that the caller has watched so far is taken over as it is; a bare descriptor is added. */
static int take_side(struct pair *pair, int side, int fd, loop_io_fn fn)
{
	struct loop_io *io = &pair->io[side];

	if (io->fd < 0)
		return loop_io_add(pair->env->loop, io, fd, side_events(pair, side), fn);
	io->fn = fn;
	return loop_io_set(pair->env->loop, io, side_events(pair, side));
}

void pair_start(struct pair *pair, int client_fd, int upstream_fd)
{
	pair->active_ns = loop_now(pair->env->loop);
	if (pair->tls[SIDE_CLIENT] || pair->tls[SIDE_UPSTREAM])
		pair->engine = &engine_tls_ops;
	if (take_side(pair, SIDE_CLIENT, client_fd, on_client) < 0 ||
	    take_side(pair, SIDE_UPSTREAM, upstream_fd, on_upstream) < 0) {
		if (pair->io[SIDE_CLIENT].fd < 0)
			close(client_fd);
		if (pair->io[SIDE_UPSTREAM].fd < 0)
			close(upstream_fd);
		pair_finish(pair, PAIR_NO_MEMORY);
		return;
	}
	for (int i = 0; i < 2; i++)
		flow_run(&pair->flow[i]);
}

uint64_t flow_total_bytes(const struct flow *flow)
{
	return flow->read_bytes + flow_kernel_bytes(flow);
}
