/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stalled.c - what a path does with senders whose reader has stopped: how much memory it takes, and who else suffers.
 *
 *   stalled -l HOST:PORT -u [HOST:]PORT [-k FLOWS] [-t SECONDS] [-limit MIB] [-gap MS] [-sndbuf BYTES] [-rcvbuf BYTES]
 *
 * It is both ends, as pipestress. FLOWS clients push for SECONDS at an upstream that takes 8 bytes of each and no
 * more, while one further session through the same path echoes 64-byte messages without a pause. Then the clients
 * half-close and the upstream reads everything: every byte is compared (pattern.h) and counted.
 * Prints one JSON line: growth of machine memory in use over the start (peak, and at the end of the stall), bytes
 * the path took per flow, echo rate and longest gap. Exit 0 only when every byte came, the echo never paused
 * longer than -gap (default 2000 ms) and the growth stayed under -limit (when given).
 * Never: measures one process; the kernel memory of sockets belongs to nobody in /proc.
 */
#include "net.h"
#include "pattern.h"

#include <sys/epoll.h>

enum { EVENTS = 128, BUF = 256 * 1024, FLOWS_MAX = 10000, ECHO_LEN = 64 };
enum role { LISTENER, PUSHER, ECHO_CLIENT, UNKNOWN_PEER, STALLED_PEER, ECHO_PEER, FINISHED };

struct peer {
	enum role role;
	int fd;
	uint32_t id;
	uint64_t pos; /* sent by a pusher, received by the upstream */
	size_t got;
	unsigned char head[8];
	bool shut;
};

struct run {
	int ep;
	struct peer pusher[FLOWS_MAX], upstream[FLOWS_MAX + 16], echo, listener;
	uint32_t flows, accepted, drained, limit_mib, gap_ms;
	int sndbuf;
	uint64_t mismatches, broken, echoes, echo_ns, echo_gap_ns, moved_ns;
	int64_t base_kib, peak_kib, stall_kib, end_kib;
	bool stalling, draining;
};

static struct run run;
static unsigned char buf[BUF];

static uint64_t key_of(uint32_t id)
{
	return pattern_mix(id + 77);
}

/* MemTotal without what is free or can be given back at once. */
static int64_t used_kib(void)
{
	static const char *const names[] = { "MemTotal:", "MemFree:", "Buffers:", "Cached:", "SReclaimable:" };
	int64_t used = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		for (unsigned i = 0; i < 5; i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				used += (i ? -1 : 1) * strtoll(line + strlen(names[i]), NULL, 10);
	}
	if (f)
		fclose(f);
	return used;
}

static void sample_memory(void)
{
	run.end_kib = used_kib();
	if (run.end_kib > run.peak_kib)
		run.peak_kib = run.end_kib;
}

static void watch(struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	epoll_ctl(run.ep, op, p->fd, &ev);
}

static void fail(struct peer *p, const char *what, int err)
{
	fprintf(stderr, "stalled: flow %u at %llu: %s%s%s\n", p->id, (unsigned long long)p->pos, what,
		err ? ": " : "", err ? strerror(err) : "");
	run.broken++;
	close(p->fd);
	p->fd = -1;
	p->role = FINISHED;
}

/* --- clients --- */
static void start_client(struct peer *p, enum role role, uint32_t id, const char *where)
{
	struct sockaddr_storage ss;
	socklen_t len = net_addr(where, &ss);

	*p = (struct peer){ .role = role, .id = id };
	p->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (run.sndbuf && role == PUSHER)
		setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &run.sndbuf, sizeof(run.sndbuf));
	net_nodelay(p->fd);
	if (connect(p->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		net_die("connect to %s: %s", where, strerror(errno));
	watch(p, EPOLL_CTL_ADD, EPOLLOUT);
}

static void fill(const struct peer *p, size_t len)
{
	pattern_fill(key_of(p->id), p->pos, buf, len);
	for (size_t i = 0; p->pos + i < 8; i++) /* the head: who it is */
		buf[i] = ((unsigned char[8]){ 'S', 0, 0, 0, p->id & 255, p->id >> 8 & 255, 0, 0 })[p->pos + i];
}

static void push(struct peer *p)
{
	if (!run.stalling) {
		shutdown(p->fd, SHUT_WR);
		p->shut = true;
		watch(p, EPOLL_CTL_MOD, EPOLLIN);
		return;
	}
	for (int i = 0; i < 4; i++) {
		fill(p, BUF);
		ssize_t n = send(p->fd, buf, BUF, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			fail(p, "send", errno);
			return;
		}
		p->pos += (uint64_t)n;
	}
}

static void pusher_event(struct peer *p, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP) && !p->shut) {
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		fail(p, "client", err);
	} else if (events & EPOLLOUT && !p->shut) {
		push(p);
	} else {
		ssize_t n = recv(p->fd, buf, BUF, 0);
		if (n != 0) {
			fail(p, "the client received instead of an end", n < 0 ? errno : 0);
			return;
		}
		close(p->fd);
		p->fd = -1;
		p->role = FINISHED;
	}
}

