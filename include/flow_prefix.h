/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_prefix.h - bytes in front of a flow's payload that are not payload: a proxy's answer that comes late.
 *
 * Why: some relay servers answer only together with the target's first bytes (user/connector_relay.c), when both flows run
 * already. Until the answers are off, the flow is copied by user space and never joins the kernel path.
 * Owns: what came of an answer that is not complete. Never: lets a byte of it through, or the end of the stream in its place.
 * See: user/flow.c, user/session_late.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct flow;

struct flow_prefix {
	void *ctx;
	/* 1: one is complete and *consumed long; 0: more is needed; -1: it says no, or is wrong. */
	int (*take)(void *ctx, const uint8_t *data, size_t len, size_t *consumed);
	/* The stream ended in front of the payload. */
	void (*ended)(void *ctx);
	void (*release)(void *ctx);
	unsigned left; /* answers to come */
	size_t held_len, held_cap;
	uint8_t held[];
};

/* held_max: longest answer. NULL: no memory. */
struct flow_prefix *flow_prefix_new(size_t held_max);
/* With its ctx. NULL is fine. */
void flow_prefix_free(struct flow_prefix *p);
/*
 * len bytes came from the flow's source: takes answers off their front. Returns the length of the payload, moved to the
 * front of data (0: none yet), or -1: the way is not open. Only while flow->prefix is there; it goes with the last answer.
 */
ssize_t flow_strip(struct flow *flow, uint8_t *data, size_t len);
/* The stream ended in front of the payload: whoever asked for the way is told. Always -1. */
int flow_prefix_cut(struct flow *flow);
