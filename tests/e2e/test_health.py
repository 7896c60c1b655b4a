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


def errors_of_sessions(g):
    return [r["msg"] for r in g.log() if r["level"] == "error"]


PROBE = "probe.interval: 100ms, probe.timeout: 1s, failTimeout: 1h"


@case
def a_node_that_is_down_is_left_out_before_anybody_tries_it():
    name_server(8001, "b")
    g = gost(nodes(("a", "127.0.0.1:8000", PROBE), ("b", "127.0.0.1:8001", PROBE)))
    health(g, "node a (127.0.0.1:8000) is down: dial tcp 127.0.0.1:8000: connect: connection refused")
    for _ in range(5):
        same(said(), "b", "the other node")
    same(errors_of_sessions(g), [], "no session met the node that is down")
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
    same(errors_of_sessions(g), [], "no session met the node that is down")


# --- behind hops ---
def hop(name, *nodes):
    """nodes: name, port, connector, metadata of the node."""
    return f"  - name: {name}\n    selector: {{strategy: fifo}}\n    nodes:\n" + "".join(
        f"    - {{name: {n}, addr: \"127.0.0.1:{port}\", connector: {{{how}}}, dialer: {{type: tcp}}, metadata: {{{more}}}}}\n"
        for n, port, how, more in nodes)


HTTP = "type: http"


def chained(*hops, target=""):
    return ("services:\n" + service("", 8080, "127.0.0.1:8000", "type: tcp, chain: c", f", metadata: {{{target}}}")
            + "chains:\n- name: c\n  hops:\n" + "".join(hops) + "log: {level: debug}\n")


def proxy(port, more=""):
    return lib.Gostbpf("-L", f"http://127.0.0.1:{port}{more}")


@case
def nodes_behind_a_hop_are_probed_through_it():
    name_server(8000, "target")
    proxy(2000)
    proxy(2002)
    g = gost(chained(hop("h", ("first", 2000, HTTP, "")), hop("i", ("a", 2001, HTTP, PROBE), ("b", 2002, HTTP, PROBE))))
    health(g, "node a (127.0.0.1:2001) is down: first@127.0.0.1:2000: 503 Service Unavailable")
    same([said() for _ in range(3)], ["target"] * 3, "by the other node")
    same(errors_of_sessions(g), [], "what sessions met")
    a = proxy(2001)
    health(g, "node a (127.0.0.1:2001) is up again")
    same(said(), "target", "by the first again")
    a.wait_log(lambda r: " <-> 127.0.0.1:8000" in r["msg"], "the session at the node that is back")
    same(g.stop(), 0, "exit status")


@case
def a_hop_that_is_down_says_nothing_about_what_is_behind_it():
    g = gost(chained(hop("h", ("first", 2000, HTTP, "")), hop("i", ("a", 2001, HTTP, PROBE))))
    lib.until(lambda: sum(r["kind"] == "health" and "127.0.0.1:2000" in r["msg"] for r in g.log() if "kind" in r) >= 3, "three probes that ended there")
    check(not any("is down" in r["msg"] for r in g.log()), "the node behind it is not blamed")
    proxy(2000)
    health(g, "node a (127.0.0.1:2001) is down: first@127.0.0.1:2000: 503")
    same(g.stop(), 0, "exit status")


@case
def targets_behind_a_chain_are_probed_too():
    proxy(2000)
    g = gost(chained(hop("h", ("first", 2000, HTTP, "")), target=PROBE))
    health(g, "node t (127.0.0.1:8000) is down: first@127.0.0.1:2000: 503 Service Unavailable")
    name_server(8000, "target")
    health(g, "node t (127.0.0.1:8000) is up again")
    same(said(), "target", "what came")
    same(g.stop(), 0, "exit status")


@case
def everybody_on_the_way_is_told_that_nobody_speaks():
    up = Upstream(2001)
    first = proxy(2000, "?proxyProtocol=1&proxyProtocol.policy=require")
    g = gost(chained(hop("h", ("first", 2000, HTTP, "proxyProtocol: 1")), hop("i", ("a", 2001, HTTP, "probe.interval: 200ms, proxyProtocol: 2"))))
    for _ in range(2):
        same(recv_to_end(up.accept()), bytes.fromhex("0d0a0d0a000d0a515549540a20000000"), "what the node is told, and then its end")
    record = first.wait_log(lambda r: " <-> 127.0.0.1:2001" in r["msg"], "a probe at the first hop")
    same((record["proxyVersion"], record["client"]), (1, record["remote"]), "the header there")
    same(g.stop(), 0, "exit status")


@case
def a_check_that_would_say_nothing_is_not_made():
    hops = {"type: relay": "the relay before it need not answer (nodelay=true)", "type: tcp": "the hop before it is asked for nothing (tcp, forward)"}
    for how, why in hops.items():
        g = gost(chained(hop("h", ("n", 2001, how, "")), target="probe.interval: 1s"))
        health(g, f"node t (127.0.0.1:8000) of s8080 is not probed: {why}")
        same(g.stop(), 0, "exit status")
    lib.Gostbpf("-L", "relay://127.0.0.1:2001")
    g = gost(chained(hop("h", ("n", 2001, "type: relay, metadata: {nodelay: true}", "")), target=PROBE))
    health(g, "node t (127.0.0.1:8000) is down: ")
    same(g.stop(), 0, "exit status")


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
