/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_policy.h - may this peer send a PROXY header, must it, and is it believed?
 *
 * Why: a header is a claim about somebody else's address. Parsing says what is claimed; who may claim it is decided
 * here, in one pure function, so that every combination can be written down in a test.
 * Owns: nothing. Never: sees bytes or sockets.
 * See: user/proxy_policy.c (the table), README.md "Who may claim to be whom".
 */
#pragma once

#include <stdbool.h>

#include "proto_proxy.h"

enum proxy_policy {
	PROXY_POLICY_USE,     /* a header may be there and is believed */
	PROXY_POLICY_REQUIRE, /* it must be there */
	PROXY_POLICY_REJECT,  /* it must not be there */
	PROXY_POLICY_IGNORE,  /* it may be there, is taken off and not believed */
	PROXY_POLICY_SKIP,    /* nobody looks: the first byte is payload */
};

struct proxy_rules {
	enum proxy_policy policy;
	enum proxy_policy untrusted; /* for the header of a peer that is not trusted: REJECT, IGNORE or SKIP */
};

enum proxy_moment {
	PROXY_AT_DATA,     /* bytes came */
	PROXY_AT_WAIT_END, /* a silent client has been waited for long enough, where a header is optional */
	PROXY_AT_DEADLINE, /* the time for a whole header is up */
	PROXY_AT_EOF,      /* no byte will follow */
};

struct proxy_sight {
	bool trusted;
	bool bytes; /* at least one has come */
	enum proxy_moment moment;
	enum proxy_result result;   /* of what has come; NEED_MORE without bytes */
	enum proxy_command command; /* with ACCEPT */
};

enum proxy_action {
	PROXY_WAIT,    /* for more bytes, until the next moment */
	PROXY_BELIEVE, /* take the header off; its addresses are the client's */
	PROXY_CONSUME, /* take the header off; the socket's addresses stay */
	PROXY_PASS,    /* no header: whatever has come is payload */
	PROXY_END,     /* end the session, for reason */
	PROXY_LEAVE,   /* the client went without a byte: nothing to record */
};

struct proxy_verdict {
	enum proxy_action action;
	const char *reason; /* with END: of the session, static text */
	const char *text;   /* the same as a sentence; NULL: the parser's fault says it */
};

struct proxy_verdict proxy_decide(const struct proxy_rules *rules, const struct proxy_sight *sight);
/* SKIP in effect: do not even read. */
bool proxy_skips(const struct proxy_rules *rules, bool trusted);
/* Silence cannot pass for "no header". */
bool proxy_insists(const struct proxy_rules *rules);
