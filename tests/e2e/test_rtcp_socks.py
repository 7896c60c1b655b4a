#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reverse tunnels through SOCKS5 (GOST's MUX-BIND): each end alone beside a peer in Python. Both together: test_rtcp.py.

The peer is written from the wire format: command 0xF2, a reply, then smux, each stream beginning with a reply that says who came.
"""
import socket
import struct

import lib
import relay_peer as relay
import socks_world as socks
import tls_peer
from lib import Gostbpf, Upstream, case, check, connect, ending, recv_exact, recv_to_end, reset, same

SERVER, PUBLIC, TARGET = 1080, 8080, 8000
MUX_BIND = 0xF2
ANY = b"\x03\x00" + struct.pack(">H", PUBLIC)  # how GOST's client writes ":8080"


def read_reply(read):
    version, code, zero, kind = read(4)
    same((version, zero), (5, 0), "version and reserved byte of a reply")
    host = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, read(4 if kind == 1 else 16))
    return code, (host, struct.unpack(">H", read(2))[0])


class Tunnel(relay.MuxPeer):
    """The rtcp side by hand."""

    def __init__(self, where=ANY, auth=None, sock=None):
        self.sock = sock or connect(SERVER)
        socks.greet5(self.sock, auth)
        self.sock.sendall(bytes([5, MUX_BIND, 0]) + where)
        self.code, self.bound = read_reply(lambda n: recv_exact(self.sock, n))

    def read_visitor(self, read):
        return read_reply(read)


def serve(query="", user=""):
    return Gostbpf("-L", f"socks5://{user}127.0.0.1:{SERVER}?bind=true{query}")


# --- the server beside a peer ---
@case
def server_speaks_as_gost_does():
    gost = serve()
    tunnel = Tunnel()
    same((tunnel.code, tunnel.bound), (0, ("127.0.0.1", PUBLIC)), "the reply: where the client reached us, and the port")
    first, second = connect(PUBLIC), connect(PUBLIC)
    same(tunnel.opened(), (3, first.getsockname()), "the first visitor")
    same(tunnel.opened(), (5, second.getsockname()), "the second visitor")
    first.sendall(b"hello")
    same(tunnel.frame(), (relay.PSH, 3, b"hello"), "payload of the first")
    tunnel.send(relay.PSH, 5, b"welcome")
    same(recv_exact(second, 7), b"welcome", "payload for the second")
    first.shutdown(socket.SHUT_WR)
    same(tunnel.frame(), (relay.FIN, 3, b""), "half-close")
    tunnel.send(relay.PSH, 3, b"bye")
    tunnel.send(relay.FIN, 3)
    same(recv_to_end(first), b"bye", "what came after the half-close")
    reset(second)
    same([tunnel.frame(), tunnel.frame()], [(relay.PSH, 5, b""), (relay.FIN, 5, b"")], "a reset: the mark, then FIN")
    gost.wait_log(lambda r: r.get("msg") == f"bind on [::]:{PUBLIC}/tcp OK", "the record of the bind")
    same(gost.closed(2)[0]["service"], f"service-0-ep-[::]:{PUBLIC}", "service of a visitor")


@case
def without_addresses_for_gost_2():
    serve("&comp=true")
    tunnel = Tunnel()
    visitor = connect(PUBLIC)
    same(tunnel.frame(), (relay.SYN, 3, b""), "a stream is opened")
    visitor.sendall(b"hello")
    same(tunnel.frame(), (relay.PSH, 3, b"hello"), "and begins with payload")
    tunnel.send(relay.PSH, 3, b"welcome")
    same(recv_exact(visitor, 7), b"welcome", "the answer")
    reset(visitor)


@case
def numeric_addresses():
    serve()
    tunnel = Tunnel(socks.address("127.0.0.1", PUBLIC))
    same((tunnel.code, tunnel.bound), (0, ("127.0.0.1", PUBLIC)), "one address")
    visitor = connect(PUBLIC)
    same(tunnel.opened(), (3, visitor.getsockname()), "its visitor")
    six = Tunnel(socks.address("::1", PUBLIC))
    same((six.code, six.bound), (0, ("::1", PUBLIC)), "the same port of IPv6")
    same(Tunnel(socks.address("a.name", PUBLIC)).code, 1, "a name")
    same(Tunnel(socks.address("192.0.2.1", PUBLIC)).code, 1, "an address that is not ours")


@case
def port_is_free_when_the_tunnel_ends():
    serve()
    tunnel = Tunnel()
    visitor = connect(PUBLIC)
    tunnel.opened()
    second = Tunnel()
    same((second.code, recv_to_end(second.sock)), (1, b""), "the same port again")
    tunnel.sock.close()
    same(ending(visitor), "reset", "what the visitor sees")
    lib.until(lambda: not lib.listening(PUBLIC), "the port is free")
    same(Tunnel().code, 0, "and may be had again")


@case
def who_may():
    Gostbpf("-L", f"socks5://127.0.0.1:{SERVER}")
    same(Tunnel().code, 2, "without bind=true")
    check(not lib.listening(PUBLIC), "nothing was opened")


@case
def password_and_auto():
    """Bare -L is auto, which hands SOCKS5 on: the tunnel is the same."""
    Gostbpf("-L", f"user:pass@127.0.0.1:{SERVER}?bind=true")
    sock = connect(SERVER)
    sock.sendall(socks.PASSWORD + socks.login("user", "wrong"))
    same(recv_to_end(sock), b"\x05\x02\x01\x01", "a wrong password")
    tunnel = Tunnel(auth=("user", "pass"))
    same(tunnel.code, 0, "the right one")
    visitor = connect(PUBLIC)
    same(tunnel.opened(), (3, visitor.getsockname()), "a visitor")


@case
def everything_at_once_byte_by_byte():
    """Greeting, request and the first frames in pieces, without waiting for answers: a NOP behind the request is smux's already."""
    serve()
    sock = connect(SERVER)
    for byte in socks.NONE + bytes([5, MUX_BIND, 0]) + ANY + relay.frame(relay.NOP, 0):
        sock.sendall(bytes([byte]))
    same(recv_exact(sock, 2), b"\x05\x00", "the method")
    same(read_reply(lambda n: recv_exact(sock, n))[0], 0, "the reply")
    tunnel = Tunnel.__new__(Tunnel)
    tunnel.sock = sock
    visitor = connect(PUBLIC)
    same(tunnel.opened(), (3, visitor.getsockname()), "a visitor")


