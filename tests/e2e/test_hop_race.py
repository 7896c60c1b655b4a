#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Strategy parallel of a hop: its nodes are dialled at once, the first that is connected is asked, the others hear nothing."""
import socket
import time

import lib
from lib import Gostbpf, Upstream, case, check, connect, name_server, recv_to_end, same



def hole(port):
    """Somebody whose queue is full: connecting takes for ever."""
    sock = lib.track(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(0)
    try:
        while True:
            lib.track(socket.create_connection(("127.0.0.1", port), 0.3))
    except TimeoutError:
        return f"127.0.0.1:{port}"


def proxy(port):
    return Gostbpf("-L", f"http://127.0.0.1:{port}")


def racing(*nodes, more="", target="127.0.0.1:8000"):
    return Gostbpf("-workers", 1, "-L", f"tcp://127.0.0.1:8080/{target}", "-F", f"http://{','.join(nodes)}?strategy=parallel{more}")


def said():
    with connect(8080) as sock:
        return recv_to_end(sock).decode()


def quickly(want):
    began = time.monotonic()
    same(said(), want, "what came through the chain")
    check(time.monotonic() - began < 9, "at once")  # dialTimeout is 15 s


def marked(gost, text):
    return [r["msg"] for r in gost.log() if text in r["msg"]]


@case
def the_first_that_is_connected_wins():
    name_server(8000, "target")
    proxy(2002)
    gost = racing(hole(2000), "127.0.0.1:2001", "127.0.0.1:2002")
    for _ in range(5):
        quickly("target")
    gost.closed(5)
    same(marked(gost, "127.0.0.1:2000"), [], "the one that is slow is not blamed")


@case
def the_others_hear_nothing_and_see_a_reset():
    ups = {port: Upstream(port) for port in (2001, 2002, 2003)}
    gost = racing(*(f"127.0.0.1:{port}" for port in ups))
    client = connect(8080)
    socks = [up.accept() for up in ups.values()]
    heard = []
    for sock in socks:
        try:
            heard.append(sock.recv(4096))
        except ConnectionResetError:
            heard.append(None)
    same(sorted(h is None for h in heard), [False, True, True], f"one is asked, two are reset: {heard}")
    asked = next(i for i, h in enumerate(heard) if h)
    check(heard[asked].startswith(b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n"), "what it is asked")
    socks[asked].sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
    same(client.recv(100), b"hello", "the tunnel")
    client.close()
    same(recv_to_end(socks[asked]), b"", "its end")
    socks[asked].close()
    same(gost.closed()[0]["outputBytes"], 5, "bytes")


@case
def a_winner_that_breaks_off_leaves_the_race_to_the_others():
    """A node that takes connections and closes them fails the handshake: those that were only slower are tried."""
    name_server(8000, "target")
    lib.Server(2001, lambda sock: sock.recv(1))
    proxy(2002)
    gost = racing("127.0.0.1:2001", "127.0.0.1:2002", more="&failTimeout=1h")
    for _ in range(8):
        same(said(), "target", "what came")
    check(len(marked(gost, "it closed the connection before it answered")) <= 1, "it is left out from then on")


@case
def when_all_fail_it_is_an_error_and_each_is_told():
    gost = Gostbpf("-L", "http://127.0.0.1:8080", "-F", "http://127.0.0.1:2001,127.0.0.1:2002?strategy=parallel")
    up = Upstream(8000)
    status, _, _ = lib.curl("--noproxy", "", "-p", "-x", "http://127.0.0.1:8080", "http://127.0.0.1:8000/")
    check(status != 0, "curl fails")
    for port in 2001, 2002:
        gost.wait_log(lambda r, port=port: f"dial tcp 127.0.0.1:{port}: connect: connection refused" in r["msg"], f"node {port}'s error")
    check(up.nobody(), "nothing goes round the chain")


@case
def holes_end_with_the_time_limit():
    holes = [hole(2000), hole(2001)]
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?dialTimeout=500ms", "-F", f"http://{','.join(holes)}?strategy=parallel")
    same(lib.ending(connect(8080)), "reset", "how it ends")
    for node in holes:
        gost.wait_log(lambda r, node=node: node in r["msg"] and "i/o timeout" in r["msg"], f"the error of {node}")


YAML = """services:
- name: s
  addr: 127.0.0.1:8080
  handler: {type: tcp, chain: c}
  listener: {type: tcp}
  forwarder: {nodes: [{name: t, addr: "127.0.0.1:8000"}]}
chains:
- name: c
  hops:
%s"""


def hop(name, *nodes):
    return (f"  - name: {name}\n    selector: {{strategy: parallel}}\n    nodes:\n" + "".join(
        f"    - {{name: {n}, addr: \"127.0.0.1:{port}\", connector: {{type: http}}, dialer: {{type: tcp}}{more}}}\n"
        for n, port, more in nodes))


def chained(*hops, more=""):
    path = lib.tmp() / "gost.yml"
    path.write_text(YAML % "".join(hops) + more)
    return Gostbpf("-workers", 1, "-C", path, services=1)


@case
def a_backup_runs_when_no_other_is_left():
    name_server(8000, "target")
    first = proxy(2001)
    proxy(2002)
    gost = chained(hop("h", ("a", 2001, ", metadata: {failTimeout: 1h}"), ("b", 2002, ", metadata: {backup: true}")))
    same(said(), "target", "by the first")
    first.stop()
    same(said(), "target", "by the backup")
    gost.wait_log(lambda r: "127.0.0.1:2001: connect: connection refused" in r["msg"], "the first's error")


@case
def a_node_that_bypasses_the_target_does_not_run():
    name_server(8000, "target")
    up = Upstream(2001)
    proxy(2002)
    proxy(2003)
    chained(hop("h", ("a", 2001, ", bypass: b"), ("b", 2002, ""), ("c", 2003, "")), more="bypasses: [{name: b, matchers: [127.0.0.0/8]}]\n")
    for _ in range(3):
        same(said(), "target", "by the others")
    check(up.nobody(), "nobody at the first")


@case
def the_second_hop_is_asked_for_in_order():
    name_server(8000, "target")
    for port in 2001, 2002, 2012:
        proxy(port)
    gost = chained(hop("h", ("a", 2001, ""), ("b", 2002, "")), hop("i", ("c", 2011, ", metadata: {failTimeout: 1h}"), ("d", 2012, "")))
    for _ in range(4):
        same(said(), "target", "by both hops")
    gost.closed(4)
    same(len(marked(gost, "503")), 1, "the second hop's first node fails once")


@case
def a_reverse_tunnel_races_too():
    name_server(8000, "target")
    server = Gostbpf("-L", "relay://127.0.0.1:7000?bind=true")
    end = Gostbpf("-L", "rtcp://127.0.0.1:8080/127.0.0.1:8000", "-F", f"relay://{hole(2000)},127.0.0.1:7000?strategy=parallel", services=0)
    lib.wait_listening(8080)
    quickly("target")
    same((end.stop(), server.stop()), (0, 0), "exit status")


if __name__ == "__main__":
    lib.main("hop_race")
