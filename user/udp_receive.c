/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_receive.c - a PROXY header at the beginning of a datagram.
 *
 * Why per datagram: a proxy may carry many clients over one socket, so only the header says whose a datagram is, and a bad one
 * costs that datagram only. A datagram is all there is: nothing is waited for, its end is the end of the header's time.
 * Owns: nothing. Never: decides who may claim what (proxy_policy.c does); answers a datagram that it drops.
 * See: include/proto_proxy.h; proxy-protocol.txt section 2 (datagrams); session_preface.c for TCP.
 */
#include <stdio.h>

#include "proxy_policy.h"
#include "udp_session.h"

/* A beginning of the signature that the datagram's end cuts off is a payload, for instance an empty one. */
enum { SIGNATURE_LEN = 12 };

static void take_off(struct udp_arrival *in, const struct proxy_header *header)
{
	in->proxy_version = (uint8_t)header->version;
	in->data.iov_base = (uint8_t *)in->data.iov_base + header->consumed;
	in->data.iov_len -= header->consumed;
}

static void believe(const struct service *svc, struct udp_arrival *in, const struct proxy_header *header)
{
	if (svc->keep_tlvs) {
		in->tlvs = header->tlvs;
		in->tlvs_len = header->tlvs_len;
	}
	if (addr_is_set(&header->src) && addr_family(&header->src) != AF_UNIX) {
		in->client = header->src;
		in->client_dst = header->dst;
	}
}

static void refuse(struct udp_service *u, const struct udp_arrival *in, const struct proxy_verdict *verdict,
		   enum proxy_result result, const struct proxy_fault *fault)
{
	char why[256];

	if (result == PROXY_REJECT)
		snprintf(why, sizeof(why), "PROXY header: %s (at byte %zu, section %s of the specification): datagram dropped",
			 fault->error, fault->offset, fault->section);
	else if (result == PROXY_NEED_MORE)
		snprintf(why, sizeof(why), "PROXY header: the datagram ends inside it: dropped");
	else
		snprintf(why, sizeof(why), "PROXY header: %s: datagram dropped", verdict->text);
	atomic_fetch_add(&u->svc->rejected_headers, 1);
	udp_log_trouble(u, udp_log_trouble_of(verdict->reason), &in->peer, why);
}

static enum proxy_result look(const struct service *svc, const struct udp_arrival *in, struct proxy_header *header,
			      struct proxy_fault *fault)
{
	enum proxy_result result = proxy_parse(in->data.iov_base, in->data.iov_len, &svc->recv_limits, header, fault);

	return result == PROXY_NEED_MORE && in->data.iov_len < SIGNATURE_LEN ? PROXY_NOT_PROXY : result;
}

/* The sender's last header counts for what has none. */
static bool is_remembered(const struct udp_service *u, const struct udp_arrival *in)
{
	struct udp_key key;

	if (!u->svc->cfg->opt.recv_remember)
		return false;
	udp_service_key(u, in, &key);
	struct udp_entry *entry = udp_table_find(&u->table, &key);
	return entry && udp_service_session(entry)->proxy_version;
}

bool udp_receive(struct udp_service *u, struct udp_arrival *in)
{
	const struct service *svc = u->svc;
	struct proxy_sight sight = {.bytes = true, .moment = PROXY_AT_EOF};
	struct proxy_header header = {0};
	struct proxy_fault fault = {0};

	sight.trusted = !svc->recv_from.count || acl_match(&svc->recv_from, &in->peer);
	if (proxy_skips(&svc->recv_rules, sight.trusted))
		return true;
	sight.result = look(svc, in, &header, &fault);
	sight.command = header.command;
	in->inherits = sight.result == PROXY_NOT_PROXY && is_remembered(u, in);
	if (in->inherits)
		return true;
	struct proxy_verdict verdict = proxy_decide(&svc->recv_rules, &sight);
	if (verdict.action == PROXY_BELIEVE)
		believe(svc, in, &header);
	if (verdict.action == PROXY_BELIEVE || verdict.action == PROXY_CONSUME)
		take_off(in, &header);
	if (verdict.action == PROXY_END)
		refuse(u, in, &verdict, sight.result, &fault);
	return verdict.action != PROXY_END;
}
