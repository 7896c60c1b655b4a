#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams through chains whose last hop is relay: the client beside a peer in Python (the server: test_relay_udp.py), both, several
hops, TLS; nothing is joined, cut or given to somebody else.

Contents are compared; bytes on the wire are those of GOST 3.2.6 (datagram_peer.py).
"""
import random
import signal
import socket
import threading
import time

import datagram_peer as dgram
import decode_proxy
import lib
import relay_peer as relay
import tls_peer
import udp_world
from datagram_peer import GlueServer, counted, read_counted, totals
from lib import Gostbpf, Upstream, case, check, connect, recv_exact, same
from udp_world import LASTING, TTL, ask, payload, queued, udp_socket

FRONT, SERVER, TARGET = 8080, 7000, 8000
AT = ("127.0.0.1", FRONT)
SIZES = (0, 1, 512, 1472, 9000, 40000, 60000, 65507)


def client(query=TTL, hops=(f"relay://127.0.0.1:{SERVER}",), target=f"127.0.0.1:{TARGET}", **more):
    chain = [word for hop in hops for word in ("-F", hop)]
    gost = Gostbpf("-L", f"udp://127.0.0.1:{FRONT}/{target}?{query}", *chain, **more)
    gost.lasting = LASTING in query
    return gost


def server(query="", target="", at=f"127.0.0.1:{SERVER}", *more):
    return Gostbpf("-L", f"relay://{at}{target}{'?' + query if query else ''}", *more)


def check_echo(sizes=SIZES, count=1, front=AT):
    """Datagrams of many lengths, each answered, contents compared."""
    sock, rnd = udp_socket(), random.Random(1)
    for size in sizes * count:
        data = rnd.randbytes(size)
        sock.sendto(data, front)
        check(sock.recv(65535) == data, f"{size} bytes come back as they were")
    return sock


# --- the client beside a peer ---
@case
def client_asks_as_gost_does():
    for user, url in ((None, ""), (("user", "pass"), "user:pass@")):
        node = Upstream(SERVER)
        gost = client(hops=(f"relay://{url}127.0.0.1:{SERVER}",), target="10.9.8.7:53")
        sock = udp_socket()
        sock.sendto(b"hello", AT)
        peer = node.accept()
        want = dgram.connect_request("10.9.8.7", 53, user) + counted(b"hello")
        same(recv_exact(peer, len(want)), want, "request and datagram")
        peer.sendall(relay.message(0) + counted(b"welcome") + counted(b"") + counted(b"again"))
        same([sock.recv(100) for _ in range(3)], [b"welcome", b"", b"again"], "answers")
        same(peer.recv(1), b"", "the end of the session ends the connection")
        record = gost.closed()[0]
        same((record["inputDatagrams"], record["outputDatagrams"], record["reason"]), (1, 3, "idle"), "the record")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(node.sock)


@case
def client_waits_for_the_answer_with_nodelay():
    node = Upstream(SERVER)
    client(hops=(f"relay://127.0.0.1:{SERVER}?nodelay=true",))
    sock = udp_socket()
    sock.sendto(b"hello", AT)
    peer = node.accept()
    want = dgram.connect_request("127.0.0.1", TARGET)
    same(recv_exact(peer, len(want)), want, "the request")
    peer.settimeout(0.3)
    try:
        raise AssertionError(f"a datagram before the answer: {peer.recv(100)!r}")
    except TimeoutError:
        peer.settimeout(lib.PATIENCE * lib.SLOW)
    peer.sendall(relay.message(0))
    same(read_counted(peer), b"hello", "the datagram")


@case(each=("whole", "bytes"))
def gost_default_server(how):
    """Its answer comes with the target's first datagram, whole or in single bytes."""
    udp_world.Upstream(TARGET)
    node = GlueServer(SERVER, slow=how == "bytes")
    client(query=LASTING)
    check_echo(SIZES[:4] if how == "bytes" else SIZES)
    same(node.requests, [(0x81, {"addr": [("127.0.0.1", TARGET)], "network": 1})], "the request")


@case
def a_refusal_ends_the_session_and_is_told():
    GlueServer(SERVER, status=relay.UNREACHABLE_NET)
    gost = client()
    sock = udp_socket()
    for _ in range(2):
        count = len(gost.log())
        sock.sendto(b"x", AT)
        lib.until(lambda n=count: any("relay status 7: network unreachable" in r.get("msg", "") for r in gost.log()[n:]), "the status")
    same({r["reason"] for r in gost.closed(2)}, {"upstream-error"}, "reasons")


