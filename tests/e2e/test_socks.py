#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SOCKS4, 4a and 5, each alone and behind auto: real clients, recorded bytes, and clients that behave badly."""
import hashlib
import json
import re
import socket
import struct
import threading
import time

import lib
import sandbox
import tls_peer
from lib import ROOT, Gostbpf, Server, Upstream, case, check, connect, echo_server, recv_exact, recv_to_end, same, skip
from socks_world import BIND, NONE, connect4, connect5, greet5, login, open5, open_port, read_reply5, request4, request5

SOCKS5 = ("-L", "socks5://127.0.0.1:1080")
SOCKS4 = ("-L", "socks4://127.0.0.1:1080")
BODY = bytes(range(256)) * 4096 + b"the end"


def names():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost target.test\n::1 localhost target6.test\n")


def content_server(port, host="127.0.0.1"):
    """One HTTP answer with BODY; result: the request's head."""
    def serve(sock):
        head = b""
        while b"\r\n\r\n" not in head:
            part = sock.recv(65536)
            if not part:
                return None
            head += part
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY)
        return head

    return Server(port, serve, host)


def curl(*argv):
    """lib.curl() uses no proxy, whatever it is told."""
    return lib.run("curl", "-sS", "-m", "10", *argv)


def fetch(*argv):
    out = lib.tmp() / "body"
    out.unlink(missing_ok=True)
    rc, code, err = curl("-o", str(out), "-w", "%{http_code}", *argv)
    same((rc, code), (0, "200"), f"curl {' '.join(argv)} ({err})")
    same(hashlib.sha256(out.read_bytes()).hexdigest(), hashlib.sha256(BODY).hexdigest(), "content")


def line_of(gost, sign):
    return gost.wait_log(lambda r: f" {sign} " in r.get("msg", ""), f"a record with {sign}")


# --- clients that everybody has ---
def curl_each(port):
    fetch("--socks5", f"127.0.0.1:{port}", "http://127.0.0.1:8000/")
    fetch("--socks5", f"127.0.0.1:{port}", "http://[::1]:8000/")
    fetch("--socks5-hostname", f"127.0.0.1:{port}", "http://target.test:8000/")
    fetch("--socks5-hostname", f"127.0.0.1:{port}", "http://target6.test:8000/")


def curl_each_4(port):
    fetch("--socks4", f"127.0.0.1:{port}", "http://127.0.0.1:8000/")
    fetch("--socks4a", f"127.0.0.1:{port}", "http://target.test:8000/")
    fetch("--socks4a", f"127.0.0.1:{port}", "http://target6.test:8000/")


def servers():
    names()
    content_server(8000)
    content_server(8000, "::1")


@case
def curl_through_socks5():
    servers()
    gost = Gostbpf(*SOCKS5, "-L", "socks://127.0.0.1:1081", "-L", "socks5://[::1]:1082")
    curl_each(1080)
    curl_each(1081)
    fetch("--socks5", "[::1]:1082", "http://127.0.0.1:8000/")
    same(len(gost.closed(9)), 9, "closing records")


@case
def curl_through_socks4():
    servers()
    gost = Gostbpf(*SOCKS4, "-L", "socks4a://127.0.0.1:1081")
    curl_each_4(1080)
    curl_each_4(1081)
    same([r["handler"] for r in gost.sessions(6)], ["socks4"] * 3 + ["socks4a"] * 3, "handlers in the log")


@case
def curl_through_auto():
    """One port, bare -L :PORT, both families, all three protocols."""
    servers()
    gost = Gostbpf("-L", ":8080")
    curl_each(8080)
    curl_each_4(8080)
    fetch("--socks5", "[::1]:8080", "http://127.0.0.1:8000/")
    fetch("-x", "http://127.0.0.1:8080", "http://127.0.0.1:8000/")
    fetch("-p", "-x", "http://127.0.0.1:8080", "http://target6.test:8000/")
    handlers = [r["handler"] for r in gost.sessions(10)]
    same(handlers, ["socks5"] * 4 + ["socks4"] * 3 + ["socks5"] + ["http"] * 2, "handlers in the log")


