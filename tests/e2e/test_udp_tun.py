#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams of many over one connection: SOCKS5's UDP-TUN (0xF3) and relay's BIND for datagrams as servers, beside a peer in Python;
udp services through a socks5 hop, beside one and beside ourselves.

Contents and addresses are compared; bytes on the wire are those of GOST 3.2.6 (datagram_peer.py).
"""
import os
import random
import signal
import socket
import time

import datagram_peer as dgram
import lib
import relay_peer as relay
import sandbox
import socks_world
import tls_peer
import udp_world
from datagram_peer import TunServer, addressed, read_addressed
from lib import Gostbpf, case, check, connect, ending, same
from udp_world import LASTING, TTL, ask, queued, totals, udp_socket

FRONT, SERVER, TARGET, PUBLIC = 8080, 7000, 8000, 9000
AT = ("127.0.0.1", FRONT)
UDP_TUN = 0xF3
SIZES = (1, 512, 1472, 9000, 40000, 60000, 65507)


def socks(query="udp=true", auth="", *more):
    return Gostbpf("-L", f"socks5://{auth}127.0.0.1:{SERVER}?{query}", *more)


def tun(host="0.0.0.0", port=0, auth=None):
    """A UDP-TUN through the service: (socket, code, bound)."""
    return socks_world.open5(SERVER, host, port, auth, command=UDP_TUN)


def bind(host="", port=PUBLIC, user=None):
    """The same by relay's BIND: (socket, status, addresses)."""
    sock = connect(SERVER)
    code, found = relay.ask(sock, dgram.bind_request(host, port, user))
    return sock, code, found["addr"]


def client(hop=f"socks5://127.0.0.1:{SERVER}", query=TTL, target=f"127.0.0.1:{TARGET}", first=()):
    gost = Gostbpf("-L", f"udp://127.0.0.1:{FRONT}/{target}?{query}", *[w for h in (*first, hop) for w in ("-F", h)])
    gost.lasting = query == LASTING
    return gost


# --- UDP-TUN, the server ---
@case
def datagrams_to_anybody_and_back():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost target.test\n")
    udp_world.Upstream(TARGET), udp_world.Upstream(TARGET + 1, "::1")
    gost = socks()
    sock, code, bound = tun()
    same((code, bound), (0, ("0.0.0.0", 0)), "reply")
    for host, port, ip in (("127.0.0.1", TARGET, "127.0.0.1"), ("::1", TARGET + 1, "::1"), ("target.test", TARGET, "127.0.0.1")):
        for size in SIZES:
            data = os.urandom(size)
            sock.sendall(addressed(data, host, port))
            check(read_addressed(sock) == (data, ip, port), f"{size} bytes to {host}")
    sock.close()
    same(totals(gost), [[21, 21, 0]], "totals")
    same(gost.closed()[0]["reason"], "client-eof", "reason")


@case
def frames_cut_anywhere():
    up = udp_world.Upstream(TARGET, answer=False)
    socks()
    stream = addressed(b"one", "127.0.0.1", TARGET) + addressed(b"two", "localhost", TARGET)
    for cut in range(1, len(stream)):
        sock, _, _ = tun()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(stream[:cut])
        time.sleep(0.002)
        sock.sendall(stream[cut:])
        lib.until(lambda want=2 * cut: len(up.seen) >= want, "two datagrams")
        sock.close()
    same(sorted(d for d, _ in up.seen), sorted([b"one", b"two"] * (len(stream) - 1)), "datagrams at the target")


@case
def commands_have_their_keys():
    """Without a port it is udp=true, with one bind=true."""
    for query, codes in (("udp=true", (0, 2)), ("bind=true", (2, 0)), ("notls=true", (2, 2))):
        gost = socks(query)
        both = tun(), tun("127.0.0.1", PUBLIC)
        same(tuple(code for _, code, _ in both), codes, f"codes with {query}")
        for sock, _, _ in both:
            sock.close()
        same(gost.stop(), 0, "exit status")


