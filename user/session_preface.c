/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_preface.c - SESSION_PREFACE: is there a PROXY header, and is it believed?
 *
 * Why the header has a state of its own: reading it inside accept would let one silent client hold up everybody
 * (GOST does). Here it costs one timer and, once bytes come, one small buffer.
 * Owns: nothing. Never: decides who may claim what (proxy_policy.c does), or what bytes mean
 * (proto_proxy.c does).
 * See: include/session_states.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto_proxy.h"
#include "proxy_policy.h"
#include "session_states.h"

/* --- what a header changes -------------------------------------------------------------------------------- */

static void keep_tlvs(struct session *s, const struct proxy_header *header)
{
	if (!s->svc->keep_tlvs || !header->tlvs_len)
		return;
	s->tlvs = malloc(header->tlvs_len);
	if (!s->tlvs)
		return; /* judge() finds out */
	memcpy(s->tlvs, header->tlvs, header->tlvs_len);
	s->tlvs_len = header->tlvs_len;
	if (s->svc->cfg->opt.recv_log_tlv)
		session_log_keep_tlvs(s);
}

static void believe(struct session *s, const struct proxy_header *header)
{
	keep_tlvs(s, header);
	s->names_nobody = addr_is_set(&header->src) && addr_family(&header->src) == AF_UNIX;
	if (!addr_is_set(&header->src) || s->names_nobody)
		return;
	s->proxy_addrs = true;
	s->client = header->src;
	s->client_dst = header->dst;
}

static void take_off(struct session *s, const struct proxy_header *header)
{
	s->header_seen = true;
	s->proxy_version = (uint8_t)header->version;
	s->header_bytes = header->consumed;
	session_consume(s, header->consumed);
}

/* --- verdicts ----------------------------------------------------------------------------------------------- */

static void refuse(struct session *s, const struct proxy_verdict *verdict, const struct proxy_fault *fault)
{
	atomic_fetch_add(&s->svc->rejected_headers, 1);
	if (verdict->text)
		session_fail(s, LOG_WARN, verdict->reason, "PROXY header: %s", verdict->text);
	else
		session_fail(s, LOG_WARN, verdict->reason,
			     "PROXY header: %s (at byte %zu, section %s of the specification)", fault->error,
			     fault->offset, fault->section);
}

/* Health checks connect and leave: not worth a record, nor a connection to the target. */
static void leave(struct session *s)
{
	s->reason = "empty";
	session_log_fault(s, LOG_DEBUG, "closed without a byte");
	session_close_early(s, true);
}

static void accept_header(struct session *s, const struct proxy_header *header, bool believed)
{
	if (believed)
		believe(s, header);
	take_off(s, header);
	if (believed && s->svc->keep_tlvs && header->tlvs_len && !s->tlvs)
		session_fail(s, LOG_ERROR, "no-memory", "no memory for the TLVs of a PROXY header");
	else
		session_begin_handler(s);
}

/* True: decided, one way or the other. */
static bool judge(struct session *s, enum proxy_moment moment)
{
	struct proxy_header header = {0};
	struct proxy_fault fault = {0};
	struct proxy_sight sight = {.trusted = s->trusted, .bytes = s->input.len != 0, .moment = moment};

	sight.result = proxy_parse(s->input.data, s->input.len, &s->svc->recv_limits, &header, &fault);
	sight.command = header.command;
	struct proxy_verdict verdict = proxy_decide(&s->svc->recv_rules, &sight);
	switch (verdict.action) {
	case PROXY_WAIT:
		return false;
	case PROXY_BELIEVE:
	case PROXY_CONSUME:
		accept_header(s, &header, verdict.action == PROXY_BELIEVE);
		return true;
	case PROXY_PASS:
		session_begin_handler(s);
		return true;
	case PROXY_END:
		refuse(s, &verdict, &fault);
		return true;
	case PROXY_LEAVE:
		leave(s);
		return true;
	}
	return true;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

void session_preface_ready(struct session *s)
{
	for (;;) {
		if (!session_input_room(s)) {
			session_fail(s, LOG_ERROR, "no-memory", "no memory for a PROXY header");
			return;
		}
		struct session_input *in = &s->input;
		ssize_t n = recv(s->pair.io[SIDE_CLIENT].fd, in->data + in->len, in->cap - in->len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			session_fail(s, LOG_INFO, "reset-by-client", "reading the PROXY header: %s", strerror(errno));
			return;
		}
		if (n == 0) {
			judge(s, PROXY_AT_EOF);
			return;
		}
		s->pair.flow[SIDE_CLIENT].read_bytes += (uint64_t)n;
		in->len += (size_t)n;
		if (judge(s, PROXY_AT_DATA))
			return;
	}
}

/* --- time ------------------------------------------------------------------------------------------------------ */

static uint64_t first_wait_ns(const struct session *s)
{
	const struct service_options *opt = &s->svc->cfg->opt;

	return proxy_insists(&s->svc->recv_rules) ? opt->recv_proxy_timeout_ns : opt->recv_wait_ns;
}

static void on_preface_timer(struct loop_timer *timer)
{
	struct session *s = (struct session *)((char *)timer - offsetof(struct session, timer));
	uint64_t whole = s->svc->cfg->opt.recv_proxy_timeout_ns, wait = first_wait_ns(s);
	bool late = s->preface_late || wait >= whole;

	if (judge(s, late ? PROXY_AT_DEADLINE : PROXY_AT_WAIT_END))
		return;
	s->preface_late = true;
	loop_timer_set(s->host->env.loop, &s->timer, whole - wait, on_preface_timer);
}

bool session_expects_preface(struct session *s)
{
	const struct service *svc = s->svc;

	if (!svc->cfg->opt.recv_proxy)
		return false;
	s->trusted = !svc->recv_from.count || acl_match(&svc->recv_from, &s->peer);
	return !proxy_skips(&svc->recv_rules, s->trusted);
}

void session_preface_begin(struct session *s)
{
	session_set_state(s, SESSION_PREFACE);
	loop_timer_set(s->host->env.loop, &s->timer, first_wait_ns(s), on_preface_timer);
}
