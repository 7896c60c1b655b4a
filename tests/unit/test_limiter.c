/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_limiter.c - connections come and go at times the test says; each verdict, and what stays in the table.
 *
 * See: include/limiter.h.
 */
#include "limiter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define SEC UINT64_C(1000000000)

struct fixture {
	struct limit_rules connections, rate, bandwidth;
	struct limiter *l;
};

static size_t parse(struct limit_rules *out, enum limit_kind kind, const char *list)
{
	char *copy = strdup(list), *rest = copy, *texts[8], why[200] = "";
	size_t count = 0;

	while (*list && rest)
		texts[count++] = strsep(&rest, ";");
	int rc = limit_rules_parse(out, kind, texts, count, why, sizeof(why));
	if (rc)
		printf("    %s\n", why);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	free(copy);
	return count;
}

static void fixture_init(struct fixture *f, const char *connections, const char *rate, const char *bandwidth)
{
	memset(f, 0, sizeof(*f));
	parse(&f->connections, LIMIT_CONNECTIONS, connections);
	parse(&f->rate, LIMIT_RATE, rate);
	parse(&f->bandwidth, LIMIT_BANDWIDTH, bandwidth);
	struct limiter_setup cfg = {
		.connections = &f->connections, .rate = &f->rate, .bandwidth = &f->bandwidth, .seed = {1, 2}};
	CU_ASSERT_EQUAL_FATAL(limiter_new(&f->l, &cfg), 0);
}

static void fixture_fini(struct fixture *f)
{
	CU_ASSERT_EQUAL(limiter_connections(f->l), 0);
	limiter_free(f->l);
	limit_rules_free(&f->connections);
	limit_rules_free(&f->rate);
	limit_rules_free(&f->bandwidth);
}

static enum limiter_verdict enter(struct fixture *f, struct limiter_lease *lease, const char *ip, uint64_t now_ns)
{
	struct addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse_ip(&a, ip, strlen(ip), 1000), 0);
	*lease = (struct limiter_lease){0};
	return limiter_enter(f->l, lease, &a, now_ns);
}

static void test_connections(void)
{
	struct fixture f;
	struct limiter_lease lease[6], refused;

	fixture_init(&f, "$ 5;$$ 2;10.0.0.0/8 1;10.0.0.9 3", "", "");
	CU_ASSERT_EQUAL(enter(&f, &lease[0], "192.0.2.1", 0), LIMITER_PASS);
	CU_ASSERT_EQUAL(enter(&f, &lease[1], "::ffff:192.0.2.1", 0), LIMITER_PASS); /* the same client */
	CU_ASSERT_EQUAL(enter(&f, &refused, "192.0.2.1", 0), LIMITER_CONNECTIONS);
	CU_ASSERT_FALSE(refused.held);
	CU_ASSERT_EQUAL(enter(&f, &lease[2], "10.0.0.1", 0), LIMITER_PASS);
	CU_ASSERT_EQUAL(enter(&f, &refused, "10.0.0.1", 0), LIMITER_CONNECTIONS); /* the network's, not the default */
	CU_ASSERT_EQUAL(enter(&f, &lease[3], "10.0.0.2", 0), LIMITER_PASS);	  /* each client of it */
	CU_ASSERT_EQUAL(enter(&f, &lease[4], "10.0.0.9", 0), LIMITER_PASS);
	CU_ASSERT_EQUAL(limiter_connections(f.l), 5);
	CU_ASSERT_EQUAL(enter(&f, &refused, "10.0.0.9", 0), LIMITER_CONNECTIONS); /* the service's */
	limiter_leave(f.l, &lease[0], 0);
	limiter_leave(f.l, &lease[0], 0); /* twice is once */
	CU_ASSERT_EQUAL(enter(&f, &lease[5], "10.0.0.9", 0), LIMITER_PASS);
	for (int i = 1; i < 6; i++)
		limiter_leave(f.l, &lease[i], 0);
	CU_ASSERT_EQUAL(limiter_clients(f.l), 0); /* nothing to remember */
	fixture_fini(&f);
}

