#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rudp through a chain: a port for datagrams at a relay or socks5 server, each visitor a session with a socket of its own towards
the target; beside a far end in Python that speaks GOST 3.2.6's bytes, and beside ourselves.

Contents are compared, and who gets them; a tunnel that dies ends its sessions and comes back.
"""
import os
import random
import signal
import time

import datagram_peer as dgram
import decode_proxy
import lib
import relay_peer as relay
import tls_peer
import udp_world
from datagram_peer import addressed, read_addressed
from lib import Gostbpf, Upstream, case, check, recv_exact, same
from udp_world import LASTING, TTL, payload, udp_socket

SERVER, PUBLIC, TARGET = 7000, 9000, 8000
AT = ("127.0.0.1", PUBLIC)
VISITOR = ("203.0.113.9", 4711)


def rudp(hop=f"relay://127.0.0.1:{SERVER}", query=TTL, listen=f":{PUBLIC}", first=()):
    gost = Gostbpf("-L", f"rudp://{listen}/127.0.0.1:{TARGET}?{query}", *[w for h in (*first, hop) for w in ("-F", h)])
    gost.lasting = LASTING in query
    return gost


class FarEnd:
    """The relay server by hand."""

    def __init__(self, node, at=("198.51.100.1", PUBLIC)):
        self.sock = node.accept(10)
        self.request = relay.read_message(lambda n: recv_exact(self.sock, n))
        self.sock.sendall(relay.message(0, relay.addr(*at)))

    def say(self, data, visitor=VISITOR):
        self.sock.sendall(addressed(data, *visitor))

    def heard(self):
        return read_addressed(self.sock)


# --- beside a far end in Python ---
@case
def asks_as_gost_does():
    udp_world.Upstream(TARGET)
    for user, url in ((None, ""), (("user", "pass"), "user:pass@")):
        node = Upstream(SERVER)
        gost = rudp(f"relay://{url}127.0.0.1:{SERVER}")
        sock = node.accept()
        want = dgram.bind_request("", PUBLIC, user)
        same(recv_exact(sock, len(want)), want, "the request")
        sock.sendall(relay.message(0, relay.addr("::", PUBLIC)) + addressed(b"glued", *VISITOR))
        same(read_addressed(sock), (b"glued", *VISITOR), "the answer of the target")
        gost.wait_log(lambda r: r.get("msg") == f"bind on [::]:{PUBLIC}/udp OK", "the record of the bind")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(node.sock)


@case
def every_visitor_is_a_session():
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    gost = rudp(query=LASTING)
    far = FarEnd(node)
    people = [(f"203.0.113.{i}", 4000 + i) for i in range(20)] + [("2001:db8::1", 99)]
    for turn in range(10):
        for i, person in enumerate(people):
            far.say(b"%d:%d" % (i, turn), person)
        got = sorted(far.heard() for _ in people)
        same(got, sorted((b"%d:%d" % (i, turn), *person) for i, person in enumerate(people)), "each visitor's answer")
    same(len({sender for _, sender in up.seen}), len(people), "source ports at the target: one for each")
    same(gost.stop(), 0, "exit status")
    record = next(r for r in gost.closed(len(people)) if r["client"] == "203.0.113.3:4003")
    same({k: record[k] for k in ("local", "listener", "inputDatagrams", "outputDatagrams", "reason")},
         {"local": f"198.51.100.1:{PUBLIC}", "listener": "rudp", "inputDatagrams": 10, "outputDatagrams": 10, "reason": "drain"},
         "a closing record")


@case
def every_length():
    udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    rudp()
    far = FarEnd(node)
    for size in (1, 512, 1472, 9000, 40000, 65507):
        data = os.urandom(size)
        far.say(data)
        check(far.heard() == (data, *VISITOR), f"{size} bytes")


@case
def frames_cut_anywhere():
    up = udp_world.Upstream(TARGET, answer=False)
    node = Upstream(SERVER)
    rudp(query=LASTING)
    far = FarEnd(node)
    stream = addressed(b"one", *VISITOR) + addressed(b"two", "2001:db8::1", 5)
    for cut in range(1, len(stream)):
        far.sock.sendall(stream[:cut])
        time.sleep(0.002)
        far.sock.sendall(stream[cut:])
    up.wait(2 * (len(stream) - 1))
    same(sorted({d for d, _ in up.seen}), [b"one", b"two"], "datagrams at the target")
    far.sock.close()  # ends the sessions


@case
def what_is_of_nobody_goes_nowhere():
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    rudp()
    far = FarEnd(node)
    for peer in (("a.example", 53), ("", 53), ("203.0.113.1", 0)):
        far.say(b"nobody", peer)
    far.say(b"real")
    same(far.heard(), (b"real", *VISITOR), "the answer")
    same([d for d, _ in up.seen], [b"real"], "datagrams at the target")


@case
def empty_datagrams():
    """One that comes is passed on; an empty answer has no words in these frames."""
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    gost = rudp(query=LASTING)
    far = FarEnd(node)
    far.say(b"")
    far.say(b"x")
    same(far.heard(), (b"x", *VISITOR), "the answer to the second")
    same([d for d, _ in up.seen], [b"", b"x"], "datagrams at the target")
    same(gost.stop(), 0, "exit status")
    record = gost.closed()[0]
    same((record["outputDatagrams"], record["droppedDatagrams"]), (1, 1), "counted")


@case
def several_answers_and_a_late_one():
    up = udp_world.Upstream(TARGET, answer=False)
    node = Upstream(SERVER)
    rudp(query=LASTING)
    far = FarEnd(node)
    far.say(b"q")
    at = up.wait(1)[0][1]
    for i in range(100):
        up.sock.sendto(b"%d" % i, at)
    same([far.heard() for _ in range(100)], [(b"%d" % i, *VISITOR) for i in range(100)], "answers, in order")


@case
def the_target_learns_who_it_is():
    """proxyProtocol both ways: the header in front of the visitor's datagram is read, and one is written into each."""
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    rudp(query=f"{LASTING}&handler.proxyProtocol=2&proxyProtocol=1&proxyProtocol.from=203.0.113.0/24")
    far = FarEnd(node)
    far.say(b"plain")
    header = udp_world.v2(("192.0.2.77", 7), ("192.0.2.1", 53))
    far.say(header + b"through a proxy")
    same([far.heard(), far.heard()], [(b"plain", *VISITOR), (b"through a proxy", *VISITOR)], "answers go to who sent it")
    found = [decode_proxy.decode(d) for d, _ in up.seen]
    same([(h["src"], h["sport"], h["dst"], h["dport"], h["proto"]) for h in found],
         [("203.0.113.9", 4711, "198.51.100.1", PUBLIC, "DGRAM"), ("192.0.2.77", 7, "192.0.2.1", 53, "DGRAM")], "headers")
    same([payload(d) for d, _ in up.seen], [b"plain", b"through a proxy"], "payloads")


