#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An HTTP proxy: what it says, tunnels through it, who may use it, and what it must refuse."""
import base64
import hashlib
import json
import os
import socket
import threading
import time
import zlib

import lib
from http_world import Script, Talk, answer, heads, read_head, same_end
from lib import ENGINES, Gostbpf, Upstream, case, check, echo_server, recv_exact, recv_to_end, reset, same

MIB = 1 << 20
OK = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n"
HTTP = ("-L", "http://127.0.0.1:8080")


# --- as recorded ---
def recorded(prefix="http-"):
    rows = [json.loads(line) for line in (lib.ROOT / "tests/vectors/gost/wire.jsonl").read_text().splitlines()]
    return [r for r in rows if r["side"] == "reply" and r["id"].startswith(prefix)]


def fill(text):
    ports = {"{U:dec}": "8000", "{CLOSED:dec}": "8999", "{P:dec}": "8080"}
    for name, value in ports.items():
        text = text.replace(name, value.encode().hex())
    return [bytes.fromhex(part) for part in text.split(" | ")]


def echo_or_answer(sock, _):
    """As the recorder's target: echoes, but answers a request."""
    data = sock.recv(65536)
    while data:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok" if data.startswith(b"GET ") else data)
        data = sock.recv(65536)


def replay(rows, start):
    Script(8000, echo_or_answer)
    for row in rows:
        gost = start()
        talk = Talk()
        for part, want in zip(fill(row["client_sends_hex"]), fill(row["observed_hex"])):
            talk.say(part)
            same(recv_exact(talk.sock, len(want)), want, row["id"])
        if row["end"] == "eof":
            same_end(talk, (b"", "eof"))
        talk.sock.close()
        gost.closed()
        same(gost.stop(), 0, "exit status")


@case
def answers_as_recorded_from_gost():
    rows = [r for r in recorded() if "user:pass" not in r["args"][1]]
    check(len(rows) >= 7, f"{len(rows)} recorded rows")
    replay(rows, lambda: Gostbpf(*HTTP))


@case
def answers_about_credentials_as_recorded_from_gost():
    rows = [r for r in recorded() if "user:pass" in r["args"][1]]
    check(len(rows) >= 2, f"{len(rows)} recorded rows")
    replay(rows, lambda: Gostbpf("-L", "http://user:pass@127.0.0.1:8080"))


@case
def another_name_for_the_agent():
    echo_server(8000)
    Gostbpf("-L", "http://127.0.0.1:8080?proxyAgent=squid/9 (x)&bypass=127.0.0.9")
    for target, line in (("127.0.0.1:8000", "200 Connection established"), ("127.0.0.9:8000", "403 Forbidden"),
                         ("127.0.0.1:8999", "503 Service Unavailable")):
        close = "" if line.startswith("200") else "Connection: close\r\n"
        same(Talk().tunnel(target), f"HTTP/1.1 {line}\r\n{close}Proxy-Agent: squid/9 (x)\r\n\r\n".encode(), target)
    err = lib.gostbpf_fails("-L", "http://127.0.0.1:8080?proxyAgent=a%0d%0aX: b")
    check("control character" in err, err)


