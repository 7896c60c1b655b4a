/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_session.c - one client's datagrams to its target and back.
 *
 * Why answers are not sent at once: those of all sessions that have some in this turn leave the service's socket together.
 * They keep a pointer to their session, so a session that ends sends what was collected first.
 * Owns: the session and its socket. Never: answers another client; retries a datagram, but for an ICMP error that an earlier
 * one has earned (the kernel reports it instead of sending).
 * See: include/udp_session.h, user/udp_dial.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "udp_chain.h"
#include "udp_session.h"

enum { BURST_MIN = 4 };

static struct loop *loop_of(const struct udp_session *s)
{
	return s->service->host->env.loop;
}

/* --- end -------------------------------------------------------------------------------------------------- */

void udp_session_bury(struct udp_service *u)
{
	for (struct udp_session *s; (s = u->dead);) {
		u->dead = s->next_dead;
		udp_header_free(s);
		udp_chain_free(s);
		free(s);
	}
}

static void on_bury(struct loop_task *task)
{
	udp_session_bury((struct udp_service *)((char *)task - offsetof(struct udp_service, bury_task)));
}

static void drop_held(struct udp_session *s)
{
	for (unsigned i = 0; i < s->held_count; i++) {
		s->service->held_bytes -= s->held[i].iov_len;
		free(s->held[i].iov_base);
	}
	s->dropped += s->held_count;
	s->held_count = 0;
}

void udp_session_end(struct udp_session *s, const char *reason)
{
	struct udp_service *u = s->service;

	if (s->ended)
		return;
	udp_service_flush(u);
	s->ended = true;
	s->reason = reason;
	udp_dial_cancel(s);
	udp_chain_stop(s);
	loop_io_close(loop_of(s), &s->io);
	drop_held(s);
	udp_table_remove(&u->table, &s->entry);
	udp_log_close(s);
	udp_access_leave(u, &s->lease);
	atomic_fetch_sub(u->host->total, 1);
	s->next_dead = u->dead;
	u->dead = s;
	loop_defer(loop_of(s), &u->bury_task, on_bury);
}

/* --- errors of the target -------------------------------------------------------------------------------- */

/* What ICMP says about an earlier datagram, reported by whatever call comes next. */
static bool is_earlier_error(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == EHOSTDOWN || err == ENOPROTOOPT;
}

/*
 * Nobody is there: the next client goes elsewhere. This one's next datagram too, if there is an elsewhere and the target
 * never answered; otherwise the session stays, for the target may come back.
 */
static void target_refused(struct udp_session *s, int err)
{
	struct service *svc = s->service->svc;
	char to[ADDR_TEXT_MAX], text[256];
	const char *why = strerror(err);

	s->header_sent = false; /* whoever comes back has not seen it */
	if (s->refused)
		return;
	s->refused = true;
	snprintf(text, sizeof(text), "udp %s: %c%s", addr_format(&s->upstream, to), why[0] | 0x20, why + 1);
	udp_log_fault(s, LOG_WARN, text);
	selector_mark_failed(svc->selector, (size_t)s->node, loop_now(loop_of(s)));
	if (svc->node_count > 1 && !s->answered)
		udp_session_end(s, "refused");
}

static void datagram_too_big(struct udp_session *s)
{
	char text[128];

	if (s->too_big)
		return;
	s->too_big = true;
	snprintf(text, sizeof(text), "a datagram is too long for the path to the target%s: dropped",
		 s->header_len ? ", with the PROXY header" : "");
	udp_log_fault(s, LOG_WARN, text);
}

/* --- to the target ----------------------------------------------------------------------------------------- */

/* One call's worth: our header and the payload of each datagram. */
struct sending {
	struct mmsghdr msg[UDP_BATCH];
	struct iovec iov[UDP_BATCH][2];
	unsigned failed;
	uint64_t failed_bytes;
	int earlier;  /* an ICMP error of an earlier datagram, or 0 */
	bool too_big;
};

static bool on_send_failed(void *ctx, unsigned index, int err, bool again)
{
	struct sending *out = ctx;

	if (is_earlier_error(err))
		out->earlier = err;
	if ((is_earlier_error(err) || err == EMSGSIZE) && !again)
		return true;
	out->too_big |= err == EMSGSIZE;
	out->failed++;
	out->failed_bytes += out->iov[index][1].iov_len;
	return false;
}

