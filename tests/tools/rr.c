/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rr.c - request-response rate and latency, and connect-request-close rate, through any TCP path.
 *
 *   rr server [ADDR:]PORT                          echoes until killed
 *   rr client HOST PORT CONNS SIZE SECONDS [MODE]  prints one JSON line; MODE: rr (default), crr, crr-rst
 *
 * rr keeps CONNS connections busy with one SIZE-byte message each. crr connects, sends one message, reads the
 * answer, half-closes, waits for the other side's end and closes; crr-rst resets instead (no TIME_WAIT). One
 * thread and one epoll instance each, so that the generator costs every path the same. Every answer is
 * compared with what was sent.
 * Exit status: 0, or 1 when there was an error, a wrong byte or no answer at all.
 */
#include "net.h"
#include "pattern.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>

enum { SIZE_MAX_BYTES = 1 << 20, EVENTS = 256, SUB = 64, BUCKETS = 48 * SUB };
enum mode { MODE_RR, MODE_CRR, MODE_CRR_RST };
enum state { CONNECTING, WAITING, ENDING };

struct conn {
	int fd;
	enum state state;
	uint64_t key, start_ns;
	size_t sent, got;
};

struct client {
	enum mode mode;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int ep;
	size_t size, conn_count;
	struct conn *conns;
	uint64_t serial, done, errors, mismatches, bucket[BUCKETS];
};

static unsigned char io_buf[SIZE_MAX_BYTES], want_buf[SIZE_MAX_BYTES];

/* --- histogram: 64 steps per power of two, so 1.6 % wide --- */
static unsigned bucket_of(uint64_t ns)
{
	unsigned msb = 63 - (unsigned)__builtin_clzll(ns | SUB);
	unsigned i = (msb - 6) * SUB + ((ns >> (msb - 6)) & (SUB - 1));

	return i < BUCKETS ? i : BUCKETS - 1;
}

static double percentile_us(const struct client *c, double share)
{
	uint64_t seen = 0, goal = (uint64_t)((double)c->done * share);

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += c->bucket[i];
		if (seen > goal)
			return (double)((uint64_t)(SUB + i % SUB) << (i / SUB)) / 1e3;
	}
	return 0;
}

/* --- server --- */
static void serve_accept(int ep, int lfd)
{
	int fd;

	while ((fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
		net_nodelay(fd);
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	}
}

static void serve_echo(int fd)
{
	ssize_t n = recv(fd, io_buf, sizeof(io_buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	for (ssize_t off = 0; off < n;) {
		ssize_t w = send(fd, io_buf + off, (size_t)(n - off), MSG_NOSIGNAL);
		if (w < 0 && errno != EAGAIN) {
			n = -1;
			break;
		}
		off += w > 0 ? w : 0; /* messages are small: a full buffer is only waited for here */
	}
	if (n <= 0)
		close(fd);
}

__attribute__((noreturn)) static void run_server(const char *where)
{
	struct epoll_event evs[EVENTS], ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), lfd = net_listen(where, 0);

	ev.data.fd = lfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	for (;;) {
		int n = epoll_wait(ep, evs, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (evs[i].data.fd == lfd)
				serve_accept(ep, lfd);
			else
				serve_echo(evs[i].data.fd);
		}
	}
}

/* --- client --- */
static void conn_close(struct conn *cn, bool reset)
{
	struct linger lg = { .l_onoff = 1 };

	if (reset)
		setsockopt(cn->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(cn->fd);
	cn->fd = -1;
}

static void conn_open(struct client *c, struct conn *cn)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = cn };

	*cn = (struct conn){ .state = CONNECTING, .start_ns = net_now_ns() };
	cn->fd = socket(c->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (cn->fd < 0)
		net_die("socket: %s", strerror(errno));
	net_nodelay(cn->fd);
	if (connect(cn->fd, (struct sockaddr *)&c->addr, c->addr_len) < 0 && errno != EINPROGRESS) {
		c->errors++; /* the socket reports EPOLLHUP and is opened again from there */
		if (errno == EADDRNOTAVAIL)
			usleep(1000);
	}
	epoll_ctl(c->ep, EPOLL_CTL_ADD, cn->fd, &ev);
}

static void conn_fail(struct client *c, struct conn *cn)
{
	c->errors++;
	conn_close(cn, true);
	conn_open(c, cn);
}

static void conn_done(struct client *c, struct conn *cn)
{
	c->bucket[bucket_of(net_now_ns() - cn->start_ns)]++;
	c->done++;
}

/* Sends what is left of the message; a full socket waits for EPOLLOUT. */
static void conn_send(struct client *c, struct conn *cn)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = cn };

	pattern_fill(cn->key, 0, want_buf, c->size);
	ssize_t n = send(cn->fd, want_buf + cn->sent, c->size - cn->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		conn_fail(c, cn);
		return;
	}
	cn->sent += n > 0 ? (size_t)n : 0;
	if (cn->sent < c->size)
		ev.events |= EPOLLOUT;
	if (cn->state == CONNECTING || (ev.events & EPOLLOUT))
		epoll_ctl(c->ep, EPOLL_CTL_MOD, cn->fd, &ev);
	cn->state = WAITING;
}

