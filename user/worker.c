/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - see worker.h.
 *
 * Why connections move before they are sessions: SO_REUSEPORT spreads by hash, which with a few dozen long connections is
 * uneven enough to cost a third of the throughput. A connection taken by a busier worker goes to the least busy one.
 * Owns: the worker's parts. Never: hands over a connection that has been read from.
 */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app.h"
#include "named_resolvers.h"
#include "resolver.h"
#include "sockmap.h"
#include "tunnel.h"
#include "udp_service.h"

static const uint64_t STORM_WINDOW_NS = 100 * 1000000ull;
enum { STORM_ACCEPTS = 50, STORM_MARGIN = 32 };

struct worker_listener {
	struct worker *worker;
	struct service *svc;
	struct listener *listener;
	struct udp_service *udp; /* instead; with a chain to listen at the end of, on the first worker */
	struct tunnel *tunnel;   /* instead, on the first worker */
};

struct handoff {
	struct loop_task task;
	struct worker *to;
	struct service *svc;
	int fd;
	struct addr peer;
};

/* --- accepting -------------------------------------------------------------------------------------- */

static void on_handoff(struct loop_task *task)
{
	struct handoff *h = (struct handoff *)task;

	if (h->to->cut) {
		close(h->fd);
		session_forget(&h->to->host);
	} else {
		session_start(&h->to->host, h->svc, h->fd, &h->peer);
	}
	free(h);
}

/*
 * How much busier than another a worker must be to give a connection away. Handing over wakes a thread (5 us): worth it for
 * long connections, which come rarely; under a storm of short ones the hash spreads well enough.
 */
static unsigned give_away_margin(struct worker *w)
{
	uint64_t now = loop_now(w->loop);

	if (now - w->storm_start_ns > STORM_WINDOW_NS) {
		/* One that went on through the last window is not over at the start of this. */
		w->storm = w->storm_accepts > STORM_ACCEPTS && now - w->storm_start_ns < 2 * STORM_WINDOW_NS;
		w->storm_start_ns = now;
		w->storm_accepts = 0;
	}
	return ++w->storm_accepts > STORM_ACCEPTS || w->storm ? STORM_MARGIN : 1;
}

static struct worker *least_busy(struct worker *self)
{
	struct app *app = self->app;
	unsigned margin = give_away_margin(self);
	unsigned mine = atomic_load_explicit(&self->host.count, memory_order_relaxed), best = mine;
	struct worker *found = self;

	for (unsigned i = 0; i < app->worker_count; i++) {
		struct worker *w = &app->workers[i];
		unsigned count = atomic_load_explicit(&w->host.count, memory_order_relaxed);
		if (count + margin < best) {
			best = count;
			found = w;
		}
	}
	return found;
}

static void on_accepted(void *ctx, int fd, const struct addr *peer)
{
	struct worker_listener *wl = ctx;
	struct worker *to = least_busy(wl->worker);
	struct handoff *h = NULL;

	if (to != wl->worker && !atomic_load(&wl->worker->app->draining))
		h = calloc(1, sizeof(*h));
	if (!h)
		to = wl->worker;
	atomic_fetch_add(&to->host.count, 1);
	atomic_fetch_add(to->host.total, 1);
	if (!h) {
		session_start(&to->host, wl->svc, fd, peer);
		return;
	}
	*h = (struct handoff){.to = to, .svc = wl->svc, .fd = fd, .peer = *peer};
	loop_post(to->loop, &h->task, on_handoff);
}

static bool on_may_accept(void *ctx)
{
	struct worker_listener *wl = ctx;
	struct app *app = wl->worker->app;

	return atomic_load_explicit(&app->sessions, memory_order_relaxed) < app->sessions_max;
}

static void on_trouble(void *ctx, int err, const char *what)
{
	struct worker_listener *wl = ctx;
	struct log_record rec;

	log_begin(&rec, LOG_WARN);
	log_str(&rec, "kind", "listener");
	log_str(&rec, "service", wl->svc->cfg->name);
	log_emit(wl->worker->host.log, &rec, "accept: %s: %s", strerror(err), what);
}

static const struct listener_ops listener_ops = {
	.accepted = on_accepted,
	.may_accept = on_may_accept,
	.trouble = on_trouble,
};

