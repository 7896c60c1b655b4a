/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_send.h - many datagrams out of one socket with few system calls.
 *
 * Why segments: datagrams of one length to one receiver pass the kernel's stack once instead of one by one when it is told to
 * cut them itself (UDP_SEGMENT). Nothing else changes: their order, their borders, who gets them.
 * Owns: the messages it puts together. Never: waits, merges what differs in receiver or source, gives up on a datagram
 * because the kernel refused to cut (they go one by one then).
 * See: sendmmsg(2), udp(7) UDP_SEGMENT; tests/unit/test_udp_send.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "udp_socket.h"

enum { UDP_SEND_MAX = 256 }; /* datagrams in one call */

struct udp_sender {
	bool plain; /* the kernel cannot cut: do not try again */
	struct mmsghdr msg[UDP_SEND_MAX];
	struct iovec iov[2 * UDP_SEND_MAX];
	unsigned first[UDP_SEND_MAX + 1]; /* of the datagrams in each message */
	struct udp_control_out control[UDP_SEND_MAX];
};

/* A datagram could not be sent. Returns true to have it tried again, which again says that it was already. */
typedef bool (*udp_failed_fn)(void *ctx, unsigned index, int err, bool again);
/*
 * Sends them all; each failure is reported and costs that datagram only. At most two iovecs each. Datagrams that follow each
 * other may leave as segments when they share msg_name and msg_control (the same memory, not only the same content).
 */
void udp_send(struct udp_sender *sender, int fd, struct mmsghdr *msgs, unsigned count, udp_failed_fn failed, void *ctx);
/* How many of msgs can leave as one message; at least 1. */
unsigned udp_send_run(const struct mmsghdr *msgs, unsigned count);
