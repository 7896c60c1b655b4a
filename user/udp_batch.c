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

static void prepare(struct udp_batch *batch, unsigned i, bool name)
{
	batch->iov[i] = (struct iovec){.iov_base = batch->memory + (size_t)i * SLOT, .iov_len = UDP_DATAGRAM_MAX};
	batch->msg[i].msg_hdr = (struct msghdr){
		.msg_iov = &batch->iov[i],
		.msg_iovlen = 1,
		.msg_name = name ? &batch->name[i].sa : NULL,
		.msg_namelen = name ? sizeof(batch->name[i]) - offsetof(struct addr, sa) : 0,
		.msg_control = batch->control[i].bytes,
		.msg_controllen = sizeof(batch->control[i].bytes),
	};
}

static int receive(struct udp_batch *batch, int fd, unsigned want)
{
	int n = recvmmsg(fd, &batch->msg[batch->count], want, MSG_DONTWAIT, NULL);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		unsigned at = batch->count + (unsigned)i;
		struct msghdr *hdr = &batch->msg[at].msg_hdr;
		batch->name[at].len = hdr->msg_name ? hdr->msg_namelen : 0;
		batch->iov[at].iov_len = batch->msg[at].msg_len;
		batch->segment[at] = udp_control_segment(hdr, batch->msg[at].msg_len);
	}
	batch->count += (unsigned)n;
	return n;
}

int udp_batch_receive(struct udp_batch *batch, int fd)
{
	unsigned used = batch->ready ? batch->count : UDP_BATCH;

	for (unsigned i = 0; i < used; i++)
		prepare(batch, i, true);
	batch->ready = true;
	batch->count = 0;
	return receive(batch, fd, UDP_BATCH);
}

int udp_batch_append(struct udp_batch *batch, int fd, unsigned want)
{
	unsigned first = batch->count, room = UDP_BATCH - first;

	batch->ready = false;
	if (want > room)
		want = room;
	for (unsigned i = first; i < first + want; i++)
		prepare(batch, i, false);
	return receive(batch, fd, want);
}
