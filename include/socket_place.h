/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket_place.h - where in the network a socket is made: namespace, device or own address, mark, the client's address.
 *
 * Why one struct: listeners, TCP dials and UDP sessions want the same. Who wants nothing of it passes NULL and pays no
 * system call. Everything that can be wrong for every connection alike (a missing namespace, no capability) is found
 * by socket_place_init(), so that the process does not start.
 * Owns: descriptors of namespaces, opened once. Never: moves a thread for longer than a socket() call.
 * See: setns(2), ip(7) IP_TRANSPARENT, include/interface_list.h, `gostbpf routes` for what transparency needs besides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "interface_list.h"

struct socket_place {
	int netns_fd, home_fd; /* -1: the process's own namespace; home is where to return to */
	unsigned mark;	       /* SO_MARK; 0: none */
	bool transparent;      /* sockets may be bound to the client's address */
	struct interface_list interfaces;
};

struct socket_wish {
	const char *netns_key, *netns;	/* "netns" or "netns.out", for messages; NULL: no namespace */
	const char *interfaces;		/* checked text; NULL: none */
	unsigned mark;
	bool transparent;
};

/*
 * Opens the namespace, and tries everything once. -errno with a sentence that names the key and its value. *wanted tells
 * whether there is anything to it: if not, pass NULL instead.
 */
int socket_place_init(struct socket_place *place, const struct socket_wish *wish, bool *wanted, char *why,
		      size_t why_size);
void socket_place_fini(struct socket_place *place); /* for one that was initialised, or tried to be */

/* A non-blocking socket in the place's namespace, marked, or -errno. place may be NULL here and below. */
int socket_place_open(const struct socket_place *place, int family, int type);

/* Ways to connect: at least one; the i-th may not be for every target. */
size_t socket_place_ways(const struct socket_place *place);
bool socket_place_allows(const struct socket_place *place, size_t way, const struct addr *to);
/*
 * Before connect(): binds to the way's device or address, or to client's address (any port) if the place is transparent.
 * client may be NULL: nobody's connection (a health check), from an address of our own.
 * 0, or -errno: -EAFNOSUPPORT when client is of another family than to, -EADDRNOTAVAIL when nobody can have its address.
 */
int socket_place_bind(const struct socket_place *place, int fd, size_t way, const struct addr *client, const struct addr *to);
