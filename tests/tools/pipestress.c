/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipestress.c - drives random sessions through a TCP path and notices anything that is not exactly a pipe.
 *
 *   pipestress -l HOST:PORT -u [HOST:]PORT [-n SESSIONS] [-c CONCURRENCY] [-s SEED] [-max BYTES]
 *              [-no-empty] [-aborts PERCENT] [-deadline SECONDS] [-bulk BYTES]
 *
 * It is both ends: clients connect to -l, the upstream listens on -u, and the path under test joins the two (the same
 * address twice: no path). Each stream follows its plan (stressplan.h): length, chunk sizes, pauses, buffers, who
 * half-closes first. Every byte is compared on arrival; the end must come exactly at the planned length, as a FIN,
 * unless the sender has reset on purpose (-aborts), which must then be seen as a reset and never as a clean end.
 * -bulk: every stream is BYTES long, both directions at once, at full speed and without pauses.
 * Two threads, one per side, which share nothing but the two counters that say who is done.
 * Prints one JSON line; exit 0 only without mismatch, reset, stuck or missing stream.
 */
#include "net.h"
#include "stressplan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/queue.h>

enum { EVENTS = 256, BURST = 8, BUF = 256 * 1024, REPORTS = 10 };

struct end {
	LIST_ENTRY(end) link;
	struct side *side;
	int fd;
	uint32_t id, armed;
	struct plan tx, rx; /* rx: the sender's plan, once its head has come (rx_known) */
	uint64_t head, rx_head, tx_pos, rx_pos, tx_wake, rx_wake, moved_ns;
	bool connected, tx_shut, rx_eof, rx_known, bad;
};

struct result {
	uint64_t bytes, ok, content, shortened, extra, foreign, missing, resets, stuck, connect_errors, hidden_aborts;
	uint64_t aborted, anonymous_resets, empty, small;
};

struct side {
	const struct stress_config *cfg;
	enum dir dir; /* of what this side sends: the client side UP, the upstream DOWN */
	int ep, lfd;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	LIST_HEAD(, end) ends;
	uint32_t opened, active;
	uint64_t scan_ns, now, quiet_ns; /* quiet: since then nothing was accepted (from clients_done on) */
	unsigned char *seen; /* streams of the other side that have begun to arrive */
	struct result res;
	unsigned char buf[BUF], want[BUF];
};

static atomic_bool clients_done;
static atomic_int reports;

__attribute__((format(printf, 3, 4))) static void complain(struct end *e, uint64_t *counter, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	(*counter)++;
	e->bad = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&reports, 1) < REPORTS)
		fprintf(stderr, "pipestress: %s end %u (sent %llu of %llu, received %llu of %llu%s): %s\n",
			e->side->dir == UP ? "client" : "upstream", e->id, (unsigned long long)e->tx_pos,
			(unsigned long long)e->tx.len, (unsigned long long)e->rx_pos,
			(unsigned long long)e->rx.len, e->rx_known ? "" : "?", text);
}

static void wake_at(struct end *e, uint64_t *slot, uint32_t ms)
{
	*slot = e->side->now + ms * 1000000ULL;
	if (*slot < e->side->scan_ns)
		e->side->scan_ns = *slot;
}

static void end_free(struct end *e)
{
	if (!e->bad)
		e->side->res.ok++;
	close(e->fd);
	LIST_REMOVE(e, link);
	e->side->active--;
	free(e);
}

static void end_reset(struct end *e)
{
	struct linger lg = { .l_onoff = 1 };

	setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	end_free(e);
}

/* The other side, or the path, has reset the connection: planned or a failure. */
static void end_broken(struct end *e, int err)
{
	struct result *r = &e->side->res;

	if (e->side->dir == DOWN && e->rx_known && e->rx.abort_at)
		r->aborted++;
	else if (e->side->dir == DOWN && !e->rx_known && e->side->cfg->aborts_pct)
		r->anonymous_resets++;
	else if (!e->connected)
		complain(e, &r->connect_errors, "connect: %s", strerror(err));
	else
		complain(e, &r->resets, "%s", strerror(err));
	end_reset(e);
}

/* --- receiving --- */
static void rx_take_plan(struct end *e, uint32_t id)
{
	struct side *s = e->side;

	e->rx = plan_make(s->cfg, !s->dir, id);
	e->rx_known = true;
	if (e->tx.rcvbuf && e->rx.len < MIB)
		setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &e->tx.rcvbuf, sizeof(e->tx.rcvbuf));
}

