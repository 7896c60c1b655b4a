/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxyload.c - connection set-up rate and bulk throughput through http and socks5 proxies.
 *
 *   proxyload sink [ADDR:]PORT                                       reads all, answers with the byte count, until killed
 *   proxyload crr  none|http|socks5 PROXY:PORT TARGET:PORT CONNS SECONDS   connect, handshake, 64 bytes there and back, close
 *   proxyload bulk none|http|socks5 PROXY:PORT TARGET:PORT CONNS SECONDS   send until the time is over
 *
 * Prints one JSON line. One thread per connection, plain blocking calls: the generator is the same for every proxy. crr
 * compares the answer with what was sent (the target echoes: rr server), bulk the count that the sink read with its own.
 * Exit status: 0, or 1 when anything failed.
 */
#include "net.h"
#include "pattern.h"

#include <pthread.h>

enum kind { KIND_NONE, KIND_HTTP, KIND_SOCKS5 };
enum { MESSAGE = 64, BLOCK = 256 * 1024, THREADS_MAX = 256 };

struct plan {
	enum kind kind;
	bool bulk;
	struct sockaddr_storage proxy, target;
	socklen_t proxy_len, target_len;
	char target_text[160];
	uint64_t end_ns;
};

struct worker {
	pthread_t thread;
	const struct plan *plan;
	uint64_t serial, done, bytes, errors;
};

/* --- blocking helpers --- */
static bool send_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool recv_exact(int fd, void *data, size_t len)
{
	for (char *p = data; len;) {
		ssize_t n = recv(fd, p, len, 0);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- sink --- */
static void *sink_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char *buf = malloc(BLOCK);
	uint64_t total = 0;
	ssize_t n;

	while (buf && (n = recv(fd, buf, BLOCK, 0)) > 0)
		total += (uint64_t)n;
	send_all(fd, &total, sizeof(total));
	free(buf);
	close(fd);
	return NULL;
}

__attribute__((noreturn)) static void run_sink(const char *where)
{
	int lfd = net_listen(where, 0);

	fcntl(lfd, F_SETFL, fcntl(lfd, F_GETFL) & ~O_NONBLOCK);
	for (;;) {
		pthread_t t;
		int fd = accept(lfd, NULL, NULL);
		if (fd >= 0 && pthread_create(&t, NULL, sink_one, (void *)(intptr_t)fd) == 0)
			pthread_detach(t);
	}
}

/* --- handshakes --- */
static bool shake_http(int fd, const struct plan *p)
{
	char buf[512];
	int len = snprintf(buf, sizeof(buf), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", p->target_text, p->target_text);
	size_t have = 0;

	if (!send_all(fd, buf, (size_t)len))
		return false;
	/* The target does not speak first, so nothing comes behind the head. */
	while (have < sizeof(buf) - 1) {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0);
		if (n <= 0)
			return false;
		have += (size_t)n;
		buf[have] = '\0';
		if (strstr(buf, "\r\n\r\n"))
			return !strncmp(buf + 8, " 200", 4);
	}
	return false;
}

static bool shake_socks5(int fd, const struct plan *p)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&p->target;
	unsigned char req[10] = {5, 1, 0, 1}, ans[10];

	memcpy(req + 4, &to->sin_addr, 4);
	memcpy(req + 8, &to->sin_port, 2);
	if (!send_all(fd, "\5\1\0", 3) || !recv_exact(fd, ans, 2) || ans[1] != 0)
		return false;
	return send_all(fd, req, sizeof(req)) && recv_exact(fd, ans, sizeof(ans)) && ans[1] == 0 && ans[3] == 1;
}

