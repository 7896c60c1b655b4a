/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - two connected sockets and the two flows of bytes between them.
 *
 * Why: a session is a pair of flows that live and end on their own (half-close has no deadline). Everything that
 * must hold whatever moves the bytes is here: order, half-close, errors, the end. What moves them is an engine
 * (engine.h); the kernel path is one more state of a flow (sockmap.h).
 * Owns: both descriptors from pair_start() on; bytes user space holds for a flow; the pair's loop registrations.
 * Never: turns a truncation into a clean end: whatever is not a FIN on both sides ends as a reset.
 * See: ARCHITECTURE.md ("Life of a session"), user/flow.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"
#include "splice_policy.h"

struct engine_ops;
struct flow_env;
struct flow_prefix;
struct pair;
struct pipe_slot;
struct sockmap_worker;
struct tls_conn;

/* Sides of a pair, and so directions: flow[SIDE_CLIENT] reads the client and writes the upstream. */
enum { SIDE_CLIENT = 0, SIDE_UPSTREAM = 1 };

enum flow_state {
	FLOW_OPEN, /* the source may still send */
	FLOW_SHUT, /* the source ended, everything was delivered, and the FIN was passed on */
};

/* Who moves the bytes now. Everything but NATIVE is user/engine_sockmap.c's. */
enum flow_path {
	PATH_NATIVE,   /* user space */
	PATH_SPLICED,  /* the kernel: the source is in the sources map */
	PATH_PAUSED,   /* spliced, but held for a moment: the target has much left to send */
	PATH_ENDING,   /* spliced, FIN seen: waiting until every received byte went through the verdict */
	PATH_FLUSHING, /* held, still in the map: when the target has room, user space moves what the verdict passed */
	PATH_PARKED,   /* out of the map, waiting until the target has room, then spliced again */
	PATH_DRAINING, /* out of the map, waiting until the kernel holds nothing, then native */
};

enum pair_end {
	PAIR_CLIENT_EOF,   /* clean; the client ended first */
	PAIR_UPSTREAM_EOF, /* clean; the upstream ended first */
	PAIR_RESET_CLIENT, /* the client reset the connection */
	PAIR_RESET_UPSTREAM,
	PAIR_ERROR_CLIENT, /* any other socket error: timed out, unreachable */
	PAIR_ERROR_UPSTREAM,
	PAIR_IDLE,
	PAIR_BUDGET,      /* the kernel path had to break the session to stay within memory */
	PAIR_KERNEL_LOSS, /* byte totals do not add up: the kernel lost data */
	PAIR_DRAIN,       /* cut at the end of the shutdown grace period */
	PAIR_NO_MEMORY,
	PAIR_END_COUNT,
};
/* "client-eof", "upstream-eof", "reset-by-client", ... for logs and metrics. */
const char *pair_end_name(enum pair_end end);

struct flow {
	uint8_t side; /* the side it reads */
	uint8_t state, path;
	bool readable, writable; /* edge-triggered: true until a call says EAGAIN */
	bool rdhup;              /* the source's FIN is in the receive queue */
	bool urgent;             /* TCP urgent data was seen: a short read proves nothing */
	bool whole;              /* no skb of the source is partly read: the last read emptied the queue */
	bool no_splice;          /* the kernel refused this flow once: stay native */
	bool far_source;         /* a round trip to the source takes milliseconds */
	bool leaving;            /* stopped for good: on to DRAINING rather than back to SPLICED */
	bool ending;             /* TLS: the source has ended, the target's close_notify is not out yet */
	/* bytes user space holds: read from the source, not yet accepted by the target */
	uint8_t *hold;
	uint32_t hold_off, hold_len, hold_cap;
	struct pipe_slot *pipe; /* splice engine: only while it has bytes in it */
	struct flow_prefix *prefix; /* answers in front of the payload; NULL: none (any more) */
	/* totals since the connection began */
	uint64_t read_bytes;    /* by user space from the source, a PROXY header we consumed included */
	uint64_t written_bytes; /* by user space to the target, a PROXY header we sent included */
	struct splice_policy policy;
	/* kernel path */
	struct flow_record *record; /* NULL until the first join; then until the pair ends */
	uint32_t record_index;
	uint32_t window;             /* of the source while spliced: most on offer */
	uint32_t buffer;             /* of the source while stopped, as asked for: the kernel doubles it */
	uint32_t window_max;         /* its limit; 0: the engine's (a paced target needs less) */
	uint64_t passed_read;        /* of what the verdict passed to user space */
	uint64_t cookie;             /* of the source socket; 0 until the pair's first join */
	uint64_t kernel_bytes;       /* final total, once the record was given back */
	uint64_t look_ns;            /* current interval between looks of a waiting path */
	uint64_t wait_since_ns;      /* last progress of the current wait */
	uint64_t wait_mark;          /* the total whose movement is progress */
	struct loop_timer timer;
	struct flow *spliced_next, **spliced_prev; /* the worker's list of kernel flows */
};

