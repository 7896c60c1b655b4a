#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""PROXY headers in datagrams: what targets get, what is believed, and who is answered."""
import lib
import sandbox
from lib import Gostbpf, case, check, same
from udp_world import LASTING, LOCAL, Upstream, ask, header, payload, service, udp_socket, v2

FRONT = ("127.0.0.1", 8080)
CLIENT, SERVICE = ("192.0.2.7", 7777), ("198.51.100.1", 53)


def start(*more, listen=":8080", target="127.0.0.1:8000", **how):
    return service(f"{listen}/{target}", *more, **how)


def pair(data):
    head = header(data)
    return (head["src"], head["sport"]), (head["dst"], head["dport"])


# --- sending ---
@case
def each_datagram_has_a_header():
    up = Upstream(8000)
    start("handler.proxyProtocol=2")
    client = udp_socket()
    for i in range(5):
        same(ask(client, f"payload {i}".encode(), FRONT)[0], f"payload {i}".encode(), "answer, without a header")
    for i, (data, _) in enumerate(up.seen):
        head = header(data)
        same((head["version"], head["command"], head["family"], head["proto"], head["length"]),
             (2, "PROXY", "INET", "DGRAM", 28), "header")
        same(pair(data), (client.getsockname(), FRONT), "addresses")
        same(payload(data), f"payload {i}".encode(), "payload behind it, in the same datagram")


@case
def only_the_first_has_one():
    up = Upstream(8000)
    start("handler.proxyProtocol=2", "proxyProtocol.udp=first", ttl=LASTING)
    for client in (udp_socket(), udp_socket()):
        up.seen.clear()
        for i in range(3):
            ask(client, str(i).encode(), FRONT)
        same(pair(up.seen[0][0]), (client.getsockname(), FRONT), "addresses in the first")
        same([data for data, _ in up.seen[1:]], [b"1", b"2"], "the others are bare")


@case
def the_first_is_repeated_for_a_server_that_was_not_there():
    gost = start("handler.proxyProtocol=2", "proxyProtocol.udp=first", ttl=LASTING)
    client = udp_socket()
    client.sendto(b"lost", FRONT)
    lib.until(lambda: [r for r in gost.log() if "refused" in r["msg"]], "the refusal")
    up = Upstream(8000)
    ask(client, b"x", FRONT)
    same(pair(up.seen[0][0])[0], client.getsockname(), "client in the header")


@case
def a_zero_length_datagram_is_a_header_alone():
    up = Upstream(8000)
    start("handler.proxyProtocol=2")
    same(ask(udp_socket(), b"", FRONT)[0], b"", "answer")
    same(len(up.seen[0][0]), 28, "length at the upstream")


@case
def ipv6_and_a_service_on_all_addresses():
    up = Upstream(8000)
    start("handler.proxyProtocol=2")
    client = udp_socket("::1")
    ask(client, b"x", ("::1", 8080))
    same(pair(up.seen[0][0]), (client.getsockname()[:2], ("::1", 8080)), "IPv6")
    client = udp_socket("0.0.0.0")
    ask(client, b"x", ("127.0.0.9", 8080))
    same(pair(up.seen[1][0])[1], ("127.0.0.9", 8080), "destination that the client wrote to, as IPv4")


@case
def a_node_may_say_otherwise():
    up, bare = Upstream(8000), Upstream(8001)
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
- name: dns
  addr: :8080
  handler: {type: udp, metadata: {proxyProtocol: 2}}
  listener: {type: udp, metadata: {ttl: 1s}}
  forwarder:
    nodes:
    - {name: a, addr: "127.0.0.1:8000"}
    - {name: b, addr: "127.0.0.1:8001", metadata: {proxyProtocol: 0}}
