/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_send.c - see udp_send.h.
 *
 * Why a message that fails is sent again in pieces: only so is it known which datagram was at fault. An ICMP error that an
 * earlier datagram earned is taken by the failed call, so it is reported before the pieces go.
 * Owns: nothing. Never: loses the order of datagrams to one receiver.
 */
#include "udp_send.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

enum {
	SEGMENTS_MAX = 64,		/* UDP_MAX_SEGMENTS of kernels before 6.8 */
	SEGMENTED_MAX = 65535 - 48,	/* a whole IPv6 packet's payload */
};

static size_t length_of(const struct mmsghdr *msg)
{
	size_t len = 0;

	for (size_t i = 0; i < msg->msg_hdr.msg_iovlen; i++)
		len += msg->msg_hdr.msg_iov[i].iov_len;
	return len;
}

static bool same_way(const struct msghdr *a, const struct msghdr *b)
{
	return a->msg_name == b->msg_name && a->msg_control == b->msg_control;
}

unsigned udp_send_run(const struct mmsghdr *msgs, unsigned count)
{
	size_t segment, total;
	unsigned n = 1;

	if (count < 2 || !same_way(&msgs[0].msg_hdr, &msgs[1].msg_hdr))
		return 1;
	segment = total = length_of(&msgs[0]);
	while (n < count && n < SEGMENTS_MAX && same_way(&msgs[0].msg_hdr, &msgs[n].msg_hdr)) {
		size_t len = length_of(&msgs[n]);
		if (!len || len > segment || total + len > SEGMENTED_MAX)
			break;
		total += len;
		n++;
		if (len < segment) /* only the last may be shorter */
			break;
	}
	return n;
}

/* --- one by one ------------------------------------------------------------------------------------------ */

struct report {
	udp_failed_fn failed;
	void *ctx;
	unsigned base; /* index of the first of the messages in the caller's list */
};

static void send_plain(int fd, struct mmsghdr *msgs, unsigned count, const struct report *to)
{
	bool again = false;

	for (unsigned done = 0; done < count;) {
		int n = sendmmsg(fd, msgs + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0 && to->failed(to->ctx, to->base + done, errno, again) && !again) {
			again = true;
			continue;
		}
		done += n > 0 ? (unsigned)n : 1;
		again = false;
	}
}

/* --- in segments ------------------------------------------------------------------------------------------ */

/* One message of n datagrams; the number of iovecs it takes. */
static size_t put_together(struct udp_sender *s, unsigned at, struct iovec *iov, const struct mmsghdr *msgs, unsigned n)
{
	struct msghdr *out = &s->msg[at].msg_hdr;
	size_t used = 0;

	*out = msgs[0].msg_hdr;
	out->msg_iov = iov;
	for (unsigned i = 0; i < n; i++) {
		size_t count = msgs[i].msg_hdr.msg_iovlen;
		memcpy(iov + used, msgs[i].msg_hdr.msg_iov, count * sizeof(*iov));
		used += count;
	}
	out->msg_iovlen = used;
	if (n > 1)
		udp_control_add_segment(&s->control[at], out, (uint16_t)length_of(&msgs[0]));
	return used;
}

/* How many messages it takes. */
static unsigned plan(struct udp_sender *s, const struct mmsghdr *msgs, unsigned count)
{
	unsigned messages = 0;

	for (unsigned i = 0; i < count; i += udp_send_run(msgs + i, count - i))
		s->first[messages++] = i;
	s->first[messages] = count;
	return messages;
}

static bool cannot_cut(int err)
{
	return err == EIO || err == EOPNOTSUPP || err == ENOPROTOOPT;
}

/* What the kernel says about cutting is no datagram's fault; EINVAL and EMSGSIZE say that one is longer than the path takes. */
static void send_pieces(struct udp_sender *s, int fd, struct mmsghdr *msgs, unsigned at, int err, struct report to)
{
	unsigned first = s->first[at], count = s->first[at + 1] - first;
	bool segments = count > 1;

	s->plain |= segments && cannot_cut(err);
	to.base = first;
	if (!(segments && (cannot_cut(err) || err == EINVAL || err == EMSGSIZE)) && !to.failed(to.ctx, first, err, false)) {
		to.base++; /* that one is reported, the others have their chance */
		count--;
	}
	send_plain(fd, msgs + to.base, count, &to);
}

static void send_segmented(struct udp_sender *s, int fd, struct mmsghdr *msgs, unsigned messages, const struct report *to)
{
	struct iovec *iov = s->iov;

	for (unsigned i = 0; i < messages; i++)
		iov += put_together(s, i, iov, msgs + s->first[i], s->first[i + 1] - s->first[i]);
	for (unsigned done = 0; done < messages;) {
		int n = sendmmsg(fd, s->msg + done, messages - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			send_pieces(s, fd, msgs, done, errno, *to);
		done += n > 0 ? (unsigned)n : 1;
	}
}

void udp_send(struct udp_sender *sender, int fd, struct mmsghdr *msgs, unsigned count, udp_failed_fn failed, void *ctx)
{
	struct report to = {.failed = failed, .ctx = ctx};
	unsigned messages = count < 2 || sender->plain ? count : plan(sender, msgs, count);

	if (messages == count)
		send_plain(fd, msgs, count, &to);
	else
		send_segmented(sender, fd, msgs, messages, &to);
}
