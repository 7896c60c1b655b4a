/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limiter_bandwidth.c - how fast a connection may go, see limiter.h.
 *
 * Why two ways: the kernel paces a TCP socket, and only has to be told its share; a datagram is there or not, so what is
 * over the limit is dropped, and the sender's own control of congestion sees that. Its bucket is GOST's: it holds what may
 * pass in a second, and is a point in time, as in limiter.c.
 * Owns: nothing. Never: waits.
 */
#include "limiter_internal.h"

#define NS_PER_S UINT64_C(1000000000)

/* --- shares ----------------------------------------------------------------------------------------------- */

/* The smaller limit, where 0 is none. A share is never 0: that would be no limit. */
static void tighten(uint64_t *pace, uint64_t limit, unsigned sharers)
{
	uint64_t share = limit / (sharers ? sharers : 1);

	if (!limit)
		return;
	if (!share)
		share = 1;
	if (!*pace || share < *pace)
		*pace = share;
}

static void apply_rule(struct limiter_pace *pace, const struct limit_rule *rule, unsigned sharers)
{
	if (!rule)
		return;
	tighten(&pace->in_bytes_s, rule->in_bytes_s, sharers);
	tighten(&pace->out_bytes_s, rule->out_bytes_s, sharers);
}

void limiter_pace(const struct limiter *l, const struct limiter_lease *lease, struct limiter_pace *out)
{
	const struct limiter_entry *entry = lease->entry;
	unsigned me = !lease->busy;
	struct limiter_pace pace = {0};

	apply_rule(&pace, l->bandwidth_each, 1);
	apply_rule(&pace, l->bandwidth_all, atomic_load_explicit(&l->busy, memory_order_relaxed) + me);
	if (entry)
		apply_rule(&pace, entry->bandwidth_rule, atomic_load_explicit(&entry->busy, memory_order_relaxed) + me);
	*out = pace;
}

void limiter_set_busy(struct limiter *l, struct limiter_lease *lease, bool busy)
{
	if (!lease->held || lease->busy == busy)
		return;
	lease->busy = busy;
	atomic_fetch_add(&l->busy, busy ? 1u : -1u);
	if (lease->entry)
		atomic_fetch_add(&lease->entry->busy, busy ? 1u : -1u);
}

bool limiter_has_bandwidth(const struct limiter *l)
{
	return l->cfg.bandwidth && l->cfg.bandwidth->count;
}

bool limiter_is_shared(const struct limiter *l, const struct limiter_lease *lease)
{
	return l->bandwidth_all || (lease->entry && lease->entry->bandwidth_rule);
}

/* --- datagrams ---------------------------------------------------------------------------------------------- */

/* How long so many bytes take; 0: not limited. */
static uint64_t cost_of(const struct limit_rule *rule, enum limiter_way way, size_t bytes)
{
	uint64_t bytes_s = !rule ? 0 : way == LIMITER_IN ? rule->in_bytes_s : rule->out_bytes_s;

	return bytes_s ? (uint64_t)bytes * NS_PER_S / bytes_s : 0;
}

/* A full bucket lets anything pass, also what is larger than a second's worth. */
static bool has_room(uint64_t full_ns, uint64_t cost, uint64_t now_ns)
{
	return !cost || full_ns <= now_ns || full_ns - now_ns + cost <= NS_PER_S;
}

static void pay(_Atomic uint64_t *full_ns, uint64_t cost, uint64_t now_ns)
{
	uint64_t full = atomic_load_explicit(full_ns, memory_order_relaxed);

	while (cost && !atomic_compare_exchange_weak_explicit(full_ns, &full, (full > now_ns ? full : now_ns) + cost,
							      memory_order_relaxed, memory_order_relaxed))
		;
}

/* Between looking and paying another worker may pay: so much too much passes once, and is missing afterwards. */
bool limiter_take(struct limiter *l, struct limiter_lease *lease, enum limiter_way way, size_t bytes, uint64_t now_ns)
{
	struct limiter_entry *entry = lease->entry;
	uint64_t each = cost_of(l->bandwidth_each, way, bytes), all = cost_of(l->bandwidth_all, way, bytes);
	uint64_t own = entry ? cost_of(entry->bandwidth_rule, way, bytes) : 0;

	if (!has_room(lease->full_ns[way], each, now_ns) || !has_room(l->meter.full_ns[way], all, now_ns) ||
	    (own && !has_room(entry->meter.full_ns[way], own, now_ns)))
		return false;
	if (each)
		lease->full_ns[way] = (lease->full_ns[way] > now_ns ? lease->full_ns[way] : now_ns) + each;
	pay(&l->meter.full_ns[way], all, now_ns);
	if (own)
		pay(&entry->meter.full_ns[way], own, now_ns);
	return true;
}
