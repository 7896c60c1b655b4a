#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may come in and where to: admission, bypass, hosts, resolvers, users; and that nothing of it fails open."""
import socket
import sys
import time

import lib
from access_world import answers, client, cut, gost, service
from lib import Upstream, case, check, curl, echo_server, gostbpf_fails, name_server, same, spawn, v1, v2


def yaml(services, sections=""):
    return f"services:\n{services}{sections}"


def admission(matchers, whitelist=False, name="a"):
    return f"- name: {name}\n  whitelist: {str(whitelist).lower()}\n  matchers: [{matchers}]\n"


# --- admission ---
@case
def a_blacklist_keeps_its_addresses_out():
    echo_server(8000)
    g = gost(yaml(service("  admission: a\n"), "admissions:\n" + admission("127.0.0.2, 127.0.1.0/24, 127.0.2.5-127.0.2.9")))
    for ip in ("127.0.0.2", "127.0.1.0", "127.0.1.255", "127.0.2.5", "127.0.2.9"):
        same(cut(ip), "reset", ip)
        time.sleep(0.11)  # records beyond ten a second are told at debug only
    for ip in ("127.0.0.1", "127.0.0.3", "127.0.2.4", "127.0.2.10", "127.0.3.1"):
        check(answers(client(ip)), f"{ip} is let in")
    record = g.reasons("not-admitted", 5)[0]
    same((record["msg"], record["level"]), ("127.0.0.2: not admitted", "info"), "record")
    same(len(g.closed(0)), 0, "sessions of those kept out")


@case
def a_whitelist_keeps_everybody_else_out():
    echo_server(8000)
    gost(yaml(service("  admissions: [a, b]\n"),
              "admissions:\n" + admission("127.0.0.0/30", True) + admission("127.0.0.2", False, "b")))
    check(answers(client("127.0.0.3")), "on the whitelist")
    same(cut("127.0.0.2"), "reset", "on both lists")
    same(cut("127.0.0.4"), "reset", "on neither list")


@case
def the_peer_and_the_client_it_speaks_for_must_both_be_admitted():
    echo_server(8000)
    g = gost(yaml(service("  admission: a\n  metadata: {proxyProtocol: 1}\n"),
                  "admissions:\n" + admission("127.0.0.9, 10.6.6.6, 2001:db8::6")))
    same(cut("127.0.0.9", data=v1("10.0.0.1", 1, "10.0.0.2", 2)), "reset", "a proxy that is kept out claims a good client")
    same(cut("127.0.0.9"), "reset", "the same before it has sent a byte")
    time.sleep(0.11)
    for header in (v1("10.6.6.6", 1, "10.0.0.2", 2), v2("10.6.6.6", 1, "10.0.0.2", 2),
                   v2("2001:db8::6", 1, "2001:db8::1", 2)):
        same(cut("127.0.0.1", data=header), "reset", f"a good proxy brings {header}")
    check(answers(client("127.0.0.1", data=v2("10.6.6.7", 1, "10.0.0.2", 2))), "a good proxy and a good client")
    check(answers(client("127.0.0.1")), "a good peer that speaks for itself")
    msgs = {r["msg"] for r in g.reasons("not-admitted", 2)}
    check("10.6.6.6: the client of a PROXY header is not admitted" in msgs, f"{msgs}")


@case
def admission_on_the_command_line():
    echo_server(8000)
    lib.Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?admission=127.0.0.2,127.0.0.4",
                "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000?admission=~127.0.0.2")
    same((cut("127.0.0.2"), cut("127.0.0.4")), ("reset", "reset"), "on the blacklist")
    check(answers(client("127.0.0.3")), "not on the blacklist")
    same(cut("127.0.0.3", 8081), "reset", "not on the whitelist")
    check(answers(client("127.0.0.2", 8081)), "on the whitelist")


@case
def lists_are_in_force_from_the_first_connection():
    """Clients that try from before the start get in never, not even once."""
    echo_server(8000)
    g = None
    sock = socket.socket()
    sock.bind(("127.0.0.2", 0))
    for _ in range(3):
        g = gost(yaml(service("  admission: a\n"), "admissions:\n" + admission("127.0.0.2")))
        same(cut("127.0.0.2"), "reset", "the first connection of all")
        same(g.stop(), 0, "exit status")


