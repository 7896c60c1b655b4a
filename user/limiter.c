/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limiter.c - see limiter.h.
 *
 * Why a bucket is one point in time: "full again at" holds the whole state of a token bucket, needs no refill, and can
 * be moved by compare-and-swap. A connection moves it one interval ahead; it may be at most burst intervals ahead of now.
 * Owns: entries. Never: holds two locks.
 * See: limiter_bandwidth.c.
 */
#include "limiter_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"

enum { IDLE_PER_SHARD = LIMITER_IDLE_MAX / LIMITER_SHARDS };

/* --- life ---------------------------------------------------------------------------------------------- */

static const struct limit_rule *rule_of(const struct limit_rules *rules, enum limit_key key)
{
	return rules ? limit_rules_of_key(rules, key) : NULL;
}

int limiter_new(struct limiter **out, const struct limiter_setup *cfg)
{
	struct limiter *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->cfg = *cfg;
	l->connections_all = rule_of(cfg->connections, LIMIT_SERVICE);
	l->rate_all = rule_of(cfg->rate, LIMIT_SERVICE);
	l->bandwidth_all = rule_of(cfg->bandwidth, LIMIT_SERVICE);
	l->bandwidth_each = rule_of(cfg->bandwidth, LIMIT_DEFAULT);
	for (int i = 0; i < LIMITER_SHARDS; i++)
		pthread_mutex_init(&l->shards[i].lock, NULL);
	*out = l;
	return 0;
}

static void free_chain(struct limiter_entry *entry)
{
	for (struct limiter_entry *next; entry; entry = next) {
		next = entry->chain;
		free(entry);
	}
}

void limiter_free(struct limiter *l)
{
	if (!l)
		return;
	for (int i = 0; i < LIMITER_SHARDS; i++) {
		for (int b = 0; b < LIMITER_BUCKETS; b++)
			free_chain(l->shards[i].buckets[b]);
		pthread_mutex_destroy(&l->shards[i].lock);
	}
	free(l);
}

/* --- the table: all under the shard's lock ----------------------------------------------------------------- */

static struct limiter_shard *shard_of(struct limiter *l, uint64_t hash)
{
	return &l->shards[hash % LIMITER_SHARDS];
}

static struct limiter_entry **bucket_of(struct limiter_shard *shard, uint64_t hash)
{
	return &shard->buckets[hash / LIMITER_SHARDS % LIMITER_BUCKETS];
}

static void idle_remove(struct limiter_shard *shard, struct limiter_entry *entry)
{
	*(entry->older ? &entry->older->newer : &shard->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &shard->newest) = entry->older;
	shard->idle--;
}

static void idle_append(struct limiter_shard *shard, struct limiter_entry *entry)
{
	entry->newer = NULL;
	entry->older = shard->newest;
	*(shard->newest ? &shard->newest->newer : &shard->oldest) = entry;
	shard->newest = entry;
	shard->idle++;
}

/* Of an entry that is on no list. */
static void drop(struct limiter_shard *shard, struct limiter_entry *entry)
{
	struct limiter_entry **at = bucket_of(shard, entry->hash);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	shard->count--;
	free(entry);
}

/* What has no connection is kept for its rate only, and while it is not as good as new. */
static void settle(struct limiter_shard *shard, struct limiter_entry *entry, uint64_t now_ns)
{
	if (entry->connections)
		return;
	if (entry->full_ns <= now_ns) {
		drop(shard, entry);
		return;
	}
	idle_append(shard, entry);
	if (shard->idle > IDLE_PER_SHARD) {
		struct limiter_entry *oldest = shard->oldest;
		idle_remove(shard, oldest);
		drop(shard, oldest);
	}
}

static struct limiter_entry *find(struct limiter_shard *shard, uint64_t hash, const uint8_t ip[16])
{
	struct limiter_entry *entry = *bucket_of(shard, hash);

	while (entry && (entry->hash != hash || memcmp(entry->ip, ip, 16)))
		entry = entry->chain;
	return entry;
}

static struct limiter_entry *insert(struct limiter_shard *shard, uint64_t hash, const uint8_t ip[16],
				    const struct limiter_entry *rules)
{
	struct limiter_entry *entry = malloc(sizeof(*entry)), **at = bucket_of(shard, hash);

	if (!entry)
		return NULL;
	*entry = *rules;
	memcpy(entry->ip, ip, 16);
	entry->hash = hash;
	entry->chain = *at;
	*at = entry;
	shard->count++;
	return entry;
}

/* --- counting ------------------------------------------------------------------------------------------------ */

static bool bucket_allows(const struct limit_rule *rule, uint64_t full_ns, uint64_t now_ns)
{
	return full_ns <= now_ns || full_ns - now_ns <= (rule->burst - 1) * rule->interval_ns;
}

static uint64_t bucket_next(const struct limit_rule *rule, uint64_t full_ns, uint64_t now_ns)
{
	return (full_ns > now_ns ? full_ns : now_ns) + rule->interval_ns;
}

static enum limiter_verdict enter_entry(struct limiter_entry *entry, uint64_t now_ns)
{
	const struct limit_rule *rate = entry->rate_rule;

	if (entry->connections_rule && entry->connections >= entry->connections_rule->connections)
		return LIMITER_CONNECTIONS;
	if (rate && !bucket_allows(rate, entry->full_ns, now_ns))
		return LIMITER_RATE;
	if (rate)
		entry->full_ns = bucket_next(rate, entry->full_ns, now_ns);
	entry->connections++;
	return LIMITER_PASS;
}