typedef void (*pair_end_fn)(struct pair *pair, enum pair_end end);

struct pair {
	struct flow_env *env;
	const struct engine_ops *engine;
	struct loop_io io[2];
	struct flow flow[2];
	struct loop_task yield;
	pair_end_fn on_end; /* called once, from a deferred task; the pair holds nothing any more */
	struct loop_task end_task;
	uint8_t end;
	bool ended;
	bool in_targets; /* both sockets are in the targets map: at least one flow was in the kernel */
	bool used_pipe;  /* splice(2) moved bytes */
	uint8_t tls_sides; /* bit side: speaks TLS, or did */
	struct tls_conn *tls[2]; /* NULL: plain */
	uint8_t first_eof; /* 0 none, else side + 1 */
	int error;         /* errno behind an error end */
	uint64_t active_ns; /* last time user space moved a byte */
};

/* What all pairs of one worker share. */
struct flow_env {
	struct loop *loop;
	uint8_t *buf; /* scratch for one read; nothing stays in it between two events */
	size_t buf_size;
	struct pipe_slot *pipes; /* idle pipes */
	unsigned pipe_count;
	struct sockmap_worker *sockmap; /* NULL: no kernel path in this process */
};

int flow_env_init(struct flow_env *env, struct loop *loop);
void flow_env_fini(struct flow_env *env);

/* Zeroes the pair; descriptors -1. */
void pair_init(struct pair *pair, struct flow_env *env, const struct engine_ops *engine, pair_end_fn on_end);

/* Frees what a pair that never started holds, closes what it watches. */
void pair_discard(struct pair *pair);
/*
 * Takes two connected, non-blocking sockets and starts both flows. Bytes appended with flow_hold() before go out first.
 * After this the descriptors belong to the pair and are closed when it ends.
 */
void pair_start(struct pair *pair, int client_fd, int upstream_fd);
/* Ends the pair now: both sockets are reset unless end is a clean one. on_end follows from the loop. */
void pair_finish(struct pair *pair, enum pair_end end);

/* --- a side, whatever it speaks (engine_tls.c) --- */
/* As recv(2) and send(2) that do not wait; 0 is an orderly end. */
ssize_t pair_recv(struct pair *pair, int side, void *buf, size_t len);
ssize_t pair_send(struct pair *pair, int side, const void *buf, size_t len);
/* The last message before a FIN: close_notify. 0 (also where there is none), -EAGAIN or -errno. */
int pair_say_end(struct pair *pair, int side);
/* Takes tls for a side; frees what was there. NULL: plain (again). */
void pair_secure(struct pair *pair, int side, struct tls_conn *tls);

/* Appends bytes for the target to what user space holds. 0 or -ENOMEM. */
int flow_hold(struct flow *flow, const void *data, size_t len);
/* Forgets them: they were for a target that is no more. */
void flow_drop(struct flow *flow);

/* Payload both paths moved so far, this direction. */
uint64_t flow_kernel_bytes(const struct flow *flow);
uint64_t flow_total_bytes(const struct flow *flow);
/* Last time either flow moved a byte, to within a look of the kernel path. */
uint64_t pair_active_ns(const struct pair *pair);

/* --- for engines --- */
static inline struct pair *flow_pair(struct flow *flow)
{
	return (struct pair *)((char *)(flow - flow->side) - offsetof(struct pair, flow));
}
static inline int flow_src_fd(struct flow *flow)
{
	return flow_pair(flow)->io[flow->side].fd;
}
static inline int flow_dst_fd(struct flow *flow)
{
	return flow_pair(flow)->io[!flow->side].fd;
}
static inline struct flow_env *flow_env(struct flow *flow)
{
	return flow_pair(flow)->env;
}
/* Counts a read of n bytes (> 0) that asked for asked bytes. */
void flow_note_read(struct flow *flow, size_t n, size_t asked);
/* Runs a native flow until it blocks, ends or has had its share. */
void flow_run(struct flow *flow);
/* Runs it again in the next turn. */
void flow_run_later(struct flow *flow);
/* Sets the epoll masks to what the paths of both flows need. */
void pair_update_events(struct pair *pair);
/* A call on one of the sockets failed with err (> 0): ends the pair with the matching reason. */
void pair_socket_error(struct pair *pair, int side, int err);
/* True: user space holds no byte of this flow. */
bool flow_empty(const struct flow *flow);
