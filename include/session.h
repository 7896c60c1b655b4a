/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - one client's life: PROXY header, handshake, dial, forwarding, close record.
 *
 * Why: one enum, one mover (session_set_state() in session.c with a table of legal transitions), so that "which state can
 * this event find?" has an answer on one page.
 * Owns: the client descriptor until the pair has it; what was read before that; TLVs that somebody asked for.
 * Never: moves payload after the hand-over to the pair.
 * See: ARCHITECTURE.md, include/handler.h, include/flow.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "flow.h"
#include "handler.h"
#include "log.h"
#include "proxy_send.h"
#include "selector.h"
#include "service.h"

struct mux_stream;
struct resolver;
struct route;
struct session_race;

enum session_state {
	SESSION_ACCEPTED,
	SESSION_PREFACE,    /* waiting for the rest of a PROXY header */
	SESSION_SECURING,   /* TLS with the client is being agreed on */
	SESSION_HANDSHAKE,  /* the handler talks to the client */
	SESSION_DIALING,    /* on the way to the target */
	SESSION_EXCHANGE,   /* the handler moves the payload itself, message by message */
	SESSION_FORWARDING, /* the pair has both sockets */
	SESSION_LEAVING,    /* refused: the reply is out, the client's end is awaited */
	SESSION_CLOSED,
	SESSION_STATE_COUNT,
};

/* What the sessions of one worker share. */
struct session_host {
	struct flow_env env;
	struct resolver *resolver;
	struct logger *log;
	struct resolver **named;   /* one for each resolvers: section */
	struct session *sessions;  /* all of this worker's */
	struct session *paced;     /* those whose share of a bandwidth may change */
	struct loop_timer pace_timer;
	atomic_uint count;         /* read by other workers to balance */
	atomic_uint *total;        /* of the process */
	bool draining;
	void (*idle)(struct session_host *host); /* the last session ended while draining */
};

struct proxy_texts;

/* Bytes read from the client and not used yet. */
struct session_input {
	uint8_t *data;
	size_t len, cap;
};

/* Where the client asked to go; NULL in a session that goes to a forwarder's node. */
struct session_target {
	uint16_t port;
	char host[]; /* a name or a numeric address, without brackets */
};

struct session {
	struct pair pair; /* io[SIDE_CLIENT] watches the client from the start */
	struct session_host *host;
	struct service *svc;
	const struct handler_ops *handler; /* the service's, until it gives the session to another */
	struct session *next, **prev;
	uint8_t state;
	bool header_seen;
	bool proxy_addrs;  /* client and client_dst come from a PROXY header */
	bool names_nobody; /* that header had UNIX addresses: what we send names nobody, rather than ourselves */
	uint8_t proxy_version;
	uint8_t retries_left;
	bool datagrams;    /* set by the handler: a way for datagrams is wanted */
	bool trusted;      /* its peer may claim to speak for others */
	bool preface_late; /* the wait for a silent client is over */
	int node; /* index into the service's nodes, -1 before the first choice */
	struct selector_pick pick;
	const char *reason; /* why it ended, when not by the pair */
	uint64_t start_ns, connected_ns;
	uint64_t header_bytes; /* PROXY header read from the client, not payload */
	struct addr peer, local;       /* the client's socket */
	struct addr client, client_dst; /* from the header, or the same */
	struct addr upstream, upstream_src;
	uint8_t *tlvs;     /* of a believed header, where the service keeps them */
	size_t tlvs_len;
	struct proxy_texts *texts; /* what the log shows of them, or NULL */
	char unique_id[PROXY_UNIQUE_ID_SIZE]; /* "" unless a target gets one */
	struct session_input input;
	void *handshake; /* the handler's own; handler->release() frees it */
	struct session_target *target;
	char *user; /* authenticated as; NULL: nobody asked */
	const char *command; /* what was asked for, where a protocol knows several things; NULL: it does not */
	struct limiter_lease lease; /* its place among the service's connections */
	struct limiter_pace pace;   /* as set on its sockets */
	uint64_t paced_bytes, paced_moved_ns; /* acknowledged by both peers at the last look, and when that changed */
	struct session *next_paced, **prev_paced; /* prev NULL: not on the list */
	struct route *route; /* while dialing */
	struct mux_stream *stream; /* one of its sockets is the end of this; NULL: none */
	struct session_race *race; /* instead, with strategy parallel */
	struct loop_timer timer; /* header deadline, handshake deadline, then idle */
	char sid[LOG_SID_LEN + 1];
};

