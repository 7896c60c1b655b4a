#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""GOST's known defects around the PROXY protocol, one case each: none of them may be possible here.

What concerns a scheme or key that gostbpf does not have is refused by name, which is the same promise: nothing is half
accepted. The number in a case's name is the defect's in our list of GOST 3.2.6.
"""
import ipaddress
import json
import socket
import time

import decode_proxy
import lib
import sandbox
from lib import (Gostbpf, Upstream, case, check, connect, echo_server, endpoints, ending, gostbpf_fails, recv_exact,
                 recv_header, recv_to_end, same, v1, v2)
from socks_world import NONE, UDP, address, connect4, connect5, read_reply5, request5
from udp_world import udp_socket

REAL = ("192.0.2.7", 40001, "198.51.100.9", 443)
BASE = "tcp://127.0.0.1:8080/127.0.0.1:8000?"


def refused_by_name(*specs, word="is not supported yet"):
    for spec in specs:
        argv = ("-L", spec) if isinstance(spec, str) else spec
        err = gostbpf_fails(*argv)
        check(word in err, f"{argv}: {err}")


def served(up, data, query="proxyProtocol=1&handler.proxyProtocol=2", payload=b"payload"):
    """Header that the target reads for one client that opens with data; and the closing record."""
    gost = Gostbpf("-L", BASE + query)
    client = connect(8080)
    client.sendall(data + payload)
    sock = up.accept()
    header, raw = recv_header(sock)
    same(recv_exact(sock, len(payload)), payload, "payload")
    client.close()
    sock.close()
    record = gost.closed()[0]
    same(gost.stop(), 0, "exit status")
    return header, raw, record


def refused(up, data, query="proxyProtocol=1&handler.proxyProtocol=2"):
    """The record of one client that is cut off without anybody dialling for it."""
    gost = Gostbpf("-L", BASE + query)
    lib.connect_and_end(8080, data)
    records = gost.reasons("proxy-header")
    same(len(records), 1, "records of one bad header")
    check(up.nobody(0.1), "the target was dialled")
    same(gost.stop(), 0, "exit status")
    return records[0]


# --- receiving ---
@case
def defect_01_an_idle_client_stalls_everybody():
    """GOST: up to 10 s. Here: connect to first byte back, with 0, 1 and 200 idle clients (figures: scripts/bench-preface)."""
    echo_server(8000)
    Gostbpf("-workers", 1, "-L", BASE + "proxyProtocol=1")
    idle = []
    for wanted in (0, 1, 200):
        while len(idle) < wanted:
            idle.append(connect(8080))
            if len(idle) % 2:
                idle[-1].sendall(b"PROXY TCP4 ")
        times = []
        for _ in range(20):
            began = time.monotonic()
            with connect(8080) as client:
                client.sendall(v2(*REAL) + b"x")
                recv_exact(client, 1)
            times.append(time.monotonic() - began)
        times.sort()
        check(times[10] < 1 and times[-1] < 5, f"{times} s with {wanted} idle clients")


@case
def defect_02_anyone_may_spoof():
    up = Upstream(8000)
    record = refused(up, v2(*REAL), "proxyProtocol=1&proxyProtocol.from=10.0.0.0/8")
    same((record["reason"], record["client"]), ("proxy-header-unexpected", record["remote"]), "reason and client")
    gost = Gostbpf("-L", BASE + "proxyProtocol=1")
    check(any(r["level"] == "warning" and "proxyProtocol.from" in r["msg"] for r in gost.log()), "nobody was warned")


@case
def defect_03_the_real_peer_cannot_be_filtered():
    """A header that claims a trusted address does not make its sender one."""
    up = Upstream(8000)
    same(refused(up, v1("10.1.1.1", 1, "10.1.1.2", 2), "proxyProtocol=1&proxyProtocol.from=10.0.0.0/8")["reason"],
         "proxy-header-unexpected", "reason")
    Gostbpf("-L", BASE + "proxyProtocol=1&admission=~10.0.0.0/8")
    lib.connect_and_end(8080, v1("10.1.1.1", 1, "10.1.1.2", 2) + b"x")
    check(up.nobody(0.3), "the list is about the real peer too, whatever the header claims")


@case
def defect_04_no_require_mode():
    up = Upstream(8000)
    same(refused(up, b"GET / HTTP/1.1\r\n\r\n", "proxyProtocol=1&proxyProtocol.policy=require")["reason"],
         "proxy-header-missing", "reason")


@case
def defect_05_a_fixed_timeout_delays_servers_that_speak_first():
    up = Upstream(8000)
    Gostbpf("-L", BASE + "proxyProtocol=1&proxyProtocol.wait=100ms")
    began = time.monotonic()
    client = connect(8080)
    up.accept().sendall(b"220 hello")
    same(recv_exact(client, 9), b"220 hello", "greeting")
    check(time.monotonic() - began < 9, "the greeting was late")  # the timeout is 10 s


@case
def defect_06_headers_with_large_tlvs_are_rejected():
    up = Upstream(8000)
    header, _, _ = served(up, v2(*REAL, tlvs=b"\x20\x07\xd0\x07\x00\x00\x00\x00\x28\x07\xc8" + bytes(1992)))
    same(endpoints(header), REAL, "addresses")


@case
def defect_07_split_version_1_is_rejected_and_loose_lines_are_accepted():
    up = Upstream(8000)
    gost = Gostbpf("-L", BASE + "proxyProtocol=1&handler.proxyProtocol=2")
    client = connect(8080)
    for part in (v1(*REAL)[:5], v1(*REAL)[5:20], v1(*REAL)[20:]):
        client.sendall(part)
        time.sleep(0.02)
    sock = up.accept()
    same(endpoints(recv_header(sock)[0]), REAL, "addresses")
    client.close()
    sock.close()
    same(gost.stop(), 0, "exit status")
    for line in (b"PROXYxyz TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 more\r\n",
                 b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 02\r\n"):
        same(refused(up, line)["reason"], "proxy-header-invalid", line.decode())


@case
def defect_08_unspec_and_short_local_close_the_connection():
    up = Upstream(8000)
    for data in (b"\x21\x00\x00\x00", b"\x20\x11\x00\x05\x01\x02\x03\x04\x05", b"\x20\x11\x00\x00"):
        header, _, record = served(up, decode_proxy.SIGNATURE + data)
        same((header["src"], record["client"]), ("127.0.0.1", record["remote"]), f"client of {data.hex()}")


@case
def defect_09_tlvs_are_ignored_and_checksums_not_verified():
    up = Upstream(8000)
    authority = b"\x02\x00\x01a"
    header, _, record = served(up, v2(*REAL, tlvs=authority), "proxyProtocol=1&proxyProtocol.logTLV=true&"
                               "handler.proxyProtocol=2&proxyProtocol.pass=all&proxyProtocol.add=UNIQUE_ID={unique-id}")
    same(header["tlvs"], [(2, "61"), (5, record["uniqueId"].encode().hex())], "TLVs sent")
    same(record["proxyAuthority"], "a", "TLV in the log")
    same(refused(up, v2(*REAL, tlvs=b"\x03\x00\x04abcd"))["reason"], "proxy-header-invalid", "a wrong checksum")


@case
def defect_10_all_clients_of_a_load_balancer_share_one_bucket():
    """Limits count the real client, and strategy=hash takes it (all limits: test_limiters.py)."""
    echo_server(8010)
    path = lib.tmp() / "gost.json"
    path.write_text(json.dumps({"services": [{
        "name": "s", "addr": "127.0.0.1:8081", "climiter": "each", "handler": {"type": "tcp"}, "listener": {"type": "tcp"},
        "forwarder": {"nodes": [{"name": "t", "addr": "127.0.0.1:8010"}]}, "metadata": {"proxyProtocol": 1}}],
        "climiters": [{"name": "each", "limits": ["$$ 1"]}]}))
    Gostbpf("-C", path, services=1)
    for i in (1, 2):
        client = connect(8081)
        client.sendall(v1(f"192.0.2.{i}", 1, "198.51.100.9", 443) + b"x")
        same(recv_exact(client, 1), b"x", f"the first connection of client {i}")
    second = connect(8081)
    second.sendall(v1("192.0.2.1", 2, "198.51.100.9", 443) + b"x")
    same(ending(second), "reset", "the second connection of client 1")
    ups = [lib.name_server(8000 + i, f"{i}") for i in range(4)]
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001,127.0.0.1:8002,127.0.0.1:8003"
            "?proxyProtocol=1&strategy=hash")
    chosen = {}
    for _ in range(2):
        for i in range(1, 30):
            client = connect(8080)
            client.sendall(v1(f"192.0.2.{i}", 40000 + i, "198.51.100.9", 443))
            client.shutdown(socket.SHUT_WR)
            chosen.setdefault(i, set()).add(recv_to_end(client))
            client.close()
    check(all(len(names) == 1 for names in chosen.values()), f"a client moved between targets: {chosen}")
    check(len(set.union(*chosen.values())) > 1, "every client went to the same target")
    same(len(ups), 4, "targets")


@case
def defect_11_socks5_uses_the_load_balancers_address():
    """Datagrams are relayed for the client that a believed header names, and for nobody else."""
    sandbox.sh("ip addr replace 127.0.0.9/8 dev lo")
    target = udp_socket(port=5300)
    gost = Gostbpf("-L", "socks5://127.0.0.1:1080?proxyProtocol=1&udp=true")
    control = connect(1080)
    control.sendall(v1("127.0.0.9", 4242, "127.0.0.1", 1080) + NONE + request5("0.0.0.0", 0, UDP))
    same(recv_exact(control, 2), b"\x05\x00", "method")
    code, relay = read_reply5(control)
    same(code, 0, "reply code")
    for host in ("127.0.0.1", "127.0.0.9"):
        udp_socket(host).sendto(b"\0\0\0" + address("127.0.0.1", 5300) + host.encode(), relay)
    same(target.recvfrom(100)[0], b"127.0.0.9", "the datagram that is relayed")
    control.close()
    same(gost.closed()[0]["client"], "127.0.0.9:4242", "client")


# --- sending ---
@case
def defect_12_mixed_and_scoped_addresses_are_dropped_or_malformed():
    up = Upstream(8000)
    for src, dst in (("::ffff:192.0.2.1", "2001:db8::2"), ("2001:db8::1", "::ffff:192.0.2.2"),
                     ("::ffff:192.0.2.1", "::ffff:192.0.2.2")):
        for version in (1, 2):
            header, raw, _ = served(up, v1(src, 1, dst, 2), f"proxyProtocol=1&handler.proxyProtocol={version}")
            want = [a if "2001" in src + dst else a.replace("::ffff:", "") for a in (src, dst)]
            got = [str(ipaddress.ip_address(a)) for a in (header["src"], header["dst"])]
            same(got, [str(ipaddress.ip_address(a)) for a in want], f"pair in {raw!r}")
    sandbox.sh("ip link add d0 type veth peer name d1 && ip addr add fe80::7/64 dev d0 nodad"
               " && ip link set d0 up && ip link set d1 up")
    Gostbpf("-L", "tcp://:8080/127.0.0.1:8000?handler.proxyProtocol=1")
    client = socket.create_connection(("fe80::7%d0", 8080))
    lib.track(client)
    header, raw = recv_header(up.accept())
    same((header["src"], header["dst"]), ("fe80::7", "fe80::7"), f"link-local client in {raw!r}")


@case
def defect_13_multiplexed_sessions_name_the_first_client():
    refused_by_name("mtls://:1/:2", "mtcp://:1/:2", "mws://:1/:2", "http2://:1")
    up = Upstream(8000)
    Gostbpf("-L", BASE + "proxyProtocol=1&handler.proxyProtocol=2")
    for i in range(1, 5):
        connect(8080).sendall(v1(f"192.0.2.{i}", i, "198.51.100.9", 443))
        same(recv_header(up.accept())[0]["src"], f"192.0.2.{i}", "each session names its own client")
    Gostbpf("-L", "http://127.0.0.1:8081?proxyProtocol=1&handler.proxyProtocol=2")
    for i in range(1, 5):
        connect(8081).sendall(v1(f"192.0.2.{i}", i, "198.51.100.9", 443) + b"GET http://127.0.0.1:8000/ HTTP/1.1\r\nHost: x\r\n\r\n")
        same(recv_header(up.accept())[0]["src"], f"192.0.2.{i}", "each http client is named")


@case
def defect_14_the_key_is_ignored_on_later_hops():
    """Every hop is told the client, by the header it asks for."""
    first, second = Upstream(8001), Upstream(8002)
    Gostbpf("-L", "tcp://127.0.0.1:8080/192.0.2.1:80", "-F", "socks5://127.0.0.1:8001?proxyProtocol=1",
            "-F", "socks5://127.0.0.1:8002?proxyProtocol=2")
    me = connect(8080).getsockname()
    hop = first.accept()
    header, _ = recv_header(hop)
    same((header["version"], *endpoints(header)), (1, *me, "127.0.0.1", 8080), "header for the first hop")
    same(recv_exact(hop, 3), NONE, "offer to the first hop")
    hop.sendall(b"\x05\x00")
    same(recv_exact(hop, 10), request5("127.0.0.1", 8002), "request to the first hop")
    hop.sendall(b"\x05\x00\x00\x01" + bytes(6))
    header, _ = recv_header(hop)
    same((header["version"], *endpoints(header)), (2, *me, "127.0.0.1", 8080), "header for the second hop")
    same(recv_exact(hop, 3), NONE, "offer to the second hop")
    check(second.nobody(0.2), "the second hop is reached through the first only")


@case
def defect_15_reverse_listeners_ignore_the_key():
    """A port at this end, one that a relay or socks5 server opens, and the server's own."""
    gost = Gostbpf("-L", "relay://127.0.0.1:8080?proxyProtocol=1&proxyProtocol.policy=require&bind=true")
    lib.connect_and_end(8080, b"\x01\x02\x00\x00")
    same(gost.reasons("proxy-header")[0]["reason"], "proxy-header-missing", "a relay service that must see a header")
    same(gost.stop(), 0, "exit status")
    up = Upstream(8000)

    def visit(port, what):
        lib.wait_listening(port)
        client = connect(port)
        client.sendall(v1(*REAL) + b"hello")
        sock = up.accept()
        same((recv_header(sock)[0]["src"], recv_exact(sock, 5)), (REAL[0], b"hello"), what)

    service = "127.0.0.1:8000?handler.proxyProtocol=2"
    Gostbpf("-L", f"rtcp://127.0.0.1:8081/{service}&proxyProtocol=1")
    visit(8081, "rtcp without a chain")
    for port, scheme in ((8082, "relay"), (8084, "socks5")):
        Gostbpf("-L", f"{scheme}://127.0.0.1:{port}?bind=true&proxyProtocol=1").lasting = True  # the tunnel
        Gostbpf("-L", f"rtcp://127.0.0.1:{port + 1}/{service}", "-F", f"{scheme}://127.0.0.1:{port}", services=0)
        visit(port + 1, f"a port that {scheme} has opened")


