/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_world.h - a DNS server, a loop in a thread of its own, and a resolver on it, for two test programs.
 *
 * Why: a test reads as a story (ask, wait, change the zone, ask again), so it runs beside the loop and posts
 * into it; everything that touches the resolver runs in the loop's thread.
 * See: tests/tools/dns_server.py.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "resolver.h"
#include "unit.h"

#define PATIENT_MS 20000 /* for what must happen, on a machine that is busy */

struct dns_server {
	pid_t pid;
	int port;
};

struct world {
	char dir[64], zone[96], log[96], conf[96];
	struct dns_server dns;
	struct loop *loop;
	struct resolver *resolver;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls; /* lock; of all asks, numbers them */
};

/* One lookup and what came of it. */
struct ask {
	struct resolver_request req;
	struct world *world;
	const char *host;
	unsigned calls, number; /* lock */
	int status;
	size_t count;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char error[320];
	uint64_t started_ms, done_ms;
	void (*then)(struct ask *ask); /* in the loop's thread, from inside the callback */
	void *then_arg;
};

static inline uint64_t now_ms(void)
{
	return loop_clock() / 1000000U;
}

/* --- the server --- */

static inline struct dns_server dns_start(const char *address, int port, const char *zone, const char *log)
{
	struct dns_server dns = {0};
	char port_text[16];
	int ends[2];

	snprintf(port_text, sizeof(port_text), "%d", port);
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	dns.pid = fork();
	if (dns.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a fatal assertion ends a test without its clean-up */
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		execlp("python3", "python3", "tests/tools/dns_server.py", "--address", address, "--port",
		       port_text, "--zone", zone, "--log", log, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	FILE *f = fdopen(ends[0], "r");
	if (fscanf(f, "%d", &dns.port) != 1)
		dns.port = 0;
	fclose(f);
	CU_ASSERT_FATAL(dns.port > 0);
	return dns;
}

static inline void dns_stop(struct dns_server *dns)
{
	kill(dns->pid, SIGKILL);
	waitpid(dns->pid, NULL, 0);
}

static inline void write_text(const char *path, const char *text)
{
	char temp[160];

	snprintf(temp, sizeof(temp), "%s.new", path);
	FILE *f = fopen(temp, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
	CU_ASSERT_EQUAL_FATAL(rename(temp, path), 0);
}

static inline void world_zone(struct world *w, const char *text)
{
	write_text(w->zone, text);
}

/* How often the server was asked exactly this ("a.test A"). */
static inline int world_queries(struct world *w, const char *query)
{
	char line[300];
	int count = 0;
	FILE *f = fopen(w->log, "r");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		count += strcmp(line, query) == 0;
	}
	if (f)
		fclose(f);
	return count;
}

/* --- the loop --- */

struct errand {
	struct loop_task task;
	struct world *world;
	void (*fn)(void *arg);
	void *arg;
	bool done;
};

static inline void errand_run(struct loop_task *task)
{
	struct errand *e = (struct errand *)((char *)task - offsetof(struct errand, task));

	e->fn(e->arg);
	pthread_mutex_lock(&e->world->lock);
	e->done = true;
	pthread_cond_broadcast(&e->world->changed);
	pthread_mutex_unlock(&e->world->lock);
}

/* Runs fn in the loop's thread and waits for its end. */
static inline void world_do(struct world *w, void (*fn)(void *arg), void *arg)
{
	struct errand e = {.world = w, .fn = fn, .arg = arg};

	loop_post(w->loop, &e.task, errand_run);
	pthread_mutex_lock(&w->lock);
	while (!e.done)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static inline void *world_run(void *arg)
{
	struct world *w = arg;

	return (void *)(intptr_t)loop_run(w->loop);
}

static inline void world_init(struct world *w, const char *zone, unsigned timeout_ms, unsigned tries)
{
	char server[32];
	struct resolver_config cfg = {
		.servers = server, .resolv_conf = "/dev/null", .timeout_ms = timeout_ms, .tries = tries};

	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/gostbpf-dns-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->dir));
	snprintf(w->zone, sizeof(w->zone), "%s/zone", w->dir);
	snprintf(w->log, sizeof(w->log), "%s/log", w->dir);
	snprintf(w->conf, sizeof(w->conf), "%s/resolv.conf", w->dir);
	world_zone(w, zone);
	w->dns = dns_start("127.0.0.1", 0, w->zone, w->log);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
	CU_ASSERT_EQUAL_FATAL(resolver_new(&w->resolver, w->loop), 0);
	snprintf(server, sizeof(server), "127.0.0.1:%d", w->dns.port);
	CU_ASSERT_EQUAL_FATAL(resolver_configure(w->resolver, &cfg), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&w->thread, NULL, world_run, w), 0);
}

