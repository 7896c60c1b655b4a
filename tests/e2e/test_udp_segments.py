#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams that the kernel hands over or takes several at a time (UDP_GRO, UDP_SEGMENT): borders, order, content, owners."""
import json
import random
import socket
import struct
import threading

import lib
import sandbox
from lib import case, check, same
from udp_world import LASTING, header, payload, service, udp_socket, v2

FRONT = ("127.0.0.1", 8080)
UDP_SEGMENT, UDP_GRO = 103, 104
CLIENT, SERVICE = ("192.0.2.7", 7777), ("198.51.100.1", 53)


def start(*more, target="127.0.0.1:8000", listen="127.0.0.1:8080"):
    return service(f"{listen}/{target}", *more, ttl=LASTING)


def segmented(sock, datagrams, to=None):
    """One call for datagrams of one length, the last of which may be shorter."""
    control = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("H", len(datagrams[0])))] if len(datagrams) > 1 else []
    sock.sendmsg(datagrams, control, 0, *([to] if to else []))


def arrival(sock):
    """(datagrams of one arrival, sender)."""
    data, control, _, sender = sock.recvmsg(65535, 64)
    size = next((struct.unpack("i", v)[0] for _, kind, v in control if kind == UDP_GRO), len(data) or 1)
    return [data[i:i + size] for i in range(0, len(data) or 1, size)], sender


class Echo:
    """An upstream that takes and gives several at a time; keeps what came, and how many came together at most."""

    def __init__(self, port=8000, host="127.0.0.1"):
        self.sock, self.seen, self.together = udp_socket(host, port), [], 0
        self.sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        self.sock.settimeout(None)
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                datagrams, sender = arrival(self.sock)
            except OSError:
                return
            if self.sock.fileno() < 0 or not sender:
                return
            self.together = max(self.together, len(datagrams))
            self.seen += [(d, sender) for d in datagrams]
            segmented(self.sock, [payload(d) for d in datagrams], sender)


def collect(sock, count):
    got, together = [], 0
    while len(got) < count:
        some, _ = arrival(sock)
        got += some
        together = max(together, len(some))
    return got, together


def burst(size, count, last, tag):
    """count datagrams that differ, each size long but for the last."""
    return [(b"%d/%d." % (tag, i) + random.randbytes(size))[:last if i == count - 1 else size] for i in range(count)]


