/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_receive.c - a PROXY header at the beginning of a datagram.
 *
 * Why per datagram: a proxy may carry many clients over one socket, so only the header says whose a datagram is, and a bad one
 * costs that datagram only. Which datagrams are believed is decided in judge() alone.
 * Owns: nothing. Never: remembers a header for a later datagram; answers one that it drops.
 * See: include/proto_proxy.h; proxy-protocol.txt section 2 (datagrams).
 */
#include <stdio.h>

#include "udp_session.h"

enum verdict { BARE, PROXIED, DROP };

/* A beginning of the signature that the datagram's end cuts off is a payload, for instance an empty one. */
enum { SIGNATURE_LEN = 12 };

static void describe(const struct proxy_fault *fault, char *out, size_t cap)
{
	snprintf(out, cap, "PROXY header: %s (at byte %zu, section %s of the specification): datagram dropped", fault->error,
		 fault->offset, fault->section);
}

/* Version 1 is a text for streams. A header may be left out; whoever sent it is believed. */
static enum verdict judge(const struct service *svc, const struct udp_arrival *in, struct proxy_header *header, char *why,
			  size_t cap)
{
	const struct iovec *data = &in->data;
	struct proxy_limits limits = proxy_default_limits;
	struct proxy_fault fault;

	limits.max_size = svc->cfg->opt.recv_proxy_max;
	limits.allow_v1 = false;
	switch (proxy_parse(data->iov_base, data->iov_len, &limits, header, &fault)) {
	case PROXY_ACCEPT:
		return PROXIED;
	case PROXY_NOT_PROXY:
		return BARE;
	case PROXY_NEED_MORE:
		if (data->iov_len < SIGNATURE_LEN)
			return BARE;
		snprintf(why, cap, "PROXY header: the datagram ends inside it: dropped");
		return DROP;
	case PROXY_REJECT:
		break;
	}
	describe(&fault, why, cap);
	return DROP;
}

static void take(struct udp_arrival *in, const struct proxy_header *header)
{
	in->proxy_version = (uint8_t)header->version;
	in->data.iov_base = (uint8_t *)in->data.iov_base + header->consumed;
	in->data.iov_len -= header->consumed;
	if (addr_is_set(&header->src) && addr_family(&header->src) != AF_UNIX) {
		in->client = header->src;
		in->client_dst = header->dst;
	}
}

bool udp_receive(struct udp_service *u, struct udp_arrival *in)
{
	struct proxy_header header;
	char why[256];

	switch (judge(u->svc, in, &header, why, sizeof(why))) {
	case PROXIED:
		take(in, &header);
		return true;
	case BARE:
		return true;
	case DROP:
		break;
	}
	atomic_fetch_add(&u->svc->rejected_headers, 1);
	udp_log_trouble(u, UDP_TROUBLE_HEADER, &in->peer, why);
	return false;
}