@case
def defect_16_udp_headers_travel_in_a_datagram_of_their_own():
    """Header and payload share a datagram, sent and received."""
    target = udp_socket(port=8054)
    Gostbpf("-L", "udp://127.0.0.1:8053/127.0.0.1:8054?handler.proxyProtocol=2&ttl=100ms")
    udp_socket().sendto(b"question", ("127.0.0.1", 8053))
    data = target.recv(2048)
    same(data[decode_proxy.decode(data)["length"]:], b"question", "payload behind the header")
    gost = Gostbpf("-L", "udp://127.0.0.1:8055/127.0.0.1:8054?proxyProtocol=1&ttl=100ms")
    udp_socket().sendto(v2(*REAL).replace(b"\x21\x11", b"\x21\x12") + b"question", ("127.0.0.1", 8055))
    same(target.recv(2048), b"question", "what is left of a datagram with a header")
    same(gost.closed()[0]["client"], f"{REAL[0]}:{REAL[1]}", "client")


# --- the command line, errors, logs ---
@case
def defect_17_values_that_look_on_are_off():
    up = Upstream(8000)
    for spelling in ("proxyProtocol=", "proxyProtocol=true", "PROXYPROTOCOL=1", "proxyprotocol=2", "proxyProtocol"):
        header, _, _ = served(up, v1(*REAL), f"{spelling}&HANDLER.PROXYPROTOCOL=true")
        same((header["version"], endpoints(header)), (1, REAL), spelling)
    for query in ("proxyProtocol=3", "handler.proxyProtocol=3", "proxyProtocol=yes", "proxyProtocl=1"):
        gostbpf_fails("-L", BASE + query)