@case
def admission_and_limits_hold_for_visitors():
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    gost = rudp(query=f"{LASTING}&admission=~203.0.113.0/24&udp.sessions=2")
    far = FarEnd(node)
    far.say(b"not let in", ("198.51.100.9", 1))
    for i in range(4):
        far.say(b"%d" % i, ("203.0.113.9", 1000 + i))
        same(far.heard(), (b"%d" % i, "203.0.113.9", 1000 + i), "answer")
    same([d for d, _ in up.seen], [b"0", b"1", b"2", b"3"], "datagrams at the target")
    same([r["reason"] for r in gost.closed(2)[:2]], ["evicted"] * 2, "reasons")


@case
def a_tunnel_that_dies_comes_back():
    """Its sessions end with it: behind the next there may be others with the same addresses."""
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    gost = rudp(query=LASTING)
    far = FarEnd(node)
    far.say(b"one")
    same(far.heard(), (b"one", *VISITOR), "answer")
    far.sock.close()
    same(gost.closed()[0]["reason"], "tunnel-lost", "reason")
    gost.wait_log(lambda r: "the other end closed the tunnel, retrying in 1s" in r.get("msg", ""), "the record")
    far = FarEnd(node)
    far.say(b"two")
    same(far.heard(), (b"two", *VISITOR), "answer through the next")
    same(len({sender for _, sender in up.seen}), 2, "source ports")
    far.sock.sendall(addressed(b"three", *VISITOR) + b"nonsense")
    lib.until(lambda: any("is not marked as one, retrying" in r.get("msg", "") for r in gost.log()), "nonsense ends it")
    same([d for d, _ in up.wait(3)], [b"one", b"two", b"three"], "the whole one before it was passed on")


@case
def a_far_end_that_does_not_read():
    up = udp_world.Upstream(TARGET, answer=False)
    node = Upstream(SERVER, rcvbuf=8192)
    gost = rudp(query=LASTING)
    far = FarEnd(node)
    far.say(b"q")
    at = up.wait(1)[0][1]
    for i in range(8000):
        up.sock.sendto(b"%06d" % i * 400, at)
        if i % 20 == 0:
            time.sleep(0.001)
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        resident = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    check(resident < (600_000 if lib.SANITIZED else 60_000), f"resident: {resident} kB")
    last = -1
    far.sock.settimeout(1)
    try:
        while True:
            data, _, _ = far.heard()
            check(data == data[:6] * 400 and int(data[:6]) > last, "datagrams are whole and in order")
            last = int(data[:6])
    except TimeoutError:
        check(last >= 0, "some came")
    far.sock.close()
    check(gost.closed()[0]["droppedDatagrams"] > 0, "counted")


