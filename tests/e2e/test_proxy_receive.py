#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Receiving a PROXY header: in any pieces, slow, wrong, cut off, too long; and never at anybody else's expense."""
import csv
import ipaddress
import socket
import time

import lib
from lib import (Gostbpf, Upstream, case, check, connect, endpoints, ending, recv_exact, recv_header, recv_to_end, reset, same,
                 v1, v2)

REAL = ("192.0.2.7", 40001, "198.51.100.9", 443)
REAL6 = ("2001:db8::7", 40001, "2001:db8::9", 443)


def start(timeout="10s", more=""):
    """Receives, and sends on as v2, so that the upstream shows what was understood."""
    return Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=2"
                   f"&proxyProtocol.timeout={timeout}{more}")


def rejected(gost, up, client, what):
    """The client is cut off, the upstream hears nothing, and one record says why."""
    try:
        how = ending(client)
    except TimeoutError:
        raise AssertionError(f"{what}: the client was not cut off") from None
    check(up.nobody(0.2), f"{what}: the upstream was bothered")
    record = gost.reasons("proxy-header")[-1]
    check(record["client"] == record["remote"], f"{what}: what is not understood must not name a client")
    return how


@case
def split_into_single_bytes():
    for header, real in ((v1(*REAL), REAL), (v2(*REAL6), REAL6)):
        up = Upstream(8000)
        gost = start()
        client = connect(8080)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header + b"payload":
            client.sendall(bytes([byte]))
            time.sleep(0.002)
        sock = up.accept()
        same(endpoints(recv_header(sock)[0]), real, "addresses")
        same(recv_exact(sock, 7), b"payload", "payload")
        client.close()
        sock.close()
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def split_at_every_place():
    up = Upstream(8000)
    start()
    for header, real in ((v1(*REAL), REAL), (v2(*REAL, tlvs=b"\x04\x00\x03abc"), REAL)):
        data = header + b"pay"
        for cut in range(1, len(data)):
            client = connect(8080)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(data[:cut])
            time.sleep(0.002)
            client.sendall(data[cut:])
            sock = up.accept()
            same(endpoints(recv_header(sock)[0]), real, f"cut at {cut}")
            same(recv_exact(sock, 3), b"pay", f"cut at {cut}")
            sock.close()
            client.close()


@case
def a_byte_now_and_then_delays_nobody():
    up = Upstream(8000)
    start("60s")
    slow = connect(8080)
    for byte in b"PROXY ":
        slow.sendall(bytes([byte]))
        began = time.monotonic()
        while time.monotonic() < began + 0.4:  # others meanwhile, as fast as they can
            client = connect(8080)
            client.sendall(v1(*REAL) + b"ping")
            sock = up.accept()
            recv_header(sock)
            same(recv_exact(sock, 4), b"ping", "another client's payload")
            client.close()
            sock.close()
    slow.sendall(v1(*REAL)[6:] + b"late")
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses of the slow one")
    same(recv_exact(sock, 4), b"late", "payload of the slow one")


@case
def silent_clients_delay_nobody():
    up = Upstream(8000)
    start("120s")
    silent = [connect(8080) for _ in range(50)]
    client = connect(8080)
    client.sendall(v2(*REAL) + b"ping")
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses")
    same(recv_exact(sock, 4), b"ping", "payload")
    same(len(silent), 50, "silent clients")


@case
def half_a_header_then_silence():
    up, parts = Upstream(8000), (v1(*REAL)[:20], v2(*REAL)[:20], b"PROX", b"\r\n\r\n\x00")
    gost = start("1s")
    began = time.monotonic()
    with gost.paused():  # what is there when they are let in is the half header
        clients = [connect(8080) for _ in parts]
        for client, part in zip(clients, parts):
            client.sendall(part)
    for client, part in zip(clients, parts):
        rejected(gost, up, client, f"half a header {part!r}")
        took = time.monotonic() - began
        check(0.7 < took < 9, f"the deadline of 1 s came after {took:.2f} s")  # 10 s, unless told otherwise
    same(len(gost.reasons("proxy-header", len(parts))), len(parts), "records")


@case
def the_deadline_is_for_the_whole_header():
    """Every byte is quick enough for a per-read timeout."""
    up = Upstream(8000)
    gost = start("1s")
    began = time.monotonic()
    with gost.paused():
        client = connect(8080)
        client.sendall(v1(*REAL)[:1])
    try:
        for byte in v1(*REAL)[1:]:
            time.sleep(0.2)
            client.sendall(bytes([byte]))
    except ConnectionError:
        pass
    took = time.monotonic() - began
    check(took < 8, f"a dripping header was tolerated for {took:.1f} s")  # all of it takes more
    gost.reasons("proxy-header")
    check(up.nobody(0.1), "the upstream was bothered")


@case
def garbage_is_payload_because_the_header_is_optional():
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n",
                 b"PROPFIND / HTTP/1.1\r\n\r\n", b"\r\n\r\nhello there, old friend", b"\x00" * 32):
        up = Upstream(8000)
        gost = start()
        client = connect(8080)
        client.sendall(data)
        sock = up.accept()
        same(endpoints(recv_header(sock)[0])[:2], client.getsockname(), f"client of {data[:12]!r}")
        same(recv_exact(sock, len(data)), data, "payload")
        client.close()
        sock.close()
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def every_vector_end_to_end():
    with open(lib.ROOT / "tests/vectors/proxy_header.tsv", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["expected"] in ("accept", "reject")]
    up = Upstream(8000)
    gost = start()
    wrong = []
    for row in rows:
        try:
            (accepted if row["expected"] == "accept" else refused)(gost, up, row)
        except AssertionError as err:
            wrong.append(f"{row['name']}: {err}")
    check(not wrong, "\n".join(wrong))


