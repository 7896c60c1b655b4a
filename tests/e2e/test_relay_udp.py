#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Relay's CONNECT for datagrams, the server, beside a peer in Python: as GOST 3.2.6 asks, cut anywhere, refused, not read, ended.

The client and both together: test_udp_chain.py. Ports for datagrams: test_udp_tun.py.
"""
import os
import signal
import socket
import time

import datagram_peer as dgram
import lib
import relay_peer as relay
import udp_world
from datagram_peer import counted, read_counted, totals
from lib import Gostbpf, case, check, connect, ending, recv_exact, same
from udp_world import queued, udp_socket

SERVER, TARGET = 7000, 8000
SIZES = (0, 1, 512, 1472, 9000, 40000, 60000, 65507)


def server(query="", target="", at=f"127.0.0.1:{SERVER}", *more):
    return Gostbpf("-L", f"relay://{at}{target}{'?' + query if query else ''}", *more)


@case
def server_speaks_as_gost_does():
    """The flag, the network, or both; a frame glued to the request; every length."""
    udp_world.Upstream(TARGET)
    gost = server()
    requests = (dgram.connect_request("127.0.0.1", TARGET), relay.message(dgram.UDP | relay.CONNECT, relay.addr("127.0.0.1", TARGET)),
                relay.message(relay.CONNECT, relay.network(1), relay.addr("127.0.0.1", TARGET)),
                relay.message(dgram.UDP, relay.addr("localhost", TARGET)))
    for request in requests:
        sock = connect(SERVER)
        sock.sendall(request + counted(b"glued"))
        same(recv_exact(sock, 4 + 7), relay.message(0) + counted(b"glued"), "the answer, then the echo")
        for size in SIZES:
            data = os.urandom(size)
            sock.sendall(counted(data))
            check(read_counted(sock) == data, f"{size} bytes")
        sock.close()
    same(totals(gost, 4), [[9, 9, 0]] * 4, "totals")
    same({r["reason"] for r in gost.closed(4)}, {"client-eof"}, "reasons")


@case
def server_reads_frames_cut_anywhere():
    up = udp_world.Upstream(TARGET, answer=False)
    server()
    stream = dgram.connect_request("127.0.0.1", TARGET) + counted(b"one") + counted(b"") + counted(b"three")
    for cut in range(1, len(stream)):
        sock = connect(SERVER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(stream[:cut])
        time.sleep(0.002)
        sock.sendall(stream[cut:])
        lib.until(lambda want=3 * cut: len(up.seen) >= want, "three datagrams")
        sock.close()
    same([d for d, _ in up.seen], [b"one", b"", b"three"] * (len(stream) - 1), "datagrams at the target")


@case
def a_frame_that_the_end_cuts_off_goes_nowhere():
    up = udp_world.Upstream(TARGET)
    gost = server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"whole") + counted(b"cut off")[:-1])
    up.wait(1)
    sock.shutdown(socket.SHUT_WR)
    same(ending(sock), "reset", "the end")
    same([d for d, _ in up.seen], [b"whole"], "datagrams at the target")
    gost.wait_log(lambda r: "ended inside a datagram" in r.get("msg", ""), "the reason")


@case
def one_that_no_path_takes_is_dropped_counted_and_told():
    udp_world.Upstream(TARGET)
    gost = server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"x" * 65535) + counted(b"y" * 65508) + counted(b"fits"))
    same(recv_exact(sock, 4), relay.message(0), "the answer")
    same(read_counted(sock), b"fits", "the one behind them")
    sock.close()
    same(totals(gost), [[1, 1, 2]], "totals")
    same(sum("too long for the path" in r.get("msg", "") for r in gost.log()), 1, "records that tell it")


@case
def server_needs_the_password():
    udp_world.Upstream(TARGET)
    Gostbpf("-L", f"relay://user:pass@127.0.0.1:{SERVER}")
    for user, status in ((None, 2), (("user", "wrong"), 2), (("user", "pass"), 0)):
        sock = connect(SERVER)
        same(relay.ask(sock, dgram.connect_request("127.0.0.1", TARGET, user))[0], status, f"status for {user}")


@case
def server_refuses_what_it_does_not_serve():
    gost = server("bypass=127.0.0.9")
    for request, status in ((relay.message(relay.CONNECT | dgram.UDP, relay.network(1)), 1), (dgram.connect_request("", TARGET), 1),
                            (dgram.connect_request("127.0.0.1", 0), 1), (relay.message(3 | dgram.UDP, relay.network(1)), 1),
                            (dgram.connect_request("127.0.0.9", TARGET), 3), (dgram.connect_request("nobody.invalid", TARGET), 7)):
        sock = connect(SERVER)
        same(relay.ask(sock, request)[0], status, f"status for {request.hex()}")
        same(sock.recv(1), b"", "the end")
    gost.reasons("bad-request", 4)


@case
def server_forwards_to_its_own_targets():
    up = udp_world.Upstream(TARGET)
    server(target=f"/127.0.0.1:{TARGET}")
    for request in (dgram.connect_request("127.0.0.1", 9), relay.message(relay.CONNECT | dgram.UDP, relay.network(1))):
        sock = connect(SERVER)
        sock.sendall(request + counted(b"hello"))
        same(recv_exact(sock, 4 + 7), relay.message(0) + counted(b"hello"), "answer and echo")
    same(len(up.seen), 2, "datagrams at the service's target")


@case
def only_the_target_is_heard():
    up = udp_world.Upstream(TARGET, answer=False)
    server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"q"))
    at = up.wait(1)[0][1]
    udp_socket().sendto(b"forged", at)
    up.sock.sendto(b"true", at)
    same(recv_exact(sock, 4), relay.message(0), "the answer")
    same(read_counted(sock), b"true", "the only datagram")


@case
def a_target_that_appears_later():
    gost = server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"anybody?"))
    gost.wait_log(lambda r: "onnection refused" in r.get("msg", ""), "the ICMP error is told")
    udp_world.Upstream(TARGET)
    sock.sendall(counted(b"now?"))
    same(recv_exact(sock, 4), relay.message(0), "the answer")
    same(read_counted(sock), b"now?", "the echo")


@case
def a_client_that_does_not_read_loses_datagrams_only():
    """Nothing piles up, and what it reads in the end are whole datagrams."""
    up = udp_world.Upstream(TARGET, answer=False)
    gost = server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"q"))
    at = up.wait(1)[0][1]
    sent = 0
    for _ in range(500):  # 30 MB: more than the sockets on the way take; each is read here before the next come
        for _ in range(5):
            up.sock.sendto(b"%06d" % sent * 2000, at)
            sent += 1
        lib.until(lambda: not queued(at[1]), "what was sent is read")
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        resident = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    check(resident < (600_000 if lib.SANITIZED else 60_000), f"resident: {resident} kB")
    same(recv_exact(sock, 4), relay.message(0), "the answer")
    last = -1
    sock.settimeout(1)
    try:
        while True:
            data = read_counted(sock)
            number = int(data[:6])
            check(data == b"%06d" % number * 2000 and number > last, f"datagram {number} is whole and in order")
            last = number
    except TimeoutError:
        pass
    check(last >= 0, "some came")
    sock.close()
    sent_out, returned, dropped = totals(gost)[0]
    check((sent_out, returned + dropped) == (1, sent) and dropped > 0, f"totals: {sent_out} {returned} {dropped} of {sent}")


@case
def idle_timeout_ends_it():
    udp_world.Upstream(TARGET)
    gost = server("idleTimeout=1s")
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"x"))
    same(recv_exact(sock, 4 + 3), relay.message(0) + counted(b"x"), "answer and echo")
    same(ending(sock), "reset", "the end")
    same(gost.closed()[0]["reason"], "idle", "reason")


@case
def server_ends_at_once_on_sigterm():
    udp_world.Upstream(TARGET)
    gost = server()
    sock = connect(SERVER)
    sock.sendall(dgram.connect_request("127.0.0.1", TARGET) + counted(b"x"))
    recv_exact(sock, 4 + 3)
    began = time.monotonic()
    same(gost.stop(signal.SIGTERM), 0, "exit status")
    check(time.monotonic() - began < 15, "at once")  # draining has 30 s


if __name__ == "__main__":
    lib.main("relay_udp")
