# SPDX-License-Identifier: BSD-2-Clause
"""datagram_peer.py - datagrams in streams, in Python: frames of relay's CONNECT, and of UDP-TUN and relay's BIND.

Written from the wire formats (design notes on GOST 3.2.6), not from gostbpf; both ends of each.
Never: imports code of gostbpf.
"""
import socket
import struct
import threading

import lib
import relay_peer as relay
from lib import recv_exact, same
from socks_world import address, read_address

UDP = 0x80  # the deprecated flag, which GOST still sets


# --- relay's CONNECT: two bytes of length ---
def counted(data):
    return struct.pack(">H", len(data)) + data


def read_counted(sock):
    return recv_exact(sock, struct.unpack(">H", recv_exact(sock, 2))[0])


def connect_request(host, port, user=None):
    """As GOST 3.2.6 asks: the flag and the network, which comes first."""
    features = [relay.network(1)] + ([relay.user(*user)] if user else []) + [relay.addr(host, port)]
    return relay.message(relay.CONNECT | UDP, *features)


# --- UDP-TUN and BIND: a SOCKS5 header with the length in its reserved bytes ---
def addressed(data, host, port):
    return struct.pack(">HB", len(data), 0xFF) + address(host, port) + data


def read_addressed(sock):
    """(payload, host, port)"""
    length, fragment = struct.unpack(">HB", recv_exact(sock, 3))
    same(fragment, 0xFF, "fragment of a datagram in a stream")
    host, port = read_address(sock)
    return recv_exact(sock, length), host, port


def totals(gost, count=1):
    """(sent, returned, dropped) of each association of a server of ours that has ended."""
    def find():
        return [[int(w) for w in r["msg"].split() if w.isdigit()] for r in gost.log() if r.get("msg", "").startswith("udp: ")
                and "returned" in r["msg"]]

    lib.until(lambda: len(find()) >= count, f"{count} records of totals")
    return find()


class GlueServer(lib.Server):
    """CONNECT for datagrams as GOST's default relay server: the answer leaves with the target's first datagram."""

    def __init__(self, port, status=relay.OK, slow=False):
        self.requests, self.status, self.slow = [], status, slow
        super().__init__(port, self.relay)

    def send(self, sock, data):
        for part in [data[i:i + 1] for i in range(len(data))] if self.slow and len(data) < 2000 else [data]:
            sock.sendall(part)

    def back(self, sock, target):
        first = relay.message(relay.OK)
        try:
            while True:
                self.send(sock, first + counted(target.recv(65535)))
                first = b""
        except OSError:
            pass

    def relay(self, sock):
        code, found = relay.read_message(lambda n: recv_exact(sock, n))
        self.requests.append((code, found))
        if self.status:
            self.send(sock, relay.message(self.status))
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.connect(found["addr"][0])
            threading.Thread(target=self.back, args=(sock, target), daemon=True).start()
            try:
                while True:
                    target.send(read_counted(sock))
            except AssertionError:  # the stream ended
                lib.close_socket(target)


def bind_request(host, port, user=None):
    """A port for datagrams, as GOST 3.2.6 asks for it: credentials come first."""
    features = ([relay.user(*user)] if user else []) + [relay.network(1), relay.addr(host, port)]
    return relay.message(relay.BIND | UDP, *features)


class TunServer(lib.Server):
    """SOCKS5's UDP-TUN as GOST serves it: one socket for everybody, whoever answers."""

    def __init__(self, port, code=0):
        self.requests, self.datagrams, self.code = [], [], code
        super().__init__(port, self.tun)

    def back(self, sock, out):
        try:
            while True:
                data, sender = out.recvfrom(65535)
                if not sender:  # closed
                    return
                sock.sendall(addressed(data, *sender))
        except OSError:
            pass

    def tun(self, sock):
        same(recv_exact(sock, 3), b"\x05\x01\x00", "the offer")
        sock.sendall(b"\x05\x00")
        head = recv_exact(sock, 3)
        self.requests.append((head, read_address(sock)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.bind(("127.0.0.1", 0))
            self.out = out
            sock.sendall(bytes([5, self.code, 0]) + address(*out.getsockname()))
            threading.Thread(target=self.back, args=(sock, out), daemon=True).start()
            try:
                while not self.code:
                    data, host, port = read_addressed(sock)
                    self.datagrams.append((data, host, port))
                    out.sendto(data, (host, port))
            except AssertionError:  # the stream ended
                lib.close_socket(out)
