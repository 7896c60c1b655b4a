# SPDX-License-Identifier: BSD-2-Clause
"""http_world.py - HTTP servers and clients whose every byte a test decides.

Why raw: what a proxy must survive is what no library sends. Script serves prepared answers and keeps what it was sent; Talk
is a client's connection. web() is a real server (Python's) for clients that are real, too.
Owns: nothing beyond the case (lib.py closes it). Never: imports code of gostbpf.
"""
import hashlib
import http.server
import queue
import threading

import lib
from lib import Upstream, connect, recv_exact, same


def read_head(sock):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        part = sock.recv(1)
        if not part:
            raise AssertionError(f"end in the middle of a head: {data!r}")
        data += part
    return data


def length_of(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def read_message(sock):
    """(head, body) of a message with a Content-Length or without a body."""
    head = read_head(sock)
    return head, recv_exact(sock, length_of(head))


def answer(body=b"ok", *fields, status="200 OK"):
    head = "".join(f"{f}\r\n" for f in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields)) + "\r\n"
    return head.encode() + body


class Talk:
    """A client's connection to the proxy."""

    def __init__(self, port=8080, host="127.0.0.1"):
        self.sock = connect(port, host)

    def say(self, data):
        self.sock.sendall(data)

    def ask(self, data):
        self.say(data)
        return read_message(self.sock)

    def get(self, url, *fields, method="GET"):
        return self.ask("".join(f"{f}\r\n" for f in (f"{method} {url} HTTP/1.1", f"Host: {url.split('/')[2]}", *fields, "")).encode())

    def tunnel(self, target, *fields):
        self.say("".join(f"{f}\r\n" for f in (f"CONNECT {target} HTTP/1.1", f"Host: {target}", *fields, "")).encode())
        return read_head(self.sock)

    def end(self):
        """What still comes, and how it ends."""
        data = b""
        try:
            while part := self.sock.recv(65536):
                data += part
            return data, "eof"
        except ConnectionError:
            return data, "reset"


class Script:
    """Serves connections one after the other: fn(sock, number) on each; heads go to a queue."""

    def __init__(self, port, fn, host="127.0.0.1"):
        self.up, self.fn, self.count, self.errors = Upstream(port, host), fn, 0, queue.Queue()
        self.up.sock.settimeout(None)
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                sock = self.up.sock.accept()[0]
            except OSError:
                return
            self.count += 1
            sock.settimeout(30 * lib.SLOW)
            threading.Thread(target=self.serve, args=(sock, self.count), daemon=True).start()

    def serve(self, sock, number):
        with sock:
            try:
                self.fn(sock, number)
            except (OSError, AssertionError) as err:
                self.errors.put(err)


class Web(http.server.BaseHTTPRequestHandler):
    """GET /N: N bytes; GET /chunked/N: the same in chunks; anything with a body: its length and digest."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding"):
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline() != b"\r\n":
                pass
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, data, *fields):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Peer", f"{self.client_address[1]}")
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def chunked(self, data):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Trailer", "X-Sum")
        self.end_headers()
        for at in range(0, len(data), 70001):
            part = data[at:at + 70001]
            self.wfile.write(b"%x;x=y\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\nX-Sum: 1\r\n\r\n")

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] == "chunked":
            self.chunked(pattern(int(parts[1])))
        elif parts[0].isdigit():
            self.reply(pattern(int(parts[0])))
        else:
            self.reply(b"<html><title>page</title><body>hello from " + self.headers["Host"].encode() + b"</body></html>",
                       ("Content-Type", "text/html"))

    do_HEAD = do_GET

    def do_POST(self):
        data = self.body()
        self.reply(f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode())

    do_PUT = do_POST


def pattern(size):
    return (b"".join(b"%08d" % i for i in range(size // 8 + 1)))[:size]


def web(port, host="127.0.0.1"):
    """Python's server, threaded, on a listening socket that the case closes."""
    up = Upstream(port, host)
    up.sock.settimeout(None)

    def serve(sock):
        with sock:
            sock.settimeout(30 * lib.SLOW)
            try:
                Web(sock, sock.getpeername(), None)
            except (OSError, ValueError):
                pass

    def loop():
        while True:
            try:
                sock = up.sock.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def heads(*answers):
    """An upstream that answers each request of a connection with the next of answers, and what it was asked."""
    seen = []

    def serve(sock, number):
        for data in answers:
            seen.append((number, *read_message(sock)))
            sock.sendall(data)

    Script(8000, serve)
    return seen


def same_end(talk, want):
    same(talk.end(), want, "what came to the end")
