/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_limits.c - a spliced flow's limits and socket buffers, from its share of the budget.
 *
 * Why: three numbers (limit, target's send buffer, source's window) decide both the memory bound and two thirds of the
 * throughput, so they are in one place.
 * Owns: nothing. Never: decides when a flow joins or leaves.
 * See: user/sockmap_maps.c (the share), user/engine_sockmap.c.
 */
#include <linux/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sockmap_flow.h"

/*
 * One flow's share of the budget: a quarter (at most 4 MiB) for the source's receive buffer, the rest for the target. Soft
 * at a third of that leaves milliseconds of line rate until a busy worker has stopped the source (past the hard limit bytes go
 * through user space, which is slower); putting it back while the target still has five eighths of the soft limit keeps both
 * ends busy (scripts/bench-peers).
 */
enum {
	BUFFER_SHARE = 4,
	BUFFER_FAR = 4 * 1024 * 1024, /* 4 MiB on offer: 1 Gbit/s over 30 ms */
	BUFFER_NEAR = BUFFER_FAR / 2, /* 1 MiB on offer: 8 Gbit/s over 1 ms; less is left to user space when a stop comes late */
	NEAR_US = 4000,
	PAUSE_BYTES = 256 * 1024,
	PAUSE_SHARE = 4, /* of the soft limit, where that is small */
	SPLICED_BUFFER = 2 * BUFFER_FAR,
	NATIVE_SNDBUF = 2 * 1024 * 1024,
};

static uint32_t share_now(const struct flow *flow)
{
	return __atomic_load_n(&sockmap_of(flow)->share, __ATOMIC_RELAXED);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t buffer_now(const struct flow *flow)
{
	uint32_t size = least(share_now(flow) / BUFFER_SHARE, flow->far_source ? BUFFER_FAR : BUFFER_NEAR);

	return flow->window_max ? least(flow->window_max, size) : size;
}

/* Half of the buffer: a stop finds at most that on offer and less than that queued. A far sender fills it gradually. */
static uint32_t window_of(const struct flow *flow, uint32_t buffer)
{
	return flow->far_source ? buffer : buffer / 2;
}

/* So much is left when a held source goes on. */
static uint32_t five_eighths(uint32_t limit)
{
	return limit / 8 * 5;
}

uint32_t sockmap_resume_mark(const struct flow *flow)
{
	return five_eighths(flow->record->soft);
}

uint32_t sockmap_pause_goal(const struct flow *flow)
{
	return five_eighths(flow->record->pause);
}

uint32_t sockmap_stop_mark(const struct flow *flow)
{
	return least(flow->record->soft, share_now(flow) / 2);
}

static void set_buffer(int fd, int option, int size)
{
	setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

static void clamp_window(struct flow *flow)
{
	int window = (int)flow->window;

	setsockopt(flow_src_fd(flow), IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
}

/* The window first, the buffer a stop later: it must take what is on offer already. */
static void shrink(struct flow *flow)
{
	uint32_t want = buffer_now(flow);

	if (want >= flow->buffer)
		return;
	flow->buffer = want > flow->window ? want : flow->window;
	flow->window = least(flow->window, window_of(flow, want));
}

void sockmap_set_limits(struct flow *flow)
{
	uint32_t share = share_now(flow);

	shrink(flow);
	flow->record->hard = share - least(share / BUFFER_SHARE, BUFFER_FAR);
	flow->record->soft = flow->record->hard / 3;
	flow->record->pause = least(flow->record->soft / PAUSE_SHARE, PAUSE_BYTES);
}

/* Which of a socket's buffers stay fixed: those that a spliced flow reads from or writes to. */
static void unlock_buffers(struct pair *pair, int side)
{
	int lock = 0;

	if (pair->flow[side].path != PATH_NATIVE)
		lock |= SOCK_RCVBUF_LOCK;
	if (pair->flow[!side].path != PATH_NATIVE)
		lock |= SOCK_SNDBUF_LOCK;
	set_buffer(pair->io[side].fd, SO_BUF_LOCK, lock);
}

/* Gives both back to the kernel's tuning; a forced send buffer would let user space fill it for a stalled reader. */
void sockmap_restore_buffers(struct flow *flow)
{
	set_buffer(flow_dst_fd(flow), SO_SNDBUF, NATIVE_SNDBUF);
	unlock_buffers(flow_pair(flow), SIDE_CLIENT);
	unlock_buffers(flow_pair(flow), SIDE_UPSTREAM);
}

/*
 * While the source is in the map its queue is empty, and its buffer is large for one reason only: what comes while the socket is
 * locked, by a call or by the verdict, counts against the buffer until all of it is through, and if that leaves no room just when the
 * kernel decides whether to tell the sender of new room, the sender asks again 0.2 s later. What is on offer is limited by the
 * clamp, set again each time because the kernel widens it when segments turn out larger than it thought.
 */
void sockmap_widen(struct flow *flow)
{
	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, SPLICED_BUFFER);
	clamp_window(flow);
}

/*
 * The target's send buffer takes the hard limit, so that the kernel's work queue never waits for room (it would, a jiffy at a
 * time). The source's window is fixed: left to tuning it follows the speed of redirecting to the largest size allowed,
 * all of which a parked flow would then fill.
 */
void sockmap_force_buffers(struct flow *flow)
{
	set_buffer(flow_dst_fd(flow), SO_SNDBUFFORCE, (int)sockmap_of(flow)->cfg.flow_bytes); /* the kernel doubles it */
	sockmap_widen(flow);
}

void sockmap_set_window(struct flow *flow)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(flow_src_fd(flow), IPPROTO_TCP, TCP_INFO, &info, &len);
	flow->far_source = info.tcpi_rtt > NEAR_US;
	flow->buffer = buffer_now(flow);
	flow->window = window_of(flow, flow->buffer);
}

uint32_t sockmap_window(const struct flow *flow)
{
	return flow->window;
}

void sockmap_hold(struct flow *flow)
{
	set_buffer(flow_src_fd(flow), SO_RCVLOWAT, (int)flow->window * 2);
}

/*
 * To what a stopped source may queue; but what it holds and what is on offer must fit, or it is dropped and the sender waits for
 * its timer. (More than a window is on offer if the kernel has widened it since it was last set.)
 */
void sockmap_narrow(struct flow *flow)
{
	uint32_t need = flow->record->charged / 2 + flow->record->offered;
	uint32_t size = need > flow->buffer ? least(need, SPLICED_BUFFER) : flow->buffer;

	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, (int)size); /* the kernel doubles it: an skb takes more than its payload */
}

void sockmap_release(struct flow *flow)
{
	sockmap_widen(flow);
	sockmap_kick(flow_src_fd(flow));
}

void sockmap_squeeze(struct flow *flow)
{
	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, 0); /* the kernel's least */
}

/* A sender stops when what is left does not hold a segment. */
bool sockmap_is_closed(struct flow *flow)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (sockmap_leave_source(sockmap_of(flow), flow->record_index))
		return false;
	getsockopt(flow_src_fd(flow), IPPROTO_TCP, TCP_INFO, &info, &len);
	return flow->record->offered < info.tcpi_rcv_mss;
}
