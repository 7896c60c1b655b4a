/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_dial.c - SESSION_DIALING: choose a target, find the way there, send our PROXY header, hand over.
 *
 * Why the header waits for payload it can see: it must leave in one segment with the first bytes when there are any,
 * and alone at once when the client is silent (a server that speaks first must not wait).
 * Owns: the route under way. Never: gives a target a second connection attempt after bytes were sent to it.
 * See: include/route.h, include/selector.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "flow_prefix.h"
#include "proxy_send.h"
#include "route.h"
#include "session_access.h"
#include "session_states.h"

enum { FIRST_PAYLOAD_MAX = 16 * 1024 };

static void try_target(struct session *s);

void session_dial_cancel(struct session *s)
{
	route_cancel(s->route);
	s->route = NULL;
	session_race_cancel(s);
}

/* --- failure: the same target again, another node, or the end ------------------------------------------- */

static uint32_t client_hash(const struct session *s)
{
	char ip[ADDR_TEXT_MAX];

	addr_format_ip(&s->client, ip);
	return selector_hash(ip, strlen(ip));
}

/* GOST's text, port included, so that stickiness survives a move from it. */
static uint32_t chain_hash(const struct session *s)
{
	char text[280];

	if (!s->svc->chain)
		return 0;
	if (!s->svc->cfg->opt.hash_host || !s->target)
		return client_hash(s);
	int n = snprintf(text, sizeof(text), strchr(s->target->host, ':') ? "[%s]:%u" : "%s:%u", s->target->host,
			 s->target->port);
	return selector_hash(text, (size_t)n);
}

static int pick_node(struct session *s)
{
	enum selector_strategy strategy = selector_strategy(s->svc->selector);
	uint32_t hash = strategy == SELECTOR_HASH ? client_hash(s) : 0;
	uint32_t random = strategy == SELECTOR_RANDOM ? arc4random() : 0;

	return selector_next(s->svc->selector, &s->pick, hash, random, loop_now(s->host->env.loop));
}

void session_give_up(struct session *s, enum dial_outcome outcome)
{
	atomic_fetch_add(&s->svc->failed_dials, 1);
	if (s->handler->refused) {
		s->reason = "dial-failed";
		s->handler->refused(s, outcome);
	} else {
		session_fail(s, LOG_DEBUG, "dial-failed", "no target is left to try");
	}
}

static void next_try(struct session *s, enum dial_outcome outcome, const char *text)
{
	session_log_fault(s, LOG_ERROR, text);
	if (s->retries_left) {
		s->retries_left--;
		try_target(s);
		return;
	}
	/* A chain that is down says nothing about the target. */
	if (s->node >= 0 && outcome != DIAL_CHAIN)
		selector_mark_failed(s->svc->selector, (size_t)s->node, loop_now(s->host->env.loop));
	int node = s->target || outcome == DIAL_CHAIN ? -1 : pick_node(s);
	if (node < 0) {
		session_give_up(s, outcome);
		return;
	}
	s->node = node;
	s->retries_left = (uint8_t)s->svc->cfg->opt.retries;
	try_target(s);
}

/* --- success ----------------------------------------------------------------------------------------------- */

static const struct proxy_send *header_plan(const struct session *s)
{
	return s->node >= 0 ? &s->svc->nodes[s->node].send : &s->svc->send;
}

static ssize_t build_header(struct session *s, const struct proxy_send *plan, bool datagram, uint8_t *out, size_t cap)
{
	char client[ADDR_TEXT_MAX];
	struct proxy_send_facts facts = {
		.src = s->names_nobody ? (struct addr){0} : s->client,
		.dst = plan->dst_local ? s->local : s->client_dst,
		.tlvs = s->tlvs,
		.tlvs_len = s->tlvs_len,
		.datagram = datagram,
		.unique_id = s->unique_id,
		.client = addr_format(&s->client, client),
		.service = s->svc->cfg->name,
		.sid = s->sid,
	};

	return proxy_send_build(plan, &facts, out, cap);
}

ssize_t session_build_header(struct session *s, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return build_header(s, plan, false, out, cap);
}

ssize_t session_hop_header(struct session *s, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return session_build_header(s, plan, out, cap);
}

/* Version 1 is a text for streams. */
ssize_t session_datagram_header(struct session *s, uint8_t *out, size_t cap)
{
	const struct proxy_send *plan = header_plan(s);

	if (plan->version == 1)
		return -EPROTONOSUPPORT;
	return plan->version ? build_header(s, plan, true, out, cap) : 0;
}

