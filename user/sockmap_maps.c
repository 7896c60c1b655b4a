/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockmap_maps.c - loading the BPF object, and one function per map operation.
 *
 * Why: see sockmap_maps.h. The verdict hangs on "sources" only; "targets" has no program, so a target that is not
 * also a source keeps its own wake-ups.
 * Owns: the skeleton, the record mapping. Never: decides when a flow joins or leaves.
 */
#include "sockmap_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sockmap.skel.h"

enum {
	EVENT_RING_BYTES = 64 * 1024,
	QUIET_BYTES = 256 * 1024, /* more than arrives in the few us it must hold */
	FLOW_BYTES_MAX = 1 << 30, /* socket buffer sizes are int */
	MIN_SHARE = 1024 * 1024,  /* below this a share is slower than copying */
};

static int quiet_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level, (void)fmt, (void)args; /* the sentence in "why" says it */
	return 0;
}

static const char *load_hint(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "not permitted (needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)";
	case ENOSYS:
		return "the bpf system call is not available";
	case ENOMEM:
		return "not enough memory";
	default:
		return "the kernel refused the program (CONFIG_BPF_STREAM_PARSER, BTF?)";
	}
}

static int map_records(struct sockmap *sm)
{
	size_t size = sizeof(struct flow_record) * FLOW_RECORDS_MAX;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(sm->skel->maps.records), 0);

	if (at == MAP_FAILED)
		return -errno;
	sm->records = at;
	return 0;
}

static int fill_pools(struct sockmap *sm)
{
	uint32_t share = FLOW_RECORDS_MAX / sm->cfg.workers;

	sm->pools = calloc(sm->cfg.workers, sizeof(*sm->pools));
	if (!sm->pools)
		return -ENOMEM;
	for (uint32_t w = 0; w < sm->cfg.workers; w++) {
		struct record_pool *pool = &sm->pools[w];
		pool->ring = calloc(share, sizeof(*pool->ring));
		if (!pool->ring)
			return -ENOMEM;
		pool->cap = pool->count = share;
		for (uint32_t i = 0; i < share; i++)
			pool->ring[i] = w * share + i;
	}
	return 0;
}

/* The largest receive buffer bounds what charged passing can hold; see hold() in the program. */
static uint64_t read_pass_cap(void)
{
	unsigned long long low, normal, high = 0;
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_rmem", "re");

	if (f) {
		if (fscanf(f, "%llu %llu %llu", &low, &normal, &high) != 3)
			high = 0;
		fclose(f);
	}
	return (high > 8 * 1024 * 1024 ? high : 8 * 1024 * 1024) * 2;
}

/* libbpf creates the outer map from one inner map of the right shape; the real rings come per worker. */
static int load(struct sockmap *sm)
{
	sm->skel = sockmap_bpf__open();
	if (!sm->skel)
		return -errno;
	sm->skel->rodata->pass_cap = read_pass_cap();
	int err = sockmap_bpf__load(sm->skel);
	if (err)
		return err;
	sm->targets_fd = bpf_map__fd(sm->skel->maps.targets);
	sm->sources_fd = bpf_map__fd(sm->skel->maps.sources);
	sm->slots_fd = bpf_map__fd(sm->skel->maps.slots);
	sm->events_fd = bpf_map__fd(sm->skel->maps.events);
	sm->leave_fd = bpf_program__fd(sm->skel->progs.leave_sources);
	sm->flow_cap = &sm->skel->data->flow_cap;
	*sm->flow_cap = (uint32_t)sm->cfg.flow_bytes;
	err = bpf_prog_attach(bpf_program__fd(sm->skel->progs.flow_verdict), sm->sources_fd,
			      BPF_SK_SKB_STREAM_VERDICT, 0);
	return err ? -errno : 0;
}

int sockmap_new(struct sockmap **out, const struct sockmap_config *cfg, char *why, size_t why_cap)
{
	struct sockmap *sm = calloc(1, sizeof(*sm));
	int err = -ENOMEM;

	if (!sm)
		return -ENOMEM;
	sm->cfg = *cfg;
	if (sm->cfg.flow_bytes > cfg->budget_bytes)
		sm->cfg.flow_bytes = cfg->budget_bytes;
	if (sm->cfg.flow_bytes > FLOW_BYTES_MAX)
		sm->cfg.flow_bytes = FLOW_BYTES_MAX;
	sm->share = (uint32_t)sm->cfg.flow_bytes;
	libbpf_set_print(quiet_print);
	err = load(sm);
	if (!err)
		err = map_records(sm);
	if (!err)
		err = fill_pools(sm);
	if (!err) {
		*out = sm;
		return 0;
	}
	snprintf(why, why_cap, "loading the BPF object: %s: %s", load_hint(err), strerror(-err));
	sockmap_free(sm);
	return err;
}

