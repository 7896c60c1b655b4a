/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splice_policy.c - see splice_policy.h.
 *
 * Why these numbers: a join plus a leave costs about 10 us, what copying 64-128 KiB costs; 256 KiB within 50 ms is
 * 40 Mbit/s, below which neither path is noticeable. 8 KiB reads tell a stream from a chatty exchange. A kernel
 * piece costs about 2 us of work-queue time whatever its size, an epoll wake-up with recv and send about as much
 * per message, so below 2 KiB a piece user space is not worse, and its answers are quicker. A send buffer is full within 3 ms if
 * the source is fast and the target slow; a fast target is not full for 47 ms (25 MB/s). Such a flow would be stopped, and stopped again,
 * at ten calls and the copy of what came meanwhile; splice(2) simply waits (200 readers of 2 MB/s: a third of the CPU).
 * Owns nothing, never reads a clock.
 */
#include "splice_policy.h"

enum {
	JOIN_BYTES = 256 * 1024,
	JOIN_BYTES_MAX = 16 * 1024 * 1024,
	JOIN_READ_BYTES = 8 * 1024,
	LEAVE_PIECE_BYTES = 2 * 1024,
	LEAVE_MIN_PIECES = 64,
};
static const uint64_t JOIN_WINDOW_NS = 50 * 1000000ull;
static const uint64_t JOIN_AFTER_NS = 3 * 1000000ull;
static const uint64_t SLOW_NS = 47 * 1000000ull; /* the window less the wait before a join: bulk is one or the other */
static const uint64_t SLOW_FOR_NS = 1000 * 1000000ull;
static const uint64_t LEAVE_IDLE_NS = 1000 * 1000000ull;

void splice_policy_init(struct splice_policy *p)
{
	*p = (struct splice_policy){.join_bytes = JOIN_BYTES};
}

void splice_policy_read(struct splice_policy *p, uint64_t n, uint64_t now_ns)
{
	if (now_ns - p->window_start_ns > JOIN_WINDOW_NS) {
		p->window_start_ns = now_ns;
		p->window_bytes = 0;
		p->window_reads = 0;
	}
	p->resting = false;
	p->last_ns = now_ns;
	p->window_bytes += n;
	p->window_reads++;
}

void splice_policy_blocked(struct splice_policy *p, uint64_t now_ns)
{
	if (!p->blocked_ns)
		p->blocked_ns = now_ns;
}

void splice_policy_unblocked(struct splice_policy *p, uint64_t now_ns)
{
	if (p->blocked_ns)
		p->slow_until_ns = now_ns - p->blocked_ns >= SLOW_NS ? now_ns + SLOW_FOR_NS : 0;
	p->blocked_ns = 0;
}

bool splice_policy_is_slow(const struct splice_policy *p)
{
	return p->last_ns < p->slow_until_ns;
}

bool splice_policy_wants_in(const struct splice_policy *p, enum splice_mode mode)
{
	if (mode != SPLICE_BULK)
		return mode == SPLICE_ALWAYS && !p->resting;
	return !splice_policy_is_slow(p) && p->last_ns - p->window_start_ns >= JOIN_AFTER_NS &&
	       p->window_bytes >= p->join_bytes &&
	       p->window_bytes >= (uint64_t)p->window_reads * JOIN_READ_BYTES;
}

void splice_policy_joined(struct splice_policy *p, uint64_t bytes, uint64_t skbs, uint64_t now_ns)
{
	p->seen_bytes = bytes;
	p->seen_skbs = skbs;
	p->look_ns = p->active_ns = now_ns;
}

enum splice_verdict splice_policy_look(struct splice_policy *p, enum splice_mode mode, uint64_t bytes,
				       uint64_t skbs, uint64_t now_ns)
{
	uint64_t new_bytes = bytes - p->seen_bytes, pieces = skbs - p->seen_skbs;

	if (now_ns - p->look_ns < SPLICE_LOOK_NS)
		return SPLICE_STAY;
	p->look_ns = now_ns;
	p->seen_bytes = bytes;
	p->seen_skbs = skbs;
	if (new_bytes)
		p->active_ns = p->moved_ns = now_ns;
	else if (now_ns - p->active_ns >= LEAVE_IDLE_NS)
		return SPLICE_LEAVE_IDLE;
	if (mode == SPLICE_BULK && pieces >= LEAVE_MIN_PIECES && new_bytes < pieces * LEAVE_PIECE_BYTES)
		return SPLICE_LEAVE_SMALL;
	return SPLICE_STAY;
}

void splice_policy_left(struct splice_policy *p, enum splice_verdict verdict)
{
	p->window_bytes = 0;
	p->window_reads = 0;
	p->resting = verdict == SPLICE_LEAVE_IDLE;
	if (verdict == SPLICE_LEAVE_SMALL && p->join_bytes < JOIN_BYTES_MAX)
		p->join_bytes *= 2;
}