@case
def visitor_behind_a_proxy():
    serve("&proxyProtocol=1")
    tunnel = Tunnel()
    visitor = connect(PUBLIC)
    visitor.sendall(lib.v1("203.0.113.9", 4711, "192.0.2.1", 443) + b"hello")
    same(tunnel.opened(), (3, ("203.0.113.9", 4711)), "who the stream says is there")
    same(tunnel.frame(), (relay.PSH, 3, b"hello"), "payload")


@case
def nonsense_in_the_tunnel_ends_it():
    serve()
    tunnel = Tunnel()
    visitor = connect(PUBLIC)
    tunnel.opened()
    tunnel.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    same(ending(visitor), "reset", "what the visitor sees")
    same(ending(tunnel.sock), "reset", "what the client sees")


# --- the client beside a peer ---
def rtcp(user="", scheme="socks5"):
    return Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?handler.proxyProtocol=1", "-F", f"{scheme}://{user}127.0.0.1:{SERVER}")


class FarEnd(relay.MuxPeer):
    """The SOCKS5 server by hand: answers MUX-BIND and opens streams."""

    def __init__(self, node, reply=b"\x05\x00\x00" + socks.address("198.51.100.1", PUBLIC), auth=None):
        self.sock = node.accept()
        same(recv_exact(self.sock, 4 if auth else 3), b"\x05\x02\x00\x02" if auth else b"\x05\x01\x00", "methods")
        self.sock.sendall(b"\x05\x02" if auth else b"\x05\x00")
        if auth:
            same(recv_exact(self.sock, len(socks.login(*auth))), socks.login(*auth), "user and password")
            self.sock.sendall(b"\x01\x00")
        same(recv_exact(self.sock, 7), bytes([5, MUX_BIND, 0]) + ANY, "the request, as GOST writes it")
        self.sock.sendall(reply)

    def open(self, stream, visitor=("203.0.113.9", 4711), pieces=False):
        data = relay.frame(relay.SYN, stream) + relay.frame(relay.PSH, stream, b"\x05\x00\x00" + socks.address(*visitor))
        for part in [data[i:i + 1] for i in range(len(data))] if pieces else [data]:
            self.sock.sendall(part)