/* Eight bytes are here: which stream is it? */
static bool rx_identify(struct end *e)
{
	struct side *s = e->side;
	uint32_t id = (uint32_t)(e->rx_head >> 8) & (ID_MAX - 1);

	if (id >= s->cfg->sessions || e->rx_head != head_word(s->cfg, !s->dir, id)) {
		complain(e, &s->res.foreign, "first bytes %016llx are no stream's", (unsigned long long)e->rx_head);
		return false;
	}
	if (s->seen[id]++) {
		complain(e, &s->res.foreign, "stream %u arrives a second time", id);
		return false;
	}
	rx_take_plan(e, id);
	return true;
}

/* Bytes before the head is complete. Returns how many were taken, or -1. */
static ssize_t rx_take_head(struct end *e, const unsigned char *p, size_t len)
{
	unsigned char *head = (unsigned char *)&e->rx_head;
	size_t n = 0;

	while (n < len && e->rx_pos < HEAD_LEN && !e->rx_known) {
		head[e->rx_pos++] = p[n++];
		if (head[0] > SHORT_MARK && head[0] < SHORT_MARK + HEAD_LEN) { /* short stream */
			e->rx.len = head[0] & 7;
			e->rx_known = true;
			e->side->res.small += e->rx.len;
		}
	}
	if (!e->rx_known && e->rx_pos == HEAD_LEN && !rx_identify(e))
		return -1;
	return (ssize_t)n;
}

static size_t rx_check(const struct end *e, const unsigned char *p, size_t len)
{
	size_t n = 0;

	if (!e->rx_known || e->rx.len >= HEAD_LEN)
		return pattern_check(e->rx.key, e->rx_pos, p, len);
	while (n < len && p[n] == (SHORT_MARK | e->rx.len))
		n++;
	return n;
}

static bool rx_take_bytes(struct end *e, const unsigned char *p, size_t len)
{
	struct result *r = &e->side->res;

	r->bytes += len;
	if (!e->rx_known) {
		ssize_t n = rx_take_head(e, p, len);
		if (n < 0)
			return false;
		p += n, len -= (size_t)n;
	}
	if (e->rx_known && e->rx_pos + len > e->rx.len) {
		complain(e, &r->extra, "bytes after the planned end");
		return false;
	}
	size_t good = rx_check(e, p, len);
	if (good != len) {
		complain(e, &r->content, "byte %llu differs; what came belongs at %lld",
			 (unsigned long long)(e->rx_pos + good), (long long)pattern_locate(e->rx.key, p + good, len - good));
		return false;
	}
	e->rx_pos += len;
	return true;
}

static bool rx_take_eof(struct end *e)
{
	struct result *r = &e->side->res;

	e->rx_eof = true;
	if (e->rx_known && e->rx.abort_at) {
		complain(e, &r->hidden_aborts, "a reset arrived as a clean end");
		return false;
	}
	if (!e->rx_known && e->rx_pos == 0) {
		r->empty++;
	} else if (!e->rx_known || e->rx_pos != e->rx.len) {
		complain(e, &r->shortened, "clean end before the planned one");
		return false;
	}
	return true;
}

/* false: the end is gone. */
static bool end_receive(struct end *e)
{
	struct side *s = e->side;
	struct plan *p = &e->tx; /* how this end reads is part of its own plan */
	uint64_t before = e->rx_pos;

	for (int i = 0; i < BURST && !e->rx_eof; i++) {
		ssize_t n = recv(e->fd, s->buf, p->rx_chunk, 0);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end_broken(e, errno);
			return false;
		}
		e->moved_ns = s->now;
		if (!(n ? rx_take_bytes(e, s->buf, (size_t)n) : rx_take_eof(e))) {
			end_reset(e);
			return false;
		}
		if (p->rx_pauses && before / p->rx_pause_every != e->rx_pos / p->rx_pause_every) {
			p->rx_pauses--;
			wake_at(e, &e->rx_wake, p->rx_pause_ms);
			break;
		}
	}
	return true;
}

/* --- sending --- */
/* Whoever waits must not wait for one who waits as well: the client's plan goes first, and is known by its head. */
static bool may_shut(const struct end *e)
{
	if (!e->tx.wait_eof || e->rx_eof || e->bad)
		return true;
	return e->side->dir == DOWN && e->rx_known && e->rx.wait_eof;
}