@case
def what_is_not_passed_on():
    up = udp_world.Upstream(TARGET)
    gost = socks("udp=true&bypass=127.0.0.9", "", "-workers", "1")
    sock, _, _ = tun()
    for data, host in ((b"bypassed", "127.0.0.9"), (b"nobody", "nobody.invalid"), (b"x" * 65535, "127.0.0.1"), (b"", "127.0.0.1"),
                       (b"real", "127.0.0.1")):
        sock.sendall(addressed(data, host, TARGET))
    same(read_addressed(sock), (b"real", "127.0.0.1", TARGET), "the answer; that to the empty one cannot be said")
    same([d for d, _ in up.wait(2)], [b"", b"real"], "datagrams at the target")
    lib.until(lambda: any("too long for the path" in r.get("msg", "") for r in gost.log()), "the long one is told")
    check(socks_world.open5(SERVER, "nobody.invalid", TARGET)[1], "who asks for that name next waits for the same lookup, which is over now")
    sock.close()
    same(totals(gost), [[2, 1, 4]], "totals: sent, returned, dropped")


@case
def nonsense_ends_it():
    gost = socks()
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x01\x7f\0\0\x01\0\x35x", b"\0\x01\xff\x02aaaa"):
        sock, _, _ = tun()
        sock.sendall(nonsense)
        same(ending(sock), "reset", "the end")
    same(len(gost.closed(3)), 3, "sessions")


@case
def only_through_the_password():
    udp_world.Upstream(TARGET)
    socks("udp=true", "user:pass@")
    sock, code, _ = tun(auth=("user", "pass"))
    same(code, 0, "reply")
    sock.sendall(addressed(b"hello", "127.0.0.1", TARGET))
    same(read_addressed(sock), (b"hello", "127.0.0.1", TARGET), "answer")


@case
def a_client_that_does_not_read():
    up = udp_world.Upstream(TARGET, answer=False)
    gost = socks()
    sock, _, _ = tun()
    sock.sendall(addressed(b"q", "127.0.0.1", TARGET))
    at = up.wait(1)[0][1]
    for i in range(2500):  # 30 MB: more than the sockets on the way take; each is read here before more come
        up.sock.sendto(b"%06d" % i * 2000, at)
        if i % 5 == 0:
            lib.until(lambda: not queued(at[1]), "what was sent is read")
    last = -1
    sock.settimeout(1)
    try:
        while True:
            data, _, _ = read_addressed(sock)
            check(data == data[:6] * 2000 and int(data[:6]) > last, "datagrams are whole and in order")
            last = int(data[:6])
    except TimeoutError:
        check(last >= 0, "some came")
    sock.close()
    sent, returned, dropped = totals(gost)[0]
    check(sent == 1 and dropped > 0 and returned > 0, f"totals: {sent} {returned} {dropped}")


# --- a port for datagrams ---
def visitors(sock, to):
    """Several of them, mixed; answers go to the one they name."""
    socks_ = [udp_socket() for _ in range(5)]
    for turn in range(20):
        for i, visitor in enumerate(socks_):
            text = b"%d:%d" % (i, turn)
            visitor.sendto(text, to)
            same(read_addressed(sock), (text, *visitor.getsockname()), "a visitor's datagram")
        for i, visitor in reversed(list(enumerate(socks_))):
            sock.sendall(addressed(b"to %d" % i, *visitor.getsockname()))
            same(visitor.recvfrom(100), (b"to %d" % i, to), "an answer")


@case
def relay_opens_a_port_as_gost_does():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    sock, code, at = bind()
    same((code, at), (0, [("::", PUBLIC)]), "the answer to BIND")
    visitors(sock, ("127.0.0.1", PUBLIC))
    six = udp_socket("::1")
    six.sendto(b"six", ("::1", PUBLIC))
    same(read_addressed(sock), (b"six", *six.getsockname()[:2]), "a visitor by IPv6")
    sock.sendall(addressed(b"back", *six.getsockname()[:2]))
    same(six.recv(100), b"back", "its answer")
    gost.wait_log(lambda r: r.get("msg") == f"bind on [::]:{PUBLIC}/udp OK", "the record of the bind")
    sock.close()
    same(totals(gost), [[101, 101, 0]], "totals")
    lib.until(lambda: not udp_world.bound(PUBLIC), "the port is free")


