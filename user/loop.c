/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - epoll, a timer heap, deferred tasks and a mailbox.
 *
 * Why: a binary heap gives exact nanosecond deadlines at any number of timers; sessions re-arm theirs lazily, so it
 * is not hot. Descriptors are edge-triggered by their users' choice; the loop itself does not care.
 * Owns: epoll and event descriptors, the heap array. Never: a watched descriptor.
 * See: include/loop.h, epoll_pwait2(2).
 */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOP_BATCH = 256 };

struct task_list {
	struct loop_task *head, **tail;
};

struct loop {
	int epoll_fd;
	bool stopping;
	uint64_t now_ns;
	struct loop_timer **heap; /* heap[1] is the earliest */
	uint32_t heap_count, heap_cap;
	struct task_list deferred, yielded;
	struct epoll_event *batch; /* events of this turn; a removed io's entry is set to NULL */
	int batch_count, batch_next;
	pthread_mutex_t mail_lock;
	struct task_list mail;
	struct loop_io mail_io;
};

uint64_t loop_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now_ns;
}

/* --- task lists ------------------------------------------------------------------------------- */

static void list_init(struct task_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void list_push(struct task_list *list, struct loop_task *task, loop_task_fn fn)
{
	if (task->queued)
		return;
	task->queued = true;
	task->fn = fn;
	task->next = NULL;
	*list->tail = task;
	list->tail = &task->next;
}

static bool list_remove(struct task_list *list, struct loop_task *task)
{
	for (struct loop_task **p = &list->head; *p; p = &(*p)->next) {
		if (*p != task)
			continue;
		*p = task->next;
		if (list->tail == &task->next)
			list->tail = p;
		task->queued = false;
		return true;
	}
	return false;
}

static struct loop_task *list_pop(struct task_list *list)
{
	struct loop_task *task = list->head;

	if (!task)
		return NULL;
	list->head = task->next;
	if (!list->head)
		list->tail = &list->head;
	task->queued = false;
	return task;
}

/* Runs what is queued now; what those tasks queue runs in the same call only if it is on another list. */
static void list_run(struct task_list *list)
{
	struct loop_task *last = NULL, *task;

	if (!list->head)
		return;
	for (task = list->head; task; task = task->next)
		last = task;
	do {
		task = list_pop(list);
		if (!task)
			return;
		bool final = task == last;
		task->fn(task);
		if (final)
			return;
	} while (true);
}

void loop_defer(struct loop *loop, struct loop_task *task, loop_task_fn fn)
{
	list_push(&loop->deferred, task, fn);
}

void loop_yield(struct loop *loop, struct loop_task *task, loop_task_fn fn)
{
	list_push(&loop->yielded, task, fn);
}

void loop_task_cancel(struct loop *loop, struct loop_task *task)
{
	if (task->queued && !list_remove(&loop->deferred, task))
		list_remove(&loop->yielded, task);
}

/* --- mailbox ---------------------------------------------------------------------------------- */

void loop_post(struct loop *loop, struct loop_task *task, loop_task_fn fn)
{
	uint64_t one = 1;

	pthread_mutex_lock(&loop->mail_lock);
	bool was_empty = !loop->mail.head;
	list_push(&loop->mail, task, fn);
	pthread_mutex_unlock(&loop->mail_lock);
	/* EAGAIN means the counter is full: the loop is awake already. */
	if (was_empty && write(loop->mail_io.fd, &one, sizeof(one)) < 0)
		return;
}

static void on_mail(struct loop_io *io, uint32_t events)
{
	struct loop *loop = (struct loop *)((char *)io - offsetof(struct loop, mail_io));
	uint64_t drop;
	struct loop_task *task;

	(void)events;
	if (read(io->fd, &drop, sizeof(drop)) < 0 && errno != EAGAIN)
		return;
	for (;;) {
		pthread_mutex_lock(&loop->mail_lock);
		task = list_pop(&loop->mail);
		pthread_mutex_unlock(&loop->mail_lock);
		if (!task)
			return;
		task->fn(task);
	}
}

/* --- timers ----------------------------------------------------------------------------------- */

static void heap_place(struct loop *loop, uint32_t i, struct loop_timer *timer)
{
	loop->heap[i] = timer;
	timer->heap_index = i;
}

static void heap_up(struct loop *loop, uint32_t i)
{
	struct loop_timer *timer = loop->heap[i];

	for (; i > 1 && timer->deadline_ns < loop->heap[i / 2]->deadline_ns; i /= 2)
		heap_place(loop, i, loop->heap[i / 2]);
	heap_place(loop, i, timer);
}

static void heap_down(struct loop *loop, uint32_t i)
{
	struct loop_timer *timer = loop->heap[i];

	for (uint32_t child; (child = i * 2) <= loop->heap_count; i = child) {
		if (child < loop->heap_count &&
		    loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
			child++;
		if (timer->deadline_ns <= loop->heap[child]->deadline_ns)
			break;
		heap_place(loop, i, loop->heap[child]);
	}
	heap_place(loop, i, timer);
}

static void heap_grow(struct loop *loop)
{
	if (loop->heap_count + 1 < loop->heap_cap)
		return;
	uint32_t cap = loop->heap_cap * 2;
	struct loop_timer **heap = realloc(loop->heap, cap * sizeof(*heap));
	if (!heap)
		abort(); /* without timers no deadline holds: worse than a restart */
	loop->heap = heap;
	loop->heap_cap = cap;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns, loop_timer_fn fn)
{
	timer->fn = fn;
	timer->deadline_ns = loop->now_ns + delay_ns;
	if (!timer->heap_index) {
		heap_grow(loop);
		heap_place(loop, ++loop->heap_count, timer);
	}
	heap_up(loop, timer->heap_index);
	heap_down(loop, timer->heap_index);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	uint32_t i = timer->heap_index;

	if (!i)
		return;
	timer->heap_index = 0;
	struct loop_timer *last = loop->heap[loop->heap_count--];
	if (last == timer)
		return;
	heap_place(loop, i, last);
	heap_up(loop, i);
	heap_down(loop, last->heap_index);
}

static void run_timers(struct loop *loop)
{
	/* A timer that re-arms itself with delay 0 waits for the next turn: its deadline is not below this one. */
	uint64_t until = loop->now_ns;
	uint32_t budget = loop->heap_count;

	while (budget-- && loop->heap_count && loop->heap[1]->deadline_ns <= until) {
		struct loop_timer *timer = loop->heap[1];
		loop_timer_cancel(loop, timer);
		timer->fn(timer);
	}
}

/* --- descriptors ------------------------------------------------------------------------------ */

int loop_io_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	io->fd = fd;
	io->fn = fn;
	io->events = events;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	io->fd = -1;
	return -errno;
}

int loop_io_set(struct loop *loop, struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (io->events == events || io->fd < 0)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) < 0)
		return -errno;
	io->events = events;
	return 0;
}

