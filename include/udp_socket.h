/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_socket.h - UDP sockets as a forwarder wants them: shared ports, connected upstreams, the address a client wrote to.
 *
 * Why: a wildcard socket answers from whatever address routing likes, and clients drop such answers. So it is asked which
 * address each datagram came to, and told which one to answer from.
 * Owns: nothing; descriptors are the caller's. Never: reads or writes a datagram.
 * See: ip(7) IP_PKTINFO, ipv6(7) IPV6_RECVPKTINFO, include/udp_batch.h.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "addr.h"

struct socket_place;

/* Ancillary data that names a local address. */
struct udp_control {
	size_t len; /* 0: leave it to routing */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	};
};

/* What comes with an arrival: a local address, the length of its segments. */
struct udp_control_in {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
	};
};

/* A local address to answer from, and how to cut. */
struct udp_control_out {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
	};
};

/* -EADDRINUSE if anybody, ourselves included, has the port: SO_REUSEPORT alone would share it silently. */
int udp_socket_probe(const struct addr *at, const struct socket_place *place);
/* A non-blocking socket that shares its port (one for each worker), or -errno. bound: port 0 resolved. */
int udp_socket_listen(const struct addr *at, const struct socket_place *place, struct addr *bound);
/*
 * A non-blocking connected socket, or -errno. whole: never fragment, so that a datagram that has become too long is an error
 * (EMSGSIZE) instead. place (or NULL) and client as in socket_place_bind(). from: the address it has now.
 */
int udp_socket_connect(const struct addr *to, bool whole, const struct socket_place *place, const struct addr *client,
		       struct addr *from);

bool udp_socket_is_wildcard(const struct addr *at);
/* The address a datagram was sent to; local keeps its port, and its value when the kernel did not say. */
void udp_control_read(struct msghdr *msg, struct addr *local);
/* How long each datagram of an arrival of len bytes is (UDP_GRO): len itself when it is one. */
unsigned udp_control_segment(struct msghdr *msg, unsigned len);
/* Has the kernel cut msg into segments; its own ancillary data, if any, is copied to out and stays. */
void udp_control_add_segment(struct udp_control_out *out, struct msghdr *msg, uint16_t segment);
/* For an answer from local to peer on a socket of that family. */
void udp_control_make(struct udp_control *out, int family, const struct addr *local, const struct addr *peer);
