/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hosts.h - names that the configuration gives addresses, before anybody is asked.
 *
 * Why: GOST's hosts: sections: the name itself, then ".name" for it and all below it, then each parent's.
 * Owns: its table. Never: asks a server; changes once it is made: all workers read it.
 * See: user/hosts.c, resolver.h (what follows when a name is not here).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "access_config.h"
#include "addr.h"

#define HOSTS_ADDRS_MAX 8 /* of one name; as many as a dial tries */

struct hosts;

/* 0, -ENOMEM, or -EINVAL with a sentence in why. *out is untouched on failure. */
int hosts_new(struct hosts **out, const struct hosts_config *cfg, char *why, size_t why_cap);
void hosts_free(struct hosts *h);
/* Addresses with that port in the order they were written. 0: not here. */
size_t hosts_find(const struct hosts *h, const char *host, uint16_t port, struct addr out[static HOSTS_ADDRS_MAX]);
