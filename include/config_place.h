/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_place.h - the values of so_mark's neighbours: interface, netns, netns.out, transparent.
 *
 * Why: they say where sockets are made, not what is done with them; the key table only names them.
 * Owns: nothing. Never: included outside user/config*.c and their tests; asks the kernel.
 * See: user/config_place.c, include/socket_place.h (which finds out whether the machine has them).
 */
#pragma once

#include "config_parts.h"

/* Texts that stay text: 0 or -EINVAL with a sentence. */
int config_check_interfaces(const char *text, struct config_error *err);
int config_check_netns(const char *text, struct config_error *err);
/* After the options of a service are filled: what excludes each other. */
int config_finish_place(const struct service_config *svc, struct config_error *err);
