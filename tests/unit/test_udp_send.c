/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_udp_send.c - datagrams in segments and out of them again, on real sockets: borders, order, receivers, failures.
 *
 * See: user/udp_send.c, user/udp_batch.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "udp_batch.h"
#include "udp_send.h"
#include "unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t payload[70000], read_buf[70000];
static struct udp_sender sender;

struct list {
	struct mmsghdr msg[UDP_SEND_MAX];
	struct iovec iov[UDP_SEND_MAX][2];
	unsigned count;
};
static struct list list;

/* Two pieces each, as a header and a payload are. */
static void add(size_t len, struct addr *to)
{
	unsigned i = list.count++;
	size_t head = len > 3 ? 3 : len;

	list.iov[i][0] = (struct iovec){payload + i, head};
	list.iov[i][1] = (struct iovec){payload + i + head, len - head};
	list.msg[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = list.iov[i], .msg_iovlen = 2}};
	if (to) {
		list.msg[i].msg_hdr.msg_name = &to->sa;
		list.msg[i].msg_hdr.msg_namelen = to->len;
	}
}

static void reset(void)
{
	list.count = 0;
	memset(&sender, 0, sizeof(sender));
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8));
}

static int open_at(struct addr *at, int gro)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 16 << 20;

	addr_from_in4(at, "\x7f\0\0\1", addr_port(at));
	CU_ASSERT_EQUAL_FATAL(bind(fd, &at->sa, at->len), 0);
	at->len = sizeof(at->in4);
	getsockname(fd, &at->sa, &at->len);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &gro, sizeof(gro));
	return fd;
}

static void expect_next(int fd, unsigned i)
{
	size_t len = list.iov[i][0].iov_len + list.iov[i][1].iov_len;
	ssize_t n = recv(fd, read_buf, sizeof(read_buf), 0);

	CU_ASSERT_EQUAL(n, (ssize_t)len);
	CU_ASSERT(n == (ssize_t)len && memcmp(read_buf, payload + i, len) == 0);
}

/* --- runs --- */
static void test_runs(void)
{
	static const struct {
		unsigned sizes[5], count, want;
	} rows[] = {
		{{100}, 1, 1}, {{100, 100}, 2, 2}, {{100, 100, 100}, 3, 3}, {{100, 100, 50, 50}, 4, 3}, {{100, 101}, 2, 1},
		{{100, 0}, 2, 1}, {{0, 0}, 2, 1}, {{50, 50, 51}, 3, 2}, {{30000, 30000, 30000}, 3, 2}, {{65507, 1}, 2, 1},
	};

	for (size_t r = 0; r < COUNT(rows); r++) {
		reset();
		for (unsigned i = 0; i < rows[r].count; i++)
			add(rows[r].sizes[i], NULL);
		CU_ASSERT_EQUAL(udp_send_run(list.msg, list.count), rows[r].want);
	}
	reset();
	for (int i = 0; i < 200; i++)
		add(10, NULL);
	CU_ASSERT_EQUAL(udp_send_run(list.msg, list.count), 64);
}

static void test_runs_have_one_receiver(void)
{
	struct addr a = {0}, b = {0};

	addr_from_in4(&a, "\x7f\0\0\1", 1);
	b = a;
	reset();
	add(10, &a);
	add(10, &a);
	add(10, &b);
	CU_ASSERT_EQUAL(udp_send_run(list.msg, 3), 2);
	list.msg[1].msg_hdr.msg_control = &a;
	CU_ASSERT_EQUAL(udp_send_run(list.msg, 3), 1);
}

/* --- sending --- */
static bool never(void *ctx, unsigned index, int err, bool again)
{
	(void)ctx, (void)again;
	printf("    datagram %u: %s\n", index, strerror(err));
	CU_FAIL("no datagram should fail");
	return false;
}

