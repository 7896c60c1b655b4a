/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * sockmap.bpf.c - the verdict: does this skb go to the other socket of its session, or to user space?
 *
 * Why: the kernel moves payload between two TCP sockets, but has no back-pressure on that path: a target that does
 * not drain would collect skbs without any limit. So the program itself looks at how much the target has not got
 * acknowledged yet. Above the soft limit it tells user space (once), which stops the source; above the hard limit
 * it stops redirecting on its own, whatever user space does. A target that has much left to send it reports earlier: then the
 * source is paused for a moment.
 * Owns: the first half of struct flow_record. Policy, sizes and every decision to join or leave are user space's.
 * Never: redirects an empty skb (a bare FIN would break the target with EPIPE), loses bytes on a failed lookup.
 * See: include/bpf_abi.h; Linux net/core/skmsg.c (sk_psock_verdict_apply), net/ipv4/tcp.c (tcp_read_skb).
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "bpf_abi.h"

#define NULL ((void *)0)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Both sockets of a session, from its first join to its end. No program: a target needs none. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, FLOW_RECORDS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} targets SEC(".maps");

/* A socket is here only while its flow is spliced; the verdict program hangs on this map. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, FLOW_RECORDS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} sources SEC(".maps");

/* Source cookie -> index into records. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_RECORDS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FLOW_RECORDS_MAX);
	__type(key, __u32);
	__type(value, struct flow_record);
} records SEC(".maps");

struct events_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FLOW_WORKERS_MAX);
	__type(key, __u32);
	__array(values, struct events_ring);
} events SEC(".maps");

/*
 * Most bytes one flow may have in its target now: the global budget divided by the spliced flows. User space
 * lowers it as flows join, so the sum stays under the budget without the program having to count.
 */
__u32 flow_cap = 16 * 1024 * 1024;
/* Passed bytes user space has not read yet, beyond what any receive buffer can hold: see hold(). */
const volatile __u64 pass_cap = 64 * 1024 * 1024;

/* sk_skb_adjust_room() takes at most 4095 bytes at a time. */
enum { TRIM_STEP = 4095, TRIM_STEPS = 96 };

static __always_inline void tell(struct flow_record *rec, __u32 index)
{
	struct flow_event ev = {.record = index, .generation = rec->generation};
	__u32 worker = rec->worker;
	void *ring = bpf_map_lookup_elem(&events, &worker);

	if (ring)
		bpf_ringbuf_output(ring, &ev, sizeof(ev), 0);
}

static __always_inline void ask_to_stop(struct flow_record *rec, __u32 index)
{
	if (rec->notified)
		return;
	rec->notified = 1;
	tell(rec, index);
}

static __always_inline void ask_to_pause(struct flow_record *rec, __u32 index)
{
	if (rec->hinted)
		return;
	rec->hinted = 1;
	tell(rec, index);
}

/* What a target was given. */
struct target_fill {
	__s32 queued; /* bytes its peer has not acknowledged */
	__s32 unsent; /* bytes it has not sent */
};

/* False: the target is gone. */
static __always_inline bool look_at_target(struct flow_record *rec, struct target_fill *fill)
{
	__u64 peer = rec->peer;
	struct bpf_sock *sk = bpf_map_lookup_elem(&targets, &peer);
	struct tcp_sock *tp;
	__u32 end, write_seq = 0, snd_una = 0, snd_nxt = 0;

	if (!sk)
		return false;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		write_seq = tp->write_seq;
		snd_una = tp->snd_una;
		snd_nxt = tp->snd_nxt;
	}
	bpf_sk_release(sk);
	if (!tp)
		return false;
	end = (__u32)(rec->written + rec->redirected);
	if (!rec->based) {
		/* Nothing is queued in front of the target before the first skb, so write_seq is where it ends. */
		rec->base = write_seq - end;
		rec->based = 1;
	}
	end += rec->base;
	fill->queued = (__s32)(end - snd_una);
	fill->unsent = (__s32)(end - snd_nxt);
	return true;
}

