/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udprr.c - request-response rate through any UDP path, and whether every answer came to the client it was for.
 *
 *   udprr server [ADDR:]PORT                           echoes until killed, without a PROXY v2 header in front
 *   udprr client HOST PORT CLIENTS DATAGRAMS [SIZE [WINDOW]]    prints one JSON line
 *
 * Each client has a socket and WINDOW datagrams (1) under way; when all are answered it sends as many again, with one call. A
 * datagram says whose it is and which. An answer with another client's number
 * is "wrong", one with other bytes "corrupt", one that came too late or twice "stale"; none within half a second is "lost",
 * and the client goes on with the next ones.
 * Exit status: 0, or 1 when there was a wrong or corrupt answer, or none at all.
 */
#include "net.h"
#include "pattern.h"

#include <sys/epoll.h>

enum { BATCH = 64, WINDOW_MAX = 64, DATAGRAM_MAX = 65535, EVENTS = 256, SIZE_MIN = 16 };
static const uint64_t LOST_AFTER_NS = 500 * 1000000ull;
static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* --- server --- */
struct server {
	int fd;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage name[BATCH];
	unsigned char data[BATCH][DATAGRAM_MAX + 65];
};

static void serve_prepare(struct server *s)
{
	for (unsigned i = 0; i < BATCH; i++) {
		s->iov[i] = (struct iovec){ s->data[i], DATAGRAM_MAX };
		s->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i], .msg_iovlen = 1, .msg_name = &s->name[i],
						     .msg_namelen = sizeof(s->name[i]) };
	}
}

static size_t header_len(const unsigned char *p, size_t len)
{
	if (len < 16 || memcmp(p, signature, sizeof(signature)) != 0)
		return 0;
	size_t whole = 16 + (size_t)(p[14] << 8 | p[15]);
	return whole <= len ? whole : 0;
}

__attribute__((noreturn)) static void run_server(const char *where)
{
	static struct server s;
	struct sockaddr_storage ss;
	socklen_t len = net_addr(where, &ss);
	int size = 8 << 20;

	s.fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s.fd < 0 || bind(s.fd, (struct sockaddr *)&ss, len) < 0)
		net_die("bind %s: %s", where, strerror(errno));
	setsockopt(s.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (;;) {
		serve_prepare(&s);
		int n = recvmmsg(s.fd, s.msg, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			size_t head = header_len(s.data[i], s.msg[i].msg_len);
			s.iov[i] = (struct iovec){ s.data[i] + head, s.msg[i].msg_len - head };
		}
		for (int done = 0; done < n;) {
			int sent = sendmmsg(s.fd, s.msg + done, (unsigned)(n - done), 0);
			done += sent > 0 ? sent : 1;
		}
	}
}

/* --- client --- */
struct peer {
	int fd;
	uint64_t number, sequence, sent_ns; /* sequence: of the first under way */
	uint64_t waiting;		    /* bit per datagram under way that has no answer yet */
};

struct load {
	struct peer *peers;
	size_t count, size, window;
	uint64_t goal, sent, done, wrong, corrupt, stale, lost;
	int ep;
};

static unsigned char out_buf[WINDOW_MAX][DATAGRAM_MAX], in_buf[DATAGRAM_MAX];

static uint64_t key_of(uint64_t number, uint64_t sequence)
{
	return number << 32 | sequence;
}

static void fill(unsigned char *buf, size_t size, uint64_t number, uint64_t sequence)
{
	memcpy(buf, &number, 8);
	memcpy(buf + 8, &sequence, 8);
	pattern_fill(key_of(number, sequence), 0, buf + SIZE_MIN, size - SIZE_MIN);
}

