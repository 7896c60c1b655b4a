/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connector_tcp.c - "tcp" and "forward": the node's connection itself leads to the target; nothing is said.
 *
 * Why: a node that forwards by itself (a port forwarder, stunnel, a load balancer) needs no protocol; the target that was
 * asked for is ignored, as in GOST.
 * Owns nothing. Never: is fed. See: include/connector.h.
 */
#include "connector.h"

const struct connector_ops connector_tcp_ops = {
	.name = "tcp",
	.transparent = true,
};

const struct connector_ops connector_forward_ops = {
	.name = "forward",
	.transparent = true,
};