static void forget_events(struct loop *loop, const struct loop_io *io)
{
	for (int i = loop->batch_next; i < loop->batch_count; i++)
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
}

void loop_io_del(struct loop *loop, struct loop_io *io)
{
	if (io->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->fd = -1;
	forget_events(loop, io);
}

void loop_io_close(struct loop *loop, struct loop_io *io)
{
	if (io->fd < 0)
		return;
	close(io->fd); /* the only reference: epoll forgets it by itself */
	io->fd = -1;
	forget_events(loop, io);
}

void loop_io_reset(struct loop *loop, struct loop_io *io)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (io->fd >= 0)
		setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	loop_io_close(loop, io);
}

int loop_io_adopt(struct loop *loop, struct loop_io *from, struct loop_io *to, uint32_t events, loop_io_fn fn)
{
	struct epoll_event ev = {.events = events, .data.ptr = to};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, from->fd, &ev) < 0)
		return -errno;
	*to = (struct loop_io){.fd = from->fd, .events = events, .fn = fn};
	from->fd = -1;
	forget_events(loop, from);
	return 0;
}

static void run_batch(struct loop *loop)
{
	while (loop->batch_next < loop->batch_count) {
		struct epoll_event *ev = &loop->batch[loop->batch_next++];
		struct loop_io *io = ev->data.ptr;
		if (io)
			io->fn(io, ev->events);
	}
	loop->batch_count = loop->batch_next = 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static const struct timespec *wait_time(const struct loop *loop, struct timespec *ts)
{
	uint64_t wait = 0;

	if (loop->deferred.head || loop->yielded.head || loop->stopping) {
		*ts = (struct timespec){0};
		return ts;
	}
	if (!loop->heap_count)
		return NULL;
	if (loop->heap[1]->deadline_ns > loop->now_ns)
		wait = loop->heap[1]->deadline_ns - loop->now_ns;
	ts->tv_sec = (time_t)(wait / 1000000000u);
	ts->tv_nsec = (long)(wait % 1000000000u);
	return ts;
}

int loop_run(struct loop *loop)
{
	struct epoll_event batch[LOOP_BATCH];
	struct timespec ts;

	loop->batch = batch;
	loop->now_ns = loop_clock();
	while (!loop->stopping) {
		int n = epoll_pwait2(loop->epoll_fd, batch, LOOP_BATCH, wait_time(loop, &ts), NULL);
		if (n < 0 && errno != EINTR)
			return -errno;
		loop->now_ns = loop_clock();
		loop->batch_count = n < 0 ? 0 : n;
		loop->batch_next = 0;
		run_batch(loop);
		run_timers(loop);
		list_run(&loop->yielded);
		while (loop->deferred.head)
			list_run(&loop->deferred);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	list_init(&loop->deferred);
	list_init(&loop->yielded);
	list_init(&loop->mail);
	pthread_mutex_init(&loop->mail_lock, NULL);
	loop->now_ns = loop_clock();
	loop->heap_cap = 256;
	loop->heap = calloc(loop->heap_cap, sizeof(*loop->heap));
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->mail_io.fd = -1;
	if (loop->heap && loop->epoll_fd >= 0 && mail_fd >= 0 &&
	    loop_io_add(loop, &loop->mail_io, mail_fd, EPOLLIN, on_mail) == 0) {
		*out = loop;
		return 0;
	}
	int err = errno ? -errno : -ENOMEM;
	if (mail_fd >= 0)
		close(mail_fd);
	loop->mail_io.fd = -1;
	loop_free(loop);
	return err;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->mail_io.fd >= 0)
		close(loop->mail_io.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_mutex_destroy(&loop->mail_lock);
	free(loop->heap);
	free(loop);
}