def exchange(front, wrap=lambda d: d, rounds=40, host="127.0.0.1"):
    """Random bursts there and back; returns what was sent and how many came back together at most."""
    client, sent, together = udp_socket(host), [], 0
    client.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
    random.seed(rounds)
    for tag in range(rounds):
        size = random.choice((16, 64, 500, 1200, 1400))
        count = random.randint(1, min(40, 60000 // (size + 60)))
        data = burst(size, count, random.randint(1, size), tag)
        segmented(client, [wrap(d) for d in data], front)
        got, at_once = collect(client, count)
        same(got, data, f"answers of burst {tag}")
        together = max(together, at_once)
        sent += data
    return client, sent, together


@case
def bare():
    up = Echo()
    gost = start()
    client, sent, together = exchange(FRONT)
    same([d for d, _ in up.seen], sent, "at the upstream")
    same(len({s for _, s in up.seen}), 1, "source ports")
    check(up.together > 8 and together > 8, f"together: {up.together} there, {together} back")
    record = gost.records_after_stop()[0]
    same((record["client"], record["inputDatagrams"], record["outputDatagrams"], record["inputBytes"], record["outputBytes"]),
         ("%s:%d" % client.getsockname(), len(sent), len(sent), sum(map(len, sent)), sum(map(len, sent))), "totals")
    check("droppedDatagrams" not in record, "nothing was dropped")


@case
def on_all_addresses_of_both_families():
    """Answers carry the address that the client wrote to beside the length of their segments."""
    up = Echo(host="::1")
    start(listen=":8080", target="[::1]:8000")
    for host, front in (("127.0.0.1", ("127.0.0.9", 8080)), ("::1", ("::1", 8080))):
        up.seen.clear()
        client, sent, together = exchange(front, host=host)
        same([d for d, _ in up.seen], sent, f"{host}: at the upstream")
        check(together > 8, f"{host}: {together} together")
        client.sendto(b"from where?", front)
        same(client.recvfrom(100)[1][:2], front, f"{host}: the address that answers")


@case
def with_a_header_each():
    up = Echo()
    start("handler.proxyProtocol=2")
    client, sent, _ = exchange(FRONT)
    same([payload(d) for d, _ in up.seen], sent, "payloads")
    same({(header(d)["src"], header(d)["sport"], header(d)["dport"]) for d, _ in up.seen}, {(*client.getsockname(), 8080)}, "headers")
    check(up.together > 8, f"together: {up.together}")


@case
def with_a_header_on_the_first():
    up = Echo()
    start("handler.proxyProtocol=2", "proxyProtocol.udp=first")
    _, sent, _ = exchange(FRONT)
    same([payload(up.seen[0][0])] + [d for d, _ in up.seen[1:]], sent, "payloads")
    same(len(up.seen[0][0]), len(sent[0]) + 28, "the first")


@case
def each_segment_has_its_own_received_header():
    up = Echo()
    start("proxyProtocol=1", "proxyProtocol.policy=require", "handler.proxyProtocol=2")
    _, sent, _ = exchange(FRONT, wrap=lambda d: v2(CLIENT, SERVICE) + d)
    same([payload(d) for d, _ in up.seen], sent, "payloads")
    same({(header(d)["src"], header(d)["dst"]) for d, _ in up.seen}, {(CLIENT[0], SERVICE[0])}, "headers")


@case
def clients_of_one_arrival_are_told_apart():
    """A proxy sends datagrams of several clients in one piece: each goes its own way, all answers come back."""
    up = Echo()
    start("proxyProtocol=1")
    proxy = udp_socket()
    proxy.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
    for tag in range(20):
        data = [b"%d:%d" % (i % 3, 100 + tag) for i in range(30)]
        segmented(proxy, [v2(("192.0.2.7", 1000 + i % 3), SERVICE) + d for i, d in enumerate(data)], FRONT)
        same(sorted(collect(proxy, 30)[0]), sorted(data), "answers")
    ports = {}
    for data, sender in up.seen:
        ports.setdefault(data[:1], set()).add(sender)
    same([len(p) for p in ports.values()], [1, 1, 1], "source ports of each client")
    same(len(set.union(*ports.values())), 3, "and no two share one")


@case
def a_length_limit_counts_for_each_datagram():
    up = Echo()
    gost = start("readBufferSize=500")
    client = udp_socket()
    client.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
    segmented(client, [bytes([i]) * 500 for i in range(20)], FRONT)
    segmented(client, [b"x" * 501, b"y" * 501, b"ok"], FRONT)
    got, _ = collect(client, 21)
    same(got, [bytes([i]) * 500 for i in range(20)] + [b"ok"], "answers")
    same(len(up.seen), 21, "at the upstream")
    gost.wait_log(lambda r: "longer than readBufferSize" in r["msg"], "told")


def across(size, window, port=8080):
    """A thousand bursts of four clients of another host to a server on a third; the tool compares every byte."""
    out = sandbox.sh(f"ip netns exec client {lib.TOOLS}/udprr client 198.18.1.1 {port} 4 {250 * window} {size} {window}", check=False)
    check('"lost": 0, "wrong": 0, "corrupt": 0' in out, out)
    same(json.loads(out)["answered"], 250 * window, "answers")


@case
def over_links_with_and_without_the_kernels_help():
    """Across veth devices, then with their offloads off: the same datagrams. Longer ones than a link takes come in fragments."""
    sandbox.three_hosts()
    server = lib.spawn("ip", "netns", "exec", "server", lib.TOOLS / "udprr", "server", "198.18.2.2:8000")
    lib.until(lambda: "8000" in sandbox.sh("ip netns exec server ss -Hlun"), "the server")
    start("handler.proxyProtocol=2", target="198.18.2.2:8000", listen="198.18.1.1:8080")
    start(target="198.18.2.2:8000", listen="198.18.1.1:8081")
    for state in ("on", "off"):
        for where in ("ethtool -K c0", "ethtool -K s0", "ip netns exec client ethtool -K c0p", "ip netns exec server ethtool -K s0p"):
            sandbox.sh(f"{where} tx {state} gso {state} gro {state}")
        across(1200, 32)
        across(64, 64)
        across(1444, 16)
    across(3000, 16, 8081)
    check(server.poll() is None, "the server runs")


if __name__ == "__main__":
    lib.main("udp_segments")
