# SPDX-License-Identifier: BSD-2-Clause
"""tunnel_world.py - what every reverse tunnel must do, whatever asks for it (relay's BIND, SOCKS5's MUX-BIND).

Why so: behind the handshake both are smux with a first message in each stream; a test gives its Tunnel (the rtcp side by hand) or its
FarEnd (the server by hand), and adds what is its own.
Owns: nothing. Never: imports code of gostbpf.
"""
import socket

import lib
import relay_peer as relay
from lib import connect, ending, recv_exact, recv_to_end, reset, same

PUBLIC, TARGET = 8080, 8000
VISITOR, NAMED = ("203.0.113.9", 4711), ("198.51.100.1", PUBLIC)  # who comes, and where the server says that it listens


class FarEnd(relay.MuxPeer):
    """Opens streams; preface(visitor) is the first message of one."""

    def open(self, stream, pieces=False):
        data = relay.frame(relay.SYN, stream, b"", self.version) + relay.frame(relay.PSH, stream, self.preface(VISITOR), self.version)
        for part in [data[i:i + 1] for i in range(len(data))] if pieces else [data]:
            self.sock.sendall(part)


# --- the server beside a peer ---
def two_visitors(gost, tunnel):
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


def the_port_is_free_when_it_ends(make, refused):
    """make: a new tunnel; refused: the status of one whose port is taken."""
    tunnel = make()
    visitor = connect(PUBLIC)
    tunnel.opened()
    second = make()
    same((second.code, recv_to_end(second.sock)), (refused, b""), "the same port again")
    tunnel.sock.close()
    same(ending(visitor), "reset", "what the visitor sees")
    lib.until(lambda: not lib.listening(PUBLIC), "the port is free")
    same(make().code, 0, "and may be had again")


def nonsense_ends_it(tunnel):
    visitor = connect(PUBLIC)
    tunnel.opened()
    tunnel.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    same(ending(visitor), "reset", "what the visitor sees")
    same(ending(tunnel.sock), "reset", "what the client sees")


def a_visitor_behind_a_proxy(tunnel):
    """The service receives the PROXY protocol at the port that was opened (GOST ignores the key there)."""
    visitor = connect(PUBLIC)
    visitor.sendall(lib.v1(*VISITOR, "192.0.2.1", 443) + b"hello")
    same(tunnel.opened(), (3, VISITOR), "who the stream says is there")
    same(tunnel.frame(), (relay.PSH, 3, b"hello"), "payload")


# --- the client beside a peer ---
def two_streams(gost, far, target):
    """One opened in one piece, one byte by byte."""
    for stream, pieces in ((3, False), (5, True)):
        far.open(stream, pieces)
        far.send(relay.PSH, stream, b"hello")
        local = target.accept()
        want = lib.v1(*VISITOR, *NAMED) + b"hello"
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
    same((record["client"], record["reason"]), ("%s:%d" % VISITOR, "client-eof"), "the record")


def a_new_tunnel_after_the_end(gost, make, target):
    """make: the server's end of the next tunnel. A target's reset is passed on in it."""
    gost.wait_log(lambda r: "retrying in 1s" in r.get("msg", ""), "the record of the retry")
    far = make()
    far.open(3)
    local = target.accept()
    lib.recv_header(local)
    reset(local)
    same([far.frame(), far.frame()], [(relay.PSH, 3, b""), (relay.FIN, 3, b"")], "the target's reset")


def first_messages_are_checked(far, target, messages):
    """messages: of streams, none of which may reach the target."""
    for i, data in enumerate(messages):
        stream = 3 + 2 * i
        far.sock.sendall(relay.frame(relay.SYN, stream) + relay.frame(relay.PSH, stream, data))
        same([far.frame(), far.frame()], [(relay.PSH, stream, b""), (relay.FIN, stream, b"")], f"the answer to {data!r}")
    lib.check(target.nobody(), "nobody is connected to the target")


# --- both ends ---
def settled(*gosts):
    """Once the tunnel is there; its sockets are none that leak."""
    lib.wait_listening(PUBLIC)
    for gost in gosts:
        gost.sockets_at_start = gost.sockets()
