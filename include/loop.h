/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - one epoll loop: descriptors, timers, deferred work, messages from other threads.
 *
 * Why: one loop per worker thread, nothing shared between loops but loop_post(). Timers are
 * nanoseconds (epoll_pwait2): a closed sockmap gate is looked at every 100 us or so, and a
 * millisecond there costs a third of the throughput.
 * Owns: the epoll and event descriptors. Watched descriptors stay the caller's.
 * Never: frees a caller's object; an object with a pending event is freed through loop_defer(),
 * which runs after the current batch of events, so a stale event cannot reach freed memory.
 * See: epoll(7), user/loop.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_task;

typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events);
typedef void (*loop_timer_fn)(struct loop_timer *timer);
typedef void (*loop_task_fn)(struct loop_task *task);

/* Embedded in its user; fd -1 = not watched. */
struct loop_io {
	int fd;
	uint32_t events; /* the mask epoll holds now */
	loop_io_fn fn;
};

/* Embedded; heap_index 0 = not armed (the heap is 1-based). */
struct loop_timer {
	uint64_t deadline_ns;
	uint32_t heap_index;
	loop_timer_fn fn;
};

/* Embedded; queued = on a list already. A task runs once per queueing. */
struct loop_task {
	struct loop_task *next;
	bool queued;
	loop_task_fn fn;
};

int loop_new(struct loop **out);
void loop_free(struct loop *loop); /* NULL is fine */

/* Runs until loop_stop(). 0, or -errno when epoll itself fails. */
int loop_run(struct loop *loop);
/* From the loop's own thread. */
void loop_stop(struct loop *loop);

/* Monotonic time of the current turn, nanoseconds. */
uint64_t loop_now(const struct loop *loop);
/* Monotonic time read now, nanoseconds. */
uint64_t loop_clock(void);

int loop_io_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn);
/* No system call when the mask does not change. */
int loop_io_set(struct loop *loop, struct loop_io *io, uint32_t events);
/* Idempotent. Events already fetched for this io in this turn are not delivered. */
void loop_io_del(struct loop *loop, struct loop_io *io);
/* Moves a watched descriptor from one io to another with one system call; from->fd becomes -1. */
int loop_io_adopt(struct loop *loop, struct loop_io *from, struct loop_io *to, uint32_t events, loop_io_fn fn);
/* loop_io_del() and close() in one system call. Idempotent. */
void loop_io_close(struct loop *loop, struct loop_io *io);
/* The same, so that the peer of a TCP connection sees a reset: what was said so far must not look like the whole. */
void loop_io_reset(struct loop *loop, struct loop_io *io);

/* (Re-)arms; delay 0 fires in the next turn. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns, loop_timer_fn fn);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer); /* idempotent */
static inline bool loop_timer_armed(const struct loop_timer *timer)
{
	return timer->heap_index != 0;
}

/* Runs task after this turn's events (loop thread only). Queued twice = runs once. */
void loop_defer(struct loop *loop, struct loop_task *task, loop_task_fn fn);
/* The same, but after a further look at epoll: for work that yields to be fair to others. */
void loop_yield(struct loop *loop, struct loop_task *task, loop_task_fn fn);
/* Removes a deferred or yielded task. Idempotent. */
void loop_task_cancel(struct loop *loop, struct loop_task *task);
/* From any thread: runs task in the loop's thread. The task must stay valid until it ran. */
void loop_post(struct loop *loop, struct loop_task *task, loop_task_fn fn);
