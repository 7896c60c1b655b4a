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

/* --- sockmap_limits.c --- */
void sockmap_set_limits(struct flow *flow);
/* The target may hold this much and the flow is put back. */
uint32_t sockmap_resume_mark(const struct flow *flow);
/* The source's receive window while it is spliced, in bytes: set at a join, from the flow's share. */
void sockmap_set_window(struct flow *flow);
uint32_t sockmap_window(const struct flow *flow);
/* Keeps the verdict from being called until the source's window is full. An in-flight one is over on return. */
void sockmap_hold(struct flow *flow);
/* It is out of the map, or stays in after all: its receive buffer is one window again. */
void sockmap_held(struct flow *flow);
/* A full window does not open again as data is read, until sockmap_held(). Not before it is full: what comes would be dropped. */
void sockmap_squeeze(struct flow *flow);
/* Is the window full? Asked only while passed data is unread: so the source stays in the map. */
bool sockmap_is_closed(struct flow *flow);
void sockmap_force_buffers(struct flow *flow);
void sockmap_restore_buffers(struct flow *flow);
