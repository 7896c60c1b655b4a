/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_session.h - what the files of a UDP service share: the service on one worker, and the session of one client.
 *
 * Why: a session is a connected socket towards the target, so that the target sees one source port for each client, answers
 * need no look-up, and an ICMP error finds its session.
 * Owns: see udp_service.h. Never: included outside user/udp_*.c.
 * See: udp_service.c (datagrams in), udp_session.c (out and back), udp_dial.c (the target), udp_receive.c (PROXY headers),
 * udp_log.c.
 */
#pragma once

#include "proto_proxy.h"
#include "proxy_texts.h"
#include "resolver.h"
#include "udp_batch.h"
#include "udp_send.h"
#include "udp_service.h"
#include "udp_table.h"

enum {
	UDP_HELD_MAX = 8,		 /* datagrams of one session that wait for its target's address */
	UDP_HELD_CHAIN_MAX = 32,	 /* or for its way through a chain: that takes a few round trips */
	UDP_HELD_BYTES_MAX = 4 << 20,	 /* of all sessions of a service */
};

/* What is told at most once a second, with how often it happened. */
enum udp_trouble {
	UDP_TROUBLE_FULL,
	UDP_TROUBLE_SIZE,
	UDP_TROUBLE_RESOURCES,
	UDP_TROUBLE_REFUSED,    /* by an admission list: as configured, like the next three */
	UDP_TROUBLE_CONNECTIONS,
	UDP_TROUBLE_RATE,
	UDP_TROUBLE_BANDWIDTH,
	UDP_TROUBLE_OVERFLOW,   /* our PROXY header cannot say everything it was told to */
	UDP_TROUBLE_INVALID,    /* and what is wrong with received ones: a session's reasons, each on its own */
	UDP_TROUBLE_UNEXPECTED,
	UDP_TROUBLE_MISSING,
	UDP_TROUBLE_TRUNCATED,
	UDP_TROUBLE_COUNT,
};

/* Answers that leave together: they still lie in their batch. */
struct udp_replies {
	unsigned count;
	struct mmsghdr msg[UDP_SEND_MAX];
	struct iovec iov[UDP_SEND_MAX];
	struct udp_session *owner[UDP_SEND_MAX];
};

/* Datagrams for one session, not yet sent. */
struct udp_run {
	struct udp_session *session;
	struct iovec data[UDP_BATCH];
	unsigned count;
};

struct udp_service {
	struct session_host *host;
	struct service *svc;
	struct loop_io io;
	struct udp_tunnel *tunnel; /* instead: rudp with a chain */
	struct udp_run run;
	struct addr at;
	bool wildcard;
	uint64_t idle_ns;
	struct udp_table table;
	struct udp_batch in, back;
	struct udp_replies replies;
	struct udp_sender sender;
	struct loop_timer expiry;
	struct loop_task flush_task, bury_task;
	struct udp_session *dead; /* freed after the turn's events */
	size_t held_bytes;
	struct {
		uint64_t told_ns, count;
	} trouble[UDP_TROUBLE_COUNT];
};

/* Who a datagram is from, and what is left of it. */
struct udp_arrival {
	struct addr peer, local; /* as the kernel gave them: v4-mapped on a dual-stack socket */
	struct addr client, client_dst; /* unset unless a PROXY header said so */
	uint8_t proxy_version;
	bool inherits;       /* it has no header, and its sender's earlier one counts (proxyProtocol.remember) */
	const uint8_t *tlvs; /* of a believed header, where the service keeps them */
	size_t tlvs_len;
	struct iovec data; /* without the header */
};

struct udp_session {
	struct udp_entry entry;
	struct udp_service *service;
	struct udp_session *next_dead;
	struct loop_io io; /* connected to the target, or to the first hop; fd -1 until there is one */
	struct limiter_lease lease;
	struct route *route;     /* through a chain: being found */
	struct udp_chain *chain; /* the same, and what is sent through it */
	struct resolver_request lookup;
	struct selector_pick pick;
	int node;
	unsigned attempts;
	unsigned burst; /* answers to ask for at once: as many as came lately */
	bool framed; /* io is a stream, its datagrams are the chain's */
	bool ended, proxy_addrs, header_sent, refused, too_big, answered;
	uint8_t proxy_version;
	uint16_t header_len;
	uint8_t *header; /* ours, in front of datagrams to the target */
	uint8_t *tlvs;   /* of the header that came last */
	size_t tlvs_len;
	struct proxy_texts *texts; /* what the log shows of them, or NULL */
	char unique_id[PROXY_UNIQUE_ID_SIZE]; /* "" unless a target gets one */
	struct addr reply_to;		/* the peer as the socket wants it */
	struct udp_control reply_from;
	struct addr peer, local, client, client_dst, upstream, upstream_src;
	struct iovec held[UDP_HELD_CHAIN_MAX];
	unsigned held_count;
	uint64_t start_ns, connected_ns;
	uint64_t in_bytes, out_bytes, in_datagrams, out_datagrams, dropped;
	const char *reason;
	char sid[LOG_SID_LEN + 1];
};

