/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver.c - requests and the cache; who is called when.
 *
 * Why: c-ares calls back from inside its own functions, where neither destroying nor, safely, starting
 * queries is possible. So an answer is only noted there; requests are called from settle(), after c-ares
 * has returned, and may do anything.
 * Owns: the channel, the cache.
 * Never: trusts a name: what is not a domain name is refused before anybody is asked.
 * See: resolver_channel.h (c-ares), resolver_cache.h (ages), resolver_names.h (what a host text is).
 */
#include "resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "resolver_cache.h"
#include "resolver_channel.h"
#include "resolver_names.h"

#define HOSTS_TTL_NS (5ULL * 1000 * 1000 * 1000)
#define NODES_MAX    64 /* of one answer that are looked at */

struct resolver {
	struct resolver_channel channel;
	struct resolver_cache cache;
	struct resolver_entry *done;	 /* answered, requests not called yet */
	struct resolver_entry *starting; /* being asked right now: an answer now is from the hosts file */
	unsigned in_flight;
};

static uint64_t now(const struct resolver *r)
{
	return loop_now(r->channel.loop);
}

/* --- calling requests --- */

struct answer {
	int status;
	size_t count;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char error[320];
};

static const char *failure_text(int status)
{
	switch (status) {
	case -ENOENT:
		return "no such host";
	case -ETIMEDOUT:
		return "i/o timeout";
	case -ENOMEM:
		return "out of memory";
	case -ENODEV:
		return "no such network interface";
	default:
		return "server misbehaving";
	}
}

static void fill_failure(struct answer *answer, const char *host, int status)
{
	answer->status = status;
	answer->count = 0;
	snprintf(answer->error, sizeof(answer->error), "lookup %.253s: %s", host, failure_text(status));
}

/* Copied, because a request that is called may cause the entry to be evicted. */
static void fill_answer(struct answer *answer, const struct resolver_entry *entry,
			enum resolver_verdict verdict)
{
	if (verdict != RESOLVER_USE) {
		fill_failure(answer, entry->host, entry->failure);
		return;
	}
	answer->status = 0;
	answer->count = entry->count;
	memcpy(answer->addrs, entry->addrs, entry->count * sizeof(entry->addrs[0]));
}

static void call(struct resolver_request *req, struct answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		addr_set_port(&answer->addrs[i], req->port);
	req->fn(req, answer->status, answer->addrs, answer->count, answer->status ? answer->error : NULL);
}

static void enqueue(struct resolver_request **head, struct resolver_request *req)
{
	req->next = *head;
	req->prev = head;
	if (req->next)
		req->next->prev = &req->next;
	*head = req;
}

static void dequeue(struct resolver_request *req)
{
	*req->prev = req->next;
	if (req->next)
		req->next->prev = req->prev;
	req->next = NULL;
	req->prev = NULL;
}

/* Calls everybody who waits, first come first served. The entry may be gone afterwards. */
static void serve(struct resolver_entry *entry)
{
	struct resolver_request *queue = NULL, *req;
	struct answer answer;

	enum resolver_verdict verdict = resolver_cache_judge(entry, now(entry->resolver));
	fill_answer(&answer, entry, verdict);
	while ((req = entry->waiters)) { /* reverses; each stays cancellable on either list */
		dequeue(req);
		enqueue(&queue, req);
	}
	while ((req = queue)) {
		dequeue(req);
		call(req, &answer);
	}
}

/* After every call into c-ares: hands out what it answered, then waits for what it wants next. */
static void settle(struct resolver *r)
{
	struct resolver_entry *entry;

	while ((entry = r->done)) {
		r->done = entry->next_done;
		entry->in_flight = false;
		entry->impatient = false;
		r->in_flight--;
		loop_timer_cancel(r->channel.loop, &entry->patience);
		serve(entry);
	}
	resolver_channel_arm(&r->channel);
}

static void on_settled(struct resolver_channel *ch)
{
	settle((struct resolver *)((char *)ch - offsetof(struct resolver, channel)));
}

/* --- lookups --- */

static int ares_to_errno(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ENOMEM:
		return -ENOMEM;
	default: /* ARES_ECONNREFUSED too: c-ares says it after SERVFAIL and REFUSED as well */
		return -EAGAIN;
	}
}

static uint64_t least_ttl_ns(const struct ares_addrinfo *ai)
{
	int ttl = INT32_MAX;

	for (const struct ares_addrinfo_node *n = ai->nodes; n; n = n->ai_next)
		ttl = n->ai_ttl < ttl ? n->ai_ttl : ttl;
	for (const struct ares_addrinfo_cname *c = ai->cnames; c; c = c->next)
		ttl = c->ttl < ttl ? c->ttl : ttl;
	return ttl < 0 ? 0 : (uint64_t)ttl * 1000000000U;
}

/* The cache lets the first address's family lead. */
static void let_lead(struct addr *addrs, size_t count, int family)
{
	for (size_t i = 0; i < count; i++) {
		struct addr first = addrs[i];
		if (addr_family(&first) != family)
			continue;
		memmove(&addrs[1], &addrs[0], i * sizeof(addrs[0]));
		addrs[0] = first;
		return;
	}
}

