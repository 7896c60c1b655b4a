/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limiter_internal.h - what the two halves of a limiter share: who is there (limiter.c), how fast (limiter_bandwidth.c).
 *
 * See: include/limiter.h.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "limiter.h"

enum { LIMITER_SHARDS = 16, LIMITER_BUCKETS = 1024 };

/* One bucket for each way, see limiter_bandwidth.c. */
struct limiter_meter {
	_Atomic uint64_t full_ns[LIMITER_WAYS];
};

struct limiter_entry {
	struct limiter_entry *chain;         /* same bucket */
	struct limiter_entry *older, *newer; /* of those without a connection */
	uint64_t hash;
	uint8_t ip[16];
	unsigned connections; /* under the shard's lock, as all above */
	uint64_t full_ns;
	atomic_uint busy;
	struct limiter_meter meter;
	const struct limit_rule *connections_rule, *rate_rule, *bandwidth_rule;
};

struct limiter_shard {
	pthread_mutex_t lock;
	struct limiter_entry *oldest, *newest;
	unsigned idle, count;
	struct limiter_entry *buckets[LIMITER_BUCKETS];
};

struct limiter {
	struct limiter_setup cfg;
	const struct limit_rule *connections_all, *rate_all, *bandwidth_all, *bandwidth_each;
	atomic_uint connections, busy;
	_Atomic uint64_t full_ns;
	struct limiter_meter meter;
	struct limiter_shard shards[LIMITER_SHARDS];
};