/* false: there is no connection left to shut. */
static bool end_sent_all(struct end *e)
{
	if (e->tx.fin_ms) {
		wake_at(e, &e->tx_wake, e->tx.fin_ms);
		e->tx.fin_ms = 0;
	} else if (may_shut(e)) {
		e->tx_shut = true;
		e->moved_ns = e->side->now;
		return shutdown(e->fd, SHUT_WR) == 0;
	}
	return true;
}

static bool end_send(struct end *e)
{
	struct side *s = e->side;
	struct plan *p = &e->tx;
	uint64_t limit = p->abort_at ? p->abort_at : p->len;

	for (int i = 0; i < BURST && e->tx_pos < limit; i++) {
		size_t len = limit - e->tx_pos < p->tx_chunk ? (size_t)(limit - e->tx_pos) : p->tx_chunk;
		uint64_t before = e->tx_pos;
		stream_fill(p, e->head, e->tx_pos, s->want, len);
		ssize_t n = send(e->fd, s->want, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			end_broken(e, errno);
			return false;
		}
		e->moved_ns = s->now;
		e->tx_pos += (size_t)n;
		if (p->tx_pauses && before / p->tx_pause_every != e->tx_pos / p->tx_pause_every) {
			p->tx_pauses--;
			wake_at(e, &e->tx_wake, p->tx_pause_ms);
			return true;
		}
	}
	if (p->abort_at && e->tx_pos == limit) {
		s->res.aborted++;
		end_reset(e);
		return false;
	}
	return true;
}

static void end_arm(struct end *e, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = e };

	if (e->armed != events)
		epoll_ctl(e->side->ep, EPOLL_CTL_MOD, e->fd, &ev);
	e->armed = events;
}

/* Does what can be done now; events 0: a pause is over. May free the end. */
static void end_step(struct end *e, uint32_t events)
{
	uint64_t now = e->side->now;

	if (events & (EPOLLERR | EPOLLHUP))
		e->rx_wake = e->tx_wake = 0; /* news: look at once, and do not spin on a level that stays */
	if (!e->connected && !(events & EPOLLOUT))
		events |= EPOLLERR;
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && e->rx_wake <= now && !end_receive(e))
		return;
	e->connected = true;
	if (!e->tx_shut && e->tx_wake <= now) {
		if (!end_send(e))
			return;
		if (e->tx_pos == e->tx.len && e->tx_wake <= now && !end_sent_all(e)) {
			end_broken(e, errno);
			return;
		}
	}
	if (e->rx_eof && e->tx_shut) {
		end_free(e);
		return;
	}
	end_arm(e, (e->rx_eof || e->rx_wake > now ? 0 : EPOLLIN) |
			   (e->tx_pos == e->tx.len || e->tx_wake > now ? 0 : EPOLLOUT));
}

/* --- the two sides --- */
static void end_new(struct side *s, int fd, bool connected)
{
	struct end *e = calloc(1, sizeof(*e));

	*e = (struct end){ .side = s, .fd = fd, .id = s->opened++, .armed = EPOLLIN | EPOLLOUT,
			   .connected = connected, .moved_ns = s->now };
	e->tx = plan_make(s->cfg, s->dir, e->id);
	e->head = head_word(s->cfg, s->dir, e->id);
	struct epoll_event ev = { .events = e->armed, .data.ptr = e };
	if (e->tx.start_ms)
		wake_at(e, &e->tx_wake, e->tx.start_ms);
	if (e->tx.sndbuf && e->tx.len < 4 * MIB)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &e->tx.sndbuf, sizeof(e->tx.sndbuf));
	if (e->id & 1)
		net_nodelay(fd);
	LIST_INSERT_HEAD(&s->ends, e, link);
	s->active++;
	epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &ev);
}

