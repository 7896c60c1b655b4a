/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_exchange.c - SESSION_EXCHANGE: the handler moves the payload itself, because it must see where messages end.
 *
 * Why apart from forwarding: a pair forwards until both ends are over and lets the kernel do it; an exchange ends with a
 * message, and the client may then ask for another target.
 * Owns: the moves into and out of the state. Never: reads or writes payload.
 * See: include/session.h.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "flow_prefix.h"
#include "session_states.h"

enum { EXCHANGE_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

void session_take(struct session *s, loop_io_fn on_client, loop_io_fn on_upstream)
{
	if (s->state != SESSION_EXCHANGE)
		session_set_state(s, SESSION_EXCHANGE);
	s->pair.io[SIDE_CLIENT].fn = on_client;
	s->pair.io[SIDE_UPSTREAM].fn = on_upstream;
}

/* What the next upstream gets and gives is counted from zero; the client's two totals go on. */
void session_again(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	pair_say_end(&s->pair, SIDE_UPSTREAM);
	loop_io_close(s->host->env.loop, &s->pair.io[SIDE_UPSTREAM]);
	pair_secure(&s->pair, SIDE_UPSTREAM, NULL);
	flow_drop(&s->pair.flow[SIDE_CLIENT]);
	s->pair.flow[SIDE_CLIENT].written_bytes = 0;
	s->pair.flow[SIDE_UPSTREAM].read_bytes = 0;
	flow_prefix_free(s->pair.flow[SIDE_UPSTREAM].prefix);
	s->pair.flow[SIDE_UPSTREAM].prefix = NULL;
	s->connected_ns = 0;
	s->node = -1;
	s->pick = (struct selector_pick){0};
	session_set_state(s, SESSION_HANDSHAKE);
	session_watch_client(s);
	session_handshake_begin(s);
}

static int watch_upstream(struct session *s, int fd, const struct addr *peer)
{
	char host[ADDR_TEXT_MAX];
	struct flow *in = &s->pair.flow[SIDE_CLIENT];
	int err = loop_io_add(s->host->env.loop, &s->pair.io[SIDE_UPSTREAM], fd, EXCHANGE_EVENTS | EPOLLPRI, NULL);

	if (err) {
		close(fd);
		return err;
	}
	if (!session_set_target(s, addr_format_ip(peer, host), addr_port(peer)))
		return -ENOMEM;
	err = s->input.len ? flow_hold(in, s->input.data, s->input.len) : 0;
	session_input_free(s);
	return err;
}

int session_adopt(struct session *s, int fd, const struct addr *peer)
{
	int err = watch_upstream(s, fd, peer);

	if (err) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for a connection that came");
		return err;
	}
	s->upstream = *peer;
	s->connected_ns = loop_now(s->host->env.loop);
	session_log_connected(s);
	return 0;
}

void session_hand_over(struct session *s)
{
	loop_timer_cancel(s->host->env.loop, &s->timer);
	session_forward(s);
}

void session_end(struct session *s, enum pair_end end)
{
	s->reason = pair_end_name(end);
	session_close_early(s, end == PAIR_CLIENT_EOF || end == PAIR_UPSTREAM_EOF);
	session_log_close(s);
}
