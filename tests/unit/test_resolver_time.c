/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_resolver_time.c - answers that age: TTLs, remembered failures, stale answers, a changed resolv.conf.
 *
 * Why: ages are what the resolver reads from loop_now(), so the linker gives it one that can be put forward (--wrap);
 * timers and c-ares keep the real clock. Bounds are on the safe side of a busy machine: where an upper bound
 * is the point (no query before the TTL is over) it is judged only if the time had not passed meanwhile.
 * See: include/resolver.h, include/resolver_cache.h, deps.mk.
 */
#include <stdatomic.h>

#include "resolver_world.h"

static _Atomic uint64_t ahead_ns; /* of the loop's clock */

uint64_t __real_loop_now(const struct loop *loop);
uint64_t __wrap_loop_now(const struct loop *loop);

uint64_t __wrap_loop_now(const struct loop *loop)
{
	return __real_loop_now(loop) + ahead_ns;
}

/* What is cached becomes so much older. */
static void pass_ms(unsigned ms)
{
	ahead_ns += ms * 1000000ULL;
}

static void test_ttl(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "a.test 2 A 127.0.0.5\n", 2000, 3);
	ask_and_wait(&w, &ask, "a.test");
	uint64_t born = ask.started_ms;
	expect_addrs(&ask, "127.0.0.5:8080");
	world_zone(&w, "a.test 2 A 127.0.0.6\n");
	ask_start(&w, &ask, "a.test");
	if (ask.started_ms - born < 1900) {
		CU_ASSERT_EQUAL(ask.calls, 1);
		expect_addrs(&ask, "127.0.0.5:8080");
		CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 1);
	}
	ask_wait(&ask);
	pass_ms(2200);
	ask_and_wait(&w, &ask, "a.test"); /* the upstream has moved */
	expect_addrs(&ask, "127.0.0.6:8080");
	CU_ASSERT(world_queries(&w, "a.test A") >= 2);
	world_fini(&w);
}

/* The alias expires first: its TTL counts. */
static void test_cname_ttl(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "alias.test 1 CNAME a.test\na.test 600 A 127.0.0.5\nb.test 600 A 127.0.0.6\n", 2000,
		   3);
	ask_and_wait(&w, &ask, "alias.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	world_zone(&w, "alias.test 1 CNAME b.test\na.test 600 A 127.0.0.5\nb.test 600 A 127.0.0.6\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "alias.test");
	expect_addrs(&ask, "127.0.0.6:8080");
	world_fini(&w);
}

static void test_failure_remembered(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "other.test 60 A 127.0.0.5\n", 2000, 3);
	ask_and_wait(&w, &ask, "a.test");
	expect_failure(&ask, -ENOENT, "lookup a.test: no such host");
	uint64_t born = ask.started_ms;
	ask_start(&w, &ask, "a.test");
	if (ask.started_ms - born < 900) {
		CU_ASSERT_EQUAL(ask.calls, 1);
		CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 1);
	}
	ask_wait(&ask);
	world_zone(&w, "a.test 60 A 127.0.0.5\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	world_fini(&w);
}

static void test_stale_while_failing(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "a.test 1 A 127.0.0.5\n", 300, 1);
	ask_and_wait(&w, &ask, "a.test");
	world_zone(&w, "a.test SERVFAIL\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	CU_ASSERT(world_queries(&w, "a.test A") >= 2); /* it did ask */
	world_zone(&w, "a.test DROP\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test"); /* no answer is a failure too */
	expect_addrs(&ask, "127.0.0.5:8080");
	world_zone(&w, "a.test 1 A 127.0.0.6\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.6:8080");
	/* "No such host" is no failure to ask: what was known is over. */
	world_zone(&w, "");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test");
	expect_failure(&ask, -ENOENT, "lookup a.test: no such host");
	world_fini(&w);
}

/* Asks again and again until the answer is that address. */
static void ask_until(struct world *w, struct ask *ask, const char *host, const char *address)
{
	uint64_t end = now_ms() + PATIENT_MS;
	char got[ADDR_TEXT_MAX] = "";

	ask_wait(ask);
	while (strcmp(got, address) != 0 && now_ms() < end) {
		usleep(20000);
		ask_and_wait(w, ask, host);
		addr_format(&ask->addrs[0], got);
	}
	CU_ASSERT_STRING_EQUAL(got, address);
}

static void test_stale_while_slow(void)
{
	struct world w;
	struct ask slow = {0}, next = {0};

	world_init(&w, "a.test 1 A 127.0.0.5\n", 15000, 1);
	ask_and_wait(&w, &slow, "a.test");
	world_zone(&w, "a.test 60 A 127.0.0.6\na.test DELAY 3000\n");
	pass_ms(1200);
	ask_and_wait(&w, &slow, "a.test");
	expect_addrs(&slow, "127.0.0.5:8080");
	CU_ASSERT(slow.done_ms - slow.started_ms >= 1950); /* it waited for better */
	ask_start(&w, &next, "a.test");
	if (now_ms() - slow.started_ms < 2700) {
		CU_ASSERT_EQUAL(next.calls, 1); /* nobody else waits again */
		expect_addrs(&next, "127.0.0.5:8080");
		CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 2);
	}
	ask_until(&w, &next, "a.test", "127.0.0.6:8080"); /* the late answer is not lost */
	CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 2);
	world_fini(&w);
}

struct reconfigure {
	struct world *world;
	struct resolver_config cfg;
	int result;
};

static void reconfigure_in_loop(void *arg)
{
	struct reconfigure *rc = arg;

	rc->result = resolver_configure(rc->world->resolver, &rc->cfg);
}

static void test_resolv_conf_followed(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "a.test 1 A 127.0.0.5\n", 2000, 3);
	struct reconfigure rc = {.world = &w, .cfg = {.resolv_conf = w.conf, .port = (uint16_t)w.dns.port}};
	char zone2[128], log2[128];
	snprintf(zone2, sizeof(zone2), "%s/zone2", w.dir);
	snprintf(log2, sizeof(log2), "%s/log2", w.dir);
	write_text(zone2, "a.test 1 A 127.0.0.6\n");
	write_text(w.conf, "nameserver 127.0.0.1\n");
	world_do(&w, reconfigure_in_loop, &rc);
	CU_ASSERT_EQUAL_FATAL(rc.result, 0);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	struct dns_server second = dns_start("127.0.0.2", w.dns.port, zone2, log2);
	write_text(w.conf, "nameserver 127.0.0.2\n");
	pass_ms(1200);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.6:8080");
	dns_stop(&second);
	unlink(zone2);
	unlink(log2);
	world_fini(&w);
}

static const struct unit_case cases[] = {
	{"ttl", test_ttl},
	{"cname ttl", test_cname_ttl},
	{"failure remembered", test_failure_remembered},
	{"stale while failing", test_stale_while_failing},
	{"stale while slow", test_stale_while_slow},
	{"resolv.conf followed", test_resolv_conf_followed},
};

UNIT_MAIN("resolver_time", cases)
