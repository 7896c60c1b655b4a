/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_service.c - datagrams of clients in, each to its session; sessions out of the table when their time is up.
 *
 * Why runs: the datagrams of one batch that follow each other and belong to one session go to its target with one call.
 * Why a datagram's length is checked here: a buffer may hold several (UDP_GRO), so the kernel is given room for any.
 * Why one timer: all sessions of a service have the same idle limit, so only the one unused longest can be next.
 * Owns: struct udp_service. Never: talks to a target (udp_session.c does).
 * See: include/udp_session.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "udp_session.h"
#include "udp_tunnel.h"

struct udp_session *udp_service_session(struct udp_entry *entry)
{
	return (struct udp_session *)((char *)entry - offsetof(struct udp_session, entry));
}

/* --- answers ---------------------------------------------------------------------------------------- */

void udp_service_lost_reply(struct udp_service *u, unsigned index)
{
	struct udp_session *s = u->replies.owner[index];

	s->dropped++;
	s->out_datagrams--;
	s->out_bytes -= u->replies.iov[index].iov_len;
}

/* The client is out of reach, or the socket's buffer full. */
static bool on_reply_failed(void *ctx, unsigned index, int err, bool again)
{
	(void)err, (void)again;
	udp_service_lost_reply(ctx, index);
	return false;
}

void udp_service_flush(struct udp_service *u)
{
	unsigned count = u->replies.count;

	u->replies.count = 0;
	if (u->tunnel)
		udp_tunnel_send(u->tunnel, count);
	else
		udp_send(&u->sender, u->io.fd, u->replies.msg, count, on_reply_failed, u);
}

/* --- making room --------------------------------------------------------------------------------------- */

bool udp_service_evict(struct udp_service *u, const struct udp_session *keep)
{
	struct udp_session *s = u->table.oldest ? udp_service_session(u->table.oldest) : NULL;

	if (!s || s == keep)
		return false;
	udp_session_end(s, "evicted");
	return true;
}

static void arm_expiry(struct udp_service *u);

static void on_expiry(struct loop_timer *timer)
{
	struct udp_service *u = (struct udp_service *)((char *)timer - offsetof(struct udp_service, expiry));
	uint64_t now = loop_now(u->host->env.loop);

	while (u->table.oldest && now - u->table.oldest->used_ns >= u->idle_ns)
		udp_session_end(udp_service_session(u->table.oldest), "idle");
	arm_expiry(u);
}

static void arm_expiry(struct udp_service *u)
{
	struct loop *loop = u->host->env.loop;

	if (!u->table.oldest || loop_timer_armed(&u->expiry))
		return;
	uint64_t due = u->table.oldest->used_ns + u->idle_ns, now = loop_now(loop);
	loop_timer_set(loop, &u->expiry, due > now ? due - now : 0, on_expiry);
}

/* --- arrivals ------------------------------------------------------------------------------------------- */

static void end_run(struct udp_run *run)
{
	struct udp_session *s = run->session;
	unsigned count = run->count;

	run->session = NULL;
	run->count = 0;
	if (s)
		udp_session_forward(s, run->data, count);
}

static struct udp_session *find_session(struct udp_service *u, const struct udp_key *key, const struct udp_arrival *in)
{
	struct udp_entry *entry = udp_table_find(&u->table, key);
	struct limiter_lease lease;

	if (entry && udp_header_names_another(udp_service_session(entry), in)) {
		udp_session_end(udp_service_session(entry), "another-client");
		entry = NULL;
	}
	if (entry)
		return udp_header_take(udp_service_session(entry), in) ? udp_service_session(entry) : NULL;
	if (!udp_access_enter(u, in, &lease))
		return NULL;
	if (udp_table_is_full(&u->table)) {
		udp_log_trouble(u, UDP_TROUBLE_FULL, &in->peer, "too many udp sessions: the one unused longest is ended");
		udp_service_evict(u, NULL);
	}
	struct udp_session *s = udp_session_new(u, key, in, &lease);
	arm_expiry(u);
	return s;
}

/* False: it is for nobody. */
static bool read_arrival(struct udp_service *u, unsigned i, struct udp_arrival *in)
{
	*in = (struct udp_arrival){.peer = u->in.name[i], .local = u->at};
	if (u->wildcard)
		udp_control_read(&u->in.msg[i].msg_hdr, &in->local);
	return addr_port(&in->peer) && !addr_equal(&in->peer, &in->local); /* nobody can be there but ourselves */
}

void udp_service_key(const struct udp_service *u, const struct udp_arrival *in, struct udp_key *out)
{
	bool remember = u->svc->cfg->opt.recv_remember; /* a sender has one client at a time */

	udp_key_make(out, &in->peer, &in->local, remember ? NULL : &in->client, remember ? NULL : &in->client_dst);
}

