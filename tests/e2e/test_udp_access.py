#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Udp services: how many sessions, how many new ones, how many bytes, counted for the real client; bypass, hosts, resolver."""
import sys
import time

import lib
import udp_world
from lib import Gostbpf, case, check, same
from udp_world import Upstream, udp_socket, v2

PROXY, SERVICE = ("127.0.0.1", 8080), ("198.51.100.1", 53)


def start(*more, target="127.0.0.1:8000", sections="", ttl="60s"):
    """more: keys of -L; sections: YAML, whose l, c or r the service names. Sessions last, so that a busy machine ends none."""
    gost = started(more, target, sections, ttl)
    gost.lasting = True
    return gost


def started(more, target, sections, ttl):
    if not sections:
        return Gostbpf("-workers", 1, "-L", f"udp://127.0.0.1:8080/{target}?" + "&".join((f"ttl={ttl}", *more)))
    path = lib.tmp() / "gost.yml"
    named = "".join(f"  {word}: x\n" for word in ("climiter", "rlimiter", "limiter", "hosts", "resolver") if f"\n{word}" in sections)
    keys = "".join(f"    {key}: {value}\n" for key, value in (k.split("=") for k in more))
    path.write_text("services:\n- name: s\n  addr: 127.0.0.1:8080\n  handler: {type: udp}\n  listener: {type: udp, metadata: {ttl: %s}}\n" % ttl +
                    f"{named}  forwarder:\n    nodes:\n    - {{name: t, addr: \"{target}\"}}\n"
                    + (f"  metadata:\n{keys}" if keys else "") + sections)
    return Gostbpf("-workers", 1, "-C", path, services=1)


def rules(kind, *limits):
    return f"\n{kind}s:\n- name: x\n  limits:\n" + "".join(f"  - \"{limit}\"\n" for limit in limits)


def answers(client, data=b"ping"):
    """An echo comes back."""
    client.sendto(data, PROXY)
    return udp_world.payload(client.recv(65535)) == udp_world.payload(data)


def refused(gost, reason, text):
    record = gost.wait_log(lambda r: r.get("reason") == reason, f"a record of {reason}")
    same((record["level"], record["msg"]), ("info", text), "record")
    return record


MANY = "too many udp sessions at the same time (climiter): datagram dropped"
OFTEN = "too many new udp sessions (rlimiter): datagram dropped"
BYTES = "a datagram over the limit of bytes (limiter) is dropped"


# --- sessions ---
@case
def sessions_of_a_service():
    up = Upstream(8000)
    gost = start("climiter=2", ttl="3s")
    held = [udp_socket("127.0.0.2"), udp_socket("127.0.0.3")]
    check(all(answers(s) for s in held), "two")
    udp_socket("127.0.0.4").sendto(b"refused", PROXY)
    same(refused(gost, "too-many-connections", MANY)["remote"].rsplit(":", 1)[0], "127.0.0.4", "who")
    check(all(answers(s) for s in held), "those inside have noticed nothing")
    same({s[0] for s in up.seen}, {b"ping"}, "what the target saw")
    gost.wait_log(lambda r: " >< " in r["msg"] and r["reason"] == "idle", "a session's end")
    check(answers(udp_socket("127.0.0.4")), "a place is free again")


@case
def sessions_of_a_client_and_of_a_network():
    up = Upstream(8000)
    gost = start(sections=rules("climiter", "$$ 2", "127.0.1.0/24 1"))
    held = [udp_socket("127.0.0.2"), udp_socket("127.0.0.2"), udp_socket("127.0.1.1"), udp_socket("127.0.1.2"), udp_socket("127.0.0.3")]
    check(all(answers(s) for s in held), "inside the limits")
    for ip in "127.0.0.2", "127.0.1.1":
        udp_socket(ip).sendto(b"refused", PROXY)
    refused(gost, "too-many-connections", MANY)
    check(all(answers(s) for s in held), "those inside")
    same({s[0] for s in up.seen}, {b"ping"}, "what the target saw")


@case
def clients_of_a_proxy_are_counted_one_by_one():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.from=127.0.0.2", "proxyProtocol.untrusted=ignore", sections=rules("climiter", "$$ 1"))
    proxy, stranger = udp_socket("127.0.0.2"), udp_socket("127.0.0.3")
    ann, bob = ("10.0.0.1", 1000), ("10.0.0.2", 1000)
    check(answers(proxy, v2(ann, SERVICE) + b"ann") and answers(proxy, v2(bob, SERVICE) + b"bob"), "one each")
    proxy.sendto(v2(("10.0.0.1", 1001), SERVICE) + b"refused", PROXY)
    refused(gost, "too-many-connections", MANY)
    check(answers(proxy, b"own"), "the proxy itself is a client of its own")
    check(answers(stranger, v2(ann, SERVICE) + b"eve"), "who is not believed is counted as who it is")
    udp_socket("127.0.0.3").sendto(v2(("10.0.0.77", 1), SERVICE) + b"refused", PROXY)
    check(answers(proxy, v2(ann, SERVICE) + b"still"), "ann again")
    same(sorted(s[0] for s in up.seen), [b"ann", b"bob", b"eve", b"own", b"still"], "what the target saw")


@case
def a_remembered_header_counts_for_its_client():
    Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.remember=true", sections=rules("climiter", "$$ 1"))
    one, two = udp_socket("127.0.0.2"), udp_socket("127.0.0.2")
    check(answers(one, v2(("10.0.0.1", 1), SERVICE) + b"ann") and answers(one, b"more"), "ann by one")
    two.sendto(v2(("10.0.0.1", 2), SERVICE) + b"refused", PROXY)
    refused(gost, "too-many-connections", MANY)
    check(answers(one, v2(("10.0.0.2", 1), SERVICE) + b"bob"), "bob by one: ann's session is over")
    check(answers(two, v2(("10.0.0.1", 2), SERVICE) + b"ann"), "ann by two")


