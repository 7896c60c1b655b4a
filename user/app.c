/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * app.c - start everything or nothing, then wait for signals.
 *
 * Why the order: the kernel path is tried first (it decides what engines mean), then every address is probed and opened on
 * every worker, and only then does a thread start. A port in use leaves nothing behind.
 * Owns: struct app. Never: forwards a byte.
 * See: include/app.h; signals as in README.md.
 */
#include "app.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "health.h"
#include "service.h"
#include "sockmap.h"
#include "udp_socket.h"
#include "worker.h"

enum { FD_SPARE = 64, FD_PER_WORKER = 16, FD_WANTED = 1024 * 1024 };

/* --- kernel path ------------------------------------------------------------------------------------- */

static bool any_engine(const struct config *cfg, enum engine_kind kind)
{
	for (size_t i = 0; i < cfg->service_count; i++)
		if (cfg->services[i].opt.engine == kind)
			return true;
	return false;
}

static int open_sockmap(struct app *app)
{
	struct sockmap_config cfg = {
		.workers = app->worker_count,
		.budget_bytes = app->cfg->process.budget_bytes,
		.flow_bytes = app->cfg->process.flow_budget_bytes,
		.shake_ns = app->cfg->process.shake_ns,
	};
	bool required = any_engine(app->cfg, ENGINE_SOCKMAP);
	char why[256] = "";

	if (!required && !any_engine(app->cfg, ENGINE_AUTO))
		return 0;
	int err = sockmap_new(&app->sockmap, &cfg, why, sizeof(why));
	if (!err)
		err = sockmap_selftest(app->sockmap, why, sizeof(why));
	if (!err) {
		log_msg(app->log, LOG_DEBUG, "engine", "sockmap: self-test passed");
		return 0;
	}
	sockmap_free(app->sockmap);
	app->sockmap = NULL;
	if (required) {
		log_msg(app->log, LOG_FATAL, "engine", "sockmap: %s", why);
		return err;
	}
	log_msg(app->log, LOG_WARN, "engine", "sockmap is not available, using splice: %s", why);
	return 0;
}

/* --- limits ------------------------------------------------------------------------------------------ */

/* As many descriptors as we may have; sessions are bounded so that every client can have its upstream. */
static void set_limits(struct app *app)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		lim.rlim_cur = 1024;
	struct rlimit want = {.rlim_cur = lim.rlim_max, .rlim_max = lim.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &want) == 0)
		lim.rlim_cur = lim.rlim_max;
	uint64_t fds = lim.rlim_cur > FD_WANTED ? FD_WANTED : lim.rlim_cur;
	size_t services = app->cfg->service_count;
	uint64_t own = FD_SPARE + app->worker_count * (FD_PER_WORKER + 2 * services);
	app->sessions_max = (unsigned)(fds > own + 4 ? (fds - own) / 2 : 2);
	app->udp_sessions_max = app->sessions_max / 2 / (app->worker_count * (services ? services : 1)) + 1;
}

static unsigned worker_count(const struct config *cfg)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cfg->process.workers ? cfg->process.workers : (unsigned)(online > 0 ? online : 1);

	return n > 64 ? 64 : n;
}

/* --- opening ----------------------------------------------------------------------------------------- */

/* Go's name of it. */
static const char *network_of(const struct service *svc)
{
	if (svc->datagram)
		return addr_family(&svc->at) == AF_INET ? "udp4" : "udp";
	return addr_family(&svc->at) == AF_INET ? "tcp4" : "tcp";
}

static void listen_failed(struct app *app, const struct service *svc, int err)
{
	const char *why = strerror(-err);
	struct log_record rec;

	log_begin(&rec, LOG_FATAL);
	log_str(&rec, "kind", "listener");
	log_str(&rec, "service", svc->cfg->name);
	log_emit(app->log, &rec, "listen %s %s: bind: %c%s",
		 network_of(svc), svc->cfg->addr, why[0] | 0x20, why + 1);
}

static int init_services(struct app *app, struct config_error *err)
{
	snprintf(err->text, sizeof(err->text), "out of memory");
	int rc = access_init(&app->access, &app->cfg->access, err);
	if (!rc)
		rc = chains_init(&app->chains, app->cfg, &app->access, err);

	for (size_t i = 0; i < app->cfg->service_count && !rc; i++) {
		app->service_count = i + 1; /* a half-made service is finished too */
		rc = service_init(&app->services[i], &app->cfg->services[i], &app->chains, &app->access, err);
	}
	return rc;
}

static void fini_services(struct app *app)
{
	for (size_t i = 0; app->services && i < app->service_count; i++)
		service_fini(&app->services[i]);
	chains_fini(&app->chains);
	access_fini(&app->access);
	free(app->services);
}

static int init_workers(struct app *app)
{
	for (unsigned i = 0; i < app->worker_count; i++) {
		int err = worker_init(&app->workers[i], app, i, app->sockmap);
		if (err) {
			log_msg(app->log, LOG_FATAL, "worker", "cannot start: %s", strerror(-err));
			return err;
		}
	}
	return 0;
}

