/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * far_port.c - see far_port.h.
 *
 * Never: takes a far end that does not say where it listens.
 */
#include "far_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "route.h"
#include "tls.h"

static const uint64_t SECOND_NS = 1000000000ull;

static void dial(struct far_port *p);

void far_port_say(struct far_port *p, enum log_level level, const char *text)
{
	struct log_record rec;

	log_begin(&rec, level);
	log_str(&rec, "kind", "service");
	log_str(&rec, "service", p->svc->cfg->name);
	log_str(&rec, "listener", p->svc->cfg->listener_type);
	log_emit(p->host->log, &rec, "%s", text);
}

/* --- again -------------------------------------------------------------------------------------------------------- */

static void on_retry(struct loop_timer *timer)
{
	dial((struct far_port *)((char *)timer - offsetof(struct far_port, retry)));
}

/* 1, 2, 4, 5, 5 ... seconds, as GOST. */
void far_port_again(struct far_port *p, const char *why)
{
	static const uint8_t delays[] = {1, 2, 4, 5};
	unsigned delay = delays[p->failures < 3 ? p->failures : 3];
	char text[400];

	if (p->stopped)
		return;
	p->failures++;
	snprintf(text, sizeof(text), "accept: %s, retrying in %us", why, delay);
	far_port_say(p, LOG_WARN, text);
	loop_timer_set(p->host->env.loop, &p->retry, delay * SECOND_NS, on_retry);
}

/* --- the way to the far end --------------------------------------------------------------------------------------------- */

/* Nobody is behind this connection yet, so there is nobody to tell of. */
static ssize_t on_header(void *ctx, const struct proxy_send *plan, uint8_t *out, size_t cap)
{
	(void)ctx, (void)plan, (void)out, (void)cap;
	return 0;
}

static void on_trouble(void *ctx, const char *text)
{
	far_port_say(ctx, LOG_WARN, text);
}

static void announce(struct far_port *p)
{
	char at[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 32];

	snprintf(text, sizeof(text), "bind on %s/%s OK", addr_format(&p->bound, at),
		 p->command == CONNECTOR_UDP_BIND ? "udp" : "tcp");
	far_port_say(p, LOG_INFO, text);
}

static void on_routed(void *ctx, const struct route_result *res)
{
	struct far_port *p = ctx;

	p->route = NULL;
	if (res->outcome != DIAL_OK) {
		far_port_again(p, res->error);
		return;
	}
	if (!addr_is_set(&res->bound)) {
		tls_conn_free(res->tls);
		far_port_again(p, "the far end does not say where it listens");
		return;
	}
	p->bound = res->bound;
	p->failures = 0;
	announce(p);
	int err = p->opened(p->ctx, res);
	if (err)
		far_port_again(p, strerror(-err));
}

static void dial(struct far_port *p)
{
	struct route_request req = {
		.loop = p->host->env.loop,
		.resolver = p->host->resolver,
		.named = p->host->named,
		.chain = p->svc->listener_chain,
		.host = p->bind_host,
		.port = p->bind_port,
		.command = p->command,
		.socket_opt = &p->svc->dial_opt,
		.timeout_ns = p->svc->cfg->opt.dial_timeout_ns,
		.hash = arc4random(),
		.ctx = p,
		.header = on_header,
		.trouble = on_trouble,
		.done = on_routed,
	};

	if (route_new(&p->route, &req) < 0)
		far_port_again(p, "out of memory");
	else
		route_run(p->route);
}

struct addr far_port_destination(const struct far_port *p, const struct addr *visitor)
{
	static const struct in_addr any4 = {.s_addr = INADDR_ANY};
	struct addr any = p->bound;

	if (addr_family(&any) != AF_INET6 || addr_family(visitor) != AF_INET)
		return any;
	if (memcmp(&any.in6.sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0)
		addr_from_in4(&any, &any4, addr_port(&p->bound));
	return any;
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

int far_port_init(struct far_port *p, struct session_host *host, struct service *svc, enum connector_command command)
{
	int port, err = addr_split_hostport(svc->cfg->addr, p->bind_host, sizeof(p->bind_host), &port);

	if (err || port < 0)
		return -EINVAL;
	p->bind_port = (uint16_t)port;
	p->host = host;
	p->svc = svc;
	p->command = command;
	loop_timer_set(host->env.loop, &p->retry, 0, on_retry);
	return 0;
}

void far_port_stop(struct far_port *p)
{
	if (p->stopped || !p->host)
		return;
	p->stopped = true;
	loop_timer_cancel(p->host->env.loop, &p->retry);
	route_cancel(p->route);
	p->route = NULL;
}