@case
def nobody_at_the_hop():
    gost = client(query=f"{TTL}&dialTimeout=2s")
    udp_socket().sendto(b"x", AT)
    same(gost.closed()[0]["reason"], "dial-failed", "reason")
    check(any("connection refused" in r["msg"] for r in gost.log() if r["level"] == "error"), "the error is told")


@case
def another_node_of_the_hop():
    udp_world.Upstream(TARGET)
    GlueServer(SERVER)
    client(hops=(f"relay://127.0.0.1:1,127.0.0.1:{SERVER}?strategy=fifo",))
    check_echo((5,))


@case
def a_server_that_dies_and_comes_back():
    udp_world.Upstream(TARGET)
    gost = client(query="idleTimeout=30s")
    far = server()
    sock = check_echo((5, 6))
    same(far.stop(), 0, "exit status")
    check(gost.closed()[0]["reason"] in ("reset-by-upstream", "upstream-eof"), "reason")
    server()
    sock.sendto(b"again", AT)
    same(sock.recv(100), b"again", "the next datagram makes a new way")
    same(gost.stop(), 0, "exit status")


@case
def the_first_datagrams_wait_for_the_way():
    node = Upstream(SERVER)
    gost = client(hops=(f"relay://127.0.0.1:{SERVER}?nodelay=true",))
    sock = udp_socket()
    with gost.paused():  # so that they are read before the way is looked for
        for i in range(40):
            sock.sendto(b"%d" % i, AT)
    peer = node.accept()
    recv_exact(peer, len(dgram.connect_request("127.0.0.1", TARGET)))
    peer.sendall(relay.message(0))
    same([read_counted(peer) for _ in range(32)], [b"%d" % i for i in range(32)], "the first, in order")
    record = gost.closed()[0]
    same((record["inputDatagrams"], record["droppedDatagrams"]), (32, 8), "counted")


@case
def a_server_that_does_not_read():
    """Datagrams are lost, memory is not; what it reads in the end are whole frames."""
    node = Upstream(SERVER, rcvbuf=8192)
    gost = client(query="idleTimeout=30s")
    sock = udp_socket()
    for i in range(6000):
        sock.sendto(b"%06d" % i * 200, AT)
        if i % 50 == 0:
            lib.until(lambda: not queued(FRONT), "what was sent is read")
    peer = node.accept()
    size = len(dgram.connect_request("127.0.0.1", TARGET))
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        resident = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    check(resident < (600_000 if lib.SANITIZED else 60_000), f"resident: {resident} kB")
    recv_exact(peer, size)
    last = -1
    sent = threading.Event()

    def goes_on():
        """Until one that is sent now has come through: the way is full while nobody reads."""
        while not sent.wait(0.1):
            sock.sendto(b"still", AT)

    threading.Thread(target=goes_on, daemon=True).start()
    while (data := read_counted(peer)) != b"still":
        number = int(data[:6])
        check(data == b"%06d" % number * 200 and number > last, f"datagram {number} is whole and in order")
        last = number
    sent.set()
    check(last >= 0, "some came")


@case
def answers_that_are_no_frames():
    node = Upstream(SERVER)
    gost = client()
    for nonsense in (b"HTTP/1.1 400 Bad Request\r\n\r\n", relay.message(0)[:3], relay.message(0) + counted(b"cut off")[:-1]):
        sock = udp_socket()
        sock.sendto(b"x", AT)
        peer = node.accept()
        recv_exact(peer, len(dgram.connect_request("127.0.0.1", TARGET)))
        peer.sendall(nonsense)
        peer.shutdown(socket.SHUT_WR)
        sock.settimeout(0.3)
        try:
            raise AssertionError(f"an answer: {sock.recv(100)!r}")
        except TimeoutError:
            peer.close()
    same({r["reason"] for r in gost.closed(3)}, {"upstream-error"}, "reasons")


# --- both ---
def many_clients(gost, clients=20, turns=50):
    """Payloads name client and sequence, so an answer to the wrong client shows."""
    socks = [udp_socket() for _ in range(clients)]
    for turn in range(turns):
        texts = [f"{i}:{turn}:{'x' * (turn * 37 % 1200)}".encode() for i in range(clients)]
        for sock, text in zip(socks, texts):
            sock.sendto(text, AT)
        for i, (sock, text) in enumerate(zip(socks, texts)):
            same(sock.recvfrom(65535), (text, AT), f"answer to client {i}")
    records = gost.records_after_stop(clients)
    same({(r["inputDatagrams"], r["outputDatagrams"], r["reason"]) for r in records}, {(turns, turns, "drain")}, "closing records")