/* Built in the worker's read buffer, which holds nothing between two events. */
static int hold_header(struct session *s)
{
	const struct proxy_send *plan = header_plan(s);
	struct flow_env *env = &s->host->env;

	if (!plan->version)
		return 0;
	ssize_t n = session_build_header(s, plan, env->buf, env->buf_size);
	return n < 0 ? (int)n : flow_hold(&s->pair.flow[SIDE_CLIENT], env->buf, (size_t)n);
}

/* What the client has sent so far goes into the same segment as our header. */
static int hold_first_payload(struct session *s)
{
	struct flow *flow = &s->pair.flow[SIDE_CLIENT];
	struct flow_env *env = &s->host->env;
	ssize_t n = pair_recv(&s->pair, SIDE_CLIENT, env->buf, FIRST_PAYLOAD_MAX);

	if (n <= 0) /* silence, the end or an error: the pump will meet it */
		return 0;
	flow_note_read(flow, (size_t)n, FIRST_PAYLOAD_MAX);
	return flow_hold(flow, env->buf, (size_t)n);
}

/* Behind the header, if there is one: what came with the handshake, or what has come since. */
static int hold_payload(struct session *s)
{
	size_t len = s->input.len;
	int err = len ? flow_hold(&s->pair.flow[SIDE_CLIENT], s->input.data, len) : 0;

	session_input_free(s);
	if (!err && !len && header_plan(s)->version)
		err = hold_first_payload(s);
	return err;
}

/* A header that cannot say everything it was told to is not sent shorter. */
static void opening_failed(struct session *s, int err)
{
	if (err == -ECONNREFUSED) {
		session_fail(s, LOG_DEBUG, "upstream-error", "a proxy on the way said no");
		return;
	}
	if (err == -ENOMEM) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for the first bytes");
		return;
	}
	atomic_fetch_add(&s->svc->unsent_headers, 1);
	session_fail(s, LOG_ERROR, "proxy-header-overflow", "PROXY header: the TLVs to send do not fit into it");
}

static void on_idle_timer(struct loop_timer *timer)
{
	struct session *s = session_of_timer(timer);
	struct loop *loop = s->host->env.loop;
	uint64_t limit = s->svc->cfg->opt.idle_timeout_ns, quiet = loop_now(loop) - pair_active_ns(&s->pair);

	if (quiet >= limit)
		pair_finish(&s->pair, PAIR_IDLE);
	else
		loop_timer_set(loop, &s->timer, limit - quiet, on_idle_timer);
}

void session_forward(struct session *s)
{
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;

	session_set_state(s, SESSION_FORWARDING);
	if (idle)
		loop_timer_set(s->host->env.loop, &s->timer, idle, on_idle_timer);
	pair_start(&s->pair, s->pair.io[SIDE_CLIENT].fd, s->pair.io[SIDE_UPSTREAM].fd);
}

/* What the target said already, into the worker's buffer: without a late answer of a proxy, which stands in front of it. */
static ssize_t take_surplus(struct session *s, const struct route_result *res)
{
	struct flow *flow = &s->pair.flow[SIDE_UPSTREAM];

	memcpy(s->host->env.buf, res->surplus, res->surplus_len);
	if (!flow->prefix)
		return (ssize_t)res->surplus_len;
	ssize_t n = flow_strip(flow, s->host->env.buf, res->surplus_len);
	return n < 0 ? -ECONNREFUSED : n;
}

/* It comes behind what the handler says. */
static int hold_surplus(struct session *s, const struct route_result *res)
{
	ssize_t n = res->surplus_len ? take_surplus(s, res) : 0;

	return n > 0 ? flow_hold(&s->pair.flow[SIDE_UPSTREAM], s->host->env.buf, (size_t)n) : (int)n;
}

static void open_forwarding(struct session *s, const struct route_result *res)
{
	int err = hold_surplus(s, res);

	if (!err)
		err = hold_payload(s);
	if (err)
		opening_failed(s, err);
	else
		session_forward(s);
}

static void connected(struct session *s, const struct route_result *res)
{
	if (s->datagrams) {
		s->handler->datagrams(s, res);
		return;
	}
	int err = hold_header(s);

	if (!err && res->late_count)
		err = session_expect_late(s, res);
	if (err) {
		opening_failed(s, err);
		return;
	}
	if (s->handler->connected)
		s->handler->connected(s);
	if (s->state == SESSION_DIALING)
		open_forwarding(s, res);
	else if (s->state == SESSION_EXCHANGE && res->surplus_len && take_surplus(s, res))
		session_fail(s, LOG_WARN, "upstream-error", "the target spoke before it was asked");
}

