/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * selector.h - which node of a forwarder or of a chain's hop takes the next session.
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

#include "settings.h"

struct selector;

/* What a choice depends on of one node. */
struct selector_node {
	unsigned weight;          /* strategy random; 0 counts as 1 */
	bool backup;              /* only while no other works */
	unsigned max_fails;       /* 0: the selector's */
	uint64_t fail_timeout_ns; /* 0: the selector's */
};

/* Copies what it is given. 0 or -errno. */
int selector_new(struct selector **out, const struct selector_config *cfg, const struct selector_node *nodes,
		 size_t count);
void selector_free(struct selector *sel);
/* So that a caller computes the hash or draws the number only where it counts. */
enum selector_strategy selector_strategy(const struct selector *sel);

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
/*
 * Strategy parallel: all untried nodes that selector_next() could give now, at most max, in order and marked as
 * tried. Returns how many; 0 when none is left.
 */
size_t selector_next_all(struct selector *sel, struct selector_pick *pick, int *nodes, size_t max, uint64_t now_ns);
/* A dial failed, or worked. Fails count until a success; from max_fails on each starts fail_timeout anew. */
void selector_mark_failed(struct selector *sel, size_t node, uint64_t now_ns);
void selector_mark_good(struct selector *sel, size_t node);
/*
 * What an active health check found: a node that is down counts as failed, however long ago and whatever sessions
 * report, until the check finds it up. True when that is news. For one thread at a time for each node.
 */
bool selector_set_down(struct selector *sel, size_t node, bool down);
/* CRC-32 (IEEE) of an IP text: GOST's hash, so that stickiness survives a move from GOST. */
uint32_t selector_hash(const void *data, size_t len);
