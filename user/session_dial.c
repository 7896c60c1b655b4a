/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_dial.c - SESSION_DIALING: choose a node, resolve, connect, send our PROXY header, hand over.
 *
 * Why the header waits for payload it can see: it must leave in one segment with the first bytes when there are any,
 * and alone at once when the client is silent (a server that speaks first must not wait).
 * Owns: the dial under way. Never: gives a target a second connection attempt after bytes were sent to it.
 * See: include/dial.h, include/selector.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "dial.h"
#include "proxy_send.h"
#include "session_states.h"

enum { FIRST_PAYLOAD_MAX = 16 * 1024 };

static void try_node(struct session *s);

void session_dial_cancel(struct session *s)
{
	resolver_cancel(s->host->resolver, &s->lookup);
	dial_cancel(s->dial);
	s->dial = NULL;
}

/* --- failure: the same target again, another node, or the end ------------------------------------------- */

static uint32_t client_hash(const struct session *s)
{
	char ip[ADDR_TEXT_MAX];

	addr_format_ip(&s->client, ip);
	return selector_hash(ip, strlen(ip));
}

static int pick_node(struct session *s)
{
	enum selector_strategy strategy = selector_strategy(s->svc->selector);
	uint32_t hash = strategy == SELECTOR_HASH ? client_hash(s) : 0;
	uint32_t random = strategy == SELECTOR_RANDOM ? arc4random() : 0;

	return selector_next(s->svc->selector, &s->pick, hash, random, loop_now(s->host->env.loop));
}

static void next_try(struct session *s, const char *text)
{
	session_log_fault(s, LOG_ERROR, text);
	if (s->retries_left) {
		s->retries_left--;
		try_node(s);
		return;
	}
	selector_mark_failed(s->svc->selector, (size_t)s->node, loop_now(s->host->env.loop));
	int node = pick_node(s);
	if (node < 0) {
		atomic_fetch_add(&s->svc->failed_dials, 1);
		session_fail(s, LOG_DEBUG, "dial-failed", "no target is left to try");
		return;
	}
	s->node = node;
	s->retries_left = (uint8_t)s->svc->cfg->opt.retries;
	try_node(s);
}

static void dial_failed(struct session *s, int status, const struct addr *at)
{
	char text[DIAL_ERROR_MAX];

	next_try(s, dial_error("tcp", status, &s->svc->dial_opt, &s->client, at, text));
}

/* --- success ----------------------------------------------------------------------------------------------- */

/* Built in the worker's read buffer, which holds nothing between two events. */
static int hold_header(struct session *s, const struct proxy_send *plan)
{
	struct flow_env *env = &s->host->env;
	char client[ADDR_TEXT_MAX];
	struct proxy_send_facts facts = {
		.src = s->client,
		.dst = plan->dst_local ? s->local : s->client_dst,
		.tlvs = s->tlvs,
		.tlvs_len = s->tlvs_len,
		.unique_id = s->unique_id,
		.client = addr_format(&s->client, client),
		.service = s->svc->cfg->name,
		.sid = s->sid,
	};
	ssize_t n = proxy_send_build(plan, &facts, env->buf, env->buf_size);

	return n < 0 ? (int)n : flow_hold(&s->pair.flow[SIDE_CLIENT], env->buf, (size_t)n);
}

/* What the client has sent so far goes into the same segment as our header. */
static int hold_first_payload(struct session *s)
{
	struct flow *flow = &s->pair.flow[SIDE_CLIENT];
	struct flow_env *env = &s->host->env;
	ssize_t n = recv(s->pair.io[SIDE_CLIENT].fd, env->buf, FIRST_PAYLOAD_MAX, MSG_DONTWAIT);

	if (n <= 0) /* silence, the end or an error: the pump will meet it */
		return 0;
	flow_note_read(flow, (size_t)n, FIRST_PAYLOAD_MAX);
	return flow_hold(flow, env->buf, (size_t)n);
}

