/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - one client's life: PROXY header, handshake, dial, forwarding, close record.
 *
 * Why: one enum, one mover (set_state() in session.c with a table of legal transitions), so that "which state can this
 * event find?" has an answer on one page.
 * Owns: the client descriptor until the pair has it; buffers of the header phase; TLVs that somebody asked for.
 * Never: moves payload after the hand-over to the pair.
 * See: ARCHITECTURE.md, include/flow.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "flow.h"
#include "log.h"
#include "proxy_send.h"
#include "resolver.h"
#include "selector.h"
#include "service.h"

struct dial;

enum session_state {
	SESSION_ACCEPTED,
	SESSION_PREFACE,    /* waiting for the rest of a PROXY header */
	SESSION_HANDSHAKE,  /* the handler talks to the client */
	SESSION_DIALING,    /* resolving and connecting */
	SESSION_FORWARDING, /* the pair has both sockets */
	SESSION_CLOSED,
	SESSION_STATE_COUNT,
};

/* What the sessions of one worker share. */
struct session_host {
	struct flow_env env;
	struct resolver *resolver;
	struct logger *log;
	struct session *sessions;  /* all of this worker's */
	atomic_uint count;         /* read by other workers to balance */
	atomic_uint *total;        /* of the process */
	bool draining;
	void (*idle)(struct session_host *host); /* the last session ended while draining */
};

struct proxy_texts;

struct session {
	struct pair pair; /* io[SIDE_CLIENT] watches the client from the start */
	struct session_host *host;
	struct service *svc;
	struct session *next, **prev;
	uint8_t state;
	bool header_seen;
	bool proxy_addrs; /* client and client_dst come from a PROXY header */
	uint8_t proxy_version;
	uint8_t retries_left;
	int node; /* index into the service's nodes, -1 before the first choice */
	struct selector_pick pick;
	const char *reason; /* why it ended, when not by the pair */
	uint64_t start_ns, connected_ns;
	uint64_t header_bytes; /* PROXY header read from the client, not payload */
	struct addr peer, local;       /* the client's socket */
	struct addr client, client_dst; /* from the header, or the same */
	struct addr upstream, upstream_src;
	bool trusted;      /* its peer may claim to speak for others */
	bool preface_late; /* the wait for a silent client is over */
	uint8_t *tlvs;     /* of a believed header, where the service keeps them */
	size_t tlvs_len;
	struct proxy_texts *texts; /* what the log shows of them, or NULL */
	char unique_id[PROXY_UNIQUE_ID_SIZE]; /* "" unless a target gets one */
	uint8_t *preface;
	size_t preface_len, preface_cap;
	struct dial *dial;
	struct resolver_request lookup;
	struct loop_timer timer; /* header deadline, then idle */
	char sid[LOG_SID_LEN + 1];
};

/* Takes fd. local is the service's address, or unset when it must be asked for (wildcard listener). */
void session_start(struct session_host *host, struct service *svc, int fd, const struct addr *peer);
/* One connection less of those counted for a worker; the last one of a draining worker ends it. */
void session_forget(struct session_host *host);
/* Resets the session with a reason, whatever its state. */
void session_cut(struct session *s, enum pair_end end);

/* --- for handlers --- */
/* Chooses a node, dials, writes our PROXY header, hands over. */
void session_connect(struct session *s);
/* Ends a session that has no pair yet: resets the client, one record at level with reason and text. */
void session_fail(struct session *s, enum log_level level, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* --- session_log.c: records in GOST's shape --- */
void session_log_open(struct session *s);      /* R <> L */
void session_log_connected(struct session *s); /* R <-> target */
void session_log_close(struct session *s);     /* R >-< target, R >< L with totals */
/* Prepares what the records show of s->tlvs; without memory they show nothing. */
void session_log_keep_tlvs(struct session *s);
void session_log_fault(struct session *s, enum log_level level, const char *text);
