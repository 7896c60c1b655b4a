/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_udp_line.c - datagrams through a stream that takes and gives a few bytes at a time; a full one; late answers; every end.
 *
 * See: user/udp_line.c.
 */
#include "udp_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connector.h"
#include "unit.h"

/* One line, and the other end of its stream by hand. */
static struct world {
	struct loop *loop;
	struct loop_io io;
	struct udp_line line;
	int peer;
	char got[4096]; /* every datagram with its length in front */
	unsigned datagrams, pauses, ends;
	int end_err;
	char why[160];
	bool close_on_datagram;
} w;

static void on_datagram(struct udp_line *l, const struct datagram *d)
{
	size_t at = strlen(w.got);

	snprintf(w.got + at, sizeof(w.got) - at, "%zu:%.*s ", d->len, (int)(d->len < 40 ? d->len : 40), (const char *)d->data);
	w.datagrams++;
	if (w.close_on_datagram)
		udp_line_close(l);
}

static void on_pause(struct udp_line *l)
{
	CU_ASSERT(!l->closed);
	w.pauses++;
}

static void on_ended(struct udp_line *l, int err, const char *why)
{
	CU_ASSERT(l->closed);
	w.ends++;
	w.end_err = err;
	snprintf(w.why, sizeof(w.why), "%s", why);
}

static const struct udp_line_ops ops = {.datagram = on_datagram, .pause = on_pause, .ended = on_ended};

static void on_io(struct loop_io *io, uint32_t events)
{
	(void)io, (void)events;
}

static void open_world(const struct connector_ops *late, unsigned late_count)
{
	int pair[2], small = 4096;

	memset(&w, 0, sizeof(w));
	CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	w.io.fd = -1;
	CU_ASSERT_EQUAL_FATAL(loop_io_add(w.loop, &w.io, pair[0], EPOLLIN, on_io), 0);
	w.peer = pair[1];
	udp_line_open(&w.line, &(struct udp_line_setup){.loop = w.loop, .io = &w.io, .framing = &datagram_counted, .ops = &ops,
							.late = late, .late_count = late_count});
}

static void close_world(void)
{
	udp_line_close(&w.line);
	udp_line_close(&w.line); /* twice is fine */
	loop_io_close(w.loop, &w.io);
	close(w.peer);
	loop_free(w.loop);
}

static void say(const void *data, size_t len)
{
	CU_ASSERT_EQUAL(send(w.peer, data, len, 0), (ssize_t)len);
	udp_line_ready(&w.line);
}

static int put(const char *text, size_t len)
{
	return udp_line_put(&w.line, NULL, &(struct iovec){(void *)(uintptr_t)text, len}, 1);
}

/* --- in ------------------------------------------------------------------------------------------------------ */

static const char stream[] = "\x00\x03one\x00\x00\x00\x05three";

static void test_cut_anywhere(void)
{
	for (size_t cut = 0; cut < sizeof(stream); cut++) {
		open_world(NULL, 0);
		say(stream, cut);
		say(stream + cut, sizeof(stream) - 1 - cut);
		CU_ASSERT_STRING_EQUAL(w.got, "3:one 0: 5:three ");
		CU_ASSERT(w.line.in == NULL && w.line.read_bytes == sizeof(stream) - 1);
		close_world();
	}
}

static void test_byte_by_byte_keeps_no_more_than_there_is(void)
{
	open_world(NULL, 0);
	for (size_t i = 0; i + 1 < sizeof(stream); i++) {
		say(stream + i, 1);
		CU_ASSERT(w.line.in_cap == w.line.in_len && w.line.in_len < 7);
	}
	CU_ASSERT_STRING_EQUAL(w.got, "3:one 0: 5:three ");
	close_world();
}

static void test_feed(void)
{
	open_world(NULL, 0);
	udp_line_feed(&w.line, stream, 4);
	udp_line_feed(&w.line, stream + 4, sizeof(stream) - 1 - 4);
	CU_ASSERT_STRING_EQUAL(w.got, "3:one 0: 5:three ");
	close_world();
}

