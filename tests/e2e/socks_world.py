# SPDX-License-Identifier: BSD-2-Clause
"""socks_world.py - SOCKS4, 4a and 5 as a client speaks them, for the tests of services that serve them.

Written from RFC 1928, RFC 1929 and the SOCKS4 memos. Owns: nothing; sockets belong to the running case (lib.track).
Never: imports code of gostbpf.
"""
import ipaddress
import socket
import struct

import lib

NONE, PASSWORD = b"\x05\x01\x00", b"\x05\x01\x02"
CONNECT, BIND, UDP = 1, 2, 3


def address(host, port):
    """Type, address and port of RFC 1928 section 5; a host that is no IP address travels as a name."""
    try:
        ip = ipaddress.ip_address(host)
        return bytes([1 if ip.version == 4 else 4]) + ip.packed + struct.pack(">H", port)
    except ValueError:
        return bytes([3, len(host)]) + host.encode() + struct.pack(">H", port)


def request5(host, port, command=CONNECT):
    return bytes([5, command, 0]) + address(host, port)


def request4(host, port, user=b"", command=CONNECT):
    """4a for everything that is not an IPv4 address."""
    try:
        ip, name = ipaddress.IPv4Address(host).packed, b""
    except ValueError:
        ip, name = b"\0\0\0\7", host.encode() + b"\0"
    return bytes([4, command]) + struct.pack(">H", port) + ip + user + b"\0" + name


def login(user, password):
    return b"\x01" + bytes([len(user)]) + user.encode() + bytes([len(password)]) + password.encode()


def read_address(sock):
    kind = lib.recv_exact(sock, 1)[0]
    if kind == 3:
        host = lib.recv_exact(sock, lib.recv_exact(sock, 1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(lib.recv_exact(sock, 4 if kind == 1 else 16)))
    return host, struct.unpack(">H", lib.recv_exact(sock, 2))[0]


def read_reply5(sock):
    """(code, (host, port)) of one reply, and not a byte more."""
    head = lib.recv_exact(sock, 3)
    lib.same((head[0], head[2]), (5, 0), "version and reserved byte of the reply")
    return head[1], read_address(sock)


def greet5(sock, auth=None):
    sock.sendall(PASSWORD if auth else NONE)
    lib.same(lib.recv_exact(sock, 2), b"\x05\x02" if auth else b"\x05\x00", "chosen method")
    if auth:
        sock.sendall(login(*auth))
        lib.same(lib.recv_exact(sock, 2), b"\x01\x00", "answer to user and password")


def open5(port, host, dport, auth=None, command=CONNECT, via="127.0.0.1"):
    """A connection through the service at `port`, with its reply: (socket, code, bound)."""
    sock = lib.connect(port, via)
    greet5(sock, auth)
    sock.sendall(request5(host, dport, command))
    code, bound = read_reply5(sock)
    return sock, code, bound


def connect5(port, host, dport, auth=None, via="127.0.0.1"):
    sock, code, _ = open5(port, host, dport, auth, via=via)
    lib.same(code, 0, "reply code")
    return sock


def connect4(port, host, dport, user=b""):
    sock = lib.connect(port)
    sock.sendall(request4(host, dport, user))
    lib.same(lib.recv_exact(sock, 8), b"\x00\x5a" + bytes(6), "SOCKS4 reply")
    return sock


def open_port(host="127.0.0.1", family=socket.AF_INET):
    """A port that nobody has just now."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]
