#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Admission lists of udp services: who is not let in has no session, costs nothing, and is told at most once a second."""
import lib
import udp_world
from lib import case, check, same
from udp_world import LASTING, Upstream, service, udp_socket, v2

LISTED, OTHER = "127.0.0.2", "127.0.0.3"
INSIDE, OUTSIDE = ("10.1.2.3", 7777), ("192.0.2.7", 7777)
SERVICE = ("198.51.100.1", 53)


def start(*more, at="127.0.0.1:8080"):
    return service(f"{at}/127.0.0.1:8000", *more, ttl=LASTING)


def ask(client, data, host="127.0.0.1"):
    return udp_world.ask(client, data, (host, 8080))[0]


def refused(gost):
    return gost.wait_log(lambda r: r.get("reason") == "not-admitted", "the refusal is told")


@case
def a_blacklist_and_a_whitelist():
    for rule, out, inside in (f"admission={LISTED}", LISTED, OTHER), (f"admission=~{LISTED}", OTHER, LISTED):
        up = Upstream(8000)
        gost = start(rule)
        for i in range(20):
            udp_socket(out).sendto(b"refused", ("127.0.0.1", 8080))
        same(ask(udp_socket(inside), b"let in"), b"let in", "an answer")
        same([s[0] for s in up.seen], [b"let in"], f"{rule}: what the target saw")
        record = refused(gost)
        same((record["level"], record["msg"], record["remote"].rsplit(":", 1)[0]),
             ("info", "not admitted: datagram dropped", out), "record")
        same(gost.stop(), 0, "exit status")
        same(len([r for r in gost.log() if " >< " in r["msg"]]), 1, "sessions")
        lib.close_socket(up.sock)


@case
def on_a_socket_of_both_families():
    """IPv4 clients are IPv4 clients there."""
    up = Upstream(8000)
    start(f"admission=~{LISTED},::1", at=":8080")
    same(ask(udp_socket(LISTED), b"four"), b"four", "listed IPv4")
    same(ask(udp_socket("::1"), b"six", "::1"), b"six", "listed IPv6")
    udp_socket(OTHER).sendto(b"refused", ("127.0.0.1", 8080))
    same(ask(udp_socket(LISTED), b"last"), b"last", "listed IPv4 again")
    same(sorted(s[0] for s in up.seen), [b"four", b"last", b"six"], "what the target saw")


@case
def the_client_of_a_header_and_the_one_who_speaks_for_it():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "admission=~10.0.0.0/8,127.0.0.2")
    good, bad = udp_socket(LISTED), udp_socket(OTHER)
    good.sendto(v2(OUTSIDE, SERVICE) + b"its client is not", ("127.0.0.1", 8080))
    record = refused(gost)
    same(record["msg"], "the client of a PROXY header is not admitted: datagram dropped", "record")
    bad.sendto(v2(INSIDE, SERVICE) + b"the proxy is not", ("127.0.0.1", 8080))
    good.sendto(v2(INSIDE, SERVICE) + b"both are", ("127.0.0.1", 8080))
    same(good.recv(100), b"both are", "the answer")
    same([s[0] for s in up.seen], [b"both are"], "what the target saw")


@case
def a_remembered_header_stays_refused():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.remember=true", "admission=192.0.2.0/24")
    client = udp_socket(LISTED)
    client.sendto(v2(OUTSIDE, SERVICE) + b"refused", ("127.0.0.1", 8080))
    refused(gost)
    client.sendto(v2(INSIDE, SERVICE) + b"let in", ("127.0.0.1", 8080))
    same(client.recv(100), b"let in", "the answer")
    client.sendto(b"goes with it", ("127.0.0.1", 8080))
    same(client.recv(100), b"goes with it", "the answer")
    client.sendto(v2(OUTSIDE, SERVICE) + b"refused again", ("127.0.0.1", 8080))
    client.sendto(v2(INSIDE, SERVICE) + b"last", ("127.0.0.1", 8080))
    same(client.recv(100), b"last", "the answer")
    check(b"refused" not in b"".join(s[0] for s in up.seen), f"what the target saw: {up.seen}")


if __name__ == "__main__":
    lib.main("udp_admission")