static int hold_opening(struct session *s)
{
	const struct proxy_send *plan = &s->svc->nodes[s->node].send;
	int err = plan->version ? hold_header(s, plan) : 0;

	if (!err && s->preface_len)
		err = flow_hold(&s->pair.flow[SIDE_CLIENT], s->preface, s->preface_len);
	free(s->preface);
	s->preface = NULL;
	s->preface_cap = 0;
	if (!err && plan->version && !s->preface_len)
		err = hold_first_payload(s);
	return err;
}

/* A header that cannot say everything it was told to is not sent shorter. */
static void opening_failed(struct session *s, int err)
{
	if (err == -ENOMEM) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for the first bytes");
		return;
	}
	atomic_fetch_add(&s->svc->unsent_headers, 1);
	session_fail(s, LOG_ERROR, "proxy-header-overflow", "PROXY header: the TLVs to send do not fit into it");
}

static void on_idle_timer(struct loop_timer *timer)
{
	struct session *s = (struct session *)((char *)timer - offsetof(struct session, timer));
	struct loop *loop = s->host->env.loop;
	uint64_t limit = s->svc->cfg->opt.idle_timeout_ns, quiet = loop_now(loop) - pair_active_ns(&s->pair);

	if (quiet >= limit)
		pair_finish(&s->pair, PAIR_IDLE);
	else
		loop_timer_set(loop, &s->timer, limit - quiet, on_idle_timer);
}

static void forward(struct session *s)
{
	struct loop *loop = s->host->env.loop;
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;

	int err = hold_opening(s);
	if (err) {
		opening_failed(s, err);
		return;
	}
	session_set_state(s, SESSION_FORWARDING);
	if (idle)
		loop_timer_set(loop, &s->timer, idle, on_idle_timer);
	pair_start(&s->pair, s->pair.io[SIDE_CLIENT].fd, s->pair.io[SIDE_UPSTREAM].fd);
}

static void on_dialed(void *ctx, int status, struct loop_io *io, const struct addr *at)
{
	struct session *s = ctx;
	struct loop *loop = s->host->env.loop;

	s->dial = NULL;
	s->upstream = *at;
	if (status < 0) {
		dial_failed(s, status, at);
		return;
	}
	/* pair_start() sets the function; until then nothing can run. */
	if (loop_io_adopt(loop, io, &s->pair.io[SIDE_UPSTREAM],
			  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, NULL) < 0) {
		dial_failed(s, -errno, at);
		return;
	}
	selector_mark_good(s->svc->selector, (size_t)s->node);
	s->connected_ns = loop_now(loop);
	session_log_connected(s);
	forward(s);
}

static void on_resolved(struct resolver_request *req, int status, const struct addr *addrs, size_t count,
			const char *error)
{
	struct session *s = (struct session *)((char *)req - offsetof(struct session, lookup));
	const struct service_options *cfg = &s->svc->cfg->opt;
	struct listener_options opt = s->svc->dial_opt;

	if (status < 0) {
		next_try(s, error);
		return;
	}
	s->upstream = addrs[0];
	opt.client = &s->client;
	if (dial_start(&s->dial, s->host->env.loop, addrs, count, &opt, cfg->dial_timeout_ns, on_dialed, s) < 0)
		session_fail(s, LOG_ERROR, "no-memory", "no memory to dial");
}

static void try_node(struct session *s)
{
	const struct service_node *node = &s->svc->nodes[s->node];

	s->upstream = (struct addr){0};
	resolver_lookup(s->host->resolver, &s->lookup, node->host, node->port, on_resolved);
}

void session_connect(struct session *s)
{
	s->node = pick_node(s);
	s->retries_left = (uint8_t)s->svc->cfg->opt.retries;
	session_set_state(s, SESSION_DIALING);
	if (s->node < 0) {
		session_fail(s, LOG_ERROR, "no-target", "node not available");
		return;
	}
	try_node(s);
}