/* --- udp_service.c --- */
struct udp_session *udp_service_session(struct udp_entry *entry);
/* Which session a datagram belongs to. */
void udp_service_key(const struct udp_service *u, const struct udp_arrival *in, struct udp_key *out);
/* Sends the answers collected so far. */
void udp_service_flush(struct udp_service *u);
/* One of them was lost on the way. */
void udp_service_lost_reply(struct udp_service *u, unsigned index);
/* A datagram that came through a tunnel; its bytes stay until udp_service_pause(). */
void udp_service_take(struct udp_service *u, struct udp_arrival *in);
void udp_service_pause(struct udp_service *u);
/* Ends the session unused longest. False: there is none but keep. */
bool udp_service_evict(struct udp_service *u, const struct udp_session *keep);

/* --- udp_receive.c --- */
/* Reads what the service wants read in front of a payload. False: drop the datagram (counted and told). */
bool udp_receive(struct udp_service *u, struct udp_arrival *in);

/* --- udp_header.c --- */
/* The header for the session's target, if it gets one. False: the session has ended. */
bool udp_header_build(struct udp_session *s);
/* The same for a hop of the chain, into out: its length, or -errno. */
ssize_t udp_header_hop(const struct udp_session *s, const struct proxy_send *plan, uint8_t *out, size_t cap);
/* The datagram came with other TLVs than the session's last one. */
bool udp_header_differs(const struct udp_session *s, const struct udp_arrival *in);
/* Where a header is remembered, its sender's session is one client's: this datagram is another's. */
bool udp_header_names_another(const struct udp_session *s, const struct udp_arrival *in);
/* From here on it is these TLVs that are sent on. False: the session has ended. */
bool udp_header_take(struct udp_session *s, const struct udp_arrival *in);
void udp_header_free(struct udp_session *s);

/* --- udp_session.c --- */
/* In the table, its target being looked up, or NULL when it could not be made. Takes the lease over, in both cases. */
struct udp_session *udp_session_new(struct udp_service *u, const struct udp_key *key, const struct udp_arrival *first,
				    struct limiter_lease *lease);
/* Datagrams of the client, oldest first; at most UDP_BATCH. May end the session. */
void udp_session_forward(struct udp_session *s, const struct iovec *data, unsigned count);
/* The target is known and fd connected to it: what was held goes out. */
void udp_session_connected(struct udp_session *s, int fd);
/* The same, where io is in place. */
void udp_session_opened(struct udp_session *s);
void udp_session_end(struct udp_session *s, const char *reason);
void udp_session_bury(struct udp_service *u); /* frees the ended ones */
/* An answer; sent with the next udp_service_flush(), until when its bytes must stay. */
void udp_session_answer(struct udp_session *s, const struct iovec *data);
/* The target is there: said once. */
void udp_session_answered(struct udp_session *s);

/* --- udp_access.c: false: dropped, and told --- */
bool udp_access_admits(struct udp_service *u, const struct udp_arrival *in, const struct addr *who, const char *text);
/* A session more of the one whose datagram it is? */
bool udp_access_enter(struct udp_service *u, const struct udp_arrival *in, struct limiter_lease *lease);
void udp_access_leave(struct udp_service *u, struct limiter_lease *lease); /* idempotent */
/* One datagram more? */
bool udp_access_takes(struct udp_session *s, enum limiter_way way, size_t bytes);

/* --- udp_dial.c --- */
void udp_dial(struct udp_session *s); /* ends in udp_session_connected() or _opened() or _end(), now or later */
void udp_dial_cancel(struct udp_session *s);
/* There is no way to the target: another one, unless it is the chain's fault; or the end. */
void udp_dial_failed(struct udp_session *s, enum dial_outcome outcome, const char *text);
uint32_t udp_dial_hash(const struct udp_session *s);

/* --- udp_log.c --- */
void udp_log_open(const struct udp_session *s);
void udp_log_connected(const struct udp_session *s);
void udp_log_close(const struct udp_session *s);
void udp_log_fault(const struct udp_session *s, enum log_level level, const char *text);
/* What a refused header's reason is told as. */
enum udp_trouble udp_log_trouble_of(const char *reason);
/* kind "listener", at most once a second for each what. */
void udp_log_trouble(struct udp_service *u, enum udp_trouble what, const struct addr *peer, const char *text);