/* A refusal by the service's limit takes back what was counted for the client. */
static void test_take_back(void)
{
	struct fixture f;
	struct limiter_lease a, b;

	fixture_init(&f, "$ 1;$$ 2", "$$ 1", "");
	CU_ASSERT_EQUAL(enter(&f, &a, "192.0.2.1", 0), LIMITER_PASS);
	for (int i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(enter(&f, &b, "192.0.2.2", 0), LIMITER_CONNECTIONS);
	CU_ASSERT_EQUAL(limiter_clients(f.l), 1);
	limiter_leave(f.l, &a, 0);
	CU_ASSERT_EQUAL(enter(&f, &b, "192.0.2.2", 0), LIMITER_PASS); /* its rate was not used up */
	limiter_leave(f.l, &b, 0);
	fixture_fini(&f);
}

static unsigned burst(struct fixture *f, const char *ip, uint64_t now_ns)
{
	struct limiter_lease lease;
	unsigned passed = 0;

	while (passed < 100 && enter(f, &lease, ip, now_ns) == LIMITER_PASS) {
		limiter_leave(f->l, &lease, now_ns);
		passed++;
	}
	return passed;
}

static void test_rate(void)
{
	struct fixture f;

	fixture_init(&f, "", "$$ 2;10.0.0.0/8 0.5", "");
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", 10 * SEC), 3); /* GOST's burst: the rate and one */
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", 10 * SEC + SEC / 2 - 1), 0);
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", 10 * SEC + SEC / 2), 1);
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", 9 * SEC), 0); /* a worker whose clock was read earlier */
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", 60 * SEC), 3);
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.2", 60 * SEC), 3);
	CU_ASSERT_EQUAL(burst(&f, "10.0.0.1", 60 * SEC), 1);
	CU_ASSERT_EQUAL(burst(&f, "10.0.0.1", 62 * SEC - 1), 0);
	CU_ASSERT_EQUAL(burst(&f, "10.0.0.1", 62 * SEC), 1);
	fixture_fini(&f);
	fixture_init(&f, "", "$ 4", "");
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.1", SEC), 5);
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.2", SEC), 0);
	CU_ASSERT_EQUAL(burst(&f, "192.0.2.2", 2 * SEC), 4);
	CU_ASSERT_EQUAL(limiter_clients(f.l), 0); /* no rule needs to know who */
	fixture_fini(&f);
}

/* A hundred thousand clients that came once: only so many are remembered, and who is connected always. */
static void test_bounded(void)
{
	struct fixture f;
	struct limiter_lease lease, kept;
	char ip[32];

	fixture_init(&f, "$$ 1", "$$ 1", "");
	CU_ASSERT_EQUAL(enter(&f, &kept, "192.0.2.1", 0), LIMITER_PASS);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		CU_ASSERT_EQUAL_FATAL(enter(&f, &lease, ip, i), LIMITER_PASS);
		limiter_leave(f.l, &lease, i);
	}
	CU_ASSERT(limiter_clients(f.l) <= LIMITER_IDLE_MAX + 1);
	CU_ASSERT(limiter_clients(f.l) > LIMITER_IDLE_MAX * 9 / 10); /* the hash spreads */
	CU_ASSERT_EQUAL(enter(&f, &lease, "192.0.2.1", 5), LIMITER_CONNECTIONS);
	CU_ASSERT_EQUAL(burst(&f, ip, 100000), 1);  /* of the latest: two at once, one was used */
	CU_ASSERT_EQUAL(burst(&f, "10.0.0.0", 100000), 2); /* the oldest has been forgotten */
	limiter_leave(f.l, &kept, 0);
	fixture_fini(&f);
}

static void check_pace(struct fixture *f, const struct limiter_lease *lease, uint64_t in, uint64_t out)
{
	struct limiter_pace pace;

	limiter_pace(f->l, lease, &pace);
	if (pace.in_bytes_s != in || pace.out_bytes_s != out)
		printf("    %llu %llu\n", (unsigned long long)pace.in_bytes_s, (unsigned long long)pace.out_bytes_s);
	CU_ASSERT(pace.in_bytes_s == in && pace.out_bytes_s == out);
}

