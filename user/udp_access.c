/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_access.c - who may send datagrams, how many sessions one may have, how many bytes.
 *
 * Why a session counts as a connection: it is what GOST's limiters call one, and what costs us a descriptor.
 * Why nothing is answered: the sender's address may be anybody's. A refusal is a dropped datagram, told at most once a second.
 * Owns: a session's place in the limiter, from udp_access_enter() to udp_access_leave().
 * Never: decides (matcher.h and limiter.h do); holds a datagram back.
 * See: session_access.c, which does the same for TCP.
 */
#include "udp_session.h"

bool udp_access_admits(struct udp_service *u, const struct udp_arrival *in, const struct addr *who, const char *text)
{
	const struct matcher_group *admission = &u->svc->access.admission;

	if (!admission->count || !addr_is_set(who) || !matcher_group_refuses_addr(admission, who))
		return true;
	atomic_fetch_add(&u->svc->refused, 1);
	udp_log_trouble(u, UDP_TROUBLE_REFUSED, &in->peer, text);
	return false;
}

static void refuse(struct udp_service *u, const struct udp_arrival *in, enum limiter_verdict verdict)
{
	atomic_fetch_add(&u->svc->refused, 1);
	if (verdict == LIMITER_CONNECTIONS)
		udp_log_trouble(u, UDP_TROUBLE_CONNECTIONS, &in->peer,
				"too many udp sessions at the same time (climiter): datagram dropped");
	else if (verdict == LIMITER_RATE)
		udp_log_trouble(u, UDP_TROUBLE_RATE, &in->peer, "too many new udp sessions (rlimiter): datagram dropped");
	else
		udp_log_trouble(u, UDP_TROUBLE_RESOURCES, &in->peer, "no memory to count a udp session: datagram dropped");
}

bool udp_access_enter(struct udp_service *u, const struct udp_arrival *in, struct limiter_lease *lease)
{
	struct limiter *limiter = u->svc->access.limiter;
	struct addr client = addr_is_set(&in->client) ? in->client : in->peer;

	*lease = (struct limiter_lease){0};
	if (!limiter)
		return true;
	addr_unmap(&client);
	enum limiter_verdict verdict = limiter_enter(limiter, lease, &client, loop_now(u->host->env.loop));
	if (verdict != LIMITER_PASS)
		refuse(u, in, verdict);
	return verdict == LIMITER_PASS;
}

void udp_access_leave(struct udp_service *u, struct limiter_lease *lease)
{
	if (u->svc->access.limiter)
		limiter_leave(u->svc->access.limiter, lease, loop_now(u->host->env.loop));
}

/* A client that is over its limit is still there: its session must not end, or the next would begin with a full bucket. */
bool udp_access_takes(struct udp_session *s, enum limiter_way way, size_t bytes)
{
	struct udp_service *u = s->service;
	struct limiter *limiter = u->svc->access.limiter;
	uint64_t now = loop_now(u->host->env.loop);

	if (!limiter || !s->lease.held || limiter_take(limiter, &s->lease, way, bytes, now))
		return true;
	udp_table_touch(&u->table, &s->entry, now);
	s->dropped++;
	udp_log_trouble(u, UDP_TROUBLE_BANDWIDTH, &s->peer, "a datagram over the limit of bytes (limiter) is dropped");
	return false;
}