static void client_fill(struct side *s)
{
	while (s->active < s->cfg->concurrency && s->opened < s->cfg->sessions) {
		int fd = socket(s->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			net_die("socket: %s", strerror(errno));
		connect(fd, (struct sockaddr *)&s->addr, s->addr_len); /* an error comes back as an event */
		end_new(s, fd, false);
	}
}

static void upstream_accept(struct side *s)
{
	int fd;

	while ((fd = accept4(s->lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		s->quiet_ns = 0;
		if (s->opened < s->cfg->sessions) {
			end_new(s, fd, true);
		} else {
			s->res.foreign++;
			close(fd);
		}
	}
}

/* Ends pauses that are over, and finds ends that nothing moves any more. */
static void side_scan(struct side *s)
{
	struct end *e, *next;

	s->scan_ns = s->now + 1000000000ULL;
	for (e = LIST_FIRST(&s->ends); e; e = next) {
		next = LIST_NEXT(e, link);
		bool due = (e->tx_wake && e->tx_wake <= s->now) || (e->rx_wake && e->rx_wake <= s->now);
		bool may = e->tx_pos == e->tx.len && !e->tx_shut && e->tx_wake <= s->now;
		for (int i = 0; i < 2; i++) {
			uint64_t wake = i ? e->tx_wake : e->rx_wake;
			if (wake > s->now && wake < s->scan_ns)
				s->scan_ns = wake;
		}
		if (s->now - e->moved_ns > s->cfg->deadline_ns) {
			complain(e, &s->res.stuck, "stuck");
			end_reset(e);
		} else if (e->connected && (due || may)) {
			e->tx_wake = e->tx_wake > s->now ? e->tx_wake : 0;
			e->rx_wake = e->rx_wake > s->now ? e->rx_wake : 0;
			end_step(e, 0);
		}
	}
}

static bool side_done(struct side *s)
{
	if (s->active)
		return false;
	if (s->dir == UP)
		return s->opened == s->cfg->sessions;
	if (!atomic_load(&clients_done))
		return false;
	if (!s->quiet_ns)
		s->quiet_ns = s->now;
	return s->opened == s->cfg->sessions || s->now - s->quiet_ns > 1000000000ULL;
}

static void *side_run(void *arg)
{
	struct side *s = arg;
	struct epoll_event evs[EVENTS];

	s->now = net_now_ns();
	s->scan_ns = s->now + 1000000;
	for (;;) {
		if (s->dir == UP)
			client_fill(s);
		uint64_t wait = s->scan_ns > s->now ? (s->scan_ns - s->now + 999999) / 1000000 : 0;
		int n = epoll_wait(s->ep, evs, EVENTS, wait < 100 ? (int)wait : 100);
		s->now = net_now_ns();
		for (int i = 0; i < n; i++) {
			if (!evs[i].data.ptr)
				upstream_accept(s);
			else
				end_step(evs[i].data.ptr, evs[i].events);
		}
		if (n == 0 && side_done(s))
			return NULL;
		if (s->now >= s->scan_ns)
			side_scan(s);
	}
}

static void side_init(struct side *s, const struct stress_config *cfg, enum dir dir)
{
	struct epoll_event ev = { .events = EPOLLIN };

	s->cfg = cfg, s->dir = dir;
	s->ep = epoll_create1(EPOLL_CLOEXEC);
	s->seen = calloc(cfg->sessions, 1);
	if (s->lfd >= 0)
		epoll_ctl(s->ep, EPOLL_CTL_ADD, s->lfd, &ev);
}

/* What never arrived at this side, and what arrived empty without having been planned so. */
static void side_count_missing(struct side *s, uint64_t aborted)
{
	uint64_t empty = 0, small = 0, missing = 0;

	for (uint32_t id = 0; id < s->cfg->sessions; id++) {
		struct plan p = plan_make(s->cfg, !s->dir, id);
		empty += p.len == 0;
		small += p.len < HEAD_LEN ? p.len : 0;
		missing += p.len >= HEAD_LEN && !s->seen[id] && !p.abort_at;
	}
	if (s->cfg->aborts_pct) { /* the other side of an aborted session may be cut anywhere, or never begin */
		missing = missing > aborted ? missing - aborted : 0;
	} else if (s->res.empty != empty || s->res.small != small) {
		fprintf(stderr, "pipestress: %s: %llu empty streams instead of %llu, %llu bytes in short ones instead of %llu\n",
			s->dir == UP ? "client" : "upstream", (unsigned long long)s->res.empty,
			(unsigned long long)empty, (unsigned long long)s->res.small, (unsigned long long)small);
		missing += s->res.empty != empty ? s->res.empty > empty ? s->res.empty - empty : empty - s->res.empty : 1;
	}
	s->res.missing = missing;
}

static int report(struct side *c, struct side *u, double seconds)
{
	struct result *a = &c->res, *b = &u->res;
	uint64_t content = a->content + b->content, lost = a->shortened + b->shortened, extra = a->extra + b->extra;
	uint64_t foreign = a->foreign + b->foreign, missing = a->missing + b->missing;
	uint64_t resets = a->resets + b->resets + a->connect_errors, stuck = a->stuck + b->stuck;
	uint64_t mismatches = content + lost + extra + foreign + missing + b->hidden_aborts;
	bool good = !mismatches && !resets && !stuck && c->opened == c->cfg->sessions;

	printf("{\"sessions\": %u, \"accepted\": %u, \"ok\": %llu, \"mismatches\": %llu, \"stuck\": %llu, \"resets\": %llu, "
	       "\"content\": %llu, \"short\": %llu, \"long\": %llu, \"foreign\": %llu, \"missing\": %llu, "
	       "\"hiddenAborts\": %llu, \"aborted\": %llu, \"connectErrors\": %llu, \"bytesUp\": %llu, \"bytesDown\": %llu, "
	       "\"seed\": %llu, \"seconds\": %.2f, \"result\": \"%s\"}\n",
	       c->opened, u->opened, (unsigned long long)a->ok, (unsigned long long)mismatches,
	       (unsigned long long)stuck, (unsigned long long)resets, (unsigned long long)content,
	       (unsigned long long)lost, (unsigned long long)extra, (unsigned long long)foreign,
	       (unsigned long long)missing, (unsigned long long)b->hidden_aborts, (unsigned long long)a->aborted,
	       (unsigned long long)a->connect_errors, (unsigned long long)b->bytes, (unsigned long long)a->bytes,
	       (unsigned long long)c->cfg->seed, seconds, good ? "ok" : "FAIL");
	return good ? 0 : 1;
}

static void parse_args(int argc, char **argv, struct stress_config *cfg, struct side *c, struct side *u)
{
	for (int i = 1; i < argc; i++) {
		const char *opt = argv[i];
		if (strcmp(opt, "-no-empty") == 0) {
			cfg->no_empty = true;
			continue;
		}
		const char *val = ++i < argc ? argv[i] : "";
		if (strcmp(opt, "-l") == 0)
			c->addr_len = net_addr(val, &c->addr);
		else if (strcmp(opt, "-u") == 0)
			u->lfd = net_listen(val, 0);
		else if (strcmp(opt, "-n") == 0)
			cfg->sessions = (uint32_t)net_long(opt, val, 1, ID_MAX - 1);
		else if (strcmp(opt, "-c") == 0)
			cfg->concurrency = (uint32_t)net_long(opt, val, 1, 20000);
		else if (strcmp(opt, "-s") == 0)
			cfg->seed = (uint64_t)net_long(opt, val, 0, INT64_MAX);
		else if (strcmp(opt, "-max") == 0)
			cfg->max_len = (uint64_t)net_long(opt, val, 0, INT64_MAX);
		else if (strcmp(opt, "-bulk") == 0)
			cfg->bulk_len = (uint64_t)net_long(opt, val, HEAD_LEN, INT64_MAX);
		else if (strcmp(opt, "-aborts") == 0)
			cfg->aborts_pct = (uint32_t)net_long(opt, val, 0, 100);
		else if (strcmp(opt, "-deadline") == 0)
			cfg->deadline_ns = (uint64_t)net_long(opt, val, 1, 3600) * 1000000000ULL;
		else
			net_die("unknown option \"%s\" (see the top of tests/tools/pipestress.c)", opt);
	}
	if (!c->addr_len || u->lfd < 0)
		net_die("usage: pipestress -l HOST:PORT -u [HOST:]PORT [-n N] [-c N] [-s SEED] [-max BYTES] "
			"[-no-empty] [-aborts PERCENT] [-deadline SECONDS] [-bulk BYTES]");
}

int main(int argc, char **argv)
{
	struct stress_config cfg = { .seed = 1, .max_len = 64 * MIB, .deadline_ns = 30000000000ULL,
				     .sessions = 300, .concurrency = 64 };
	static struct side clients = { .lfd = -1 }, upstream = { .lfd = -1 };
	pthread_t thread;

	net_raise_nofile();
	parse_args(argc, argv, &cfg, &clients, &upstream);
	side_init(&clients, &cfg, UP);
	side_init(&upstream, &cfg, DOWN);
	uint64_t start = net_now_ns();
	pthread_create(&thread, NULL, side_run, &upstream);
	side_run(&clients);
	atomic_store(&clients_done, true);
	pthread_join(thread, NULL);
	side_count_missing(&clients, clients.res.aborted);
	side_count_missing(&upstream, 0);
	int rc = report(&clients, &upstream, (double)(net_now_ns() - start) / 1e9);
	free(clients.seen);
	free(upstream.seen);
	return rc;
}
