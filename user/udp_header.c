/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_header.c - the PROXY header that a UDP session's target gets, and the received TLVs that it is made of.
 *
 * Why built once and not for each datagram: it only changes when a datagram comes with other TLVs (a DNS proxy may say
 * something about each query); then it is built anew before that datagram goes on.
 * Owns: header, tlvs and texts of a session. Never: sends a header shorter than it was told to.
 * See: include/proxy_send.h, user/session_dial.c for TCP.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "udp_session.h"

static void fill_facts(const struct udp_session *s, const struct proxy_send *plan, char client[static ADDR_TEXT_MAX],
		       struct proxy_send_facts *out)
{
	*out = (struct proxy_send_facts){
		.src = s->client,
		.dst = plan->dst_local ? s->local : s->client_dst,
		.datagram = true,
		.tlvs = s->tlvs,
		.tlvs_len = s->tlvs_len,
		.unique_id = s->unique_id,
		.client = addr_format(&s->client, client),
		.service = s->service->svc->cfg->name,
		.sid = s->sid,
	};
}

/* In the worker's read buffer, which holds nothing between two events. */
static ssize_t build(struct udp_session *s, uint8_t **out)
{
	const struct proxy_send *plan = &s->service->svc->nodes[s->node].send;
	struct flow_env *env = &s->service->host->env;
	size_t cap = env->buf_size < UDP_DATAGRAM_MAX ? env->buf_size : UDP_DATAGRAM_MAX;
	struct proxy_send_facts facts;
	char client[ADDR_TEXT_MAX];

	fill_facts(s, plan, client, &facts);
	ssize_t n = proxy_send_build(plan, &facts, env->buf, cap);
	if (n < 0)
		return n;
	*out = malloc((size_t)n);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, env->buf, (size_t)n);
	return n;
}

/* A version that cannot say UDP says nobody. */
ssize_t udp_header_hop(const struct udp_session *s, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	struct proxy_send_facts facts;
	char client[ADDR_TEXT_MAX];

	fill_facts(s, plan, client, &facts);
	if (plan->version == 1)
		facts.src = facts.dst = (struct addr){0};
	return proxy_send_build(plan, &facts, out, cap);
}

static void no_memory(struct udp_session *s)
{
	udp_log_trouble(s->service, UDP_TROUBLE_RESOURCES, &s->peer, "no memory for the PROXY header of a udp session");
	udp_session_end(s, "no-memory");
}

static void overflow(struct udp_session *s)
{
	atomic_fetch_add(&s->service->svc->unsent_headers, 1);
	udp_log_trouble(s->service, UDP_TROUBLE_OVERFLOW, &s->peer, "PROXY header: the TLVs to send do not fit into it");
	udp_session_end(s, "proxy-header-overflow");
}

bool udp_header_build(struct udp_session *s)
{
	uint8_t *header = NULL;

	if (!s->service->svc->nodes[s->node].send.version)
		return true;
	ssize_t n = build(s, &header);
	if (n < 0) {
		(n == -ENOMEM ? no_memory : overflow)(s);
		return false;
	}
	free(s->header);
	s->header = header;
	s->header_len = (uint16_t)n;
	s->header_sent = false;
	return true;
}

bool udp_header_names_another(const struct udp_session *s, const struct udp_arrival *in)
{
	bool claims = addr_is_set(&in->client);

	if (!s->service->svc->cfg->opt.recv_remember || in->inherits)
		return false;
	if (s->proxy_addrs != claims)
		return true;
	return claims && !(addr_equal(&s->client, &in->client) && addr_equal(&s->client_dst, &in->client_dst));
}

bool udp_header_differs(const struct udp_session *s, const struct udp_arrival *in)
{
	if (in->inherits)
		return false;
	return s->tlvs_len != in->tlvs_len || (in->tlvs_len && memcmp(s->tlvs, in->tlvs, in->tlvs_len) != 0);
}

static bool keep(struct udp_session *s, const struct udp_arrival *in)
{
	uint8_t *copy = in->tlvs_len ? malloc(in->tlvs_len) : NULL;

	if (in->tlvs_len && !copy)
		return false;
	if (copy)
		memcpy(copy, in->tlvs, in->tlvs_len);
	free(s->tlvs);
	s->tlvs = copy;
	s->tlvs_len = in->tlvs_len;
	if (!copy || !s->service->svc->cfg->opt.recv_log_tlv)
		return true;
	if (!s->texts)
		s->texts = malloc(sizeof(*s->texts));
	if (s->texts)
		proxy_texts_take(s->texts, copy, in->tlvs_len);
	return s->texts != NULL;
}

/* What waits for the target's address leaves with the TLVs that came last: they are the client's too. */
bool udp_header_take(struct udp_session *s, const struct udp_arrival *in)
{
	if (!udp_header_differs(s, in))
		return true;
	if (!keep(s, in)) {
		no_memory(s);
		return false;
	}
	return s->io.fd < 0 || udp_header_build(s);
}

void udp_header_free(struct udp_session *s)
{
	free(s->header);
	free(s->tlvs);
	free(s->texts);
}
