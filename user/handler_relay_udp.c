/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler_relay_udp.c - relay's CONNECT for datagrams: frames of the client to one target and back.
 *
 * Why the target may be at the end of a line, too: this server may have a chain of its own, whose last hop may mark its
 * datagrams otherwise; and a PROXY header for the target belongs into each of them.
 * A datagram that the client's connection has no room for is dropped, as a full path would.
 * Owns: struct relay_udp; the sockets stay the session's. Never: joins or cuts datagrams, takes one from anybody but the target.
 * See: include/udp_line.h; user/udp_chain.c (the other end).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "connector.h"
#include "handler_relay.h"
#include "route.h"
#include "udp_line.h"
#include "udp_socket.h"

enum { BURST = 64 }; /* arrivals of the target before others have their turn */

struct relay_udp {
	struct session *s;
	struct udp_line client; /* frames of the client */
	struct udp_line far;    /* and of the chain's last hop */
	bool framed;            /* there is a far; otherwise the upstream is a datagram socket */
	bool too_big, refused;  /* told */
	struct socks_target target; /* for frames that name it */
	uint8_t *header; /* PROXY, in front of each datagram for the target */
	size_t header_len;
	uint64_t sent, returned, dropped;
	uint64_t counted_in, counted_out; /* bytes of the client, in the session's totals */
};

static struct relay_udp *relay_udp_of(const struct session *s)
{
	return ((const struct relay *)s->handshake)->udp;
}

static bool alive(const struct relay_udp *ru)
{
	return ru->s->state == SESSION_EXCHANGE;
}

static void log_totals(const struct relay_udp *ru)
{
	char text[128];

	snprintf(text, sizeof(text), "udp: %" PRIu64 " datagrams sent, %" PRIu64 " returned, %" PRIu64 " dropped", ru->sent,
		 ru->returned, ru->dropped);
	session_log_fault(ru->s, LOG_INFO, text);
}

/* What the closing record says of the client's connection. */
static void count_bytes(struct relay_udp *ru)
{
	struct pair *pair = &ru->s->pair;

	pair->flow[SIDE_CLIENT].read_bytes += ru->client.read_bytes - ru->counted_in;
	pair->flow[SIDE_UPSTREAM].written_bytes += ru->client.written_bytes - ru->counted_out;
	ru->counted_in = ru->client.read_bytes;
	ru->counted_out = ru->client.written_bytes;
	pair->active_ns = loop_now(ru->s->host->env.loop);
}

static void stop(struct relay_udp *ru)
{
	udp_line_close(&ru->client);
	udp_line_close(&ru->far);
}

static void finish(struct relay_udp *ru, enum pair_end end)
{
	stop(ru);
	count_bytes(ru);
	if (alive(ru))
		session_end(ru->s, end);
}

void relay_udp_free(struct relay_udp *ru)
{
	if (!ru)
		return;
	stop(ru);
	log_totals(ru);
	free(ru->header);
	free(ru);
}

void relay_udp_drain(struct relay_udp *ru)
{
	if (ru && alive(ru))
		finish(ru, PAIR_DRAIN);
}

/* --- to the target ---------------------------------------------------------------------------------------- */

static void too_big(struct relay_udp *ru)
{
	if (!ru->too_big)
		session_log_fault(ru->s, LOG_WARN, "a datagram is too long for the path to the target: dropped");
	ru->too_big = true;
}

/* An ICMP error of an earlier datagram is taken by the call and costs this one nothing. */
static bool is_earlier_error(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == EHOSTDOWN || err == ENOPROTOOPT;
}

static void target_refused(struct relay_udp *ru, int err)
{
	char text[128];

	snprintf(text, sizeof(text), "udp: %s", strerror(err));
	if (!ru->refused)
		session_log_fault(ru->s, LOG_WARN, text);
	ru->refused = true;
}