# --- what cannot be read, or is not there ---
@case
def nothing_fails_open():
    path = lib.tmp() / "bad.yml"
    rows = (
        (yaml(service("  admission: nope\n")), "nope"),
        (yaml(service("  bypasses: [nope]\n")), "nope"),
        (yaml(service("  limiter: nope\n")), "nope"),
        (yaml(service("  climiter: nope\n")), "nope"),
        (yaml(service("  rlimiter: nope\n")), "nope"),
        (yaml(service("  hosts: nope\n")), "nope"),
        (yaml(service("  resolver: nope\n")), "nope"),
        (yaml(service("  admission: a\n"), "admissions:\n" + admission("127.0.0.300")), "127.0.0.300"),
        (yaml(service("  climiter: c\n"), "climiters:\n- name: c\n  limits: [\"$$ ten\"]\n"), "$$ ten"),
        (yaml(service("  limiter: c\n"), "limiters:\n- name: c\n  limits: [\"$$ 10QB\"]\n"), "$$ 10QB"),
        (yaml(service("  resolver: c\n"), "resolvers:\n- name: c\n  nameservers: [{addr: \"tls://1.1.1.1\"}]\n"), "tls://1.1.1.1"),
    )
    for text, named in rows:
        path.write_text(text)
        err = gostbpf_fails("-C", path)
        check(named in err and "bad.yml:" in err, f"{named}: {err}")
        check(not lib.listening(8080), "nobody listens")


# --- bypass ---
def socks(target, port=1080):
    return curl("--noproxy", "", "-x", f"socks5h://127.0.0.1:{port}", f"http://{target}/")


@case
def a_target_on_the_list_is_not_asked():
    lib.http_server(8000)
    victim = Upstream(8001)
    g = gost(yaml(service("  bypass: b\n", 1080, None, "type: socks5"),
                  "bypasses:\n- name: b\n  matchers: [\"127.0.0.1:8001\", \".bad.test\", \"*.worse.test\", \"10.0.0.0/8\"]\n"))
    rc, out, _ = socks("127.0.0.1:8000")
    same((rc, out), (0, "ok\n"), "a target that is not listed")
    for target in ("127.0.0.1:8001", "bad.test", "x.BAD.test", "x.worse.test", "10.255.255.255:80"):
        rc, out, err = socks(target)
        check(rc != 0 and "(2)" in err, f"{target}: SOCKS says that rules forbid it: {rc} {out} {err}")
    check(victim.nobody(), "the forbidden target was not connected to")
    check(g.wait_log(lambda r: r["msg"].startswith("bypass:"), "a record"), "a record")


@case
def only_whitelisted_targets_are_asked():
    lib.http_server(8000)
    gost(yaml(service("  bypass: b\n", 1080, None, "type: socks5"),
              "bypasses:\n- name: b\n  whitelist: true\n  matchers: [\"127.0.0.1:8000\"]\n"))
    same(socks("127.0.0.1:8000")[1], "ok\n", "on the list")
    check(socks("127.0.0.1:8002")[0] != 0, "not on the list")


@case
def a_bypass_leads_past_a_node_and_round_a_hop():
    """Two socks nodes in a hop, each with its own bypass; and a hop with one. Where nobody may be asked, the chain ends."""
    lib.http_server(8000)
    text = yaml(service("", 1080, None, "type: socks5, chain: c") + service("", 1081, None, "type: socks5, chain: h")
                + service("", 2001, None, "type: socks5") + service("", 2002, None, "type: socks5"),
                "chains:\n- name: c\n  hops:\n  - name: h0\n    nodes:\n"
                "    - {name: n1, addr: \"127.0.0.1:2001\", bypass: one, connector: {type: socks5}, dialer: {type: tcp}}\n"
                "    - {name: n2, addr: \"127.0.0.1:2002\", bypass: two, connector: {type: socks5}, dialer: {type: tcp}}\n"
                "- name: h\n  hops:\n  - name: h1\n    bypass: one\n    nodes:\n"
                "    - {name: n2, addr: \"127.0.0.1:2002\", connector: {type: socks5}, dialer: {type: tcp}}\n"
                "bypasses:\n- name: one\n  matchers: [localhost, 127.0.0.3]\n- name: two\n  matchers: [127.0.0.1, 127.0.0.3]\n")
    for host in ("127.0.0.1", "127.0.0.3"):
        if host != "127.0.0.1":
            lib.http_server(8000, host)
    g = gost(text, services=4)
    for _ in range(3):  # whatever the selector's turn
        same(socks("127.0.0.1:8000")[1], "ok\n", "the first node is asked for 127.0.0.1")
        same(socks("localhost:8000")[1], "ok\n", "the second node is asked for localhost")
    same(socks("127.0.0.3:8000")[1], "ok\n", "no node may be asked for 127.0.0.3")
    same(socks("127.0.0.1:8000", 1081)[1], "ok\n", "the hop is asked")
    same(socks("127.0.0.3:8000", 1081)[1], "ok\n", "the hop is not asked")
    g.closed(16)  # nine here, and seven at the nodes: nothing more is to come
    direct = [r["dst"] for r in g.log() if " <-> 127.0.0.3" in r["msg"]]
    same(direct, ["127.0.0.3:8000"] * 2, "who was dialled for 127.0.0.3, all told")
    by = {r["service"] for r in g.log() if r.get("host") == "127.0.0.1:8000" and r["service"] in ("s2001", "s2002")}
    check("s2001" in by, f"services that saw 127.0.0.1: {by}")


