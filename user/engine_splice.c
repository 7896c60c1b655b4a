/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_splice.c - splice(2) through a pipe: page references move, bytes do not.
 *
 * Why: the best that needs no BPF, and it has back-pressure by nature. Pipes are pooled per worker and held only
 * while they have bytes, so an idle session costs no descriptors. Small messages go by copy: below 8 KiB two extra
 * pipe operations cost more than copying (HAProxy found 4 KiB).
 * Owns: the worker's pipe pool. Never: leaves bytes in a pipe that goes back to the pool.
 * See: splice(2), include/engine.h.
 */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow.h"

enum {
	PIPE_BYTES = 1024 * 1024,
	POOL_MAX = 64,
	MOVES_PER_TURN = 8,
	SMALL_READ = 8 * 1024,
};

struct pipe_slot {
	struct pipe_slot *next;
	int fd[2];
	size_t bytes;
};

static void pipe_close(struct pipe_slot *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
}

static struct pipe_slot *pipe_open(void)
{
	struct pipe_slot *p = calloc(1, sizeof(*p));

	if (!p || pipe2(p->fd, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	/* Without CAP_SYS_RESOURCE the limit may be lower: a small pipe is slower, not wrong. */
	if (fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		errno = 0;
	return p;
}

static struct pipe_slot *pipe_get(struct flow_env *env)
{
	struct pipe_slot *p = env->pipes;

	if (!p)
		return pipe_open();
	env->pipes = p->next;
	env->pipe_count--;
	return p;
}

void pump_splice_release(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);
	struct pipe_slot *p = flow->pipe;

	if (!p)
		return;
	flow->pipe = NULL;
	if (p->bytes || env->pipe_count >= POOL_MAX) {
		pipe_close(p);
		return;
	}
	p->next = env->pipes;
	env->pipes = p;
	env->pipe_count++;
}

void pump_splice_fini(struct flow_env *env)
{
	while (env->pipes) {
		struct pipe_slot *p = env->pipes;
		env->pipes = p->next;
		pipe_close(p);
	}
	env->pipe_count = 0;
}

static enum pump_result pipe_to_target(struct flow *flow)
{
	struct pipe_slot *p = flow->pipe;

	while (p->bytes) {
		if (!flow->writable)
			return PUMP_BLOCKED;
		ssize_t n = splice(p->fd[0], NULL, flow_dst_fd(flow), NULL, p->bytes,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return PUMP_DST_ERROR;
		if (n <= 0) {
			flow->writable = false;
			return PUMP_BLOCKED;
		}
		p->bytes -= (size_t)n;
		flow->written_bytes += (uint64_t)n;
	}
	return PUMP_YIELD;
}

static enum pump_result source_to_pipe(struct flow *flow)
{
	ssize_t n = splice(flow_src_fd(flow), NULL, flow->pipe->fd[1], NULL, PIPE_BYTES,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n == 0)
		return PUMP_EOF;
	if (n < 0 && errno == EINTR)
		return PUMP_YIELD;
	if (n < 0 && errno != EAGAIN)
		return PUMP_SRC_ERROR;
	if (n < 0) { /* the pipe is empty, so it was the source */
		flow->readable = false;
		flow->whole = true;
		return PUMP_BLOCKED;
	}
	flow->pipe->bytes = (size_t)n;
	flow_pair(flow)->used_pipe = true;
	/* A short splice may as well mean a full pipe, so it says nothing about the queue: ask again. */
	flow_note_read(flow, (size_t)n, 1);
	return PUMP_YIELD;
}

static enum pump_result splice_once(struct flow *flow)
{
	enum pump_result result;

	if (flow->hold_len)
		return pump_flush_hold(flow);
	if (!flow->pipe) {
		if (!flow->readable)
			return PUMP_BLOCKED;
		flow->pipe = pipe_get(flow_env(flow));
		if (!flow->pipe)
			return pump_copy(flow); /* out of descriptors: still moves */
	}
	if (!flow->pipe->bytes) {
		result = flow->readable ? source_to_pipe(flow) : PUMP_BLOCKED;
		if (result != PUMP_YIELD || !flow->pipe->bytes)
			return result;
	}
	return pipe_to_target(flow);
}

static bool is_small(const struct flow *flow)
{
	const struct splice_policy *p = &flow->policy;

	return flow_empty(flow) && p->window_bytes < (uint64_t)p->window_reads * SMALL_READ;
}

enum pump_result pump_splice(struct flow *flow)
{
	enum pump_result result = PUMP_YIELD;

	if (is_small(flow))
		return pump_copy(flow);
	for (int i = 0; i < MOVES_PER_TURN && result == PUMP_YIELD; i++)
		result = splice_once(flow);
	if (flow->pipe && !flow->pipe->bytes)
		pump_splice_release(flow);
	return result;
}

const struct engine_ops engine_splice_ops = {
	.name = "splice",
	.kind = ENGINE_SPLICE,
	.mode = SPLICE_NEVER,
	.pump = pump_splice,
};
