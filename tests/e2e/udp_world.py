# SPDX-License-Identifier: BSD-2-Clause
"""udp_world.py - what the UDP tests share: clients, an upstream that notes what arrives, headers, a little DNS.

Owns: nothing; sockets belong to the running case (lib.track). Never: imports code of gostbpf.
"""
import errno
import ipaddress
import socket
import struct
import threading

import decode_proxy
import lib

TTL = "ttl=1s"  # cases end when their sessions are gone
LASTING = "ttl=60s"  # for cases about one session: it does not end because the machine is busy, but by SIGTERM


def udp_socket(host="127.0.0.1", port=0, timeout=lib.PATIENCE):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    lib.until(lambda: bind(sock, host, port), f"UDP port {port} is free")
    return lib.track(sock, timeout)


def bind(sock, host, port):
    """False: the reader of an earlier case has not let go of the port yet."""
    try:
        sock.bind((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def bound(port):
    """Somebody has that UDP port."""
    return any(f":{port:04X} " in line.split()[1] + " " for name in ("udp", "udp6")
               for line in open(f"/proc/net/{name}", encoding="ascii").readlines()[1:])


def queued(port):
    """Bytes that wait to be read in the sockets at that UDP port."""
    total = 0
    for name in ("udp", "udp6"):
        for line in open(f"/proc/net/{name}", encoding="ascii").readlines()[1:]:
            words = line.split()
            total += int(words[4].split(":")[1], 16) if words[1].endswith(f":{port:04X}") else 0
    return total


def service(spec, *query, ttl=TTL, workers=1):
    """gostbpf with one udp service."""
    gost = lib.Gostbpf("-workers", workers, "-L", f"udp://{spec}?" + "&".join((ttl, *query)))
    gost.lasting = ttl == LASTING
    return gost


class Upstream:
    """Keeps (datagram, sender) of all that comes; answers with the payload behind a header unless told otherwise."""

    def __init__(self, port, host="127.0.0.1", answer=True):
        self.sock, self.seen, self.answer = udp_socket(host, port), [], answer
        self.sock.settimeout(None)
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                data, sender = self.sock.recvfrom(65535)
            except OSError:
                return
            if self.sock.fileno() < 0 or not sender:  # closed: the case is over
                return
            self.seen.append((data, sender))
            if self.answer:
                self.sock.sendto(payload(data), sender)

    def wait(self, count):
        lib.until(lambda: len(self.seen) >= count, f"{count} datagrams at the upstream; it has {len(self.seen)}")
        return self.seen


def header(data):
    return decode_proxy.decode(data)


def payload(data):
    try:
        return data[header(data)["length"]:]
    except (decode_proxy.Bad, decode_proxy.Incomplete):
        return data


def ask(client, data, to):
    """Sends and returns the answer, with the address it came from."""
    client.sendto(data, to)
    return client.recvfrom(65535)


def v2(src, dst, transport=2, command=1, tlvs=b""):
    """A version 2 header; src and dst are (address, port)."""
    ips = [ipaddress.ip_address(a) for a, _ in (src, dst)]
    block = b"".join(ip.packed for ip in ips) + struct.pack(">HH", src[1], dst[1]) + tlvs
    family = 0x10 if ips[0].version == 4 else 0x20
    return decode_proxy.SIGNATURE + struct.pack(">BBH", 0x20 | command, family | transport, len(block)) + block


LOCAL = decode_proxy.SIGNATURE + b"\x20\x00\x00\x00"


def query(number, name):
    """A DNS query for an A record."""
    labels = b"".join(bytes([len(w)]) + w.encode() for w in name.rstrip(".").split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def addresses(reply, number):
    """The A records of an answer, which must be to that query and without an error."""
    ident, flags, _, answers = struct.unpack(">HHHH", reply[:8])
    lib.same((ident, flags & 0x8000, flags & 15), (number, 0x8000, 0), "DNS id, response bit, code")
    at = reply.index(b"\0", 12) + 5
    out = []
    for _ in range(answers):
        at = at + 2 if reply[at] >= 0xC0 else reply.index(b"\0", at) + 1
        kind, _, _, size = struct.unpack(">HHIH", reply[at:at + 10])
        if kind == 1:
            out.append(socket.inet_ntoa(reply[at + 10:at + 14]))
        at += 10 + size
    return out


def totals(gost, count=1):
    """(sent, returned, dropped) of each association that has ended."""
    def find():
        return [[int(w) for w in r["msg"].split() if w.isdigit()] for r in gost.log() if r.get("msg", "").startswith("udp: ")]

    lib.until(lambda: len(find()) >= count, f"{count} records of totals")
    return find()