/* May this flow put more into its target? Tells user space when it is far ahead of the target, or nears its limit. */
static __always_inline bool admit(struct flow_record *rec, __u32 index)
{
	__u32 cap = flow_cap, soft = rec->soft, hard = rec->hard;
	struct target_fill fill;

	if (!look_at_target(rec, &fill)) {
		rec->misses++;
		return false;
	}
	if (fill.queued > (__s32)rec->peak)
		rec->peak = fill.queued;
	if (hard > cap) {
		hard = cap;
		if (soft > cap / 2)
			soft = cap / 2;
	}
	if (fill.queued > (__s32)soft)
		ask_to_stop(rec, index);
	else if (fill.unsent > (__s32)rec->pause)
		ask_to_pause(rec, index);
	return fill.queued <= (__s32)hard;
}

/*
 * Leaves the skb to user space. It is charged to the source's receive buffer, so the sender stops by itself, except
 * when the source is also a target with a backlog: then the kernel queues it uncharged behind that. Past pass_cap
 * the only bounded answer is to break the session, visibly.
 */
static __always_inline int hold(struct flow_record *rec, __u32 index, __u32 len)
{
	if (rec->gate == FLOW_GATE_OPEN)
		rec->gate = FLOW_GATE_SHUT; /* an armed one stays armed: it opens when user space has caught up */
	if (rec->passed + len - rec->consumed > pass_cap)
		rec->gate = FLOW_GATE_BROKEN;
	ask_to_stop(rec, index);
	if (rec->gate == FLOW_GATE_BROKEN)
		return SK_DROP;
	rec->passed += len;
	return SK_PASS;
}

/* First sequence number of an skb; the TCP control block is still in place here (net/ipv4/tcp.c, tcp_read_skb). */
static __always_inline __u32 skb_seq(struct __sk_buff *skb)
{
	__u32 seq = 0;
	const char *at = (const char *)skb + bpf_core_field_offset(struct sk_buff, cb);

	bpf_probe_read_kernel(&seq, sizeof(seq), at + bpf_core_field_offset(struct tcp_skb_cb, seq));
	return seq;
}

struct trimming {
	struct __sk_buff *skb;
	__u32 left;
};

/* 1 ends the loop. */
static long trim_step(__u32 turn, struct trimming *t)
{
	__u32 step = t->left < TRIM_STEP ? t->left : TRIM_STEP;

	(void)turn;
	if (!step || bpf_skb_adjust_room(t->skb, -(__s32)step, 0, 0))
		return 1;
	t->left -= step;
	return 0;
}

/* Cuts n bytes off the front. A loop the verifier need not unroll: that took 0.2 s of every start. */
static __always_inline bool trim(struct __sk_buff *skb, __u32 n)
{
	struct trimming t = {.skb = skb, .left = n};

	bpf_loop(TRIM_STEPS, trim_step, &t, 0);
	return t.left == 0;
}

/*
 * A retransmission may begin with bytes that came before (two segments sent again as one), and the kernel queues it whole:
 * recv() skips what was read, the redirect does not. So the overlap is cut off here. False: the stream cannot be continued.
 */
static __always_inline bool follow(struct flow_record *rec, struct __sk_buff *skb)
{
	__u32 seq = skb_seq(skb), overlap;

	if (!rec->sequenced) {
		struct bpf_sock *sk = skb->sk;
		struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
		if (!tp)
			return false;
		rec->next_seq = tp->copied_seq;
		rec->sequenced = 1;
	}
	overlap = rec->next_seq - seq;
	if (overlap) {
		if (overlap >= skb->len || !trim(skb, overlap))
			return false;
		rec->trims++;
	}
	rec->next_seq += skb->len;
	return true;
}

/*
 * Open now? User space arms a gate that was shut; whether everything passed meanwhile has been read can be judged only
 * here, under the socket's lock: a redirected skb must not overtake a passed one.
 */
