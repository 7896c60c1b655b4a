#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLVs: passed on, added, made up from templates, summed up, logged; and what other programs make of them."""
import os
import re
import shutil

import decode_proxy
import lib
from lib import (Gostbpf, Upstream, case, check, connect, data_segments_in, endpoints, ending, gostbpf_fails, recv_exact,
                 recv_header, same, skip, spawn, v1, v2)

REAL = ("192.0.2.7", 40001, "198.51.100.9", 443)
LOCAL = decode_proxy.SIGNATURE + b"\x20\x00\x00\x00"


def tlv(kind, value):
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def crc(tlvs):
    """A header with these TLVs and a right CRC32C in front of them."""
    total = decode_proxy.crc32c(v2(*REAL, tlvs=tlv(3, bytes(4)) + tlvs))
    return v2(*REAL, tlvs=tlv(3, total.to_bytes(4, "big")) + tlvs)


SSL = tlv(0x20, b"\x01\x00\x00\x00\x00" + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"someone"))
AWS = tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9")
ALL = tlv(1, b"h2") + tlv(2, b"a.example") + tlv(4, bytes(9)) + tlv(5, b"id-1") + SSL + tlv(0x30, b"blue") + AWS + tlv(0x77, b"")


def start(more="", version=2, receive="proxyProtocol=1&"):
    return Gostbpf("-L", f"tcp://127.0.0.1:8080/127.0.0.1:8000?{receive}handler.proxyProtocol={version}{more}")


def pairs(header):
    """(type, value) of a decoded header's TLVs; the decoder has checked the CRC32C."""
    return [(kind, bytes.fromhex(value)) for kind, value in header["tlvs"]]


def sent(more, data, version=2, receive="proxyProtocol=1&"):
    """What the upstream of one session reads: decoded header and the session's closing record."""
    up = Upstream(8000)
    gost = start(more, version, receive)
    client = connect(8080)
    client.sendall(data + b"payload")
    sock = up.accept()
    header, _ = recv_header(sock)
    same(recv_exact(sock, 7), b"payload", "payload")
    client.close()
    sock.close()
    record = gost.closed()[0]
    same(record["inputBytes"], 7, "inputBytes")
    same(gost.stop(), 0, "exit status")
    lib.close_socket(up.sock)
    return header, record


@case
def nothing_is_passed_unless_asked():
    header, _ = sent("", crc(ALL))
    same((pairs(header), endpoints(header)), ([], REAL), "TLVs and addresses")


@case
def all_are_passed_in_order_without_crc_and_padding():
    header, _ = sent("&proxyProtocol.pass=all", crc(ALL))
    same([t for t, _ in pairs(header)], [1, 2, 5, 0x20, 0x30, 0xEA, 0x77], "types")
    same(dict(pairs(header))[0x20], SSL[3:], "SSL with what is inside")
    same(endpoints(header), REAL, "addresses")


@case
def chosen_ones_are_passed():
    header, _ = sent("&proxyProtocol.pass=AUTHORITY,0xEA,unique-id", crc(ALL))
    same(pairs(header), [(2, b"a.example"), (5, b"id-1"), (0xEA, AWS[3:])], "TLVs")


@case
def a_checksum_is_computed_anew():
    header, _ = sent("&proxyProtocol.pass=all&proxyProtocol.sendCrc32c=true", crc(ALL))
    same([t for t, _ in pairs(header)], [3, 1, 2, 5, 0x20, 0x30, 0xEA, 0x77], "types")
    header, _ = sent("&proxyProtocol.sendCrc32c=true", b"", receive="")
    same([t for t, _ in pairs(header)], [3], "types with nothing received")