static const unsigned sizes[] = {100, 100, 100, 7,   1400, 1400, 1400, 1400, 900, 0,   0,    1,	   1,	1,    2,
				 64,  64,  64,	 64, 65507, 30000, 30000, 30000, 5,   1400, 1400, 1399, 1400, 1400, 3};

static void send_to_two(bool plain)
{
	struct addr a = {0}, b = {0}, own = {0};
	int to_a = open_at(&a, 0), to_b = open_at(&b, 0), fd = open_at(&own, 0);

	reset();
	sender.plain = plain;
	for (size_t i = 0; i < COUNT(sizes); i++)
		add(sizes[i], i % 11 < 6 ? &a : &b);
	udp_send(&sender, fd, list.msg, list.count, never, NULL);
	CU_ASSERT_EQUAL(sender.plain, plain);
	for (unsigned i = 0; i < list.count; i++)
		expect_next(i % 11 < 6 ? to_a : to_b, i);
	CU_ASSERT_EQUAL(recv(to_a, read_buf, 10, 0), -1);
	CU_ASSERT_EQUAL(recv(to_b, read_buf, 10, 0), -1);
	close(to_a);
	close(to_b);
	close(fd);
}

static void test_borders_and_order(void)
{
	send_to_two(false);
	send_to_two(true);
}

struct failures {
	unsigned count, index;
	int err;
	bool retry;
};

static bool note(void *ctx, unsigned index, int err, bool again)
{
	struct failures *f = ctx;

	f->count++;
	f->index = index;
	f->err = err;
	return f->retry && !again;
}

static void test_a_failure_costs_one(void)
{
	struct failures f = {0};
	struct addr a = {0}, own = {0};
	int to = open_at(&a, 0), fd = open_at(&own, 0);

	reset();
	for (int i = 0; i < 6; i++)
		add(i == 3 ? 65508 : 200, &a);
	udp_send(&sender, fd, list.msg, list.count, note, &f);
	CU_ASSERT(f.count == 1 && f.index == 3 && f.err == EMSGSIZE);
	for (unsigned i = 0; i < list.count; i++)
		if (i != 3)
			expect_next(to, i);
	CU_ASSERT_EQUAL(recv(to, read_buf, 10, 0), -1);
	close(to);
	close(fd);
}

/* Longer than the device takes in one piece and not to be fragmented: segments fail, then each on its own. */
static void test_longer_than_the_path(void)
{
	struct failures f = {0};
	struct addr a = {0}, own = {0};
	int to = open_at(&a, 0), fd = open_at(&own, 0), probe = IP_PMTUDISC_PROBE;

	reset();
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
	for (int i = 0; i < 3; i++)
		add(65508, &a);
	for (int i = 0; i < 3; i++)
		add(99, &a);
	udp_send(&sender, fd, list.msg, list.count, note, &f);
	CU_ASSERT(f.count == 3 && f.index == 2 && f.err == EMSGSIZE);
	for (unsigned i = 3; i < 6; i++)
		expect_next(to, i);
	close(to);
	close(fd);
}

/* The call that reports what ICMP said of an earlier datagram sends nothing; all of it must go after that. */
static void test_an_earlier_error(void)
{
	for (int retry = 0; retry < 2; retry++) {
		struct failures f = {.retry = retry};
		struct addr a = {0}, own = {0};
		int to = open_at(&a, 0), fd = open_at(&own, 0);

		close(to);
		CU_ASSERT_EQUAL(connect(fd, &a.sa, a.len), 0);
		CU_ASSERT_EQUAL(send(fd, "x", 1, 0), 1);
		struct pollfd p = {.fd = fd};
		CU_ASSERT_EQUAL(poll(&p, 1, 20000), 1); /* POLLERR: ICMP has spoken */
		to = open_at(&a, 0);
		reset();
		for (int i = 0; i < 9; i++)
			add(50, NULL);
		udp_send(&sender, fd, list.msg, list.count, note, &f);
		CU_ASSERT(f.count == 1 && f.index == 0 && f.err == ECONNREFUSED);
		for (unsigned i = retry ? 0 : 1; i < list.count; i++)
			expect_next(to, i);
		CU_ASSERT_EQUAL(recv(to, read_buf, 10, 0), -1);
		close(to);
		close(fd);
	}
}

