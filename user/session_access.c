/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_access.c - see session_access.h.
 *
 * Why the kernel paces: SO_MAX_PACING_RATE on the socket that a flow is written to slows its sender down to the limit
 * while the payload stays in the kernel path; a bucket in user space would need every byte. What several connections share
 * is divided by those that moved something during the last second, and set anew every 200 ms: equal shares, right within
 * a fifth of a second after somebody came, went or fell silent. What a slow one leaves of its share is not given to others.
 * Owns: the worker's list of sessions whose share may change, and its timer. Never: reads a byte.
 */
#include "session_access.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "session.h"

enum { WINDOW_MIN = 1024 * 1024, WINDOW_MAX = 64 * 1024 * 1024 };
static const uint64_t PACE_TURN_NS = 200 * 1000000ull, BUSY_NS = 1000 * 1000000ull;
static const uint64_t RECORD_GAP_NS = 100 * 1000000ull;

/* --- records --------------------------------------------------------------------------------------------- */

/* Ten refusals each second are told at info, so that a flood cannot fill a disk; the others at debug. */
static enum log_level refusal_level(struct session *s)
{
	uint64_t now = loop_now(s->host->env.loop);
	unsigned long long told = atomic_load_explicit(&s->svc->refusal_told_ns, memory_order_relaxed);

	if (told && now - told < RECORD_GAP_NS)
		return LOG_DEBUG;
	return atomic_compare_exchange_strong(&s->svc->refusal_told_ns, &told, now) ? LOG_INFO : LOG_DEBUG;
}

static void refuse(struct session *s, const char *reason, const char *text)
{
	char ip[ADDR_TEXT_MAX];

	atomic_fetch_add(&s->svc->refused, 1);
	session_fail(s, refusal_level(s), reason, "%s: %s", addr_format_ip(&s->client, ip), text);
}

/* --- coming in --------------------------------------------------------------------------------------------- */

bool session_admit_peer(struct session *s)
{
	const struct matcher_group *admission = &s->svc->access.admission;

	if (!admission->count || !matcher_group_refuses_addr(admission, &s->peer))
		return true;
	refuse(s, "not-admitted", "not admitted");
	return false;
}

static const char *verdict_reason(enum limiter_verdict verdict)
{
	switch (verdict) {
	case LIMITER_CONNECTIONS:
		return "too-many-connections";
	case LIMITER_RATE:
		return "too-many-new-connections";
	case LIMITER_MEMORY:
	case LIMITER_PASS:
		break;
	}
	return "no-memory";
}

static const char *verdict_text(enum limiter_verdict verdict)
{
	switch (verdict) {
	case LIMITER_CONNECTIONS:
		return "too many connections at the same time (climiter)";
	case LIMITER_RATE:
		return "too many new connections (rlimiter)";
	case LIMITER_MEMORY:
	case LIMITER_PASS:
		break;
	}
	return "no memory to count the connection";
}

bool session_admit_client(struct session *s)
{
	struct access_rules *access = &s->svc->access;

	if (s->proxy_addrs && access->admission.count && matcher_group_refuses_addr(&access->admission, &s->client)) {
		refuse(s, "not-admitted", "the client of a PROXY header is not admitted");
		return false;
	}
	if (!access->limiter || s->lease.held)
		return true;
	enum limiter_verdict verdict =
		limiter_enter(access->limiter, &s->lease, &s->client, loop_now(s->host->env.loop));
	if (verdict == LIMITER_PASS)
		return true;
	refuse(s, verdict_reason(verdict), verdict_text(verdict));
	return false;
}

bool session_is_bypassed(const struct session *s, const char *host, uint16_t port)
{
	const struct matcher_group *bypass = &s->svc->access.bypass;

	return bypass->count && matcher_group_refuses(bypass, host, port);
}

/* --- pace ------------------------------------------------------------------------------------------------------ */

static void set_pace(int fd, uint64_t bytes_s)
{
	uint64_t rate = bytes_s ? bytes_s : ~0ull;

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}

/*
 * What a source sends ahead of a paced target has to be read by user space now and then, a window at a time, so a window
 * much larger than the rate needs would take most of the payload out of the kernel path.
 */