@case
def version_1_carries_no_tlvs_even_where_another_target_gets_them():
    conf = lib.tmp() / "gost.yml"
    conf.write_text("""
services:
- name: s
  addr: 127.0.0.1:8080
  metadata: {proxyProtocol: 1}
  handler: {type: tcp, metadata: {proxyProtocol: 2, proxyProtocol.pass: all, proxyProtocol.dst: local}}
  listener: {type: tcp}
  forwarder:
    selector: {strategy: round, maxFails: 1, failTimeout: 10s}
    nodes:
    - {name: a, addr: "127.0.0.1:8000"}
    - {name: b, addr: "127.0.0.1:8001", metadata: {proxyProtocol: 1}}
    - {name: c, addr: "127.0.0.1:8002", metadata: {proxyProtocol.pass: ALPN, proxyProtocol.add: "0xE4=node",
                                                   proxyProtocol.dst: received, proxyProtocol.sendCrc32c: true}}
    - {name: d, addr: "127.0.0.1:8003", metadata: {proxyProtocol: 0}}
""")
    ups = [Upstream(8000 + i) for i in range(4)]
    Gostbpf("-C", conf, services=1)
    got = []
    for up in ups:
        client = connect(8080)
        client.sendall(crc(ALL) + b"payload")
        sock = up.accept()
        got.append(recv_header(sock)[0] if up is not ups[3] else None)
        same(recv_exact(sock, 7), b"payload", "payload")
    same([t for t, _ in pairs(got[0])], [1, 2, 5, 0x20, 0x30, 0xEA, 0x77], "the handler's settings")
    same((got[0]["src"], got[0]["dst"], got[0]["dport"]), (REAL[0], "127.0.0.1", 8080), "dst=local")
    same((got[1]["version"], got[1]["tlvs"]), (1, []), "version 1")
    same([t for t, _ in pairs(got[2])], [3, 1, 0xE4], "a node's own settings")
    same(endpoints(got[2]), REAL, "dst=received")


@case
def added_ones_replace_received_ones():
    header, record = sent("&proxyProtocol.pass=all&proxyProtocol.add=AUTHORITY={service}.example,0xE4=hex:00ff,ALPN=",
                          v2(*REAL, tlvs=tlv(2, b"theirs") + tlv(0xE4, b"theirs") + tlv(0xE5, b"kept")))
    same(pairs(header), [(0xE5, b"kept"), (2, b"service-0.example"), (0xE4, b"\x00\xff"), (1, b"")], "TLVs")
    check("uniqueId" not in record, "no id was made")


@case
def templates():
    header, record = sent("&proxyProtocol.add=UNIQUE_ID={unique-id},0xE4={client},0xE5={sid}", v1(*REAL))
    got = dict(pairs(header))
    check(re.fullmatch(rb"[0-9a-f]{32}", got[5]), f"unique id {got[5]!r}")
    same((got[5].decode(), got[0xE5].decode()), (record["uniqueId"], record["sid"]), "what the log says")
    same(got[0xE4], b"192.0.2.7:40001", "client")
    again, _ = sent("&proxyProtocol.add=UNIQUE_ID={unique-id}", v1(*REAL))
    check(dict(pairs(again))[5] != got[5], "each session has its own")


@case
def not_believed_means_not_passed():
    for opening in ("&proxyProtocol.policy=ignore",
                    "&proxyProtocol.from=10.0.0.0/8&proxyProtocol.untrusted=ignore"):
        header, record = sent(f"{opening}&proxyProtocol.pass=all&proxyProtocol.logTLV=true", crc(ALL))
        same((header["src"], pairs(header)), ("127.0.0.1", []), "addresses and TLVs")
        check("proxyAuthority" not in record, "nor logged")
    header, _ = sent("&proxyProtocol.pass=all", LOCAL[:-1] + bytes([len(AWS)]) + AWS)
    same(pairs(header), [], "what LOCAL carries is skipped")


@case
def received_tlvs_in_the_log():
    record = sent("&proxyProtocol.logTLV=true", crc(ALL))[1]
    same((record["proxyAuthority"], record["proxyUniqueId"], record["proxyVpcEndpoint"]),
         ("a.example", "id-1", "vpce-08d2bf15fac5001c9"), "fields")
    record = sent("", crc(ALL))[1]
    check(not [k for k in record if k in ("proxyAuthority", "proxyUniqueId", "proxyVpcEndpoint")], "only on request")