@case
def every_client_has_its_own_way():
    up = udp_world.Upstream(TARGET)
    far = server()
    gost = client(query=LASTING)
    many_clients(gost)
    same(len({sender for _, sender in up.seen}), 20, "source ports at the target: one for each client")
    same(totals(far, 20), [[50, 50, 0]] * 20, "totals at the far end")


@case
def every_length_and_a_burst():
    udp_world.Upstream(TARGET)
    server()
    client(query=LASTING)
    sock = check_echo(count=5)
    texts = [b"%d" % i * (i % 90 + 1) for i in range(60)]
    for text in texts:
        sock.sendto(text, AT)
    same([sock.recv(65535) for _ in texts], texts, "a burst, in order")


@case
def datagrams_that_come_as_segments():
    """What the kernel hands over in one piece (UDP_GRO) is several datagrams on the way, too."""
    up = udp_world.Upstream(TARGET, answer=False)
    server()
    client(query=LASTING)
    sock = udp_socket()
    sock.sendto(b"first", AT)
    up.wait(1)
    parts = [bytes([65 + i]) * 500 for i in range(20)] + [b"z" * 77]
    sock.sendmsg([b"".join(parts)], [(socket.SOL_UDP, 103, (500).to_bytes(2, "little"))], 0, AT)
    same([d for d, _ in up.wait(22)[1:]], parts, "datagrams at the target")
    up.sock.sendmsg([b"".join(parts)], [(socket.SOL_UDP, 103, (500).to_bytes(2, "little"))], 0, up.seen[0][1])
    same([sock.recv(65535) for _ in parts], parts, "answers")


@case
def through_tls():
    udp_world.Upstream(TARGET)
    far = Gostbpf("-L", f"relay+tls://:8443?{tls_peer.pair('good')}")
    client(hops=(f"relay+tls://localhost:8443?{tls_peer.authority()}",))
    check_echo(count=3)
    same((far.closed()[0]["tls"], far.closed()[0]["reason"]), ("client", "client-eof"), "the far end's record")


@case(each=("relay", "http", "socks5", "tcp"))
def through_two_hops(first):
    udp_world.Upstream(TARGET)
    server()
    second = f"relay://127.0.0.1:{SERVER}"
    if first == "tcp":
        Gostbpf("-L", f"tcp://127.0.0.1:7001/127.0.0.1:{SERVER}")
    else:
        Gostbpf("-L", f"{first}://u:p@127.0.0.1:7001")
    client(hops=(f"{first}://{'' if first == 'tcp' else 'u:p@'}127.0.0.1:7001", second))
    check_echo()


@case
def through_three_hops_with_tls_on_the_last():
    udp_world.Upstream(TARGET)
    Gostbpf("-L", "relay://127.0.0.1:7001", "-L", "http://127.0.0.1:7002", "-L", f"relay+tls://:8443?{tls_peer.pair('good')}")
    client(hops=("relay://127.0.0.1:7001", "http://127.0.0.1:7002", f"relay+tls://localhost:8443?{tls_peer.authority()}"))
    check_echo()


@case
def a_server_with_a_chain_of_its_own():
    up = udp_world.Upstream(TARGET)
    Gostbpf("-L", "relay://127.0.0.1:7001")
    server("", "", f"127.0.0.1:{SERVER}", "-F", "relay://127.0.0.1:7001")
    client(query=LASTING)
    check_echo(count=2)
    same(len({sender for _, sender in up.seen}), 1, "source ports")


@case
def a_chain_of_a_server_that_refuses():
    server("", "", f"127.0.0.1:{SERVER}", "-F", "relay://127.0.0.1:1")
    sock = connect(SERVER)
    same(relay.ask(sock, dgram.connect_request("127.0.0.1", TARGET))[0], 7, "status")


@case
def names_are_the_last_hops_business():
    udp_world.Upstream(TARGET)
    node = GlueServer(SERVER)
    client(target=f"localhost:{TARGET}")
    check_echo((5,))
    same(node.requests[0][1]["addr"], [("localhost", TARGET)], "the name is passed on")


# --- PROXY headers ---
@case
def headers_received_and_sent_through_the_chain():
    up = udp_world.Upstream(TARGET)
    server()
    client(query=f"{TTL}&proxyProtocol=1&proxyProtocol.policy=require&handler.proxyProtocol=2")
    sock = udp_socket()
    header = udp_world.v2(("203.0.113.9", 4711), ("192.0.2.1", 53))
    for text in (b"one", b"two"):
        same(ask(sock, header + text, AT)[0], text, "the answer, without a header")
    for (data, _), text in zip(up.seen, (b"one", b"two")):
        found = decode_proxy.decode(data)
        same((found["src"], found["sport"], found["dst"], found["proto"], payload(data)),
             ("203.0.113.9", 4711, "192.0.2.1", "DGRAM", text), "each datagram at the target")
    sock.sendto(b"without", AT)
    same(ask(sock, header + b"three", AT)[0], b"three", "the next with one")
    same(len(up.seen), 3, "datagrams at the target: policy require")


