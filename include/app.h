/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * app.h - the process: configuration in, workers out, signals between.
 *
 * Why: everything hangs off one struct app, nothing off globals.
 * Owns: services, workers, the BPF object, the main thread's loop. Borrows config and logger.
 * Never: starts anything before everything could be opened.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "access.h"
#include "chain.h"
#include "config.h"
#include "log.h"
#include "loop.h"

struct health;
struct service;
struct sockmap;
struct worker;

struct app {
	const struct config *cfg;
	struct logger *log;
	struct loop *loop; /* main thread: signals */
	struct loop_io signal_io;
	struct sockmap *sockmap;
	struct access access;
	struct chains chains;
	struct health *health; /* NULL: no node is probed */
	struct service *services;
	size_t service_count;
	struct worker *workers;
	unsigned worker_count, workers_left;
	atomic_uint sessions;
	unsigned sessions_max;
	size_t udp_sessions_max; /* of one udp service on one worker, so that all of them are at most half of it */
	atomic_bool draining;
};

/* app_health.c: begins to probe. 0 or -errno. */
int app_start_health(struct app *app);
/* app_warnings.c: tells what is allowed and dangerous. */
void app_warn(struct app *app);
/* Runs until a signal ended it. The exit status. */
int app_run(const struct config *cfg, struct logger *log);
/* What a run makes before it opens a port: chains, services, with the files, namespaces and rights they need. 0 or -errno. */
int app_check(const struct config *cfg, struct config_error *err);
