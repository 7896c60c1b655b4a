/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * selector.h - which node of a forwarder takes the next session.
 *
 * Why: GOST's strategies (round, random by weight, fifo, hash by client) and its fail filter, without I/O,
 * so that time and randomness come in as arguments and every decision is testable.
 * Owns: failure marks and the round counter, shared by all workers (atomics: no lock in the accept path).
 * Never: dials, resolves, blocks.
 * See: config.h (struct selector_config), tests/unit/test_selector.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct selector;

/* Borrows cfg for its whole life. 0 or -errno. */
int selector_new(struct selector **out, const struct forwarder_config *cfg);
void selector_free(struct selector *sel);

/*
 * Nodes already tried for a session, so that a failed dial goes on to another: bit i = node i. Zero it for a
 * new session. Nodes from the 65th on cannot be remembered and may be given again: bound the attempts.
 */
struct selector_pick {
	uint64_t tried;
};

/*
 * Index of the node to use, now marked as tried, or -ENOENT when none is left. Failed nodes (max_fails
 * reached less than fail_timeout ago) and backups are passed over while others are left; when only failed
 * ones are left the first untried is given (last resort: a wrong mark must not turn an outage of one second
 * into one of ten).
 * hash: of the client (strategy hash); random: any number (strategy random). now_ns: monotonic.
 */
int selector_next(struct selector *sel, struct selector_pick *pick, uint32_t hash, uint32_t random,
		  uint64_t now_ns);
/* A dial failed, or worked. Fails count until a success; from max_fails on each starts fail_timeout anew. */
void selector_mark_failed(struct selector *sel, size_t node, uint64_t now_ns);
void selector_mark_good(struct selector *sel, size_t node);
/* CRC-32 (IEEE) of an IP text: GOST's hash, so that stickiness survives a move from GOST. */
uint32_t selector_hash(const void *data, size_t len);
