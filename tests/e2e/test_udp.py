#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""UDP forwarding: every answer to its own client, sessions that are bounded and end, errors of the target, names."""
import os
import signal
import socket
import sys
import time

import lib
import sandbox
from lib import Gostbpf, case, check, same
from udp_world import LASTING, TTL, Upstream, ask, bound, service, udp_socket

FRONT = ("127.0.0.1", 8080)


def start(*more, listen=":8080", target="127.0.0.1:8000", **how):
    return service(f"{listen}/{target}", *more, **how)


def many_clients(family, front):
    """50 clients x 200 datagrams; payloads name client and sequence, so an answer to the wrong client shows."""
    clients = [udp_socket(family) for _ in range(50)]
    for turn in range(200):
        for i, client in enumerate(clients):
            client.sendto(f"{i}:{turn}:{'x' * (turn * 7 % 1200)}".encode(), front)
        for i, client in enumerate(clients):
            data, sender = client.recvfrom(65535)
            same(data, f"{i}:{turn}:{'x' * (turn * 7 % 1200)}".encode(), f"answer to client {i}")
            same(sender[:2], front, "sender of the answer")


@case
def fifty_clients():
    up = Upstream(8000)
    gost = start(workers=2, ttl=LASTING)
    many_clients("127.0.0.1", FRONT)
    same(len(up.seen), 10000, "datagrams at the upstream")
    same(len({sender for _, sender in up.seen}), 50, "source ports at the upstream: one for each client")
    records = gost.records_after_stop(50)
    same(len(records), 50, "sessions")
    same({(r["inputDatagrams"], r["outputDatagrams"], r["reason"], r["network"]) for r in records},
         {(200, 200, "drain", "udp")}, "closing records")
    check(all(r["inputBytes"] == r["outputBytes"] > 0 for r in records), "bytes")


@case
def rudp_without_a_chain_is_udp():
    """GOST: it listens here then; the header for the target too."""
    up = Upstream(8000)
    gost = Gostbpf("-L", f"rudp://:8080/127.0.0.1:8000?{TTL}&handler.proxyProtocol=2")
    client = udp_socket()
    same(ask(client, b"hello", FRONT)[0], b"hello", "the answer")
    lib.check(up.seen[0][0].startswith(bytes.fromhex("0d0a0d0a000d0a515549540a")) and up.seen[0][0].endswith(b"hello"), up.seen)
    record = gost.closed()[0]
    same((record["listener"], record["handler"], record["inputDatagrams"]), ("rudp", "rudp", 1), "the record")


@case
def listener_and_handler_are_of_one_kind():
    mixed = lib.tmp() / "mixed.yml"
    mixed.write_text("services: [{name: s, addr: ':8080', handler: {type: rudp}, listener: {type: udp},"
                     " forwarder: {nodes: [{name: a, addr: '127.0.0.1:1'}]}}]")
    err = lib.gostbpf_fails("-C", mixed)
    check('handler "rudp" does not go with listener "udp"' in err, err)


@case
def fifty_clients_over_ipv6():
    Upstream(8000, "::1")
    start(target="[::1]:8000", workers=2, ttl=LASTING)
    many_clients("::1", ("::1", 8080))


@case
def records_of_a_session():
    Upstream(8000)
    gost = start()
    client = udp_socket()
    ask(client, b"hello", FRONT)
    closed = gost.closed()[0]
    own = "%s:%d" % client.getsockname()
    same([r["msg"] for r in gost.log() if r.get("kind") == "handler"],
         [f"{own} <> 127.0.0.1:8080", f"{own} <-> 127.0.0.1:8000", f"{own} >-< 127.0.0.1:8000", f"{own} >< 127.0.0.1:8080"],
         "records")
    same({k: closed[k] for k in ("client", "remote", "local", "dst", "network", "inputBytes", "outputBytes", "reason")},
         {"client": own, "remote": own, "local": "127.0.0.1:8080", "dst": "127.0.0.1:8000", "network": "udp", "inputBytes": 5,
          "outputBytes": 5, "reason": "idle"}, "closing record")
    check(closed["duration"] > 0.9e9, "duration")
    gost.wait_log(lambda r: r["msg"] == "listening on [::]:8080/udp", "the announcement")


