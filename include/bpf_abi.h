/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpf_abi.h - what the BPF programs and user space share: one record per flow, one event.
 *
 * Why: the only header both compilers see, so nothing else can drift. Explicit padding and asserted sizes; the
 * first cache line is written by the program, the second by user space, so that a busy flow does not bounce one
 * line between CPUs.
 * Owns: nothing. Never: includes a project header.
 * See: bpf/sockmap.bpf.c, user/sockmap_maps.c.
 */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Records in the array, and so flows that may be in the kernel at a time, all workers together. */
#define FLOW_RECORDS_MAX 32768
/* Event ring buffers, one per worker. */
#define FLOW_WORKERS_MAX 64

enum flow_gate {
	FLOW_GATE_SHUT = 0,   /* pass to user space (charged to the receive buffer: real back-pressure) */
	FLOW_GATE_ARMED = 1,  /* open at the next skb, unless passed data is unread: order first */
	FLOW_GATE_OPEN = 2,   /* redirect */
	FLOW_GATE_BROKEN = 3, /* bytes had to be dropped: the session must be reset */
};

struct flow_record {
	/* written by the program, under the source socket's lock */
	__u64 redirected; /* payload bytes given to the target */
	__u64 skbs;       /* how many pieces they came in */
	__u64 passed;     /* bytes left to user space */
	__u32 gate;       /* enum flow_gate; user space never replaces BROKEN */
	__u32 base;       /* target sequence number of its stream byte 0, once based */
	__u32 peak;       /* most bytes the target had unacknowledged or queued */
	__u32 misses;     /* target lookups or redirects that failed (the bytes were passed, not lost) */
	__u16 notified;   /* the event to stop the source went out; user space clears it */
	__u16 hinted;     /* the event to pause it did; likewise */
	__u32 based;
	__u32 next_seq;   /* of the source: what the next skb should start with, once sequenced */
	__u32 sequenced;  /* user space clears it before a join */
	__u32 trims;      /* skbs that began with bytes already taken */
	__u32 offered;    /* the source's window when leave_sources last looked */
	/* written by user space */
	__u64 peer;       /* socket cookie of the target: key into "targets" */
	__u64 written;    /* bytes user space itself wrote to the target, headers included */
	__u64 consumed;   /* passed bytes user space has read and written to the target */
	__u32 soft;       /* event to stop above this many bytes in the target */
	__u32 hard;       /* gate shut above this many */
	__u32 worker;     /* which event ring */
	__u32 generation; /* tells a late event from the record's next life */
	__u64 source;     /* socket cookie of the source: key into "sources" */
	__u32 margin;     /* bytes its window must still offer for it to be taken out of the map */
	__u32 ended;      /* its FIN was seen: nothing more comes */
	__u32 charged;    /* what the source's receive buffer held when leave_sources last looked (the program's) */
	__u32 pause;      /* event to pause above this many bytes the target has not sent (user space's) */
};
_Static_assert(sizeof(struct flow_record) == 128, "two cache lines");

struct flow_event {
	__u32 record;
	__u32 generation;
};
_Static_assert(sizeof(struct flow_event) == 8, "no padding");
