#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SOCKS5 beyond CONNECT: UDP ASSOCIATE (udp=true) and BIND (bind=true)."""
import os
import random
import socket
import time

import lib
import sandbox
from lib import Gostbpf, Upstream, case, check, recv_exact, recv_to_end, same
from socks_world import BIND, UDP, address, connect5, open5, read_reply5
from udp_world import Upstream as UdpUpstream
from udp_world import totals, udp_socket

SERVICE = ("-L", "socks5://127.0.0.1:1080?udp=true&bind=true")


class Association:
    """UDP through the service, as a client of RFC 1928 section 7 does it."""

    def __init__(self, port=1080, via="127.0.0.1", source=None, auth=None):
        self.control, code, self.relay = open5(port, "0.0.0.0", 0, auth, command=UDP, via=via)
        same(code, 0, "reply code")
        self.sock = source or udp_socket(via)

    def send(self, data, host, port, fragment=0):
        self.sock.sendto(bytes([0, 0, fragment]) + address(host, port) + data, self.relay)

    def receive(self):
        """(payload, host, port)"""
        data, sender = self.sock.recvfrom(65535)
        same(sender[:2], self.relay, "sender of an answer")
        same(data[:3], b"\0\0\0", "reserved bytes and fragment")
        length = {1: 4, 4: 16}[data[3]]
        ip = socket.inet_ntop(socket.AF_INET if length == 4 else socket.AF_INET6, data[4:4 + length])
        return data[6 + length:], ip, int.from_bytes(data[4 + length:6 + length], "big")

    def nothing(self, seconds=0.4):
        self.sock.settimeout(seconds)
        try:
            raise AssertionError(f"an answer: {self.sock.recvfrom(65535)}")
        except TimeoutError:
            self.sock.settimeout(lib.PATIENCE * lib.SLOW)


# --- UDP ASSOCIATE ---
@case
def off_unless_asked_for():
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080")
    for command in (UDP, BIND):
        sock, code, bound = open5(1080, "0.0.0.0", 0, command=command)
        same((code, bound), (2, ("0.0.0.0", 0)), "reply")
        same(lib.ending(sock), "eof", "end")
    gost.reasons("command-disabled", 2)


@case
def datagrams_both_ways():
    """Both families through one association, every length that fits, contents compared."""
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost target.test\n::1 localhost target6.test\n")
    UdpUpstream(5300), UdpUpstream(5301, "::1")
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?udp=true&udpBufferSize=4096")  # which is no limit here
    a = Association()
    same(a.relay[0], "127.0.0.1", "address of the relay")
    rnd = random.Random(1)
    sent = 0
    for host, port, ip in (("127.0.0.1", 5300, "127.0.0.1"), ("::1", 5301, "::1"), ("target.test", 5300, "127.0.0.1"),
                           ("target6.test", 5301, "::1")):
        for length in (0, 1, 512, 1472, 9000, 40000, 65000):
            data = rnd.randbytes(length)
            a.send(data, host, port)
            same(a.receive(), (data, ip, port), f"{length} bytes to {host}")
            sent += 1
    a.control.close()
    same(totals(gost), [[sent, sent, 0]], "totals")
    gost.closed()


@case
def many_targets_one_socket():
    targets = [UdpUpstream(6000 + i) for i in range(20)]
    gost = Gostbpf(*SERVICE)
    before = gost.sockets()
    a = Association()
    for i in range(200):
        a.send(b"%d" % i, "127.0.0.1", 6000 + i % 20)
        same(a.receive(), (b"%d" % i, "127.0.0.1", 6000 + i % 20), "answer")
    same(gost.sockets() - before, 3, "sockets of an association: control, inside, outside")
    same(len({sender for t in targets for _, sender in t.seen}), 1, "source ports that targets see")


@case
def only_the_client():
    """Another address, and another port of the client once it is known, are not relayed."""
    sandbox.sh("ip addr replace 127.0.0.9/8 dev lo")
    up = UdpUpstream(5300)
    gost = Gostbpf(*SERVICE)
    a = Association()
    stranger, second = udp_socket("127.0.0.9"), udp_socket()
    packet = b"\0\0\0" + address("127.0.0.1", 5300)
    stranger.sendto(packet + b"stranger", a.relay)
    a.send(b"client", "127.0.0.1", 5300)
    same(a.receive(), (b"client", "127.0.0.1", 5300), "answer")
    second.sendto(packet + b"second", a.relay)
    stranger.sendto(packet + b"stranger", a.relay)
    a.send(b"client", "127.0.0.1", 5300)
    same(a.receive(), (b"client", "127.0.0.1", 5300), "answer")
    same([d for d, _ in up.seen], [b"client"] * 2, "what the target saw")
    a.control.close()
    same(totals(gost), [[2, 2, 3]], "totals")


