/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver_channel.c - see resolver_channel.h.
 *
 * Why: c-ares names descriptors, the loop wants objects: a short list translates (c-ares keeps one socket
 * per server). A socket may disappear inside any call into c-ares, its own event handler's included.
 * Owns: the watches.
 */
#include "resolver_channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#define DEFAULT_TIMEOUT_MS  1500
#define DEFAULT_TRIES	    3
#define DEFAULT_RESOLV_CONF "/etc/resolv.conf"
#define CONF_CHECK_NS	    (1ULL * 1000 * 1000 * 1000)

/* One socket of c-ares. */
struct resolver_watch {
	struct loop_io io;
	struct resolver_channel *channel;
	struct resolver_watch *next;
};

/* --- sockets and timeouts of c-ares --- */

static void on_socket(struct loop_io *io, uint32_t events)
{
	struct resolver_watch *watch =
		(struct resolver_watch *)((char *)io - offsetof(struct resolver_watch, io));
	struct resolver_channel *ch = watch->channel;
	ares_socket_t fd = io->fd;
	bool broken = events & (EPOLLERR | EPOLLHUP); /* c-ares finds out by trying */

	/* May free the watch. */
	ares_process_fd(ch->ares, events & EPOLLIN || broken ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT || broken ? fd : ARES_SOCKET_BAD);
	ch->settled(ch);
}

static void forget_socket(struct resolver_channel *ch, struct resolver_watch **link)
{
	struct resolver_watch *watch = *link;

	loop_io_del(ch->loop, &watch->io);
	*link = watch->next;
	free(watch);
}

/* When this fails, c-ares' timeout is the remedy. */
static void watch_socket(struct resolver_channel *ch, int fd, uint32_t events)
{
	struct resolver_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return;
	watch->channel = ch;
	if (loop_io_add(ch->loop, &watch->io, fd, events, on_socket) < 0) {
		free(watch);
		return;
	}
	watch->next = ch->watches;
	ch->watches = watch;
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver_channel *ch = data;
	uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
	struct resolver_watch **link = &ch->watches;

	while (*link && (*link)->io.fd != fd)
		link = &(*link)->next;
	if (!*link && events)
		watch_socket(ch, fd, events);
	else if (*link && events)
		loop_io_set(ch->loop, &(*link)->io, events);
	else if (*link)
		forget_socket(ch, link);
}

static void on_timeout(struct loop_timer *timer)
{
	struct resolver_channel *ch =
		(struct resolver_channel *)((char *)timer - offsetof(struct resolver_channel, timer));

	ares_process_fd(ch->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	ch->settled(ch);
}

void resolver_channel_arm(struct resolver_channel *ch)
{
	struct timeval tv;

	if (!ch->ares || !ares_timeout(ch->ares, NULL, &tv)) {
		loop_timer_cancel(ch->loop, &ch->timer);
		return;
	}
	/* A millisecond later than asked: c-ares drops what is below one, and would find nothing due. */
	uint64_t delay_ns = (uint64_t)tv.tv_sec * 1000000000U + ((uint64_t)tv.tv_usec + 1000U) * 1000U;
	loop_timer_set(ch->loop, &ch->timer, delay_ns, on_timeout);
}

/* --- the channel --- */

static const char *conf_path(const struct resolver_channel *ch)
{
	return ch->resolv_conf ? ch->resolv_conf : DEFAULT_RESOLV_CONF;
}

static void init_library(void)
{
	ares_library_init(ARES_LIB_INIT_ALL); /* once per process, and not thread-safe */
}

static void close_channel(struct resolver_channel *ch)
{
	if (ch->ares)
		ares_destroy(ch->ares);
	ch->ares = NULL;
	while (ch->watches) /* none is left, if c-ares keeps its word */
		forget_socket(ch, &ch->watches);
	loop_timer_cancel(ch->loop, &ch->timer);
}

static int open_channel(struct resolver_channel *ch)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ares_options opt = {
		/* An environment variable must not redirect a target. */
		.flags = ARES_FLAG_NOALIASES | (ch->cfg.tcp ? ARES_FLAG_USEVC : 0),
		.timeout = (int)(ch->cfg.timeout_ms ? ch->cfg.timeout_ms : DEFAULT_TIMEOUT_MS),
		.tries = (int)(ch->cfg.tries ? ch->cfg.tries : DEFAULT_TRIES),
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = ch,
		.udp_port = ch->cfg.port,
		.tcp_port = ch->cfg.port,
		.resolvconf_path = (char *)conf_path(ch), /* copied, in spite of its type */
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
		   ARES_OPT_RESOLVCONF | (ch->cfg.port ? ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT : 0);
	struct stat st;

	pthread_once(&once, init_library);
	ch->conf_checked_ns = loop_now(ch->loop);
	if (stat(conf_path(ch), &st) == 0)
		ch->conf_changed = st.st_mtim;
	int err = ares_init_options(&ch->ares, &opt, mask);
	if (err != ARES_SUCCESS) {
		ch->ares = NULL;
		return err == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	}
	if (!ch->servers || ares_set_servers_ports_csv(ch->ares, ch->servers) == ARES_SUCCESS)
		return 0;
	close_channel(ch);
	return -EINVAL;
}

/* resolv.conf changes when a machine moves between networks; c-ares reads it once. */
void resolver_channel_refresh(struct resolver_channel *ch)
{
	struct stat st;

	if (ch->ares && loop_now(ch->loop) - ch->conf_checked_ns < CONF_CHECK_NS)
		return;
	ch->conf_checked_ns = loop_now(ch->loop);
	bool changed = stat(conf_path(ch), &st) == 0 &&
		       memcmp(&st.st_mtim, &ch->conf_changed, sizeof(st.st_mtim)) != 0;
	if (ch->ares && !changed)
		return;
	close_channel(ch);
	open_channel(ch);
}

void resolver_channel_ask(struct resolver_channel *ch, const char *host, ares_addrinfo_callback fn, void *arg)
{
	static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

	if (ch->ares)
		ares_getaddrinfo(ch->ares, host, NULL, &hints, fn, arg);
	else
		fn(arg, ARES_ENOTINITIALIZED, 0, NULL);
}

/* --- life --- */

int resolver_channel_init(struct resolver_channel *ch, struct loop *loop,
			  void (*settled)(struct resolver_channel *ch))
{
	ch->loop = loop;
	ch->settled = settled;
	return open_channel(ch);
}

void resolver_channel_fini(struct resolver_channel *ch)
{
	close_channel(ch);
	free(ch->servers);
	free(ch->resolv_conf);
	ch->servers = ch->resolv_conf = NULL;
}

static int replace_text(char **text, const char *value)
{
	char *copy = value ? strdup(value) : NULL; /* before the old one goes: it may be the same */

	if (value && !copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

int resolver_channel_configure(struct resolver_channel *ch, const struct resolver_config *cfg)
{
	int err = replace_text(&ch->servers, cfg->servers);

	if (!err)
		err = replace_text(&ch->resolv_conf, cfg->resolv_conf);
	if (err)
		return err;
	ch->cfg = *cfg;
	ch->cfg.servers = ch->cfg.resolv_conf = NULL;
	close_channel(ch);
	return open_channel(ch);
}