static int open_listener(struct app *app, size_t i)
{
	struct service *svc = &app->services[i];
	int err = svc->listener_chain ? 0 : (svc->datagram ? udp_socket_probe : listener_probe)(&svc->at, svc->socket_opt.place);

	for (unsigned w = 0; w < app->worker_count && !err; w++)
		err = worker_listen(&app->workers[w], i);
	if (err)
		listen_failed(app, svc, err);
	return err;
}

static void announce(struct app *app, const struct service *svc)
{
	char at[ADDR_TEXT_MAX];
	struct log_record rec;

	log_begin(&rec, LOG_INFO);
	log_str(&rec, "kind", "service");
	log_str(&rec, "service", svc->cfg->name);
	log_str(&rec, "handler", svc->cfg->handler_type);
	log_str(&rec, "listener", svc->cfg->listener_type);
	log_emit(app->log, &rec, "listening on %s/%s", svc->listener_chain ? svc->cfg->addr : addr_format(&svc->at, at), svc->datagram ? "udp" : "tcp");
}

static int open_all(struct app *app)
{
	struct config_error why;
	int err = open_sockmap(app);

	if (!err) {
		err = init_services(app, &why);
		if (err)
			log_msg(app->log, LOG_FATAL, "service", "%s", why.text);
	}
	if (!err)
		err = init_workers(app);
	for (size_t i = 0; i < app->service_count && !err; i++)
		err = open_listener(app, i);
	return err;
}

/* --- running ----------------------------------------------------------------------------------------- */

static void on_stop_signal(struct app *app)
{
	/* Set first: from here on no worker gives a connection to another, which may have ended. */
	bool second = atomic_exchange(&app->draining, true);

	log_msg(app->log, LOG_INFO, "service", second ? "second signal: cutting %u sessions"
						      : "shutting down: draining %u sessions",
		atomic_load(&app->sessions));
	for (unsigned i = 0; i < app->worker_count; i++)
		(second ? worker_cut : worker_drain)(&app->workers[i]);
}

static void on_signal(struct loop_io *io, uint32_t events)
{
	struct app *app = (struct app *)((char *)io - offsetof(struct app, signal_io));
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			log_msg(app->log, LOG_WARN, "service", "reload is not supported yet: nothing changed");
		else
			on_stop_signal(app);
	}
}

/* Before any thread starts, so that all inherit the mask. */
static int watch_signals(struct app *app)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	return loop_io_add(app->loop, &app->signal_io, fd, EPOLLIN, on_signal);
}

static int run_workers(struct app *app)
{
	int err = 0;

	for (unsigned i = 0; i < app->worker_count && !err; i++) {
		err = worker_start(&app->workers[i]);
		app->workers_left += !err;
	}
	if (err) { /* those that run must end before anything is freed */
		log_msg(app->log, LOG_FATAL, "worker", "cannot start a thread: %s", strerror(-err));
		exit(EXIT_FAILURE);
	}
	app_warn(app);
	for (size_t i = 0; i < app->service_count; i++)
		announce(app, &app->services[i]);
	err = app_start_health(app);
	if (err)
		log_msg(app->log, LOG_ERROR, "health", "nodes are not probed: %s", strerror(-err));
	err = loop_run(app->loop);
	for (unsigned i = 0; i < app->worker_count; i++)
		pthread_join(app->workers[i].thread, NULL);
	return err;
}

static void close_all(struct app *app)
{
	health_free(app->health);
	for (unsigned i = 0; app->workers && i < app->worker_count; i++)
		if (app->workers[i].app)
			worker_fini(&app->workers[i]);
	fini_services(app);
	sockmap_free(app->sockmap);
	free(app->workers);
	loop_io_close(app->loop, &app->signal_io);
	loop_free(app->loop);
}

int app_run(const struct config *cfg, struct logger *log)
{
	struct app app = {.cfg = cfg, .log = log, .signal_io.fd = -1, .worker_count = worker_count(cfg)};
	int err = loop_new(&app.loop);

	if (err)
		return EXIT_FAILURE;
	app.services = calloc(cfg->service_count, sizeof(*app.services));
	app.workers = calloc(app.worker_count, sizeof(*app.workers));
	err = app.services && app.workers ? watch_signals(&app) : -ENOMEM;
	set_limits(&app);
	if (!err)
		err = open_all(&app);
	if (!err)
		err = logger_start_thread(log);
	if (!err)
		err = run_workers(&app);
	close_all(&app);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int app_check(const struct config *cfg, struct config_error *err)
{
	struct app app = {.cfg = cfg, .services = calloc(cfg->service_count, sizeof(*app.services))};
	int rc = -ENOMEM;

	snprintf(err->text, sizeof(err->text), "out of memory");
	if (app.services)
		rc = init_services(&app, err);
	fini_services(&app);
	return rc;
}