int worker_listen(struct worker *w, size_t i)
{
	struct service *svc = &w->app->services[i];
	struct worker_listener *wl = &w->listeners[i];

	wl->worker = w;
	wl->svc = svc;
	if (svc->listener_chain && w->index)
		return 0;
	if (svc->datagram)
		return udp_service_new(&wl->udp, &w->host, svc, w->app->udp_sessions_max);
	if (svc->listener_chain)
		return tunnel_new(&wl->tunnel, &w->host, svc);
	return listener_new(&wl->listener, w->loop, &svc->at, &svc->socket_opt, &listener_ops, wl);
}

/* --- ending ------------------------------------------------------------------------------------------ */

static void close_listeners(struct worker *w)
{
	for (size_t i = 0; w->listeners && i < w->app->service_count; i++) {
		listener_free(w->listeners[i].listener);
		w->listeners[i].listener = NULL;
		udp_service_free(w->listeners[i].udp);
		w->listeners[i].udp = NULL;
		tunnel_stop(w->listeners[i].tunnel);
	}
}

static void on_idle(struct session_host *host)
{
	loop_stop(host->env.loop);
}

static void cut_all(struct worker *w)
{
	w->host.draining = w->cut = true;
	close_listeners(w);
	for (struct session *s = w->host.sessions, *next; s; s = next) {
		next = s->next;
		session_cut(s, PAIR_DRAIN);
	}
	if (!atomic_load(&w->host.count))
		loop_stop(w->loop);
}

static void on_drain_over(struct loop_timer *timer)
{
	cut_all((struct worker *)((char *)timer - offsetof(struct worker, drain_timer)));
}

static void on_drain(struct loop_task *task)
{
	struct worker *w = (struct worker *)((char *)task - offsetof(struct worker, drain_task));

	w->host.draining = true;
	close_listeners(w);
	for (struct session *s = w->host.sessions, *next; s; s = next) {
		next = s->next;
		if (s->handler->drain)
			s->handler->drain(s);
	}
	if (!atomic_load(&w->host.count))
		loop_stop(w->loop);
	else
		loop_timer_set(w->loop, &w->drain_timer, w->app->cfg->process.drain_timeout_ns, on_drain_over);
}

static void on_cut(struct loop_task *task)
{
	cut_all((struct worker *)((char *)task - offsetof(struct worker, cut_task)));
}

void worker_drain(struct worker *w)
{
	loop_post(w->loop, &w->drain_task, on_drain);
}

void worker_cut(struct worker *w)
{
	loop_post(w->loop, &w->cut_task, on_cut);
}

/* --- life -------------------------------------------------------------------------------------------- */

static void on_worker_done(struct loop_task *task)
{
	struct worker *w = (struct worker *)((char *)task - offsetof(struct worker, done_task));

	if (--w->app->workers_left == 0)
		loop_stop(w->app->loop);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	/* The default slack of 50 us would double the interval at which a parked flow is looked at. */
	prctl(PR_SET_TIMERSLACK, 1000ul);
	int err = loop_run(w->loop);
	if (err)
		log_msg(w->host.log, LOG_ERROR, "worker", "epoll: %s", strerror(-err));
	loop_post(w->app->loop, &w->done_task, on_worker_done);
	return NULL;
}

int worker_start(struct worker *w)
{
	return -pthread_create(&w->thread, NULL, worker_main, w);
}


int worker_init(struct worker *w, struct app *app, unsigned index, struct sockmap *sm)
{
	w->app = app;
	w->index = index;
	w->host.log = app->log;
	w->host.total = &app->sessions;
	w->host.idle = on_idle;
	w->listeners = calloc(app->service_count, sizeof(*w->listeners));
	int err = w->listeners ? loop_new(&w->loop) : -ENOMEM;
	if (!err)
		err = flow_env_init(&w->host.env, w->loop);
	if (!err)
		err = resolver_new(&w->host.resolver, w->loop);
	if (!err)
		err = named_resolvers_new(&w->host.named, w->loop, &app->access);
	if (!err && sm)
		err = sockmap_worker_new(&w->host.env.sockmap, sm, index, &w->host.env);
	return err;
}

void worker_fini(struct worker *w)
{
	close_listeners(w);
	for (size_t i = 0; w->listeners && i < w->app->service_count; i++)
		tunnel_free(w->listeners[i].tunnel);
	named_resolvers_free(w->host.named, &w->app->access);
	resolver_free(w->host.resolver);
	sockmap_worker_free(w->host.env.sockmap);
	flow_env_fini(&w->host.env);
	loop_free(w->loop);
	free(w->listeners);
}