static void test_longest(void)
{
	size_t len = DATAGRAM_DATA_MAX, sent = 0;
	char *frame = calloc(1, len + 2);

	open_world(NULL, 0);
	memset(frame, 'x', len + 2);
	memset(frame, 0xff, 2);
	while (sent < len + 2) {
		ssize_t n = send(w.peer, frame + sent, len + 2 - sent, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		udp_line_ready(&w.line);
	}
	CU_ASSERT(w.datagrams == 1 && !strncmp(w.got, "65535:xxx", 9));
	close_world();
	free(frame);
}

static void test_closed_by_its_user(void)
{
	open_world(NULL, 0);
	w.close_on_datagram = true;
	say(stream, sizeof(stream) - 1);
	CU_ASSERT(w.datagrams == 1 && !w.pauses && !w.ends);
	CU_ASSERT_EQUAL(put("x", 1), -EPIPE);
	udp_line_ready(&w.line);
	udp_line_flush(&w.line);
	close_world();
}

/* --- late answers ----------------------------------------------------------------------------------------------- */

static void test_late_answers(void)
{
	static const char answers[] = "\x01\x00\x00\x00\x01\x00\x00\x00\x00\x02hi";

	for (size_t cut = 0; cut < sizeof(answers); cut++) {
		open_world(&connector_relay_ops, 2);
		say(answers, cut);
		say(answers + cut, sizeof(answers) - 1 - cut);
		CU_ASSERT_STRING_EQUAL(w.got, "2:hi ");
		CU_ASSERT(!w.ends);
		close_world();
	}
}

static void test_late_refusal(void)
{
	open_world(&connector_relay_ops, 1);
	say("\x01\x07\x00\x00", 4);
	CU_ASSERT(w.ends == 1 && w.end_err == -ECONNREFUSED && strstr(w.why, "network unreachable"));
	close_world();
	open_world(&connector_relay_ops, 1);
	say("\x01", 1);
	close(w.peer);
	w.peer = -1;
	udp_line_ready(&w.line);
	CU_ASSERT(w.ends == 1 && w.end_err == -ECONNREFUSED && strstr(w.why, "before it answered"));
	close_world();
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

static void test_ends(void)
{
	open_world(NULL, 0);
	shutdown(w.peer, SHUT_WR);
	udp_line_ready(&w.line);
	CU_ASSERT(w.ends == 1 && w.end_err == 0);
	close_world();
	open_world(NULL, 0);
	say(stream, 3);
	shutdown(w.peer, SHUT_WR);
	udp_line_ready(&w.line);
	CU_ASSERT(w.ends == 1 && w.end_err == -EPROTO);
	close_world();
	open_world(NULL, 0);
	w.line.set.framing = &datagram_addressed;
	say("\x00\x01\x00", 3);
	CU_ASSERT(w.ends == 1 && w.end_err == -EPROTO);
	close_world();
	open_world(NULL, 0);
	w.line.set.framing = &datagram_addressed;
	say("\x00\x01\xff\x01\x7f\x00\x00\x01\x00\x35x\x00\x01\x00", 14); /* a good one, then nonsense */
	CU_ASSERT(w.datagrams == 1 && w.pauses == 1 && w.ends == 1 && w.end_err == -EPROTO);
	close_world();
	open_world(NULL, 0);
	close(w.peer);
	w.peer = -1;
	CU_ASSERT_EQUAL(put("x", 1), 0);
	udp_line_flush(&w.line);
	CU_ASSERT(w.ends == 1 && w.end_err == -EPIPE);
	close_world();
}

/* --- out ------------------------------------------------------------------------------------------------------------- */

static void test_parts(void)
{
	struct iovec part[] = {{"head", 4}, {"body", 4}};
	char got[32];

	open_world(NULL, 0);
	CU_ASSERT_EQUAL(udp_line_put(&w.line, NULL, part, 2), 0);
	CU_ASSERT_EQUAL(put("", 0), 0);
	udp_line_flush(&w.line);
	CU_ASSERT_EQUAL(recv(w.peer, got, sizeof(got), 0), 12);
	CU_ASSERT(!memcmp(got, "\x00\x08headbody\x00\x00", 12));
	CU_ASSERT(w.line.out == NULL && w.line.written_bytes == 12);
	close_world();
}

/* A full stream: whole datagrams are lost, what arrives are whole ones, in order. */
static void test_full(void)
{
	char data[1000], frame[1002];
	unsigned queued = 0, dropped = 0, seen = 0;
	int last = -1;

	open_world(NULL, 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(data, sizeof(data), "%04d", i);
		int err = put(data, sizeof(data));
		CU_ASSERT(err == 0 || err == -ENOBUFS);
		err ? dropped++ : queued++;
		udp_line_flush(&w.line);
	}
	CU_ASSERT(dropped > 0 && w.line.out_len <= UDP_LINE_OUT_MAX && w.line.out_cap <= 2 * UDP_LINE_OUT_MAX);
	for (size_t have = 0;;) {
		ssize_t n = recv(w.peer, frame + have, sizeof(frame) - have, MSG_DONTWAIT);
		if (n < 0 && !w.line.out_len)
			break;
		udp_line_ready(&w.line);
		have += n > 0 ? (size_t)n : 0;
		if (have < sizeof(frame))
			continue;
		CU_ASSERT(!memcmp(frame, "\x03\xe8", 2) && atoi(frame + 2) > last);
		last = atoi(frame + 2);
		seen++;
		have = 0;
	}
	CU_ASSERT_EQUAL(seen, queued);
	CU_ASSERT(w.line.out == NULL && !w.ends);
	close_world();
}

static void test_what_cannot_be_said(void)
{
	char *data = calloc(1, DATAGRAM_DATA_MAX + 1);
	struct socks_target peer = {.host = "127.0.0.1", .port = 53};

	open_world(NULL, 0);
	CU_ASSERT_EQUAL(put(data, DATAGRAM_DATA_MAX + 1), -EMSGSIZE);
	w.line.set.framing = &datagram_addressed;
	CU_ASSERT_EQUAL(udp_line_put(&w.line, &peer, &(struct iovec){data, 0}, 1), -ENOMSG);
	CU_ASSERT_EQUAL(w.line.out_len, 0);
	close_world();
	free(data);
}

static const struct unit_case cases[] = {
	{"frames cut anywhere", test_cut_anywhere},
	{"single bytes, and no more memory than bytes", test_byte_by_byte_keeps_no_more_than_there_is},
	{"bytes that were read already", test_feed},
	{"the longest datagram", test_longest},
	{"its user closes it while it reads", test_closed_by_its_user},
	{"late answers, cut anywhere", test_late_answers},
	{"a late refusal, and none", test_late_refusal},
	{"every end", test_ends},
	{"a datagram in parts, an empty one", test_parts},
	{"a full stream loses whole datagrams", test_full},
	{"what a framing cannot say is not sent", test_what_cannot_be_said},
};
UNIT_MAIN("udp_line", cases)
