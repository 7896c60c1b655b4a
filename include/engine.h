/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine.h - what moves a native flow's bytes, and whether its flows may go to the kernel.
 *
 * Why: copy, splice and sockmap differ in how bytes move, not in what a session is. An engine is a name, a pump and a
 * splice mode; flow.c does the rest, so the engines are tested against one another with the same sessions.
 * Owns: nothing; a pump keeps its state in struct flow.
 * Never: closes a socket, decides the end of a pair.
 * See: registry.c (names them), engine_copy.c (the reference).
 */
#pragma once

#include "config.h"
#include "splice_policy.h"

struct flow;
struct flow_env;

enum pump_result {
	PUMP_BLOCKED,   /* nothing to read, or no room to write: an event will come */
	PUMP_YIELD,     /* had its share; run it again after others */
	PUMP_EOF,       /* the source ended and user space holds nothing */
	PUMP_SRC_ERROR, /* errno in errno */
	PUMP_DST_ERROR,
	PUMP_NO_MEMORY,
};

struct engine_ops {
	const char *name;
	enum engine_kind kind;
	enum splice_mode mode;
	enum pump_result (*pump)(struct flow *flow);
};

extern const struct engine_ops engine_copy_ops;
extern const struct engine_ops engine_splice_ops;
extern const struct engine_ops engine_sockmap_ops;
extern const struct engine_ops engine_auto_ops;
extern const struct engine_ops engine_tls_ops; /* not to be chosen: pairs with TLS get it */
/* What auto and sockmap pump with while native; shared with engine_copy.c. */
enum pump_result pump_copy(struct flow *flow);
enum pump_result pump_splice(struct flow *flow);
/* once() until it is not PUMP_YIELD any more, or others are to have their turn. */
enum pump_result pump_turns(struct flow *flow, enum pump_result (*once)(struct flow *flow));
/* Writes held bytes: PUMP_EOF is never returned; PUMP_YIELD = all written. */
enum pump_result pump_flush_hold(struct flow *flow);
/* splice engine's pipe, given back. */
void pump_splice_release(struct flow *flow);
void pump_splice_fini(struct flow_env *env);