/* The header stands in front of every datagram, or of the first of a session only. */
static bool header_once(const struct udp_session *s)
{
	return s->header_len && s->service->svc->cfg->opt.udp_header == UDP_HEADER_FIRST;
}

static void prepare(struct udp_session *s, struct sending *out, unsigned i, const struct iovec *data)
{
	bool header = s->header_len && !(header_once(s) && s->header_sent);

	out->iov[i][0] = (struct iovec){.iov_base = s->header, .iov_len = s->header_len};
	out->iov[i][1] = *data;
	out->msg[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &out->iov[i][header ? 0 : 1], .msg_iovlen = header ? 2 : 1}};
}

static void send_to_chain(struct udp_session *s, struct sending *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct msghdr *msg = &out->msg[i].msg_hdr;
		int err = udp_chain_put(s, msg->msg_iov, msg->msg_iovlen);
		if (err)
			on_send_failed(out, i, -err, true);
	}
	udp_chain_flush(s);
}

static void send_some(struct udp_session *s, const struct iovec *data, unsigned count)
{
	struct sending out;

	out.failed = 0;
	out.failed_bytes = 0;
	out.earlier = 0;
	out.too_big = false;
	for (unsigned i = 0; i < count; i++) {
		prepare(s, &out, i, &data[i]);
		s->in_bytes += data[i].iov_len;
	}
	if (s->framed)
		send_to_chain(s, &out, count);
	else
		udp_send(&s->service->sender, s->io.fd, out.msg, count, on_send_failed, &out);
	s->in_datagrams += count - out.failed;
	s->in_bytes -= out.failed_bytes;
	s->dropped += out.failed;
	s->header_sent |= out.failed < count;
	if (out.too_big)
		datagram_too_big(s);
	if (out.earlier)
		target_refused(s, out.earlier);
}

/* A header that is sent once must have left before a datagram without it may. */
static void send_all(struct udp_session *s, const struct iovec *data, unsigned count)
{
	for (; count && header_once(s) && !s->header_sent && !s->ended; data++, count--)
		send_some(s, data, 1);
	if (count && !s->ended)
		send_some(s, data, count);
}

static void hold(struct udp_session *s, const struct iovec *data)
{
	struct udp_service *u = s->service;
	unsigned max = u->svc->chain ? UDP_HELD_CHAIN_MAX : UDP_HELD_MAX;
	bool room = s->held_count < max && u->held_bytes + data->iov_len <= UDP_HELD_BYTES_MAX;
	void *copy = room ? malloc(data->iov_len ? data->iov_len : 1) : NULL;

	if (!copy) {
		s->dropped++;
		return;
	}
	memcpy(copy, data->iov_base, data->iov_len);
	s->held[s->held_count++] = (struct iovec){.iov_base = copy, .iov_len = data->iov_len};
	u->held_bytes += data->iov_len;
}