/* pair_start() or the handler sets the function; until then nothing can run. */
static bool adopt(struct session *s, const struct route_result *res)
{
	if (loop_io_adopt(s->host->env.loop, res->io, &s->pair.io[SIDE_UPSTREAM],
			  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, NULL) < 0)
		return false;
	pair_secure(&s->pair, SIDE_UPSTREAM, res->tls);
	s->pair.flow[SIDE_UPSTREAM].read_bytes += res->read_bytes;
	s->pair.flow[SIDE_CLIENT].written_bytes += res->written_bytes;
	return true;
}

void session_routed(struct session *s, const struct route_result *res)
{
	s->upstream = res->at;
	if (!adopt(s, res)) {
		loop_io_reset(s->host->env.loop, res->io);
		session_fail(s, LOG_ERROR, "no-memory", "epoll: %s", strerror(errno));
		return;
	}
	if (s->node >= 0)
		selector_mark_good(s->svc->selector, (size_t)s->node);
	loop_timer_cancel(s->host->env.loop, &s->timer);
	s->connected_ns = loop_now(s->host->env.loop);
	session_log_connected(s);
	session_pace(s);
	connected(s, res);
}

/* --- the way there ------------------------------------------------------------------------------------------ */

static void on_routed(void *ctx, const struct route_result *res)
{
	struct session *s = ctx;

	s->route = NULL;
	s->upstream = res->at;
	if (res->outcome != DIAL_OK)
		next_try(s, res->outcome, res->error);
	else
		session_routed(s, res);
}

static ssize_t on_hop_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	return session_build_header(ctx, plan, out, cap);
}

static void on_hop_trouble(void *ctx, const char *text)
{
	session_log_fault(ctx, LOG_ERROR, text);
}

void session_fill_request(struct session *s, const struct service_node *node, struct route_request *req)
{
	*req = (struct route_request){
		.loop = s->host->env.loop,
		.resolver = s->host->resolver,
		.named = s->host->named,
		.hosts = s->svc->access.hosts,
		.target_resolver = s->svc->access.resolver < 0 ? NULL : s->host->named[s->svc->access.resolver],
		.chain = s->svc->chain,
		.host = node ? node->host : s->target->host,
		.port = node ? node->port : s->target->port,
		.command = s->datagrams ? CONNECTOR_UDP : CONNECTOR_CONNECT,
		.whole = s->datagrams && (node ? &node->send : &s->svc->send)->version,
		.socket_opt = &s->svc->dial_opt,
		.client = &s->client,
		.timeout_ns = s->svc->cfg->opt.dial_timeout_ns,
		.hash = chain_hash(s),
		.ctx = s,
		.header = on_hop_header,
		.trouble = on_hop_trouble,
		.done = on_routed,
	};
}

static void try_target(struct session *s)
{
	struct route_request req;

	session_fill_request(s, s->node >= 0 ? &s->svc->nodes[s->node] : NULL, &req);
	s->upstream = (struct addr){0};
	if (session_is_bypassed(s, req.host, req.port)) {
		session_log_fault(s, LOG_INFO, "bypass: this target is not allowed");
		session_give_up(s, DIAL_BYPASSED);
		return;
	}
	if (route_new(&s->route, &req) < 0)
		session_fail(s, LOG_ERROR, "no-memory", "no memory to dial");
	else
		route_run(s->route);
}

/* The handshake is over, and so is its deadline: every attempt at a target has one of its own. */
static void begin_dialing(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_set_state(s, SESSION_DIALING);
}

void session_connect(struct session *s)
{
	begin_dialing(s);
	if (selector_strategy(s->svc->selector) == SELECTOR_PARALLEL) {
		session_race_begin(s, DIAL_NO_NODE);
		return;
	}
	s->node = pick_node(s);
	s->retries_left = (uint8_t)s->svc->cfg->opt.retries;
	if (s->node < 0) {
		session_log_fault(s, LOG_ERROR, "node not available");
		session_give_up(s, DIAL_NO_NODE);
		return;
	}
	try_target(s);
}

bool session_set_target(struct session *s, const char *host, uint16_t port)
{
	size_t len = strlen(host);

	free(s->target);
	s->target = malloc(sizeof(*s->target) + len + 1);
	if (!s->target)
		return false;
	memcpy(s->target->host, host, len + 1);
	s->target->port = port;
	s->node = -1;
	return true;
}

void session_connect_to(struct session *s, const char *host, uint16_t port)
{
	begin_dialing(s);
	if (!session_set_target(s, host, port)) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory to dial");
		return;
	}
	s->retries_left = (uint8_t)s->svc->cfg->opt.retries;
	try_target(s);
}
