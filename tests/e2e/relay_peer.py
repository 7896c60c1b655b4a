# SPDX-License-Identifier: BSD-2-Clause
"""relay_peer.py - the relay protocol and smux in Python: both roles, written from the wire format, not from gostbpf.

Why: tests of gostbpf against itself cannot see a mistake made on both sides. A GOST server in its default mode glues its answer
to the first bytes of the target; GlueServer does the same.
Never: imports code of gostbpf.
"""
import socket
import struct
import threading

import lib
from lib import recv_exact, same

OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, UNREACHABLE_HOST, UNREACHABLE_NET = 0, 1, 2, 3, 6, 7
CONNECT, BIND = 1, 2


# --- messages ---
def addr(host, port):
    """Feature 2."""
    try:
        body = b"\x01" + socket.inet_pton(socket.AF_INET, host)
    except OSError:
        try:
            body = b"\x04" + socket.inet_pton(socket.AF_INET6, host)
        except OSError:
            body = b"\x03" + bytes([len(host)]) + host.encode()
    body += struct.pack(">H", port)
    return b"\x02" + struct.pack(">H", len(body)) + body


def user(name, password):
    body = bytes([len(name)]) + name.encode() + bytes([len(password)]) + password.encode()
    return b"\x01" + struct.pack(">H", len(body)) + body


def network(number):
    return b"\x04\x00\x02" + struct.pack(">H", number)


def message(code, *features):
    body = b"".join(features)
    return bytes([1, code]) + struct.pack(">H", len(body)) + body


def decode_addr(body):
    kind, rest, port = body[0], body[1:-2], struct.unpack(">H", body[-2:])[0]
    if kind == 3:
        same(rest[0], len(rest) - 1, "length of a name")
        return rest[1:].decode(), port
    return socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, rest), port


def read_message(read):
    """read(n) gives exactly n bytes. Returns (code, {feature: value}); several addresses are a list."""
    version, code, size = struct.unpack(">BBH", read(4))
    same(version, 1, "version of a relay message")
    body, found = read(size), {"addr": []}
    while body:
        kind, n = struct.unpack(">BH", body[:3])
        data, body = body[3:3 + n], body[3 + n:]
        same(len(data), n, "length of a feature")
        if kind == 1:
            ulen = data[0]
            found["user"] = (data[1:1 + ulen].decode(), data[2 + ulen:].decode())
        elif kind == 2:
            found["addr"].append(decode_addr(data))
        elif kind == 4:
            found["network"] = struct.unpack(">H", data)[0]
        else:
            raise AssertionError(f"feature {kind}")
    return code, found


def ask(sock, request):
    sock.sendall(request)
    return read_message(lambda n: recv_exact(sock, n))


def pump(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class GlueServer(lib.Server):
    """CONNECT as GOST's default server: the target is dialled at once, the answer leaves with the target's first bytes."""

    def __init__(self, port, status=OK, slow=False):
        self.requests, self.status, self.slow = [], status, slow
        super().__init__(port, self.relay)

    def answer(self, sock, payload):
        data = message(self.status) + payload
        for part in [data[i:i + 1] for i in range(len(data))] if self.slow and len(data) < 1000 else [data]:
            sock.sendall(part)
            if self.slow:
                lib.time.sleep(0.001)

    def relay(self, sock):
        code, found = read_message(lambda n: recv_exact(sock, n))
        self.requests.append((code, found))
        if self.status:
            self.answer(sock, b"")
            return
        with socket.create_connection(found["addr"][0]) as target:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = threading.Thread(target=pump, args=(sock, target), daemon=True)
            up.start()
            first = target.recv(1 << 16)
            if first:
                self.answer(sock, first)
            pump(target, sock)
            up.join(10)


# --- smux ---
SYN, FIN, PSH, NOP, UPD = range(5)


def frame(cmd, stream, data=b"", version=1):
    return struct.pack("<BBHI", version, cmd, len(data), stream) + data


def read_frame(read, want=1):
    version, cmd, size, stream = struct.unpack("<BBHI", read(8))
    same(version, want, "version of smux")
    if (version, cmd) == (2, UPD):
        same(size, 8, "length of a window update")
    elif cmd != PSH:
        same(size, 0, "length of a frame that is not PSH")
    return cmd, stream, read(size)


class MuxPeer:
    """One end of a tunnel by hand: frames of the connection self.sock, from behind the handshake on."""

    version = 1

    def read_visitor(self, read):
        """The first message of a stream: (status, address)."""
        code, found = read_message(read)
        return code, found["addr"][0]

    def frame(self):
        while True:
            cmd, stream, data = read_frame(lambda n: recv_exact(self.sock, n), self.version)
            if cmd not in (NOP, UPD):
                return cmd, stream, data

    def opened(self):
        """The next stream and who its first message says is there."""
        cmd, stream, _ = self.frame()
        same(cmd, SYN, "the first frame of a stream")
        cmd, number, data = self.frame()
        same((cmd, number), (PSH, stream), "the second frame")
        left = [data]

        def read(n):
            part, left[0] = left[0][:n], left[0][n:]
            same(len(part), n, "length of the first message")
            return part

        code, visitor = self.read_visitor(read)
        same((code, left[0]), (0, b""), "status, and nothing behind it")
        return stream, visitor

    def send(self, cmd, stream, data=b""):
        self.sock.sendall(frame(cmd, stream, data, self.version))