void udp_session_forward(struct udp_session *s, const struct iovec *data, unsigned count)
{
	udp_table_touch(&s->service->table, &s->entry, loop_now(loop_of(s)));
	if (s->io.fd >= 0) {
		send_all(s, data, count);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		hold(s, &data[i]);
}

/* --- from the target ---------------------------------------------------------------------------------------- */

static void on_flush(struct loop_task *task)
{
	udp_service_flush((struct udp_service *)((char *)task - offsetof(struct udp_service, flush_task)));
}

void udp_session_answer(struct udp_session *s, const struct iovec *data)
{
	struct udp_replies *out = &s->service->replies;

	if (!udp_access_takes(s, LIMITER_OUT, data->iov_len))
		return;
	if (out->count == UDP_SEND_MAX)
		udp_service_flush(s->service);
	unsigned i = out->count++;
	out->owner[i] = s;
	out->iov[i] = *data;
	out->msg[i].msg_hdr = (struct msghdr){
		.msg_iov = &out->iov[i],
		.msg_iovlen = 1,
		.msg_name = &s->reply_to.sa,
		.msg_namelen = s->reply_to.len,
		.msg_control = s->reply_from.len ? s->reply_from.bytes : NULL,
		.msg_controllen = s->reply_from.len,
	};
	s->out_datagrams++;
	s->out_bytes += data->iov_len;
}

/* Addresses the answers that were just read, from first on; an arrival may hold several. */
static void take_replies(struct udp_session *s, unsigned first)
{
	struct udp_batch *back = &s->service->back;

	for (unsigned i = first; i < back->count; i++) {
		size_t at = 0, whole = back->iov[i].iov_len, segment = back->segment[i];
		do {
			size_t left = whole - at;
			udp_session_answer(s, &(struct iovec){(uint8_t *)back->iov[i].iov_base + at, left < segment ? left : segment});
			at += segment;
		} while (at < whole);
	}
	udp_table_touch(&s->service->table, &s->entry, loop_now(loop_of(s)));
	loop_defer(loop_of(s), &s->service->flush_task, on_flush);
}

void udp_session_answered(struct udp_session *s)
{
	if (!s->answered)
		selector_mark_good(s->service->svc->selector, (size_t)s->node);
	s->answered = true;
}

static void on_upstream(struct loop_io *io, uint32_t events)
{
	struct udp_session *s = (struct udp_session *)((char *)io - offsetof(struct udp_session, io));
	struct udp_service *u = s->service;

	(void)events; /* an error comes with the next call, which takes it */
	if (u->back.count == UDP_BATCH || !u->replies.count) {
		udp_service_flush(u);
		u->back.count = 0; /* nothing in it is waited for any more */
	}
	unsigned first = u->back.count;
	int n = udp_batch_append(&u->back, io->fd, s->burst);
	if (n < 0) {
		if (is_earlier_error(-n))
			target_refused(s, -n);
		return;
	}
	udp_session_answered(s);
	s->burst = (unsigned)n < s->burst ? BURST_MIN : s->burst < UDP_BATCH ? s->burst * 2 : UDP_BATCH;
	take_replies(s, first);
}

/* --- start ---------------------------------------------------------------------------------------------------- */

void udp_session_connected(struct udp_session *s, int fd)
{
	if (loop_io_add(loop_of(s), &s->io, fd, EPOLLIN, on_upstream) < 0) {
		close(fd);
		udp_session_end(s, "no-memory");
		return;
	}
	udp_session_opened(s);
}

void udp_session_opened(struct udp_session *s)
{
	struct iovec held[UDP_HELD_CHAIN_MAX];
	unsigned count = s->held_count;

	if (!udp_header_build(s))
		return;
	s->connected_ns = loop_now(loop_of(s));
	udp_log_connected(s);
	memcpy(held, s->held, sizeof(held));
	s->held_count = 0;
	send_all(s, held, count); /* may end the session */
	for (unsigned i = 0; i < count; i++) {
		s->service->held_bytes -= held[i].iov_len;
		free(held[i].iov_base);
	}
}

static void set_addresses(struct udp_session *s, const struct udp_arrival *first)
{
	s->reply_to = s->peer = first->peer;
	s->local = first->local;
	if (s->service->wildcard)
		udp_control_make(&s->reply_from, addr_family(&s->service->at), &first->local, &first->peer);
	addr_unmap(&s->peer);
	addr_unmap(&s->local);
	s->client = s->peer;
	s->client_dst = s->local;
	s->proxy_version = first->proxy_version;
	s->proxy_addrs = addr_is_set(&first->client);
	if (s->proxy_addrs) {
		s->client = first->client;
		s->client_dst = first->client_dst;
	}
}

struct udp_session *udp_session_new(struct udp_service *u, const struct udp_key *key, const struct udp_arrival *first,
				    struct limiter_lease *lease)
{
	struct udp_session *s = calloc(1, sizeof(*s));

	if (!s) {
		udp_log_trouble(u, UDP_TROUBLE_RESOURCES, &first->peer, "no memory for a udp session");
		udp_access_leave(u, lease);
		return NULL;
	}
	s->service = u;
	s->lease = *lease;
	s->io.fd = s->node = -1;
	s->burst = BURST_MIN;
	s->start_ns = loop_now(u->host->env.loop);
	s->entry.key = *key;
	set_addresses(s, first);
	log_new_sid(s->sid);
	if (u->svc->unique_id)
		proxy_send_make_unique_id(s->unique_id);
	udp_table_insert(&u->table, &s->entry, s->start_ns);
	atomic_fetch_add(u->host->total, 1);
	atomic_fetch_add(&u->svc->accepted, 1);
	if (udp_header_take(s, first)) {
		udp_log_open(s);
		udp_dial(s);
	}
	return s->ended ? NULL : s;
}