@case
def what_is_not_relayed():
    up = UdpUpstream(5300)
    gost = Gostbpf("-workers", "1", *SERVICE)
    a = Association()
    a.send(b"fragment", "127.0.0.1", 5300, fragment=1)
    a.send(b"fragment", "127.0.0.1", 5300, fragment=0x81)
    good = b"\0\0\0" + address("127.0.0.1", 5300)
    for cut in range(len(good)):
        a.sock.sendto(good[:cut], a.relay)
    a.sock.sendto(b"\0\0\0\x02" + good[4:], a.relay)
    a.sock.sendto(b"\0\0\0\x03\x03a\0b" + good[-2:], a.relay)
    a.sock.sendto(b"\0\0\0\x03\x00" + good[-2:], a.relay)
    a.send(b"nobody", "nobody.invalid", 5300)
    a.send(b"real", "127.0.0.1", 5300)
    same(a.receive(), (b"real", "127.0.0.1", 5300), "answer")
    same([d for d, _ in up.seen], [b"real"], "what the target saw")
    check(open5(1080, "nobody.invalid", 5300)[1], "who asks for that name next waits for the same lookup, which is over now")
    a.control.close()
    same(totals(gost), [[1, 1, 2 + len(good) + 3 + 1]], "totals")


@case
def bypass_and_hosts():
    """The service's lists hold for datagrams as for connections."""
    allowed, other = UdpUpstream(5300), UdpUpstream(5301)
    lists = "bypass=127.0.0.1:5301,evil.test&hosts=good.test:127.0.0.1,evil.test:127.0.0.1"
    if "not supported yet" in lib.run(lib.GOSTBPF, "check", "-L", f"socks5://127.0.0.1:1080?{lists}")[2]:
        lib.skip("the configuration does not take bypass lists yet")
    gost = Gostbpf("-L", f"socks5://127.0.0.1:1080?udp=true&{lists}")
    sock, code, _ = open5(1080, "127.0.0.1", 5301)
    same(code, 2, "reply to CONNECT")
    a = Association()
    a.send(b"no", "127.0.0.1", 5301)
    a.send(b"no", "evil.test", 5300)
    a.send(b"yes", "good.test", 5300)
    same(a.receive(), (b"yes", "127.0.0.1", 5300), "answer")
    same(([d for d, _ in allowed.seen], other.seen), ([b"yes"], []), "what the targets saw")
    a.control.close()
    same(totals(gost), [[1, 1, 2]], "totals")


@case
def a_target_that_is_not_there():
    """An ICMP error for one target does not end the others' traffic."""
    UdpUpstream(5300)
    Gostbpf(*SERVICE)
    a = Association()
    for _ in range(5):
        a.send(b"nobody", "127.0.0.1", 5999)
        a.send(b"real", "127.0.0.1", 5300)
        same(a.receive(), (b"real", "127.0.0.1", 5300), "answer")
    a.nothing()


@case
def ends_with_the_connection():
    UdpUpstream(5300)
    gost = Gostbpf(*SERVICE)
    for end in ("close", "shutdown", "reset"):
        a = Association()
        a.send(b"x", "127.0.0.1", 5300)
        a.receive()
        if end == "close":
            a.control.close()
        elif end == "shutdown":
            a.control.shutdown(socket.SHUT_WR)
        else:
            lib.reset(a.control)
        gost.no_leak()
        a.send(b"late", "127.0.0.1", 5300)
        a.nothing()
    same([r["reason"] for r in gost.closed(3)], ["client-eof", "client-eof", "reset-by-client"], "reasons")


@case
def ends_when_idle():
    UdpUpstream(5300)
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?udp=true&idleTimeout=2s")
    a = Association()
    for _ in range(5):  # 2.5 s of traffic keep it
        a.send(b"x", "127.0.0.1", 5300)
        a.receive()
        time.sleep(0.5)
    same(lib.ending(a.control), "reset", "end of the control connection")
    same(gost.closed()[0]["reason"], "idle", "reason")