@case
def client_speaks_as_gost_does():
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = rtcp("user:pass@", "socks")
    far = FarEnd(node, auth=("user", "pass"))
    for stream, pieces in ((3, False), (5, True)):
        far.open(stream, pieces=pieces)
        far.send(relay.PSH, stream, b"hello")
        local = target.accept()
        want = lib.v1("203.0.113.9", 4711, "198.51.100.1", PUBLIC) + b"hello"
        same(recv_exact(local, len(want)), want, "header and payload at the target")
        local.sendall(b"welcome")
        same(far.frame(), (relay.PSH, stream, b"welcome"), "the answer")
        far.send(relay.FIN, stream)
        same(local.recv(1), b"", "half-close")
        local.sendall(b"bye")
        same(far.frame(), (relay.PSH, stream, b"bye"), "after the half-close")
        local.close()
        same(far.frame(), (relay.FIN, stream, b""), "the end")
    record = gost.closed(2)[0]
    same((record["client"], record["reason"]), ("203.0.113.9:4711", "client-eof"), "the record")


@case
def reply_and_first_stream_in_one_segment():
    node, target = Upstream(SERVER), Upstream(TARGET)
    rtcp()
    stream = relay.frame(relay.SYN, 3) + relay.frame(relay.PSH, 3, b"\x05\x00\x00" + socks.address("2001:db8::9", 4711) + b"hello")
    FarEnd(node, b"\x05\x00\x00" + socks.address("2001:db8::1", PUBLIC) + stream)
    local = target.accept()
    want = lib.v1("2001:db8::9", 4711, "2001:db8::1", PUBLIC) + b"hello"
    same(recv_exact(local, len(want)), want, "header and payload at the target")
    reset(local)


@case
def truncation_is_a_reset():
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = rtcp()
    far = FarEnd(node)
    far.open(3)
    far.send(relay.PSH, 3, b"3")
    local = target.accept()
    lib.recv_header(local)
    recv_exact(local, 1)
    far.sock.close()
    same(ending(local), "reset", "a stream whose tunnel died")
    gost.wait_log(lambda r: "retrying in 1s" in r.get("msg", ""), "the record of the retry")
    far = FarEnd(node)
    far.open(3)
    local = target.accept()
    lib.recv_header(local)
    reset(local)
    same([far.frame(), far.frame()], [(relay.PSH, 3, b""), (relay.FIN, 3, b"")], "the target's reset")


@case
def first_message_is_checked():
    node, target = Upstream(SERVER), Upstream(TARGET)
    rtcp()
    far = FarEnd(node)
    for stream, data in ((3, b"\x05\x01\x00" + socks.address("1.2.3.4", 5)), (5, b"\x05\x00\x00" + socks.address("a.name", 5)),
                         (7, b"GET / HTTP/1.1"), (9, relay.message(0, relay.addr("1.2.3.4", 5)))):
        far.sock.sendall(relay.frame(relay.SYN, stream) + relay.frame(relay.PSH, stream, data))
        same([far.frame(), far.frame()], [(relay.PSH, stream, b""), (relay.FIN, stream, b"")], f"the answer to {data!r}")
    check(target.nobody(), "nobody is connected to the target")


@case
def refused_bind_is_tried_again():
    node = Upstream(SERVER)
    gost = rtcp()
    FarEnd(node, b"\x05\x02\x00" + socks.address("0.0.0.0", 0))
    gost.wait_log(lambda r: "not allowed (2)" in r.get("msg", "") and r["level"].startswith("warn"), "the reason")
    FarEnd(node)


@case
def through_tls():
    """socks5+tls at both ends: the tunnel is inside TLS."""
    target = Upstream(TARGET)
    cert = tls_peer.pair("good")
    server = Gostbpf("-L", f"socks5+tls://127.0.0.1:{SERVER}?bind=true&{cert}")
    client = Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?handler.proxyProtocol=1", "-F",
                     f"socks5+tls://localhost:{SERVER}?{tls_peer.authority()}")
    lib.wait_listening(PUBLIC)
    for gost in (server, client):
        gost.sockets_at_start = gost.sockets()
    visitor = connect(PUBLIC)
    visitor.sendall(b"x" * 300000)
    local = target.accept()
    same(lib.recv_header(local)[0]["sport"], visitor.getsockname()[1], "the visitor at the target")
    same(recv_exact(local, 300000), b"x" * 300000, "payload")
    reset(visitor)
    same(ending(local), "reset", "the visitor's reset")


if __name__ == "__main__":
    lib.main("rtcp_socks")
