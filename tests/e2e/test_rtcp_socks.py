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
import tunnel_world
from lib import Gostbpf, Upstream, case, check, connect, ending, recv_exact, recv_to_end, reset, same
from tunnel_world import NAMED, PUBLIC, TARGET

SERVER = 1080
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
    tunnel_world.two_visitors(gost, tunnel)


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
    tunnel_world.the_port_is_free_when_it_ends(Tunnel, 1)


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
    tunnel_world.a_visitor_behind_a_proxy(Tunnel())


@case
def nonsense_in_the_tunnel_ends_it():
    serve()
    tunnel_world.nonsense_ends_it(Tunnel())


# --- the client beside a peer ---
def rtcp(user="", scheme="socks5"):
    return Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?handler.proxyProtocol=1", "-F", f"{scheme}://{user}127.0.0.1:{SERVER}")


class FarEnd(tunnel_world.FarEnd):
    """The SOCKS5 server by hand: answers MUX-BIND and opens streams."""

    def __init__(self, node, reply=b"\x05\x00\x00" + socks.address(*NAMED), auth=None):
        self.sock = node.accept()
        same(recv_exact(self.sock, 4 if auth else 3), b"\x05\x02\x00\x02" if auth else b"\x05\x01\x00", "methods")
        self.sock.sendall(b"\x05\x02" if auth else b"\x05\x00")
        if auth:
            same(recv_exact(self.sock, len(socks.login(*auth))), socks.login(*auth), "user and password")
            self.sock.sendall(b"\x01\x00")
        same(recv_exact(self.sock, 7), bytes([5, MUX_BIND, 0]) + ANY, "the request, as GOST writes it")
        self.sock.sendall(reply)

    def preface(self, visitor):
        return b"\x05\x00\x00" + socks.address(*visitor)


@case
def client_speaks_as_gost_does():
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = rtcp("user:pass@", "socks")
    tunnel_world.two_streams(gost, FarEnd(node, auth=("user", "pass")), target)


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
    tunnel_world.a_new_tunnel_after_the_end(gost, lambda: FarEnd(node), target)


@case
def first_message_is_checked():
    node, target = Upstream(SERVER), Upstream(TARGET)
    rtcp()
    tunnel_world.first_messages_are_checked(FarEnd(node), target, (
        b"\x05\x01\x00" + socks.address("1.2.3.4", 5), b"\x05\x00\x00" + socks.address("a.name", 5), b"GET / HTTP/1.1",
        relay.message(0, relay.addr("1.2.3.4", 5))))


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
    tunnel_world.settled(server, client)
    visitor = connect(PUBLIC)
    visitor.sendall(b"x" * 300000)
    local = target.accept()
    same(lib.recv_header(local)[0]["sport"], visitor.getsockname()[1], "the visitor at the target")
    same(recv_exact(local, 300000), b"x" * 300000, "payload")
    reset(visitor)
    same(ending(local), "reset", "the visitor's reset")


if __name__ == "__main__":
    lib.main("rtcp_socks")
