/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_json.h - what a PROXY header says, as a JSON object.
 *
 * Why: people and scripts look at headers; names and spellings are those of tests/vectors/proxy_header.tsv, so that the
 * table can be compared with the output column by column.
 * Owns: nothing; objects belong to the caller.
 * Never: prints, judges a header (proxy_parse() has done that), lets a byte through that is not valid UTF-8.
 * See: cmd_decode.c, tests/unit/test_proxy_json.c.
 */
#pragma once

#include <jansson.h>

#include "proto_proxy.h"

/*
 * result, and for an accepted header version, cmd, family, proto, src, sport, dst, dport (null where the header names
 * nobody), consumed, tlvs; for a reject or not-proxy error, offset, spec. header is read for PROXY_ACCEPT only, fault
 * for PROXY_REJECT and PROXY_NOT_PROXY only. A new reference in that order of keys, or NULL without memory.
 */
json_t *proxy_json(enum proxy_result result, const struct proxy_header *header, const struct proxy_fault *fault);

/* New references. Text is NULL for what is not printable UTF-8; with breaks, tabs and line ends count as printable. */
json_t *proxy_json_hex(const uint8_t *bytes, size_t len);
json_t *proxy_json_text(const uint8_t *bytes, size_t len, bool breaks);
