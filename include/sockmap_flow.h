/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_flow.h - what the files of the kernel path share with each other only.
 *
 * See: user/engine_sockmap.c (paths), user/sockmap_worker.c (lists, events, timers), user/sockmap_limits.c (numbers).
 */
#pragma once

#include "flow.h"
#include "sockmap_maps.h"

/* --- sockmap_worker.c --- */
struct sockmap *sockmap_of(const struct flow *flow);
uint32_t sockmap_worker_index(const struct flow *flow);
/* The worker's list of flows that are not native. */
void sockmap_list_add(struct flow *flow);
void sockmap_list_del(struct flow *flow);
/* Record to flow, for events. */
void sockmap_table_set(struct flow *flow, bool present);
void sockmap_on_flow_timer(struct loop_timer *timer);

/* --- engine_sockmap.c --- */
/* Its timer fired: goes on with whatever the flow's path waits for. */
void sockmap_flow_look(struct flow *flow);
/* Stops a spliced flow: for good (leaving), or until its target has room. */
void sockmap_flow_stop(struct flow *flow, bool leaving);

/* Passed bytes that user space has not read. */
uint64_t sockmap_unread(const struct flow *flow);
/* When to look again at a flow that waits: then, soon, or after twice the time of the last wait. */
void sockmap_look_in(struct flow *flow, uint64_t delay_ns);
void sockmap_look_soon(struct flow *flow);
void sockmap_look_later(struct flow *flow);
/* The flow waits from now on; its timer is the caller's to set. */
void sockmap_begin_wait(struct flow *flow, enum flow_path path);
/* The gate opens at the next skb that finds everything passed consumed. */
void sockmap_arm(struct flow *flow);
/* With the gate armed, on with redirecting: what is queued goes first, in one go. */
void sockmap_go_on(struct flow *flow);
/* Holds the source, with the gate shut. */
void sockmap_shut(struct flow *flow);
/* Out of the map, if that can be done without losing anything: the source is held and nothing passed is unread. */
bool sockmap_leave_map(struct flow *flow);
/* In how many ns to look again at a target that has taken so many bytes since ever, so many too few. */
uint64_t sockmap_next_look(struct flow *flow, uint64_t taken, uint64_t excess);
/* Has the target room? If not, looks again in time; the session may have ended. */
bool sockmap_target_has_room(struct flow *flow, struct tcp_totals *target);
/* Ends the session: the kernel lost bytes. */
void sockmap_kernel_loss(struct flow *flow);

/* --- sockmap_flush.c --- */
void sockmap_flush_step(struct flow *flow);

/* --- sockmap_pause.c --- */
/* Holds a spliced flow, which stays in the map, until its target has sent most of what it was given. */
void sockmap_pause(struct flow *flow);
void sockmap_pause_look(struct flow *flow);
/* Nothing but a stop will do: passed data must be moved by user space, or the gate is broken. */
bool sockmap_must_stop(const struct flow *flow);
/* The verdict says so: pauses a spliced flow, or stops it. */
void sockmap_too_fast(struct flow *flow);

/* --- sockmap_limits.c --- */
void sockmap_set_limits(struct flow *flow);
/* The target may hold this much and the flow is put back. */
uint32_t sockmap_resume_mark(const struct flow *flow);
/* It may have no more than this before the flow is stopped: the record's soft limit, or half of what is its share now. */
uint32_t sockmap_stop_mark(const struct flow *flow);
/* It may have this much unsent and the flow, paused, goes on. */
uint32_t sockmap_pause_goal(const struct flow *flow);
/* The source's receive window while it is spliced, in bytes: set at a join, from the flow's share. */
void sockmap_set_window(struct flow *flow);
uint32_t sockmap_window(const struct flow *flow);
/* Keeps the verdict from being called until the source's window is full. An in-flight one is over on return. */
void sockmap_hold(struct flow *flow);
/* The source is stopped: what it may queue is bounded. */
void sockmap_narrow(struct flow *flow);
/* The verdict is called for what is queued, and the sender is told that there is room. */
void sockmap_release(struct flow *flow);
/*
 * As data is read, a full window does not open again before sockmap_widen(). What comes nevertheless is lost unless it finds an
 * empty receive queue: then the kernel takes it.
 */
void sockmap_squeeze(struct flow *flow);
/* The buffer of a source that is in the map: large, with a limited window. */
void sockmap_widen(struct flow *flow);
/* Is the window full? Asked only while passed data is unread: so the source stays in the map. */
bool sockmap_is_closed(struct flow *flow);
void sockmap_force_buffers(struct flow *flow);
void sockmap_restore_buffers(struct flow *flow);
