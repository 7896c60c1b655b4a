/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * selector.c - see selector.h.
 *
 * Why: nodes are looked at in place instead of being copied into a list: the marks may change between
 * two looks (another worker), so a choice by number takes the last match when it runs out of them.
 * Owns: one mark per node.
 * Never: locks, allocates after selector_new(), reads a clock.
 * See: GOST's order of filters: failed nodes first, then backups.
 */
#include "selector.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <zlib.h>

#define DEFAULT_MAX_FAILS	1
#define DEFAULT_FAIL_TIMEOUT_NS (10ULL * 1000 * 1000 * 1000)

struct mark {
	_Atomic uint32_t fails;
	_Atomic uint64_t failed_at_ns;
};

struct selector {
	const struct forwarder_config *cfg;
	enum selector_strategy strategy;
	uint32_t max_fails;
	uint64_t fail_timeout_ns;
	_Atomic uint64_t round;
	struct mark marks[];
};

/* The untried nodes fall into three tiers; a tier is used only when those before it are empty. */
enum tier { PRIMARY, BACKUP, FAILED, TIER_COUNT };

/* What a choice is made from, so that helpers need no long argument lists. */
struct look {
	const struct selector *sel;
	uint64_t tried, now_ns;
	enum tier tier;
};

int selector_new(struct selector **out, const struct forwarder_config *cfg)
{
	const struct selector_config *sc = &cfg->selector;
	struct selector *sel = calloc(1, sizeof(*sel) + cfg->node_count * sizeof(sel->marks[0]));

	if (!sel)
		return -ENOMEM;
	sel->cfg = cfg;
	sel->strategy = sc->present ? sc->strategy : SELECTOR_ROUND;
	/* A selector that leaves them out (0) gets GOST's defaults too. */
	sel->max_fails = sc->present && sc->max_fails ? sc->max_fails : DEFAULT_MAX_FAILS;
	sel->fail_timeout_ns =
		sc->present && sc->fail_timeout_ns ? sc->fail_timeout_ns : DEFAULT_FAIL_TIMEOUT_NS;
	*out = sel;
	return 0;
}

void selector_free(struct selector *sel)
{
	free(sel);
}

static bool is_tried(uint64_t tried, size_t node)
{
	return node < 64 && (tried >> node & 1);
}

static bool is_failed(const struct selector *sel, size_t node, uint64_t now_ns)
{
	const struct mark *mark = &sel->marks[node];

	if (atomic_load_explicit(&mark->fails, memory_order_acquire) < sel->max_fails)
		return false;
	uint64_t at = atomic_load_explicit(&mark->failed_at_ns, memory_order_relaxed);
	/* Another worker's clock may be read after ours: a failure "in the future" has just happened. */
	return now_ns < at || now_ns - at < sel->fail_timeout_ns;
}

static bool matches(const struct look *look, size_t node)
{
	if (is_tried(look->tried, node))
		return false;
	if (look->tier == FAILED)
		return true;
	bool backup = look->sel->cfg->nodes[node].opt.backup;
	return backup == (look->tier == BACKUP) && !is_failed(look->sel, node, look->now_ns);
}

static unsigned weight_of(const struct look *look, size_t node)
{
	unsigned weight = look->sel->cfg->nodes[node].opt.weight;

	/* Only random has weights; GOST takes 0 for 1. */
	return look->sel->strategy == SELECTOR_RANDOM && weight ? weight : 1;
}

static uint64_t total_weight(const struct look *look)
{
	uint64_t total = 0;

	for (size_t i = 0; i < look->sel->cfg->node_count; i++)
		if (matches(look, i))
			total += weight_of(look, i);
	return total;
}

/* The match that covers the given point of the line of all weights. */
static int match_at(const struct look *look, uint64_t point)
{
	int found = -ENOENT;

	for (size_t i = 0; i < look->sel->cfg->node_count; i++) {
		if (!matches(look, i))
			continue;
		found = (int)i;
		if (point < weight_of(look, i))
			break;
		point -= weight_of(look, i);
	}
	return found;
}

/* A retry does not advance the round: else, with two nodes and one down, the other would never be first. */
static uint64_t next_round(struct selector *sel, bool retry)
{
	return retry ? atomic_load_explicit(&sel->round, memory_order_relaxed)
		     : atomic_fetch_add_explicit(&sel->round, 1, memory_order_relaxed);
}

static int choose(const struct look *look, uint64_t number)
{
	uint64_t total = total_weight(look);

	if (!total)
		return -ENOENT;
	if (look->tier == FAILED)
		return match_at(look, 0);
	return match_at(look, number % total);
}

static uint64_t strategy_number(struct selector *sel, bool retry, uint32_t hash, uint32_t random)
{
	switch (sel->strategy) {
	case SELECTOR_ROUND:
		return next_round(sel, retry);
	case SELECTOR_RANDOM:
		return random;
	case SELECTOR_HASH:
		return hash;
	case SELECTOR_FIFO:
		break;
	}
	return 0;
}

int selector_next(struct selector *sel, struct selector_pick *pick, uint32_t hash, uint32_t random,
		  uint64_t now_ns)
{
	struct look look = {.sel = sel, .tried = pick->tried, .now_ns = now_ns};
	uint64_t number = strategy_number(sel, pick->tried != 0, hash, random);
	int node = -ENOENT;

	for (int tier = PRIMARY; tier < TIER_COUNT && node < 0; tier++) {
		look.tier = (enum tier)tier;
		node = choose(&look, number);
	}
	if (node >= 0 && node < 64)
		pick->tried |= 1ULL << node;
	return node;
}

void selector_mark_failed(struct selector *sel, size_t node, uint64_t now_ns)
{
	struct mark *mark = &sel->marks[node];

	atomic_store_explicit(&mark->failed_at_ns, now_ns, memory_order_relaxed);
	/* Released after the time, so that whoever sees the count sees the time. Stops short of wrapping to 0. */
	if (atomic_load_explicit(&mark->fails, memory_order_relaxed) < UINT32_MAX / 2)
		atomic_fetch_add_explicit(&mark->fails, 1, memory_order_release);
}

void selector_mark_good(struct selector *sel, size_t node)
{
	struct mark *mark = &sel->marks[node];

	/* Nearly always 0 already: a load keeps the cache line shared between workers. */
	if (atomic_load_explicit(&mark->fails, memory_order_relaxed))
		atomic_store_explicit(&mark->fails, 0, memory_order_relaxed);
}

uint32_t selector_hash(const void *data, size_t len)
{
	return (uint32_t)crc32_z(0, data, len);
}
