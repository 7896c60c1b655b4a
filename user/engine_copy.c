/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_copy.c - recv() into the worker's buffer, send() from it. The reference the other engines are tested against.
 *
 * Why: two system calls a message, no state while idle: what the target does not take is copied aside, and only
 * that. It is also what auto and sockmap use for flows that are not (yet) in the kernel.
 * Owns: nothing. Never: keeps bytes in the shared buffer across events.
 * See: include/engine.h.
 */
#include "engine.h"

#include <errno.h>
#include <sys/socket.h>

#include "flow.h"
#include "flow_prefix.h"

enum { READS_PER_TURN = 8 };

/* Sends n bytes of the shared buffer; the rest is held. */
static enum pump_result write_out(struct flow *flow, const uint8_t *data, size_t n)
{
	ssize_t sent = 0;

	if (flow->writable)
		sent = send(flow_dst_fd(flow), data, n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return PUMP_DST_ERROR;
	if (sent < 0)
		sent = 0;
	flow->written_bytes += (uint64_t)sent;
	if ((size_t)sent == n)
		return PUMP_YIELD;
	flow->writable = false;
	return flow_hold(flow, data + sent, n - (size_t)sent) < 0 ? PUMP_NO_MEMORY : PUMP_BLOCKED;
}

/* Who asked for the way has been told why. */
static enum pump_result prefix_refused(void)
{
	errno = ECONNREFUSED;
	return PUMP_SRC_ERROR;
}

static enum pump_result prefix_cut(struct flow *flow)
{
	flow_prefix_cut(flow);
	return prefix_refused();
}

static enum pump_result copy_once(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);

	if (flow->hold_len)
		return pump_flush_hold(flow);
	if (!flow->readable)
		return PUMP_BLOCKED;
	ssize_t n = recv(flow_src_fd(flow), env->buf, env->buf_size, 0);
	if (n == 0)
		return flow->prefix ? prefix_cut(flow) : PUMP_EOF;
	if (n < 0 && errno == EINTR)
		return PUMP_YIELD;
	if (n < 0 && errno != EAGAIN)
		return PUMP_SRC_ERROR;
	if (n < 0) {
		flow->readable = false;
		flow->whole = true;
		return PUMP_BLOCKED;
	}
	flow_note_read(flow, (size_t)n, env->buf_size);
	if (flow->prefix) {
		n = flow_strip(flow, env->buf, (size_t)n);
		if (n <= 0)
			return n ? prefix_refused() : PUMP_YIELD;
	}
	return write_out(flow, env->buf, (size_t)n);
}

enum pump_result pump_turns(struct flow *flow, enum pump_result (*once)(struct flow *flow))
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		enum pump_result result = once(flow);
		if (result != PUMP_YIELD)
			return result;
	}
	return PUMP_YIELD;
}

enum pump_result pump_copy(struct flow *flow)
{
	return pump_turns(flow, copy_once);
}

const struct engine_ops engine_copy_ops = {
	.name = "copy",
	.kind = ENGINE_COPY,
	.mode = SPLICE_NEVER,
	.pump = pump_copy,
};
