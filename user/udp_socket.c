/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_socket.c - see udp_socket.h.
 *
 * Why the large receive buffer: a burst must wait there while the worker does something else; the default holds some 200
 * small datagrams.
 * Owns: nothing. Never: keeps a descriptor after an error.
 */
#include "udp_socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "socket_place.h"

enum { LISTEN_BUFFER = 4 << 20 };

static void set_int(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static int open_socket(int family, const struct socket_place *place)
{
	int fd = socket_place_open(place, family, SOCK_DGRAM);

	if (fd >= 0 && family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	return fd;
}

static int fail(int fd)
{
	int err = -errno;

	close(fd);
	return err;
}

static void ask_name(int fd, struct addr *out)
{
	out->len = sizeof(*out) - offsetof(struct addr, sa);
	if (getsockname(fd, &out->sa, &out->len) < 0)
		out->len = 0;
}

int udp_socket_probe(const struct addr *at, const struct socket_place *place)
{
	int fd = open_socket(addr_family(at), place), err = 0;

	if (fd < 0)
		return fd;
	if (addr_port(at) && bind(fd, &at->sa, at->len) < 0)
		err = -errno;
	close(fd);
	return err;
}

bool udp_socket_is_wildcard(const struct addr *at)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;

	if (addr_family(at) == AF_INET)
		return at->in4.sin_addr.s_addr == htonl(INADDR_ANY);
	return memcmp(&at->in6.sin6_addr, &any, sizeof(any)) == 0;
}

static void set_buffer(int fd, int plain, int force)
{
	int size = LISTEN_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

int udp_socket_listen(const struct addr *at, const struct socket_place *place, struct addr *bound)
{
	int family = addr_family(at), fd = open_socket(family, place);

	if (fd < 0)
		return fd;
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE);
	set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE);
	if (udp_socket_is_wildcard(at) && family == AF_INET)
		set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	else if (udp_socket_is_wildcard(at))
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
	if (bind(fd, &at->sa, at->len) < 0)
		return fail(fd);
	ask_name(fd, bound);
	return fd;
}

static int connect_by(size_t way, const struct addr *to, bool whole, const struct socket_place *place,
		      const struct addr *client)
{
	int family = addr_family(to), fd = open_socket(family, place);

	if (fd < 0)
		return fd;
	if (whole && family == AF_INET)
		set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	else if (whole)
		set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
	int err = socket_place_bind(place, fd, way, client, to);
	if (err) {
		close(fd);
		return err;
	}
	return connect(fd, &to->sa, to->len) < 0 ? fail(fd) : fd;
}

int udp_socket_connect(const struct addr *to, bool whole, const struct socket_place *place, const struct addr *client,
		       struct addr *from)
{
	int fd = -EAFNOSUPPORT;

	for (size_t way = 0; way < socket_place_ways(place) && fd < 0; way++)
		if (socket_place_allows(place, way, to))
			fd = connect_by(way, to, whole, place, client);
	if (fd >= 0)
		ask_name(fd, from);
	return fd;
}

/* --- local addresses -------------------------------------------------------------------------------- */

void udp_control_read(struct msghdr *msg, struct addr *local)
{
	uint16_t port = addr_port(local);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			addr_from_in4(local, &info.ipi_spec_dst, port);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			addr_from_in6(local, &info.ipi6_addr, port);
		}
	}
}

unsigned udp_control_segment(struct msghdr *msg, unsigned len)
{
	int segment;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		return segment > 0 && (unsigned)segment < len ? (unsigned)segment : len;
	}
	return len;
}

void udp_control_add_segment(struct udp_control_out *out, struct msghdr *msg, uint16_t segment)
{
	size_t used = msg->msg_control ? msg->msg_controllen : 0;
	struct cmsghdr *c = (struct cmsghdr *)(out->bytes + used);

	if (used)
		memcpy(out->bytes, msg->msg_control, used);
	memset(c, 0, CMSG_SPACE(sizeof(segment)));
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	msg->msg_control = out->bytes;
	msg->msg_controllen = used + CMSG_SPACE(sizeof(segment));
}

static void put(struct udp_control *out, int level, int type, const void *info, size_t len)
{
	struct cmsghdr *c = &out->align;

	memset(out, 0, sizeof(*out));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), info, len);
	out->len = CMSG_SPACE(len);
}

void udp_control_make(struct udp_control *out, int family, const struct addr *local, const struct addr *peer)
{
	if (family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = local->in4.sin_addr};
		put(out, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = local->in6.sin6_addr, .ipi6_ifindex = peer->in6.sin6_scope_id};
		put(out, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}
