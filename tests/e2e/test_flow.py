#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an engine must keep of TCP: every byte, half-close either way, resets as resets; and an exact closing record."""
import hashlib
import os
import socket
import threading
import time

import lib
from lib import (ENGINES, Gostbpf, Server, Upstream, case, check, connect, echo_server, ending, recv_exact, recv_to_end, reset,
                 same)

MIB = 1 << 20


def start(engine):
    return Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")


def joined(engine):
    """A session under way: gostbpf, the client's end, the upstream's end."""
    up = Upstream(8000)
    gost = start(engine)
    client = connect(8080)
    return gost, client, up.accept()


def warm(client, sock, size=4 * MIB):
    """So much in both directions that every engine is at its steady state."""
    for a, b in ((client, sock), (sock, client)):
        data = os.urandom(65536) * (size // 65536)
        thread = threading.Thread(target=a.sendall, args=(data,))
        thread.start()
        check(recv_exact_big(b, size) == hashlib.sha256(data).digest(), "warm-up bytes")
        thread.join()


def recv_exact_big(sock, size):
    digest = hashlib.sha256()
    while size:
        part = sock.recv(min(size, 1 << 18))
        check(part, f"end with {size} bytes to come")
        digest.update(part)
        size -= len(part)
    return digest.digest()


def record_of(gost, received, sent, engine):
    return check_record(gost.closed()[0], received, sent, engine)


def check_record(record, received, sent, engine):
    same((record["inputBytes"], record["outputBytes"]), (received, sent), "bytes in the closing record")
    check(0 <= record["kernelInputBytes"] <= received and 0 <= record["kernelOutputBytes"] <= sent, f"kernel bytes: {record}")
    check(record["engine"] in ("copy", "splice", "sockmap") and (engine == "auto" or record["engine"] in (engine, "copy")),
          f"engine {record['engine']}")
    check(isinstance(record["duration"], int) and record["duration"] > 0, "duration is in nanoseconds")
    check(record["reason"], "a reason")
    return record


@case(engines=ENGINES)
def echo_both_ways_and_exact_record(engine):
    gost, client, sock = joined(engine)
    client.sendall(b"question")
    same(recv_exact(sock, 8), b"question", "upstream")
    sock.sendall(b"answer")
    same(recv_exact(client, 6), b"answer", "client")
    client.shutdown(socket.SHUT_WR)
    same(recv_to_end(sock), b"", "end at the upstream")
    sock.close()
    same(recv_to_end(client), b"", "end at the client")
    same(record_of(gost, 8, 6, engine)["reason"], "client-eof", "reason")


@case(engines=ENGINES)
def upstream_ends_first(engine):
    gost, client, sock = joined(engine)
    sock.sendall(b"bye")
    sock.shutdown(socket.SHUT_WR)
    same(recv_to_end(client), b"bye", "client")
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    same(recv_to_end(sock), b"last words", "upstream, after its own end")
    same(record_of(gost, 10, 3, engine)["reason"], "upstream-eof", "reason")


@case(engines=ENGINES)
def server_speaks_first(engine):
    _, client, sock = joined(engine)
    sock.sendall(b"220 ready\r\n")
    same(recv_exact(client, 11), b"220 ready\r\n", "greeting")
    client.sendall(b"QUIT\r\n")
    same(recv_exact(sock, 6), b"QUIT\r\n", "answer")


@case(engines=ENGINES)
def half_close_without_a_deadline(engine):
    """In one session by the client, in another by the upstream; longer than any linger that somebody might have thought enough."""
    up, gost = Upstream(8000), start(engine)
    sessions = []
    for by_client in (True, False):
        ends = (connect(8080), up.accept())
        warm(*ends)
        silent, talker = ends if by_client else ends[::-1]
        silent.sendall(b"the last")
        silent.shutdown(socket.SHUT_WR)
        same(recv_to_end(talker), b"the last", "what came before the half-close")
        sessions.append((silent, talker))
    for _ in range(4):
        time.sleep(1)
        for silent, talker in sessions:
            talker.sendall(b"more")
            same(recv_exact(silent, 4), b"more", "after the half-close")
    for silent, talker in sessions:
        talker.close()
        same(recv_to_end(silent), b"", "end")
    by_client, by_upstream = gost.sessions(2)
    check_record(by_client, 4 * MIB + 8, 4 * MIB + 16, engine)
    check_record(by_upstream, 4 * MIB + 16, 4 * MIB + 8, engine)


@case(engines=ENGINES)
def end_with_nothing_said(engine):
    gost, client, sock = joined(engine)
    client.close()
    same(recv_to_end(sock), b"", "upstream")
    sock.close()
    record_of(gost, 0, 0, engine)


@case(engines=ENGINES)
def a_client_that_ends_before_the_upstream_is_there(engine):
    """FIN together with the request: the answer still comes."""
    Server(8000, lambda s: s.sendall(recv_to_end(s)[::-1]))
    gost = start(engine)
    with gost.paused():
        client = connect(8080)
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
    same(recv_to_end(client), b"cba", "answer")
    record_of(gost, 3, 3, engine)


def resets(engine, from_client, busy):
    gost, client, sock = joined(engine)
    near, far = (client, sock) if from_client else (sock, client)
    if busy:
        warm(client, sock)
    near.sendall(b"cut he")
    same(recv_exact(far, 6), b"cut he", "before the reset")
    reset(near)
    same(ending(far), "reset", "how it ends at the other side")
    record = gost.closed()[0]
    same(record["reason"], "reset-by-client" if from_client else "reset-by-upstream", "reason")
    extra = 4 * MIB if busy else 0
    same(record["inputBytes" if from_client else "outputBytes"], extra + 6, "bytes")


@case(engines=ENGINES)
def reset_by_the_client_is_passed_on(engine):
    resets(engine, True, False)


@case(engines=ENGINES)
def reset_by_the_upstream_is_passed_on(engine):
    resets(engine, False, False)


@case(engines=ENGINES)
def reset_by_the_client_in_bulk_is_passed_on(engine):
    resets(engine, True, True)


@case(engines=ENGINES)
def reset_by_the_upstream_in_bulk_is_passed_on(engine):
    resets(engine, False, True)


@case(engines=ENGINES)
def reset_after_half_close(engine):
    """The client has ended; then the upstream resets: the client must see that, not a clean end."""
    _, client, sock = joined(engine)
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    same(recv_to_end(sock), b"x", "request")
    sock.sendall(b"half an ans")
    same(recv_exact(client, 11), b"half an ans", "first part")
    reset(sock)
    same(ending(client), "reset", "end at the client")


@case(engines=ENGINES)
def a_cut_transfer_is_never_a_clean_end(engine):
    """The sender resets while much is on its way: what arrives is a prefix, and ends with a reset."""
    _, client, sock = joined(engine)
    data = os.urandom(65536) * 512
    thread = threading.Thread(target=push_and_reset, args=(client, data))
    thread.start()
    got, how = b"", "eof"
    try:
        while part := sock.recv(1 << 18):
            got += part
    except ConnectionError:
        how = "reset"
    thread.join()
    check(data.startswith(got), "what arrived is a prefix")
    check(len(got) == len(data) or how == "reset", f"clean end after {len(got)} of {len(data)} bytes")


def push_and_reset(sock, data):
    try:
        sock.sendall(data)
    finally:
        reset(sock)


@case(engines=ENGINES)
def bulk_both_directions_at_once(engine):
    size = (16 if lib.SANITIZED else 64) * MIB
    data = os.urandom(1 << 20) * (size >> 20)
    want = hashlib.sha256(data).digest()
    gost, client, sock = joined(engine)
    results = {}

    def guarded(name, s):
        try:
            one_end(name, s)
        except (AssertionError, OSError) as err:
            results[name] = err

    def one_end(name, s):
        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        results[name] = recv_exact_big(s, size)
        check(s.recv(1) == b"", "an end after the last byte")
        sender.join()

    threads = [threading.Thread(target=guarded, args=a) for a in (("client", client), ("upstream", sock))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(results, {"client": want, "upstream": want}, "digests")
    client.close()
    sock.close()
    record = record_of(gost, size, size, engine)
    if engine == "sockmap":  # (when auto thinks it worth while is policy: see scripts/bench-peers)
        moved = record["kernelInputBytes"] + record["kernelOutputBytes"]
        check(moved > 0, f"the kernel moved nothing of {2 * size} bytes")  # how much: test_netns.py, scripts/bench-peers
    if engine in ("copy", "splice"):
        same((record["kernelInputBytes"], record["kernelOutputBytes"]), (0, 0), "kernel bytes")


@case(engines=ENGINES)
def a_slow_reader_gets_everything(engine):
    gost, client, sock = joined(engine)
    data = os.urandom(65536) * 512  # 32 MiB
    thread = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    thread.start()
    digest, count, naps = hashlib.sha256(), 0, 0
    while part := sock.recv(1 << 17):
        digest.update(part)
        count += len(part)
        if count > (naps + 1) * 4 * MIB and naps < 6:
            naps += 1
            time.sleep(0.25)
    thread.join()
    same((count, digest.digest()), (len(data), hashlib.sha256(data).digest()), "what arrived")
    sock.close()
    record_of(gost, len(data), 0, engine)


@case(engines=ENGINES)
def small_messages_are_not_held_back(engine):
    echo_server(8000)
    start(engine)
    client = connect(8080)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began = time.monotonic()
    for i in range(500):
        text = f"message {i:5}".encode()
        client.sendall(text)
        same(recv_exact(client, len(text)), text, "echo")
    took = time.monotonic() - began
    check(took < 10 * lib.SLOW, f"500 round trips took {took:.1f} s: delayed acknowledgements or Nagle")


@case(engines=ENGINES)
def no_descriptor_is_left(engine):
    echo_server(8000)
    gost = start(engine)
    for i in range(60):
        client = connect(8080)
        client.sendall(bytes(200000 if i % 3 else 5))
        if i % 4 == 0:
            reset(client)
        elif i % 4 == 1:
            client.close()
        else:
            client.shutdown(socket.SHUT_WR)
            recv_to_end(client)
    gost.closed(60)
    gost.no_leak()


if __name__ == "__main__":
    lib.main("flow")
