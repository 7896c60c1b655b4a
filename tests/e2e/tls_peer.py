# SPDX-License-Identifier: BSD-2-Clause
"""tls_peer.py - certificates for tests, and a TLS peer that can half-close, be cut, and tell a truncation from an end.

Why MemoryBIO: ssl.SSLSocket hides close_notify and cannot say it while reading goes on.
Owns: a directory of certificates, made once for a program. Never: uses gostbpf's code.
"""
import hashlib
import socket
import ssl
import subprocess
import tempfile
import threading

import lib

BIG = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(1 << 17))  # 4 MiB

_made = []


def openssl(*argv, stdin=""):
    done = subprocess.run(["openssl", *map(str, argv)], input=stdin, text=True, capture_output=True, check=False)
    lib.check(done.returncode == 0, f"openssl {argv[0]}: {done.stderr}")
    return done.stdout


class Certificates:
    """ca.pem signs good.pem (localhost, 127.0.0.1, ::1), other.pem (other.example), old.pem (expired), client.pem;
    alone.pem is signed by nobody else. Keys: NAME.key."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tls.", dir="/run/netns")
        openssl("req", "-x509", *self.new_key("ca"), "-days", 30, "-subj", "/CN=test authority", "-out", self.path("ca.pem"))
        openssl("req", "-x509", *self.new_key("alone"), "-days", 30, "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", self.path("alone.pem"))
        self.sign("good", "DNS:localhost,IP:127.0.0.1,IP:::1")
        self.sign("other", "DNS:other.example")
        self.sign("client", "DNS:client.example")
        self.sign("old", "DNS:localhost,IP:127.0.0.1", ("-not_before", "20200101000000Z", "-not_after", "20200102000000Z"))

    def path(self, name):
        return f"{self.dir}/{name}"

    def new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.path(name + ".key")]

    def sign(self, name, names, dates=()):
        request, extensions = self.path(name + ".csr"), self.path(name + ".ext")
        openssl("req", "-new", *self.new_key(name), "-subj", f"/CN={name}", "-out", request)
        with open(extensions, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n")
        if not dates:
            openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                    "-days", 30, "-extfile", extensions, "-out", self.path(name + ".pem"))
            return
        config = self.path("ca.cnf")  # only "openssl ca" takes dates
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.path('index')}\nserial={self.path('serial')}\nnew_certs_dir={self.dir}\n"
                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        open(self.path("index"), "w", encoding="ascii").close()
        openssl("ca", "-config", config, "-batch", "-notext", "-create_serial", "-startdate", dates[1], "-enddate", dates[3],
                "-cert", self.path("ca.pem"), "-keyfile", self.path("ca.key"), "-in", request, "-extfile", extensions,
                "-out", self.path(name + ".pem"))


def certificates():
    if not _made:
        _made.append(Certificates())
    return _made[0]


def pair(name):
    """cert=...&key=... of a -L."""
    return f"cert={certificates().path(name + '.pem')}&key={certificates().path(name + '.key')}"


def authority():
    return f"ca={certificates().path('ca.pem')}"


def server_context(name="good", maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates().path(name + ".pem"), certificates().path(name + ".key"))
    if maximum:
        context.maximum_version = maximum
    return context


def client_context(maximum=None):
    context = ssl.create_default_context(cafile=certificates().path("ca.pem"))
    if maximum:
        context.maximum_version = maximum
    return context


class TlsPeer:
    """TLS over a connected socket; server with a server context."""

    def __init__(self, sock, context, name="localhost", server=False, handshake=True):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=None if server else name)
        if handshake:
            self.run(self.tls.do_handshake)

    def flush(self):
        if data := self.outgoing.read():
            self.sock.sendall(data)

    def fill(self):
        if data := self.sock.recv(1 << 16):
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def run(self, call, *args):
        while True:
            try:
                result = call(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()

    def first_flight(self):
        """What a client says first."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def sendall(self, data):
        view = memoryview(data)
        while view:
            view = view[self.run(self.tls.write, view[:1 << 14]):]

    def recv(self, count=1 << 16):
        """Bytes; b'' after close_notify. A FIN without it raises ssl.SSLEOFError."""
        try:
            return self.run(self.tls.read, count)
        except ssl.SSLZeroReturnError:
            return b""

    def recv_exact(self, count):
        data = b""
        while len(data) < count:
            part = self.recv(count - len(data))
            lib.check(part, f"end after {len(data)} of {count} bytes: {data[:100]!r}")
            data += part
        return data

    def recv_to_end(self):
        data = bytearray()
        while part := self.recv():
            data += part
        return bytes(data)

    def say_end(self):
        """close_notify, without waiting for the other's."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def ending(self):
        """'eof' (close_notify), 'truncated' (FIN without it) or 'reset'."""
        try:
            self.recv_to_end()
            return "eof"
        except ssl.SSLEOFError:
            return "truncated"
        except ConnectionError:
            return "reset"


def connect(port, context=None, name="localhost", **kwargs):
    return TlsPeer(lib.connect(port, **kwargs), context or client_context(), name)


def tls_server(port, fn, context=None):
    """As lib.Server, fn gets a TlsPeer. A failed handshake is the result."""
    def serve(sock):
        try:
            return fn(TlsPeer(sock, context or server_context(), server=True))
        except ssl.SSLError as err:
            return err

    return lib.Server(port, serve)


def echo(peer):
    while data := peer.recv():
        peer.sendall(data)
    peer.say_end()
    lib.recv_to_end(peer.sock)


def exchange(client, data):
    """Sends data and the end while receiving: what came back, to its end."""
    def send():
        client.sendall(data)
        client.say_end() if isinstance(client, TlsPeer) else client.shutdown(socket.SHUT_WR)

    if not isinstance(client, TlsPeer):
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        return lib.recv_to_end(client)
    back = bytearray()
    for i in range(0, len(data), 1 << 14):  # the echo fits into the buffers in between
        client.sendall(data[i:i + (1 << 14)])
        back += client.recv_exact(len(data[i:i + (1 << 14)]))
    client.say_end()
    return bytes(back) + client.recv_to_end()
