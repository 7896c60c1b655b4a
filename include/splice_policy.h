/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splice_policy.h - when does a flow earn its place in the kernel, and when does it lose it?
 *
 * Why: joining and leaving the sockmap costs about 10 us and every redirected skb a work-queue wake-up, so bulk
 * wins by it and small request/response traffic loses. Pure arithmetic over byte counts and times, so that every
 * threshold is a table row in a test.
 * Thresholds (measured, see user/splice_policy.c): join after 256 KiB within 50 ms in reads of 8 KiB or more, 3 ms after the
 * first of them, but not for a second after the target, when it was full last, took nothing for 47 ms (a slow target
 * would only have its source stopped, again and again);
 * leave when the pieces of the last 200 ms averaged under 2 KiB, or after 1 s without a byte. Each leave for
 * small pieces doubles the bytes asked for the next join, up to 16 MiB.
 * Owns: nothing. Never: reads a clock, does I/O.
 * See: tests/unit/test_splice_policy.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum splice_mode {
	SPLICE_NEVER,  /* engines copy and splice */
	SPLICE_BULK,   /* engine auto */
	SPLICE_ALWAYS, /* engine sockmap: at once, and never out for being small */
};

enum splice_verdict { SPLICE_STAY, SPLICE_LEAVE_SMALL, SPLICE_LEAVE_IDLE };

struct splice_policy {
	uint64_t window_start_ns;
	uint64_t last_ns;       /* last read */
	uint64_t blocked_ns;    /* since when the target takes nothing; 0: it does */
	uint64_t slow_until_ns; /* its target was slow: not before then */
	uint64_t window_bytes;
	uint32_t window_reads;
	uint32_t join_bytes;    /* asked for within the window */
	uint64_t seen_bytes;    /* kernel totals at the last look */
	uint64_t seen_skbs;
	uint64_t look_ns;
	uint64_t active_ns;     /* last look that saw a byte, or the join */
	uint64_t moved_ns;      /* last look that saw a byte; 0: none yet */
	bool resting;           /* left for being idle: user space must read something first */
};

void splice_policy_init(struct splice_policy *p);
/* User space read n bytes of the flow at now_ns. */
void splice_policy_read(struct splice_policy *p, uint64_t n, uint64_t now_ns);
/* The native flow's target takes nothing, or something again. */
void splice_policy_blocked(struct splice_policy *p, uint64_t now_ns);
void splice_policy_unblocked(struct splice_policy *p, uint64_t now_ns);
/* Is it bulk for a slow target? splice(2)'s, then. */
bool splice_policy_is_slow(const struct splice_policy *p);
/* Has the native flow shown enough to join? */
bool splice_policy_wants_in(const struct splice_policy *p, enum splice_mode mode);
/* The flow joined with these kernel totals. */
void splice_policy_joined(struct splice_policy *p, uint64_t bytes, uint64_t skbs, uint64_t now_ns);
/* A look at a spliced flow's kernel totals, at intervals of about SPLICE_LOOK_NS. */
enum splice_verdict splice_policy_look(struct splice_policy *p, enum splice_mode mode, uint64_t bytes,
				       uint64_t skbs, uint64_t now_ns);
/* The flow left because of verdict. */
void splice_policy_left(struct splice_policy *p, enum splice_verdict verdict);

#define SPLICE_LOOK_NS 200000000u
