/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_flush.c - a flow stopped in the map (PATH_FLUSHING): moving what the verdict passed to user space.
 *
 * Why so: a stop may come too late (the verdict has passed bytes) or not be able to take the source out of the map (its window is
 * nearly full). Passed data can be read only in the map, and redirecting may go on only when all of it is the target's; a fast
 * sender must not add to it meanwhile. So: wait until the target has room; if the window is full, keep it full by a small buffer,
 * move all but the last byte, give the target that byte too, arm the gate, and only then take the byte with the
 * buffer large again, which tells the sender to go on. At most a receive buffer is copied for each late stop.
 * Owns: nothing. Never: writes to a target the kernel still has bytes for.
 * See: user/engine_sockmap.c (paths), user/sockmap_limits.c (buffers).
 */
#include <errno.h>
#include <sys/socket.h>

#include "engine.h"
#include "loop.h"
#include "sockmap_flow.h"

/* Passed bytes count as consumed when they are the target's: then the verdict may redirect what follows. */
static void settle(struct flow *flow)
{
	flow->record->written = flow->written_bytes;
	__atomic_store_n(&flow->record->consumed, flow->passed_read - flow->hold_len, __ATOMIC_RELEASE);
}

/* Gives the target n bytes; what it does not take is held. False: it took not all, or the session ended. */
static bool give(struct flow *flow, const uint8_t *data, size_t n)
{
	struct pair *pair = flow_pair(flow);
	ssize_t sent = pair_send(pair, !flow->side, data, n);

	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		pair_socket_error(pair, !flow->side, errno);
		return false;
	}
	size_t taken = sent > 0 ? (size_t)sent : 0;
	flow->written_bytes += taken;
	pair->active_ns = loop_now(pair->env->loop);
	if (flow_hold(flow, data + taken, n - taken) < 0) {
		pair_finish(pair, PAIR_NO_MEMORY);
		return false;
	}
	settle(flow);
	return taken == n;
}

/* Moves at most so many passed bytes. False: none are there, the target is full, or the session ended. */
static bool copy_piece(struct flow *flow, uint64_t most)
{
	struct flow_env *env = flow_env(flow);
	ssize_t n = recv(flow_src_fd(flow), env->buf, most < env->buf_size ? most : env->buf_size, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	flow->read_bytes += (uint64_t)n;
	flow->passed_read += (uint64_t)n;
	return give(flow, env->buf, (size_t)n);
}

/* Nothing passed is left and the gate is armed: out of the map if it is to leave; if not, or not yet possible, on. */
static void flushed(struct flow *flow)
{
	if (flow->leaving || flow->rdhup) {
		sockmap_shut(flow);
		if (sockmap_leave_map(flow))
			return;
		sockmap_arm(flow);
	}
	sockmap_go_on(flow);
}

/*
 * The sender does not fill its window, so user space is faster. The gate is armed meanwhile: the first skb that finds everything
 * consumed goes through it. Not faster after all: the sender is let fill its window.
 */
static void flush_open(struct flow *flow)
{
	uint64_t most = sockmap_window(flow), before = flow->passed_read;

	sockmap_arm(flow);
	sockmap_kick(flow_src_fd(flow));
	while (sockmap_unread(flow) && flow->passed_read - before < most)
		if (!copy_piece(flow, most))
			break;
	if (flow_pair(flow)->ended)
		return;
	if (!sockmap_unread(flow) && !flow->hold_len) {
		flushed(flow);
		return;
	}
	sockmap_shut(flow); /* its buffer is that of a stopped source still */
	sockmap_look_soon(flow);
}

/* Gives the target the last passed byte without taking it from the source. */
static bool give_last(struct flow *flow)
{
	uint8_t byte;

	if (recv(flow_src_fd(flow), &byte, 1, MSG_DONTWAIT | MSG_PEEK) != 1)
		return false;
	ssize_t sent = pair_send(flow_pair(flow), !flow->side, &byte, 1);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		pair_socket_error(flow_pair(flow), !flow->side, errno);
	if (sent != 1)
		return false;
	flow->written_bytes++;
	flow->passed_read++;
	flow->read_bytes++;
	settle(flow);
	return true;
}

/* Reading that byte, with the buffer large again, is what tells the sender to go on; by then the gate is armed. */
static void take_last(struct flow *flow)
{
	uint8_t byte;

	sockmap_arm(flow);
	sockmap_widen(flow);
	if (flow->leaving)
		sockmap_shut(flow);
	if (recv(flow_src_fd(flow), &byte, 1, MSG_DONTWAIT) != 1)
		sockmap_kernel_loss(flow);
	else
		flushed(flow);
}

/* The window is full, so the sender waits, and goes on waiting as long as the buffer is small. */
static void flush_closed(struct flow *flow)
{
	sockmap_kick(flow_src_fd(flow)); /* with an empty receive queue, a late segment is taken in spite of the small buffer */
	sockmap_squeeze(flow);
	while (sockmap_unread(flow) > 1)
		if (!copy_piece(flow, sockmap_unread(flow) - 1))
			break;
	if (!flow_pair(flow)->ended && sockmap_unread(flow) == 1 && !flow->hold_len && give_last(flow)) {
		take_last(flow);
		return;
	}
	if (flow_pair(flow)->ended)
		return;
	sockmap_narrow(flow); /* what is left came behind bytes the kernel has for this socket, or the target is full */
	sockmap_look_soon(flow);
}

/* Writes what user space holds; it comes after everything the kernel has for the target. True: all of it. */
static bool flush_hold(struct flow *flow)
{
	if (!flow->hold_len)
		return true;
	flow->writable = true;
	enum pump_result result = pump_flush_hold(flow);
	if (result == PUMP_DST_ERROR)
		pair_socket_error(flow_pair(flow), !flow->side, errno);
	else
		settle(flow);
	return result == PUMP_YIELD;
}

/*
 * Waits until the target has room, so that what is read can be written at once, then moves what was passed. (It cannot be read
 * while the source is held: a held source with data in its receive queue says EAGAIN, Linux 6.18.)
 */
void sockmap_flush_step(struct flow *flow)
{
	struct tcp_totals target;

	if (!sockmap_target_has_room(flow, &target))
		return;
	if (target.handed != flow->written_bytes + flow->record->redirected) {
		sockmap_look_soon(flow);
	} else if (!flush_hold(flow)) {
		if (!flow_pair(flow)->ended)
			sockmap_look_later(flow);
	} else if (!sockmap_unread(flow)) {
		sockmap_arm(flow);
		flushed(flow);
	} else if (!flow->rdhup && sockmap_is_closed(flow)) {
		flush_closed(flow);
	} else {
		flush_open(flow);
	}
}