# --- names ---
@case
def hosts_come_before_any_server():
    name_server(8000, "one")
    name_server(8000, "two", "127.0.0.2")
    g = gost(yaml(service("  hosts: h\n", target="db.internal:8000") + service("  hosts: h\n", 1080, None, "type: socks5"),
                  "hosts:\n- name: h\n  mappings:\n  - {ip: 127.0.0.2, hostname: db.internal, aliases: [db]}\n"
                  "  - {ip: 127.0.0.1, hostname: .wild.internal}\n"), services=2)
    same(lib.recv_to_end(client("127.0.0.1")), b"two", "a forwarder's node")
    for name, want in (("db", "two"), ("x.wild.internal", "one"), ("WILD.internal", "one")):
        _, out, _ = curl("--noproxy", "", "--http0.9", "-x", "socks5h://127.0.0.1:1080", f"http://{name}:8000/")
        same(out, want, name)
    same(g.closed()[0]["dst"], "127.0.0.2:8000", "destination in the record")


@case
def a_named_resolver_is_asked_and_the_system_is_not():
    zone, log = lib.tmp() / "zone", lib.tmp() / "queries"
    zone.write_text("a.internal 60 A 127.0.0.2\nb.internal 60 A 127.0.0.2\nc.internal 60 A 127.0.0.1\n"
                    "c.internal 60 AAAA ::1\n")
    log.write_text("")
    spawn(sys.executable, lib.ROOT / "tests/tools/dns_server.py", "--port", 5300, "--zone", zone, "--log", log)
    lib.until(lambda: lib.listening(5300), "the name server is up")
    name_server(8000, "two", "127.0.0.2")
    name_server(8000, "one")
    name_server(8000, "six", "::1")
    gost(yaml(service("  resolver: r\n", target="a.internal:8000")
              + service("  resolver: t\n", 8081, "b.internal:8000")
              + service("  resolver: six\n", 8082, "c.internal:8000"),
              "resolvers:\n- name: r\n  nameservers: [{addr: \"127.0.0.1:5300\"}]\n"
              "- name: t\n  nameservers: [{addr: \"tcp://127.0.0.1:5300\"}]\n"
              "- name: six\n  nameservers: [{addr: \"udp://127.0.0.1:5300\", prefer: ipv6}]\n"), services=3)
    same(lib.recv_to_end(client("127.0.0.1")), b"two", "by UDP")
    same(lib.recv_to_end(client("127.0.0.1", 8081)), b"two", "by TCP")
    same(lib.recv_to_end(client("127.0.0.1", 8082)), b"six", "the preferred family")
    asked = log.read_text().splitlines()
    check("a.internal A" in asked and "b.internal A tcp" in asked and "b.internal A" not in asked, f"queries: {asked}")


# --- users ---
@case
def users_of_authers():
    lib.http_server(8000)
    text = yaml(service("", 1080, None, "type: socks5, authers: [x, y], auth: {username: inline, password: i}")
                + service("", 1081, None, "type: socks5, auth: {username: inline, password: i}"),                "authers:\n- name: x\n  auths: [{username: ann, password: \"1\"}]\n"
                "- name: y\n  auths: [{username: bob, password: \"2\"}, {username: eve}]\n")
    g = gost(text, services=2)
    for user, port, want in (("ann:1", 1080, True), ("bob:2", 1080, True), ("ann:2", 1080, False), ("bob:", 1080, False),
                             ("inline:i", 1080, False), ("inline:i", 1081, True), ("inline:j", 1081, False),
                             ("ann:1", 1081, False)):
        rc, out, err = curl("--noproxy", "", "-x", f"socks5h://{user}@127.0.0.1:{port}", "http://127.0.0.1:8000/")
        same((rc == 0 and out == "ok\n"), want, f"{user} at {port} ({err})")
    check(socks("127.0.0.1:8000")[0] != 0, "nobody in particular")
    same(sorted({r["user"] for r in g.log() if r.get("user")}), ["ann", "bob", "inline"], "users in the records")


if __name__ == "__main__":
    lib.main("access")