static void limit_window(struct session *s, int side, uint64_t bytes_s)
{
	struct tcp_info info = {.tcpi_rtt = 0};
	socklen_t len = sizeof(info);

	s->pair.flow[side].window_max = 0;
	if (!bytes_s || getsockopt(s->pair.io[side].fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return;
	uint64_t needed = (uint64_t)((double)bytes_s * info.tcpi_rtt / 1e6 * 2);
	s->pair.flow[side].window_max = needed < WINDOW_MAX ? WINDOW_MIN + (uint32_t)needed : 0;
}

static void apply(struct session *s, bool anew)
{
	struct limiter_pace pace;

	limiter_pace(s->svc->access.limiter, &s->lease, &pace);
	if (!anew && !memcmp(&pace, &s->pace, sizeof(pace)))
		return;
	if ((anew && pace.in_bytes_s) || pace.in_bytes_s != s->pace.in_bytes_s)
		set_pace(s->pair.io[SIDE_UPSTREAM].fd, pace.in_bytes_s);
	if ((anew && pace.out_bytes_s) || pace.out_bytes_s != s->pace.out_bytes_s)
		set_pace(s->pair.io[SIDE_CLIENT].fd, pace.out_bytes_s);
	limit_window(s, SIDE_CLIENT, pace.in_bytes_s);
	limit_window(s, SIDE_UPSTREAM, pace.out_bytes_s);
	s->pace = pace;
}

static uint64_t acked_bytes(int fd)
{
	struct tcp_info info = {.tcpi_rtt = 0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ? 0 : info.tcpi_bytes_acked;
}

/* A paced target goes on taking what the kernel holds for it long after the source's last byte. */
static bool is_busy(struct session *s, uint64_t now)
{
	uint64_t acked = acked_bytes(s->pair.io[SIDE_CLIENT].fd) + acked_bytes(s->pair.io[SIDE_UPSTREAM].fd);
	uint64_t active = pair_active_ns(&s->pair);

	if (acked != s->paced_bytes)
		s->paced_moved_ns = now;
	s->paced_bytes = acked;
	if (active < s->paced_moved_ns)
		active = s->paced_moved_ns;
	return now < active || now - active < BUSY_NS;
}

static void on_pace_turn(struct loop_timer *timer)
{
	struct session_host *host = (struct session_host *)((char *)timer - offsetof(struct session_host, pace_timer));
	uint64_t now = loop_now(host->env.loop);

	for (struct session *s = host->paced; s; s = s->next_paced)
		limiter_set_busy(s->svc->access.limiter, &s->lease, is_busy(s, now));
	for (struct session *s = host->paced; s; s = s->next_paced)
		apply(s, false);
	if (host->paced)
		loop_timer_set(host->env.loop, timer, PACE_TURN_NS, on_pace_turn);
}

static void follow_share(struct session *s)
{
	struct session_host *host = s->host;

	if (!host->paced)
		loop_timer_set(host->env.loop, &host->pace_timer, PACE_TURN_NS, on_pace_turn);
	s->next_paced = host->paced;
	s->prev_paced = &host->paced;
	if (s->next_paced)
		s->next_paced->prev_paced = &s->next_paced;
	host->paced = s;
}

void session_pace(struct session *s)
{
	struct limiter *limiter = s->svc->access.limiter;

	if (!limiter || !s->lease.held || !limiter_has_bandwidth(limiter))
		return;
	limiter_set_busy(limiter, &s->lease, true);
	apply(s, true);
	if (!s->prev_paced && limiter_is_shared(limiter, &s->lease))
		follow_share(s);
}

void session_leave(struct session *s)
{
	struct session_host *host = s->host;

	if (s->prev_paced) {
		*s->prev_paced = s->next_paced;
		if (s->next_paced)
			s->next_paced->prev_paced = s->prev_paced;
		s->prev_paced = NULL;
		if (!host->paced)
			loop_timer_cancel(host->env.loop, &host->pace_timer);
	}
	if (s->svc->access.limiter)
		limiter_leave(s->svc->access.limiter, &s->lease, loop_now(host->env.loop));
}