static void store_answer(struct resolver_entry *entry, const struct ares_addrinfo *ai)
{
	struct resolver *r = entry->resolver;
	struct addr addrs[NODES_MAX];
	size_t count = 0;

	for (const struct ares_addrinfo_node *n = ai->nodes; n && count < NODES_MAX; n = n->ai_next)
		addr_from_sockaddr(&addrs[count++], n->ai_addr, n->ai_addrlen);
	if (!count) {
		resolver_cache_fail(entry, -ENOENT, now(r));
		return;
	}
	if (r->channel.cfg.prefer)
		let_lead(addrs, count, r->channel.cfg.prefer);
	/* The hosts file has no TTL, and is the only source that answers without waiting. */
	uint64_t ttl_ns = r->starting == entry ? HOSTS_TTL_NS : least_ttl_ns(ai);
	resolver_cache_store(entry, addrs, count, ttl_ns, now(r));
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct resolver_entry *entry = arg;
	struct resolver *r = entry->resolver;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		store_answer(entry, ai);
	else
		resolver_cache_fail(entry, ares_to_errno(status), now(r));
	if (ai)
		ares_freeaddrinfo(ai);
	entry->next_done = r->done;
	r->done = entry;
}

static void on_impatience(struct loop_timer *timer)
{
	struct resolver_entry *entry =
		(struct resolver_entry *)((char *)timer - offsetof(struct resolver_entry, patience));

	entry->impatient = true;
	serve(entry);
}

static void start(struct resolver *r, struct resolver_entry *entry)
{
	if (!r->in_flight)
		resolver_channel_refresh(&r->channel);
	entry->in_flight = true;
	r->in_flight++;
	if (resolver_cache_has_stale(entry, now(r)))
		loop_timer_set(r->channel.loop, &entry->patience, RESOLVER_PATIENCE_NS, on_impatience);
	r->starting = entry;
	resolver_channel_ask(&r->channel, entry->host, on_answer, entry);
	r->starting = NULL;
	settle(r);
}

static void refuse(struct resolver_request *req, const char *host, int status)
{
	struct answer answer;

	fill_failure(&answer, host, status);
	call(req, &answer);
}

static void lookup_name(struct resolver *r, struct resolver_request *req, const char *host)
{
	char key[RESOLVER_NAME_MAX + 1];
	struct answer answer;

	resolver_name_key(host, key);
	struct resolver_entry *entry = resolver_cache_find(&r->cache, key);
	if (!entry)
		entry = resolver_cache_add(&r->cache, key);
	if (!entry) {
		refuse(req, host, -ENOMEM);
		return;
	}
	entry->resolver = r;
	enum resolver_verdict verdict = resolver_cache_judge(entry, now(r));
	if (verdict != RESOLVER_ASK) {
		fill_answer(&answer, entry, verdict);
		call(req, &answer);
		return;
	}
	enqueue(&entry->waiters, req);
	if (!entry->in_flight)
		start(r, entry);
}

void resolver_lookup(struct resolver *r, struct resolver_request *req, const char *host, uint16_t port,
		     resolver_fn fn)
{
	struct answer answer = {0};

	resolver_cancel(r, req);
	req->port = port;
	req->fn = fn;
	int n = resolver_name_numeric(host, answer.addrs);
	if (n > 0) {
		answer.count = (size_t)n;
		call(req, &answer);
	} else if (n < 0) {
		refuse(req, host, n);
	} else if (!resolver_name_valid(host)) {
		refuse(req, host, -ENOENT);
	} else {
		lookup_name(r, req, host);
	}
}

void resolver_cancel(struct resolver *r, struct resolver_request *req)
{
	(void)r; /* the lookup goes on: its answer is cached */
	if (req->prev)
		dequeue(req);
}

/* --- life --- */

int resolver_new(struct resolver **out, struct loop *loop)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	int err = resolver_channel_init(&r->channel, loop, on_settled);
	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

static void forget_requests(struct resolver *r)
{
	for (struct resolver_entry *entry = r->cache.by_host; entry; entry = entry->hh.next) {
		while (entry->waiters)
			dequeue(entry->waiters);
		loop_timer_cancel(r->channel.loop, &entry->patience);
	}
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	forget_requests(r);
	resolver_channel_fini(&r->channel); /* notes a failure in each entry in flight: before they go */
	resolver_cache_fini(&r->cache);
	free(r);
}

int resolver_configure(struct resolver *r, const struct resolver_config *cfg)
{
	return r->in_flight ? -EBUSY : resolver_channel_configure(&r->channel, cfg);
}

int resolver_set_servers(struct resolver *r, const char *csv)
{
	struct resolver_config cfg = r->channel.cfg;

	cfg.servers = csv;
	cfg.resolv_conf = r->channel.resolv_conf;
	return resolver_configure(r, &cfg);
}