@case
def defect_18_a_bad_header_reaches_the_target_and_nobody_is_told():
    up = Upstream(8000)
    for data in (b"PROXY TCP4 1.2.3.4\r\n", decode_proxy.SIGNATURE + b"\x21\x11\x00\x00", b"PROXY TCP9 "):
        record = refused(up, data)
        same((record["level"], record["reason"]), ("warning", "proxy-header-invalid"), "level and reason")
        check("at byte" in record["msg"] and "section" in record["msg"], record["msg"])


@case
def defect_19_the_destination_is_neither_logged_nor_a_choice():
    up = Upstream(8000)
    header, _, record = served(up, v1(*REAL))
    same((record["proxyDst"], header["dst"], header["dport"]), ("198.51.100.9:443", *REAL[2:]), "received destination")
    header, _, _ = served(up, v1(*REAL), "proxyProtocol=1&handler.proxyProtocol=2&proxyProtocol.dst=local")
    same((header["src"], header["dst"], header["dport"]), (REAL[0], "127.0.0.1", 8080), "our own")
    unix = decode_proxy.SIGNATURE + b"\x21\x31\x00\xd8" + b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
    header, _, record = served(up, unix)
    same((header["command"], header["src"], record["client"]), ("LOCAL", None, record["remote"]), "UNIX addresses name no IP client")


