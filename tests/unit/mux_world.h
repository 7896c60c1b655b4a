/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mux_world.h - a mux with its loop in a thread of its own; the test is the peer and the users of the streams.
 *
 * Why: then both can use blocking calls, and a case reads from top to bottom.
 * Never: is included by anything but tests of mux.
 */
#pragma once

#include "mux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "unit.h"

enum { STREAMS_MAX = 64, PREFACE = 4, PATIENT_MS = 20000 };

struct world;

struct stream {
	struct world *world;
	struct mux_stream *st;
	int fd;
	bool was_reset;
};

/* One loop, one mux; its streams in the order they were opened. */
struct world {
	struct loop *loop;
	pthread_t thread;
	struct mux *mux;
	int peer; /* the other end of the connection */
	struct stream stream[STREAMS_MAX];
	int count;
	_Atomic bool ended; /* the last that is set */
	char why[120];
	sem_t opened;
};

struct call {
	struct loop_task task;
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static inline void on_call(struct loop_task *task)
{
	struct call *c = (struct call *)task;

	c->fn(c->arg);
	sem_post(&c->done);
}

/* Runs fn in the loop's thread. */
static inline void in_loop(struct world *w, void (*fn)(void *), void *arg)
{
	struct call c = {.fn = fn, .arg = arg};

	sem_init(&c.done, 0, 0);
	loop_post(w->loop, &c.task, on_call);
	sem_wait(&c.done);
	sem_destroy(&c.done);
}

static inline void *run_loop(void *arg)
{
	loop_run(((struct world *)arg)->loop);
	return NULL;
}

/* A stream begins with four bytes: "open", or it is refused. */
static inline ssize_t on_opened(void *ctx, struct mux_stream *st, const uint8_t *data, size_t len)
{
	struct world *w = ctx;
	struct stream *s = &w->stream[w->count];

	if (len < PREFACE)
		return memcmp(data, "open", len) ? -1 : 0;
	if (memcmp(data, "open", PREFACE))
		return -1;
	*s = (struct stream){.world = w, .st = st, .fd = mux_stream_attach(st)};
	mux_stream_bind(st, s);
	w->count++;
	sem_post(&w->opened);
	return PREFACE;
}

static inline void on_reset(void *user)
{
	struct stream *s = user;

	s->was_reset = true;
	s->st = NULL;
	close(s->fd); /* as a session does that is cut */
	s->fd = -1;
}

static inline void on_ended(void *ctx, const char *why)
{
	struct world *w = ctx;

	snprintf(w->why, sizeof(w->why), "%s", why);
	w->ended = true;
}

static const struct mux_ops ops = {.opened = on_opened, .reset = on_reset, .ended = on_ended};

static inline void world_start(struct world *w, int fd, bool client, uint8_t version)
{
	struct mux_options opt = {.client = client, .version = version};

	memset(w, 0, sizeof(*w));
	sem_init(&w->opened, 0, 0);
	CU_ASSERT_FATAL(loop_new(&w->loop) == 0);
	CU_ASSERT_FATAL(mux_new(&w->mux, w->loop, fd, &opt, &ops, w) == 0);
	pthread_create(&w->thread, NULL, run_loop, w);
}

static inline void fresh(struct world *w, bool client, uint8_t version)
{
	struct timeval limit = {.tv_sec = PATIENT_MS / 1000};
	int pair[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	world_start(w, pair[0], client, version);
	w->peer = pair[1];
}

/* Waits for it. */
static inline bool has_ended(const struct world *w)
{
	for (int i = 0; i < PATIENT_MS / 10 && !w->ended; i++)
		usleep(10000);
	return w->ended;
}

static inline void do_stop(void *arg)
{
	struct world *w = arg;

	mux_free(w->mux);
	w->mux = NULL;
	loop_stop(w->loop);
}

static inline void finish(struct world *w)
{
	in_loop(w, do_stop, w);
	pthread_join(w->thread, NULL);
	loop_free(w->loop);
	for (int i = 0; i < w->count; i++)
		if (w->stream[i].fd >= 0)
			close(w->stream[i].fd);
	if (w->peer > 0)
		close(w->peer);
	sem_destroy(&w->opened);
}

static inline void do_release_clean(void *arg)
{
	struct stream *s = arg;

	close(s->fd);
	s->fd = -1;
	mux_stream_release(s->st, true);
}

static inline void do_release_broken(void *arg)
{
	struct stream *s = arg;

	close(s->fd);
	s->fd = -1;
	mux_stream_release(s->st, false);
}

static inline void do_open(void *arg)
{
	struct world *w = arg;
	struct stream *s = &w->stream[w->count++];

	s->world = w;
	s->fd = mux_open(w->mux, "open", PREFACE, &s->st);
	CU_ASSERT_FATAL(s->fd >= 0);
	mux_stream_bind(s->st, s);
}

/* --- the peer by hand ---------------------------------------------------------------------------------------- */

static inline void say(struct world *w, const char *bytes, size_t len)
{
	CU_ASSERT_EQUAL_FATAL(send(w->peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}
#define SAY(w, text) say(w, text, sizeof(text) - 1)

static inline void hear(int fd, const char *bytes, size_t len)
{
	char got[256];
	ssize_t n = len ? recv(fd, got, len, MSG_WAITALL) : 0;

	if (n != (ssize_t)len || memcmp(got, bytes, len)) {
		printf("    heard %zd of %zu bytes:", n, len);
		for (ssize_t i = 0; i < n; i++)
			printf(" %02x", (unsigned char)got[i]);
		printf("\n");
	}
	CU_ASSERT_EQUAL_FATAL(n, (ssize_t)len);
	CU_ASSERT(memcmp(got, bytes, len) == 0);
}
#define HEAR(fd, text) hear(fd, text, sizeof(text) - 1)

static inline bool silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 50) == 0;
}

static inline void expect_user(int fd, const char *text)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char got[64] = "";
	size_t n = 0;

	while (n < strlen(text) && poll(&p, 1, PATIENT_MS) > 0) {
		ssize_t r = recv(fd, got + n, sizeof(got) - 1 - n, 0);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	CU_ASSERT_STRING_EQUAL(got, text);
}

static inline void expect_user_eof(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	CU_ASSERT(poll(&p, 1, PATIENT_MS) == 1);
	CU_ASSERT_EQUAL(recv(fd, &c, 1, 0), 0);
}