@case
def socks5_opens_a_port_as_gost_does():
    gost = socks("bind=true")
    sock, code, at = tun("127.0.0.1", PUBLIC)
    same((code, at), (0, ("127.0.0.1", PUBLIC)), "the reply")
    visitors(sock, ("127.0.0.1", PUBLIC))
    gost.wait_log(lambda r: r.get("msg") == f"bind on 127.0.0.1:{PUBLIC}/udp OK", "the record of the bind")


@case
def any_port_and_a_port_in_use():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    sock, code, at = bind("127.0.0.1", 0)
    same((code, at[0][0]), (0, "127.0.0.1"), "a port of the server's choice")
    visitors(sock, at[0])
    same(bind("127.0.0.1", at[0][1])[1], 5, "the same port again")
    same(bind("192.0.2.1", 0)[1], 5, "somebody else's address")
    same(bind("a.example", PUBLIC)[1], 5, "a name")
    sock.close()
    lib.until(lambda: bind("127.0.0.1", at[0][1])[1] == 0, "the port is to be had again")


@case
def who_may_open_a_port():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    sock, code, _ = bind()
    same(code, 3, "without bind=true")
    sock.close()
    check(not udp_world.bound(PUBLIC), "nothing was opened")
    same(gost.stop(), 0, "exit status")
    gost = Gostbpf("-L", f"relay://user:pass@127.0.0.1:{SERVER}?bind=true")
    both = bind(), bind(user=("user", "pass"))
    same(tuple(code for _, code, _ in both), (2, 0), "without and with the password")
    for sock, _, _ in both:
        sock.close()
    same(gost.stop(), 0, "exit status")
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true", "-F", "relay://127.0.0.1:1")
    same(bind()[1], 3, "where a chain would be gone round")


@case
def a_port_holds_up_no_end():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    sock, _, _ = bind()
    began = time.monotonic()
    same(gost.stop(signal.SIGTERM), 0, "exit status")
    check(time.monotonic() - began < 15, "at once")  # draining has 30 s
    same(ending(sock), "reset", "what the client sees")


@case
def behind_tls():
    Gostbpf("-L", f"relay+tls://:8443?{tls_peer.pair('good')}&bind=true")
    client_ = tls_peer.connect(8443)
    client_.sendall(dgram.bind_request("127.0.0.1", PUBLIC))
    code, found = relay.read_message(lambda n: lib.recv_exact(client_, n))
    same((code, found["addr"]), (0, [("127.0.0.1", PUBLIC)]), "the answer")
    visitors(client_, ("127.0.0.1", PUBLIC))


# --- udp services through a socks5 hop ---
@case
def client_asks_as_gost_does():
    udp_world.Upstream(TARGET)
    node = TunServer(SERVER)
    gost = client(query=LASTING)
    sock, rnd = udp_socket(), random.Random(1)
    for size in SIZES:
        data = rnd.randbytes(size)
        check(ask(sock, data, AT)[0] == data, f"{size} bytes come back as they were")
    same(node.requests, [(b"\x05\xf3\x00", ("0.0.0.0", 0))], "the request")
    same({(host, port) for _, host, port in node.datagrams}, {("127.0.0.1", TARGET)}, "whom the datagrams are for")
    same(gost.records_after_stop()[0]["reason"], "drain", "reason")


@case
def a_name_is_looked_up_once_and_here():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost target.test\n")
    udp_world.Upstream(TARGET)
    node = TunServer(SERVER)
    client(target=f"target.test:{TARGET}")
    same(ask(udp_socket(), b"x", AT)[0], b"x", "answer")
    same(node.datagrams, [(b"x", "127.0.0.1", TARGET)], "the datagram")


@case
def strangers_are_not_heard():
    """The far end's socket is open to everybody; only the target's datagrams reach the client."""
    up = udp_world.Upstream(TARGET, answer=False)
    node = TunServer(SERVER)
    gost = client()
    sock = udp_socket()
    sock.sendto(b"q", AT)
    at = up.wait(1)[0][1]
    udp_socket().sendto(b"forged", at)
    lib.until(lambda: node.datagrams, "the way is there")
    up.sock.sendto(b"true", at)
    same(sock.recv(100), b"true", "the answer")
    same(gost.closed()[0]["droppedDatagrams"], 1, "counted")


