/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_udp_tun.c - see handler_udp_tun.h.
 *
 * Why an empty datagram goes no further: GOST, at the other end, would take what follows for its content. It is counted.
 * PROXY headers in datagrams that come to a port are passed on as they are: the other end knows its clients by their addresses,
 * and answers to them, so only there can a header be read (rudp with proxyProtocol).
 * Owns: struct udp_tun. Never: lets a datagram wait for room.
 */
#include "handler_udp_tun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "handler_outside.h"
#include "udp_line.h"

struct udp_tun {
	struct session *s;
	struct udp_line line; /* the client */
	struct outside outside;
	struct loop_timer idle;
	void (*ready)(struct session *s, const char *error); /* through a chain */
	uint64_t counted_in, counted_out; /* bytes of the client, in the session's totals */
};

static bool alive(const struct udp_tun *t)
{
	return t->s->state == SESSION_EXCHANGE;
}

static void count_bytes(struct udp_tun *t)
{
	struct pair *pair = &t->s->pair;

	pair->flow[SIDE_CLIENT].read_bytes += t->line.read_bytes - t->counted_in;
	pair->flow[SIDE_UPSTREAM].written_bytes += t->line.written_bytes - t->counted_out;
	t->counted_in = t->line.read_bytes;
	t->counted_out = t->line.written_bytes;
	pair->active_ns = loop_now(t->s->host->env.loop);
}

static void stop(struct udp_tun *t)
{
	udp_line_close(&t->line);
	loop_timer_cancel(t->s->host->env.loop, &t->idle);
}

static void finish(struct udp_tun *t, enum pair_end end)
{
	stop(t);
	outside_close(&t->outside); /* the port is free at once */
	count_bytes(t);
	if (alive(t))
		session_end(t->s, end);
}

void udp_tun_free(struct udp_tun *t)
{
	if (!t)
		return;
	stop(t);
	outside_log_totals(&t->outside);
	outside_free(&t->outside);
	free(t);
}

void udp_tun_drain(struct udp_tun *t)
{
	if (t && alive(t))
		finish(t, PAIR_DRAIN);
}

/* --- from the world ---------------------------------------------------------------------------------------- */

static bool on_arrived(struct outside *o, uint8_t *payload, size_t len, const struct addr *from)
{
	struct udp_tun *t = (struct udp_tun *)((char *)o - offsetof(struct udp_tun, outside));
	struct socks_target peer;

	socks_target_addr(&peer, from);
	return udp_line_put(&t->line, &peer, &(struct iovec){payload, len}, 1) == 0;
}

static void on_arrived_all(struct outside *o)
{
	struct udp_tun *t = (struct udp_tun *)((char *)o - offsetof(struct udp_tun, outside));

	udp_line_flush(&t->line);
	count_bytes(t);
}

static void on_way(struct outside *o, const char *error)
{
	((struct udp_tun *)((char *)o - offsetof(struct udp_tun, outside)))->ready(o->s, error);
}

static void on_lost(struct outside *o, int err)
{
	finish((struct udp_tun *)((char *)o - offsetof(struct udp_tun, outside)), err ? PAIR_RESET_UPSTREAM : PAIR_UPSTREAM_EOF);
}

static const struct outside_ops outside_ops = {
	.arrived = on_arrived, .paused = on_arrived_all, .ready = on_way, .lost = on_lost};

/* --- from the client ----------------------------------------------------------------------------------------- */

static void on_datagram(struct udp_line *l, const struct datagram *d)
{
	struct udp_tun *t = (struct udp_tun *)((char *)l - offsetof(struct udp_tun, line));

	outside_send(&t->outside, &d->peer, d->data, d->len);
}

static void on_pause(struct udp_line *l)
{
	outside_flush(&((struct udp_tun *)((char *)l - offsetof(struct udp_tun, line)))->outside);
}

static enum pair_end end_of(int err)
{
	if (!err)
		return PAIR_CLIENT_EOF;
	return err == -ECONNRESET || err == -EPIPE ? PAIR_RESET_CLIENT : PAIR_ERROR_CLIENT;
}

static void on_ended(struct udp_line *l, int err, const char *why)
{
	struct udp_tun *t = (struct udp_tun *)((char *)l - offsetof(struct udp_tun, line));

	if (err)
		session_log_fault(t->s, LOG_INFO, why);
	finish(t, end_of(err));
}

static const struct udp_line_ops line_ops = {.datagram = on_datagram, .pause = on_pause, .ended = on_ended};

/* --- start ------------------------------------------------------------------------------------------------------ */

int udp_tun_open(struct udp_tun **out, struct session *s, const struct addr *at)
{
	struct udp_tun *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->s = s;
	t->line.closed = true; /* until it begins */
	outside_init(&t->outside, s, &outside_ops);
	int err = at ? outside_bind(&t->outside, at) : 0;
	if (err) {
		outside_close(&t->outside);
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

const struct addr *udp_tun_addr(const struct udp_tun *t)
{
	return &t->outside.at;
}

static void on_idle(struct loop_timer *timer)
{
	struct udp_tun *t = (struct udp_tun *)((char *)timer - offsetof(struct udp_tun, idle));
	struct loop *loop = t->s->host->env.loop;
	uint64_t limit = t->s->svc->cfg->opt.idle_timeout_ns, quiet = loop_now(loop) - t->s->pair.active_ns;

	if (quiet >= limit)
		finish(t, PAIR_IDLE);
	else
		loop_timer_set(loop, &t->idle, limit - quiet, on_idle);
}

static void announce(const struct udp_tun *t)
{
	char at[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 32];

	if (!addr_is_set(&t->outside.at))
		return;
	snprintf(text, sizeof(text), "bind on %s/udp OK", addr_format(&t->outside.at, at));
	session_log_fault(t->s, LOG_INFO, text);
}

void udp_tun_ready(struct udp_tun *t)
{
	if (!alive(t))
		return;
	udp_line_ready(&t->line);
	count_bytes(t);
}

int udp_tun_dial(struct udp_tun *t, loop_io_fn on_client, void (*ready)(struct session *s, const char *error))
{
	t->ready = ready;
	loop_timer_cancel(t->s->host->env.loop, &t->s->timer);
	session_take(t->s, on_client, NULL);
	return outside_dial(&t->outside);
}

void udp_tun_begin(struct udp_tun *t, loop_io_fn on_client)
{
	struct session *s = t->s;
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;

	announce(t);
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_take(s, on_client, NULL);
	s->pair.active_ns = loop_now(s->host->env.loop);
	if (idle)
		loop_timer_set(s->host->env.loop, &t->idle, idle, on_idle);
	udp_line_open(&t->line, &(struct udp_line_setup){
					.loop = s->host->env.loop,
					.io = &s->pair.io[SIDE_CLIENT],
					.tls = s->pair.tls[SIDE_CLIENT],
					.framing = &datagram_addressed,
					.ops = &line_ops,
				});
	t->counted_in = s->input.len; /* by the handshake */
	udp_line_feed(&t->line, s->input.data, s->input.len);
	session_consume(s, s->input.len);
	udp_tun_ready(t);
}