@case
def client_behind_a_balancer():
    """A believed PROXY header says whose datagrams are meant: not the balancer's."""
    sandbox.sh("ip addr replace 127.0.0.9/8 dev lo")
    up = UdpUpstream(5300)
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?udp=true&proxyProtocol=1&proxyProtocol.policy=require")
    control = lib.connect(1080)
    control.sendall(lib.v1("127.0.0.9", 4242, "127.0.0.1", 1080) + b"\x05\x01\x00\x05\x03\x00" + address("0.0.0.0", 0))
    same(recv_exact(control, 2), b"\x05\x00", "method")
    code, relay = read_reply5(control)
    same(code, 0, "reply code")
    packet = b"\0\0\0" + address("127.0.0.1", 5300)
    balancer, client = udp_socket(), udp_socket("127.0.0.9")
    balancer.sendto(packet + b"balancer", relay)
    client.sendto(packet + b"client", relay)
    same(client.recvfrom(100)[0], packet + b"client", "answer")
    same([d for d, _ in up.seen], [b"client"], "what the target saw")
    control.close()
    same(totals(gost), [[1, 1, 1]], "totals")


@case
def over_ipv6():
    UdpUpstream(5300), UdpUpstream(5301, "::1")
    Gostbpf("-L", "socks5://[::1]:1080?udp=true")
    a = Association(via="::1")
    same(a.relay[0], "::1", "address of the relay")
    for host, port in (("::1", 5301), ("127.0.0.1", 5300)):
        a.send(b"hello", host, port)
        same(a.receive(), (b"hello", host, port), "answer")


@case
def behind_auto_and_a_wildcard():
    UdpUpstream(5300)
    Gostbpf("-L", ":8080?udp=true")
    for via in ("127.0.0.1", "::1"):
        a = Association(8080, via)
        same(a.relay[0], via, "address of the relay")
        a.send(b"hello", "127.0.0.1", 5300)
        same(a.receive(), (b"hello", "127.0.0.1", 5300), "answer")


@case
def unread_answers_cost_nothing():
    """A client that never reads: answers are dropped in its socket, nothing piles up here."""
    up = UdpUpstream(5300)
    gost = Gostbpf(*SERVICE)
    a = Association()
    for _ in range(3000):
        a.send(os.urandom(1200), "127.0.0.1", 5300)
    lib.until(lambda: len(up.seen) > 100, "datagrams at the target")
    b = Association()
    b.send(b"hello", "127.0.0.1", 5300)
    same(b.receive(), (b"hello", "127.0.0.1", 5300), "answer to another client")
    gost.proc.send_signal(0)


# --- BIND ---
@case(engines=lib.ENGINES)
def bind_and_one_peer(engine):
    """Two replies, then a session like any other: both ways, half-close, contents."""
    gost = Gostbpf("-engine", engine, *SERVICE)
    client, code, bound = open5(1080, "0.0.0.0", 0, command=BIND)
    same((code, bound[0]), (0, "127.0.0.1"), "first reply")
    client.settimeout(0.3)
    try:
        raise AssertionError(f"a second reply before there is a peer: {client.recv(100)!r}")
    except TimeoutError:
        client.settimeout(lib.PATIENCE * lib.SLOW)
    peer = lib.connect(bound[1])
    peer.sendall(b"hello from the peer")
    same(read_reply5(client), (0, peer.getsockname()), "second reply")
    same(recv_exact(client, 19), b"hello from the peer", "to the client")
    payload = os.urandom(4 << 20)
    client.sendall(b"hello")
    same(recv_exact(peer, 5), b"hello", "to the peer")
    peer.sendall(b"x")
    peer.shutdown(socket.SHUT_WR)
    same(recv_to_end(client), b"x", "to the client")
    sender = __import__("threading").Thread(target=lambda: (client.sendall(payload), client.shutdown(socket.SHUT_WR)))
    sender.start()
    same(recv_to_end(peer) == payload, True, "4 MiB after the peer's end")
    sender.join()
    record = gost.closed()[0]
    same((record["reason"], record["dst"]), ("upstream-eof", "%s:%d" % peer.getsockname()), "closing record")
    lines = [r["msg"] for r in gost.log()]
    check(f"bind on 127.0.0.1:{bound[1]}/tcp OK" in lines, "a record of the port")
    same({r["cmd"] for r in gost.log() if r["msg"] in lines[2:]}, {"bind"}, "cmd in the records")


