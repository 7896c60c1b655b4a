#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reverse tunnels: rtcp locally, and through a relay server's BIND with smux; each end alone beside a peer in Python, and both
(those also through SOCKS5; its ends alone: test_rtcp_socks.py).

Contents of every stream are compared; a tunnel that dies must be seen as a reset on both sides of every session in it.
"""
import os
import random
import socket
import threading

import lib
import relay_peer as relay
import sandbox
import tunnel_world
from lib import Gostbpf, Server, Upstream, case, check, connect, ending, recv_exact, recv_to_end, reset, same
from tunnel_world import NAMED, PUBLIC, TARGET

SERVER = 7000
SCHEMES = ("relay", "socks5")


# --- without a chain ---
@case
def local_form_as_documented():
    target = lib.http_server(TARGET, proxy=True)
    gost = Gostbpf("-L", f"rtcp://:{PUBLIC}/:{TARGET}?handler.proxyProtocol=1")
    rc, out, err = lib.curl(f"http://127.0.0.1:{PUBLIC}/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header = target.result()[0]
    same((header["src"], header["dst"], header["dport"]), ("127.0.0.1", "127.0.0.1", PUBLIC), "the header at the target")
    same(gost.closed()[0]["listener"], "rtcp", "listener in the log")


@case
def local_form_receives_headers():
    target = lib.http_server(TARGET, proxy=True)
    Gostbpf("-L", f"rtcp://:{PUBLIC}/:{TARGET}?proxyProtocol=1&handler.proxyProtocol=1")
    client = connect(PUBLIC)
    client.sendall(lib.v1("203.0.113.9", 4711, "192.0.2.1", 443) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    recv_to_end(client)
    same(lib.endpoints(target.result()[0]), ("203.0.113.9", 4711, "192.0.2.1", 443), "the header at the target")


@case
def a_chain_that_cannot_bind_is_refused():
    err = lib.gostbpf_fails("-L", f"rtcp://:{PUBLIC}/:{TARGET}", "-F", "http://127.0.0.1:1")
    check("cannot listen through" in err, err)


# --- the server beside a peer ---
class Tunnel(relay.MuxPeer):
    """The rtcp side by hand."""

    def __init__(self, port=PUBLIC, *features):
        self.sock = connect(SERVER)
        self.code, self.found = relay.ask(self.sock, relay.message(relay.BIND, *features, relay.network(0), relay.addr("", port)))


@case
def server_speaks_as_gost_does():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    tunnel = Tunnel()
    same((tunnel.code, tunnel.found["addr"]), (0, [("::", PUBLIC)]), "the answer to BIND")
    tunnel_world.two_visitors(gost, tunnel)


@case
def port_is_free_when_the_tunnel_ends():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    tunnel_world.the_port_is_free_when_it_ends(Tunnel, 5)


@case
def bind_is_off_by_default():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    same(Tunnel().code, 3, "status")
    check(not lib.listening(PUBLIC), "nothing was opened")


@case
def bind_needs_the_password():
    Gostbpf("-L", f"relay://user:pass@127.0.0.1:{SERVER}?bind=true")
    same(Tunnel().code, 2, "without credentials")
    same(Tunnel(PUBLIC, relay.user("user", "pass")).code, 0, "with them")


@case
def nonsense_in_the_tunnel_ends_it():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true")
    tunnel_world.nonsense_ends_it(Tunnel())


@case
def visitor_behind_a_proxy():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true&proxyProtocol=1")
    tunnel_world.a_visitor_behind_a_proxy(Tunnel())


# --- the client beside a peer ---
def rtcp(*extra, query="handler.proxyProtocol=1"):
    return Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?{query}", "-F", f"relay://{''.join(extra)}127.0.0.1:{SERVER}")


class FarEnd(tunnel_world.FarEnd):
    """The relay server by hand: answers BIND and opens streams."""

    def __init__(self, node):
        self.sock = node.accept()
        self.request = relay.read_message(lambda n: recv_exact(self.sock, n))
        self.sock.sendall(relay.message(0, relay.addr(*NAMED)))

    def preface(self, visitor):
        return relay.message(0, relay.addr(*visitor))


@case
def client_speaks_as_gost_does():
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = rtcp("user:pass@")
    far = FarEnd(node)
    same(far.request, (2, {"addr": [("", PUBLIC)], "network": 0, "user": ("user", "pass")}), "the request")
    tunnel_world.two_streams(gost, far, target)


@case
def truncation_is_a_reset():
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = rtcp()
    far = FarEnd(node)
    far.open(3)
    far.open(5)
    begun = {}
    for stream in (3, 5):
        far.send(relay.PSH, stream, b"%d" % stream)
    for _ in range(2):  # both forward: a session that is cut before it is connected has nothing to reset
        sock = target.accept()
        lib.recv_header(sock)
        begun[recv_exact(sock, 1)] = sock
    first, second = begun[b"3"], begun[b"5"]
    far.send(relay.PSH, 3)  # no data: broken off
    far.sock.sendall(relay.frame(relay.PSH, 5, b"half a message")[:12])
    lib.until(lambda: len(gost.closed()) == 1, "the first session is over")
    same(ending(first), "reset", "a stream that was broken off")
    far.sock.close()
    same(ending(second), "reset", "a stream whose tunnel died")
    tunnel_world.a_new_tunnel_after_the_end(gost, lambda: FarEnd(node), target)


@case
def first_message_is_checked():
    node, target = Upstream(SERVER), Upstream(TARGET)
    rtcp()
    tunnel_world.first_messages_are_checked(FarEnd(node), target, (
        relay.message(0), relay.message(7, relay.addr("1.2.3.4", 5)), b"GET / HTTP/1.1", relay.message(0, relay.addr("a.name", 5))))


@case
def refused_bind_is_tried_again():
    node = Upstream(SERVER)
    gost = rtcp()
    sock = node.accept()
    relay.read_message(lambda n: recv_exact(sock, n))
    sock.sendall(relay.message(5))
    gost.wait_log(lambda r: "relay status 5: service unavailable" in r.get("msg", "") and r["level"].startswith("warn"), "the reason")
    FarEnd(node)


# --- both ends ---
def both(scheme, handler="handler.proxyProtocol=1", key=""):
    server = Gostbpf("-L", f"{scheme}://127.0.0.1:{SERVER}?bind=true&{key}")
    client = Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?{handler}", "-F", f"{scheme}://127.0.0.1:{SERVER}?{key}")
    tunnel_world.settled(server, client)
    return server, client


def answers(sock):
    """A target: takes the header, sends back as many bytes as it got, reversed in order of blocks, after the client's end."""
    header = lib.recv_header(sock)[0]
    data = recv_to_end(sock)
    sock.sendall(data[::-1])
    return header["src"], header["sport"]


