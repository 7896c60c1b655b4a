/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket_place.c - see socket_place.h.
 *
 * Why a failed way back is the end: a worker that stays in another namespace would make every later socket in the wrong
 * network. Nothing can be done about it but to stop at once.
 * Owns: the descriptors of a struct socket_place. Never: leaves the calling thread in another namespace.
 */
#include "socket_place.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns/"

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* --- sockets -------------------------------------------------------------------------------------------- */

static bool enter(const struct socket_place *place)
{
	return place->netns_fd < 0 || setns(place->netns_fd, CLONE_NEWNET) == 0;
}

static void leave(const struct socket_place *place)
{
	int before = errno;

	if (place->netns_fd >= 0 && setns(place->home_fd, CLONE_NEWNET) < 0)
		abort();
	errno = before;
}

static int open_plain(int family, int type)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int open_inside(const struct socket_place *place, int family, int type)
{
	if (!enter(place))
		return -errno;
	int fd = open_plain(family, type);
	leave(place);
	return fd;
}

int socket_place_open(const struct socket_place *place, int family, int type)
{
	if (!place)
		return open_plain(family, type);
	int fd = open_inside(place, family, type);
	int err = fd >= 0 && place->mark ? set_int(fd, SOL_SOCKET, SO_MARK, (int)place->mark) : 0;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

size_t socket_place_ways(const struct socket_place *place)
{
	return place && place->interfaces.count ? place->interfaces.count : 1;
}

bool socket_place_allows(const struct socket_place *place, size_t way, const struct addr *to)
{
	return !place || !place->interfaces.count || interface_list_allows(&place->interfaces, way, to);
}

/* The port is chosen by connect(), which knows the target: each target has all ports of its own. */
static int bind_address(int fd, const struct addr *source)
{
	struct addr any_port = *source;

	addr_set_port(&any_port, 0);
	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); /* without it there are fewer ports */
	return bind(fd, &any_port.sa, any_port.len) < 0 ? -errno : 0;
}

static bool can_be_a_host(const struct addr *a)
{
	if (addr_family(a) == AF_INET6)
		return !IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) && !IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
	uint32_t ip = ntohl(a->in4.sin_addr.s_addr);
	return ip && ip != INADDR_BROADCAST && !IN_MULTICAST(ip);
}

static int set_transparent(int fd, int family)
{
	return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
				  : set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
}

static int bind_client(int fd, const struct addr *client, const struct addr *to)
{
	if (addr_family(client) != addr_family(to))
		return -EAFNOSUPPORT;
	if (!can_be_a_host(client))
		return -EADDRNOTAVAIL;
	int err = set_transparent(fd, addr_family(client));
	return err ? err : bind_address(fd, client);
}

static int bind_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) < 0 ? -errno : 0;
}

int socket_place_bind(const struct socket_place *place, int fd, size_t way, const struct addr *client, const struct addr *to)
{
	int err = 0;

	if (!place)
		return 0;
	if (place->interfaces.count) {
		const struct interface_entry *entry = &place->interfaces.entries[way];
		err = entry->device[0] ? bind_device(fd, entry->device) : bind_address(fd, &entry->source);
	}
	return !err && place->transparent && client ? bind_client(fd, client, to) : err;
}

/* --- start ------------------------------------------------------------------------------------------------ */

/* A name below /run/netns, as ip-netns(8) makes them, or a path. */
static int open_netns(struct socket_place *place, const struct socket_wish *wish, char *why, size_t why_size)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s%s", wish->netns[0] == '/' ? "" : NETNS_DIR, wish->netns);

	if (n >= (int)sizeof(path)) {
		snprintf(why, why_size, "%s: the name is too long", wish->netns_key);
		return -ENAMETOOLONG;
	}
	place->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (place->netns_fd >= 0)
		place->home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (place->home_fd < 0 || !enter(place)) {
		int err = -errno;
		snprintf(why, why_size, "%s=%s: cannot enter the network namespace %s: %s%s", wish->netns_key, wish->netns, path,
			 strerror(-err), err == -EPERM ? " (it takes CAP_SYS_ADMIN)" : "");
		return err;
	}
	leave(place);
	return 0;
}

static int try_entry(const struct interface_entry *entry, int fd, char *why, size_t why_size)
{
	char ip[ADDR_TEXT_MAX];
	int err = entry->device[0] ? bind_device(fd, entry->device) : bind_address(fd, &entry->source);

	if (!err)
		return 0;
	if (err == -ENODEV)
		snprintf(why, why_size, "interface=%s: there is no such device", entry->device);
	else if (entry->device[0])
		snprintf(why, why_size, "interface=%s: cannot bind to the device: %s", entry->device, strerror(-err));
	else
		snprintf(why, why_size, "interface=%s: %s", addr_format_ip(&entry->source, ip),
			 err == -EADDRNOTAVAIL ? "not an address of this machine" : strerror(-err));
	return err;
}

static int try_interfaces(const struct socket_place *place, char *why, size_t why_size)
{
	int err = 0;

	for (size_t i = 0; i < place->interfaces.count && !err; i++) {
		const struct interface_entry *entry = &place->interfaces.entries[i];
		int family = entry->device[0] ? AF_INET : addr_family(&entry->source);
		int fd = socket_place_open(place, family, SOCK_DGRAM);
		if (fd < 0) {
			snprintf(why, why_size, "interface: cannot make a socket: %s", strerror(-fd));
			return fd;
		}
		err = try_entry(entry, fd, why, why_size);
		close(fd);
	}
	return err;
}

/* SO_MARK is set by opening; IP_TRANSPARENT needs the same capability for both families. */
static int try_privileges(const struct socket_place *place, char *why, size_t why_size)
{
	int fd = socket_place_open(place, AF_INET, SOCK_STREAM), err = fd < 0 ? fd : 0;

	if (err) {
		snprintf(why, why_size, "so_mark=%u: cannot mark a socket: %s%s", place->mark, strerror(-err),
			 err == -EPERM ? " (it takes CAP_NET_ADMIN)" : "");
		return err;
	}
	if (place->transparent)
		err = set_transparent(fd, AF_INET);
	close(fd);
	if (err)
		snprintf(why, why_size, "transparent=true: cannot connect from other hosts' addresses: %s%s", strerror(-err),
			 err == -EPERM ? " (it takes CAP_NET_ADMIN)" : "");
	return err;
}

int socket_place_init(struct socket_place *place, const struct socket_wish *wish, bool *wanted, char *why, size_t why_size)
{
	int err = 0;

	*place = (struct socket_place){.netns_fd = -1, .home_fd = -1, .mark = wish->mark, .transparent = wish->transparent};
	*wanted = wish->netns || wish->interfaces || wish->mark || wish->transparent;
	if (wish->interfaces)
		err = interface_list_parse(&place->interfaces, wish->interfaces, why, why_size);
	if (!err && wish->netns)
		err = open_netns(place, wish, why, why_size);
	if (!err)
		err = try_interfaces(place, why, why_size);
	if (!err && (wish->mark || wish->transparent))
		err = try_privileges(place, why, why_size);
	return err;
}

void socket_place_fini(struct socket_place *place)
{
	if (place->netns_fd >= 0)
		close(place->netns_fd);
	if (place->home_fd >= 0)
		close(place->home_fd);
	place->netns_fd = place->home_fd = -1;
}