@case
def an_empty_datagram_is_not_sent():
    up = udp_world.Upstream(TARGET)
    TunServer(SERVER)
    gost = client(query=LASTING)
    sock = udp_socket()
    sock.sendto(b"", AT)
    same(ask(sock, b"x", AT)[0], b"x", "the next one")
    same([d for d, _ in up.seen], [b"x"], "datagrams at the target")
    record = gost.records_after_stop()[0]
    same((record["inputDatagrams"], record["droppedDatagrams"]), (1, 1), "counted")


@case
def a_refusal_is_told():
    TunServer(SERVER, code=2)
    gost = client()
    udp_socket().sendto(b"x", AT)
    same(gost.closed()[0]["reason"], "dial-failed", "reason")
    check(any("not allowed (2)" in r["msg"] for r in gost.log() if r["level"] == "error"), "the reply is told")


@case(each=("plain", "password", "tls", "socks5 behind http", "relay behind socks5"))
def both_ends(how):
    up = udp_world.Upstream(TARGET)
    first = ()
    if how == "tls":
        far = Gostbpf("-L", f"socks5+tls://:8443?{tls_peer.pair('good')}&udp=true")
        hop = f"socks5+tls://localhost:8443?{tls_peer.authority()}"
    else:
        auth = "user:pass@" if how == "password" else ""
        far, hop = socks("udp=true", auth), f"socks5://{auth}127.0.0.1:{SERVER}"
    if how == "socks5 behind http":
        Gostbpf("-L", "http://127.0.0.1:7001")
        first = ("http://127.0.0.1:7001",)
    if how == "relay behind socks5":  # the server asks a socks5 hop of its own: frames of one kind become those of the other
        Gostbpf("-L", "relay://127.0.0.1:7001", "-F", hop)
        hop = "relay://127.0.0.1:7001"
    near = client(hop, query=LASTING, first=first)
    socks_ = [udp_socket() for _ in range(5)]
    for size in SIZES[:5]:
        for sock in socks_:
            data = os.urandom(size)
            check(ask(sock, data, AT)[0] == data, f"{size} bytes")
    same(len({sender for _, sender in up.seen}), 5, "source ports at the target: one for each client")
    same(near.stop(), 0, "exit status")
    same(totals(far, 5)[:5], [[5, 5, 0]] * 5, "totals at the far end")


# --- a socks5 service with a chain of its own ---
class Association:
    """UDP ASSOCIATE as a client of RFC 1928 does it."""

    def __init__(self, port=SERVER):
        self.control, self.code, self.at = socks_world.open5(port, "0.0.0.0", 0, command=socks_world.UDP)
        self.sock = udp_socket()

    def say(self, data, host, port):
        self.sock.sendto(b"\0\0\0" + socks_world.address(host, port) + data, self.at)

    def heard(self):
        data = self.sock.recv(65535)
        same(data[:4], b"\0\0\0\x01", "header of an answer")
        return data[10:], socket.inet_ntoa(data[4:8]), int.from_bytes(data[8:10], "big")


class ByTun:
    """The same by UDP-TUN."""

    def __init__(self, port=SERVER):
        self.control, self.code, self.at = socks_world.open5(port, "0.0.0.0", 0, command=UDP_TUN)

    def say(self, data, host, port):
        self.control.sendall(addressed(data, host, port))

    def heard(self):
        return read_addressed(self.control)


@case(each=("ASSOCIATE, relay", "ASSOCIATE, socks5", "UDP-TUN, relay", "UDP-TUN, socks5", "UDP-TUN, relay+tls"))
def clients_go_through_the_chain(how):
    """Two targets, one by name (the far end's business), through both kinds of last hop."""
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost target.test\n")
    first, second = udp_world.Upstream(TARGET), udp_world.Upstream(TARGET + 1)
    if how.endswith("tls"):
        far, hop = Gostbpf("-L", f"relay+tls://:8443?{tls_peer.pair('good')}&bind=true"), f"relay+tls://localhost:8443?{tls_peer.authority()}"
    else:
        scheme = how.split()[-1]
        key = "udp" if scheme == "socks5" else "bind"
        far, hop = Gostbpf("-L", f"{scheme}://127.0.0.1:7001?{key}=true"), f"{scheme}://127.0.0.1:7001"
    near = socks("udp=true", "", "-F", hop)
    client_ = (Association if how.startswith("ASSOCIATE") else ByTun)()
    same(client_.code, 0, "reply")
    for size in (1, 500, 1472, 9000, 40000):
        for host, port in (("127.0.0.1", TARGET), ("target.test", TARGET + 1)):
            data = os.urandom(size)
            client_.say(data, host, port)
            check(client_.heard() == (data, "127.0.0.1", port), f"{size} bytes to {host}")
    same(len({sender for up in (first, second) for _, sender in up.seen}), 1, "source ports at the targets")
    client_.control.close()
    same((totals(near), totals(far)), ([[10, 10, 0]], [[10, 10, 0]]), "totals at both ends")


