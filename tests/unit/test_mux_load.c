/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mux_load.c - who does not read stops the others and not the memory; many streams at once, both ends ours.
 *
 * See: include/mux.h, tests/unit/mux_world.h.
 */
#include "mux_world.h"

#define SYN3 "\x01\x00\x00\x00\x03\x00\x00\x00"
#define OPEN3 "\x01\x02\x04\x00\x03\x00\x00\x00open"

/* --- stalls ------------------------------------------------------------------------------------------------------ */

/* Sends data of stream 3 until nobody takes it for a while. */
static size_t fill(struct world *w)
{
	static char frame[8 + 32768];
	size_t total = 0, off = 0;
	struct pollfd p = {.fd = w->peer, .events = POLLOUT};

	memcpy(frame, "\x01\x02\x00\x80\x03\x00\x00\x00", 8);
	while (poll(&p, 1, 300) > 0 && total < 64u << 20) {
		ssize_t n = send(w->peer, frame + off, sizeof(frame) - off, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			continue;
		off = (off + (size_t)n) % sizeof(frame);
		total += (size_t)n;
	}
	if (off) { /* the rest of the frame, once there is room */
		int fd = w->stream[0].fd;
		char buf[65536];
		size_t got = 0;
		while (got < 1 << 20) {
			ssize_t n = recv(fd, buf, sizeof(buf), 0);
			got += n > 0 ? (size_t)n : 0;
		}
		CU_ASSERT(send(w->peer, frame + off, sizeof(frame) - off, 0) > 0);
	}
	return total;
}

static void a_stalled_user_is_bounded(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 OPEN3 "\x01\x00\x00\x00\x05\x00\x00\x00\x01\x02\x04\x00\x05\x00\x00\x00open");
	sem_wait(&w.opened);
	sem_wait(&w.opened);
	SAY(&w, "\x01\x02\x05\x00\x05\x00\x00\x00hello"); /* the other stream is not held up */
	expect_user(w.stream[1].fd, "hello");
	size_t total = fill(&w);
	CU_ASSERT(total > 4u << 20);
	CU_ASSERT(total < 6u << 20);
	/* Its end lets everything else go on. */
	in_loop(&w, do_release_broken, &w.stream[0]);
	SAY(&w, "\x01\x02\x05\x00\x05\x00\x00\x00world");
	expect_user(w.stream[1].fd, "world");
	finish(&w);
}

/* A peer that does not read stops the user, not the memory. */
static void a_stalled_peer_is_bounded(void)
{
	static char block[65536];
	struct world w;
	size_t total = 0;

	fresh(&w, true, 1);
	in_loop(&w, do_open, &w);
	struct pollfd p = {.fd = w.stream[0].fd, .events = POLLOUT};
	while (poll(&p, 1, 300) > 0 && total < 64u << 20) {
		ssize_t n = send(w.stream[0].fd, block, sizeof(block), MSG_DONTWAIT);
		total += n > 0 ? (size_t)n : 0;
	}
	CU_ASSERT(total < 2u << 20);
	finish(&w);
}

/* Sends as a user for as long as it may; what the peer has got once it is the window and for 200 ms no more came. */
static size_t fill_the_window(struct world *w, size_t window)
{
	struct pollfd p[2] = {{.fd = w->stream[0].fd, .events = POLLOUT}, {.fd = w->peer, .events = POLLIN}};
	char buf[65536] = "";
	size_t heard = 0;

	while (heard < 2 * window && poll(p, 2, heard < window ? PATIENT_MS : 200) > 0) {
		if (p[0].revents)
			(void)!send(p[0].fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (p[1].revents)
			heard += (size_t)recv(p[1].fd, buf, sizeof(buf), 0);
	}
	return heard;
}

static void version_2_windows(void)
{
	static char frame[8 + 32768];
	struct world w;
	char buf[65536];
	size_t got = 0;

	fresh(&w, false, 2);
	SAY(&w, "\x02\x00\x00\x00\x03\x00\x00\x00\x02\x02\x04\x00\x03\x00\x00\x00open");
	sem_wait(&w.opened);
	memcpy(frame, "\x02\x02\x00\x80\x03\x00\x00\x00", 8);
	for (int i = 0; i < 4; i++)
		say(&w, frame, sizeof(frame));
	struct pollfd p = {.fd = w.stream[0].fd, .events = POLLIN};
	while (got < 4 * 32768 && poll(&p, 1, PATIENT_MS) > 0)
		got += (size_t)recv(w.stream[0].fd, buf, sizeof(buf), 0);
	CU_ASSERT_EQUAL(got, 4 * 32768);
	/* 131072 or a little more were taken: version, UPD, 8 bytes, stream 3, consumed, a window of 262144 */
	unsigned char upd[16];
	CU_ASSERT_EQUAL_FATAL(recv(w.peer, upd, 16, MSG_WAITALL), 16);
	CU_ASSERT(memcmp(upd, "\x02\x04\x08\x00\x03\x00\x00\x00", 8) == 0);
	CU_ASSERT(memcmp(upd + 12, "\x00\x00\x04\x00", 4) == 0);
	CU_ASSERT((upd[8] | upd[9] << 8 | upd[10] << 16) >= 131072);
	/* Our own data stops at the peer's window and goes on with its update. */
	size_t heard = fill_the_window(&w, 262144);
	size_t frames = heard / (8 + 1) + 1;
	CU_ASSERT(heard >= 262144 && heard <= 262144 + 8 * frames && heard < 300000);
	SAY(&w, "\x02\x04\x08\x00\x03\x00\x00\x00\x00\x00\x04\x00\x00\x00\x04\x00");
	CU_ASSERT(recv(w.peer, buf, 1, 0) == 1);
	finish(&w);
}

static void too_much_for_the_window(void)
{
	static char frame[8 + 65535];
	struct world w;

	fresh(&w, false, 2);
	SAY(&w, "\x02\x00\x00\x00\x03\x00\x00\x00\x02\x02\x04\x00\x03\x00\x00\x00open");
	sem_wait(&w.opened);
	memcpy(frame, "\x02\x02\xff\xff\x03\x00\x00\x00", 8);
	for (int i = 0; i < 100 && !w.ended; i++)
		send(w.peer, frame, sizeof(frame), MSG_NOSIGNAL);
	CU_ASSERT(has_ended(&w));
	CU_ASSERT_STRING_EQUAL(w.why, "a stream got more than its window");
	finish(&w);
}

/* --- both ends ours ------------------------------------------------------------------------------------------------ */

/* One user: sends len bytes of a pattern, expects as many of the other's, closes when both directions have ended. */
struct user {
	struct stream *stream;
	size_t send_len, expect_len;
	bool same;
};

static unsigned char pattern(size_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13);
}