static inline void world_end(void *arg)
{
	struct world *w = arg;

	resolver_free(w->resolver);
	loop_stop(w->loop);
}

static inline void world_fini(struct world *w)
{
	world_do(w, world_end, w);
	pthread_join(w->thread, NULL);
	loop_free(w->loop);
	dns_stop(&w->dns);
	unlink(w->zone);
	unlink(w->log);
	unlink(w->conf);
	rmdir(w->dir);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

/* --- lookups --- */

static inline void on_ask_answer(struct resolver_request *req, int status, const struct addr *addrs,
				 size_t count, const char *error)
{
	struct ask *ask = (struct ask *)((char *)req - offsetof(struct ask, req));
	struct world *w = ask->world;

	pthread_mutex_lock(&w->lock);
	ask->calls++;
	ask->number = w->calls++;
	ask->status = status;
	ask->count = count;
	memcpy(ask->addrs, addrs, count * sizeof(*addrs));
	snprintf(ask->error, sizeof(ask->error), "%s", error ? error : "");
	ask->done_ms = now_ms();
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (ask->then)
		ask->then(ask);
}

static inline void ask_in_loop(void *arg)
{
	struct ask *ask = arg;

	ask->started_ms = now_ms();
	resolver_lookup(ask->world->resolver, &ask->req, ask->host, 8080, on_ask_answer);
}

static inline void ask_start(struct world *w, struct ask *ask, const char *host)
{
	ask->world = w;
	ask->host = host;
	ask->calls = 0;
	world_do(w, ask_in_loop, ask);
}

static inline void ask_cancel_in_loop(void *arg)
{
	struct ask *ask = arg;

	resolver_cancel(ask->world->resolver, &ask->req);
}

static inline bool ask_called(struct ask *ask)
{
	pthread_mutex_lock(&ask->world->lock);
	bool called = ask->calls > 0;
	pthread_mutex_unlock(&ask->world->lock);
	return called;
}

/* Fatal when it does not come. */
static inline void ask_wait(struct ask *ask)
{
	uint64_t end = now_ms() + PATIENT_MS;

	while (!ask_called(ask) && now_ms() < end)
		usleep(2000);
	CU_ASSERT_FATAL(ask_called(ask));
}

static inline void ask_and_wait(struct world *w, struct ask *ask, const char *host)
{
	ask_start(w, ask, host);
	ask_wait(ask);
}

static inline void expect_addrs(const struct ask *ask, const char *want)
{
	char got[512] = "", one[ADDR_TEXT_MAX];

	for (size_t i = 0; i < ask->count; i++) {
		strcat(got, i ? " " : "");
		strcat(got, addr_format(&ask->addrs[i], one));
	}
	if (ask->status != 0 || strcmp(got, want) != 0)
		printf("    %s: status %d, \"%s\", error \"%s\"; want \"%s\"\n", ask->host, ask->status, got,
		       ask->error, want);
	CU_ASSERT_EQUAL(ask->status, 0);
	CU_ASSERT_STRING_EQUAL(got, want);
}

static inline void expect_failure(const struct ask *ask, int status, const char *error)
{
	if (ask->status != status || strcmp(ask->error, error) != 0)
		printf("    %s: status %d, error \"%s\"; want %d, \"%s\"\n", ask->host, ask->status,
		       ask->error, status, error);
	CU_ASSERT_EQUAL(ask->status, status);
	CU_ASSERT_EQUAL(ask->count, 0);
	CU_ASSERT_STRING_EQUAL(ask->error, error);
}