@case(each=SCHEMES)
def many_visitors_at_once(scheme):
    target = Server(TARGET, answers)
    server, client = both(scheme)
    rnd, good, names = random.Random(11), [], []

    def visit(data):
        sock = connect(PUBLIC, timeout=30)
        names.append(sock.getsockname())
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        good.append(recv_to_end(sock) == data[::-1])
        sock.close()

    threads = [threading.Thread(target=visit, args=(rnd.randbytes(rnd.randrange(1 << rnd.randrange(1, 22))),)) for _ in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(50)
    same(good, [True] * 60, "contents of all streams")
    seen = sorted(target.result() for _ in range(60))
    same(seen, sorted(names), "each visitor's address at the target")
    client.closed(60)
    server.closed(60)


# --- version 2 of smux, which GOST speaks with mux.version=2 on both sides ---
@case
def version_2_of_smux_beside_a_peer():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?bind=true&mux.version=2")
    tunnel = Tunnel()
    tunnel.version = 2
    tunnel_world.two_visitors(gost, tunnel)
    same(gost.stop(), 0, "exit status")
    lib.close_socket(tunnel.sock)
    node, target = Upstream(SERVER), Upstream(TARGET)
    gost = Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}?handler.proxyProtocol=1", "-F", f"relay://127.0.0.1:{SERVER}?mux.version=2")
    far = FarEnd(node)
    far.version = 2
    tunnel_world.two_streams(gost, far, target)


