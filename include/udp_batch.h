/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_batch.h - up to 64 datagrams received, or sent, with one system call.
 *
 * Why: a small datagram costs less than the call that moves it. Answers of many sessions leave by one socket, so they are
 * collected here and go out together.
 * Owns: room for 64 datagrams of any size; pages that were never written to cost nothing.
 * Never: knows a session (owner is the caller's), waits.
 * See: recvmmsg(2), sendmmsg(2).
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
	size_t prepared; /* datagram size that all slots not used last time are ready for */
	uint8_t *memory;
	struct mmsghdr msg[UDP_BATCH]; /* msg_len: of the datagram */
	struct iovec iov[UDP_BATCH];
	struct addr name[UDP_BATCH];
	struct udp_control control[UDP_BATCH];
	void *owner[UDP_BATCH];
};

int udp_batch_init(struct udp_batch *batch); /* 0 or -ENOMEM */
void udp_batch_fini(struct udp_batch *batch);

/* Replaces the content, with names and control data. The number of datagrams, or -errno. */
int udp_batch_receive(struct udp_batch *batch, int fd, size_t datagram_max);
/* Adds up to want of what a connected socket has, as far as there is room. The number added, or -errno. */
int udp_batch_append(struct udp_batch *batch, int fd, unsigned want);

/* A datagram could not be sent. Returns true to have it tried again, which again says that it was already. */
typedef bool (*udp_failed_fn)(void *ctx, unsigned index, int err, bool again);
/* Sends them all; each failure is reported and costs that datagram only. */
void udp_send(int fd, struct mmsghdr *msgs, unsigned count, udp_failed_fn failed, void *ctx);
