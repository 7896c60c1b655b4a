/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_resolver_time.c - answers that age: TTLs, remembered failures, stale answers, a changed resolv.conf.
 *
 * Why: every bound here is on the safe side of a busy machine: waits are lower bounds, and where an upper bound
 * is the point (no query before the TTL is over) it is judged only if the time had not passed meanwhile.
 * See: include/resolver.h, include/resolver_cache.h.
 */
#include "resolver_world.h"

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
	usleep(2200000);
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
	usleep(1200000);
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
	usleep(1200000);
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
	usleep(1200000);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	CU_ASSERT(world_queries(&w, "a.test A") >= 2); /* it did ask */
	world_zone(&w, "a.test DROP\n");
	usleep(1200000);
	ask_and_wait(&w, &ask, "a.test"); /* no answer is a failure too */
	expect_addrs(&ask, "127.0.0.5:8080");
	world_zone(&w, "a.test 1 A 127.0.0.6\n");
	usleep(1200000);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.6:8080");
	/* "No such host" is no failure to ask: what was known is over. */
	world_zone(&w, "");
	usleep(1200000);
	ask_and_wait(&w, &ask, "a.test");
	expect_failure(&ask, -ENOENT, "lookup a.test: no such host");
	world_fini(&w);
}

static void test_stale_while_slow(void)
{
	struct world w;
	struct ask slow = {0}, next = {0};

	world_init(&w, "a.test 1 A 127.0.0.5\n", 15000, 1);
	ask_and_wait(&w, &slow, "a.test");
	world_zone(&w, "a.test 60 A 127.0.0.6\na.test DELAY 5000\n");
	usleep(1200000);
	ask_and_wait(&w, &slow, "a.test");
	expect_addrs(&slow, "127.0.0.5:8080");
	CU_ASSERT(slow.done_ms - slow.started_ms >= 1950); /* it waited for better */
	ask_start(&w, &next, "a.test");
	if (now_ms() - slow.started_ms < 4500) {
		CU_ASSERT_EQUAL(next.calls, 1); /* nobody else waits again */
		expect_addrs(&next, "127.0.0.5:8080");
		CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 2);
	}
	usleep(4500000);
	ask_and_wait(&w, &next, "a.test"); /* the late answer is not lost */
	expect_addrs(&next, "127.0.0.6:8080");
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
	usleep(1200000);
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