static const struct limit_rule *client_rule(const struct limit_rules *rules, const struct addr *client, bool or_default)
{
	const struct limit_rule *rule = rules ? limit_rules_of_client(rules, client) : NULL;

	return rule || !or_default ? rule : rule_of(rules, LIMIT_DEFAULT);
}

static bool find_rules(const struct limiter *l, const struct addr *client, struct limiter_entry *out)
{
	out->connections_rule = client_rule(l->cfg.connections, client, true);
	out->rate_rule = client_rule(l->cfg.rate, client, true);
	out->bandwidth_rule = client_rule(l->cfg.bandwidth, client, false); /* "$$" is each connection's */
	return out->connections_rule || out->rate_rule || out->bandwidth_rule;
}

/* The network that counts as one client has the address's place. */
static struct addr client_of(const struct limiter *l, const struct addr *client)
{
	struct addr who = *client;
	unsigned bits = l->cfg.ipv6_bits;

	addr_unmap(&who);
	if (!bits || addr_family(&who) != AF_INET6)
		return who;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > i * 8 ? bits - i * 8 : 0;
		if (kept < 8)
			who.in6.sin6_addr.s6_addr[i] &= (uint8_t)(0xff00 >> kept);
	}
	return who;
}

static void ip_key(const struct addr *client, uint8_t out[16])
{
	struct addr wide = *client;

	memset(out, 0, 16);
	addr_map(&wide);
	if (addr_family(&wide) == AF_INET6)
		memcpy(out, &wide.in6.sin6_addr, 16);
}

static enum limiter_verdict enter_client(struct limiter *l, struct limiter_lease *lease, const struct addr *client,
					 uint64_t now_ns)
{
	struct limiter_entry rules = {0};
	struct addr who = client_of(l, client);
	uint8_t ip[16];

	if (!find_rules(l, &who, &rules))
		return LIMITER_PASS;
	ip_key(&who, ip);
	uint64_t hash = siphash(l->cfg.seed, ip, sizeof(ip));
	struct limiter_shard *shard = shard_of(l, hash);
	pthread_mutex_lock(&shard->lock);
	struct limiter_entry *entry = find(shard, hash, ip);
	if (entry && !entry->connections)
		idle_remove(shard, entry);
	else if (!entry)
		entry = insert(shard, hash, ip, &rules);
	enum limiter_verdict verdict = entry ? enter_entry(entry, now_ns) : LIMITER_MEMORY;
	if (verdict == LIMITER_PASS)
		lease->entry = entry;
	else if (entry)
		settle(shard, entry, now_ns);
	pthread_mutex_unlock(&shard->lock);
	return verdict;
}

static void leave_client(struct limiter *l, struct limiter_entry *entry, uint64_t give_back_ns, uint64_t now_ns)
{
	struct limiter_shard *shard = shard_of(l, entry->hash);

	pthread_mutex_lock(&shard->lock);
	entry->connections--;
	entry->full_ns -= give_back_ns;
	settle(shard, entry, now_ns);
	pthread_mutex_unlock(&shard->lock);
}

static bool take_service_rate(struct limiter *l, uint64_t now_ns)
{
	uint64_t full = atomic_load_explicit(&l->full_ns, memory_order_relaxed);

	if (!l->rate_all)
		return true;
	do {
		if (!bucket_allows(l->rate_all, full, now_ns))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&l->full_ns, &full, bucket_next(l->rate_all, full, now_ns),
							memory_order_relaxed, memory_order_relaxed));
	return true;
}

static enum limiter_verdict enter_service(struct limiter *l, uint64_t now_ns)
{
	unsigned before = atomic_fetch_add(&l->connections, 1);
	enum limiter_verdict verdict = LIMITER_PASS;

	if (l->connections_all && before >= l->connections_all->connections)
		verdict = LIMITER_CONNECTIONS;
	else if (!take_service_rate(l, now_ns))
		verdict = LIMITER_RATE;
	if (verdict != LIMITER_PASS)
		atomic_fetch_sub(&l->connections, 1);
	return verdict;
}

enum limiter_verdict limiter_enter(struct limiter *l, struct limiter_lease *lease, const struct addr *client,
				   uint64_t now_ns)
{
	enum limiter_verdict verdict = enter_client(l, lease, client, now_ns);

	if (verdict != LIMITER_PASS)
		return verdict;
	verdict = enter_service(l, now_ns);
	lease->held = verdict == LIMITER_PASS;
	if (lease->entry && !lease->held) {
		const struct limit_rule *rate = lease->entry->rate_rule;
		leave_client(l, lease->entry, rate ? rate->interval_ns : 0, now_ns);
		lease->entry = NULL;
	}
	return verdict;
}

void limiter_leave(struct limiter *l, struct limiter_lease *lease, uint64_t now_ns)
{
	if (!lease->held)
		return;
	limiter_set_busy(l, lease, false);
	if (lease->entry)
		leave_client(l, lease->entry, 0, now_ns);
	atomic_fetch_sub(&l->connections, 1);
	*lease = (struct limiter_lease){0};
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

unsigned limiter_connections(const struct limiter *l)
{
	return atomic_load(&l->connections);
}

unsigned limiter_clients(struct limiter *l)
{
	unsigned count = 0;

	for (int i = 0; i < LIMITER_SHARDS; i++) {
		pthread_mutex_lock(&l->shards[i].lock);
		count += l->shards[i].count;
		pthread_mutex_unlock(&l->shards[i].lock);
	}
	return count;
}
