/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_resolver.c - lookups against a DNS server: answers, failures, many waiters, cancelling.
 *
 * See: include/resolver.h; test_resolver_time.c for ages, test_resolver_cache.c for the rules without sockets.
 */
#include "resolver_world.h"

#define FAST 2000, 3 /* timeout of the first try in ms, tries */

static void test_immediate(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "", FAST);
	ask_start(&w, &ask, "");
	CU_ASSERT_EQUAL(ask.calls, 1); /* from inside resolver_lookup() */
	expect_addrs(&ask, "127.0.0.1:8080 [::1]:8080");
	ask_start(&w, &ask, "192.0.2.1");
	CU_ASSERT_EQUAL(ask.calls, 1);
	expect_addrs(&ask, "192.0.2.1:8080");
	ask_start(&w, &ask, "2001:db8::1");
	expect_addrs(&ask, "[2001:db8::1]:8080");
	ask_start(&w, &ask, "fe80::1%4242");
	CU_ASSERT_EQUAL(ask.addrs[0].in6.sin6_scope_id, 4242);
	ask_start(&w, &ask, "fe80::1%nosuchif0");
	expect_failure(&ask, -ENODEV, "lookup fe80::1%nosuchif0: no such network interface");
	ask_start(&w, &ask, "not a name");
	CU_ASSERT_EQUAL(ask.calls, 1);
	expect_failure(&ask, -ENOENT, "lookup not a name: no such host");
	ask_start(&w, &ask, "1.2.3");
	expect_failure(&ask, -ENOENT, "lookup 1.2.3: no such host");
	CU_ASSERT_NOT_EQUAL(access(w.log, F_OK), 0); /* nobody was asked anything */
	world_fini(&w);
}

static void test_two_families(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w,
		   "a.test 60 A 127.0.0.5\na.test 60 A 127.0.0.6\na.test 60 AAAA ::1\n"
		   "four.test 60 A 127.0.0.7\nsix.test 60 AAAA ::1\nalias.test 60 CNAME four.test\n",
		   FAST);
	ask_and_wait(&w, &ask, "a.test");
	CU_ASSERT_EQUAL(ask.status, 0);
	CU_ASSERT_EQUAL_FATAL(ask.count, 3);
	/* Which family leads is the machine's (RFC 6724); they alternate, whichever it is. */
	CU_ASSERT_NOT_EQUAL(addr_family(&ask.addrs[0]), addr_family(&ask.addrs[1]));
	CU_ASSERT_EQUAL(addr_family(&ask.addrs[2]), AF_INET);
	for (size_t i = 0; i < ask.count; i++)
		CU_ASSERT_EQUAL(addr_port(&ask.addrs[i]), 8080);
	CU_ASSERT_EQUAL(world_queries(&w, "a.test A"), 1);
	CU_ASSERT_EQUAL(world_queries(&w, "a.test AAAA"), 1);
	ask_and_wait(&w, &ask, "four.test");
	expect_addrs(&ask, "127.0.0.7:8080");
	ask_and_wait(&w, &ask, "six.test");
	expect_addrs(&ask, "[::1]:8080");
	ask_and_wait(&w, &ask, "alias.test");
	expect_addrs(&ask, "127.0.0.7:8080");
	/* Names are the same in any case. */
	ask_start(&w, &ask, "FOUR.Test");
	CU_ASSERT_EQUAL(ask.calls, 1);
	expect_addrs(&ask, "127.0.0.7:8080");
	world_fini(&w);
}

static void test_half_broken(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "a.test 60 A 127.0.0.5\na.test AAAA-SERVFAIL\nb.test 60 AAAA ::1\nb.test A-SERVFAIL\n",
		   FAST);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	ask_and_wait(&w, &ask, "b.test");
	expect_addrs(&ask, "[::1]:8080");
	world_fini(&w);
}

static void test_failures(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(
		&w,
		"fail.test SERVFAIL\nrefused.test REFUSED\nmute.test DROP\nempty.test 60 CNAME void.test\n",
		150, 2);
	ask_and_wait(&w, &ask, "NoSuch.test");
	expect_failure(&ask, -ENOENT, "lookup nosuch.test: no such host");
	ask_and_wait(&w, &ask, "empty.test");
	expect_failure(&ask, -ENOENT, "lookup empty.test: no such host");
	ask_and_wait(&w, &ask, "fail.test");
	expect_failure(&ask, -EAGAIN, "lookup fail.test: server misbehaving");
	ask_and_wait(&w, &ask, "refused.test");
	expect_failure(&ask, -EAGAIN, "lookup refused.test: server misbehaving");
	ask_and_wait(&w, &ask, "mute.test");
	expect_failure(&ask, -ETIMEDOUT, "lookup mute.test: i/o timeout");
	CU_ASSERT(ask.done_ms - ask.started_ms >= 150);
	CU_ASSERT_EQUAL(world_queries(&w, "mute.test A"), 2);
	world_fini(&w);
}

