#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes that come and go: active checks, what they say to a node, failover, backups, and strategy parallel."""
import time

import lib
import sandbox
from access_world import client, gost, service
from lib import Upstream, case, check, connect, curl, name_server, recv_to_end, same


def nodes(*rows, strategy="fifo", handler="type: tcp", more=""):
    """rows: name, address, metadata."""
    listed = "".join(f"    - {{name: {n}, addr: \"{a}\", metadata: {{{m}}}}}\n" for n, a, m in rows)
    return (f"services:\n- name: s\n  addr: 127.0.0.1:8080\n  handler: {{{handler}}}\n  listener: {{type: tcp}}\n{more}"
            f"  forwarder:\n    selector: {{strategy: {strategy}}}\n    nodes:\n{listed}")


def said():
    with connect(8080) as sock:
        return recv_to_end(sock).decode()


def health(g, text):
    return g.wait_log(lambda r: r.get("kind") == "health" and text in r["msg"], f"a record: {text}")


PROBE = "probe.interval: 100ms, probe.timeout: 1s, failTimeout: 1h"


@case
def a_node_that_is_down_is_left_out_before_anybody_tries_it():
    name_server(8001, "b")
    g = gost(nodes(("a", "127.0.0.1:8000", PROBE), ("b", "127.0.0.1:8001", PROBE)))
    health(g, "node a (127.0.0.1:8000) is down: dial tcp 127.0.0.1:8000: Connection refused")
    for _ in range(5):
        same(said(), "b", "the other node")
    check(not any("connect: connection refused" in r["msg"] for r in g.log()), "no session met the node that is down")
    a = name_server(8000, "a")
    health(g, "node a (127.0.0.1:8000) is up again")
    same(said(), "a", "back to the first, in spite of a failTimeout of an hour")
    lib.close_socket(a.up.sock)
    lib.until(lambda: sum("node a (127.0.0.1:8000) is down" in r["msg"] for r in g.log()) == 2, "down again")
    same(said(), "b", "and again the other one")


@case
def an_unreachable_node_is_noticed_within_the_probe_s_time():
    sandbox.sh("ip link add dummy0 type dummy && ip addr add 198.18.9.1/24 dev dummy0 && ip link set dummy0 up", check=False)
    name_server(8001, "b")
    g = gost(nodes(("a", "198.18.9.77:8000", "probe.interval: 1s, probe.timeout: 500ms"), ("b", "127.0.0.1:8001", "")))
    began = time.monotonic()
    health(g, "node a (198.18.9.77:8000) is down")
    check(time.monotonic() - began < 2 * lib.SLOW, "within its time")
    began = time.monotonic()
    same(said(), "b", "the other node")
    check(time.monotonic() - began < 9, "without waiting for the first")  # dialTimeout is 15 s


@case
def a_node_that_gets_headers_is_told_that_nobody_speaks():
    for version, want in ((1, b"PROXY UNKNOWN\r\n"), (2, bytes.fromhex("0d0a0d0a000d0a515549540a20000000"))):
        up = Upstream(8000)
        g = gost(nodes(("a", "127.0.0.1:8000", "probe.interval: 200ms"), handler=f"type: tcp, metadata: {{proxyProtocol: {version}}}"))
        for _ in range(2):
            same(recv_to_end(up.accept()), want, f"what a probe says in version {version}, and then its end")
        same(g.stop(), 0, "exit status")
        lib.close_socket(up.sock)
    up = Upstream(8000)
    gost(nodes(("a", "127.0.0.1:8000", "probe.interval: 200ms")))
    same(recv_to_end(up.accept()), b"", "a node without headers is told nothing")


@case
def a_hop_s_node_is_probed_too():
    lib.http_server(8000)
    text = ("services:\n" + service("", 1080, None, "type: socks5, chain: c") + service("", 2002, None, "type: socks5")
            + "chains:\n- name: c\n  hops:\n  - name: h\n    selector: {strategy: fifo}\n    nodes:\n"
            "    - {name: n1, addr: \"127.0.0.1:2001\", connector: {type: socks5}, dialer: {type: tcp},"
            " metadata: {probe.interval: 100ms, failTimeout: 1h}}\n"
            "    - {name: n2, addr: \"127.0.0.1:2002\", connector: {type: socks5}, dialer: {type: tcp}}\n")
    g = gost(text, services=2)
    health(g, "node n1 (127.0.0.1:2001) is down")
    same(curl("--noproxy", "", "-x", "socks5h://127.0.0.1:1080", "http://127.0.0.1:8000/")[1], "ok\n", "through the other node")
    check(not any("connect: connection refused" in r["msg"] for r in g.log()), "no session met the node that is down")


@case
def a_check_that_cannot_be_made_is_said():
    g = gost("services:\n" + service("", 8080, "127.0.0.1:8000", "type: tcp, chain: c", ", metadata: {probe.interval: 1s}")
             + "chains:\n- name: c\n  hops:\n  - name: h\n    nodes:\n"
             "    - {name: n, addr: \"127.0.0.1:2001\", connector: {type: socks5}, dialer: {type: tcp}}\n")
    health(g, "is not probed: it is behind a chain")


@case
def limits_of_one_node_and_backups():
    name_server(8001, "b")
    name_server(8002, "c")
    gost(nodes(("a", "127.0.0.1:8000", "maxFails: 1, failTimeout: 1h"), ("b", "127.0.0.1:8001", ""),
               ("c", "127.0.0.1:8002", "backup: true"), strategy="round"))
    for _ in range(6):
        same(said(), "b", "the first fails once and is left out; a backup is not used while another works")


@case
def parallel_takes_the_first_that_answers():
    sandbox.sh("ip link add dummy0 type dummy && ip addr add 198.18.9.1/24 dev dummy0 && ip link set dummy0 up", check=False)
    b = name_server(8001, "b")
    g = gost(nodes(("a", "198.18.9.77:8000", ""), ("b", "127.0.0.1:8001", ""), ("c", "127.0.0.1:8003", "backup: true"),
                   strategy="parallel"))
    for _ in range(5):
        began = time.monotonic()
        same(said(), "b", "the node that answers")
        check(time.monotonic() - began < 9, "at once")  # dialTimeout is 15 s
    same({r["node"] for r in g.closed(5)}, {"b"}, "node in the records")
    lib.close_socket(b.up.sock)
    name_server(8003, "c")
    sandbox.sh("ip route add unreachable 198.18.9.77")
    same(said(), "c", "when all others fail, the backup")


@case
def parallel_sends_each_target_its_own_header():
    up = Upstream(8001)
    gost(nodes(("a", "127.0.0.1:8000", "proxyProtocol: 1"), ("b", "127.0.0.1:8001", "proxyProtocol: 2"), strategy="parallel"))
    sock = client("127.0.0.1", data=b"hello")
    header, raw = lib.recv_header(up.accept())
    same((header["version"], header["src"], len(raw)), (2, "127.0.0.1", 28), "the winner's header")
    sock.close()


if __name__ == "__main__":
    lib.main("health")
