/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - one thread, one loop: its listeners, its sessions, its share of the kernel path.
 *
 * Why: sessions never change threads, so nothing about a session needs a lock. Only a fresh connection may be handed to
 * a less loaded worker, before it is a session.
 * Owns: loop, resolver, flow_env, listeners. Never: touches another worker's sessions.
 * See: include/app.h, include/session.h.
 */
#pragma once

#include <pthread.h>

#include "session.h"

struct app;
struct listener;
struct sockmap;

struct worker {
	struct session_host host;
	struct loop *loop;
	struct app *app;
	unsigned index;
	pthread_t thread;
	struct worker_listener *listeners; /* one per service */
	struct loop_task drain_task, cut_task, done_task;
	struct loop_timer drain_timer;
	bool cut; /* what still arrives is closed */
	uint64_t storm_start_ns; /* connections accepted lately */
	unsigned storm_accepts;
	bool storm;
};

int worker_init(struct worker *w, struct app *app, unsigned index, struct sockmap *sm);
/* Opens the listener of service i. 0 or -errno. */
int worker_listen(struct worker *w, size_t i);
int worker_start(struct worker *w);
/* From another thread: stop accepting, end when the sessions have, at the latest after the drain timeout. */
void worker_drain(struct worker *w);
/* From another thread: reset what is left and end. */
void worker_cut(struct worker *w);
void worker_fini(struct worker *w); /* after the thread ended */