@case
def user_and_password():
    servers()
    gost = Gostbpf("-L", "socks5://joe:secret@127.0.0.1:1080", "-L", "joe:secret@:8080")
    for port in (1080, 8080):
        fetch("--socks5", f"127.0.0.1:{port}", "-U", "joe:secret", "http://127.0.0.1:8000/")
        for wrong in ("joe:Secret", "joe:", "Joe:secret", "joe:secret ", "joe:secretsecret", ":"):
            rc, _, _ = curl("--socks5", f"127.0.0.1:{port}", "-U", wrong, "http://127.0.0.1:8000/")
            same(rc, 97, f"curl's status with {wrong}")
        rc, _, _ = curl("--socks5", f"127.0.0.1:{port}", "http://127.0.0.1:8000/")
        same(rc, 97, "curl's status without a password")
        rc, _, _ = curl("--socks4a", f"127.0.0.1:{port}", "-U", "joe:secret", "http://127.0.0.1:8000/")
        check(rc, "SOCKS4 has no password, so it gets in nowhere")
    same({r["user"] for r in gost.log() if " <-> " in r.get("msg", "")}, {"joe"}, "user in the log")
    check("secret" not in re.sub(r"joe:secret@", "", gost.text()), "the password is in the log")
    same(len(gost.reasons("auth-failed", 26)), 26, "records of refusals: two for each of six at 1080 and seven at 8080")


# --- recorded from GOST ---
# What we say on purpose where GOST says something else.
DIFFERENT = {
    "socks5-connect-ok": {1: "05000001{E}"}, "socks5-auth-ok": {2: "05000001{E}"},  # BND.ADDR is where we connect from
    "socks5-connect-default-tls": {0: "0500"},  # TLS inside SOCKS is never chosen
    "socks5-auth-notoffered": {0: "05ff"},  # a method that was not offered is never chosen
    "socks4-bind": {0: "005b000000000000"},  # a refusal is said
}


