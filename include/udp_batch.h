/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_batch.h - up to 64 arrivals received with one system call.
 *
 * Why arrivals: where the kernel has UDP_GRO it hands over several datagrams of one sender as one buffer, all of the same
 * length but for the last. segment says which length that is.
 * Owns: room for 64 arrivals of any size; pages that were never written to cost nothing.
 * Never: waits; splits a buffer (its reader does).
 * See: recvmmsg(2), udp(7) UDP_GRO.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "addr.h"
#include "udp_socket.h"

enum { UDP_BATCH = 64, UDP_DATAGRAM_MAX = 65535 };

struct udp_batch {
	unsigned count;
	bool ready; /* all slots but those of last time are as udp_batch_receive() wants them */
	uint8_t *memory;
	struct mmsghdr msg[UDP_BATCH];
	struct iovec iov[UDP_BATCH];   /* iov_len: of what came */
	unsigned segment[UDP_BATCH];   /* length of each datagram in it; the last may be shorter */
	struct addr name[UDP_BATCH];
	struct udp_control_in control[UDP_BATCH];
};

int udp_batch_init(struct udp_batch *batch); /* 0 or -ENOMEM */
void udp_batch_fini(struct udp_batch *batch);

/* Replaces the content, with names and local addresses. The number of arrivals, or -errno. */
int udp_batch_receive(struct udp_batch *batch, int fd);
/* Adds up to want of what a connected socket has, as far as there is room. The number added, or -errno. */
int udp_batch_append(struct udp_batch *batch, int fd, unsigned want);