static void conn_next_message(struct client *c, struct conn *cn)
{
	cn->key = ++c->serial;
	cn->sent = cn->got = 0;
	if (cn->state != CONNECTING)
		cn->start_ns = net_now_ns();
	conn_send(c, cn);
}

static void conn_answered(struct client *c, struct conn *cn)
{
	if (c->mode == MODE_CRR) {
		shutdown(cn->fd, SHUT_WR);
		cn->state = ENDING;
		return;
	}
	conn_done(c, cn);
	if (c->mode == MODE_CRR_RST) {
		conn_close(cn, true);
		conn_open(c, cn);
	} else {
		conn_next_message(c, cn);
	}
}

static void conn_readable(struct client *c, struct conn *cn)
{
	ssize_t n = recv(cn->fd, io_buf, sizeof(io_buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 && cn->state == ENDING) {
		conn_done(c, cn);
		conn_close(cn, false);
		conn_open(c, cn);
		return;
	}
	if (n <= 0 || cn->got + (size_t)n > c->size) {
		conn_fail(c, cn);
		return;
	}
	if (pattern_check(cn->key, cn->got, io_buf, (size_t)n) != (size_t)n)
		c->mismatches++;
	cn->got += (size_t)n;
	if (cn->got == c->size)
		conn_answered(c, cn);
}

static void conn_event(struct client *c, struct conn *cn, uint32_t events)
{
	if (cn->state == CONNECTING) {
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(cn->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err || !(events & EPOLLOUT) || (events & EPOLLHUP))
			conn_fail(c, cn);
		else
			conn_next_message(c, cn);
		return;
	}
	if (events & EPOLLOUT)
		conn_send(c, cn);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_readable(c, cn);
}

static void client_run(struct client *c, double seconds)
{
	struct epoll_event evs[EVENTS];
	uint64_t end = net_now_ns() + (uint64_t)(seconds * 1e9);

	for (size_t i = 0; i < c->conn_count; i++)
		conn_open(c, &c->conns[i]);
	while (net_now_ns() < end) {
		int n = epoll_wait(c->ep, evs, EVENTS, 100);
		for (int i = 0; i < n; i++)
			conn_event(c, evs[i].data.ptr, evs[i].events);
	}
}

static enum mode parse_mode(const char *text)
{
	static const char *const names[] = { "rr", "crr", "crr-rst" };

	for (unsigned i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum mode)i;
	net_die("mode \"%s\": rr, crr or crr-rst", text);
}

static int run_client(int argc, char **argv)
{
	struct client c = { .ep = epoll_create1(EPOLL_CLOEXEC) };
	char where[160];

	snprintf(where, sizeof(where), strchr(argv[2], ':') ? "[%s]:%s" : "%s:%s", argv[2], argv[3]);
	c.addr_len = net_addr(where, &c.addr);
	c.conn_count = (size_t)net_long("CONNS", argv[4], 1, 60000);
	c.size = (size_t)net_long("SIZE", argv[5], 1, SIZE_MAX_BYTES);
	double seconds = strtod(argv[6], NULL);
	c.mode = argc > 7 ? parse_mode(argv[7]) : MODE_RR;
	c.conns = calloc(c.conn_count, sizeof(*c.conns));
	uint64_t start = net_now_ns();
	client_run(&c, seconds);
	double took = (double)(net_now_ns() - start) / 1e9;
	printf("{\"mode\": \"%s\", \"conns\": %zu, \"size\": %zu, \"seconds\": %.3f, \"rate\": %.1f, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"errors\": %llu, \"mismatches\": %llu}\n",
	       argc > 7 ? argv[7] : "rr", c.conn_count, c.size, took, (double)c.done / took,
	       percentile_us(&c, .5), percentile_us(&c, .99), percentile_us(&c, .999),
	       (unsigned long long)c.errors, (unsigned long long)c.mismatches);
	free(c.conns);
	return c.errors || c.mismatches || !c.done;
}

int main(int argc, char **argv)
{
	net_raise_nofile();
	if (argc == 3 && strcmp(argv[1], "server") == 0)
		run_server(argv[2]);
	if (argc >= 7 && argc <= 8 && strcmp(argv[1], "client") == 0)
		return run_client(argc, argv);
	fprintf(stderr, "usage: rr server [ADDR:]PORT | rr client HOST PORT CONNS SIZE SECONDS [rr|crr|crr-rst]\n");
	return 2;
}