static int open_path(const struct plan *p)
{
	const struct sockaddr *to = (const struct sockaddr *)&p->proxy;
	int fd = socket(p->proxy.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	net_nodelay(fd);
	if (connect(fd, to, p->proxy_len) == 0 && (p->kind == KIND_NONE || (p->kind == KIND_HTTP && shake_http(fd, p)) ||
						   (p->kind == KIND_SOCKS5 && shake_socks5(fd, p))))
		return fd;
	close(fd);
	return -1;
}

/* --- load --- */
static bool one_exchange(struct worker *w)
{
	unsigned char out[MESSAGE], in[MESSAGE];
	int fd = open_path(w->plan);
	bool ok = false;

	if (fd < 0)
		return false;
	pattern_fill(++w->serial + (uint64_t)(uintptr_t)w, 0, out, sizeof(out));
	if (send_all(fd, out, sizeof(out)) && recv_exact(fd, in, sizeof(in)))
		ok = !memcmp(in, out, sizeof(in)) && shutdown(fd, SHUT_WR) == 0 && recv(fd, in, 1, 0) == 0;
	close(fd);
	return ok;
}

static bool one_bulk(struct worker *w)
{
	uint64_t total = 0, seen = 0;
	char *block = calloc(1, BLOCK);
	int fd = open_path(w->plan);
	bool ok = fd >= 0 && block;

	while (ok && net_now_ns() < w->plan->end_ns) {
		ok = send_all(fd, block, BLOCK);
		total += BLOCK;
	}
	ok = ok && shutdown(fd, SHUT_WR) == 0 && recv_exact(fd, &seen, sizeof(seen)) && seen == total;
	free(block);
	if (fd >= 0)
		close(fd);
	w->bytes += total;
	return ok;
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	do {
		bool ok = w->plan->bulk ? one_bulk(w) : one_exchange(w);
		w->done += ok;
		w->errors += !ok;
		if (!ok)
			usleep(1000);
	} while (net_now_ns() < w->plan->end_ns);
	return NULL;
}

static int run_load(struct plan *plan, const char *conns_text, const char *seconds_text)
{
	static struct worker workers[THREADS_MAX];
	size_t conns = (size_t)net_long("CONNS", conns_text, 1, THREADS_MAX);
	double seconds = strtod(seconds_text, NULL);
	uint64_t start = net_now_ns(), done = 0, bytes = 0, errors = 0;

	plan->end_ns = start + (uint64_t)(seconds * 1e9);
	for (size_t i = 0; i < conns; i++) {
		workers[i].plan = plan;
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			net_die("cannot start a thread");
	}
	for (size_t i = 0; i < conns; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
		bytes += workers[i].bytes;
		errors += workers[i].errors;
	}
	double took = (double)(net_now_ns() - start) / 1e9;
	printf("{\"seconds\": %.3f, \"rate\": %.1f, \"bytes\": %llu, \"gbps\": %.3f, \"errors\": %llu}\n", took,
	       (double)done / took, (unsigned long long)bytes, (double)bytes * 8 / took / 1e9, (unsigned long long)errors);
	return errors || !done;
}

static enum kind parse_kind(const char *text)
{
	static const char *const names[] = {"none", "http", "socks5"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, names[i]))
			return (enum kind)i;
	net_die("kind \"%s\": none, http or socks5", text);
}

int main(int argc, char **argv)
{
	struct plan plan = {0};

	net_raise_nofile();
	if (argc == 3 && !strcmp(argv[1], "sink"))
		run_sink(argv[2]);
	if (argc != 7 || (strcmp(argv[1], "crr") && strcmp(argv[1], "bulk"))) {
		fprintf(stderr, "usage: proxyload sink [ADDR:]PORT | proxyload crr|bulk none|http|socks5 PROXY:PORT TARGET:PORT "
				"CONNS SECONDS\n");
		return 2;
	}
	plan.bulk = !strcmp(argv[1], "bulk");
	plan.kind = parse_kind(argv[2]);
	plan.proxy_len = net_addr(argv[3], &plan.proxy);
	plan.target_len = net_addr(argv[4], &plan.target);
	snprintf(plan.target_text, sizeof(plan.target_text), "%s", argv[4]);
	return run_load(&plan, argv[5], argv[6]);
}
