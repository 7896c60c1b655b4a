/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_tlv.h - what TLV types are called, and what their values mean.
 *
 * Why: the decoder, the log, pass-through lists and added TLVs all speak of types by name; one table serves them.
 * Owns: constant tables. Never: judges a header (proto_proxy.c has done that).
 * See: haproxy's proxy-protocol.txt section 2.2.x; vendors' documents for 0xE0-0xEF.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "ALPN", "AUTHORITY", "CRC32C", "NOOP", "UNIQUE_ID", "SSL", "NETNS", "AWS", "AZURE", "GCP", ...; NULL when it has none. */
const char *proxy_tlv_name(uint8_t type);
/* Of an SSL sub-TLV: "SSL_VERSION", "SSL_CN", ... */
const char *proxy_tlv_ssl_name(uint8_t type);
/* A name as above in any letter case, with '-' for '_', or "0x02". 0, or -EINVAL. */
int proxy_tlv_parse_type(const char *text, uint8_t *out);
