/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hex.h - bytes as hexadecimal text, as people paste it.
 *
 * Why: dumps come as "0d0a", "0d 0a", "0d:0a" or "0x0d 0x0a"; all of them are one thing here.
 * Owns: nothing. Never: allocates.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Pairs of digits; between pairs white space and colons may stand, before one "0x". Returns the number of bytes,
 * -EINVAL for anything else, or -ENOSPC for more than cap of them; out may be half written then.
 */
ssize_t hex_decode(const char *text, size_t len, uint8_t *out, size_t cap);
/* Lower case, with NUL: out has 2 * len + 1 bytes. Returns out. */
char *hex_encode(const void *data, size_t len, char *out);
