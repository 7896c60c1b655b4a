/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_tls.c - SESSION_SECURING: TLS with the client, between its PROXY header and the handler.
 *
 * Why a state of its own: a client that never finishes its handshake must cost no more than a timer, and one record.
 * Owns: the deadline. Never: reads payload.
 * See: include/tls.h.
 */
#include <errno.h>

#include "session_states.h"
#include "tls.h"

static void on_deadline(struct loop_timer *timer)
{
	session_fail(session_of_timer(timer), LOG_INFO, "tls-timeout", "the TLS handshake took too long");
}

/* Health checks connect and leave: not worth a record. */
static void leave(struct session *s)
{
	s->reason = "empty";
	session_log_fault(s, LOG_DEBUG, "closed without a byte");
	session_close_early(s, true);
}

void session_tls_ready(struct session *s)
{
	struct tls_conn *tls = s->pair.tls[SIDE_CLIENT];
	int rc = tls_handshake(tls);

	if (rc == -EAGAIN)
		return;
	if (!rc)
		session_open_handler(s);
	else if (tls_is_silent(tls))
		leave(s);
	else
		session_fail(s, LOG_INFO, "tls-handshake", "TLS handshake with the client: %s", tls_error(tls));
}

void session_tls_begin(struct session *s)
{
	struct tls_conn *tls;

	session_set_state(s, SESSION_SECURING);
	if (tls_conn_new(&tls, s->svc->tls, s->pair.io[SIDE_CLIENT].fd, NULL, s->input.data, s->input.len) < 0) {
		session_fail(s, LOG_ERROR, "no-memory", "no memory for TLS");
		return;
	}
	s->pair.flow[SIDE_CLIENT].read_bytes -= s->input.len; /* not payload: that is counted behind TLS */
	session_input_free(s);
	pair_secure(&s->pair, SIDE_CLIENT, tls);
	loop_timer_set(s->host->env.loop, &s->timer, s->svc->cfg->opt.handshake_timeout_ns, on_deadline);
	session_tls_ready(s);
}