static void send_all(const struct load *l, int fd, unsigned count)
{
	struct mmsghdr msg[WINDOW_MAX];
	struct iovec iov[WINDOW_MAX];

	for (unsigned i = 0; i < count; i++) {
		iov[i] = (struct iovec){ out_buf[i], l->size };
		msg[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
	}
	for (unsigned done = 0; done < count;) {
		int n = sendmmsg(fd, msg + done, count - done, 0);
		if (n <= 0 && errno != ECONNREFUSED)
			net_die("send: %s", strerror(errno));
		done += n > 0 ? (unsigned)n : 1;
	}
}

static void send_next(struct load *l, struct peer *p)
{
	uint64_t left = l->goal - l->sent;
	unsigned count = (unsigned)(left < l->window ? left : l->window);

	p->sequence += l->window;
	p->waiting = 0;
	p->sent_ns = count ? net_now_ns() : 0;
	for (unsigned i = 0; i < count; i++) {
		fill(out_buf[i], l->size, p->number, p->sequence + i);
		p->waiting |= UINT64_C(1) << i;
	}
	l->sent += count;
	if (count)
		send_all(l, p->fd, count);
}

static bool is_awaited(const struct load *l, const struct peer *p, uint64_t sequence)
{
	return sequence >= p->sequence && sequence - p->sequence < l->window &&
	       (p->waiting >> (sequence - p->sequence) & 1);
}

static void check_answer(struct load *l, struct peer *p, size_t len)
{
	uint64_t number = 0, sequence = 0;

	memcpy(&number, in_buf, 8);
	memcpy(&sequence, in_buf + 8, 8);
	if (len < SIZE_MIN || len != l->size ||
	    pattern_check(key_of(number, sequence), 0, in_buf + SIZE_MIN, len - SIZE_MIN) != len - SIZE_MIN) {
		l->corrupt++;
	} else if (number != p->number) {
		l->wrong++;
	} else if (!is_awaited(l, p, sequence)) {
		l->stale++;
	} else {
		l->done++;
		p->waiting &= ~(UINT64_C(1) << (sequence - p->sequence));
		if (!p->waiting)
			send_next(l, p);
	}
}

static void peer_readable(struct load *l, struct peer *p)
{
	for (unsigned i = 0; i < l->window; i++) {
		ssize_t n = recv(p->fd, in_buf, sizeof(in_buf), MSG_DONTWAIT);
		if (n < 0)
			return;
		check_answer(l, p, (size_t)n);
	}
}

/* False: nothing is under way any more. */
static bool give_up_lost(struct load *l)
{
	uint64_t now = net_now_ns();
	bool busy = false;

	for (size_t i = 0; i < l->count; i++) {
		struct peer *p = &l->peers[i];
		if (p->sent_ns && now - p->sent_ns > LOST_AFTER_NS) {
			l->lost += (uint64_t)__builtin_popcountll(p->waiting);
			send_next(l, p);
		}
		busy |= p->sent_ns != 0;
	}
	return busy;
}

static void open_peer(struct load *l, size_t i, const struct sockaddr_storage *to, socklen_t len)
{
	struct peer *p = &l->peers[i];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	p->number = i + 1;
	p->fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)to, len) < 0)
		net_die("client %zu: %s", i, strerror(errno));
	epoll_ctl(l->ep, EPOLL_CTL_ADD, p->fd, &ev);
}

static void run_load(struct load *l)
{
	struct epoll_event evs[EVENTS];
	uint64_t looked = net_now_ns();

	for (size_t i = 0; i < l->count; i++)
		send_next(l, &l->peers[i]);
	for (bool busy = true; busy;) {
		int n = epoll_wait(l->ep, evs, EVENTS, 100);
		for (int i = 0; i < n; i++)
			peer_readable(l, evs[i].data.ptr);
		if (l->done + l->lost >= l->goal || net_now_ns() - looked > 100 * 1000000ull) {
			busy = give_up_lost(l);
			looked = net_now_ns();
		}
	}
}

static int run_client(int argc, char **argv)
{
	struct load l = { .ep = epoll_create1(EPOLL_CLOEXEC) };
	struct sockaddr_storage to;
	char where[160];

	snprintf(where, sizeof(where), strchr(argv[2], ':') ? "[%s]:%s" : "%s:%s", argv[2], argv[3]);
	socklen_t len = net_addr(where, &to);
	l.count = (size_t)net_long("CLIENTS", argv[4], 1, 60000);
	l.goal = (uint64_t)net_long("DATAGRAMS", argv[5], 1, 1000000000);
	l.size = argc > 6 ? (size_t)net_long("SIZE", argv[6], SIZE_MIN, 65507) : 64;
	l.window = argc > 7 ? (size_t)net_long("WINDOW", argv[7], 1, WINDOW_MAX) : 1;
	l.peers = calloc(l.count, sizeof(*l.peers));
	for (size_t i = 0; i < l.count; i++)
		open_peer(&l, i, &to, len);
	uint64_t start = net_now_ns();
	run_load(&l);
	double took = (double)(net_now_ns() - start) / 1e9;
	printf("{\"clients\": %zu, \"size\": %zu, \"window\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"answered\": %llu, \"lost\": %llu, "
	       "\"wrong\": %llu, \"corrupt\": %llu, \"stale\": %llu}\n",
	       l.count, l.size, l.window, took, (double)l.done / took, (unsigned long long)l.done, (unsigned long long)l.lost,
	       (unsigned long long)l.wrong, (unsigned long long)l.corrupt, (unsigned long long)l.stale);
	free(l.peers);
	return l.wrong || l.corrupt || !l.done;
}

int main(int argc, char **argv)
{
	net_raise_nofile();
	if (argc == 3 && strcmp(argv[1], "server") == 0)
		run_server(argv[2]);
	if (argc >= 6 && argc <= 8 && strcmp(argv[1], "client") == 0)
		return run_client(argc, argv);
	fprintf(stderr, "usage: udprr server [ADDR:]PORT | udprr client HOST PORT CLIENTS DATAGRAMS [SIZE [WINDOW]]\n");
	return 2;
}
