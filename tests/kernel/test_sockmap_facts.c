/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sockmap_facts.c - what user/engine_sockmap.c takes for granted about the kernel, one case per fact.
 *
 * See: rig.h; a failing case names the rule of the engine that no longer holds.
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "rig.h"

/* Rule: kick after joining. */
static void queued_data_moves_on_kick(void)
{
	struct rig r;
	char buf[8];

	if (!rig_open(&r))
		return;
	CU_ASSERT(send(r.client, "before", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(rig_join(&r) == 0);
	sockmap_kick(r.source);
	CU_ASSERT(read_full(r.server, buf, 6) && memcmp(buf, "before", 6) == 0);
	CU_ASSERT(r.rec->redirected == 6);
	rig_close(&r);
}

/*
 * Rule: an skb that begins with bytes already taken (partly read, or a retransmission that overlaps) is cut by the program; the
 * kernel alone would redirect it whole.
 */
static void overlap_is_trimmed(void)
{
	struct rig r;
	static char big[64 * 1024];
	char buf[64];

	if (!rig_open(&r))
		return;
	memset(big, 'b', 20000);
	memcpy(big + 20000, "rest", 4);
	CU_ASSERT(send(r.client, big, 20004, 0) == 20004);
	nap_us(20000);
	for (int left = 20000; left > 0;) {
		ssize_t n = recv(r.source, big, (size_t)(left < 7000 ? left : 7000), 0);
		CU_ASSERT_FATAL(n > 0);
		left -= (int)n;
	}
	CU_ASSERT(rig_join(&r) == 0);
	sockmap_kick(r.source);
	CU_ASSERT(read_full(r.server, buf, 4) && memcmp(buf, "rest", 4) == 0);
	CU_ASSERT(send(r.client, "next", 4, 0) == 4);
	CU_ASSERT(read_full(r.server, buf, 4) && memcmp(buf, "next", 4) == 0);
	CU_ASSERT(r.rec->trims == 1 && r.rec->redirected == 8);
	rig_close(&r);
}

/* Rule: a bare FIN is dropped by the program, and the reverse direction lives on. */
static void fin_leaves_the_target_usable(void)
{
	struct rig r;
	char buf[8];
	int err = -1;
	socklen_t len = sizeof(err);

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	CU_ASSERT(send(r.client, "x", 1, 0) == 1 && read_full(r.server, buf, 1));
	shutdown(r.client, SHUT_WR);
	struct pollfd p = {.fd = r.source, .events = POLLRDHUP};
	CU_ASSERT(poll(&p, 1, 2000) == 1 && (p.revents & POLLRDHUP));
	CU_ASSERT(getsockopt(r.target, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);
	CU_ASSERT(send(r.target, "user", 4, MSG_NOSIGNAL) == 4 && read_full(r.server, buf, 4));
	CU_ASSERT(recv(r.source, buf, 1, MSG_DONTWAIT) == 0);
	rig_close(&r);
}

/* Rule: a socket with a FIN stays native. */
static void half_closed_socket_is_refused(void)
{
	struct rig r;

	if (!rig_open(&r))
		return;
	shutdown(r.client, SHUT_WR);
	nap_us(20000);
	CU_ASSERT(rig_join(&r) == -EOPNOTSUPP);
	rig_close(&r);
}

/* Rule: the drained test. All four totals are exact, and a received FIN counts as one. */
static void totals_are_exact(void)
{
	struct rig r;
	struct tcp_totals source, target;

	if (!rig_open(&r))
		return;
	CU_ASSERT(send(r.target, "own", 3, 0) == 3);
	r.rec->written = 3;
	CU_ASSERT(rig_join(&r) == 0);
	uint64_t sent = push_words(r.client, 0, 1 << 20);
	char own[3];
	CU_ASSERT(read_full(r.server, own, 3));
	CU_ASSERT(pull_words(r.server, 0, sent));
	shutdown(r.client, SHUT_WR);
	nap_us(50000);
	CU_ASSERT(sockmap_tcp_totals(r.source, &source) == 0 && sockmap_tcp_totals(r.target, &target) == 0);
	CU_ASSERT(r.rec->redirected == sent);
	CU_ASSERT(source.received == sent + 1);
	CU_ASSERT(target.handed == sent + 3);
	CU_ASSERT(target.acked - (sent + 3) <= 1); /* the side that connected counts its SYN */
	rig_close(&r);
}

/* Rule: without limits the kernel takes everything; this is why the program has them. */
static void redirect_has_no_back_pressure(void)
{
	struct rig r;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	uint64_t sent = 0;
	for (int i = 0; i < 200 && sent < 64 << 20; i++, nap_us(2000))
		sent += push_words(r.client, sent / 8, (64 << 20) - sent);
	CU_ASSERT(sent >= 64 << 20);
	CU_ASSERT(pull_words(r.server, 0, sent));
	rig_close(&r);
}

static uint64_t push_until_blocked(struct rig *r)
{
	uint64_t sent = 0, before;

	do {
		before = sent;
		sent += push_words(r->client, sent / 8, 256 << 20);
		nap_us(50000);
	} while (sent != before && sent < 512u << 20);
	return sent;
}

/* Rule: the hard limit alone bounds what the target holds; the rest stays readable in user space, in order. */
static void hard_limit_bounds_the_target(void)
{
	struct rig r;
	const uint32_t hard = 2 << 20;

	if (!rig_open(&r))
		return;
	r.rec->soft = r.rec->hard = hard;
	CU_ASSERT(rig_join(&r) == 0);
	uint64_t sent = push_until_blocked(&r);
	CU_ASSERT(sent < 128 << 20);
	CU_ASSERT(r.rec->gate == FLOW_GATE_SHUT);
	CU_ASSERT(r.rec->notified == 1);
	CU_ASSERT(r.rec->redirected <= hard + (1 << 20));
	CU_ASSERT(r.rec->passed > 0);
	CU_ASSERT(pull_words(r.server, 0, r.rec->redirected));
	/* Passed bytes follow the redirected ones without a gap. */
	uint64_t first = r.rec->redirected / 8, part = r.rec->redirected % 8;
	uint64_t word[64];
	CU_ASSERT(read_full(r.source, word, sizeof(word)));
	uint64_t expect[65];
	for (size_t i = 0; i < 65; i++)
		expect[i] = first + i;
	CU_ASSERT(memcmp(word, (char *)expect + part, sizeof(word)) == 0);
	rig_close(&r);
}

/* Rule: bytes the target cannot send yet are counted apart from the limits, told once, and redirecting goes on. */
static void unsent_bytes_ask_for_a_pause(void)
{
	struct rig r;

	if (!rig_open(&r))
		return;
	r.rec->pause = 256 << 10;
	CU_ASSERT(rig_join(&r) == 0);
	CU_ASSERT(push_words(r.client, 0, 128 << 10) >= 128 << 10);
	nap_us(20000);
	CU_ASSERT(r.rec->hinted == 0);
	uint64_t sent = r.rec->redirected;
	sent += push_from(r.client, sent, 32 << 20); /* the server reads nothing: more than its window is left to send */
	nap_us(100000);
	CU_ASSERT(r.rec->hinted == 1 && r.rec->notified == 0);
	CU_ASSERT(r.rec->gate == FLOW_GATE_OPEN && r.rec->passed == 0);
	CU_ASSERT(pull_words(r.server, 0, sent));
	rig_close(&r);
}

/*
 * Rule: a source held in the map keeps what comes until it is released, or until its window is full: then the kernel calls the
 * verdict all the same, and a held source with an open gate is no bound of memory.
 */
static void held_source_is_redirected_when_full(void)
{
	struct rig r;
	int buffer = 512 << 10, window = 256 << 10;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	setsockopt(r.source, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(r.source, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
	sockmap_quiesce(r.source);
	CU_ASSERT(push_words(r.client, 0, 32 << 10) == 64 << 10);
	nap_us(20000);
	CU_ASSERT(r.rec->redirected == 0);
	uint64_t sent = (64 << 10) + push_from(r.client, 64 << 10, 4 << 20);
	nap_us(100000);
	CU_ASSERT(r.rec->redirected > 0);
	CU_ASSERT(pull_words(r.server, 0, r.rec->redirected));
	uint64_t seen = r.rec->redirected;
	sockmap_kick(r.source);
	CU_ASSERT(pull_from(r.server, seen, sent - seen, 2000));
	rig_close(&r);
}

/* Rule: with the gate shut all data goes through the verdict to user space in order, and then the source can leave. */
static void shut_gate_passes_in_order(void)
{
	struct rig r;
	char buf[16];

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	r.rec->gate = FLOW_GATE_SHUT;
	CU_ASSERT(send(r.client, "passed", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(send(r.client, "second", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(r.rec->passed == 12);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 12 && memcmp(buf, "passedsecond", 12) == 0);
	sockmap_quiesce(r.source);
	CU_ASSERT(send(r.client, "queued", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(r.rec->passed == 12);
	rig_delete(&r);
	sockmap_kick(r.source);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 6 && memcmp(buf, "queued", 6) == 0);
	rig_close(&r);
}

/*
 * Rule: passed data must be read while the source is in the map (outside, reading it leaves the socket's sequence behind and
 * native reads stall). A source that left too early can be put back and lose nothing.
 */
static void unread_passed_data_survives_leaving(void)
{
	struct rig r;
	char buf[16];

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	r.rec->gate = FLOW_GATE_SHUT;
	CU_ASSERT(send(r.client, "passed", 6, 0) == 6);
	nap_us(20000);
	sockmap_quiesce(r.source);
	rig_delete(&r);
	CU_ASSERT(send(r.client, "queued", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(sockmap_add_source(r.sm, r.source_cookie, r.source) == 0);
	sockmap_kick(r.source);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 12 && memcmp(buf, "passedqueued", 12) == 0);
	sockmap_quiesce(r.source);
	rig_delete(&r);
	sockmap_kick(r.source);
	CU_ASSERT(send(r.client, "native", 6, 0) == 6);
	nap_us(20000);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 6 && memcmp(buf, "native", 6) == 0);
	rig_close(&r);
}

/* Rule: what piles up while a flow is parked is redirected in one go when it joins again. */
static void parked_data_is_redirected_on_return(void)
{
	struct rig r;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	uint64_t sent = push_words(r.client, 0, 64 * 1024);
	CU_ASSERT(pull_words(r.server, 0, sent));
	sockmap_quiesce(r.source);
	rig_delete(&r);
	uint64_t more = push_words(r.client, sent / 8, 64 * 1024);
	CU_ASSERT(nothing_arrives(r.server, 50));
	CU_ASSERT(rig_join(&r) == 0);
	sockmap_kick(r.source);
	CU_ASSERT(pull_words(r.server, sent / 8, more));
	CU_ASSERT(r.rec->redirected == sent + more && r.rec->passed == 0);
	rig_close(&r);
}

/* Rule: quiesce, leave, come back, under load, any number of times: no byte lost, doubled or moved. */
static void quiesced_toggles_lose_nothing(void)
{
	struct rig r;
	uint64_t sent = 0, seen = 0;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	for (int i = 0; i < 2000; i++) {
		sent += push_words(r.client, sent / 8, 256 * 1024) & ~7ull;
		sockmap_quiesce(r.source);
		rig_delete(&r);
		if (rig_join(&r) < 0)
			break;
		sockmap_kick(r.source);
		if (sent - seen < 1 << 20)
			continue;
		CU_ASSERT_FATAL(pull_words(r.server, seen / 8, sent - seen));
		seen = sent;
	}
	CU_ASSERT(pull_words(r.server, seen / 8, sent - seen));
	CU_ASSERT(r.rec->redirected == sent);
	rig_close(&r);
}

enum { BUSY_BYTES = 256 << 20 };

static void *push_all(void *arg)
{
	struct rig *r = arg;

	for (uint64_t sent = 0; sent < BUSY_BYTES;) {
		struct pollfd p = {.fd = r->client, .events = POLLOUT};
		poll(&p, 1, 1000);
		sent += push_from(r->client, sent, BUSY_BYTES - sent);
	}
	return NULL;
}

struct pulling {
	struct rig *r;
	bool right;
	atomic_bool over;
};

static void *pull_all(void *arg)
{
	struct pulling *p = arg;

	p->right = pull_words(p->r->server, 0, BUSY_BYTES);
	atomic_store(&p->over, true);
	return NULL;
}

/* Rule: a source leaves through leave_sources only: then nothing is lost however fast its sender is. */
static void leaving_a_busy_source_loses_nothing(void)
{
	struct rig r;
	struct pulling pulling = {.r = &r};
	pthread_t pusher, puller;
	unsigned left = 0;

	if (!rig_open(&r))
		return;
	r.rec->margin = 64 * 1024;
	CU_ASSERT(rig_join(&r) == 0);
	pthread_create(&pusher, NULL, push_all, &r);
	pthread_create(&puller, NULL, pull_all, &pulling);
	while (!atomic_load(&pulling.over)) {
		sockmap_quiesce(r.source);
		if (sockmap_leave_source(r.sm, r.index)) {
			left++;
			CU_ASSERT_FATAL(rig_join(&r) == 0);
		}
		sockmap_kick(r.source);
		nap_us(200);
	}
	pthread_join(pusher, NULL);
	pthread_join(puller, NULL);
	CU_ASSERT(pulling.right);
	CU_ASSERT(r.rec->redirected == BUSY_BYTES && left > 10);
	rig_close(&r);
}

/* Rule: a source that comes back with a full queue and a large buffer: its sender is told that there is room, not left to ask. */
static void room_is_told(void)
{
	struct rig r;
	int small = 128 * 1024, large = 4 << 20, low = 1 << 20;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	for (uint64_t sent = 0, round = 0; round < 5; round++) {
		sockmap_quiesce(r.source);
		rig_delete(&r);
		setsockopt(r.source, SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof(small));
		setsockopt(r.client, SOL_SOCKET, SO_SNDBUFFORCE, &low, sizeof(low));
		uint64_t more = push_from(r.client, sent, 1 << 20);
		setsockopt(r.source, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large));
		CU_ASSERT(rig_join(&r) == 0);
		sockmap_kick(r.source);
		CU_ASSERT(pull_from(r.server, sent, more, 150));
		sent += more;
	}
	rig_close(&r);
}

/* Rule: a source whose window is nearly full stays in the map when asked to leave; one with passed data too. */
static void leaving_waits_for_the_verdict(void)
{
	struct rig r;
	char buf[16];

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	sockmap_quiesce(r.source);
	r.rec->margin = 1 << 30;
	CU_ASSERT(!sockmap_leave_source(r.sm, r.index));
	r.rec->ended = 1;
	CU_ASSERT(sockmap_leave_source(r.sm, r.index));
	CU_ASSERT(rig_join(&r) == 0);
	r.rec->ended = 0;
	r.rec->margin = 4096;
	r.rec->gate = FLOW_GATE_SHUT;
	sockmap_kick(r.source);
	CU_ASSERT(send(r.client, "passed", 6, 0) == 6);
	nap_us(20000);
	sockmap_quiesce(r.source);
	CU_ASSERT(!sockmap_leave_source(r.sm, r.index));
	sockmap_kick(r.source);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 6);
	r.rec->consumed = 6;
	sockmap_quiesce(r.source);
	CU_ASSERT(sockmap_leave_source(r.sm, r.index));
	CU_ASSERT(send(r.client, "native", 6, 0) == 6);
	sockmap_kick(r.source);
	nap_us(20000);
	CU_ASSERT(recv(r.source, buf, sizeof(buf), MSG_DONTWAIT) == 6 && memcmp(buf, "native", 6) == 0);
	rig_close(&r);
}

/* Rule: watch a spliced socket for EPOLLRDHUP only; EPOLLIN would wake the loop for every piece. */
static void rdhup_mask_is_not_woken_by_data(void)
{
	struct rig r;
	struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLET}, got;
	char buf[64];

	if (!rig_open(&r))
		return;
	int ep = epoll_create1(0);
	CU_ASSERT(rig_join(&r) == 0);
	CU_ASSERT(epoll_ctl(ep, EPOLL_CTL_ADD, r.source, &ev) == 0);
	for (int i = 0; i < 20; i++)
		CU_ASSERT(send(r.client, "x", 1, 0) == 1 && read_full(r.server, buf, 1));
	CU_ASSERT(epoll_wait(ep, &got, 1, 50) == 0);
	shutdown(r.client, SHUT_WR);
	CU_ASSERT(epoll_wait(ep, &got, 1, 2000) == 1 && (got.events & EPOLLRDHUP));
	close(ep);
	rig_close(&r);
}

/* Rule: a source may go away; what it gave the target still arrives. */
static void backlog_survives_the_source(void)
{
	struct rig r;

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	uint64_t sent = push_words(r.client, 0, 8 << 20);
	for (int i = 0; i < 400 && r.rec->redirected < sent; i++)
		nap_us(5000);
	CU_ASSERT(r.rec->redirected == sent);
	close_one(&r.source);
	CU_ASSERT(pull_words(r.server, 0, sent));
	rig_close(&r);
}

/* Rule: a reset is seen on the source as an error event, whatever map it is in. */
static void reset_is_seen(void)
{
	struct rig r;
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (!rig_open(&r))
		return;
	CU_ASSERT(rig_join(&r) == 0);
	setsockopt(r.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close_one(&r.client);
	struct pollfd p = {.fd = r.source, .events = POLLRDHUP};
	CU_ASSERT(poll(&p, 1, 2000) == 1 && (p.revents & POLLERR));
	rig_close(&r);
}

/* Rule: the self-test that decides at start-up passes where these facts hold. */
static void selftest_passes(void)
{
	struct rig r;
	char why[256] = "";

	if (!rig_open(&r))
		return;
	CU_ASSERT(sockmap_selftest(r.sm, why, sizeof(why)) == 0);
	if (why[0])
		printf("    %s\n", why);
	rig_close(&r);
}

static const struct unit_case cases[] = {
	{"queued data moves on a kick", queued_data_moves_on_kick},
	{"an overlap is trimmed", overlap_is_trimmed},
	{"a FIN leaves the target usable", fin_leaves_the_target_usable},
	{"a half-closed socket is refused", half_closed_socket_is_refused},
	{"totals are exact", totals_are_exact},
	{"redirect has no back-pressure", redirect_has_no_back_pressure},
	{"the hard limit bounds the target", hard_limit_bounds_the_target},
	{"unsent bytes ask for a pause", unsent_bytes_ask_for_a_pause},
	{"a held source is redirected when full", held_source_is_redirected_when_full},
	{"a shut gate passes in order", shut_gate_passes_in_order},
	{"unread passed data survives leaving", unread_passed_data_survives_leaving},
	{"parked data is redirected on return", parked_data_is_redirected_on_return},
	{"quiesced toggles lose nothing", quiesced_toggles_lose_nothing},
	{"leaving a busy source loses nothing", leaving_a_busy_source_loses_nothing},
	{"room is told", room_is_told},
	{"leaving waits for the verdict", leaving_waits_for_the_verdict},
	{"an RDHUP mask is not woken by data", rdhup_mask_is_not_woken_by_data},
	{"a backlog survives its source", backlog_survives_the_source},
	{"a reset is seen", reset_is_seen},
	{"the self-test passes", selftest_passes},
};

UNIT_MAIN("kernel facts", cases)