@case
def bind_lets_one_in():
    gost = Gostbpf(*SERVICE)
    client, code, bound = open5(1080, "0.0.0.0", 0, command=BIND)
    same(code, 0, "first reply")
    peer = lib.connect(bound[1])
    same(read_reply5(client), (0, peer.getsockname()), "second reply")
    try:
        lib.connect(bound[1])
        raise AssertionError("a second peer was let in")
    except ConnectionRefusedError:
        pass
    lib.reset(peer)
    same(lib.ending(client), "reset", "the peer's reset is the client's")
    gost.closed()


@case
def bind_at_a_port():
    """What GOST's clients mean: the port to listen on; and it is free again afterwards."""
    gost = Gostbpf(*SERVICE)
    for host, where in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("", "::1"), ("::1", "::1")):
        client = lib.connect(1080)
        client.sendall(b"\x05\x01\x00\x05\x02\x00" + (address(host, 9000) if host else b"\x03\x00\x23\x28"))
        same(recv_exact(client, 2), b"\x05\x00", "method")
        code, bound = read_reply5(client)
        same((code, bound[1]), (0, 9000), f"first reply for {host!r}")
        other, code, _ = open5(1080, "127.0.0.1" if where == "127.0.0.1" else where, 9000, command=BIND)
        same(code, 1, "the port is taken")
        other.close()
        peer = lib.connect(9000, where)
        same(read_reply5(client)[0], 0, "second reply")
        peer.close()
        client.close()
        gost.no_leak()


@case
def bind_for_a_peer():
    """What RFC 1928 means: an address that is not ours names the peer that is expected."""
    sandbox.three_hosts()
    Gostbpf("-L", "socks5://198.18.1.1:1080?bind=true", ports=[1080])
    client = lib.connect(1080, "198.18.1.1")
    client.sendall(b"\x05\x01\x00\x05\x02\x00" + address("198.18.2.2", 20))
    same(recv_exact(client, 2), b"\x05\x00", "method")
    code, bound = read_reply5(client)
    same((code, bound[0]), (0, "198.18.1.1"), "first reply")
    wrong = lib.connect(bound[1], "198.18.1.1")
    check(lib.ending(wrong) in ("eof", "reset"), "somebody else is not let in")
    peer = lib.spawn("socat", "-u", f"TCP:198.18.1.1:{bound[1]}", "OPEN:/dev/null", netns="server")
    code, (host, _) = read_reply5(client)
    same((code, host), (0, "198.18.2.2"), "second reply")
    client.sendall(b"done")
    client.close()
    peer.wait(lib.PATIENCE * lib.SLOW)


@case
def bind_ends_with_the_client():
    gost = Gostbpf(*SERVICE)
    for end in ("close", "reset"):
        client, code, bound = open5(1080, "0.0.0.0", 0, command=BIND)
        same(code, 0, "first reply")
        client.close() if end == "close" else lib.reset(client)
        gost.no_leak()
        try:
            lib.connect(bound[1])
            raise AssertionError("the port is still open")
        except ConnectionRefusedError:
            pass
    gost.closed(2)


@case
def bind_that_cannot_be():
    gost = Gostbpf(*SERVICE)
    for host in ("name.invalid", "127.0.0.1"):
        sock, code, _ = open5(1080, host, 1080, command=BIND)
        same(code, 1, f"reply for {host}")
        same(lib.ending(sock), "eof", "end")
    gost.reasons("bind-failed", 2)


@case
def a_client_that_runs_ahead():
    """What the client sends before there is a peer reaches the peer."""
    Gostbpf(*SERVICE)
    client = lib.connect(1080)
    client.sendall(b"\x05\x01\x00\x05\x02\x00" + address("0.0.0.0", 0) + b"early")
    same(recv_exact(client, 2), b"\x05\x00", "method")
    code, bound = read_reply5(client)
    same(code, 0, "first reply")
    client.sendall(b" and late")
    peer = lib.connect(bound[1])
    same(recv_exact(peer, 14), b"early and late", "to the peer")
    same(read_reply5(client)[0], 0, "second reply")


@case
def shutdown_ends_them():
    """SIGTERM does not wait for associations and open ports longer than it was told to."""
    gost = Gostbpf("-drain", "1s", *SERVICE)
    a = Association()
    client, _, _ = open5(1080, "0.0.0.0", 0, command=BIND)
    through = connect5(1080, "127.0.0.1", lib.Server(8000, lib.echo).up.sock.getsockname()[1])
    same(gost.stop(), 0, "exit status")
    for sock in (a.control, client, through):
        same(lib.ending(sock), "reset", "end")
    check(Upstream(1080).nobody(0.1), "the port is free")


if __name__ == "__main__":
    lib.main("socks_udp")