@case
def answers_leave_from_the_address_that_was_asked():
    Upstream(8000)
    start(target="127.0.0.1:8000")
    client = udp_socket("0.0.0.0")
    for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        same(ask(client, host.encode(), (host, 8080)), (host.encode(), (host, 8080)), "answer and its sender")
    six = udp_socket("::1")
    same(ask(six, b"six", ("::1", 8080))[1][:2], ("::1", 8080), "sender over IPv6")


@case
def answers_leave_from_the_address_that_was_asked_ipv4_only():
    Upstream(8000)
    start(listen="0.0.0.0:8080")
    client = udp_socket("0.0.0.0")
    for host in ("127.0.0.2", "127.0.0.1"):
        same(ask(client, b"x", (host, 8080))[1], (host, 8080), "sender")


@case
def from_one_family_to_the_other():
    Upstream(8000)
    Upstream(8001, "::1")
    Gostbpf("-L", f"udp://[::1]:8080/127.0.0.1:8000?{TTL}", "-L", f"udp://127.0.0.1:8081/[::1]:8001?{TTL}")
    same(ask(udp_socket("::1"), b"6 to 4", ("::1", 8080))[0], b"6 to 4", "IPv6 client, IPv4 target")
    same(ask(udp_socket(), b"4 to 6", ("127.0.0.1", 8081))[0], b"4 to 6", "IPv4 client, IPv6 target")


@case
def zero_length_datagrams():
    up = Upstream(8000)
    gost = start(ttl=LASTING)
    client = udp_socket()
    same([ask(client, data, FRONT)[0] for data in (b"", b"x", b"")], [b"", b"x", b""], "answers")
    same([data for data, _ in up.seen], [b"", b"x", b""], "at the upstream")
    record = gost.records_after_stop()[0]
    same((record["inputDatagrams"], record["inputBytes"]), (3, 1), "counted")


@case
def large_datagrams():
    Upstream(8000)
    start()
    client = udp_socket()
    for size in (1472, 1473, 9000, 40000, 60000, 65507):
        data = os.urandom(size)
        check(ask(client, data, FRONT)[0] == data, f"{size} bytes come back as they were")


@case
def one_longer_than_read_buffer_size_is_dropped_not_cut():
    up = Upstream(8000)
    gost = start("readBufferSize=100")
    client = udp_socket()
    client.sendto(b"y" * 101, FRONT)
    same(ask(client, b"x" * 100, FRONT)[0], b"x" * 100, "one that fits")
    same(len(up.seen), 1, "datagrams at the upstream")
    gost.wait_log(lambda r: "readBufferSize" in r["msg"] and r["level"] == "warning", "a record that says so")


@case
def refused_then_the_server_appears():
    gost = start(ttl=LASTING)
    client = udp_socket()
    for _ in range(5):
        client.sendto(b"anybody there?", FRONT)
        time.sleep(0.05)
    lib.until(lambda: [r for r in gost.log() if "connection refused" in r["msg"]], "the refusal is told")
    Upstream(8000)
    same(ask(client, b"now?", FRONT)[0], b"now?", "the answer once a server is there")
    time.sleep(0.5)
    with open(f"/proc/{gost.proc.pid}/stat", encoding="ascii") as f:
        ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    check(ticks < 50 * lib.SLOW, f"it does not spin: {ticks} ticks")
    records = [r for r in gost.log() if "connection refused" in r["msg"]]
    same(len(records), 1, "refusals told: one a session")
    same(len(gost.records_after_stop()), 1, "sessions: the same all along")


@case
def refused_goes_on_to_another_target():
    Upstream(8001)
    gost = start("strategy=fifo", target="127.0.0.1:8000,127.0.0.1:8001")
    client = udp_socket(timeout=0.2)
    def answered():
        try:
            return ask(client, b"x", FRONT)[0] == b"x"
        except TimeoutError:
            return False
    lib.until(answered, "an answer of the second target")
    same(gost.closed()[0]["reason"], "refused", "end of the first session")
    same(ask(udp_socket(), b"y", FRONT)[0], b"y", "the next client goes there at once")


