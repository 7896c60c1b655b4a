#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""PROXY headers of DNS, over UDP and TCP, between gostbpf and the real dnsdist (both ways), pdns-recursor (receives) and nginx."""
import socket
import struct

import lib
from lib import Gostbpf, case, check, recv_exact, same
from peers import CLIENT, dnsdist, names, nginx, recursor
from udp_world import LASTING, TTL, Upstream, addresses, ask, bound, query, udp_socket


def resolve(port, host=CLIENT):
    client = udp_socket(host)
    for number in (1, 2, 77):
        reply, _ = ask(client, query(number, "a.test"), ("127.0.0.1", port))
        same(addresses(reply, number), ["192.0.2.80"], "address of a.test")
    return "%s:%d" % client.getsockname()


def resolve_tcp(port, host=CLIENT):
    client = lib.track(socket.create_connection(("127.0.0.1", port), source_address=(host, 0)))
    for number in (1, 2, 77):
        question = query(number, "a.test")
        client.sendall(struct.pack(">H", len(question)) + question)
        size = struct.unpack(">H", recv_exact(client, 2))[0]
        same(addresses(recv_exact(client, size), number), ["192.0.2.80"], "address of a.test")
    return "%s:%d" % client.getsockname()


@case
def dnsdist_sends():
    names()
    gost = Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:5355?proxyProtocol=1&{LASTING}")
    peer = dnsdist(8080)
    client = resolve(5300)
    gost.wait_log(lambda r: r.get("client", "-") == r.get("remote") and "proxyVersion" in r, "a health check (LOCAL)")
    record = next(r for r in gost.records_after_stop(2) if r["client"] == client)
    peer.kill()
    peer.wait()
    same((record["proxyVersion"], record["proxyDst"], record["inputDatagrams"], record["outputDatagrams"]),
         (2, "127.0.0.1:5300", 3, 3), "its record")
    trust = "service service-0 believes PROXY headers from any source: set proxyProtocol.from"
    same([r["msg"] for r in gost.log() if r["level"] in ("warning", "error")], [trust], "complaints")


@case
def recursor_receives():
    names()
    recursor()
    Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:8000?handler.proxyProtocol=2&{TTL}")
    resolve(8080)


@case
def recursor_believes_the_header_only():
    """The same without a header: the recursor sees gostbpf's own address and does not answer."""
    names()
    recursor()
    Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:8000?{TTL}")
    client = udp_socket(CLIENT, timeout=1)
    try:
        reply, _ = ask(client, query(1, "a.test"), ("127.0.0.1", 8080))
        check(reply[3] & 15 != 0, "answered without an error")
    except TimeoutError:
        pass


@case
def from_dnsdist_through_to_the_recursor():
    names()
    recursor()
    Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=2&{TTL}")
    dnsdist(8080, then=":setUp()")
    resolve(5300)


@case
def dnsdist_receives():
    """Over UDP and TCP: it tells the recursor whom the header named, and that answers CLIENT only."""
    names()
    recursor()
    dnsdist(8000, port=8001, then=":setUp()", receive=True)
    more = "handler.proxyProtocol=2&proxyProtocol.sendCrc32c=true&proxyProtocol.add=0xE1={sid}"
    Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:8001?{more}&{TTL}", "-L", f"tcp://127.0.0.1:8080/127.0.0.1:8001?{more}", services=2)
    resolve(8080)
    resolve_tcp(8080)


@case
def recursor_receives_over_tcp():
    names()
    recursor()
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?handler.proxyProtocol=2")
    resolve_tcp(8080)


@case
def from_dnsdist_through_to_the_recursor_over_tcp():
    names()
    recursor()
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1&proxyProtocol.policy=require"
                   "&proxyProtocol.from=127.0.0.1&handler.proxyProtocol=2")
    dnsdist(8080, then=":setUp()")
    client = resolve_tcp(5300)
    record = gost.wait_log(lambda r: " <> " in r.get("msg", ""), "first record")
    same((record["client"], record["proxyVersion"]), (client, 2), "client in the log")


@case
def policies_hold_for_dnsdist():
    """Its own sessions and health checks pass; a client that goes round it does not."""
    names()
    gost = Gostbpf("-workers", 1, "-L", f"udp://127.0.0.1:8080/127.0.0.1:5355?{TTL}&proxyProtocol=1&proxyProtocol.policy=require"
                   "&proxyProtocol.from=127.0.0.1&proxyProtocol.maxSize=512")
    peer = dnsdist(8080)
    resolve(5300)
    client = udp_socket(CLIENT)
    client.sendto(query(9, "a.test"), ("127.0.0.1", 8080))
    gost.wait_log(lambda r: r.get("reason") == "proxy-header-missing" and r["remote"].startswith(CLIENT), "who goes round it is refused")
    check("any source" not in gost.text(), "no warning")
    peer.kill()  # its checks would keep a session alive
    peer.wait()


@case
def nginx_sends_version_1_in_the_first_datagram():
    up = Upstream(8000)
    gost = Gostbpf("-workers", 1, "-L", f"udp://127.0.0.1:8080/127.0.0.1:8000?{LASTING}&proxyProtocol=1&proxyProtocol.versions=1,2"
                   "&proxyProtocol.remember=true")
    nginx("server { listen 127.0.0.1:8079 udp; proxy_pass 127.0.0.1:8080; proxy_protocol on; proxy_timeout 2s; }", None)
    lib.until(lambda: bound(8079), "nginx has its port")
    client = udp_socket()
    for text in (b"one", b"two"):
        same(ask(client, text, ("127.0.0.1", 8079))[0], text, "answer")
    same([d for d, _ in up.seen], [b"one", b"two"], "at the upstream, without the header")
    same([(r["proxyVersion"], r["client"], r["inputDatagrams"]) for r in gost.records_after_stop()], [(1, "%s:%d" % client.getsockname(), 2)], "record")


if __name__ == "__main__":
    lib.main("udp_peers")