""")
    Gostbpf("-C", path, services=1, *("-workers", 1))
    for _ in range(2):
        same(ask(udp_socket(), b"x", FRONT)[0], b"x", "answer")
    same((len(up.seen[0][0]), bare.seen[0][0]), (29, b"x"), "with and without")


@case
def too_long_with_the_header():
    """Counted and told once; never cut, never in fragments."""
    up = Upstream(8000)
    gost = start("handler.proxyProtocol=2")
    client = udp_socket()
    for _ in range(3):
        client.sendto(b"x" * 65500, FRONT)
    same(ask(client, b"fits", FRONT)[0], b"fits", "the session goes on")
    same(len(up.seen), 1, "at the upstream")
    same(gost.closed()[0]["droppedDatagrams"], 3, "counted")
    same([r["level"] for r in gost.log() if "too long for the path" in r["msg"]], ["warning"], "told once")


@case
def longer_than_the_links_mtu():
    sandbox.three_hosts()
    gost = start("handler.proxyProtocol=2", target="198.18.2.2:8000")
    client = udp_socket()
    client.sendto(b"x" * 1473, FRONT)
    gost.wait_log(lambda r: "too long for the path" in r["msg"], "told")
    same(gost.closed()[0]["droppedDatagrams"], 1, "counted")


# --- receiving ---
def claims(data, src=CLIENT, dst=SERVICE, **how):
    return v2(src, dst, **how) + data


@case
def the_client_in_the_header_is_believed():
    up = Upstream(8000)
    gost = start("proxyProtocol=1")
    proxy = udp_socket()
    same(ask(proxy, claims(b"hello"), FRONT), (b"hello", FRONT), "answer to the proxy, without a header")
    same(up.seen[0][0], b"hello", "at the upstream")
    record = gost.closed()[0]
    same((record["client"], record["proxyDst"], record["remote"], record["proxyVersion"], record["inputBytes"]),
         ("192.0.2.7:7777", "198.51.100.1:53", "%s:%d" % proxy.getsockname(), 2, 5), "closing record")


@case
def received_and_sent_on():
    up = Upstream(8000)
    start("proxyProtocol=1", "handler.proxyProtocol=2")
    ask(udp_socket(), claims(b"x"), FRONT)
    same(pair(up.seen[0][0]), (CLIENT, SERVICE), "the received addresses")
    ask(udp_socket(), claims(b"x", ("2001:db8::7", 7), ("2001:db8::1", 53)), FRONT)
    same(pair(up.seen[1][0]), (("2001:db8::7", 7), ("2001:db8::1", 53)), "IPv6")


@case
def one_proxy_socket_many_clients():
    """The session is the header's client's, so each has its own source port; all answers go to the proxy."""
    up = Upstream(8000)
    start("proxyProtocol=1", workers=2, ttl=LASTING)
    proxy = udp_socket()
    for turn in range(20):
        for i in range(10):
            text = f"{i}:{turn}".encode()
            same(ask(proxy, claims(text, ("192.0.2.7", 1000 + i)), FRONT)[0], text, "answer")
    ports = {}
    for data, sender in up.seen:
        ports.setdefault(data.split(b":")[0], set()).add(sender)
    same(sorted(len(p) for p in ports.values()), [1] * 10, "source ports of each client")
    same(len(set.union(*ports.values())), 10, "and no two share one")


@case
def local_is_the_proxy_itself():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "handler.proxyProtocol=2")
    proxy = udp_socket()
    same(ask(proxy, LOCAL + b"health", FRONT)[0], b"health", "answer")
    same(pair(up.seen[0][0])[0], proxy.getsockname(), "client sent on")
    record = gost.closed()[0]
    same((record["client"], record["proxyVersion"], "proxyDst" in record), ("%s:%d" % proxy.getsockname(), 2, False), "record")


@case
def a_header_may_be_left_out():
    up = Upstream(8000)
    start("proxyProtocol=1")
    client = udp_socket()
    for data in (b"bare", b"", b"\r", b"\r\n\r\n", b"P", b"PROX"):
        same(ask(client, data, FRONT)[0], data, "answer")
    same(len(up.seen), 6, "at the upstream")


@case
def a_header_without_a_payload():
    up = Upstream(8000)
    start("proxyProtocol=1")
    same(ask(udp_socket(), claims(b""), FRONT)[0], b"", "answer")
    same(up.seen[0][0], b"", "at the upstream")


@case
def bad_headers_cost_their_datagram_only():
    up = Upstream(8000)
    gost = start("proxyProtocol=1")
    client, good = udp_socket(), claims(b"x")
    bad = [good[:12] + b"\x31" + good[13:],  # version 3
           good[:13] + b"\x52" + good[14:],  # family
           good[:14] + b"\x00\x04" + good[16:],  # shorter than the addresses
           good[:20], good[:12],  # the datagram ends inside it
           claims(b"", tlvs=b"\x03\x00\x04\x00\x00\x00\x00") + b"x",  # checksum
           b"PROXY TCP4 192.0.2.7 198.51.100.1 7777 53\r\nx"]  # text is for streams
    for data in bad:
        client.sendto(data, FRONT)
    same(ask(client, b"bare", FRONT)[0], b"bare", "the next one")
    same(len(up.seen), 1, "at the upstream")
    told = gost.reasons("proxy-header-invalid")
    check(len(told) <= 2, f"told at most once a second: {len(told)}")
    check(told[0]["level"] == "warning" and "specification" in told[0]["msg"], str(told[0]))


@case
def without_the_key_a_header_is_payload():
    up = Upstream(8000)
    start()
    ask(udp_socket(), claims(b"x"), FRONT)
    same(up.seen[0][0], claims(b"x"), "at the upstream")


@case
def longest_header():
    up = Upstream(8000)
    start("proxyProtocol=1", "proxyProtocol.maxSize=60000")
    same(ask(udp_socket(), claims(b"", tlvs=b"\xea\xc3\x50" + bytes(50000)) + b"x", FRONT)[0], b"x", "answer")
    same(up.seen[0][0], b"x", "at the upstream")


if __name__ == "__main__":
    lib.main("udp_proxy")