@case
def a_hop_that_reads_headers():
    """The hop's connection begins with the datagrams' client; version 1 has no words for it."""
    for version, proto in ((2, "DGRAM"), (1, "UNSPEC")):
        node = Upstream(SERVER)
        gost = client(hops=(f"relay://127.0.0.1:{SERVER}?proxyProtocol={version}",))
        sock = udp_socket()
        sock.sendto(b"x", AT)
        peer = node.accept()
        header, _ = lib.recv_header(peer)
        same((header["proto"], header["sport"]), (proto, sock.getsockname()[1] if version == 2 else None), "header")
        want = dgram.connect_request("127.0.0.1", TARGET) + counted(b"x")
        same(recv_exact(peer, len(want)), want, "what follows")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(node.sock)


@case
def a_server_behind_a_balancer_and_a_target_that_reads_headers():
    """The relay server's own settings: who the client is, and what the target is told, in each datagram."""
    up = udp_world.Upstream(TARGET)
    server("proxyProtocol=1&proxyProtocol.policy=require&handler.proxyProtocol=2")
    sock = connect(SERVER)
    sock.sendall(lib.v1("203.0.113.9", 4711, "192.0.2.1", 443) + dgram.connect_request("127.0.0.1", TARGET) + counted(b"a") + counted(b"b"))
    same(recv_exact(sock, 4), relay.message(0), "the answer")
    same([read_counted(sock), read_counted(sock)], [b"a", b"b"], "the echo")
    for data, _ in up.seen:
        found = decode_proxy.decode(data)
        same((found["src"], found["sport"], found["proto"]), ("203.0.113.9", 4711, "DGRAM"), "header of a datagram")


@case
def version_1_cannot_say_udp():
    gost = server("handler.proxyProtocol=1")
    sock = connect(SERVER)
    same(relay.ask(sock, dgram.connect_request("127.0.0.1", TARGET))[0], 5, "status")
    gost.wait_log(lambda r: "version 1 of the PROXY header cannot say udp" in r.get("msg", ""), "the reason")


# --- limits and refusals ---
@case
def the_table_is_bounded():
    udp_world.Upstream(TARGET)
    server()
    gost = client(query="ttl=30s&udp.sessions=4", )
    clients = [udp_socket() for _ in range(12)]
    for i, sock in enumerate(clients):
        same(ask(sock, b"%d" % i, AT)[0], b"%d" % i, "answer")
    same({r["reason"] for r in gost.closed(4)}, {"evicted"}, "reasons")
    same(gost.stop(), 0, "exit status")


@case
def client_ends_at_once_on_sigterm():
    udp_world.Upstream(TARGET)
    server()
    gost = client(query="idleTimeout=60s")
    check_echo((5,))
    began = time.monotonic()
    same(gost.stop(signal.SIGTERM), 0, "exit status")
    check(time.monotonic() - began < 15, "at once")  # draining has 30 s
    same(gost.closed()[0]["reason"], "drain", "reason")


@case
def a_bypassed_target_is_reached_directly():
    up = udp_world.Upstream(TARGET)
    node = Upstream(SERVER)
    client(hops=(f"relay://127.0.0.1:{SERVER}?bypass=127.0.0.1",))
    sock = check_echo((5, 0, 1000))
    check(node.nobody(), "the chain is not used")
    same(len(up.seen), 3, "datagrams at the target")
    sock.close()


@case
def what_cannot_carry_datagrams_is_refused():
    for scheme in ("http", "socks4", "tcp"):
        err = lib.gostbpf_fails("-L", f"udp://:{FRONT}/:{TARGET}", "-F", f"{scheme}://127.0.0.1:1")
        check(f"udp cannot go through 127.0.0.1:1: {scheme} carries no datagrams" in err, err)
    err = lib.gostbpf_fails("-L", f"udp://:{FRONT}/:{TARGET}", "-F", "relay://127.0.0.1:1", "-F", "http://127.0.0.1:2")
    check("udp cannot go through 127.0.0.1:2: http carries no datagrams" in err, err)
    err = lib.gostbpf_fails("-L", f"udp://:{FRONT}/:{TARGET}?dialTimeout=1s")
    check('key "dialTimeout" means nothing for a udp service without a chain' in err, err)


if __name__ == "__main__":
    lib.main("udp_chain")