static void *send_side(void *arg)
{
	struct user *u = arg;
	struct pollfd p = {.fd = u->stream->fd, .events = POLLOUT};
	unsigned seed = (unsigned)u->send_len;

	for (size_t sent = 0; sent < u->send_len;) {
		unsigned char buf[5000];
		size_t n = 1 + rand_r(&seed) % sizeof(buf);
		n = n < u->send_len - sent ? n : u->send_len - sent;
		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(sent + i);
		if (poll(&p, 1, PATIENT_MS) <= 0)
			break;
		ssize_t r = send(p.fd, buf, n, MSG_NOSIGNAL);
		sent += r > 0 ? (size_t)r : 0;
	}
	shutdown(p.fd, SHUT_WR);
	return NULL;
}

static bool receive_all(struct user *u)
{
	struct pollfd p = {.fd = u->stream->fd, .events = POLLIN};
	unsigned char buf[7000];
	size_t total = 0;
	bool same = true;

	while (poll(&p, 1, PATIENT_MS) > 0) {
		ssize_t n = recv(p.fd, buf, sizeof(buf), 0);
		if (n <= 0)
			return same && n == 0 && total == u->expect_len;
		for (ssize_t i = 0; i < n; i++, total++)
			same &= buf[i] == pattern(total);
	}
	return false;
}

static void *run_user(void *arg)
{
	struct user *u = arg;
	pthread_t sender;

	pthread_create(&sender, NULL, send_side, u);
	u->same = receive_all(u);
	pthread_join(sender, NULL);
	if (u->same)
		in_loop(u->stream->world, do_release_clean, u->stream);
	return NULL;
}

static void both_ends(uint8_t version)
{
	enum { N = 16 };
	static struct world client, server;
	struct user user[2 * N];
	pthread_t thread[2 * N];
	int pair[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	world_start(&client, pair[0], true, version);
	world_start(&server, pair[1], false, version);
	for (size_t i = 0; i < N; i++) {
		size_t len = i * i * i * 700;
		in_loop(&client, do_open, &client);
		sem_wait(&server.opened);
		user[2 * i] = (struct user){&client.stream[i], len, len / 2, false};
		user[2 * i + 1] = (struct user){&server.stream[i], len / 2, len, false};
	}
	for (int i = 0; i < 2 * N; i++)
		pthread_create(&thread[i], NULL, run_user, &user[i]);
	for (int i = 0; i < 2 * N; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 2 * N; i++)
		CU_ASSERT(user[i].same);
	for (int i = 0; i < N; i++)
		CU_ASSERT(!client.stream[i].was_reset && !server.stream[i].was_reset);
	for (int i = 0; i < PATIENT_MS / 10 && mux_stream_count(client.mux) + mux_stream_count(server.mux); i++)
		usleep(10000);
	CU_ASSERT_EQUAL(mux_stream_count(client.mux), 0);
	CU_ASSERT_EQUAL(mux_stream_count(server.mux), 0);
	finish(&client);
	finish(&server);
}

static void both_ends_1(void)
{
	both_ends(1);
}

static void both_ends_2(void)
{
	both_ends(2);
}

static const struct unit_case cases[] = {
	{"a user that does not read is bounded", a_stalled_user_is_bounded},
	{"a peer that does not read is bounded", a_stalled_peer_is_bounded},
	{"version 2: windows both ways", version_2_windows},
	{"version 2: more than the window", too_much_for_the_window},
	{"16 streams both ways, version 1", both_ends_1},
	{"16 streams both ways, version 2", both_ends_2},
};
UNIT_MAIN("mux_load", cases)
