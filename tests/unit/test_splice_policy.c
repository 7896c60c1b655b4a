/* SPDX-License-Identifier: BSD-2-Clause */
/* test_splice_policy.c - every threshold of splice_policy.h from both sides. See: user/splice_policy.c. */
#include "splice_policy.h"

#include <stddef.h>
#include <stdio.h>

#include "unit.h"

#define MS 1000000ull
#define KIB 1024ull

struct join_row {
	const char *what;
	uint64_t read_bytes, reads, gap_ns;
	bool joins;
};

static const struct join_row join_rows[] = {
	{"one large read may be a burst", 1024 * KIB, 1, 0, false},
	{"two reads, far enough apart", 128 * KIB, 2, 3 * MS, true},
	{"just below the bytes", 128 * KIB - 1, 2, 3 * MS, false},
	{"just below the time", 128 * KIB, 2, 3 * MS - 1, false},
	{"many large reads", 16 * KIB, 16, 1 * MS, true},
	{"the same, too slowly", 16 * KIB, 16, 4 * MS, false},
	{"at the smallest read", 8 * KIB, 40, 1 * MS, true},
	{"reads below it", 8 * KIB - 1, 49, 1 * MS, false},
	{"chatter", 64, 100000, 0, false},
};

static void joins_after_bulk(void)
{
	for (size_t i = 0; i < sizeof(join_rows) / sizeof(join_rows[0]); i++) {
		const struct join_row *row = &join_rows[i];
		struct splice_policy p;
		uint64_t now = 1000 * MS;
		splice_policy_init(&p);
		for (uint64_t n = 0; n < row->reads; n++, now += row->gap_ns)
			splice_policy_read(&p, row->read_bytes, now);
		bool joins = splice_policy_wants_in(&p, SPLICE_BULK);
		if (joins != row->joins)
			printf("    row: %s\n", row->what);
		CU_ASSERT(joins == row->joins);
	}
}

static void modes_decide_first(void)
{
	struct splice_policy p;

	splice_policy_init(&p);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_ALWAYS));
	CU_ASSERT(!splice_policy_wants_in(&p, SPLICE_NEVER));
	splice_policy_read(&p, 100 << 20, 1);
	splice_policy_read(&p, 100 << 20, 1 + 3 * MS);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_BULK));
	CU_ASSERT(!splice_policy_wants_in(&p, SPLICE_NEVER));
}

static struct splice_policy joined(void)
{
	struct splice_policy p;

	splice_policy_init(&p);
	splice_policy_joined(&p, 1000, 10, 0);
	return p;
}

/* 256 KiB of bulk just now. */
static bool joins_at(struct splice_policy *p, uint64_t now_ns)
{
	splice_policy_read(p, 128 * KIB, now_ns - 3 * MS);
	splice_policy_read(p, 128 * KIB, now_ns);
	return splice_policy_wants_in(p, SPLICE_BULK);
}

static void slow_targets_stay_out(void)
{
	const uint64_t block = 1000 * MS, end = block + 47 * MS;
	struct splice_policy p;

	splice_policy_init(&p);
	splice_policy_blocked(&p, block);
	splice_policy_blocked(&p, block + 4 * MS); /* since when, not how often */
	splice_policy_unblocked(&p, end);
	CU_ASSERT(!joins_at(&p, end + 60 * MS) && splice_policy_is_slow(&p));
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_ALWAYS));
	CU_ASSERT(!joins_at(&p, end + 1000 * MS - 1));
	CU_ASSERT(joins_at(&p, end + 1060 * MS) && !splice_policy_is_slow(&p));
	splice_policy_init(&p);
	splice_policy_blocked(&p, block);
	splice_policy_unblocked(&p, end - 1);
	CU_ASSERT(joins_at(&p, end + 60 * MS));
	/* A moment's trouble: full again, but not for long. */
	splice_policy_blocked(&p, 5000 * MS);
	splice_policy_unblocked(&p, 5100 * MS);
	CU_ASSERT(!joins_at(&p, 5160 * MS));
	splice_policy_blocked(&p, 5170 * MS);
	splice_policy_unblocked(&p, 5180 * MS);
	CU_ASSERT(joins_at(&p, 5230 * MS));
	/* Said without a block before: not slow. */
	splice_policy_unblocked(&p, 6000 * MS);
	CU_ASSERT(joins_at(&p, 6060 * MS));
}