@case
def refusals_are_told_and_tried_again():
    node = Upstream(SERVER)
    gost = rudp()
    sock = node.accept()
    relay.read_message(lambda n: recv_exact(sock, n))
    sock.sendall(relay.message(3))
    gost.wait_log(lambda r: "relay status 3: forbidden, retrying in 1s" in r.get("msg", ""), "the status")
    sock = node.accept()
    relay.read_message(lambda n: recv_exact(sock, n))
    sock.sendall(relay.message(0))
    gost.wait_log(lambda r: "does not say where it listens, retrying in 2s" in r.get("msg", ""), "the complaint")


@case
def what_cannot_open_a_port_is_refused():
    for scheme in ("http", "socks4", "tcp"):
        err = lib.gostbpf_fails("-L", f"rudp://:{PUBLIC}/127.0.0.1:{TARGET}", "-F", f"{scheme}://127.0.0.1:1")
        check(f"rudp cannot go through 127.0.0.1:1: {scheme} carries no datagrams" in err, err)


# --- both ---
def many_visitors(turns=20):
    people = [udp_socket() for _ in range(10)]
    rnd = random.Random(2)
    for turn in range(turns):
        texts = [f"{i}:{turn}:".encode() + rnd.randbytes(turn * 331 % 5000) for i in range(len(people))]
        for person, text in zip(people, texts):
            person.sendto(text, AT)
        for i, (person, text) in enumerate(zip(people, texts)):
            same(person.recvfrom(65535), (text, AT), f"answer to visitor {i}")
    return people


def port_is_there():
    lib.until(lambda: udp_world.bound(PUBLIC), "the port at the far end", 10)


@case(each=("relay", "socks5", "relay+tls", "relay behind http", "password"))
def both_ends(how):
    up = udp_world.Upstream(TARGET)
    first, auth = (), "user:pass@" if how == "password" else ""
    if how == "relay+tls":
        far = Gostbpf("-L", f"relay+tls://:8443?{tls_peer.pair('good')}&bind=true")
        hop = f"relay+tls://localhost:8443?{tls_peer.authority()}"
    else:
        scheme = "socks5" if how == "socks5" else "relay"
        far, hop = Gostbpf("-L", f"{scheme}://{auth}127.0.0.1:{SERVER}?bind=true"), f"{scheme}://{auth}127.0.0.1:{SERVER}"
    if how == "relay behind http":
        Gostbpf("-L", "http://127.0.0.1:7001")
        first = ("http://127.0.0.1:7001",)
    near = rudp(hop, LASTING, f"127.0.0.1:{PUBLIC}", first)
    port_is_there()
    many_visitors()
    same(len({sender for _, sender in up.seen}), 10, "source ports at the target: one for each visitor")
    same(near.stop(), 0, "exit status")
    same({(r["inputDatagrams"], r["outputDatagrams"], r["reason"]) for r in near.closed(10)}, {(20, 20, "drain")}, "closing records")
    lib.until(lambda: not udp_world.bound(PUBLIC), "the port is free")
    far.closed()


@case
def a_restarted_server_is_found_again():
    udp_world.Upstream(TARGET)
    far = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    near = rudp(query=LASTING, listen=f"127.0.0.1:{PUBLIC}")
    port_is_there()
    many_visitors(2)
    same(far.stop(signal.SIGTERM), 0, "exit status")
    near.wait_log(lambda r: "retrying in 1s" in r.get("msg", ""), "the loss is told")
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    port_is_there()
    many_visitors(2)
    same(near.stop(), 0, "exit status")


@case
def associations_by_hand():
    """GOST's way to send from anywhere through relay: BIND for datagrams without a port."""
    udp_world.Upstream(TARGET)
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    sock = lib.connect(SERVER)
    code, found = relay.ask(sock, dgram.bind_request("", 0))
    same((code, found["addr"][0][0], found["addr"][0][1] > 0), (0, "::", True), "the answer")
    sock.sendall(addressed(b"hello", "127.0.0.1", TARGET))
    same(read_addressed(sock), (b"hello", "127.0.0.1", TARGET), "answer")


if __name__ == "__main__":
    lib.main("rudp")
