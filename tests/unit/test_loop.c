/* SPDX-License-Identifier: BSD-2-Clause */
/* test_loop.c - order and promises of the event loop: timers, tasks, mail, events of removed descriptors. */
#include "loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static struct loop *loop;
static int calls, order[64];

static void on_stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void run_for_ms(uint64_t ms)
{
	struct loop_timer stop = {0};

	loop_timer_set(loop, &stop, ms * 1000000, on_stop);
	CU_ASSERT(loop_run(loop) == 0);
	loop_timer_cancel(loop, &stop);
}

static void fresh(void)
{
	calls = 0;
	CU_ASSERT_FATAL(loop_new(&loop) == 0);
}

struct numbered {
	struct loop_timer timer;
	int number;
};

static void on_numbered(struct loop_timer *t)
{
	order[calls++] = ((struct numbered *)t)->number;
}

static void timers_fire_in_order(void)
{
	struct numbered n[32] = {0};

	fresh();
	for (int i = 0; i < 32; i++) {
		n[i].number = i;
		loop_timer_set(loop, &n[i].timer, (uint64_t)((i * 7) % 32) * 100000, on_numbered);
	}
	loop_timer_cancel(loop, &n[5].timer);
	loop_timer_cancel(loop, &n[5].timer);
	run_for_ms(30);
	CU_ASSERT(calls == 31);
	for (int i = 1; i < calls; i++)
		CU_ASSERT((order[i - 1] * 7) % 32 < (order[i] * 7) % 32);
	loop_free(loop);
}

/* Random sets, resets and cancels against a plain array. */
static void heap_survives_churn(void)
{
	static struct numbered n[200];
	unsigned seed = 1;

	fresh();
	for (int i = 0; i < 20000; i++) {
		struct numbered *x = &n[rand_r(&seed) % 200];
		if (rand_r(&seed) % 3)
			loop_timer_set(loop, &x->timer, 3600ull * 1000000000 + (uint64_t)rand_r(&seed), on_numbered);
		else
			loop_timer_cancel(loop, &x->timer);
	}
	int armed = 0;
	for (int i = 0; i < 200; i++) {
		armed += loop_timer_armed(&n[i].timer);
		loop_timer_cancel(loop, &n[i].timer);
		CU_ASSERT(!loop_timer_armed(&n[i].timer));
	}
	CU_ASSERT(armed > 0);
	run_for_ms(1);
	CU_ASSERT(calls == 0);
	loop_free(loop);
}

static struct loop_task task;

static void on_task(struct loop_task *t)
{
	(void)t;
	calls++;
}

static void tasks_run_once(void)
{
	fresh();
	loop_defer(loop, &task, on_task);
	loop_defer(loop, &task, on_task);
	run_for_ms(1);
	CU_ASSERT(calls == 1);
	loop_free(loop);
	fresh();
	loop_yield(loop, &task, on_task);
	loop_task_cancel(loop, &task);
	loop_task_cancel(loop, &task);
	run_for_ms(1);
	CU_ASSERT(calls == 0);
	loop_free(loop);
}

static struct loop_io io_a, io_b;

/* Both are ready in one turn; the first removes the second, whose event must not come. */
static void on_first(struct loop_io *io, uint32_t events)
{
	(void)events;
	calls++;
	loop_io_del(loop, io == &io_a ? &io_b : &io_a);
	loop_io_del(loop, io);
}

static void removed_io_gets_no_event(void)
{
	int a[2], b[2];

	fresh();
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
	CU_ASSERT(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1);
	CU_ASSERT(loop_io_add(loop, &io_a, a[0], EPOLLIN, on_first) == 0);
	CU_ASSERT(loop_io_add(loop, &io_b, b[0], EPOLLIN, on_first) == 0);
	run_for_ms(5);
	CU_ASSERT(calls == 1);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	loop_free(loop);
}

static void on_adopted(struct loop_io *io, uint32_t events)
{
	CU_ASSERT(io == &io_b && (events & EPOLLIN));
	calls++;
	loop_io_close(loop, io);
	CU_ASSERT(io->fd == -1);
}

static void adopted_io_gets_the_events(void)
{
	int a[2];

	fresh();
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
	CU_ASSERT(write(a[1], "x", 1) == 1);
	CU_ASSERT(loop_io_add(loop, &io_a, a[0], 0, on_first) == 0);
	CU_ASSERT(loop_io_adopt(loop, &io_a, &io_b, EPOLLIN | EPOLLET, on_adopted) == 0);
	CU_ASSERT(io_a.fd == -1);
	run_for_ms(5);
	CU_ASSERT(calls == 1);
	close(a[1]);
	loop_free(loop);
}

enum { MAILS = 1000 };
static struct loop_task mails[MAILS];

static void *post_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < MAILS; i++)
		loop_post(loop, &mails[i], on_task);
	return NULL;
}

static void mail_arrives_from_other_threads(void)
{
	pthread_t thread;

	fresh();
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, post_all, NULL) == 0);
	for (int i = 0; i < 200 && calls < MAILS; i++) /* once, unless the machine is busy */
		run_for_ms(100);
	pthread_join(thread, NULL);
	CU_ASSERT(calls == MAILS);
	loop_free(loop);
}

static const struct unit_case cases[] = {
	{"timers fire in order", timers_fire_in_order},
	{"the heap survives churn", heap_survives_churn},
	{"tasks run once", tasks_run_once},
	{"a removed io gets no event", removed_io_gets_no_event},
	{"an adopted io gets the events", adopted_io_gets_the_events},
	{"mail arrives from other threads", mail_arrives_from_other_threads},
};

UNIT_MAIN("loop", cases)