/* Bursts with pauses in between because the target is full: however long both are, it is not left to copying. */
static void bulk_joins_or_is_slow(void)
{
	for (uint64_t burst = 0; burst <= 10; burst++)
		for (uint64_t block = 1; block <= 200; block++) {
			struct splice_policy p;
			uint64_t now = 1000 * MS;
			bool found = false;
			splice_policy_init(&p);
			for (int i = 0; i < 20 && !found; i++, now += block * MS) {
				splice_policy_read(&p, 256 * KIB, now);
				now += burst * MS;
				splice_policy_read(&p, 256 * KIB, now);
				found = splice_policy_wants_in(&p, SPLICE_BULK) || splice_policy_is_slow(&p);
				splice_policy_blocked(&p, now);
				splice_policy_unblocked(&p, now + block * MS);
			}
			CU_ASSERT(found || burst + block < 3);
		}
}

static void small_pieces_leave(void)
{
	struct splice_policy p = joined();

	/* Not before the interval, however small. */
	CU_ASSERT(splice_policy_look(&p, SPLICE_BULK, 2000, 1000, SPLICE_LOOK_NS - 1) == SPLICE_STAY);
	CU_ASSERT(splice_policy_look(&p, SPLICE_BULK, 1000 + 64 * 2048 - 1, 74, SPLICE_LOOK_NS) == SPLICE_LEAVE_SMALL);
	p = joined();
	CU_ASSERT(splice_policy_look(&p, SPLICE_BULK, 1000 + 64 * 2048, 74, SPLICE_LOOK_NS) == SPLICE_STAY);
	/* Too few pieces to tell. */
	p = joined();
	CU_ASSERT(splice_policy_look(&p, SPLICE_BULK, 1063, 73, SPLICE_LOOK_NS) == SPLICE_STAY);
	/* Forced flows stay. */
	p = joined();
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 2000, 1000, SPLICE_LOOK_NS) == SPLICE_STAY);
}

static void idle_flows_leave(void)
{
	struct splice_policy p = joined();
	uint64_t now = 0;

	for (int i = 1; i <= 4; i++) {
		now += SPLICE_LOOK_NS;
		CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1000, 10, now) == SPLICE_STAY);
	}
	now += SPLICE_LOOK_NS;
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1000, 10, now) == SPLICE_LEAVE_IDLE);
	/* A byte in between starts the second again. */
	p = joined();
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1001, 11, 900 * MS) == SPLICE_STAY);
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1001, 11, 1800 * MS) == SPLICE_STAY);
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1001, 11, 2000 * MS) == SPLICE_LEAVE_IDLE);
}

static void leaving_small_asks_for_more(void)
{
	struct splice_policy p = joined();

	splice_policy_left(&p, SPLICE_LEAVE_SMALL);
	splice_policy_read(&p, 128 * KIB, 1);
	splice_policy_read(&p, 128 * KIB, 4 * MS);
	CU_ASSERT(!splice_policy_wants_in(&p, SPLICE_BULK));
	splice_policy_read(&p, 256 * KIB, 5 * MS);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_BULK));
	for (int i = 0; i < 40; i++)
		splice_policy_left(&p, SPLICE_LEAVE_SMALL);
	splice_policy_read(&p, 16 << 20, 6 * MS);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_BULK));
	splice_policy_init(&p);
	splice_policy_left(&p, SPLICE_LEAVE_IDLE);
	splice_policy_read(&p, 256 * KIB, 7 * MS);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_BULK));
}

static void idle_flows_rest(void)
{
	struct splice_policy p = joined();

	CU_ASSERT(p.moved_ns == 0);
	CU_ASSERT(splice_policy_look(&p, SPLICE_ALWAYS, 1001, 11, 300 * MS) == SPLICE_STAY);
	CU_ASSERT(p.moved_ns == 300 * MS);
	splice_policy_left(&p, SPLICE_LEAVE_IDLE);
	CU_ASSERT(!splice_policy_wants_in(&p, SPLICE_ALWAYS));
	splice_policy_joined(&p, 1001, 11, 5000 * MS);
	CU_ASSERT(p.moved_ns == 300 * MS);
	splice_policy_read(&p, 1, 6000 * MS);
	CU_ASSERT(splice_policy_wants_in(&p, SPLICE_ALWAYS));
}

static const struct unit_case cases[] = {
	{"idle flows rest", idle_flows_rest},
	{"joins after bulk", joins_after_bulk},
	{"the mode decides first", modes_decide_first},
	{"bulk joins or is slow", bulk_joins_or_is_slow},
	{"slow targets stay out", slow_targets_stay_out},
	{"small pieces leave", small_pieces_leave},
	{"idle flows leave", idle_flows_leave},
	{"leaving for small pieces asks for more", leaving_small_asks_for_more},
};

UNIT_MAIN("splice_policy", cases)