@case(each=SCHEMES)
def version_2_of_smux(scheme):
    """More than its window, both ways; who speaks the other version is told so."""
    target = Server(TARGET, answers)
    server, client = both(scheme, key="mux.version=2")
    data = os.urandom(8 << 20)
    visitor = connect(PUBLIC, timeout=30)
    sender = threading.Thread(target=lambda: (visitor.sendall(data), visitor.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    check(recv_to_end(visitor) == data[::-1], "what came back")
    same(target.result(30), visitor.getsockname(), "whom the target is told")
    visitor.close()
    server.closed(1)
    same(client.stop(), 0, "exit status of the client")
    lib.until(lambda: not lib.listening(PUBLIC), "the port is closed")
    other = Gostbpf("-L", f"rtcp://:{PUBLIC}/127.0.0.1:{TARGET}", "-F", f"{scheme}://127.0.0.1:{SERVER}")
    tunnel_world.settled(other)
    same(ending(connect(PUBLIC)), "reset", "a visitor, where the client speaks version 1")
    other.wait_log(lambda r: r.get("level", "").startswith("warn") and "version of smux" in r.get("msg", ""), "the reason")


@case(each=SCHEMES)
def bulk(scheme):
    """128 MiB down and up through one stream, contents compared."""
    data = os.urandom(1 << 20) * 128

    def serve(sock):
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        total = 0
        buf = memoryview(bytearray(1 << 20))
        while n := sock.recv_into(buf):
            if buf[:n] != data[total:total + n]:
                return f"other bytes at {total}"
            total += n
        sender.join(30)
        return total

    target = Server(TARGET, serve)
    both(scheme, handler="handler.proxyProtocol=0")
    sock = connect(PUBLIC, timeout=50)
    sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    at, buf = 0, memoryview(bytearray(1 << 20))
    while n := sock.recv_into(buf):
        check(buf[:n] == data[at:at + n], f"the same bytes at {at}")
        at += n
    same((at, target.result(30)), (len(data), len(data)), "lengths down and up")


@case(each=SCHEMES)
def one_stalled_visitor_does_not_stop_the_others(scheme):
    """Up to smux's shared receive budget: 1 MiB stands in one stream while another goes on."""
    target = Upstream(TARGET)
    both(scheme, handler="handler.proxyProtocol=0")
    stalled, other = connect(PUBLIC), connect(PUBLIC)
    stalled.sendall(b"1")
    other.sendall(b"2")
    ends = {recv_exact(s, 1): s for s in (target.accept(), target.accept())}
    threading.Thread(target=lambda: stalled.sendall(bytes(3 << 20)), daemon=True).start()
    for _ in range(50):
        other.sendall(b"ping" * 1000)
        recv_exact(ends[b"2"], 4000)
        ends[b"2"].sendall(b"pong" * 1000)
        recv_exact(other, 4000)
    same(recv_exact(ends[b"1"], 3 << 20), bytes(3 << 20), "what stood")


@case(each=SCHEMES)
def tunnel_killed_in_the_middle(scheme):
    target = Upstream(TARGET)
    server, client = both(scheme, handler="handler.proxyProtocol=0")
    visitors = [connect(PUBLIC) for _ in range(5)]
    for v in visitors:
        v.sendall(b"x" * 100000)
    locals_ = [target.accept() for _ in visitors]
    for sock in locals_:
        recv_exact(sock, 100000)
    sandbox.sh(f"ss -K dst 127.0.0.1 dport = {SERVER}")
    for sock in visitors + locals_:
        same(ending(sock), "reset", "what either side of a session sees")
    client.wait_log(lambda r: "retrying in 1s" in r.get("msg", ""), "the retry")
    lib.until(lambda: sum(r.get("msg", "").startswith("bind on") for r in client.log()) == 2, "the second tunnel")
    visitor = connect(PUBLIC)
    visitor.sendall(b"again")
    same(recv_exact(target.accept(), 5), b"again", "through the second tunnel")
    reset(visitor)
    server.closed(7)


@case(each=SCHEMES)
def reset_of_either_side_is_passed_on(scheme):
    target = Upstream(TARGET)
    both(scheme, handler="handler.proxyProtocol=0")
    for breaker in (0, 1):
        visitor = connect(PUBLIC)
        visitor.sendall(b"x")
        local = target.accept()
        recv_exact(local, 1)
        ends = [visitor, local]
        reset(ends[breaker])
        same(ending(ends[1 - breaker]), "reset", "the other side")


@case(each=SCHEMES)
def orderly_end_of_the_process(scheme):
    """SIGTERM: sessions of a tunnel finish, nobody new comes in, then both programs end."""
    target = Upstream(TARGET)
    server, client = both(scheme, handler="handler.proxyProtocol=0")
    visitor = connect(PUBLIC)
    visitor.sendall(b"x")
    local = target.accept()
    recv_exact(local, 1)
    server.proc.send_signal(lib.signal.SIGTERM)
    lib.until(lambda: not lib.listening(PUBLIC), "the port is closed")
    local.sendall(b"last words")
    local.close()
    visitor.shutdown(socket.SHUT_WR)
    same(recv_to_end(visitor), b"last words", "the end of the session")
    same(server.stop(), 0, "exit status of the server")
    same(client.stop(), 0, "exit status of the client")


@case(each=SCHEMES)
def visitors_address_across_namespaces(scheme):
    netns, net = f"pub-{scheme}", 77 + SCHEMES.index(scheme)
    sandbox.add_netns(netns)
    sandbox.join(netns, f"veth-{scheme}", f"10.{net}.0.1/24", f"10.{net}.0.2/24")
    target = lib.http_server(TARGET, proxy=True)
    server = Gostbpf("-L", f"{scheme}://:{SERVER}?bind=true", netns=netns)
    client = Gostbpf("-L", f"rtcp://:{PUBLIC}/:{TARGET}?handler.proxyProtocol=1", "-F", f"{scheme}://10.{net}.0.2:{SERVER}")
    client.wait_log(lambda r: r.get("msg", "").startswith("bind on"), "the tunnel")
    for gost in (server, client):
        gost.sockets_at_start = gost.sockets()
    rc, out, err = lib.curl(f"http://10.{net}.0.2:{PUBLIC}/", netns=netns)
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header = target.result()[0]
    same(header["src"], f"10.{net}.0.2", "the visitor at the target")


if __name__ == "__main__":
    lib.main("rtcp")
