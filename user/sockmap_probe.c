/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_probe.c - the start-up self-test of the kernel path: real sockets on loopback, every byte compared.
 *
 * Why: fixes are backported and configurations differ, so a version number says nothing. What is tried here is what
 * the engine does: data queued before joining, a bare FIN, a target slower than its source, out and in again.
 * Owns: its own sockets and one record of worker 0, all released before it returns.
 * Never: waits longer than a second in all.
 * See: include/sockmap.h; tests/kernel/ asserts the same facts one by one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sockmap_maps.h"

enum { PIECE = 16 * 1024, BULK_PIECES = 64, STEP_MS = 3000 };

/* client > source | target > server: what is written to client must arrive at server. */
struct rig {
	struct sockmap *sm;
	int client, source, target, server;
	uint64_t source_cookie, target_cookie;
	uint32_t record;
	uint32_t sent_word, seen_word; /* the stream is a count of 32-bit words */
	size_t seen_part;
	uint8_t part[4];
};

static int tcp_pair(int *a, int *b)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = *b = -1;
	if (listener < 0)
		return -errno;
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&sa, &len) == 0) {
		*a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (*a >= 0 && connect(*a, (struct sockaddr *)&sa, sizeof(sa)) == 0)
			*b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	}
	int err = *b < 0 ? -errno : 0;
	close(listener);
	return err;
}

static void close_all(struct rig *r)
{
	int *fds[] = {&r->client, &r->source, &r->target, &r->server};

	for (size_t i = 0; i < 4; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static bool send_piece(struct rig *r)
{
	uint32_t words[PIECE / 4];

	for (size_t i = 0; i < PIECE / 4; i++)
		words[i] = htonl(r->sent_word++);
	return send(r->client, words, sizeof(words), MSG_NOSIGNAL) == (ssize_t)sizeof(words);
}

static bool check_byte(struct rig *r, uint8_t byte)
{
	r->part[r->seen_part++] = byte;
	if (r->seen_part < 4)
		return true;
	uint32_t word;
	memcpy(&word, r->part, 4);
	r->seen_part = 0;
	return ntohl(word) == r->seen_word++;
}

/* Reads until all that was sent arrived, comparing. */
static bool receive_all(struct rig *r)
{
	uint8_t buf[PIECE];

	while (r->seen_word < r->sent_word) {
		struct pollfd p = {.fd = r->server, .events = POLLIN};
		if (poll(&p, 1, STEP_MS) != 1)
			return false;
		ssize_t n = recv(r->server, buf, sizeof(buf), 0);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++)
			if (!check_byte(r, buf[i]))
				return false;
	}
	return true;
}

static bool join(struct rig *r)
{
	struct flow_record *rec = &r->sm->records[r->record];

	rec->gate = FLOW_GATE_ARMED;
	rec->sequenced = 0;
	rec->pause = rec->soft = rec->hard = 16 * 1024 * 1024;
	if (sockmap_add_source(r->sm, r->source_cookie, r->source) < 0)
		return false;
	sockmap_kick(r->source);
	return true;
}

static void nap(long us)
{
	struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

static bool wait_drained(struct rig *r)
{
	struct tcp_totals totals;

	for (int i = 0; i < 3000; i++, nap(100)) {
		if (sockmap_tcp_totals(r->target, &totals) < 0)
			return false;
		if (totals.handed == r->sm->records[r->record].redirected)
			return true;
	}
	return false;
}

static const char *step_setup(struct rig *r)
{
	if (tcp_pair(&r->client, &r->source) < 0 || tcp_pair(&r->target, &r->server) < 0)
		return "loopback sockets";
	r->source_cookie = sockmap_cookie(r->source);
	r->target_cookie = sockmap_cookie(r->target);
	if (sockmap_add_target(r->sm, r->source_cookie, r->source) < 0 ||
	    sockmap_add_target(r->sm, r->target_cookie, r->target) < 0)
		return "inserting sockets";
	if (sockmap_add_slot(r->sm, r->source_cookie, r->record) < 0)
		return "inserting the slot";
	r->sm->records[r->record].source = r->source_cookie;
	r->sm->records[r->record].peer = r->target_cookie;
	return NULL;
}

static const char *step_queued_before(struct rig *r)
{
	if (!send_piece(r) || !join(r) || !receive_all(r))
		return "data queued before joining";
	return r->sm->records[r->record].redirected == PIECE ? NULL : "reading the target's TCP state";
}

static const char *step_slow_target(struct rig *r)
{
	for (int i = 0; i < BULK_PIECES; i++)
		if (!send_piece(r))
			return "bulk into a target that does not read";
	return receive_all(r) ? NULL : "bulk into a target that does not read";
}

static const char *step_out_and_in(struct rig *r)
{
	uint8_t byte;

	sockmap_quiesce(r->source);
	if (!sockmap_leave_source(r->sm, r->record))
		return "leaving the kernel path";
	sockmap_kick(r->source);
	if (!wait_drained(r) || !send_piece(r))
		return "leaving the kernel path";
	if (recv(r->server, &byte, 1, MSG_DONTWAIT) >= 0)
		return "leaving the kernel path";
	if (!join(r) || !receive_all(r))
		return "joining again";
	return NULL;
}

static const char *step_fin(struct rig *r)
{
	uint8_t byte;
	int err = 0;
	socklen_t len = sizeof(err);

	shutdown(r->client, SHUT_WR);
	struct pollfd p = {.fd = r->source, .events = POLLRDHUP};
	if (poll(&p, 1, STEP_MS) != 1)
		return "noticing a FIN";
	getsockopt(r->target, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err || !wait_drained(r) || shutdown(r->target, SHUT_WR) < 0)
		return "a FIN must not break the target";
	p = (struct pollfd){.fd = r->server, .events = POLLIN};
	if (poll(&p, 1, STEP_MS) != 1 || recv(r->server, &byte, 1, 0) != 0)
		return "passing a FIN on";
	return NULL;
}

int sockmap_selftest(struct sockmap *sm, char *why, size_t why_cap)
{
	static const char *(*const steps[])(struct rig *) = {
		step_setup, step_queued_before, step_slow_target, step_out_and_in, step_fin,
	};
	struct rig r = {.sm = sm, .client = -1, .source = -1, .target = -1, .server = -1};
	const char *failed = NULL;
	int err = sockmap_record_get(sm, 0, 0, 0, &r.record);

	if (err)
		return err;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !failed; i++)
		failed = steps[i](&r);
	close_all(&r);
	if (r.source_cookie)
		sockmap_del_slot(sm, r.source_cookie);
	sockmap_record_put(sm, 0, r.record);
	if (!failed)
		return 0;
	snprintf(why, why_cap, "the kernel path failed its self-test: %s", failed);
	return -ENOTSUP;
}