static void test_bandwidth(void)
{
	struct fixture f;
	struct limiter_lease a, b, c;

	fixture_init(&f, "", "", "$ 9000 0;$$ 4000 800;10.0.0.0/8 3000");
	CU_ASSERT_TRUE(limiter_has_bandwidth(f.l));
	enter(&f, &a, "10.0.0.1", 0);
	enter(&f, &b, "10.0.0.1", 0);
	enter(&f, &c, "192.0.2.1", 0);
	check_pace(&f, &a, 3000, 800); /* whoever asks is counted */
	limiter_set_busy(f.l, &a, true);
	limiter_set_busy(f.l, &a, true);
	check_pace(&f, &a, 3000, 800);
	check_pace(&f, &b, 1500, 800);
	check_pace(&f, &c, 4000, 800); /* 9000 / 2 is more than its own 4000 */
	limiter_set_busy(f.l, &b, true);
	limiter_set_busy(f.l, &c, true);
	check_pace(&f, &a, 1500, 800);
	check_pace(&f, &c, 3000, 800);
	limiter_set_busy(f.l, &b, false);
	check_pace(&f, &a, 3000, 800);
	CU_ASSERT_TRUE(limiter_is_shared(f.l, &a));
	limiter_leave(f.l, &a, 0); /* takes its share along */
	check_pace(&f, &b, 3000, 800);
	check_pace(&f, &c, 4000, 800);
	limiter_leave(f.l, &b, 0);
	limiter_leave(f.l, &c, 0);
	fixture_fini(&f);
	fixture_init(&f, "", "", "$$ 4000 800;10.0.0.0/8 1 1");
	enter(&f, &a, "192.0.2.1", 0);
	enter(&f, &b, "10.0.0.1", 0);
	enter(&f, &c, "10.0.0.1", 0);
	CU_ASSERT_FALSE(limiter_is_shared(f.l, &a));
	limiter_set_busy(f.l, &b, true);
	check_pace(&f, &c, 1, 1); /* never 0, which would be no limit */
	limiter_leave(f.l, &a, 0);
	limiter_leave(f.l, &b, 0);
	limiter_leave(f.l, &c, 0);
	fixture_fini(&f);
}

static void take(struct fixture *f, struct limiter_lease *lease, enum limiter_way way, size_t bytes, uint64_t now_ns,
		 bool expect)
{
	CU_ASSERT_EQUAL(limiter_take(f->l, lease, way, bytes, now_ns), expect);
}

/* A bucket of a second's worth for each connection, for a network's client and for all. */
static void test_datagrams(void)
{
	struct fixture f;
	struct limiter_lease a = {0}, b = {0}, c = {0};

	fixture_init(&f, "", "", "$ 10000 0;$$ 4000 800;10.0.0.0/8 3000 0");
	enter(&f, &a, "10.0.0.1", 0);
	enter(&f, &b, "10.0.0.1", 0);
	enter(&f, &c, "192.0.2.1", 0);
	take(&f, &a, LIMITER_IN, 1000, 0, true);
	take(&f, &b, LIMITER_IN, 2000, 0, true);
	take(&f, &a, LIMITER_IN, 1, 0, false); /* 3000 of one address */
	take(&f, &a, LIMITER_IN, 0, 0, true);
	take(&f, &c, LIMITER_IN, 4000, 0, true);
	take(&f, &c, LIMITER_IN, 1, 0, false); /* 4000 of one connection */
	take(&f, &c, LIMITER_IN, 4000, SEC, true);
	take(&f, &a, LIMITER_IN, 3000, SEC, true); /* what was refused was counted against nothing */
	take(&f, &b, LIMITER_IN, 1, SEC, false);
	take(&f, &b, LIMITER_IN, 300, SEC + SEC / 10, true);
	take(&f, &b, LIMITER_IN, 1, SEC + SEC / 10, false);
	take(&f, &a, LIMITER_OUT, 800, SEC, true); /* the other way is another bucket, and not limited for all */
	take(&f, &b, LIMITER_OUT, 800, SEC, true);
	take(&f, &a, LIMITER_OUT, 1, SEC, false);
	take(&f, &a, LIMITER_OUT, 65000, 2 * SEC, true); /* longer than a second's worth: from a full bucket */
	take(&f, &a, LIMITER_OUT, 1, 2 * SEC + 80 * SEC, false);
	take(&f, &a, LIMITER_OUT, 1, 2 * SEC + 82 * SEC, true);
	limiter_leave(f.l, &a, 0);
	limiter_leave(f.l, &b, 0);
	limiter_leave(f.l, &c, 0);
	fixture_fini(&f);
	fixture_init(&f, "", "", "$ 10000 0");
	enter(&f, &a, "10.0.0.1", 0);
	enter(&f, &b, "10.0.0.2", 0);
	take(&f, &a, LIMITER_IN, 6000, 0, true);
	take(&f, &b, LIMITER_IN, 4001, 0, false);
	take(&f, &b, LIMITER_IN, 4000, 0, true);
	take(&f, &b, LIMITER_OUT, 1 << 20, 0, true);
	limiter_leave(f.l, &a, 0);
	limiter_leave(f.l, &b, 0);
	fixture_fini(&f);
}