@case
def new_sessions_come_at_the_rate():
    up = Upstream(8000)
    gost = start(sections=rules("rlimiter", "$$ 0.4"))
    first = udp_socket("127.0.0.2")
    began = time.monotonic()
    check(answers(first), "the first")
    second = udp_socket("127.0.0.2")
    second.sendto(b"refused", PROXY)
    refused(gost, "too-many-new-connections", OFTEN)
    check(answers(first) and answers(udp_socket("127.0.0.3")), "a session that is there, and another client")
    check(time.monotonic() - began > 2.5 or b"refused" not in [s[0] for s in up.seen], "what the target saw")
    second.settimeout(0.2)

    def later():
        try:
            return answers(second, b"later")
        except TimeoutError:
            return False
    lib.until(later, "after two and a half seconds")
    check(time.monotonic() - began > 2.4, "not before")


# --- bytes ---
def count_answers(client, least=0, quiet=1.0):
    """How many come until nothing has come for a while, with patience for so many."""
    got = 0
    try:
        while True:
            client.settimeout(quiet if got >= least else lib.PATIENCE)
            client.recv(65535)
            got += 1
    except TimeoutError:
        return got


def within(count, began, kib, size, what):
    """A second's worth at once, and what was earned since."""
    most = (1 + time.monotonic() - began) * kib * 1024 / size + 1
    check(kib * 1024 // size <= count <= most, f"{what}: {count} datagrams, not {kib * 1024 // size} to {most:.0f}")


@case
def bytes_from_and_to_clients():
    for key, seen_too in ("limiter.in", True), ("limiter.out", False), ("limiter.conn.in", True), ("limiter.conn.out", False):
        up = Upstream(8000)
        gost = start(f"{key}=20KB")
        client, began = udp_socket("127.0.0.2"), time.monotonic()
        for _ in range(60):
            client.sendto(b"x" * 1000, PROXY)
        got = count_answers(client, 20)
        within(got, began, 20, 1000, f"{key}: answers")
        within(len(up.seen), began, 20, 1000, key) if seen_too else same(len(up.seen), 60, f"{key}: at the target")
        refused(gost, "too-many-bytes", BYTES)
        same(gost.stop(), 0, "exit status")
        closing = next(r for r in gost.log() if " >< " in r["msg"])
        same(closing["droppedDatagrams"], 60 - got, f"{key}: dropped")
        same((closing["inputDatagrams"], closing["outputDatagrams"]), (len(up.seen), got), f"{key}: moved")
        lib.close_socket(up.sock)


@case
def bytes_of_a_connection_of_a_network_and_of_all():
    """Two sessions of one listed address share, others have a bucket each, and all together one."""
    Upstream(8000)
    start(sections=rules("limiter", "$ 60KB 0", "$$ 20KB 0", "127.0.1.0/24 10KB"))
    counts, began = {}, time.monotonic()
    clients = [udp_socket("127.0.1.1"), udp_socket("127.0.1.1"), udp_socket("127.0.0.2"), udp_socket("127.0.0.2"), udp_socket("127.0.0.3")]
    for client in clients:
        for _ in range(40):
            client.sendto(b"x" * 1000, PROXY)
    for i, (client, least) in enumerate(zip(clients, (1, 0, 20, 20, 10))):
        counts[i] = count_answers(client, least)
    within(counts[0] + counts[1], began, 10, 1000, "the two of one address")
    within(counts[2], began, 20, 1000, "a connection")
    within(sum(counts.values()), began, 60, 1000, "all")


@case
def a_datagram_larger_than_a_seconds_worth_is_not_locked_out():
    Upstream(8000)
    start("limiter.in=1KB")
    client = udp_socket("127.0.0.2")
    check(answers(client, b"x" * 3000), "from a full bucket")
    client.sendto(b"dropped", PROXY)
    same(count_answers(client), 0, "answers to the next")


# --- the target ---
@case
def a_bypass_refuses_the_target():
    up = Upstream(8000)
    gost = start("bypass=127.0.0.0/8")
    udp_socket().sendto(b"refused", PROXY)
    gost.wait_log(lambda r: r["msg"] == "bypass: this target is not allowed", "the bypass is told")
    gost.wait_log(lambda r: " >< " in r["msg"] and r["reason"] == "bypassed", "the session's end")
    same(gost.stop(), 0, "exit status")
    same(up.seen, [], "what the target saw")
    start("bypass=~127.0.0.0/8")
    check(answers(udp_socket()), "a whitelist lets it pass")


@case
def hosts_come_before_any_server():
    up = Upstream(8000, "127.0.0.5")
    start("hosts=db.internal:127.0.0.5", target="db.internal:8000")
    check(answers(udp_socket()), "an answer")
    same(len(up.seen), 1, "datagrams at the mapped address")


@case
def a_resolver_of_its_own():
    zone = lib.tmp() / "zone"
    zone.write_text("a.test 60 A 127.0.0.6\n")
    lib.spawn(sys.executable, lib.ROOT / "tests/tools/dns_server.py", "--port", 5300, "--zone", zone, "--log", lib.tmp() / "asked")
    lib.until(lambda: udp_world.bound(5300), "the name server is there")
    up = Upstream(8000, "127.0.0.6")
    start("resolver=127.0.0.1:5300", target="a.test:8000")
    check(answers(udp_socket()), "an answer")
    same(len(up.seen), 1, "datagrams at the address it said")


if __name__ == "__main__":
    lib.main("udp_access")