/* A failed echo shows as a gap that lasts to the end. */
static void echo_event(struct peer *p, uint32_t events)
{
	unsigned char msg[ECHO_LEN];
	uint64_t now = net_now_ns();

	pattern_fill(run.echoes, 0, msg, ECHO_LEN);
	memcpy(msg, "ECHOECHO", 8);
	if (!p->shut && events & EPOLLOUT) { /* connected: from here on one message is always on its way */
		p->shut = true;
		run.echo_ns = now;
		watch(p, EPOLL_CTL_MOD, EPOLLIN);
		send(p->fd, msg, ECHO_LEN, MSG_NOSIGNAL);
		return;
	}
	ssize_t n = recv(p->fd, buf, ECHO_LEN, 0);
	if (n <= 0) {
		fail(p, "the echo session ended", n < 0 ? errno : 0);
		return;
	}
	run.mismatches += p->got + (size_t)n > ECHO_LEN || memcmp(buf, msg + p->got, (size_t)n) != 0;
	p->got += (size_t)n;
	if (p->got < ECHO_LEN)
		return;
	p->got = 0;
	run.echoes++;
	if (now - run.echo_ns > run.echo_gap_ns)
		run.echo_gap_ns = now - run.echo_ns;
	run.echo_ns = now;
	pattern_fill(run.echoes, 0, msg, ECHO_LEN);
	memcpy(msg, "ECHOECHO", 8);
	send(p->fd, msg, ECHO_LEN, MSG_NOSIGNAL);
}

