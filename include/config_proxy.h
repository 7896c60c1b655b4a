/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_proxy.h - the values of the keys proxyProtocol.*, and what they demand of each other.
 *
 * Why: they are a small language of their own; the key table only names it.
 * Owns: nothing. Never: included outside user/config*.c and their tests.
 * See: user/config_proxy.c, config_keys.c (the rows).
 */
#pragma once

#include "config_parts.h"

/* Words to enum values: 0 or -EINVAL. */
int config_parse_proxy_policy(const char *text, uint64_t *out);
int config_parse_proxy_untrusted(const char *text, uint64_t *out);
int config_parse_proxy_crc(const char *text, uint64_t *out);
int config_parse_proxy_unspec(const char *text, uint64_t *out);	  /* 1: reject */
int config_parse_proxy_dst(const char *text, uint64_t *out);	  /* 1: local */
int config_parse_proxy_versions(const char *text, uint64_t *out); /* bit 1: version 1, bit 2: version 2 */

/* Lists that stay text: 0 or -EINVAL with a sentence about the piece that is wrong. */
int config_check_networks(const char *text, struct config_error *err);
int config_check_tlv_types(const char *text, struct config_error *err);
int config_check_tlvs(const char *text, struct config_error *err);

/* After the options of a service and its nodes are filled: keys that need others; defaults that follow from others. */
int config_finish_proxy(struct service_config *svc, struct config_error *err);