static void test_server_gone(void)
{
	struct world w;
	struct ask ask = {0};

	world_init(&w, "a.test 60 A 127.0.0.5\n", 150, 2);
	dns_stop(&w.dns);
	ask_and_wait(&w, &ask, "a.test");
	CU_ASSERT(ask.status == -EAGAIN || ask.status == -ETIMEDOUT);
	w.dns = dns_start("127.0.0.1", w.dns.port, w.zone,
			  w.log); /* and back: no restart of ours is needed */
	usleep(1100000);	  /* the failure is remembered for a second */
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "127.0.0.5:8080");
	world_fini(&w);
}

static void test_localhost(void)
{
	struct world w;
	struct ask ask = {0};
	bool v4 = false;

	world_init(&w, "localhost 60 A 192.0.2.99\n", FAST);
	ask_and_wait(&w, &ask, "localhost");
	CU_ASSERT_EQUAL(ask.status, 0);
	for (size_t i = 0; i < ask.count; i++) {
		char text[ADDR_TEXT_MAX];
		addr_format(&ask.addrs[i], text);
		v4 |= strcmp(text, "127.0.0.1:8080") == 0;
		CU_ASSERT(strncmp(text, "127.", 4) == 0 || strcmp(text, "[::1]:8080") == 0);
	}
	CU_ASSERT(v4);
	CU_ASSERT_EQUAL(world_queries(&w, "localhost A"), 0);
	world_fini(&w);
}

#define MANY 1000

struct crowd {
	struct world *world;
	struct ask *asks;
};

static void start_crowd(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < MANY; i++) {
		c->asks[i].world = c->world;
		c->asks[i].host = "busy.test";
		ask_in_loop(&c->asks[i]);
	}
}

static void test_one_query_for_many(void)
{
	struct world w;
	struct crowd c = {&w, calloc(MANY, sizeof(struct ask))};

	world_init(&w, "busy.test 60 A 127.0.0.5\nbusy.test DELAY 300\n", 10000, 1);
	world_do(&w, start_crowd, &c);
	for (int i = 0; i < MANY; i++) {
		ask_wait(&c.asks[i]);
		CU_ASSERT_EQUAL_FATAL(c.asks[i].calls, 1);
		CU_ASSERT_EQUAL_FATAL(c.asks[i].number, (unsigned)i); /* first come, first served */
		expect_addrs(&c.asks[i], "127.0.0.5:8080");
	}
	CU_ASSERT_EQUAL(world_queries(&w, "busy.test A"), 1);
	CU_ASSERT_EQUAL(world_queries(&w, "busy.test AAAA"), 1);
	world_fini(&w);
	free(c.asks);
}

static void test_cancel(void)
{
	struct world w;
	struct ask a = {0}, b = {0}, c = {0};

	world_init(&w, "a.test 60 A 127.0.0.5\na.test DELAY 200\n", 10000, 1);
	ask_start(&w, &a, "a.test");
	ask_start(&w, &b, "a.test");
	ask_start(&w, &c, "a.test");
	world_do(&w, ask_cancel_in_loop, &b);
	world_do(&w, ask_cancel_in_loop, &b);
	ask_wait(&c);
	CU_ASSERT_EQUAL(a.calls, 1);
	CU_ASSERT_EQUAL(b.calls, 0);
	world_do(&w, ask_cancel_in_loop, &c); /* after the call: nothing */
	/* Cancelling the only one does not waste the query. */
	world_zone(&w, "b.test 60 A 127.0.0.6\nb.test DELAY 300\n");
	ask_start(&w, &a, "b.test");
	world_do(&w, ask_cancel_in_loop, &a);
	for (int i = 0; i < 1000 && !world_queries(&w, "b.test AAAA"); i++)
		usleep(10000);
	ask_and_wait(&w, &b, "b.test");
	expect_addrs(&b, "127.0.0.6:8080");
	CU_ASSERT_EQUAL(world_queries(&w, "b.test A"), 1);
	CU_ASSERT_EQUAL(a.calls, 0);
	world_fini(&w);
}

static void cancel_other(struct ask *ask)
{
	struct ask *other = ask->then_arg;

	resolver_cancel(other->world->resolver, &other->req);
}

static void ask_again(struct ask *ask)
{
	ask->then = NULL;
	ask->host = ask->then_arg;
	ask_in_loop(ask); /* the same request, from inside its own callback */
}