@case
def defect_20_other_handlers_cannot_send_a_header():
    refused_by_name(*(f"{s}://:1?handler.proxyProtocol=1" for s in ("redirect", "sni")))
    up = Upstream(8000)
    Gostbpf("-L", "socks5://127.0.0.1:1080?handler.proxyProtocol=2", "-L", "127.0.0.1:8080?handler.proxyProtocol=1")
    Gostbpf("-L", "http://127.0.0.1:8081?handler.proxyProtocol=1", "-L", "relay://127.0.0.1:8082?handler.proxyProtocol=2", services=2)
    relay = bytes((1, 1, 0, 10, 2, 0, 7, 1, 127, 0, 0, 1)) + (8000).to_bytes(2, "big")
    for port, request in ((8081, b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n\r\n"), (8082, relay)):
        client = connect(port)
        client.sendall(request)
        same(endpoints(recv_header(up.accept())[0]), (*client.getsockname(), "127.0.0.1", port), f"header of port {port}")
    for port, open_ in ((1080, connect5), (8080, connect5), (8080, connect4)):
        client = open_(port, "127.0.0.1", 8000)
        same(endpoints(recv_header(up.accept())[0]), (*client.getsockname(), "127.0.0.1", port), "header")


if __name__ == "__main__":
    lib.main("gost_defects")
