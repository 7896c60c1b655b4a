/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_log.c - a session's records, in GOST 3.2.6's shape and words, with our totals on the last.
 *
 * Why: four info records a connection are what GOST's users parse. What GOST cannot know (who moved the bytes, why it
 * ended) is added to the closing record only.
 * Owns: nothing. Never: costs anything when the level is off (addresses are asked for only then).
 * See: tests/vectors/gost/log.jsonl, include/log.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine.h"
#include "proxy_texts.h"
#include "session.h"
#include "tls.h"

void session_log_keep_tlvs(struct session *s)
{
	s->texts = malloc(sizeof(*s->texts));
	if (s->texts)
		proxy_texts_take(s->texts, s->tlvs, s->tlvs_len);
}

/* Empty ones are left out. */
static void proxy_fields(struct log_record *rec, const struct session *s)
{
	if (s->proxy_version)
		log_u64(rec, "proxyVersion", s->proxy_version);
	if (s->proxy_addrs)
		log_addr(rec, "proxyDst", &s->client_dst);
	log_str(rec, "uniqueId", s->unique_id);
	proxy_texts_log(rec, s->texts);
}

static void base_fields(struct log_record *rec, const struct session *s, enum log_level level)
{
	log_begin(rec, level);
	log_str(rec, "kind", "handler");
	log_str(rec, "service", s->svc->cfg->name);
	log_str(rec, "listener", s->svc->cfg->listener_type);
	log_str(rec, "handler", s->handler == s->svc->handler ? s->svc->cfg->handler_type : s->handler->name);
	log_str(rec, "network", "tcp");
	log_addr(rec, "remote", &s->peer);
	log_addr(rec, "local", &s->local);
	log_addr(rec, "client", &s->client);
	log_str(rec, "user", s->user);
	log_str(rec, "sid", s->sid);
	proxy_fields(rec, s);
}

#define TARGET_TEXT_MAX 280

/* As configured, or HOST:PORT as the client asked for it. */
static const char *target_text(const struct session *s, char out[static TARGET_TEXT_MAX])
{
	if (s->node >= 0)
		return s->svc->nodes[s->node].text;
	if (!s->target)
		return "";
	snprintf(out, TARGET_TEXT_MAX, strchr(s->target->host, ':') ? "[%s]:%u" : "%s:%u", s->target->host,
		 s->target->port);
	return out;
}

/* text must outlive the record. */
static void target_fields(struct log_record *rec, const struct session *s, char text[static TARGET_TEXT_MAX])
{
	if (s->node >= 0)
		log_str(rec, "node", s->svc->nodes[s->node].name);
	else if (s->target)
		log_str(rec, "host", target_text(s, text));
	log_str(rec, "cmd", s->command);
	log_addr(rec, "dst", &s->upstream);
	log_addr(rec, "src", &s->upstream_src);
}

void session_log_open(struct session *s)
{
	enum log_level level = s->handler->chooses ? LOG_DEBUG : LOG_INFO;
	char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(s->host->log, level))
		return;
	base_fields(&rec, s, level);
	log_emit(s->host->log, &rec, "%s <> %s", addr_format(&s->peer, remote), addr_format(&s->local, local));
}

void session_log_connected(struct session *s)
{
	char remote[ADDR_TEXT_MAX], text[TARGET_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(s->host->log, LOG_INFO))
		return;
	s->upstream_src.len = sizeof(s->upstream_src) - offsetof(struct addr, sa);
	if (getsockname(s->pair.io[SIDE_UPSTREAM].fd, &s->upstream_src.sa, &s->upstream_src.len) < 0)
		s->upstream_src.len = 0;
	base_fields(&rec, s, LOG_INFO);
	target_fields(&rec, s, text);
	log_emit(s->host->log, &rec, "%s <-> %s", addr_format(&s->peer, remote), target_text(s, text));
}

void session_log_disconnected(struct session *s)
{
	char remote[ADDR_TEXT_MAX], text[TARGET_TEXT_MAX];
	struct log_record rec;

	if (!s->connected_ns || !log_enabled(s->host->log, LOG_INFO))
		return;
	base_fields(&rec, s, LOG_INFO);
	target_fields(&rec, s, text);
	log_u64(&rec, "duration", loop_now(s->host->env.loop) - s->connected_ns);
	log_emit(s->host->log, &rec, "%s >-< %s", addr_format(&s->peer, remote), target_text(s, text));
}

void session_log_exchanged(struct session *s, uint64_t input_bytes, uint64_t output_bytes)
{
	char remote[ADDR_TEXT_MAX], text[TARGET_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(s->host->log, LOG_INFO))
		return;
	base_fields(&rec, s, LOG_INFO);
	target_fields(&rec, s, text);
	log_u64(&rec, "inputBytes", input_bytes);
	log_u64(&rec, "outputBytes", output_bytes);
	log_u64(&rec, "duration", loop_now(s->host->env.loop) - s->connected_ns);
	log_emit(s->host->log, &rec, "%s >-< %s", addr_format(&s->peer, remote), target_text(s, text));
}

static const char *engine_used(const struct session *s)
{
	if (flow_kernel_bytes(&s->pair.flow[0]) || flow_kernel_bytes(&s->pair.flow[1]))
		return engine_sockmap_ops.name;
	return s->pair.used_pipe ? engine_splice_ops.name : engine_copy_ops.name;
}

/* Why the engine is copy, and what went wrong with TLS. */
static void tls_fields(struct log_record *rec, const struct pair *pair)
{
	static const char *const sides[] = {"", "client", "upstream", "client,upstream"};

	log_str(rec, "tls", sides[pair->tls_sides]);
	for (int i = 0; i < 2; i++)
		if (pair->tls[i])
			log_str(rec, i == SIDE_CLIENT ? "tlsClientError" : "tlsUpstreamError", tls_error(pair->tls[i]));
}

static void total_fields(struct log_record *rec, const struct session *s)
{
	const struct flow *in = &s->pair.flow[SIDE_CLIENT], *out = &s->pair.flow[SIDE_UPSTREAM];

	log_u64(rec, "inputBytes", flow_total_bytes(in) - s->header_bytes);
	log_u64(rec, "outputBytes", out->written_bytes + flow_kernel_bytes(out));
	log_u64(rec, "kernelInputBytes", flow_kernel_bytes(in));
	log_u64(rec, "kernelOutputBytes", flow_kernel_bytes(out));
	log_str(rec, "engine", engine_used(s));
	tls_fields(rec, &s->pair);
	log_str(rec, "reason", s->reason);
}

void session_log_close(struct session *s)
{
	uint64_t now = loop_now(s->host->env.loop);
	char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX], text[TARGET_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(s->host->log, LOG_INFO))
		return;
	session_log_disconnected(s);
	addr_format(&s->peer, remote);
	base_fields(&rec, s, LOG_INFO);
	target_fields(&rec, s, text);
	total_fields(&rec, s);
	log_u64(&rec, "duration", now - s->start_ns);
	if (s->pair.error)
		log_str(&rec, "error", strerror(s->pair.error));
	log_emit(s->host->log, &rec, "%s >< %s", remote, addr_format(&s->local, local));
}

void session_log_fault(struct session *s, enum log_level level, const char *message)
{
	char target[TARGET_TEXT_MAX];
	struct log_record rec;

	if (!log_enabled(s->host->log, level))
		return;
	base_fields(&rec, s, level);
	target_fields(&rec, s, target);
	log_str(&rec, "reason", s->reason);
	log_emit(s->host->log, &rec, "%s", message);
}
