/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_tls.c - the pump of pairs of which one side or both speak TLS; reading and writing a side, whatever it speaks.
 *
 * Why a pump of its own: a record may wait inside OpenSSL while the socket has nothing, so only -EAGAIN says that there is nothing
 * to read; and the end of a flow is a message (close_notify) that must find room. Sockets under TLS never join the sockmap
 * (the kernel refuses those with kTLS, and could not decrypt for the others).
 * Owns: nothing. Never: takes a FIN without close_notify for an end.
 * See: include/tls.h, engine_copy.c.
 */
#include <errno.h>
#include <sys/socket.h>

#include "engine.h"
#include "flow.h"
#include "flow_prefix.h"
#include "tls.h"

enum { BATCH = 64 * 1024 };

/* --- one side ------------------------------------------------------------------------------------------- */

/* What tls.h says, as recv(2) and send(2) would say it. */
static ssize_t as_syscall(ssize_t n)
{
	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

static ssize_t recv_any(struct pair *pair, int side, void *buf, size_t len)
{
	if (pair->tls[side])
		return as_syscall(tls_read(pair->tls[side], buf, len));
	return recv(pair->io[side].fd, buf, len, MSG_DONTWAIT);
}

ssize_t pair_recv(struct pair *pair, int side, void *buf, size_t len)
{
	struct flow *flow = &pair->flow[side];
	ssize_t n, rest;

	do {
		n = rest = recv_any(pair, side, buf, len);
		if (n >= 0 && flow->prefix)
			rest = n ? flow_strip(flow, buf, (size_t)n) : flow_prefix_cut(flow);
		if (n > rest)
			flow->read_bytes += (uint64_t)(n - (rest > 0 ? rest : 0));
	} while (n > 0 && !rest);
	if (n >= 0 && rest < 0)
		errno = ECONNREFUSED;
	return rest;
}

ssize_t pair_send(struct pair *pair, int side, const void *buf, size_t len)
{
	if (pair->tls[side])
		return as_syscall(tls_write(pair->tls[side], buf, len));
	return send(pair->io[side].fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int pair_say_end(struct pair *pair, int side)
{
	return pair->tls[side] ? tls_shutdown(pair->tls[side]) : 0;
}

void pair_secure(struct pair *pair, int side, struct tls_conn *tls)
{
	tls_conn_free(pair->tls[side]);
	pair->tls[side] = tls;
	if (tls)
		pair->tls_sides |= (uint8_t)(1u << side);
}

/* --- the pump --------------------------------------------------------------------------------------------- */

/* Sends what it can; the rest is held. */
static enum pump_result write_out(struct flow *flow, const uint8_t *data, size_t n)
{
	size_t off = 0;

	while (off < n && flow->writable) {
		ssize_t sent = pair_send(flow_pair(flow), !flow->side, data + off, n - off);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return PUMP_DST_ERROR;
		if (sent < 0)
			flow->writable = false;
		else
			off += (size_t)sent;
	}
	flow->written_bytes += off;
	if (off == n)
		return PUMP_YIELD;
	return flow_hold(flow, data + off, n - off) < 0 ? PUMP_NO_MEMORY : PUMP_BLOCKED;
}

/* Several records into the worker's buffer, so that a plain target gets them with one call. Like recv(2). */
static ssize_t read_batch(struct flow *flow)
{
	struct flow_env *env = flow_env(flow);
	size_t len = 0;

	while (len < BATCH && flow->readable) {
		ssize_t n = pair_recv(flow_pair(flow), flow->side, env->buf + len, BATCH - len);
		if (n <= 0 && len) /* it will say so again */
			break;
		if (n <= 0)
			return n;
		flow_note_read(flow, (size_t)n, BATCH - len);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* The source is at its end and nothing is held: the target's TLS is told before its socket is. */
static enum pump_result end_target(struct flow *flow)
{
	struct pair *pair = flow_pair(flow);
	int rc = pair_say_end(pair, !flow->side);

	flow->ending = true;
	if (rc == -EAGAIN) {
		flow->writable = false;
		return PUMP_BLOCKED;
	}
	/* Who has ended and got everything need not stay to hear it. */
	if (rc && pair->flow[!flow->side].state != FLOW_SHUT) {
		errno = -rc;
		return PUMP_DST_ERROR;
	}
	return PUMP_EOF;
}

static enum pump_result pump_once(struct flow *flow)
{
	if (flow->hold_len)
		return pump_flush_hold(flow);
	if (flow->ending)
		return end_target(flow);
	if (!flow->readable)
		return PUMP_BLOCKED;
	ssize_t n = read_batch(flow);
	if (n == 0)
		return end_target(flow);
	if (n < 0 && errno == EINTR)
		return PUMP_YIELD;
	if (n < 0 && errno != EAGAIN)
		return PUMP_SRC_ERROR;
	if (n < 0) {
		flow->readable = false;
		return PUMP_BLOCKED;
	}
	return write_out(flow, flow_env(flow)->buf, (size_t)n);
}

static enum pump_result pump_tls(struct flow *flow)
{
	return pump_turns(flow, pump_once);
}

const struct engine_ops engine_tls_ops = {
	.name = "copy",
	.kind = ENGINE_COPY,
	.mode = SPLICE_NEVER,
	.pump = pump_tls,
};
