/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_text.h - a TLV's bytes as text that is safe to put into a log.
 *
 * Why: the sender chooses them. Control characters, broken UTF-8 and characters that turn or hide text would let it
 * write what it likes onto somebody's terminal, so such a value is shown as hex instead.
 * Owns: nothing. Never: drops a byte silently.
 * See: user/proxy_text.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROXY_TEXT_MAX 272 /* 255 bytes of a host name, and what is added */

/* The value itself, or hex:6162; "..." at the end where it was too long. Returns out. */
const char *proxy_text(const void *value, size_t len, char out[static PROXY_TEXT_MAX]);