@case
def the_table_is_bounded():
    up = Upstream(8000)
    gost = start("udp.sessions=8", ttl=LASTING)
    clients = [udp_socket() for _ in range(40)]
    for i, client in enumerate(clients):
        same(ask(client, str(i).encode(), FRONT)[0], str(i).encode(), "answer")
        check(gost.sockets() <= gost.sockets_at_start + 8, "sockets")
    same(ask(clients[0], b"again", FRONT)[0], b"again", "an evicted client has a new session")
    records = gost.records_after_stop(41)
    same(sum(r["reason"] == "evicted" for r in records), 33, "evicted")
    told = [r for r in gost.log() if "too many udp sessions" in r["msg"]]
    check(1 <= len(told) <= 3, f"told at most once a second: {len(told)}")
    same(len({sender for _, sender in up.seen}), 41, "source ports")


@case
def the_session_unused_longest_goes_first():
    up = Upstream(8000)
    start("udp.sessions=2", ttl=LASTING)
    old, used, new = udp_socket(), udp_socket(), udp_socket()
    for client in (old, used, old, used, new, used):
        ask(client, b"x", FRONT)
    ports = [sender[1] for _, sender in up.seen]
    same(ports[1], ports[5], "the one in use kept its session")


@case
def a_session_lasts_while_it_is_used():
    up = Upstream(8000)
    gost = start()

    def undisturbed():
        """Two seconds of use; true unless the machine has held it up for about the ttl."""
        up.seen.clear()
        client, times = udp_socket(), [time.monotonic()]
        for _ in range(8):
            ask(client, b"x", FRONT)
            time.sleep(0.25)
            times.append(time.monotonic())
        return client if max(b - a for a, b in zip(times, times[1:])) < 0.9 else None

    client = lib.until(undisturbed, "two seconds without a pause of one")
    same(len({sender for _, sender in up.seen}), 1, "source ports in two seconds of a ttl of one")
    gost.no_leak()
    ask(client, b"x", FRONT)
    same(len({sender for _, sender in up.seen}), 2, "source ports after the ttl")


@case
def idle_timeout_wins_over_ttl():
    up = Upstream(8000)
    start("idleTimeout=60s").lasting = True
    client = udp_socket()
    ask(client, b"x", FRONT)
    time.sleep(1.6)
    ask(client, b"x", FRONT)
    same(len({sender for _, sender in up.seen}), 1, "source ports")


@case
def several_answers_to_one_datagram():
    up = Upstream(8000, answer=False)
    start()
    client = udp_socket()
    client.sendto(b"q", FRONT)
    sender = up.wait(1)[0][1]
    for i in range(200):
        up.sock.sendto(str(i).encode(), sender)
    same([client.recv(100) for _ in range(200)], [str(i).encode() for i in range(200)], "answers, in order")


@case
def strangers_cannot_answer():
    """A connected upstream socket takes datagrams of the target only."""
    up = Upstream(8000, answer=False)
    start()
    client = udp_socket()
    client.sendto(b"q", FRONT)
    port = up.wait(1)[0][1][1]
    udp_socket("127.0.0.1").sendto(b"forged", ("127.0.0.1", port))
    up.sock.sendto(b"true", ("127.0.0.1", port))
    same(client.recv(100), b"true", "the answer")


def dns(*zone):
    path = lib.tmp() / "zone"
    path.write_text("\n".join(zone) + "\n")
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n")
    sandbox.replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    lib.spawn(sys.executable, lib.ROOT / "tests/tools/dns_server.py", "--port", 53, "--zone", path)
    lib.until(lambda: bound(53), "the name server is up")


@case
def a_name():
    dns("a.test 60 A 127.0.0.5")
    up = Upstream(8000, "127.0.0.5")
    start(target="a.test:8000")
    same(ask(udp_socket(), b"x", FRONT)[0], b"x", "answer")
    same(len(up.seen), 1, "datagrams")


