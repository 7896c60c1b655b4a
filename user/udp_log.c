/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_log.c - a UDP session's records, in the shape of a TCP session's, and what a service has to complain about.
 *
 * Why complaints have a rate: anybody can cause them with one datagram each.
 * Owns: nothing. Never: costs anything when the level is off.
 * See: session_log.c, include/log.h.
 */
#include <string.h>

#include "udp_session.h"

static const uint64_t TELL_EVERY_NS = UINT64_C(1000000000);

static struct logger *log_of(const struct udp_session *s)
{
	return s->service->host->log;
}

static void base_fields(struct log_record *rec, const struct udp_session *s, enum log_level level)
{
	const struct service_config *cfg = s->service->svc->cfg;

	log_begin(rec, level);
	log_str(rec, "kind", "handler");
	log_str(rec, "service", cfg->name);
	log_str(rec, "listener", cfg->listener_type);
	log_str(rec, "handler", cfg->handler_type);
	log_str(rec, "network", "udp");
	log_addr(rec, "remote", &s->peer);
	log_addr(rec, "local", &s->local);
	log_addr(rec, "client", &s->client);
	log_str(rec, "sid", s->sid);
	if (s->proxy_version)
		log_u64(rec, "proxyVersion", s->proxy_version);
	if (s->proxy_addrs)
		log_addr(rec, "proxyDst", &s->client_dst);
	log_str(rec, "uniqueId", s->unique_id);
	proxy_texts_log(rec, s->texts);
	if (s->node < 0)
		return;
	log_str(rec, "node", s->service->svc->nodes[s->node].name);
	log_addr(rec, "dst", &s->upstream);
	log_addr(rec, "src", &s->upstream_src);
}

void udp_log_open(const struct udp_session *s)
{
	char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(log_of(s), LOG_INFO))
		return;
	base_fields(&rec, s, LOG_INFO);
	log_emit(log_of(s), &rec, "%s <> %s", addr_format(&s->peer, remote), addr_format(&s->local, local));
}

void udp_log_connected(const struct udp_session *s)
{
	char remote[ADDR_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(log_of(s), LOG_INFO))
		return;
	base_fields(&rec, s, LOG_INFO);
	log_emit(log_of(s), &rec, "%s <-> %s", addr_format(&s->peer, remote), s->service->svc->nodes[s->node].text);
}

static void total_fields(struct log_record *rec, const struct udp_session *s)
{
	log_u64(rec, "inputBytes", s->in_bytes);
	log_u64(rec, "outputBytes", s->out_bytes);
	log_u64(rec, "inputDatagrams", s->in_datagrams);
	log_u64(rec, "outputDatagrams", s->out_datagrams);
	if (s->dropped)
		log_u64(rec, "droppedDatagrams", s->dropped);
	log_str(rec, "reason", s->reason);
}

void udp_log_close(const struct udp_session *s)
{
	uint64_t now = loop_now(s->service->host->env.loop);
	char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(log_of(s), LOG_INFO))
		return;
	addr_format(&s->peer, remote);
	if (s->connected_ns) {
		base_fields(&rec, s, LOG_INFO);
		log_u64(&rec, "duration", now - s->connected_ns);
		log_emit(log_of(s), &rec, "%s >-< %s", remote, s->service->svc->nodes[s->node].text);
	}
	base_fields(&rec, s, LOG_INFO);
	total_fields(&rec, s);
	log_u64(&rec, "duration", now - s->start_ns);
	log_emit(log_of(s), &rec, "%s >< %s", remote, addr_format(&s->local, local));
}

void udp_log_fault(const struct udp_session *s, enum log_level level, const char *text)
{
	struct log_record rec;

	if (!log_enabled(log_of(s), level))
		return;
	base_fields(&rec, s, level);
	log_emit(log_of(s), &rec, "%s", text);
}

/* Those that a session would end with. */
static const char *const reasons[UDP_TROUBLE_COUNT] = {
	[UDP_TROUBLE_REFUSED] = "not-admitted",
	[UDP_TROUBLE_CONNECTIONS] = "too-many-connections",
	[UDP_TROUBLE_RATE] = "too-many-new-connections",
	[UDP_TROUBLE_BANDWIDTH] = "too-many-bytes",
	[UDP_TROUBLE_OVERFLOW] = "proxy-header-overflow",
	[UDP_TROUBLE_INVALID] = "proxy-header-invalid",
	[UDP_TROUBLE_UNEXPECTED] = "proxy-header-unexpected",
	[UDP_TROUBLE_MISSING] = "proxy-header-missing",
	[UDP_TROUBLE_TRUNCATED] = "proxy-header-truncated",
};

enum udp_trouble udp_log_trouble_of(const char *reason)
{
	for (enum udp_trouble what = 0; what < UDP_TROUBLE_COUNT; what++)
		if (reasons[what] && !strcmp(reasons[what], reason))
			return what;
	return UDP_TROUBLE_INVALID;
}

void udp_log_trouble(struct udp_service *u, enum udp_trouble what, const struct addr *peer, const char *text)
{
	uint64_t now = loop_now(u->host->env.loop);
	struct log_record rec;

	u->trouble[what].count++;
	if (u->trouble[what].told_ns && now - u->trouble[what].told_ns < TELL_EVERY_NS)
		return;
	bool as_configured = what >= UDP_TROUBLE_REFUSED && what <= UDP_TROUBLE_BANDWIDTH;
	log_begin(&rec, as_configured ? LOG_INFO : LOG_WARN);
	log_str(&rec, "kind", "listener");
	log_str(&rec, "service", u->svc->cfg->name);
	log_str(&rec, "network", "udp");
	log_str(&rec, "reason", reasons[what]);
	log_addr(&rec, "remote", peer);
	log_u64(&rec, "count", u->trouble[what].count);
	log_emit(u->host->log, &rec, "%s", text);
	u->trouble[what].count = 0;
	u->trouble[what].told_ns = now;
}