static bool joins(const struct udp_run *run, const struct udp_key *key, const struct udp_arrival *in)
{
	return run->session && run->count < UDP_BATCH && udp_key_equal(&run->session->entry.key, key) &&
	       !udp_header_names_another(run->session, in) && !udp_header_differs(run->session, in);
}

/* Some send their header in a datagram of its own, which is nothing that the target should see. */
static bool is_header_alone(const struct udp_service *u, const struct udp_arrival *in)
{
	return u->svc->cfg->opt.recv_remember && in->proxy_version && !in->data.iov_len;
}

static void route(struct udp_service *u, struct udp_arrival *in, struct udp_run *run)
{
	struct udp_key key;

	if (!udp_access_admits(u, in, &in->peer, "not admitted: datagram dropped"))
		return;
	if (in->data.iov_len > (size_t)u->svc->cfg->opt.read_buffer) {
		udp_log_trouble(u, UDP_TROUBLE_SIZE, &in->peer, "a datagram longer than readBufferSize is dropped");
		return;
	}
	if (u->svc->cfg->opt.recv_proxy && !udp_receive(u, in))
		return;
	if (!udp_access_admits(u, in, &in->client, "the client of a PROXY header is not admitted: datagram dropped"))
		return;
	udp_service_key(u, in, &key);
	if (!joins(run, &key, in)) {
		end_run(run);
		run->session = find_session(u, &key, in);
	}
	if (run->session && !is_header_alone(u, in) && udp_access_takes(run->session, LIMITER_IN, in->data.iov_len))
		run->data[run->count++] = in->data;
}

/* An arrival's datagrams, each with what was read of the sender anew. */
static void route_all(struct udp_service *u, unsigned i, struct udp_run *run)
{
	const struct iovec *whole = &u->in.iov[i];
	struct udp_arrival from, in;
	size_t at = 0, left, segment = u->in.segment[i];

	if (!read_arrival(u, i, &from))
		return;
	do {
		left = whole->iov_len - at;
		in = from;
		in.data = (struct iovec){(uint8_t *)whole->iov_base + at, left < segment ? left : segment};
		route(u, &in, run);
		at += segment;
	} while (at < whole->iov_len);
}

static void on_datagrams(struct loop_io *io, uint32_t events)
{
	struct udp_service *u = (struct udp_service *)((char *)io - offsetof(struct udp_service, io));
	int n = udp_batch_receive(&u->in, io->fd);

	(void)events;
	for (int i = 0; i < n; i++)
		route_all(u, (unsigned)i, &u->run);
	end_run(&u->run);
}

void udp_service_take(struct udp_service *u, struct udp_arrival *in)
{
	route(u, in, &u->run);
}

void udp_service_pause(struct udp_service *u)
{
	end_run(&u->run);
}

/* --- life ------------------------------------------------------------------------------------------------ */

static int init_table(struct udp_service *u, size_t sessions_max)
{
	size_t max = u->svc->cfg->opt.udp_sessions;
	uint64_t seed[2];

	arc4random_buf(seed, sizeof(seed));
	return udp_table_init(&u->table, max < sessions_max ? max : sessions_max, seed);
}

static int open_socket(struct udp_service *u)
{
	int fd = udp_socket_listen(&u->svc->at, u->svc->socket_opt.place, &u->at);

	if (fd < 0)
		return fd;
	u->wildcard = udp_socket_is_wildcard(&u->at);
	int err = loop_io_add(u->host->env.loop, &u->io, fd, EPOLLIN, on_datagrams);
	if (err)
		close(fd);
	return err;
}

int udp_service_new(struct udp_service **out, struct session_host *host, struct service *svc, size_t sessions_max)
{
	const struct service_options *opt = &svc->cfg->opt;
	struct udp_service *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->host = host;
	u->svc = svc;
	u->io.fd = -1;
	u->idle_ns = opt->idle_timeout_ns ? opt->idle_timeout_ns : opt->ttl_ns;
	int err = init_table(u, sessions_max);
	if (!err)
		err = udp_batch_init(&u->in);
	if (!err)
		err = udp_batch_init(&u->back);
	if (!err)
		err = svc->listener_chain ? udp_tunnel_new(&u->tunnel, u) : open_socket(u);
	if (err)
		udp_service_free(u);
	else
		*out = u;
	return err;
}

void udp_service_free(struct udp_service *u)
{
	if (!u)
		return;
	struct loop *loop = u->host->env.loop;
	while (u->table.oldest)
		udp_session_end(udp_service_session(u->table.oldest), "drain");
	udp_tunnel_free(u->tunnel);
	loop_timer_cancel(loop, &u->expiry);
	loop_task_cancel(loop, &u->flush_task);
	loop_task_cancel(loop, &u->bury_task);
	loop_io_close(loop, &u->io);
	udp_session_bury(u);
	udp_table_fini(&u->table);
	udp_batch_fini(&u->in);
	udp_batch_fini(&u->back);
	free(u);
}
