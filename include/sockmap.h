/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap.h - the kernel path of a flow: join, limits, leave.
 *
 * Why: BPF sockmap redirect has no back-pressure, loses what a closed target still had queued, and stalls on
 * partly-read data. Every rule that makes it safe (drained before joining, kick after, quiesced leave, drain before
 * FIN, totals reconciled) is behind these calls.
 * Owns: the BPF object (struct sockmap, one per process), one event ring and a range of flow records per worker.
 * Never: blocks; trusts a kernel version (sockmap_selftest decides).
 * See: bpf/sockmap.bpf.c, design facts in tests/kernel/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;
struct flow_env;
struct flow_record;
struct loop;
struct sockmap;
struct sockmap_worker;

struct sockmap_config {
	unsigned workers;
	uint64_t budget_bytes; /* all flows together */
	uint64_t flow_bytes;   /* one flow at most */
	uint64_t shake_ns;     /* not 0, for tests: dice, not policy, say who joins and leaves, about so often */
};

/* Loads, attaches, maps. 0, or -errno with why = one sentence (capability, kernel option, ...). */
int sockmap_new(struct sockmap **out, const struct sockmap_config *cfg, char *why, size_t why_cap);
void sockmap_free(struct sockmap *sm);
/*
 * Moves real bytes over loopback: data queued before joining, FIN, a slow target, out and in again, with every byte
 * compared. 0, or -errno with the step that failed. Takes well under a second.
 */
int sockmap_selftest(struct sockmap *sm, char *why, size_t why_cap);
/* Flows in the kernel now (or parked), all workers. */
unsigned sockmap_flows(const struct sockmap *sm);
/* Bytes the kernel lost (totals that did not add up), sessions broken for memory; since start. */
uint64_t sockmap_losses(const struct sockmap *sm);

/* One per worker thread, on its loop. */
int sockmap_worker_new(struct sockmap_worker **out, struct sockmap *sm, unsigned index, struct flow_env *env);
void sockmap_worker_free(struct sockmap_worker *w);

/* --- for flow.c --- */
/* Tries to hand a native, drained, empty flow to the kernel. False: it stays native. */
bool sockmap_join(struct flow *flow);
/* Should a native flow join? The policy, or in a test (shake) dice. */
bool sockmap_wants_in(struct flow *flow);
/* An epoll event for a flow that is not native. */
void sockmap_source_event(struct flow *flow, bool rdhup);
/* At EOF of a flow that was in the kernel at some time: do all totals add up? */
bool sockmap_reconcile(struct flow *flow);
/* Before the descriptors are closed. */
void sockmap_detach_flow(struct flow *flow);
/* After they are closed: gives the record back. */
void sockmap_release_flow(struct flow *flow);