static void test_inside_callbacks(void)
{
	struct world w;
	struct ask first = {0}, last = {0}, same = {0}, other = {0};

	world_init(&w, "a.test 60 A 127.0.0.5\na.test DELAY 500\nb.test 60 A 127.0.0.6\n", 10000, 1);
	first.then = cancel_other;
	first.then_arg = &last;
	same.then = ask_again;
	same.then_arg = (void *)"a.test";
	other.then = ask_again;
	other.then_arg = (void *)"b.test";
	ask_start(&w, &first, "a.test");
	ask_start(&w, &same, "a.test");
	ask_start(&w, &other, "a.test");
	ask_start(&w, &last, "a.test");
	ask_wait(&first);
	for (int i = 0; i < 1000 && world_queries(&w, "b.test AAAA") == 0; i++)
		usleep(10000);
	ask_and_wait(&w, &(struct ask){0}, "b.test");
	CU_ASSERT_EQUAL(first.calls, 1);
	CU_ASSERT_EQUAL(last.calls, 0); /* cancelled by first, while being served */
	CU_ASSERT_EQUAL(same.calls, 2);
	CU_ASSERT_EQUAL(other.calls, 2);
	expect_addrs(&other, "127.0.0.6:8080");
	world_fini(&w);
}

/* Lookups in flight, some of them nobody waits for: nothing is called, nothing leaks (ASan). */
static void test_free_with_pending(void)
{
	struct world w;
	struct ask asks[3] = {0};

	world_init(&w, "a.test DROP\nb.test DROP\n", 10000, 1);
	ask_start(&w, &asks[0], "a.test");
	ask_start(&w, &asks[1], "b.test");
	ask_start(&w, &asks[2], "b.test");
	world_do(&w, ask_cancel_in_loop, &asks[0]);
	world_fini(&w);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(asks[i].calls, 0);
		CU_ASSERT_PTR_NULL(asks[i].req.prev); /* a late cancel touches nothing */
		resolver_cancel(NULL, &asks[i].req);
	}
}

struct reconfigure {
	struct world *world;
	const char *servers;
	int result;
};

static void reconfigure_in_loop(void *arg)
{
	struct reconfigure *rc = arg;

	rc->result = resolver_set_servers(rc->world->resolver, rc->servers);
}

static void test_configure(void)
{
	struct world w;
	struct ask ask = {0};
	struct reconfigure rc = {.world = &w, .servers = "127.0.0.1:1"};

	world_init(&w, "a.test DROP\n", 10000, 1);
	ask_start(&w, &ask, "a.test");
	world_do(&w, reconfigure_in_loop, &rc);
	CU_ASSERT_EQUAL(rc.result, -EBUSY);
	world_fini(&w);
	world_init(&w, "", FAST);
	rc.servers = "not an address";
	world_do(&w, reconfigure_in_loop, &rc);
	CU_ASSERT_EQUAL(rc.result, -EINVAL);
	ask_and_wait(&w, &ask, "a.test"); /* no channel: fails, does not crash */
	CU_ASSERT(ask.status < 0);
	world_fini(&w);
}

struct preference {
	struct world *world;
	int family, result;
};

static void prefer_in_loop(void *arg)
{
	struct preference *p = arg;
	char server[32];
	struct resolver_config cfg = {.servers = server, .resolv_conf = "/dev/null", .prefer = p->family};

	snprintf(server, sizeof(server), "127.0.0.1:%d", p->world->dns.port);
	p->result = resolver_configure(p->world->resolver, &cfg);
}

static void test_prefer(void)
{
	struct world w;
	struct ask ask = {0};
	struct preference p = {.world = &w, .family = AF_INET6};

	world_init(&w,
		   "a.test 60 A 127.0.0.5\na.test 60 A 127.0.0.6\na.test 60 AAAA ::1\n"
		   "b.test 60 A 127.0.0.5\nb.test 60 AAAA ::1\nfour.test 60 A 127.0.0.7\n",
		   FAST);
	world_do(&w, prefer_in_loop, &p);
	CU_ASSERT_EQUAL(p.result, 0);
	ask_and_wait(&w, &ask, "a.test");
	expect_addrs(&ask, "[::1]:8080 127.0.0.5:8080 127.0.0.6:8080");
	ask_and_wait(&w, &ask, "four.test");
	expect_addrs(&ask, "127.0.0.7:8080");
	p.family = AF_INET;
	world_do(&w, prefer_in_loop, &p);
	ask_and_wait(&w, &ask, "b.test");
	expect_addrs(&ask, "127.0.0.5:8080 [::1]:8080");
	world_fini(&w);
}

static const struct unit_case cases[] = {
	{"immediate", test_immediate},
	{"two families", test_two_families},
	{"half broken", test_half_broken},
	{"failures", test_failures},
	{"server gone", test_server_gone},
	{"localhost", test_localhost},
	{"one query for many", test_one_query_for_many},
	{"cancel", test_cancel},
	{"inside callbacks", test_inside_callbacks},
	{"free with pending", test_free_with_pending},
	{"configure", test_configure},
	{"prefer", test_prefer},
};

UNIT_MAIN("resolver", cases)