def accepted(_, up, row):
    data = bytes.fromhex(row["hex"])
    payload = data[int(row["consumed"]):]
    client = connect(8080)
    client.sendall(data + b"!")
    sock = up.accept()
    header, _ = recv_header(sock)
    same(recv_exact(sock, len(payload) + 1), payload + b"!", "payload after the header")
    if row["src"] and row["family"] in ("INET", "INET6") and row["proto"] == "STREAM" and row["cmd"] != "LOCAL":
        want = ipaddress.ip_address(row["src"])  # a pair of mapped addresses may be sent on as IPv4
        mapped = getattr(want, "ipv4_mapped", None)
        check(header["src"] in (str(want), str(mapped)), f"source sent on: {header['src']} instead of {want}")
        same(header["sport"], int(row["sport"]), "source port sent on")
    client.close()
    sock.close()


def refused(gost, up, row):
    before = len([r for r in gost.log() if r.get("reason", "").startswith("proxy-header")])
    client = connect(8080)
    client.sendall(bytes.fromhex(row["hex"]))
    try:
        ending(client)
    except TimeoutError:
        client.close()
        raise AssertionError("not refused") from None
    gost.reasons("proxy-header", before + 1)
    if not up.nobody(0.01):
        raise AssertionError("the upstream was bothered")


@case
def too_long_for_the_limit():
    up = Upstream(8000)
    gost = start(more="&proxyProtocol.maxSize=200")
    client = connect(8080)
    client.sendall(v2(*REAL, tlvs=b"\x04" + (400).to_bytes(2, "big") + bytes(400)))
    rejected(gost, up, client, "a header longer than its limit")


@case
def long_but_within_the_limit():
    up = Upstream(8000)
    start(more="&proxyProtocol.maxSize=65551")
    client = connect(8080)
    client.sendall(v2(*REAL, tlvs=b"\x04" + (60000).to_bytes(2, "big") + bytes(60000)) + b"payload")
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses")
    same(recv_exact(sock, 7), b"payload", "payload")


@case
def a_version_1_line_that_never_ends():
    up = Upstream(8000)
    gost = start()
    client = connect(8080)
    client.sendall(b"PROXY TCP4 " + b"1" * 200)
    rejected(gost, up, client, "a line of 211 bytes")


@case
def header_then_end():
    """A whole header and FIN: a session without payload."""
    up = Upstream(8000)
    gost = start()
    client = connect(8080)
    client.sendall(v1(*REAL))
    client.shutdown(socket.SHUT_WR)
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses")
    same(recv_to_end(sock), b"", "payload")
    sock.sendall(b"still heard")
    sock.close()
    same(recv_to_end(client), b"still heard", "the other direction is open")
    same(gost.closed()[0]["inputBytes"], 0, "inputBytes")


@case
def half_a_header_then_end():
    for part in (v1(*REAL)[:-1], v2(*REAL)[:-1]):
        up = Upstream(8000)
        gost = start()
        client = connect(8080)
        client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        rejected(gost, up, client, "half a header, then FIN")
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def nothing_then_end():
    """A health check without header: no error, no upstream left waiting."""
    up = Upstream(8000)
    gost = start()
    client = connect(8080)
    client.close()
    gost.no_leak()
    check(not [r for r in gost.log() if r["level"] in ("error", "fatal")], "an empty connection is no error")
    if not up.nobody(0.2):
        return  # dialling for it is allowed, as GOST does


@case
def reset_inside_the_header():
    up = Upstream(8000)
    gost = start()
    client = connect(8080)
    client.sendall(v1(*REAL)[:15])
    time.sleep(0.05)
    reset(client)
    gost.no_leak()
    check(up.nobody(0.1), "the upstream was bothered")


@case
def only_the_first_header_is_one():
    up = Upstream(8000)
    start()
    client = connect(8080)
    second = v1("203.0.113.5", 5, "203.0.113.6", 6)
    client.sendall(v1(*REAL) + second)
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses")
    same(recv_exact(sock, len(second)), second, "the second header is payload")


@case
def all_spellings_enable_it():
    for value in ("", "true", "1", "2"):
        up = Upstream(8000)
        gost = Gostbpf("-L", f"tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol={value}")
        client = connect(8080)
        client.sendall(v1(*REAL) + b"x")
        sock = up.accept()
        same(recv_exact(sock, 1), b"x", f"proxyProtocol={value}: first byte")
        client.close()
        sock.close()
        same(gost.closed()[0]["client"], "192.0.2.7:40001", "client")
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case(engines=lib.ENGINES)
def many_sessions_with_headers_in_pieces(engine):
    """The hand-over from header to payload loses nothing in any engine."""
    lib.echo_server(8000)
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1")
    for i in range(100):
        client = connect(8080)
        data = v2(*REAL) + bytes(i % 256 for i in range(1000 + 97 * i))
        cut = i * 7 % len(data)
        client.sendall(data[:cut])
        client.sendall(data[cut:])
        client.shutdown(socket.SHUT_WR)
        same(recv_to_end(client), data[len(v2(*REAL)):], f"echo {i}")
        client.close()
    same(len(gost.closed(100)), 100, "closing records")


if __name__ == "__main__":
    lib.main("proxy_receive")