static int send_plain(struct relay_udp *ru, struct iovec *part, size_t count)
{
	struct msghdr msg = {.msg_iov = part, .msg_iovlen = count};
	int fd = ru->s->pair.io[SIDE_UPSTREAM].fd;

	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (!is_earlier_error(errno))
		return -errno;
	target_refused(ru, errno);
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void from_client(struct udp_line *l, const struct datagram *d)
{
	struct relay_udp *ru = (struct relay_udp *)((char *)l - offsetof(struct relay_udp, client));
	struct iovec part[] = {{ru->header, ru->header_len}, {(void *)(uintptr_t)d->data, d->len}};
	size_t first = ru->header_len ? 0 : 1;
	int err = ru->framed ? udp_line_put(&ru->far, &ru->target, part + first, 2 - first)
			     : send_plain(ru, part + first, 2 - first);

	if (err == -EMSGSIZE)
		too_big(ru);
	if (err)
		ru->dropped++;
	else
		ru->sent++;
}

static void client_paused(struct udp_line *l)
{
	struct relay_udp *ru = (struct relay_udp *)((char *)l - offsetof(struct relay_udp, client));

	if (ru->framed)
		udp_line_flush(&ru->far);
}

static enum pair_end end_of(int err, bool client)
{
	if (!err)
		return client ? PAIR_CLIENT_EOF : PAIR_UPSTREAM_EOF;
	if (err == -ECONNRESET || err == -EPIPE)
		return client ? PAIR_RESET_CLIENT : PAIR_RESET_UPSTREAM;
	return client ? PAIR_ERROR_CLIENT : PAIR_ERROR_UPSTREAM;
}

static void client_ended(struct udp_line *l, int err, const char *why)
{
	struct relay_udp *ru = (struct relay_udp *)((char *)l - offsetof(struct relay_udp, client));

	if (err)
		session_log_fault(ru->s, LOG_INFO, why);
	finish(ru, end_of(err, true));
}

static const struct udp_line_ops client_ops = {.datagram = from_client, .pause = client_paused, .ended = client_ended};

static void on_client(struct loop_io *io, uint32_t events)
{
	struct session *s = session_of_io(io, SIDE_CLIENT);
	struct relay_udp *ru = relay_udp_of(s);

	(void)events;
	if (!alive(ru))
		return;
	udp_line_ready(&ru->client);
	count_bytes(ru);
}

/* --- from the target ------------------------------------------------------------------------------------------ */

static void give_back(struct relay_udp *ru, const void *data, size_t len)
{
	struct iovec part = {(void *)(uintptr_t)data, len};

	if (udp_line_put(&ru->client, NULL, &part, 1) < 0)
		ru->dropped++;
	else
		ru->returned++;
}

static void flush_client(struct relay_udp *ru)
{
	udp_line_flush(&ru->client);
	count_bytes(ru);
}

/* An arrival may hold several datagrams of one length (UDP_GRO). */
static bool receive(struct relay_udp *ru)
{
	struct flow_env *env = &ru->s->host->env;
	struct iovec iov = {env->buf, env->buf_size};
	struct udp_control_in control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(ru->s->pair.io[SIDE_UPSTREAM].fd, &msg, MSG_DONTWAIT);
	size_t at = 0, whole = n > 0 ? (size_t)n : 0;

	if (n < 0 && is_earlier_error(errno))
		target_refused(ru, errno);
	if (n < 0)
		return errno != EAGAIN;
	size_t segment = udp_control_segment(&msg, (unsigned)whole);
	do {
		size_t left = whole - at;
		give_back(ru, env->buf + at, left < segment ? left : segment);
		at += segment;
	} while (at < whole);
	return true;
}

static void on_target(struct loop_io *io, uint32_t events)
{
	struct relay_udp *ru = relay_udp_of(session_of_io(io, SIDE_UPSTREAM));

	(void)events;
	if (!alive(ru))
		return;
	for (int i = 0; i < BURST && receive(ru); i++)
		;
	flush_client(ru);
}

static void from_far(struct udp_line *l, const struct datagram *d)
{
	struct relay_udp *ru = (struct relay_udp *)((char *)l - offsetof(struct relay_udp, far));
	bool stranger = l->set.framing->addressed && (d->peer.port != ru->target.port || strcmp(d->peer.host, ru->target.host));

	if (stranger)
		ru->dropped++;
	else
		give_back(ru, d->data, d->len);
}

static void far_paused(struct udp_line *l)
{
	flush_client((struct relay_udp *)((char *)l - offsetof(struct relay_udp, far)));
}

static void far_ended(struct udp_line *l, int err, const char *why)
{
	struct relay_udp *ru = (struct relay_udp *)((char *)l - offsetof(struct relay_udp, far));
	char text[256];

	snprintf(text, sizeof(text), "the last proxy: %s", why);
	if (err)
		session_log_fault(ru->s, LOG_ERROR, text);
	finish(ru, end_of(err, false));
}

static const struct udp_line_ops far_ops = {.datagram = from_far, .pause = far_paused, .ended = far_ended};

static void on_far(struct loop_io *io, uint32_t events)
{
	struct relay_udp *ru = relay_udp_of(session_of_io(io, SIDE_UPSTREAM));

	(void)events;
	if (alive(ru))
		udp_line_ready(&ru->far);
}

/* --- start ----------------------------------------------------------------------------------------------------- */

static void on_idle(struct loop_timer *timer)
{
	struct session *s = session_of_timer(timer);
	struct loop *loop = s->host->env.loop;
	uint64_t limit = s->svc->cfg->opt.idle_timeout_ns, quiet = loop_now(loop) - s->pair.active_ns;

	if (quiet >= limit)
		finish(relay_udp_of(s), PAIR_IDLE);
	else
		loop_timer_set(loop, &s->timer, limit - quiet, on_idle);
}

/* Built in the worker's read buffer, which holds nothing between two events. */
static int make_header(struct relay_udp *ru)
{
	struct flow_env *env = &ru->s->host->env;
	ssize_t n = session_datagram_header(ru->s, env->buf, UINT16_MAX);

	if (n <= 0)
		return (int)n;
	ru->header = malloc((size_t)n);
	if (!ru->header)
		return -ENOMEM;
	memcpy(ru->header, env->buf, (size_t)n);
	ru->header_len = (size_t)n;
	return 0;
}

static void open_client(struct relay_udp *ru)
{
	struct session *s = ru->s;

	udp_line_open(&ru->client, &(struct udp_line_setup){
					   .loop = s->host->env.loop,
					   .io = &s->pair.io[SIDE_CLIENT],
					   .tls = s->pair.tls[SIDE_CLIENT],
					   .framing = &datagram_counted,
					   .ops = &client_ops,
				   });
}

static void open_far(struct relay_udp *ru, const struct route_result *res)
{
	struct session *s = ru->s;

	ru->framed = true;
	ru->target.port = s->target ? s->target->port : s->svc->nodes[s->node].port;
	if (res->last->udp->addressed)
		snprintf(ru->target.host, sizeof(ru->target.host), "%s", res->target);
	udp_line_open(&ru->far, &(struct udp_line_setup){
					.loop = s->host->env.loop,
					.io = &s->pair.io[SIDE_UPSTREAM],
					.tls = s->pair.tls[SIDE_UPSTREAM],
					.framing = res->last->udp,
					.ops = &far_ops,
					.late = res->late,
					.late_count = res->late_count,
				});
}

static void say_yes(struct session *s)
{
	uint8_t reply[RELAY_FIXED];
	struct relay_builder b;

	relay_begin(&b, RELAY_OK, reply, sizeof(reply));
	session_reply(s, reply, (size_t)relay_end(&b));
}

/* What came behind the request and behind the far end's answer, and what no event will tell of any more. */
static void run(struct relay_udp *ru, const struct route_result *res)
{
	struct session *s = ru->s;

	ru->counted_in = s->input.len; /* by the handshake */
	udp_line_feed(&ru->client, s->input.data, s->input.len);
	session_consume(s, s->input.len);
	if (alive(ru) && ru->framed && res->surplus_len)
		udp_line_feed(&ru->far, res->surplus, res->surplus_len);
	if (alive(ru) && ru->framed)
		udp_line_ready(&ru->far);
	if (alive(ru))
		udp_line_ready(&ru->client);
	count_bytes(ru);
}

static void begin(struct relay_udp *ru, const struct route_result *res)
{
	struct session *s = ru->s;
	struct loop *loop = s->host->env.loop;
	uint64_t idle = s->svc->cfg->opt.idle_timeout_ns;

	if (res->last)
		open_far(ru, res);
	open_client(ru);
	session_take(s, on_client, res->last ? on_far : on_target);
	say_yes(s);
	if (!alive(ru))
		return;
	s->pair.active_ns = loop_now(loop);
	if (idle)
		loop_timer_set(loop, &s->timer, idle, on_idle);
	if (!res->last)
		loop_io_set(loop, &s->pair.io[SIDE_UPSTREAM], EPOLLIN); /* read as far as its turn goes, not to the end */
	run(ru, res);
}

void relay_udp_begin(struct session *s, const struct route_result *res)
{
	struct relay_udp *ru = calloc(1, sizeof(*ru));
	int err = -ENOMEM;

	((struct relay *)s->handshake)->udp = ru;
	if (ru) {
		ru->s = s;
		ru->client.closed = ru->far.closed = true; /* until they are open */
		err = make_header(ru);
	}
	if (!err)
		begin(ru, res);
	else if (err == -EPROTONOSUPPORT)
		relay_refuse(s, RELAY_UNAVAILABLE, "dial-failed", "version 1 of the PROXY header cannot say udp: the target would not understand");
	else
		relay_refuse(s, RELAY_INTERNAL, "no-memory", "no PROXY header for the target can be made");
}