static inline struct session *session_of_io(struct loop_io *io, int side)
{
	return (struct session *)((char *)(io - side) - offsetof(struct session, pair.io));
}
static inline struct session *session_of_timer(struct loop_timer *timer)
{
	return (struct session *)((char *)timer - offsetof(struct session, timer));
}

/* Takes fd. local is the service's address, or unset when it must be asked for (wildcard listener). */
void session_start(struct session_host *host, struct service *svc, int fd, const struct addr *peer);
/* The same for a stream of a tunnel: the client is who came at its other end, local is where. */
void session_start_stream(struct session_host *host, struct service *svc, int fd, struct mux_stream *st,
			  const struct addr *client, const struct addr *local);
/* One connection less of those counted for a worker; the last one of a draining worker ends it. */
void session_forget(struct session_host *host);
/* Resets the session with a reason, whatever its state. */
void session_cut(struct session *s, enum pair_end end);

/* --- for handlers: SESSION_HANDSHAKE --- */

/* Takes n bytes off the front of the input. */
void session_consume(struct session *s, size_t n);
/*
 * Bytes for the client. In the handshake they leave at once, and a client that has no room for so little is ended
 * (negative: the session is gone, return). From handler->connected() they leave before the first payload.
 */
int session_reply(struct session *s, const void *data, size_t len);
/* Is this client allowed in? True where the service asks for nothing. Sets s->user. */
bool session_authenticate(struct session *s, const char *user, size_t user_len, const char *password,
			  size_t password_len);
bool session_needs_auth(const struct session *s);
/* The rest of the session is another handler's (auto). start() of the new one is called. */
void session_become(struct session *s, const struct handler_ops *handler);

/* Dials one of the forwarder's nodes. What is left of the input is payload. Ends in connected() or refused(). */
void session_connect(struct session *s);
/* The same for a target the client named. Copies host. */
void session_connect_to(struct session *s, const char *host, uint16_t port);
/*
 * Sends a reply (or none), then ends the connection in order: FIN, what the client still sends is thrown away for at most
 * two seconds. One record at info level with reason and text.
 */
void session_refuse(struct session *s, const char *reason, const void *reply, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same end without a reply and without a record but the closing one: everything has been said. */
void session_dismiss(struct session *s, const char *reason);
/* Ends a session that has no pair yet: resets the client, one record at level with reason and text. */
void session_fail(struct session *s, enum log_level level, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* --- for handlers that look at messages: SESSION_EXCHANGE --- */

/*
 * From handler->connected() or while exchanging: both sockets' events go to these. Watched edge-triggered for everything.
 * Whoever reads or writes them counts that in pair.flow[side].read_bytes and .written_bytes (written to the other side).
 */
void session_take(struct session *s, loop_io_fn on_client, loop_io_fn on_upstream);
/*
 * A connection that came to us (BIND) is the upstream: takes fd; what is left of the input is payload for it. Negative: the
 * session is gone.
 */
int session_adopt(struct session *s, int fd, const struct addr *peer);
/* What each datagram for the target begins with: its length (0: nothing), or -errno: it cannot be said. */
ssize_t session_datagram_header(struct session *s, uint8_t *out, size_t cap);
/* What a hop of the chain begins with, as any connection through it does: the same. */
ssize_t session_hop_header(struct session *s, const struct proxy_send *plan, uint8_t *out, size_t cap);
/* Closes the upstream; the next request is a new handshake. */
void session_again(struct session *s);
/* The pair takes over; flow_hold() what user space still has. */
void session_hand_over(struct session *s);
/* The end of an exchange: in order for PAIR_CLIENT_EOF and PAIR_UPSTREAM_EOF, otherwise both sockets are reset. */
void session_end(struct session *s, enum pair_end end);

/* --- session_log.c: records in GOST's shape --- */
void session_log_open(struct session *s);      /* R <> L */
void session_log_connected(struct session *s); /* R <-> target */
void session_log_disconnected(struct session *s); /* R >-< target */
/* The same for one exchange of several: with the bytes it took from the client and gave it. */
void session_log_exchanged(struct session *s, uint64_t input_bytes, uint64_t output_bytes);
void session_log_close(struct session *s);     /* R >-< target, R >< L with totals */
/* Prepares what the records show of s->tlvs; without memory they show nothing. */
void session_log_keep_tlvs(struct session *s);
void session_log_fault(struct session *s, enum log_level level, const char *text);
