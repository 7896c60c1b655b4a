#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests that an HTTP proxy passes on: what the next one sees, where messages end, and ends that must stay visible."""
import hashlib
import re
import socket
import threading
import time

import lib
from http_world import Script, Talk, answer, heads, pattern, read_head, read_message, same_end
from lib import Gostbpf, Upstream, case, check, echo_server, recv_exact, recv_header, recv_to_end, reset, same, until

MIB = 1 << 20
OK = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n"
HTTP = ("-L", "http://127.0.0.1:8080")


@case
def a_head_is_rewritten():
    seen = heads(answer(b"ok", "Connection: X-Private", "X-Private: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: Basic", "X-A: b"))
    Gostbpf(*HTTP)
    head, body = Talk().ask(b"GET http://127.0.0.1:8000/a?b=c HTTP/1.1\r\nHost: elsewhere\r\nUser-Agent: t\r\nProxy-Connection: keep-alive\r\n"
                            b"Gost-Target: d\r\nX-Gost-Target: d\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nTE: trailers\r\nX-Q: 1\r\n\r\n")
    same((head, body), (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n", b"ok"), "answer")
    same(seen[0][1], b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: t\r\nX-Q: 1\r\n\r\n", "request")


@case
def one_connection_for_several_requests_to_several_hosts():
    seen = []

    def serve(name):
        def fn(sock, number):
            while True:
                head, _ = read_message(sock)
                seen.append((name, number, head.split()[1]))
                sock.sendall(answer(name.encode() + head.split()[1]))
        return fn

    Script(8000, serve("a"))
    Script(8001, serve("b"))
    gost = Gostbpf(*HTTP)
    talk = Talk()
    for port, path in ((8000, "/1"), (8000, "/2"), (8001, "/3"), (8001, "/4"), (8000, "/5")):
        same(talk.get(f"http://127.0.0.1:{port}{path}")[1], ("a" if port == 8000 else "b").encode() + path.encode(), "body")
    # The upstream's connection is used again for the same host, and given up for another.
    same(seen, [("a", 1, b"/1"), ("a", 1, b"/2"), ("b", 1, b"/3"), ("b", 1, b"/4"), ("a", 2, b"/5")], "who was asked on which connection")
    talk.sock.close()
    record = gost.closed()[0]
    same(record["reason"], "client-eof", "reason")
    log = gost.log()
    for kind in ("<->", ">-<"):
        same([r["host"] for r in log if f" {kind} " in r["msg"]], [f"127.0.0.1:{p}" for p in (8000, 8000, 8001, 8001, 8000)], kind)
    first = next(r for r in log if " >-< " in r["msg"])
    same((first["inputBytes"], first["outputBytes"]),
         (len("GET http://127.0.0.1:8000/1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"), len(answer(b"a/1"))), "bytes of the first request")


@case
def connections_to_targets_are_not_kept_where_that_is_not_wanted():
    seen = heads(answer(b"1"), answer(b"2"))
    Gostbpf("-L", "http://127.0.0.1:8080?http.keepalive=false")
    talk = Talk()
    same([talk.get("http://127.0.0.1:8000/")[1] for _ in range(2)], [b"1", b"1"], "the client's connection is")
    same([number for number, *_ in seen], [1, 2], "connections to the target")
    check(all(b"\r\nConnection: close\r\n" in head for _, head, _ in seen), f"what it is told: {seen}")


@case
def a_tunnel_after_requests():
    seen = heads(answer(b"1"))
    echo_server(8001)
    Gostbpf(*HTTP)
    talk = Talk()
    same(talk.get("http://127.0.0.1:8000/")[1], b"1", "request")
    same(talk.tunnel("127.0.0.1:8001"), OK, "tunnel")
    talk.say(b"hello")
    same(recv_exact(talk.sock, 5), b"hello", "echo")
    same(len(seen), 1, "requests")


@case
def pipelined_requests_are_answered_in_order():
    def serve(sock, _):
        while True:
            head, body = read_message(sock)
            time.sleep(0.01)
            sock.sendall(answer(head.split()[1] + body))

    Script(8000, serve)
    Script(8001, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    urls = [(f"http://127.0.0.1:{8000 + i % 3 // 2}/{i}", b"x" * (i % 5 * 1000)) for i in range(40)]
    talk.say(b"".join(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (u.encode(), len(b), b) if b else
                      b"GET %s HTTP/1.1\r\n\r\n\r\n" % u.encode() for u, b in urls))
    for i, (_, body) in enumerate(urls):
        same(read_message(talk.sock)[1], b"/%d" % i + body, f"answer {i}")


@case
def clients_never_share_an_upstream():
    up = Upstream(8000)
    Gostbpf("-L", "http://127.0.0.1:8080?handler.proxyProtocol=1")
    socks = []
    for _ in range(3):
        talk = Talk()
        for path in ("/1", "/2"):
            talk.say(f"GET http://127.0.0.1:8000{path} HTTP/1.1\r\n\r\n".encode())
            if path == "/1":
                sock = up.accept()
                header, _ = recv_header(sock)
                same((header["src"], header["sport"]), talk.sock.getsockname(), "client in the PROXY header")
                socks.append((talk, sock))
            read_head(sock)
            sock.sendall(answer())
            read_message(talk.sock)
    check(up.nobody(), "one connection for each client")


@case
def proxy_header_is_received_and_sent():
    up = Upstream(8000)
    gost = Gostbpf("-L", "http://127.0.0.1:8080?proxyProtocol=1&handler.proxyProtocol=2")
    for request in (b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n", b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n\r\n"):
        talk = Talk()
        talk.say(lib.v1("192.0.2.7", 4321, "192.0.2.1", 80) + request)
        sock = up.accept()
        header, _ = recv_header(sock)
        same(lib.endpoints(header), ("192.0.2.7", 4321, "192.0.2.1", 80), "PROXY header")
        if request.startswith(b"GET"):
            same(read_head(sock), b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", "request")
        sock.close()
        talk.sock.close()
    same({r["client"] for r in gost.closed(2)}, {"192.0.2.7:4321"}, "client in the closing records")


def framings():
    body = pattern(300000)
    chunked = b"".join(b"%X\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:200000], body[200000:])) + b"0\r\nA: b\r\n\r\n"
    return [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, False),
        (b"HTTP/1.0 200 OK\r\n\r\n" + body, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", False),
    ]


@case
def every_framing_of_an_answer():
    answers = framings()

    def serve(sock, number):
        data, ends = answers[(number - 1) // 2]
        while True:
            read_message(sock)
            sock.sendall(data)
            if ends:
                return

    Script(8000, serve)
    Gostbpf(*HTTP)
    for data, ends in answers:
        for close in (False, True):
            talk = Talk()
            talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n" + (b"Connection: close\r\n" if close else b"") + b"\r\n")
            head, body = data.split(b"\r\n\r\n", 1)
            want = head + (b"\r\nConnection: close" if close or ends else b"") + b"\r\n\r\n" + body
            same(hashlib.sha256(recv_exact(talk.sock, len(want))).hexdigest(), hashlib.sha256(want).hexdigest(), head)
            if close or ends:
                same_end(talk, (b"", "eof"))
            else:  # its end was seen: the next request is answered
                talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
                same(recv_exact(talk.sock, len(want)), want, "second answer")
                talk.sock.close()


@case
def no_body_for_head_and_interim_answers():
    def serve(sock, _):
        same(read_message(sock)[0].split()[0], b"HEAD", "method")
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        read_message(sock)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(answer(b"hello"))

    Script(8000, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"HEAD http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    same(read_head(talk.sock), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "interim answer")
    same(read_head(talk.sock), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "answer to HEAD")
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    same(read_head(talk.sock), b"HTTP/1.1 100 Continue\r\n\r\n", "interim answer to GET")
    same(read_message(talk.sock), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"), "answer")


@case
def a_body_waits_for_100_continue():
    got = []

    def serve(sock, _):
        head = read_head(sock)
        check(b"\r\nExpect: 100-continue\r\n" in head, f"{head}")
        sock.settimeout(0.3)
        try:
            got.append(sock.recv(1))
        except TimeoutError:
            got.append(b"")
        sock.settimeout(lib.PATIENCE * lib.SLOW)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        got.append(recv_exact(sock, 5))
        sock.sendall(answer(b"done"))

    Script(8000, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    same(read_head(talk.sock), b"HTTP/1.1 100 Continue\r\n\r\n", "100")
    talk.say(b"hello")
    same(read_message(talk.sock)[1], b"done", "answer")
    same(got, [b"", b"hello"], "body at the target")


# --- ends that must stay visible ---
def end_writing(sock):
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # what was sent has been found wrong already, and the connection reset


CUT = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX"]


@case
def a_cut_answer_looks_cut():
    for data in CUT:
        up = Upstream(8000)
        gost = Gostbpf(*HTTP)
        talk = Talk()
        talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
        sock = up.accept()
        read_head(sock)
        sock.sendall(data)
        end_writing(sock)
        got, how = talk.end()
        check(how == "reset" and data.startswith(got), f"{data}: {got}, {how}")
        check(gost.closed()[0]["reason"] in ("upstream-truncated", "upstream-malformed"), f"{gost.closed()}")
        gost.stop()
        up.sock.close()


@case
def an_answer_until_the_end_that_is_reset_looks_reset():
    up = Upstream(8000)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    sock = up.accept()
    read_head(sock)
    sock.sendall(b"HTTP/1.0 200 OK\r\n\r\npart")
    same(recv_exact(talk.sock, len(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\npart"))[-4:], b"part", "so far")
    reset(sock)
    same_end(talk, (b"", "reset"))


@case
def no_answer_is_a_502():
    up = Upstream(8000)
    gost = Gostbpf(*HTTP)
    for data in (b"", b"HTTP/1.1 200", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                 b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20000):
        talk = Talk()
        talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
        sock = up.accept()
        read_message(sock)
        sock.sendall(data)
        end_writing(sock)
        same_end(talk, (b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "eof"))
    same({r["reason"] for r in gost.closed(6)}, {"upstream-failed"}, "reasons")


@case
def a_late_answer_is_a_504():
    Upstream(8000)
    gost = Gostbpf("-L", "http://127.0.0.1:8080?readTimeout=1s")
    talk = Talk()
    start = time.monotonic()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    same_end(talk, (b"HTTP/1.1 504 Gateway Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "eof"))
    check(0.9 < time.monotonic() - start < 9, "after the time that was set")
    same(gost.closed()[0]["reason"], "upstream-timeout", "reason")


@case
def bytes_behind_an_answer_reach_nobody():
    """An answer to a question that nobody asked would be taken for the next one's."""
    def serve(sock, number):
        read_message(sock)
        sock.sendall(answer(b"one") + (answer(b"evil") if number == 1 else b""))
        read_to_end(sock)

    def read_to_end(sock):
        while sock.recv(100):
            pass

    Script(8000, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    for _ in range(2):
        same(talk.get("http://127.0.0.1:8000/")[1], b"one", "answer")


@case
def a_request_cut_short_is_not_completed():
    up = Upstream(8000)
    gost = Gostbpf(*HTTP)
    for head, part in ((b"Content-Length: 10", b"hello"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"), (b"Transfer-Encoding: chunked", b"5\r\nhelloX")):
        talk = Talk()
        talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\n" + head + b"\r\n\r\n" + part)
        sock = up.accept()
        read_head(sock)
        end_writing(talk.sock)
        same(lib.ending(sock), "reset", f"at the target, {part}")
    check({r["reason"] for r in gost.closed(3)} <= {"client-truncated", "bad-request"}, f"{gost.closed(3)}")


@case
def a_kept_connection_that_has_gone_is_replaced():
    """Both kinds: noticed before the next request, and only after it was sent."""
    late = threading.Event()

    def serve(sock, number):
        read_message(sock)
        sock.sendall(answer(b"%d" % number))
        if number == 1:
            return
        if number == 2:
            read_head(sock)  # takes the second request, and dies without an answer
            late.set()
            return
        read_message(sock)

    Script(8000, serve)
    gost = Gostbpf(*HTTP)
    talk = Talk()
    same(talk.get("http://127.0.0.1:8000/")[1], b"1", "first")
    time.sleep(0.2)
    same(talk.get("http://127.0.0.1:8000/")[1], b"2", "after the upstream left")
    same(talk.get("http://127.0.0.1:8000/")[1], b"3", "asked again on a new connection")
    check(late.is_set(), "the upstream had taken the request")
    talk.sock.close()
    same(gost.closed()[0]["reason"], "client-eof", "reason")


@case
def a_post_is_never_repeated():
    seen = []

    def serve(sock, number):
        while True:
            seen.append((number, read_message(sock)[0].split()[0]))
            sock.sendall(answer())

    Script(8000, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.get("http://127.0.0.1:8000/")
    talk.get("http://127.0.0.1:8000/", "Content-Length: 0", method="POST")
    same(seen, [(1, b"GET"), (2, b"POST")], "a connection of its own")


# --- both directions at once, and slowly ---
@case
def an_answer_before_the_request_is_over():
    up = Upstream(8000)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1000)
    sock = up.accept()
    read_head(sock)
    recv_exact(sock, 1000)
    sock.sendall(answer(b"too large", status="413 Content Too Large"))
    head, body = read_message(talk.sock)
    check(head.startswith(b"HTTP/1.1 413 ") and b"\r\nConnection: close\r\n" in head and body == b"too large", f"{head}")
    same_end(talk, (b"", "eof"))


@case
def an_upload_is_held_back_when_the_target_does_not_read():
    up = Upstream(8000, rcvbuf=65536)
    gost = Gostbpf(*HTTP)
    talk = Talk()
    size = 256 * MIB
    talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    sock = up.accept()
    talk.sock.settimeout(1)
    sent, block = 0, bytes(MIB)
    try:
        while sent < size:
            sent += talk.sock.send(block)
    except TimeoutError:
        pass
    check(sent < 64 * MIB, f"{sent} bytes were taken though nobody reads")
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        rss = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    check(rss < 100000 * lib.SLOW, f"{rss} kB resident")
    talk.sock.settimeout(lib.PATIENCE * lib.SLOW)
    rest = threading.Thread(target=lambda: [talk.sock.sendall(bytes(min(MIB, size - at))) for at in range(sent, size, MIB)])
    rest.start()
    same(len(read_head(sock)) > 0, True, "head")
    total = 0
    while total < size:
        total += len(sock.recv(1 << 20))
    rest.join()
    sock.sendall(answer(b"got it"))
    same(read_message(talk.sock)[1], b"got it", "answer")


@case
def a_download_is_held_back_when_the_client_does_not_read():
    sent = [0]
    size = 256 * MIB
    block = pattern(MIB)

    def serve(sock, _):
        read_message(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            sock.sendall(block)
            sent[0] += MIB

    Script(8000, serve)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    read_head(talk.sock)
    until(lambda: sent[0] and (before := sent[0]) and (time.sleep(0.5) or sent[0] == before), "the upstream is held back")
    check(sent[0] < 64 * MIB, f"{sent[0]} bytes were taken though nobody reads")
    digest, want = hashlib.sha256(), hashlib.sha256()
    left = size
    while left:
        part = talk.sock.recv(1 << 20)
        check(part, f"the end, {left} bytes early")
        digest.update(part)
        left -= len(part)
    for _ in range(size // MIB):
        want.update(block)
    same(digest.digest(), want.digest(), "content")


@case
def a_client_that_leaves_frees_the_upstream():
    up = Upstream(8000)
    gost = Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    sock = up.accept()
    read_head(sock)
    reset(talk.sock)
    same(lib.ending(sock), "reset", "at the target")
    same(gost.closed()[0]["reason"], "reset-by-client", "reason")


@case
def a_request_with_a_half_close_is_answered():
    up = Upstream(8000)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    talk.sock.shutdown(socket.SHUT_WR)
    sock = up.accept()
    read_head(sock)
    time.sleep(0.3)
    sock.sendall(answer())
    same_end(talk, (answer(), "eof"))


@case
def a_client_that_says_nothing_more_is_let_go_in_order():
    seen = heads(answer())
    gost = Gostbpf("-L", "http://127.0.0.1:8080?idleTimeout=1s")
    talk = Talk()
    talk.get("http://127.0.0.1:8000/")
    start = time.monotonic()
    same_end(talk, (b"", "eof"))
    check(0.9 < time.monotonic() - start < 9, "after the time that was set")
    same((gost.closed()[0]["reason"], len(seen)), ("idle", 1), "reason")


@case
def an_exchange_in_which_nothing_moves_is_cut():
    up = Upstream(8000)
    gost = Gostbpf("-L", "http://127.0.0.1:8080?idleTimeout=2s")
    talk = Talk()
    talk.say(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
    sock = up.accept()
    read_head(sock)
    for _ in range(4):  # slow is not idle
        time.sleep(0.6)
        talk.say(b"x")
    same(recv_exact(sock, 9), b"12345xxxx", "so far")
    same((lib.ending(sock), lib.ending(talk.sock)), ("reset", "reset"), "both ends")
    same(gost.closed()[0]["reason"], "idle", "reason")


@case
def the_last_answer_before_the_end_is_whole():
    up = Upstream(8000)
    gost = Gostbpf(*HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n")
    sock = up.accept()
    read_head(sock)
    gost.proc.terminate()
    until(lambda: not lib.listening(8080), "shutting down")
    sock.sendall(answer(b"last"))
    same_end(talk, (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast", "eof"))
    talk.sock.close()
    same(gost.stop(), 0, "exit status")


@case
def an_upgrade_becomes_a_tunnel():
    up = Upstream(8000)
    gost = Gostbpf("-engine", "copy", *HTTP)
    talk = Talk()
    talk.say(b"GET http://127.0.0.1:8000/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
    sock = up.accept()
    same(read_head(sock), b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "request")
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: y\r\n\r\nfirst")
    same(read_head(talk.sock), b"HTTP/1.1 101 Switching Protocols\r\nX: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "answer")
    same(recv_exact(talk.sock, 5), b"first", "behind the answer")
    same(recv_exact(sock, 5), b"early", "behind the request")
    talk.say(b"\x00\xff\r\n\r\n")
    same(recv_exact(sock, 6), b"\x00\xff\r\n\r\n", "frames")
    talk.sock.shutdown(socket.SHUT_WR)
    same(recv_to_end(sock), b"", "half-close")
    sock.sendall(b"bye")
    sock.close()
    same_end(talk, (b"bye", "eof"))
    same(gost.closed()[0]["reason"], "client-eof", "reason")


@case
def an_upgrade_that_is_refused_stays_http():
    heads(answer(b"no", status="426 Upgrade Required"))
    Gostbpf(*HTTP)
    talk = Talk()
    same(talk.get("http://127.0.0.1:8000/", "Connection: Upgrade", "Upgrade: websocket")[1], b"no", "answer")


if __name__ == "__main__":
    lib.main("http_forward")