/* --- upstream --- */
static void accept_all(void)
{
	int fd;

	while ((fd = accept4(run.listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (run.accepted >= FLOWS_MAX + 16)
			net_die("the path opened more connections than there are sessions");
		struct peer *p = &run.upstream[run.accepted++];
		*p = (struct peer){ .role = UNKNOWN_PEER, .fd = fd };
		net_nodelay(fd);
		watch(p, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void classify(struct peer *p)
{
	ssize_t n = recv(p->fd, p->head + p->got, 8 - p->got, 0);

	if (n <= 0) {
		fail(p, "upstream before the head", n < 0 ? errno : 0);
		return;
	}
	p->got += (size_t)n;
	if (p->got < 8)
		return;
	p->pos = 8;
	p->id = p->head[4] | (uint32_t)p->head[5] << 8;
	p->role = p->head[0] == 'S' ? STALLED_PEER : ECHO_PEER;
	if (p->role == STALLED_PEER && !run.draining)
		watch(p, EPOLL_CTL_MOD, 0);
	else if (p->role == ECHO_PEER)
		send(p->fd, p->head, 8, MSG_NOSIGNAL);
}

static void echo_back(struct peer *p)
{
	ssize_t n = recv(p->fd, buf, BUF, 0);

	if (n > 0) {
		send(p->fd, buf, (size_t)n, MSG_NOSIGNAL);
		return;
	}
	close(p->fd);
	p->fd = -1;
	p->role = FINISHED;
}

static void drain(struct peer *p, uint32_t events)
{
	if (!run.draining && !(events & (EPOLLERR | EPOLLHUP)))
		return;
	ssize_t n = recv(p->fd, buf, BUF, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		fail(p, "upstream", errno);
		return;
	}
	if (n > 0) {
		if (pattern_check(key_of(p->id), p->pos, buf, (size_t)n) != (size_t)n)
			run.mismatches++;
		p->pos += (uint64_t)n;
		return;
	}
	if (p->id >= run.flows || run.pusher[p->id].pos != p->pos) {
		fprintf(stderr, "stalled: flow %u: %llu bytes came\n", p->id, (unsigned long long)p->pos);
		run.mismatches++;
	}
	close(p->fd);
	p->fd = -1;
	p->role = FINISHED;
	run.drained++;
}

static void peer_event(struct peer *p, uint32_t events)
{
	if (p->role != ECHO_CLIENT && p->role != ECHO_PEER)
		run.moved_ns = net_now_ns();
	switch (p->role) {
	case LISTENER: accept_all(); break;
	case PUSHER: pusher_event(p, events); break;
	case ECHO_CLIENT: echo_event(p, events); break;
	case UNKNOWN_PEER: classify(p); break;
	case STALLED_PEER: drain(p, events); break;
	case ECHO_PEER: echo_back(p); break;
	case FINISHED: break;
	}
}

static void turn(int timeout_ms)
{
	static uint64_t sampled;
	struct epoll_event evs[EVENTS];
	int n = epoll_wait(run.ep, evs, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++)
		peer_event(evs[i].data.ptr, evs[i].events);
	if (net_now_ns() - sampled > 50000000) {
		sampled = net_now_ns();
		sample_memory();
	}
}

static void stall(double seconds)
{
	uint64_t end = net_now_ns() + (uint64_t)(seconds * 1e9);

	run.stalling = true;
	while (net_now_ns() < end)
		turn(50);
	sample_memory();
	run.stall_kib = run.end_kib;
	run.stalling = false;
}

/* The reader is back: everything must come, and something must come all the time. */
static bool drain_all(void)
{
	run.draining = true;
	run.moved_ns = net_now_ns();
	for (uint32_t i = 0; i < run.accepted; i++)
		if (run.upstream[i].role == STALLED_PEER)
			watch(&run.upstream[i], EPOLL_CTL_MOD, EPOLLIN);
	for (uint32_t i = 0; i < run.flows; i++)
		if (run.pusher[i].role == PUSHER)
			watch(&run.pusher[i], EPOLL_CTL_MOD, EPOLLOUT);
	while (run.drained + run.broken < run.flows) {
		turn(50);
		if (net_now_ns() - run.moved_ns > 30000000000ULL)
			return false;
	}
	return true;
}

static int report(uint64_t pushed, double drain_s, bool stuck)
{
	double growth = (double)(run.peak_kib - run.base_kib) / 1024, gap_ms = (double)run.echo_gap_ns / 1e6;
	bool good = !stuck && !run.mismatches && !run.broken && run.drained == run.flows &&
		    gap_ms <= run.gap_ms && run.echoes && (!run.limit_mib || growth <= run.limit_mib);

	printf("{\"flows\": %u, \"growthPeakMiB\": %.1f, \"growthStallMiB\": %.1f, \"growthAfterMiB\": %.1f, "
	       "\"takenMiB\": %.1f, \"takenPerFlowMiB\": %.2f, \"echoes\": %llu, \"echoGapMs\": %.1f, \"drainSeconds\": %.2f, "
	       "\"mismatches\": %llu, \"broken\": %llu, \"missing\": %u, \"stuck\": %s, \"limitMiB\": %u, \"result\": \"%s\"}\n",
	       run.flows, growth, (double)(run.stall_kib - run.base_kib) / 1024,
	       (double)(run.end_kib - run.base_kib) / 1024, (double)pushed / 1048576,
	       (double)pushed / 1048576 / run.flows, (unsigned long long)run.echoes, gap_ms, drain_s,
	       (unsigned long long)run.mismatches, (unsigned long long)run.broken, run.flows - run.drained,
	       stuck ? "true" : "false", run.limit_mib, good ? "ok" : "FAIL");
	return good ? 0 : 1;
}

static void settle_base(void)
{
	run.base_kib = run.peak_kib = INT64_MAX;
	for (int i = 0; i < 10; i++, usleep(20000))
		if (used_kib() < run.base_kib)
			run.base_kib = run.peak_kib = used_kib();
}

int main(int argc, char **argv)
{
	const char *where = NULL, *up = NULL;
	double seconds = 10;
	int rcvbuf = 0;

	run.flows = 20, run.gap_ms = 2000, run.sndbuf = 256 * 1024;
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *opt = argv[i], *val = argv[i + 1];
		if (strcmp(opt, "-l") == 0) where = val;
		else if (strcmp(opt, "-u") == 0) up = val;
		else if (strcmp(opt, "-k") == 0) run.flows = (uint32_t)net_long(opt, val, 1, FLOWS_MAX);
		else if (strcmp(opt, "-t") == 0) seconds = strtod(val, NULL);
		else if (strcmp(opt, "-limit") == 0) run.limit_mib = (uint32_t)net_long(opt, val, 1, 1 << 20);
		else if (strcmp(opt, "-gap") == 0) run.gap_ms = (uint32_t)net_long(opt, val, 1, 1 << 20);
		else if (strcmp(opt, "-sndbuf") == 0) run.sndbuf = (int)net_long(opt, val, 0, 1 << 30);
		else if (strcmp(opt, "-rcvbuf") == 0) rcvbuf = (int)net_long(opt, val, 0, 1 << 30);
		else net_die("unknown option \"%s\"", opt);
	}
	if (!where || !up || argc % 2 == 0)
		net_die("usage: see the top of tests/tools/stalled.c");
	net_raise_nofile();
	run.ep = epoll_create1(EPOLL_CLOEXEC);
	run.listener = (struct peer){ .role = LISTENER, .fd = net_listen(up, rcvbuf) };
	watch(&run.listener, EPOLL_CTL_ADD, EPOLLIN);
	settle_base();
	start_client(&run.echo, ECHO_CLIENT, 0, where);
	for (uint32_t i = 0; i < run.flows; i++)
		start_client(&run.pusher[i], PUSHER, i, where);
	stall(seconds);
	uint64_t pushed = 0, start = net_now_ns();
	for (uint32_t i = 0; i < run.flows; i++)
		pushed += run.pusher[i].pos;
	bool stuck = !drain_all();
	if (run.echo_ns && net_now_ns() - run.echo_ns > run.echo_gap_ns)
		run.echo_gap_ns = net_now_ns() - run.echo_ns;
	sample_memory();
	return report(pushed, (double)(net_now_ns() - start) / 1e9, stuck);
}
