#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The PROXY header that the upstream receives: version, addresses, one segment, re-sending what was received."""
import decode_proxy
import lib
from lib import Gostbpf, Upstream, case, check, connect, data_segments_in, endpoints, recv_exact, recv_header, same, v1, v2

ADDRESSES = (("127.0.0.1", "INET"), ("::1", "INET6"))
REAL4 = ("192.0.2.7", 40001, "198.51.100.9", 443)
REAL6 = ("2001:db8::7", 40001, "2001:db8::9", 443)


def start(version, host="127.0.0.1", receive=False, more=""):
    listen = f"[{host}]" if ":" in host else host
    return Gostbpf("-L", f"tcp://{listen}:8080/{listen}:8000?handler.proxyProtocol={version}"
                   + ("&proxyProtocol=1" if receive else "") + more)


def sends(version):
    for host, family in ADDRESSES:
        up = Upstream(8000, host)
        gost = start(version, host)
        client = connect(8080, host)
        client.sendall(b"payload")
        sock = up.accept()
        header, _ = recv_header(sock)
        same((header["version"], header["command"], header["family"], header["proto"]),
             (version, "PROXY", family, "STREAM"), f"header over {host}")
        same(endpoints(header), (host, client.getsockname()[1], host, 8080), "addresses in the header")
        same(header["tlvs"], [], "TLVs")
        same(recv_exact(sock, 7), b"payload", "what follows the header")
        sock.sendall(b"answer")
        same(recv_exact(client, 6), b"answer", "what comes back")
        client.close()
        sock.close()
        record = gost.closed()[0]
        same((record["inputBytes"], record["outputBytes"]), (7, 6), "the header is not counted as payload")
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def version_1_over_both_families():
    sends(1)


@case
def version_2_over_both_families():
    sends(2)


@case
def version_1_text_is_canonical():
    up = Upstream(8000)
    start(1)
    client = connect(8080)
    client.sendall(b"x")
    sock = up.accept()
    want = f"PROXY TCP4 127.0.0.1 127.0.0.1 {client.getsockname()[1]} 8080\r\nx".encode()
    same(recv_exact(sock, len(want)), want, "bytes")


@case(engines=lib.ENGINES)
def header_and_first_payload_share_a_segment(engine):
    for version in (1, 2):
        up = Upstream(8000)
        gost = start(version, more=f"&engine={engine}")
        with gost.paused():
            client = connect(8080)
            client.sendall(b"p" * 100)
        sock = up.accept()
        _, raw = recv_header(sock)
        same(recv_exact(sock, 100), b"p" * 100, "payload")
        same(data_segments_in(sock), 1, f"segments that carried {len(raw)} bytes of header and 100 of payload")
        client.close()
        sock.close()
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def a_received_header_payload_and_ours_share_a_segment():
    up = Upstream(8000)
    gost = start(2, receive=True)
    with gost.paused():
        client = connect(8080)
        client.sendall(v1(*REAL4) + b"p" * 100)
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL4, "addresses")
    same(recv_exact(sock, 100), b"p" * 100, "payload")
    same(data_segments_in(sock), 1, "segments")


@case
def header_leaves_alone_and_at_once_for_a_silent_client():
    for version in (1, 2):
        up = Upstream(8000)
        gost = start(version)
        client = connect(8080)
        sock = up.accept()
        header, _ = recv_header(sock)
        same(header["src"], "127.0.0.1", "source")
        sock.sendall(b"220 server speaks first\r\n")
        same(recv_exact(client, 25), b"220 server speaks first\r\n", "greeting")
        client.sendall(b"HELO\r\n")
        same(recv_exact(sock, 6), b"HELO\r\n", "answer")
        client.close()
        sock.close()
        same(gost.stop(), 0, "exit status")
        up.sock.close()