def recorded(kind):
    with open(ROOT / "tests/vectors/gost/wire.jsonl", encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [r for r in rows if r["side"] == kind and re.search(r"socks", r["id"])]


def fill(text, port, target, closed):
    for name, value in (("{P}", str(port)), ("{U:be16}", f"{target:04x}"), ("{CLOSED:be16}", f"{closed:04x}")):
        text = text.replace(name, value)
    return text


def replay(row, port, target, closed):
    sock = connect(port)
    answers = row["observed_hex"].split(" | ")
    for i, part in enumerate(row["client_sends_hex"].split(" | ")):
        sock.sendall(bytes.fromhex(fill(part, port, target, closed)))
        want = DIFFERENT.get(row["id"], {}).get(i, answers[i])
        fixed = want.replace("{E}", "")
        got = recv_exact(sock, len(fixed) // 2)
        same(got.hex(), fixed, f"{row['id']}: answer {i}")
        if "{E}" in want:
            same(recv_exact(sock, 6)[:4], bytes([127, 0, 0, 1]), "BND.ADDR")
    if row["id"] == "socks5-auth-notoffered" or row["end"] != "open":
        same(lib.ending(sock), "eof" if row["id"] == "socks5-auth-notoffered" else row["end"], f"{row['id']}: end")
    sock.close()


@case
def recorded_answers():
    echo_server(8000)
    closed = open_port()
    rows = recorded("reply")
    check(len(rows) >= 12, f"only {len(rows)} rows")
    for row in rows:
        args = [fill(a, 1080, 8000, closed) for a in row["args"]]
        gost = Gostbpf(*args)
        replay(row, 1080, 8000, closed)
        gost.no_leak()
        same(gost.stop(), 0, row["id"])


@case
def recorded_records():
    """The four lines of a session, with what GOST puts into them."""
    echo_server(8000)
    for scheme, line in (("socks5", None), ("socks4", "joe")):
        gost = Gostbpf("-L", f"{scheme}://127.0.0.1:1080")
        sock = connect5(1080, "127.0.0.1", 8000) if scheme == "socks5" else connect4(1080, "127.0.0.1", 8000, b"joe")
        me = "%s:%d" % sock.getsockname()
        sock.sendall(b"PING")
        same(recv_exact(sock, 4), b"PING", "echo")
        sock.close()
        last = gost.closed()[0]
        lines = [r for r in gost.log() if r["kind"] == "handler"]
        same([r["msg"] for r in lines], [f"{me} <> 127.0.0.1:1080", f"{me} <-> 127.0.0.1:8000", f"{me} >-< 127.0.0.1:8000",
                                         f"{me} >< 127.0.0.1:1080"], "messages")
        same({k: lines[1].get(k) for k in ("handler", "host", "dst", "client", "network", "user")},
             {"handler": scheme, "host": "127.0.0.1:8000", "dst": "127.0.0.1:8000", "client": me, "network": "tcp", "user": line},
             "record of the connection")
        check(lines[1]["src"].startswith("127.0.0.1:"), "src")
        same((last["inputBytes"], last["outputBytes"]), (17, 16) if scheme == "socks5" else (16, 12), "bytes, as GOST counts")
        same(gost.stop(), 0, "exit status")


@case
def auto_says_who_it_was():
    echo_server(8000)
    gost = Gostbpf("-D", "-L", "127.0.0.1:8080")
    connect5(8080, "127.0.0.1", 8000).close()
    gost.closed()
    opens = [(r["handler"], r["level"]) for r in gost.log() if " <> " in r.get("msg", "")]
    same(opens, [("auto", "debug"), ("socks5", "info")], "opening records")


# --- answers ---
@case
def bound_address_is_ours():
    got = []
    server = Server(8000, lambda sock: sock.getpeername()[:2])
    Server(8000, lambda sock: got.append(sock.getpeername()[:2]), "::1")
    Gostbpf(*SOCKS5)
    for host in ("127.0.0.1", "::1"):
        sock, code, bound = open5(1080, host, 8000)
        same(code, 0, "reply code")
        same(recv_to_end(sock), b"", "content")
        same(bound, server.result() if host == "127.0.0.1" else lib.until(lambda: got and got[0], "a peer"), "BND.ADDR")


@case
def what_cannot_be_had():
    names()
    gost = Gostbpf(*SOCKS5, "-L", "socks4://127.0.0.1:1081")
    for host in ("127.0.0.1", "::1", "nobody.invalid", "target.test"):
        sock, code, bound = open5(1080, host, open_port())
        same((code, bound), (3, ("0.0.0.0", 0)), f"reply for {host}")
        same(lib.ending(sock), "eof", "end")
        sock = connect(1081)
        sock.sendall(request4(host, open_port()))
        same(recv_exact(sock, 8), b"\x00\x5b" + bytes(6), f"SOCKS4 reply for {host}")
        same(lib.ending(sock), "eof", "end")
    same(len(gost.reasons("dial-failed", 8)) >= 8, True, "records")


@case
def requests_that_mean_nothing():
    up = Upstream(8000)
    Gostbpf(*SOCKS5)
    target = b"\x01\x7f\x00\x00\x01" + struct.pack(">H", 8000)
    for request, code in ((b"\x05\x09\x00" + target, 7), (b"\x05\xf3\x00" + target, 2), (b"\x05\x02\x00" + target, 2), (b"\x05\xf2\x00" + target, 2),
                          (b"\x05\x03\x00" + target, 2), (b"\x05\x01\x00\x02" + target, 8), (b"\x05\x01\x00\x03\x00\x1f\x40", 1)):
        sock = connect(1080)
        greet5(sock)
        sock.sendall(request)
        same(recv_exact(sock, 10), bytes([5, code, 0, 1]) + bytes(6), f"reply to {request.hex()}")
        same(lib.ending(sock), "eof", "end")
    for request in (b"\x04\x01\x00" + target, b"\x05\x01\x00\x03\x03a\0b\x1f\x40", b"GET / HTTP/1.1\r\n\r\n"):
        sock = connect(1080)
        greet5(sock)
        sock.sendall(request)
        same(lib.ending(sock), "reset", f"end after {request!r}")
    check(up.nobody(), "somebody was connected to the target")


@case
def no_method_in_common():
    Gostbpf(*SOCKS5)
    for offer in (b"\x05\x01\x02", b"\x05\x03\x80\x82\x01", b"\x05\x01\xff"):
        sock = connect(1080)
        sock.sendall(offer)
        same(recv_exact(sock, 2), b"\x05\xff", f"answer to {offer.hex()}")
        same(lib.ending(sock), "eof", "end")


@case
def auto_refuses_what_it_does_not_know():
    """No guessing: a TLS greeting does not open a way to the host it names."""
    up = Upstream(443)
    gost = Gostbpf("-L", ":8080")
    for first in (b"\x16\x03\x01\x00\x05hello", b"\x00", b"\x06\x01\x00", b"\xff" * 10):
        same(lib.connect_and_end(8080, first) in ("reset", "eof"), True, f"end after {first!r}")
    check(up.nobody(), "somebody was connected")
    gost.closed(4)


# --- bytes that come in other portions ---
def all_at_once(scheme, payload):
    if scheme == "socks4":
        return request4("127.0.0.1", 8000) + payload, 8
    if scheme == "socks4a":
        return request4("localhost", 8000) + payload, 8
    if scheme == "login":
        return b"\x05\x02\x00\x02" + login("u", "p") + request5("127.0.0.1", 8000) + payload, 2 + 2 + 10
    return NONE + request5("127.0.0.1", 8000) + payload, 2 + 10


WAYS = (("socks4", 1081), ("socks4a", 1081), ("socks5", 1080), ("socks5", 8080), ("socks4", 8080), ("login", 1082))
ALL = (*SOCKS5, "-L", "socks4://127.0.0.1:1081", "-L", "socks5://u:p@127.0.0.1:1082", "-L", ":8080")


@case
def payload_in_the_same_segment():
    """Everything in one write, and the end behind it: the server sees the payload, whole, and then the end."""
    server = Server(8000, lambda sock: sock.sendall(b"answer") or recv_to_end(sock))
    gost = Gostbpf(*ALL)
    for scheme, port in WAYS:
        for payload in (b"x", b"hello\0\0\x05\x01\x00", BODY):
            data, replies = all_at_once(scheme, payload)
            sock = connect(port)
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            same(recv_to_end(sock)[replies:], b"answer", f"{scheme}: content")
            same(hashlib.sha256(server.result()).hexdigest(), hashlib.sha256(payload).hexdigest(), f"{scheme}: payload")
    gost.closed(len(WAYS) * 3)


@case
def byte_by_byte():
    server = Server(8000, lambda sock: sock.sendall(b"answer") or recv_to_end(sock))
    Gostbpf(*ALL)
    for scheme, port in WAYS:
        data, replies = all_at_once(scheme, b"payload")
        sock = connect(port)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
            time.sleep(0.002)
        sock.shutdown(socket.SHUT_WR)
        same(recv_to_end(sock)[replies:], b"answer", f"{scheme}: content")
        same(server.result(), b"payload", f"{scheme}: payload")


@case
def cut_at_every_byte():
    """A request that ends too early connects nobody, whichever byte it lacks."""
    up = Upstream(8000, backlog=1)
    gost = Gostbpf(*ALL)
    count = 0
    for scheme, port in WAYS:
        data, _ = all_at_once(scheme, b"")
        for cut in range(1, len(data)):
            sock = connect(port)
            sock.sendall(data[:cut])
            sock.shutdown(socket.SHUT_WR)
            lib.ending(sock)
            sock.close()
            count += 1
    gost.closed(count)
    check(up.nobody(), "somebody was connected to the target")
    gost.no_leak()


@case
def too_long():
    up = Upstream(8000)
    gost = Gostbpf(*ALL)
    for port, data in ((1081, b"\x04\x01\x1f\x40\x7f\x00\x00\x01" + b"u" * 300), (1081, b"\x04\x01\x1f\x40\0\0\0\1\0" + b"n" * 300),
                       (8080, b"\x04\x01\x1f\x40\x7f\x00\x00\x01" + b"u" * 3000)):
        same(lib.connect_and_end(port, data), "reset", "end")
    check(up.nobody(), "somebody was connected to the target")
    gost.reasons("handshake-", 3)


@case
def slow_clients():
    """A byte now and then does not help: the deadline is for the whole handshake."""
    gost = Gostbpf(*[a + ("&" if "?" in a else "?") + "readTimeout=1s" if "://" in a or a == ":8080" else a for a in ALL])
    ends = {}

    def drip(scheme, port):
        sock, data = connect(port), all_at_once(scheme, b"")[0]
        try:
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
                time.sleep(0.25)
            ends[scheme, port] = lib.ending(sock)
        except ConnectionError:
            ends[scheme, port] = "reset"

    threads = [threading.Thread(target=drip, args=way) for way in WAYS]
    for t in threads:
        t.start()
    same(lib.ending(connect(1080)), "reset", "end of a silent client")
    for t in threads:
        t.join()
    same(ends, {way: "reset" for way in WAYS}, "ends")
    gost.reasons("handshake-timeout", len(WAYS) + 1)


# --- sessions ---
@case(engines=lib.ENGINES)
def half_close(engine):
    """The client's end is passed on; what the server says after it arrives."""
    server = Server(8000, lambda sock: (recv_to_end(sock), time.sleep(0.3), sock.sendall(b"after the end"))[0])
    Gostbpf("-engine", engine, *ALL)
    for port, open_ in ((1080, connect5), (1081, connect4), (8080, connect5)):
        sock = open_(port, "127.0.0.1", 8000)
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        same(recv_to_end(sock), b"after the end", "answer")
        same(server.result(), b"question", "question")


@case
def server_first():
    server = Server(8000, lambda sock: sock.sendall(b"220 hello\r\n") or recv_to_end(sock))
    Gostbpf(*ALL)
    for port, open_ in ((1080, connect5), (1081, connect4), (8080, connect5)):
        sock = open_(port, "127.0.0.1", 8000)
        same(recv_exact(sock, 11), b"220 hello\r\n", "greeting")
        sock.sendall(b"QUIT\r\n")
        sock.shutdown(socket.SHUT_WR)
        same(server.result(), b"QUIT\r\n", "what the server got")


@case
def upstream_resets():
    """A truncated answer does not look like a whole one."""
    def serve(sock):
        sock.sendall(b"half of it")
        recv_exact(sock, 2)
        lib.reset(sock)

    Server(8000, serve)
    Gostbpf(*ALL)
    sock = connect5(1080, "127.0.0.1", 8000)
    same(recv_exact(sock, 10), b"half of it", "content")
    sock.sendall(b"go")
    same(lib.ending(sock), "reset", "end")


@case
def client_behind_a_balancer():
    echo_server(8000)
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?proxyProtocol=1", "-L", ":8080?proxyProtocol=1")
    for port in (1080, 8080):
        for header in (lib.v1("192.0.2.7", 4242, "192.0.2.1", port), lib.v2("2001:db8::7", 4242, "2001:db8::1", port)):
            sock = connect(port)
            sock.sendall(header + NONE + request5("127.0.0.1", 8000) + b"PING")
            same(recv_exact(sock, 2), b"\x05\x00", "method")
            same(recv_exact(sock, 10)[:2], b"\x05\x00", "reply")
            same(recv_exact(sock, 4), b"PING", "echo")
            sock.close()
    clients = [r["client"] for r in gost.sessions(4)]
    same(clients, ["192.0.2.7:4242", "[2001:db8::7]:4242"] * 2, "clients in the log")


@case
def header_for_the_target():
    """Direct dials of dynamic targets may carry the client's address."""
    def serve(sock):
        header, _ = lib.recv_header(sock)
        return header, recv_to_end(sock)

    server = Server(8000, serve)
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?handler.proxyProtocol=1", "-L", "socks4://127.0.0.1:1081?handler.proxyProtocol=2")
    for port, open_, version in ((1080, connect5, 1), (1081, connect4, 2)):
        sock = open_(port, "127.0.0.1", 8000)
        me = sock.getsockname()
        sock.sendall(b"payload")
        sock.close()
        header, payload = server.result()
        same((header["version"], *lib.endpoints(header)), (version, *me, "127.0.0.1", port), "header")
        same(payload, b"payload", "payload behind it")
    gost.closed(2)


def flood(length):
    block = hashlib.sha256(b"seed").digest() * 2048
    digest = hashlib.sha256()

    def serve(sock):
        for at in range(0, length, len(block)):
            part = block[at % 977:] [:min(len(block), length - at)]
            digest.update(part)
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        return digest.hexdigest()

    return serve


@case(engines=("sockmap", "auto"), limit=120)
def bulk_goes_through_the_kernel(engine):
    length = (32 if lib.SANITIZED else 128) << 20
    for scheme, port, open_ in (("socks5", 1080, connect5), ("socks4", 1081, connect4), ("auto", 8080, connect5)):
        server = Server(8000, flood(length))
        gost = Gostbpf("-engine", engine, *ALL)
        sock = open_(port, "127.0.0.1", 8000)
        digest, got = hashlib.sha256(), 0
        while part := sock.recv(1 << 20):
            digest.update(part)
            got += len(part)
        same(digest.hexdigest(), server.result(30), f"{scheme}: content of {got} bytes")
        sock.close()
        record = gost.closed()[0]
        share = record["kernelOutputBytes"] / record["outputBytes"]
        print(f"       {scheme}: {share:.0%} of {got >> 20} MiB moved by the kernel")
        check(share > 0 or engine == "auto" and lib.SANITIZED, f"{scheme}: the kernel moved nothing")  # how much depends on the machine: scripts/bench-proxies
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def behind_tls():
    """socks5+tls and auto+tls: the same bytes inside TLS, the password with them, BIND too."""
    server = Server(8000, lambda sock: sock.sendall(b"first") or recv_to_end(sock))
    cert = tls_peer.pair("good")
    gost = Gostbpf("-L", f"socks5+tls://u:p@:8443?bind=true&{cert}", "-L", f"auto+tls://:8444?{cert}")
    for port, data, replies in ((8443, b"\x05\x01\x02" + login("u", "p") + request5("127.0.0.1", 8000), 14),
                                (8444, NONE + request5("localhost", 8000), 12), (8444, request4("127.0.0.1", 8000), 8)):
        client = tls_peer.connect(port)
        client.sendall(data + b"payload")
        same(recv_exact(client, replies + 5)[-5:], b"first", "content")
        client.say_end()
        same(client.recv_to_end(), b"", "content after it")
        same(server.result(), b"payload", "payload")
    client = tls_peer.connect(8443)
    client.sendall(b"\x05\x01\x02" + login("u", "p") + request5("0.0.0.0", 0, BIND))
    same(recv_exact(client, 4), b"\x05\x02\x01\x00", "answers")
    code, bound = read_reply5(client)
    same(code, 0, "first reply")
    client.sendall(b"early")
    peer = connect(bound[1])
    same(read_reply5(client), (0, peer.getsockname()), "second reply")
    same(recv_exact(peer, 5), b"early", "to the peer")
    peer.sendall(BODY)
    peer.shutdown(socket.SHUT_WR)
    check(client.recv_to_end() == BODY, "to the client")
    client.say_end()
    same(recv_to_end(peer), b"", "end")
    same({r["tls"] for r in gost.closed(4)}, {"client"}, "tls in the records")


@case
def many_at_once():
    """Descriptors and memory come back: no_leak() after it is the test."""
    echo_server(8000)
    gost = Gostbpf(*ALL)
    socks = [connect5(1080, "127.0.0.1", 8000) for _ in range(100)] + [connect4(8080, "127.0.0.1", 8000) for _ in range(100)]
    for i, sock in enumerate(socks):
        sock.sendall(b"%06d" % i)
    for i, sock in enumerate(socks):
        same(recv_exact(sock, 6), b"%06d" % i, "echo")
    for sock in socks:
        sock.close()
    gost.closed(200)


if __name__ == "__main__":
    lib.main("socks")
