/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_prefix.c - see flow_prefix.h.
 *
 * Owns: nothing but what is handed to it. Never: reads a socket.
 */
#include "flow_prefix.h"

#include <stdlib.h>
#include <string.h>

#include "flow.h"

struct flow_prefix *flow_prefix_new(size_t held_max)
{
	struct flow_prefix *p = calloc(1, sizeof(*p) + held_max);

	if (p)
		p->held_cap = held_max;
	return p;
}

void flow_prefix_free(struct flow_prefix *p)
{
	if (!p)
		return;
	if (p->release)
		p->release(p->ctx);
	free(p);
}

/* Answers at the front of data: the bytes they take, or -1. With some left, the rest of data is part of the next one. */
static ssize_t take_answers(struct flow_prefix *p, const uint8_t *data, size_t len)
{
	size_t off = 0;

	while (p->left) {
		size_t consumed = 0;
		int rc = p->take(p->ctx, data + off, len - off, &consumed);
		if (rc < 0)
			return -1;
		if (!rc)
			break;
		off += consumed;
		p->left--;
	}
	return (ssize_t)off;
}

/* The beginning came before: as much of data as can belong to it is put behind. Returns the bytes of data used up, or -1. */
static ssize_t complete_held(struct flow_prefix *p, const uint8_t *data, size_t len)
{
	size_t old = p->held_len, room = p->held_cap - old, n = len < room ? len : room;

	memcpy(p->held + old, data, n);
	p->held_len += n;
	ssize_t off = take_answers(p, p->held, p->held_len);
	if (off < 0 || (!off && n == room)) /* longer than any answer is */
		return -1;
	if (!off) /* still not complete */
		return (ssize_t)n;
	p->held_len = 0;
	return off - (ssize_t)old;
}

static int hold(struct flow_prefix *p, const uint8_t *data, size_t len)
{
	if (len > p->held_cap)
		return -1;
	memcpy(p->held, data, len);
	p->held_len = len;
	return 0;
}

static void drop(struct flow *flow)
{
	flow_prefix_free(flow->prefix);
	flow->prefix = NULL;
}

ssize_t flow_strip(struct flow *flow, uint8_t *data, size_t len)
{
	struct flow_prefix *p = flow->prefix;
	ssize_t off = p->held_len ? complete_held(p, data, len) : 0;

	if (off < 0)
		return -1;
	if (p->left && !p->held_len) {
		ssize_t more = take_answers(p, data + off, len - (size_t)off);
		if (more < 0)
			return -1;
		off += more;
		if (p->left)
			return hold(p, data + off, len - (size_t)off);
	}
	if (p->left)
		return 0;
	drop(flow);
	memmove(data, data + off, len - (size_t)off);
	return (ssize_t)len - off;
}

int flow_prefix_cut(struct flow *flow)
{
	flow->prefix->ended(flow->prefix->ctx);
	return -1;
}