@case
def auto_takes_http_as_recorded_from_gost():
    replay(recorded("auto-http"), lambda: Gostbpf("-L", "127.0.0.1:8080"))
    gost = Gostbpf("-L", "127.0.0.1:8080")
    for request in (b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n", b"GET http://127.0.0.1:8000/ HTTP/1.1\r\n\r\n" * 2):
        talk = Talk()
        talk.say(request)
        want = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok" * request.count(b"GET")
        same(recv_exact(talk.sock, len(want)), want, "answer")
        talk.sock.close()
    same({r["handler"] for r in gost.closed(2)}, {"http"}, "handler in the closing records")


# --- tunnels ---
@case(engines=ENGINES)
def a_tunnel_in_bulk_both_ways(engine):
    echo_server(8000)
    gost = Gostbpf("-engine", engine, *HTTP)
    talk = Talk()
    same(talk.tunnel("127.0.0.1:8000"), OK, "answer")
    data = os.urandom(MIB)
    want, got = hashlib.sha256(), hashlib.sha256()
    size = 32 * MIB

    def write():
        for _ in range(size // MIB):
            want.update(data)
            talk.say(data)
        talk.sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=write)
    thread.start()
    count = 0
    while part := talk.sock.recv(1 << 18):
        got.update(part)
        count += len(part)
    thread.join()
    same((count, got.hexdigest()), (size, want.hexdigest()), "echo")
    record = gost.closed()[0]
    head = len(b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n")
    same((record["inputBytes"], record["outputBytes"]), (head + size, len(OK) + size), "bytes in the closing record")
    same((record["host"], record["reason"]), ("127.0.0.1:8000", "client-eof"), "closing record")


def upload(port, size, tunnel):
    """Sends so much through a service; it must arrive whole."""
    block = os.urandom(MIB)
    talk = Talk(port)
    if tunnel:
        same(talk.tunnel("127.0.0.1:8000"), OK, "answer")
    for _ in range(size // MIB):
        talk.say(block)
    talk.sock.shutdown(socket.SHUT_WR)
    want = 0
    for _ in range(size // MIB):
        want = zlib.crc32(block, want)
    same_end(talk, (b"%08x" % want, "eof"))


def checksum_of(sock, _):
    """Cheap: a receiver that is slower than the sender is a reason to leave the kernel path."""
    crc, buf = 0, memoryview(bytearray(1 << 20))
    while n := sock.recv_into(buf):
        crc = zlib.crc32(buf[:n], crc)
    sock.sendall(b"%08x" % crc)


@case
def the_kernel_moves_a_tunnel_as_it_moves_plain_forwarding():
    lib.require_engine("sockmap")
    Script(8000, checksum_of)
    gost = Gostbpf("-engine", "sockmap", *HTTP, "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000")
    upload(8080, 512 * MIB, True)
    upload(8081, 512 * MIB, False)
    shares = [r["kernelInputBytes"] / r["inputBytes"] for r in gost.closed(2)]
    # How much depends on how busy the machine is (scripts/bench-proxies compares); that the kernel does must not.
    check(min(shares) > 0, f"the kernel moved {shares[0]:.0%} of the tunnel, {shares[1]:.0%} of plain forwarding")


@case(engines=ENGINES)
def bytes_behind_the_request_come_first(engine):
    up = Upstream(8000)
    Gostbpf("-engine", engine, *HTTP)
    extra = os.urandom(9000)
    talk = Talk()
    talk.say(b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: x\r\n\r\n" + extra[:5000])
    same(read_head(talk.sock), OK, "answer")
    talk.say(extra[5000:])
    talk.sock.shutdown(socket.SHUT_WR)
    same(recv_to_end(up.accept()), extra, "what the target got")


@case
def a_request_in_any_pieces():
    up = Upstream(8000)
    Gostbpf(*HTTP)
    request = b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\nhello"
    for cut in range(1, len(request), 3):
        talk = Talk()
        talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk.say(request[:cut])
        time.sleep(0.005)
        talk.say(request[cut:])
        same(read_head(talk.sock), OK, f"answer, cut at {cut}")
        sock = up.accept()
        same(recv_exact(sock, 5), b"hello", f"payload, cut at {cut}")
        sock.close()
        talk.sock.close()


@case(engines=ENGINES)
def a_target_that_speaks_first(engine):
    up = Upstream(8000)
    Gostbpf("-engine", engine, *HTTP)
    talk = Talk()
    talk.say(b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n\r\n")
    sock = up.accept()
    sock.sendall(b"SSH-2.0-server\r\n")
    same(read_head(talk.sock), OK, "answer")
    same(recv_exact(talk.sock, 16), b"SSH-2.0-server\r\n", "banner")
    talk.say(b"SSH-2.0-client\r\n")
    same(recv_exact(sock, 16), b"SSH-2.0-client\r\n", "reply")


@case(engines=ENGINES)
def half_close_through_a_tunnel(engine):
    up = Upstream(8000)
    Gostbpf("-engine", engine, *HTTP)
    talk = Talk()
    talk.tunnel("127.0.0.1:8000")
    sock = up.accept()
    talk.say(b"question")
    talk.sock.shutdown(socket.SHUT_WR)
    same(recv_to_end(sock), b"question", "target")
    time.sleep(0.5)
    sock.sendall(b"answer")
    sock.close()
    same_end(talk, (b"answer", "eof"))


@case
def a_reset_goes_through_a_tunnel():
    up = Upstream(8000)
    Gostbpf(*HTTP)
    talk = Talk()
    talk.tunnel("127.0.0.1:8000")
    reset(up.accept())
    same_end(talk, (b"", "reset"))


@case
def ipv6_and_names():
    up4, up6 = Upstream(8000), Upstream(8000, "::1")
    lib.sandbox.replace_file("/etc/hosts", "127.0.0.1 four.example\n::1 six.example\n")
    gost = Gostbpf(*HTTP, "-L", "http://[::1]:8081")
    for port, host in ((8080, "127.0.0.1"), (8081, "::1")):
        for target, up in (("[::1]:8000", up6), ("six.example:8000", up6), ("four.example:8000", up4)):
            talk = Talk(port, host)
            same(talk.tunnel(target), OK, f"{target} from {host}")
            sock = up.accept()
            talk.say(b"x")
            same(recv_exact(sock, 1), b"x", target)
            talk.sock.close()
            sock.close()
    hosts = {r["host"] for r in gost.closed(6)}
    same(hosts, {"[::1]:8000", "six.example:8000", "four.example:8000"}, "hosts in the closing records")


# --- who asks ---
def basic(user, password):
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@case
def realm():
    Gostbpf("-L", "http://user:pass@127.0.0.1:8080?authBasicRealm=the+office")
    head = Talk().get("http://127.0.0.1:8000/")[0]
    check(b'\r\nProxy-Authenticate: Basic realm="the office"\r\n' in head, f"{head}")
    for bad in ("%22", "a%5C", ""):
        check("authBasicRealm" in lib.gostbpf_fails("-L", f"http://:8081?authBasicRealm={bad}"), f"realm {bad}")


@case
def credentials():
    seen = heads(answer())
    gost = Gostbpf("-L", "http://user:pa%3Ass@127.0.0.1:8080")
    bad = [(), (basic("user", "pa"),), (basic("user", "pa:sss"),), (basic("", ""),), ("Proxy-Authorization: Basic !!!",),
           ("Proxy-Authorization: Bearer x",), (basic("other", "pa:ss"),), (basic("user", "x" * 600),)]
    for fields in bad:
        for url in ("http://127.0.0.1:8000/", None):
            talk = Talk()
            head = talk.get(url, *fields)[0] if url else talk.tunnel("127.0.0.1:8000", *fields)
            check(head.startswith(b"HTTP/1.1 407 ") and b'\r\nProxy-Authenticate: Basic realm="gost"\r\n' in head, f"{fields}: {head}")
            same_end(talk, (b"", "eof"))
    head, _ = Talk().get("http://127.0.0.1:8000/", basic("user", "pa:ss"))
    check(head.startswith(b"HTTP/1.1 200 "), f"right credentials: {head}")
    check(b"authorization" not in seen[0][1].lower(), f"the target got {seen[0][1]}")
    same({r["reason"] for r in gost.closed(len(bad) * 2) if r["reason"] != "client-eof"}, {"auth-failed"}, "reasons")
    gost.wait_log(lambda r: r.get("user") == "user", "the user in a record")


@case
def credentials_are_asked_for_again_with_every_request():
    heads(answer(), answer())
    Gostbpf("-L", "http://u:p@127.0.0.1:8080")
    talk = Talk()
    check(talk.get("http://127.0.0.1:8000/", basic("u", "p"))[0].startswith(b"HTTP/1.1 200"), "first")
    check(talk.get("http://127.0.0.1:8000/", basic("u", "q"))[0].startswith(b"HTTP/1.1 407"), "second, same connection")


# --- what is refused ---
BAD = [
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n",
    b"GET https://127.0.0.1:8000/ HTTP/1.1\r\n\r\n", b"GET http://u:p@127.0.0.1:8000/ HTTP/1.1\r\n\r\n", b"CONNECT 127.0.0.1:0 HTTP/1.1\r\n\r\n",
    b"CONNECT a b HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x05\x01\x00",
    b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
    b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST http://127.0.0.1:8000/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"GET http://127.0.0.1:8000/ HTTP/1.1\nHost: a\n\n", b"GET http://127.0.0.1:8000/ HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
]


@case
def what_could_be_read_in_two_ways_is_refused():
    up = Upstream(8000)
    gost = Gostbpf(*HTTP)
    for request in BAD:
        talk = Talk()
        talk.say(request)
        same_end(talk, (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "eof"))
    check(up.nobody(), "somebody was connected")
    same({r["reason"] for r in gost.closed(len(BAD))}, {"bad-request"}, "reasons")


@case
def a_head_without_an_end_is_refused():
    gost = Gostbpf(*HTTP)
    for request in (b"GET http://a/ HTTP/1.1\r\n" + b"X: " + b"a" * 40000, b"GET http://a/ HTTP/1.1\r\n" + b"a: b\r\n" * 129 + b"\r\n"):
        talk = Talk()
        talk.say(request)
        same_end(talk, (b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n", "eof"))
    same({r["reason"] for r in gost.closed(2)}, {"handshake-too-long"}, "reasons")


@case
def a_slow_head_meets_a_deadline():
    heads(answer())
    gost = Gostbpf("-L", "http://127.0.0.1:8080?readTimeout=1500ms")
    fast = Talk()
    fast.get("http://127.0.0.1:8000/")
    for talk in (Talk(), fast):  # a new connection, and the second request of one
        start = time.monotonic()
        sent = 0
        try:
            for byte in b"GET http://127.0.0.1:8000/ HTTP/1.1\r\nX: " + b"a" * 100:
                talk.say(bytes([byte]))
                sent += 1
                time.sleep(0.25)
        except ConnectionError:
            pass
        took = time.monotonic() - start
        check(1 < took < 9 and sent < 40, f"cut after {took:.1f} s and {sent} bytes")  # all of it takes 35 s
    same([r["reason"] for r in gost.closed(2)], ["handshake-timeout"] * 2, "reasons")


@case
def targets_that_cannot_be_reached():
    gost = Gostbpf(*HTTP)
    talk = Talk()
    same(talk.tunnel("127.0.0.1:8999"), b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nProxy-Agent: gost/3.0\r\n\r\n", "refused")
    same_end(talk, (b"", "eof"))
    talk = Talk()
    same(talk.get("http://nowhere.invalid/")[0], b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "no such name")
    same_end(talk, (b"", "eof"))
    same([r["reason"] for r in gost.closed(2)], ["dial-failed"] * 2, "reasons")
    check(any(r["msg"] == "dial tcp 127.0.0.1:8999: connect: connection refused" for r in gost.log()), "GOST's words in the log")

if __name__ == "__main__":
    lib.main("http")
