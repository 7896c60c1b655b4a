/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_batch.c - see udp_batch.h.
 *
 * Why slots are not exactly 64 KiB apart: beginnings of all datagrams would share a handful of cache lines.
 * Owns: the memory of its datagrams. Never: copies one.
 */
#include "udp_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT = 65536 + 320 };

int udp_batch_init(struct udp_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->memory = malloc((size_t)UDP_BATCH * SLOT);
	return batch->memory ? 0 : -ENOMEM;
}

void udp_batch_fini(struct udp_batch *batch)
{
	free(batch->memory);
	batch->memory = NULL;
}

static void prepare(struct udp_batch *batch, unsigned i, size_t len)
{
	batch->iov[i] = (struct iovec){.iov_base = batch->memory + (size_t)i * SLOT, .iov_len = len};
	batch->msg[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &batch->iov[i], .msg_iovlen = 1}};
}

static void want_names(struct udp_batch *batch, unsigned i)
{
	struct msghdr *hdr = &batch->msg[i].msg_hdr;

	hdr->msg_name = &batch->name[i].sa;
	hdr->msg_namelen = sizeof(batch->name[i]) - offsetof(struct addr, sa);
	hdr->msg_control = batch->control[i].bytes;
	hdr->msg_controllen = sizeof(batch->control[i].bytes);
}

static int receive(struct udp_batch *batch, int fd, unsigned want)
{
	int n = recvmmsg(fd, &batch->msg[batch->count], want, MSG_DONTWAIT, NULL);

	if (n < 0)
		return -errno;
	batch->count += (unsigned)n;
	return n;
}

int udp_batch_receive(struct udp_batch *batch, int fd, size_t datagram_max)
{
	unsigned used = batch->prepared == datagram_max ? batch->count : UDP_BATCH;

	for (unsigned i = 0; i < used; i++) {
		prepare(batch, i, datagram_max);
		want_names(batch, i);
	}
	batch->prepared = datagram_max;
	batch->count = 0;
	int n = receive(batch, fd, UDP_BATCH);
	for (int i = 0; i < n; i++)
		batch->name[i].len = batch->msg[i].msg_hdr.msg_namelen;
	return n;
}

int udp_batch_append(struct udp_batch *batch, int fd, unsigned want)
{
	unsigned first = batch->count, room = UDP_BATCH - first;

	if (want > room)
		want = room;
	for (unsigned i = first; i < first + want; i++)
		prepare(batch, i, UDP_DATAGRAM_MAX);
	int n = receive(batch, fd, want);
	for (unsigned i = first; i < batch->count; i++)
		batch->iov[i].iov_len = batch->msg[i].msg_len;
	return n;
}

void udp_send(int fd, struct mmsghdr *msgs, unsigned count, udp_failed_fn failed, void *ctx)
{
	bool again = false;

	for (unsigned done = 0; done < count;) {
		int n = sendmmsg(fd, msgs + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0 && failed(ctx, done, errno, again) && !again) {
			again = true;
			continue;
		}
		done += n > 0 ? (unsigned)n : 1;
		again = false;
	}
}