/* A source address to answer from stays beside the segment's length. */
static void test_with_a_source_address(void)
{
	struct addr a = {0}, own = {0}, from = {0}, local = {0};
	struct udp_control control;
	int to = open_at(&a, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);

	own.in4 = (struct sockaddr_in){.sin_family = AF_INET};
	own.len = sizeof(own.in4);
	CU_ASSERT_EQUAL(bind(fd, &own.sa, own.len), 0);
	addr_from_in4(&local, "\x7f\0\0\x09", 0);
	udp_control_make(&control, AF_INET, &local, &a);
	reset();
	for (int i = 0; i < 5; i++) {
		add(70, &a);
		list.msg[i].msg_hdr.msg_control = control.bytes;
		list.msg[i].msg_hdr.msg_controllen = control.len;
	}
	CU_ASSERT_EQUAL(udp_send_run(list.msg, 5), 5);
	udp_send(&sender, fd, list.msg, list.count, never, NULL);
	for (unsigned i = 0; i < 5; i++) {
		from.len = sizeof(from.in4);
		CU_ASSERT_EQUAL(recvfrom(to, read_buf, sizeof(read_buf), 0, &from.sa, &from.len), 70);
		CU_ASSERT_EQUAL(memcmp(read_buf, payload + i, 70), 0);
		CU_ASSERT_EQUAL(from.in4.sin_addr.s_addr, htonl(0x7f000009));
	}
	close(to);
	close(fd);
}

/* --- several in one arrival --- */
static unsigned take_apart(const struct udp_batch *batch, unsigned i, unsigned at)
{
	for (size_t off = 0; off < batch->iov[i].iov_len; off += batch->segment[i], at++) {
		size_t left = batch->iov[i].iov_len - off, len = left < batch->segment[i] ? left : batch->segment[i];
		CU_ASSERT_EQUAL(len, list.iov[at][0].iov_len + list.iov[at][1].iov_len);
		CU_ASSERT_EQUAL(memcmp((uint8_t *)batch->iov[i].iov_base + off, payload + at, len), 0);
	}
	return at;
}

static void test_arrivals(void)
{
	static struct udp_batch batch;
	struct addr a = {0}, own = {0};
	int to = open_at(&a, 1), fd = open_at(&own, 0);
	unsigned at = 0;

	reset();
	for (int i = 0; i < 90; i++)
		add(i == 49 ? 60 : 120, &a);
	udp_send(&sender, fd, list.msg, list.count, never, NULL);
	CU_ASSERT_EQUAL_FATAL(udp_batch_init(&batch), 0);
	int n = udp_batch_receive(&batch, to);
	CU_ASSERT(n > 0);
	if (n == 90)
		unit_skip("this kernel has no UDP_GRO");
	for (int i = 0; i < n; i++) {
		CU_ASSERT(addr_equal(&batch.name[i], &own));
		at = take_apart(&batch, (unsigned)i, at);
	}
	CU_ASSERT_EQUAL(at, 90);
	udp_batch_fini(&batch);
	close(to);
	close(fd);
}

static const struct unit_case cases[] = {
	{"runs", test_runs},
	{"a run has one receiver and one source", test_runs_have_one_receiver},
	{"borders, order and receivers", test_borders_and_order},
	{"a failure costs one datagram", test_a_failure_costs_one},
	{"longer than the path", test_longer_than_the_path},
	{"an earlier error", test_an_earlier_error},
	{"with a source address", test_with_a_source_address},
	{"several datagrams in one arrival", test_arrivals},
};

UNIT_MAIN("udp_send", cases)