static void count_prefix(unsigned bits, const char *same, const char *other)
{
	struct fixture f;
	struct limiter_lease a = {0}, b = {0}, c = {0}, d = {0}, e = {0};

	fixture_init(&f, "$$ 1", "", "");
	limiter_free(f.l);
	struct limiter_setup cfg = {.connections = &f.connections, .seed = {1, 2}, .ipv6_bits = bits};
	CU_ASSERT_EQUAL_FATAL(limiter_new(&f.l, &cfg), 0);
	CU_ASSERT_EQUAL(enter(&f, &a, "2001:db8:1:2::1", 0), LIMITER_PASS);
	CU_ASSERT_EQUAL(enter(&f, &b, same, 0), LIMITER_CONNECTIONS);
	CU_ASSERT_EQUAL(enter(&f, &c, other, 0), LIMITER_PASS);
	CU_ASSERT_EQUAL(enter(&f, &d, "10.0.0.1", 0), LIMITER_PASS); /* IPv4 has nothing to do with it */
	CU_ASSERT_EQUAL(enter(&f, &e, "10.0.0.2", 0), LIMITER_PASS);
	limiter_leave(f.l, &a, 0);
	CU_ASSERT_EQUAL(enter(&f, &b, same, 0), LIMITER_PASS);
	limiter_leave(f.l, &b, 0);
	limiter_leave(f.l, &c, 0);
	limiter_leave(f.l, &d, 0);
	limiter_leave(f.l, &e, 0);
	fixture_fini(&f);
}

static void test_prefix(void)
{
	count_prefix(0, "2001:db8:1:2::1", "2001:db8:1:2::2");
	count_prefix(128, "2001:db8:1:2::1", "2001:db8:1:2::2");
	count_prefix(64, "2001:db8:1:2:ffff::9", "2001:db8:1:3::1");
	count_prefix(60, "2001:db8:1:f::9", "2001:db8:1:12::1");
	count_prefix(16, "2001:ffff::", "2002:db8:1:2::1");
}

static void *hammer(void *arg)
{
	struct fixture *f = arg;
	long over = 0;

	for (uint64_t i = 0; i < 40000; i++) {
		struct limiter_lease lease = {0};
		uint8_t ip[4] = {192, 0, 2, (uint8_t)(i % 3)};
		struct addr a;
		addr_from_in4(&a, ip, 1);
		if (limiter_enter(f->l, &lease, &a, i * 1000) == LIMITER_PASS) {
			struct limiter_pace pace;
			limiter_set_busy(f->l, &lease, i & 1);
			limiter_pace(f->l, &lease, &pace);
			over += limiter_connections(f->l) > 3 + 4; /* four threads may be about to be refused */
			limiter_leave(f->l, &lease, i * 1000);
		}
	}
	return (void *)over;
}

static void test_threads(void)
{
	struct fixture f;
	pthread_t threads[4];
	void *over;

	fixture_init(&f, "$ 3;$$ 2", "$$ 1000000", "$ 1000;192.0.2.1 10");
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, hammer, &f), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &over);
		CU_ASSERT_PTR_NULL(over);
	}
	fixture_fini(&f); /* every place was given back */
}

static const struct unit_case cases[] = {
	{"connections", test_connections}, {"a refusal takes back", test_take_back}, {"rate", test_rate},
	{"bounded", test_bounded},	   {"bandwidth", test_bandwidth},	      {"threads", test_threads},
	{"datagrams", test_datagrams},	   {"IPv6 prefix", test_prefix},
};

UNIT_MAIN("limiter", cases)