@case
def what_a_sender_chose_cannot_write_to_a_terminal():
    bad = tlv(2, b"\x1b[2Jx\r\n{\"level\":\"fatal\"}") + tlv(5, b"\xff\x00") + tlv(0xEA, b"\x01a\xe2\x80\xaeb")
    record = sent("&proxyProtocol.logTLV=true", v2(*REAL, tlvs=bad))[1]
    same(record["proxyAuthority"], "hex:" + bad[3:3 + bad[2]].hex(), "escape sequence and a line of its own")
    same((record["proxyUniqueId"], record["proxyVpcEndpoint"]), ("hex:ff00", "hex:61e280ae62"), "others")
    record = sent("&proxyProtocol.logTLV=true", v2(*REAL, tlvs=tlv(2, b"x" * 3000)))[1]
    check(len(record["proxyAuthority"]) < 300 and record["proxyAuthority"].endswith("..."), "long ones are cut")


@case
def what_does_not_fit_ends_the_session():
    up = Upstream(8000)
    gost = start("&proxyProtocol.maxSize=65551&proxyProtocol.pass=all&proxyProtocol.add=0xE4=abc")
    client = connect(8080)
    client.sendall(v2(*REAL, tlvs=tlv(0x77, bytes(65535 - 12 - 3))))
    ending(client)
    record = gost.reasons("proxy-header-overflow")[0]
    same(record["level"], "error", "level")
    sock = up.accept()
    check(ending(sock) in ("eof", "reset") and not gost.closed()[0]["inputBytes"] and
          gost.closed()[0]["outputBytes"] == 0, "nothing was sent")


@case
def the_largest_header_passes_whole_and_before_the_payload():
    big = tlv(0x77, os.urandom(65535 - 12 - 3))
    header, _ = sent("&proxyProtocol.maxSize=65551&proxyProtocol.pass=all", v2(*REAL, tlvs=big))
    check(pairs(header) == [(0x77, big[3:])], "the TLV has changed")


@case(engines=lib.ENGINES)
def header_with_tlvs_and_payload_share_a_segment(engine):
    up = Upstream(8000)
    gost = start(f"&engine={engine}&proxyProtocol.pass=all&proxyProtocol.add=0xE4=x&proxyProtocol.sendCrc32c=true")
    with gost.paused():
        client = connect(8080)
        client.sendall(crc(ALL) + b"p" * 100)
    sock = up.accept()
    recv_header(sock)
    same(recv_exact(sock, 100), b"p" * 100, "payload")
    same(data_segments_in(sock), 1, "segments")


@case
def wrong_lists_are_refused():
    for query, sentence in (
            ("handler.proxyProtocol=1&proxyProtocol.add=ALPN=h2", "needs version 2"),
            ("handler.proxyProtocol=2&proxyProtocol.add=ALPN", '"ALPN" is not TYPE=VALUE'),
            ("handler.proxyProtocol=2&proxyProtocol.add=CRC32C=1", "is computed"),
            ("handler.proxyProtocol=2&proxyProtocol.add=0xE4={host}", "begins none of"),
            ("handler.proxyProtocol=2&proxyProtocol.pass=NOOP", "is never passed on"),
            ("handler.proxyProtocol=2&proxyProtocol.pass=AUTORITY", "is not the name of a TLV"),
            ("proxyProtocol.pass=all", "has no effect without handler.proxyProtocol")):
        err = gostbpf_fails("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?" + query)
        check(sentence in err, f"{query}: {err}")


@case
def haproxy_verifies_our_checksum_and_reads_our_tlvs():
    if not shutil.which("haproxy"):
        skip("haproxy is not installed")
    conf = lib.tmp() / "haproxy.cfg"
    conf.write_text("""defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:8000 accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[fc_pp_authority] %[fc_pp_unique_id]"
""")
    spawn("haproxy", "-db", "-f", conf, wait=8000)
    gost = start("&proxyProtocol.pass=AUTHORITY,SSL&proxyProtocol.add=UNIQUE_ID={unique-id}&proxyProtocol.sendCrc32c=true")
    client = connect(8080)
    client.sendall(crc(ALL) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    body = lib.recv_to_end(client).split(b"\r\n\r\n", 1)[-1].decode()
    client.close()
    same(body, f"192.0.2.7 a.example {gost.closed()[0]['uniqueId']}", "what haproxy understood")


if __name__ == "__main__":
    lib.main("tlv")
