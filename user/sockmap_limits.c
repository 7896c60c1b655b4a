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
 * One flow's share of the budget: a quarter (at most 4 MiB) for the source's receive window, the rest for the target. Soft
 * at a third of that leaves milliseconds of line rate until a busy worker has stopped the source (past the hard limit bytes go
 * through user space, which is slower); putting it back while the target still has five eighths of the soft limit keeps both
 * ends busy (scripts/bench-peers).
 */
enum {
	WINDOW_SHARE = 4,
	WINDOW_MAX = 4 * 1024 * 1024,
	NATIVE_SNDBUF = 2 * 1024 * 1024,
	HOLD_WINDOWS = 2, /* a held source takes so many windows before the verdict runs: it is out of the map by then */
};

static uint32_t window_of(uint64_t share)
{
	return share / WINDOW_SHARE < WINDOW_MAX ? (uint32_t)(share / WINDOW_SHARE) : WINDOW_MAX;
}

static uint32_t share_now(const struct flow *flow)
{
	return __atomic_load_n(&sockmap_of(flow)->share, __ATOMIC_RELAXED);
}

static uint32_t own_window(const struct flow *flow)
{
	uint32_t window = window_of(share_now(flow));

	return flow->window_max && flow->window_max < window ? flow->window_max : window;
}

uint32_t sockmap_resume_mark(const struct flow *flow)
{
	return flow->record->soft / 8 * 5;
}

static void clamp_window(struct flow *flow)
{
	int window = (int)flow->window;

	setsockopt(flow_src_fd(flow), IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
}

/* By half at most: what is on offer already must fit into the receive buffer of the next stop. */
static void shrink_window(struct flow *flow)
{
	uint32_t want = own_window(flow);

	if (want >= flow->window)
		return;
	flow->window = want > flow->window / 2 ? want : flow->window / 2;
	clamp_window(flow);
}

void sockmap_set_limits(struct flow *flow)
{
	uint32_t share = share_now(flow);

	shrink_window(flow);
	flow->record->hard = share - window_of(share);
	flow->record->soft = flow->record->hard / 3;
}

static void set_buffer(int fd, int option, int size)
{
	setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
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
 * The target's send buffer takes the hard limit, so that the kernel's work queue never waits for room (it would, a jiffy at a
 * time). The source's window is fixed: left to tuning it follows the speed of redirecting to the largest size allowed,
 * all of which a parked flow would then fill.
 */
void sockmap_force_buffers(struct flow *flow)
{
	set_buffer(flow_dst_fd(flow), SO_SNDBUFFORCE, (int)sockmap_of(flow)->cfg.flow_bytes); /* the kernel doubles both */
	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, (int)flow->window);
	clamp_window(flow);
}

void sockmap_set_window(struct flow *flow)
{
	flow->window = own_window(flow);
}

uint32_t sockmap_window(const struct flow *flow)
{
	return flow->window;
}

void sockmap_hold(struct flow *flow)
{
	int most = (int)sockmap_window(flow) * HOLD_WINDOWS;

	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, most); /* bounds what SO_RCVLOWAT may ask for */
	set_buffer(flow_src_fd(flow), SO_RCVLOWAT, most);
}

void sockmap_held(struct flow *flow)
{
	set_buffer(flow_src_fd(flow), SO_RCVBUFFORCE, (int)sockmap_window(flow));
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
