/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_maps.h - the BPF object and single operations on its maps; no policy.
 *
 * Why: one file knows the skeleton and libbpf; flow control (engine_sockmap.c), the self-test and the kernel tests
 * speak in sockets and records.
 * Owns: the loaded object, the mapped record array, the free records of each worker.
 * Never: decides when. See: sockmap.h, bpf_abi.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf_abi.h"
#include "sockmap.h"

struct sockmap_bpf;

/* Free records, first in first out: a record rests as long as possible before its next life. */
struct record_pool {
	uint32_t *ring;
	uint32_t head, count, cap;
};

struct sockmap {
	struct sockmap_bpf *skel;
	struct flow_record *records;
	uint32_t *flow_cap; /* the program's knob, mapped */
	uint32_t share;     /* of the budget, for one flow now, windows included */
	struct sockmap_config cfg;
	struct record_pool *pools; /* one per worker */
	int targets_fd, sources_fd, slots_fd, events_fd, leave_fd;
	atomic_uint flows;
	atomic_ullong losses;
};

/* 0 or -errno for each. */
int sockmap_add_target(const struct sockmap *sm, uint64_t cookie, int fd);
int sockmap_add_source(const struct sockmap *sm, uint64_t cookie, int fd);
/*
 * Takes the source of a record, which is held, out of the map; false when an skb may be on its way through the verdict or passed data
 * is unread: then it is still in. (leave_sources in bpf/sockmap.bpf.c)
 */
bool sockmap_leave_source(const struct sockmap *sm, uint32_t index);
int sockmap_add_slot(const struct sockmap *sm, uint64_t cookie, uint32_t record);
void sockmap_del_slot(const struct sockmap *sm, uint64_t cookie);
/* Installs a new event ring for a worker: its descriptor, or -errno. The caller owns it. */
int sockmap_add_ring(const struct sockmap *sm, uint32_t worker);

/* A zeroed record with source and peer (cookies), worker and a new generation set; -ENOSPC when the worker has none left. */
int sockmap_record_get(struct sockmap *sm, uint32_t worker, uint64_t source, uint64_t peer, uint32_t *index);
void sockmap_record_put(struct sockmap *sm, uint32_t worker, uint32_t index);

/* Holds new data in the source's receive queue: an in-flight verdict is over when this returns. */
void sockmap_quiesce(int fd);
/* Undoes that, and makes the verdict (or epoll) look at what is queued. */
void sockmap_kick(int fd);
uint64_t sockmap_cookie(int fd);

/* Takes a share of the budget for one more flow; false: too many flows for a useful share each. */
bool sockmap_budget_take(struct sockmap *sm);
void sockmap_budget_give(struct sockmap *sm);

/* Payload bytes a socket's TCP was given / has sent / has had acknowledged / has received (the FIN not counted). */
struct tcp_totals {
	uint64_t handed, sent, acked, received;
};
int sockmap_tcp_totals(int fd, struct tcp_totals *out);