@case
def datagrams_wait_for_a_slow_name():
    dns("a.test DELAY 700", "a.test 60 A 127.0.0.5")
    up = Upstream(8000, "127.0.0.5")
    gost = start(target="a.test:8000", ttl=LASTING)
    client = udp_socket()
    with gost.paused():  # all are there before the name is
        for i in range(20):
            client.sendto(str(i).encode(), FRONT)
    same([client.recv(100) for _ in range(8)], [str(i).encode() for i in range(8)], "the first eight, in order")
    same(len(up.seen), 8, "at the upstream")
    same(gost.records_after_stop()[0]["droppedDatagrams"], 12, "counted as dropped")


@case
def no_such_name():
    dns("a.test NXDOMAIN")
    gost = start(target="a.test:8000")
    udp_socket().sendto(b"x", FRONT)
    same(gost.closed()[0]["reason"], "dial-failed", "reason")
    check("a.test" in str([r for r in gost.log() if r["level"] == "error"]), "the name is told")


@case
def sigterm_does_not_wait_for_sessions():
    Upstream(8000)
    gost = start("idleTimeout=60s")
    ask(udp_socket(), b"x", FRONT)
    began = time.monotonic()
    same(gost.stop(signal.SIGTERM), 0, "exit status")
    check(time.monotonic() - began < 15, "at once")  # draining has 30 s
    same(gost.closed()[0]["reason"], "drain", "reason")


@case
def udp_beside_tcp_on_one_port():
    Upstream(8000)
    lib.echo_server(8000)
    Gostbpf("-L", f"udp://:8080/127.0.0.1:8000?{TTL}", "-L", "tcp://:8080/127.0.0.1:8000")
    same(ask(udp_socket(), b"udp", FRONT)[0], b"udp", "udp")
    client = lib.connect(8080)
    client.sendall(b"tcp")
    same(lib.recv_exact(client, 3), b"tcp", "tcp")


@case
def a_port_in_use():
    udp_socket("127.0.0.1", 8080)
    err = lib.gostbpf_fails("-L", "udp://127.0.0.1:8080/127.0.0.1:8000")
    check("listen udp4 127.0.0.1:8080: bind: address already in use" in err, err)


@case
def what_is_refused():
    for query, words in (("engine=sockmap", "key \"engine\" means nothing for a udp service"),
                         ("dialTimeout=1s", "key \"dialTimeout\" means nothing for a udp service"),
                         ("backlog=10", "key \"backlog\" means nothing for a udp service"),
                         ("keepalive=false", "keepalive=false"), ("handler.proxyProtocol=1", "cannot say udp"),
                         ("proxyProtocol.udp=all", "each or first"), ("udp.sessions=0", "udp.sessions")):
        err = lib.gostbpf_fails("-L", f"udp://:8080/:53?{query}")
        check(words in err, f"{query}: {err}")
    check("is for udp services" in lib.gostbpf_fails("-L", "tcp://:8080/:80?ttl=5s"), "ttl with tcp")
    mixed = '{"services":[{"name":"x","addr":":8080","handler":{"type":"tcp"},"listener":{"type":"udp"},' \
            '"forwarder":{"nodes":[{"name":"t","addr":":53"}]}}]}'
    err = lib.gostbpf_fails("-C", mixed)
    check('handler "tcp" does not go with listener "udp"' in err, err)


@case
def as_yaml():
    Upstream(8000)
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
- name: dns
  addr: :8080
  handler:
    type: udp
    metadata:
      proxyProtocol: 2
      proxyProtocol.udp: first
  listener:
    type: udp
    metadata:
      ttl: 1s
      udp.sessions: 10
  forwarder:
    nodes:
    - name: target-0
      addr: 127.0.0.1:8000
""")
    Gostbpf("-C", path, services=1)
    same(ask(udp_socket(), b"x", FRONT)[0], b"x", "answer")


@case
def more_sessions_than_descriptors():
    """The service takes fewer sessions than it may, instead of starving the rest of the process."""
    Upstream(8000)
    gost = Gostbpf("-workers", 1, "-L", f"udp://:8080/127.0.0.1:8000?{LASTING}", prefix=("prlimit", "--nofile=200:200"))
    gost.lasting = True
    clients = [udp_socket() for _ in range(150)]
    for client in clients:
        same(ask(client, b"x", FRONT)[0], b"x", "answer")
    check(gost.closed()[0]["reason"] == "evicted", "the oldest made room")


if __name__ == "__main__":
    lib.main("udp")