def resends(received, real, version):
    up = Upstream(8000)
    gost = start(version, receive=True)
    client = connect(8080)
    client.sendall(received + b"payload")
    sock = up.accept()
    header, _ = recv_header(sock)
    same(header["version"], version, "version sent on")
    same(endpoints(header), real, "original client and destination")
    same(recv_exact(sock, 7), b"payload", "payload")
    client.close()
    sock.close()
    record = gost.closed()[0]
    same(record["client"], f"[{real[0]}]:{real[1]}" if ":" in real[0] else f"{real[0]}:{real[1]}", "client in the log")
    same(record["inputBytes"], 7, "inputBytes")
    same(gost.stop(), 0, "exit status")
    up.sock.close()


@case
def received_headers_are_sent_on_in_either_version():
    for real in (REAL4, REAL6):
        for make in (v1, v2):
            for version in (1, 2):
                resends(make(*real), real, version)


@case
def a_chain_of_two_keeps_both_ends():
    up = Upstream(8000)
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8081?handler.proxyProtocol=2",
            "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=1")
    client = connect(8080)
    client.sendall(b"payload")
    sock = up.accept()
    header, _ = recv_header(sock)
    same(header["version"], 1, "version")
    same(endpoints(header), ("127.0.0.1", client.getsockname()[1], "127.0.0.1", 8080), "addresses of the first hop")


@case
def a_header_that_names_nobody_is_sent_on_as_one():
    """A client on a UNIX socket is not us. UNKNOWN and LOCAL say nothing: our own socket pair is sent, as GOST and HAProxy do."""
    unix = b"\x21\x31\x00\xd8" + b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
    for received in (b"PROXY UNKNOWN\r\n", decode_proxy.SIGNATURE + b"\x20\x00\x00\x00", decode_proxy.SIGNATURE + unix):
        for version in (1, 2):
            up = Upstream(8000)
            gost = start(version, receive=True)
            client = connect(8080)
            client.sendall(received + b"payload")
            sock = up.accept()
            header, _ = recv_header(sock)
            if unix not in received:
                same(endpoints(header), ("127.0.0.1", client.getsockname()[1], "127.0.0.1", 8080), "own socket pair")
            else:
                same((header["version"], header["src"], header["command"]), (version, None, "UNKNOWN" if version == 1 else "LOCAL"), "header")
            same(recv_exact(sock, 7), b"payload", "payload")
            client.close()
            sock.close()
            same(gost.stop(), 0, "exit status")
            up.sock.close()


@case
def optional_header_that_does_not_come():
    up = Upstream(8000)
    start(2, receive=True)
    client = connect(8080)
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    sock = up.accept()
    header, _ = recv_header(sock)
    same(endpoints(header), ("127.0.0.1", client.getsockname()[1], "127.0.0.1", 8080), "own addresses")
    same(recv_exact(sock, 18), b"GET / HTTP/1.0\r\n\r\n", "payload")


@case
def no_header_unless_asked():
    up = Upstream(8000)
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    client = connect(8080)
    client.sendall(b"plain")
    sock = up.accept()
    same(recv_exact(sock, 5), b"plain", "first bytes")


@case
def a_header_is_payload_unless_receiving_is_enabled():
    up = Upstream(8000)
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    client = connect(8080)
    line = v1(*REAL4)
    client.sendall(line)
    sock = up.accept()
    same(recv_exact(sock, len(line)), line, "first bytes")
    client.close()
    sock.close()
    check(gost.closed()[0]["client"].startswith("127.0.0.1:"), "client is the peer")


@case
def mixed_families_are_expressible():
    """An IPv4 client and an IPv6 destination in one v2 header: v1 and v2 must come out as one family."""
    import socket
    import struct
    body = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.7") + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    received = decode_proxy.SIGNATURE + b"\x21\x21" + struct.pack(">H", 36) + body + struct.pack(">HH", 1000, 443)
    for version in (1, 2):
        up = Upstream(8000)
        gost = start(version, receive=True)
        client = connect(8080)
        client.sendall(received + b"x")
        sock = up.accept()
        header, _ = recv_header(sock)  # raises when the text is not valid
        same((header["sport"], header["dport"]), (1000, 443), "ports")
        client.close()
        sock.close()
        same(gost.stop(), 0, "exit status")
        up.sock.close()


if __name__ == "__main__":
    lib.main("proxy_send")
