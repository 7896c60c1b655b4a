/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.h - the sub-commands: PROXY headers to look at and to make, routes for transparency.
 *
 * Why: who puts a proxy in front of a server wants to see what arrives, to make a header by hand, and to talk to a back
 * end that expects one, without a packet dump and a script.
 * Owns: nothing. Never: reads a configuration, starts a service.
 * See: cmd_flags.h; each gets its own name as argv[0] and returns the exit status.
 */
#pragma once

int cmd_decode(int argc, char **argv); /* 0 accept, 1 reject, 2 need-more, 3 not-proxy, 64 usage or unreadable input */
int cmd_encode(int argc, char **argv); /* 0, 1 error, 64 usage */
int cmd_routes(int argc, char **argv); /* 0, 1 error or something missing, 64 usage */
int cmd_send(int argc, char **argv);   /* 0, 1 error, 64 usage */
