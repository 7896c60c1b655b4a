/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * siphash.h - a hash that who chooses the keys cannot predict.
 *
 * Why: tables whose keys clients choose (ports, claimed addresses) must not be turned into one long chain.
 * Owns: nothing. Never: is used for anything but tables.
 * See: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4. seed: random numbers that nobody else knows. */
uint64_t siphash(const uint64_t seed[2], const void *data, size_t len);
