#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""decode_proxy.py - an independent decoder of PROXY protocol headers, written from the specification.

Why: bytes that gostbpf sends must be judged by something that shares no code and no author's assumption with what
wrote them. Strict: anything the specification does not allow raises Bad.
As a program: decode_proxy.py < bytes prints the header as JSON, or decode_proxy.py HEX.
See: haproxy's doc/proxy-protocol.txt; test_decode_proxy.py runs it over tests/vectors/proxy_header.tsv.
"""
import ipaddress
import json
import re
import struct
import sys

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_MAX = 107
NUMBER = re.compile(rb"(0|[1-9][0-9]{0,4})\Z")
FAMILIES = {0: "UNSPEC", 1: "INET", 2: "INET6", 3: "UNIX"}
TRANSPORTS = {0: "UNSPEC", 1: "STREAM", 2: "DGRAM"}
ADDRESS_LENGTH = {1: 12, 2: 36, 3: 216}
CRC32C, UNIQUE_ID, SSL = 3, 5, 0x20


class Bad(ValueError):
    """Not a valid header."""


class Incomplete(Exception):
    """A beginning of what may become a valid header."""


def decode(data):
    """The header at the start of data: version, command, family, proto, src, sport, dst, dport, tlvs, length."""
    if data[:12] == SIGNATURE[:len(data)] and len(data) < 12 and data[:1] == b"\r":
        raise Incomplete
    if data.startswith(SIGNATURE):
        return decode_v2(data)
    if data[:6] == b"PROXY "[:len(data)]:
        return decode_v1(data)
    raise Bad("neither signature")


def unknown(version, command, length, tlvs=()):
    return {"version": version, "command": command, "family": "UNSPEC", "proto": "UNSPEC", "src": None, "sport": None,
            "dst": None, "dport": None, "tlvs": list(tlvs), "length": length}


def decode_v1(data):
    end = data.find(b"\r\n", 0, V1_MAX)
    if end < 0:
        if len(data) >= V1_MAX or re.search(rb"\n|\r[^\n]", data):
            raise Bad("no CRLF within 107 bytes, or a lone CR or LF")
        raise Incomplete
    line, length = data[:end], end + 2
    if b"\n" in line or b"\r" in line:
        raise Bad("lone CR or LF")
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return unknown(1, "UNKNOWN", length)
    fields = line.split(b" ")
    if len(fields) != 6 or fields[1] not in (b"TCP4", b"TCP6"):
        raise Bad("not six fields, or an unknown protocol")
    six = fields[1] == b"TCP6"
    src, dst = (v1_address(f, six) for f in fields[2:4])
    sport, dport = (v1_port(f) for f in fields[4:6])
    return {"version": 1, "command": "PROXY", "family": "INET6" if six else "INET", "proto": "STREAM", "src": src,
            "sport": sport, "dst": dst, "dport": dport, "tlvs": [], "length": length}


def v1_address(text, six):
    cls = ipaddress.IPv6Address if six else ipaddress.IPv4Address
    if b"%" in text or b"\x00" in text:
        raise Bad("zone or NUL in an address")
    try:
        return str(cls(text.decode("ascii")))
    except ValueError as err:
        raise Bad(str(err)) from err


def v1_port(text):
    if not NUMBER.match(text) or int(text) > 65535:
        raise Bad(f"port {text!r}")
    return int(text)


def decode_v2(data):
    if len(data) < 16:
        if len(data) > 12 and data[12] not in (0x20, 0x21):
            raise Bad("version or command")
        raise Incomplete
    command, family, proto = data[12], data[13] >> 4, data[13] & 15
    body = struct.unpack(">H", data[14:16])[0]
    if command not in (0x20, 0x21):
        raise Bad("version or command")
    proxied = command == 0x21
    if proxied and (family not in FAMILIES or proto not in TRANSPORTS):
        raise Bad("family or transport")
    if proxied and body < ADDRESS_LENGTH.get(family, 0) and proto:
        raise Bad("length smaller than the addresses")
    if len(data) < 16 + body:
        raise Incomplete
    header = data[:16 + body]
    if not proxied:  # LOCAL: whatever the rest says is to be skipped
        return unknown(2, "LOCAL", len(header))
    if not family or not proto:
        tlvs = v2_tlvs(header, 16) if not family else []
        return unknown(2, "PROXY", len(header), tlvs)
    out = v2_addresses(header, family)
    out.update(version=2, command="PROXY", family=FAMILIES[family], proto=TRANSPORTS[proto], length=len(header),
               tlvs=v2_tlvs(header, 16 + ADDRESS_LENGTH[family]))
    return out


def v2_addresses(header, family):
    if family == 3:
        src, dst = header[16:124], header[124:232]
        return {"src": src.rstrip(b"\0").decode("latin-1"), "dst": dst.rstrip(b"\0").decode("latin-1"), "sport": None,
                "dport": None}
    size, cls = (4, ipaddress.IPv4Address) if family == 1 else (16, ipaddress.IPv6Address)
    src, dst = header[16:16 + size], header[16 + size:16 + 2 * size]
    sport, dport = struct.unpack(">HH", header[16 + 2 * size:20 + 2 * size])
    return {"src": str(cls(src)), "dst": str(cls(dst)), "sport": sport, "dport": dport}


def v2_tlvs(header, pos):
    tlvs = []
    while pos < len(header):
        if pos + 3 > len(header):
            raise Bad("a TLV without type and length")
        kind, size = struct.unpack(">BH", header[pos:pos + 3])
        if pos + 3 + size > len(header):
            raise Bad("a TLV longer than the header")
        check_tlv(header, kind, pos + 3, size)
        tlvs.append((kind, header[pos + 3:pos + 3 + size].hex()))
        pos += 3 + size
    return tlvs


def check_tlv(header, kind, pos, size):
    if kind == CRC32C:
        check_crc(header, pos, size)
    if kind == UNIQUE_ID and size > 128:
        raise Bad("UNIQUE_ID longer than 128 bytes")
    if kind == SSL:
        if size < 5:
            raise Bad("SSL without its fixed part")
        v2_tlvs(header[:pos + size], pos + 5)


def check_crc(header, pos, size):
    if size != 4:
        raise Bad("CRC32C of a wrong size")
    want = struct.unpack(">I", header[pos:pos + 4])[0]
    if crc32c(header[:pos] + bytes(4) + header[pos + 4:]) != want:
        raise Bad("CRC32C differs")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def main():
    data = bytes.fromhex(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin.buffer.read()
    try:
        print(json.dumps(decode(data)))
    except Bad as err:
        sys.exit(f"bad header: {err}")
    except Incomplete:
        sys.exit("incomplete header")


if __name__ == "__main__":
    main()
