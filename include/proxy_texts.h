/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_texts.h - the TLVs of a header that the log shows on request (proxyProtocol.logTLV).
 *
 * Why kept as text: a session makes several records, and the sender chose these bytes: they are made harmless once.
 * Owns: nothing. Never: shows a TLV that nobody asked for.
 * See: include/proxy_text.h; user/session_log.c and udp_log.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proxy_text.h"

struct log_record;

struct proxy_texts {
	char authority[PROXY_TEXT_MAX], unique_id[PROXY_TEXT_MAX], vpc_endpoint[PROXY_TEXT_MAX];
};

/* From a TLV area; the first of a type counts. */
void proxy_texts_take(struct proxy_texts *texts, const uint8_t *tlvs, size_t len);
/* Fields of a record; empty ones are left out. NULL is fine. */
void proxy_texts_log(struct log_record *rec, const struct proxy_texts *texts);
