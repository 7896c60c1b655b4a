/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mux.c - frames of streams against a peer that reads and writes them by hand: order, ends, breaks.
 *
 * See: include/mux.h, tests/unit/mux_world.h.
 */
#include "mux_world.h"

#define SYN3 "\x01\x00\x00\x00\x03\x00\x00\x00"
#define FIN3 "\x01\x01\x00\x00\x03\x00\x00\x00"
#define BROKEN3 "\x01\x02\x00\x00\x03\x00\x00\x00"
#define OPEN3 "\x01\x02\x04\x00\x03\x00\x00\x00open"
#define HELLO3 "\x01\x02\x05\x00\x03\x00\x00\x00hello"

static void client_side(void)
{
	struct world w;

	fresh(&w, true, 1);
	in_loop(&w, do_open, &w);
	HEAR(w.peer, SYN3 OPEN3);
	in_loop(&w, do_open, &w);
	HEAR(w.peer, "\x01\x00\x00\x00\x05\x00\x00\x00\x01\x02\x04\x00\x05\x00\x00\x00open");
	CU_ASSERT(write(w.stream[0].fd, "hello", 5) == 5);
	HEAR(w.peer, HELLO3);
	shutdown(w.stream[0].fd, SHUT_WR);
	HEAR(w.peer, FIN3);
	SAY(&w, "\x01\x02\x02\x00\x03\x00\x00\x00yo" FIN3);
	expect_user(w.stream[0].fd, "yo");
	expect_user_eof(w.stream[0].fd);
	in_loop(&w, do_release_clean, &w.stream[0]);
	CU_ASSERT(silent(w.peer)); /* nothing more to say about stream 3 */
	finish(&w);
}

/* Every split of what the peer sends gives the same stream. */
static void server_side(void)
{
	static const char bytes[] = "\x01\x03\x00\x00\x00\x00\x00\x00" SYN3 OPEN3 HELLO3 "\x01\x02\x02\x00\x03\x00\x00\x00!!" FIN3;

	for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
		struct world w;
		fresh(&w, false, 1);
		say(&w, bytes, cut);
		usleep(300);
		say(&w, bytes + cut, sizeof(bytes) - 1 - cut);
		sem_wait(&w.opened);
		expect_user(w.stream[0].fd, "hello!!");
		expect_user_eof(w.stream[0].fd);
		CU_ASSERT(write(w.stream[0].fd, "bye", 3) == 3); /* after the peer's FIN: half-close */
		in_loop(&w, do_release_clean, &w.stream[0]);
		HEAR(w.peer, "\x01\x02\x03\x00\x03\x00\x00\x00" "bye" FIN3);
		finish(&w);
	}
}

static void refused_stream(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 "\x01\x02\x04\x00\x03\x00\x00\x00nope");
	HEAR(w.peer, BROKEN3 FIN3);
	SAY(&w, HELLO3 SYN3 OPEN3 HELLO3); /* late data of the refused one is ignored; the number may be used again */
	sem_wait(&w.opened);
	expect_user(w.stream[0].fd, "hello");
	SAY(&w, "\x01\x00\x00\x00\x05\x00\x00\x00\x01\x01\x00\x00\x05\x00\x00\x00"); /* FIN before the beginning */
	HEAR(w.peer, "\x01\x02\x00\x00\x05\x00\x00\x00\x01\x01\x00\x00\x05\x00\x00\x00");
	finish(&w);
}

static void broken_is_not_an_end(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 OPEN3);
	sem_wait(&w.opened);
	CU_ASSERT(write(w.stream[0].fd, "half", 4) == 4);
	HEAR(w.peer, "\x01\x02\x04\x00\x03\x00\x00\x00half");
	in_loop(&w, do_release_broken, &w.stream[0]);
	HEAR(w.peer, BROKEN3 FIN3);
	SAY(&w, "\x01\x00\x00\x00\x05\x00\x00\x00\x01\x02\x04\x00\x05\x00\x00\x00open");
	sem_wait(&w.opened);
	SAY(&w, "\x01\x02\x00\x00\x05\x00\x00\x00");
	HEAR(w.peer, "\x01\x01\x00\x00\x05\x00\x00\x00");
	CU_ASSERT(w.stream[1].was_reset);
	CU_ASSERT(!w.ended);
	finish(&w);
}

/* A user that shut down in order and is reset before the peer has ended. */
static void broken_after_fin(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 OPEN3);
	sem_wait(&w.opened);
	shutdown(w.stream[0].fd, SHUT_WR);
	HEAR(w.peer, FIN3);
	in_loop(&w, do_release_broken, &w.stream[0]);
	HEAR(w.peer, BROKEN3);
	CU_ASSERT(silent(w.peer));
	finish(&w);
}

static void end_of_the_connection(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 OPEN3 HELLO3 "\x01\x00\x00\x00\x05\x00\x00\x00\x01\x02\x04\x00\x05\x00\x00\x00open");
	sem_wait(&w.opened);
	sem_wait(&w.opened);
	close(w.peer);
	CU_ASSERT(has_ended(&w) && w.stream[0].was_reset && w.stream[1].was_reset);
	CU_ASSERT_STRING_EQUAL(w.why, "the other end closed the tunnel");
	w.peer = -1;
	finish(&w);
}

static void nonsense_ends_it(void)
{
	struct world w;

	fresh(&w, false, 1);
	SAY(&w, SYN3 OPEN3);
	sem_wait(&w.opened);
	SAY(&w, "HTTP/1.1 400 Bad Request\r\n");
	CU_ASSERT(has_ended(&w) && w.stream[0].was_reset);
	CU_ASSERT_STRING_EQUAL(w.why, "not a frame of this version of smux");
	finish(&w);
}

static const struct unit_case cases[] = {
	{"the client's frames, half-close, silence after the end", client_side},
	{"the server's side, cut at every byte", server_side},
	{"a stream that begins wrongly is refused", refused_stream},
	{"broken off is not an end, either way", broken_is_not_an_end},
	{"broken off after a FIN", broken_after_fin},
	{"the end of the connection resets all streams", end_of_the_connection},
	{"nonsense ends the connection", nonsense_ends_it},
};
UNIT_MAIN("mux", cases)
