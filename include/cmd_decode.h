/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_decode.h - what the two halves of `gostbpf decode` share: bytes at hand, and bytes that arrive.
 *
 * See: cmd_decode.c, cmd_decode_listen.c.
 */
#pragma once

#include <jansson.h>

#include "cmd_flags.h"
#include "proto_proxy.h"

/* The largest header there can be, both versions: what is legal is shown. */
extern const struct proxy_limits cmd_decode_limits;

/* Takes the reference; one line on standard output, at once. CMD_OK, or CMD_USAGE when that failed. */
int cmd_decode_print(const struct cmd_spec *spec, json_t *object);
/* Serves until SIGINT or SIGTERM: CMD_OK, or CMD_USAGE when it cannot listen or print. */
int cmd_decode_listen(const struct cmd_spec *spec, const char *address);
