/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_late.c - answers of proxies that come when both flows run already (connector.h: late).
 *
 * Why here: the flow knows how to take bytes off its front, the connector how to read them, and the session whom to tell.
 * Owns: what stands between the two while answers are due. Never: forwards a byte of them.
 * See: include/flow_prefix.h, user/connector_relay.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "connector.h"
#include "flow_prefix.h"
#include "route.h"
#include "session_states.h"

enum { ANSWER_MAX = 4096 }; /* no answer that may come late is longer */

struct late {
	struct session *s;
	struct connector_request req;
	struct connector connector;
};

static int take(void *ctx, const uint8_t *data, size_t len, size_t *consumed)
{
	struct late *late = ctx;
	char text[256];

	switch (late->connector.ops->input(&late->connector, data, len, consumed)) {
	case CONNECTOR_DONE:
		return 1;
	case CONNECTOR_MORE:
		return 0;
	case CONNECTOR_FAILED:
		break;
	}
	snprintf(text, sizeof(text), "the last proxy but %u: %s", late->s->pair.flow[SIDE_UPSTREAM].prefix->left - 1,
		 late->connector.error);
	session_log_fault(late->s, LOG_ERROR, text);
	return -1;
}

static void ended(void *ctx)
{
	struct late *late = ctx;

	session_log_fault(late->s, LOG_ERROR, "a proxy closed the connection before it answered");
}

int session_expect_late(struct session *s, const struct route_result *res)
{
	struct flow_prefix *p = flow_prefix_new(ANSWER_MAX);
	struct late *late = p ? calloc(1, sizeof(*late)) : NULL;

	if (!late) {
		flow_prefix_free(p);
		return -ENOMEM;
	}
	late->s = s;
	late->connector = (struct connector){.ops = res->late, .req = &late->req};
	p->ctx = late;
	p->take = take;
	p->ended = ended;
	p->release = free;
	p->left = res->late_count;
	s->pair.flow[SIDE_UPSTREAM].prefix = p;
	return 0;
}