@case
def relay_is_asked_as_gost_does():
    node = lib.Upstream(7001)
    socks("udp=true", "", "-F", "relay://user:pass@127.0.0.1:7001")
    client_ = connect(SERVER)
    client_.sendall(b"\x05\x01\x00\x05\xf3\x00" + socks_world.address("0.0.0.0", 0) + addressed(b"early", "a.example", 53))
    peer = node.accept()
    want = dgram.bind_request("", 0, ("user", "pass"))
    same(lib.recv_exact(peer, len(want)), want, "the request")
    same(lib.recv_exact(client_, 2), b"\x05\x00", "method")
    client_.settimeout(0.3)
    try:
        raise AssertionError(f"a reply before there is a way: {client_.recv(100)!r}")
    except TimeoutError:
        client_.settimeout(lib.PATIENCE * lib.SLOW)
    peer.sendall(relay.message(0, relay.addr("::", 4711)) + addressed(b"glued", "192.0.2.1", 7))
    same(socks_world.read_reply5(client_)[0], 0, "reply")
    same(read_addressed(client_), (b"glued", "192.0.2.1", 7), "what came with the answer")
    same(read_addressed(peer), (b"early", "a.example", 53), "what the client sent before")
    peer.close()
    check(ending(client_) in ("eof", "reset"), "the end")


@case
def a_chain_that_cannot_is_a_refusal():
    for hop, text in (("http://127.0.0.1:1", "the chain's last hop carries no datagrams"), ("relay://127.0.0.1:1", "connection refused"),
                      ("relay://127.0.0.1:1?bypass=10.0.0.0/8", "the chain has a bypass")):
        gost = socks("udp=true&bind=true", "", "-F", hop)
        for make in (Association, ByTun):
            client_ = make()
            same(client_.code, 1, f"code with {hop}")
            client_.control.close()
        sock, code, _ = tun("0.0.0.0", PUBLIC)
        same(code, 2, "a port")
        sock.close()
        check(all(text in r["msg"] for r in gost.reasons("udp-failed", 2) if r["msg"].startswith("SOCKS5:")), "the reason is told")
        same(gost.stop(), 0, "exit status")


@case
def a_client_that_leaves_while_the_chain_is_asked():
    node = lib.Upstream(7001)
    gost = socks("udp=true", "", "-F", "relay://127.0.0.1:7001")
    for command in (socks_world.UDP, UDP_TUN):
        sock = connect(SERVER)
        sock.sendall(b"\x05\x01\x00" + socks_world.request5("0.0.0.0", 0, command))
        peer = node.accept()
        lib.recv_exact(peer, len(dgram.bind_request("", 0)))
        sock.close()
        if command == UDP_TUN:  # noticed when there is a way
            peer.sendall(relay.message(0, relay.addr("::", 4711)))
        check(ending(peer) in ("eof", "reset"), "the hop's connection ends")
    gost.closed(2)


@case
def a_chain_that_breaks_ends_the_association():
    for make in (Association, ByTun):
        far = Gostbpf("-L", "relay://127.0.0.1:7001?bind=true")
        gost = socks("udp=true", "", "-F", "relay://127.0.0.1:7001")
        client_ = make()
        same(client_.code, 0, "reply")
        same(far.stop(signal.SIGTERM), 0, "exit status")
        check(ending(client_.control) in ("eof", "reset"), "the client's connection")
        check(gost.closed()[0]["reason"] in ("reset-by-upstream", "upstream-eof"), "reason")
        same(gost.stop(), 0, "exit status")


if __name__ == "__main__":
    lib.main("udp_tun")