static __always_inline bool is_open(struct flow_record *rec)
{
	if (rec->gate == FLOW_GATE_ARMED && rec->passed == rec->consumed)
		rec->gate = FLOW_GATE_OPEN;
	return rec->gate == FLOW_GATE_OPEN;
}

SEC("sk_skb/stream_verdict")
int flow_verdict(struct __sk_buff *skb)
{
	__u32 len = skb->len, index, *slot;
	struct flow_record *rec;
	__u64 cookie, peer;

	if (!len)
		return SK_DROP; /* a bare FIN: the socket has noted it already */
	cookie = bpf_get_socket_cookie(skb);
	slot = bpf_map_lookup_elem(&slots, &cookie);
	if (!slot)
		return SK_PASS;
	index = *slot;
	rec = bpf_map_lookup_elem(&records, &index);
	if (!rec)
		return SK_PASS;
	if (!follow(rec, skb))
		rec->gate = FLOW_GATE_BROKEN;
	len = skb->len;
	if (!is_open(rec) || !admit(rec, index))
		return hold(rec, index, len);
	peer = rec->peer;
	if (bpf_sk_redirect_hash(skb, &targets, &peer, 0) != SK_PASS) {
		rec->misses++;
		return hold(rec, index, len);
	}
	rec->redirected += len;
	rec->skbs++;
	return SK_PASS;
}

/* --- leaving ----------------------------------------------------------------------------------------- */

/* What struct sock is asked for, by name only. */
struct sock___memory {
	struct {
		struct {
			int counter;
		} rmem_alloc;
	} sk_backlog;
	int sk_rcvbuf, sk_rcvlowat;
} __attribute__((preserve_access_index));

/* Bytes its window has still room for. */
static __always_inline __u32 offered_by(const struct tcp_sock *tp)
{
	__s32 left = (__s32)(tp->rcv_wup + tp->rcv_wnd - tp->rcv_nxt);

	return left < 0 ? 0 : left;
}

/* Bytes in its receive buffer, with what the skbs themselves take. */
static __always_inline __u32 charged_to(const struct tcp_sock *tp)
{
	return ((const struct sock___memory *)tp)->sk_backlog.rmem_alloc.counter;
}

/* No segment that comes now makes TCP call the verdict of a held source (net/ipv4/tcp.c, tcp_epollin_ready()). */
static __always_inline bool is_far_from_full(const struct tcp_sock *tp, __u32 least)
{
	const struct sock___memory *sk = (const void *)tp;
	__s32 more = sk->sk_rcvlowat - (__s32)(tp->rcv_nxt - tp->copied_seq);

	return offered_by(tp) >= least && more >= (__s32)least && (__s32)charged_to(tp) < sk->sk_rcvbuf >> 1;
}

/*
 * Takes a held source out of the map, unless its verdict may be called just now: the kernel loses the skb of a verdict that
 * runs meanwhile. User space cannot do this: between its look and its delete it may lose the CPU. Never attached: user space runs
 * it (BPF_PROG_TEST_RUN) on the record named by the "remote address". A program of this type may change sockmaps, and
 * is not preempted.
 */
SEC("sk_lookup")
int leave_sources(struct bpf_sk_lookup *ctx)
{
	__u32 index = ctx->remote_ip4;
	struct flow_record *rec = bpf_map_lookup_elem(&records, &index);
	struct bpf_sock *sk;
	struct tcp_sock *tp;
	bool safe;
	__u64 cookie;

	if (!rec)
		return SK_DROP;
	cookie = rec->source;
	sk = bpf_map_lookup_elem(&sources, &cookie);
	if (!sk)
		return SK_PASS;
	tp = bpf_skc_to_tcp_sock(sk);
	rec->offered = tp ? offered_by(tp) : 0;
	rec->charged = tp ? charged_to(tp) : 0;
	safe = tp && rec->passed == rec->consumed && (rec->ended || is_far_from_full(tp, rec->margin));
	bpf_sk_release(sk);
	if (safe)
		bpf_map_delete_elem(&sources, &cookie);
	return safe ? SK_PASS : SK_DROP;
}
