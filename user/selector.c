/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * selector.c - see selector.h.
 *
 * Why: nodes are looked at in place instead of being copied into a list: the marks may change between
 * two looks (another worker), so a choice by number takes the last match when it runs out of them.
 * Owns: marks and a copy of the options of each node.
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

struct choice {
	struct selector_node opt; /* without zeroes */
	_Atomic uint32_t fails;
	_Atomic bool down;
	_Atomic uint64_t failed_at_ns;
};

struct selector {
	enum selector_strategy strategy;
	_Atomic uint64_t round;
	size_t count;
	struct choice nodes[];
};

/* The untried nodes fall into three tiers; a tier is used only when those before it are empty. */
enum tier { PRIMARY, BACKUP, FAILED, TIER_COUNT };

/* What a choice is made from, so that helpers need no long argument lists. */
struct look {
	const struct selector *sel;
	uint64_t tried, now_ns;
	enum tier tier;
};

/* A selector that leaves them out (0), or is not there, gets GOST's defaults. */
static void fill_choice(struct choice *to, const struct selector_config *cfg, const struct selector_node *node)
{
	unsigned max_fails = cfg->present && cfg->max_fails ? cfg->max_fails : DEFAULT_MAX_FAILS;
	uint64_t timeout_ns =
		cfg->present && cfg->fail_timeout_ns ? cfg->fail_timeout_ns : DEFAULT_FAIL_TIMEOUT_NS;

	to->opt = *node;
	to->opt.weight = node->weight ? node->weight : 1;
	to->opt.max_fails = node->max_fails ? node->max_fails : max_fails;
	to->opt.fail_timeout_ns = node->fail_timeout_ns ? node->fail_timeout_ns : timeout_ns;
}

int selector_new(struct selector **out, const struct selector_config *cfg, const struct selector_node *nodes,
		 size_t count)
{
	struct selector *sel = calloc(1, sizeof(*sel) + count * sizeof(sel->nodes[0]));

	if (!sel)
		return -ENOMEM;
	sel->strategy = cfg->present ? cfg->strategy : SELECTOR_ROUND;
	sel->count = count;
	for (size_t i = 0; i < count; i++)
		fill_choice(&sel->nodes[i], cfg, &nodes[i]);
	*out = sel;
	return 0;
}

void selector_free(struct selector *sel)
{
	free(sel);
}

enum selector_strategy selector_strategy(const struct selector *sel)
{
	return sel->strategy;
}

static bool is_tried(uint64_t tried, size_t node)
{
	return node < 64 && (tried >> node & 1);
}

static bool is_failed(const struct selector *sel, size_t node, uint64_t now_ns)
{
	const struct choice *mark = &sel->nodes[node];

	if (atomic_load_explicit(&mark->down, memory_order_relaxed))
		return true;
	if (atomic_load_explicit(&mark->fails, memory_order_acquire) < mark->opt.max_fails)
		return false;
	uint64_t at = atomic_load_explicit(&mark->failed_at_ns, memory_order_relaxed);
	/* Another worker's clock may be read after ours: a failure "in the future" has just happened. */
	return now_ns < at || now_ns - at < mark->opt.fail_timeout_ns;
}

static bool matches(const struct look *look, size_t node)
{
	if (is_tried(look->tried, node))
		return false;
	if (look->tier == FAILED)
		return true;
	bool backup = look->sel->nodes[node].opt.backup;
	return backup == (look->tier == BACKUP) && !is_failed(look->sel, node, look->now_ns);
}

static unsigned weight_of(const struct look *look, size_t node)
{
	/* Only random has weights; GOST takes 0 for 1. */
	return look->sel->strategy == SELECTOR_RANDOM ? look->sel->nodes[node].opt.weight : 1;
}

static uint64_t total_weight(const struct look *look)
{
	uint64_t total = 0;

	for (size_t i = 0; i < look->sel->count; i++)
		if (matches(look, i))
			total += weight_of(look, i);
	return total;
}

/* The match that covers the given point of the line of all weights. */
static int match_at(const struct look *look, uint64_t point)
{
	int found = -ENOENT;

	for (size_t i = 0; i < look->sel->count; i++) {
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
	case SELECTOR_PARALLEL:
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

static size_t take_tier(struct look *look, struct selector_pick *pick, int *nodes, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < look->sel->count && i < 64 && found < max; i++) {
		if (!matches(look, i))
			continue;
		nodes[found++] = (int)i;
		pick->tried |= 1ULL << i;
	}
	return found;
}

size_t selector_next_all(struct selector *sel, struct selector_pick *pick, int *nodes, size_t max, uint64_t now_ns)
{
	struct look look = {.sel = sel, .tried = pick->tried, .now_ns = now_ns};
	size_t found = 0;

	for (int tier = PRIMARY; tier < TIER_COUNT && !found; tier++) {
		look.tier = (enum tier)tier;
		found = take_tier(&look, pick, nodes, max);
	}
	return found;
}

void selector_mark_failed(struct selector *sel, size_t node, uint64_t now_ns)
{
	struct choice *mark = &sel->nodes[node];

	atomic_store_explicit(&mark->failed_at_ns, now_ns, memory_order_relaxed);
	/* Released after the time, so that whoever sees the count sees the time. Stops short of wrapping to 0. */
	if (atomic_load_explicit(&mark->fails, memory_order_relaxed) < UINT32_MAX / 2)
		atomic_fetch_add_explicit(&mark->fails, 1, memory_order_release);
}

void selector_mark_good(struct selector *sel, size_t node)
{
	struct choice *mark = &sel->nodes[node];

	/* Nearly always 0 already: a load keeps the cache line shared between workers. */
	if (atomic_load_explicit(&mark->fails, memory_order_relaxed))
		atomic_store_explicit(&mark->fails, 0, memory_order_relaxed);
}

bool selector_set_down(struct selector *sel, size_t node, bool down)
{
	bool was = atomic_exchange_explicit(&sel->nodes[node].down, down, memory_order_relaxed);

	if (!down)
		selector_mark_good(sel, node);
	return was != down;
}

uint32_t selector_hash(const void *data, size_t len)
{
	return (uint32_t)crc32_z(0, data, len);
}