void sockmap_free(struct sockmap *sm)
{
	if (!sm)
		return;
	for (uint32_t w = 0; sm->pools && w < sm->cfg.workers; w++)
		free(sm->pools[w].ring);
	free(sm->pools);
	if (sm->records)
		munmap(sm->records, sizeof(struct flow_record) * FLOW_RECORDS_MAX);
	sockmap_bpf__destroy(sm->skel);
	free(sm);
}

unsigned sockmap_flows(const struct sockmap *sm)
{
	return atomic_load_explicit(&sm->flows, memory_order_relaxed);
}

uint64_t sockmap_losses(const struct sockmap *sm)
{
	return atomic_load_explicit(&sm->losses, memory_order_relaxed);
}

/* --- maps --------------------------------------------------------------------------------------- */

static int add_socket(int map_fd, uint64_t cookie, int fd)
{
	uint64_t value = (uint64_t)fd;

	return bpf_map_update_elem(map_fd, &cookie, &value, BPF_ANY) < 0 ? -errno : 0;
}

int sockmap_add_target(const struct sockmap *sm, uint64_t cookie, int fd)
{
	return add_socket(sm->targets_fd, cookie, fd);
}

int sockmap_add_source(const struct sockmap *sm, uint64_t cookie, int fd)
{
	return add_socket(sm->sources_fd, cookie, fd);
}

/* The kernel takes the record's index for the address of a connection to look up. */
bool sockmap_leave_source(const struct sockmap *sm, uint32_t index)
{
	struct bpf_sk_lookup about = {.family = AF_INET, .protocol = IPPROTO_TCP, .remote_ip4 = index};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &about, .ctx_size_in = sizeof(about));

	return bpf_prog_test_run_opts(sm->leave_fd, &opts) == 0 && opts.retval == 1;
}

int sockmap_add_slot(const struct sockmap *sm, uint64_t cookie, uint32_t record)
{
	return bpf_map_update_elem(sm->slots_fd, &cookie, &record, BPF_ANY) < 0 ? -errno : 0;
}

void sockmap_del_slot(const struct sockmap *sm, uint64_t cookie)
{
	bpf_map_delete_elem(sm->slots_fd, &cookie);
}

int sockmap_add_ring(const struct sockmap *sm, uint32_t worker)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "flow_events", 0, 0, EVENT_RING_BYTES, NULL);

	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(sm->events_fd, &worker, &fd, BPF_ANY) < 0)
		return -errno;
	return fd;
}

/* --- records ------------------------------------------------------------------------------------ */

int sockmap_record_get(struct sockmap *sm, uint32_t worker, uint64_t source, uint64_t peer, uint32_t *index)
{
	struct record_pool *pool = &sm->pools[worker];

	if (!pool->count)
		return -ENOSPC;
	uint32_t i = pool->ring[pool->head];
	pool->head = (pool->head + 1) % pool->cap;
	pool->count--;
	struct flow_record *rec = &sm->records[i];
	uint32_t generation = rec->generation + 1;
	memset(rec, 0, sizeof(*rec));
	rec->generation = generation;
	rec->worker = worker;
	rec->source = source;
	rec->peer = peer;
	*index = i;
	return 0;
}

void sockmap_record_put(struct sockmap *sm, uint32_t worker, uint32_t index)
{
	struct record_pool *pool = &sm->pools[worker];

	pool->ring[(pool->head + pool->count) % pool->cap] = index;
	pool->count++;
}

/* --- sockets ------------------------------------------------------------------------------------ */

void sockmap_quiesce(int fd)
{
	int quiet = QUIET_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &quiet, sizeof(quiet));
}

void sockmap_kick(int fd)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
}

uint64_t sockmap_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

int sockmap_tcp_totals(int fd, struct tcp_totals *out)
{
	struct tcp_info ti = {0};
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) < 0)
		return -errno;
	out->sent = ti.tcpi_bytes_sent - ti.tcpi_bytes_retrans;
	out->handed = out->sent + ti.tcpi_notsent_bytes;
	out->acked = ti.tcpi_bytes_acked;
	out->received = ti.tcpi_bytes_received;
	return 0;
}

/* --- budget ------------------------------------------------------------------------------------- */

/* A racing update may store an older share: both are right to within one flow. */
static void publish_cap(struct sockmap *sm, unsigned flows)
{
	uint64_t share = sm->cfg.budget_bytes / (flows ? flows : 1);

	if (share > sm->cfg.flow_bytes)
		share = sm->cfg.flow_bytes;
	__atomic_store_n(&sm->share, (uint32_t)share, __ATOMIC_RELAXED);
	__atomic_store_n(sm->flow_cap, (uint32_t)share, __ATOMIC_RELAXED);
}

bool sockmap_budget_take(struct sockmap *sm)
{
	unsigned flows = atomic_fetch_add(&sm->flows, 1) + 1;

	if (sm->cfg.budget_bytes / flows < MIN_SHARE) {
		atomic_fetch_sub(&sm->flows, 1);
		return false;
	}
	publish_cap(sm, flows);
	return true;
}

void sockmap_budget_give(struct sockmap *sm)
{
	publish_cap(sm, atomic_fetch_sub(&sm->flows, 1) - 1);
}
