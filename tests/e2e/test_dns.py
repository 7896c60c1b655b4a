#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Targets by name through DNS: answers of both families, changes after the TTL, failures, and slow servers.

tests/tools/dns_server.py is the only name server of the sandbox.
"""
import os
import sys
import time

import lib
import sandbox
from lib import Gostbpf, case, check, connect, echo_server, name_server, recv_exact, recv_to_end, same, spawn


class Dns:
    """The name server; its zone can be changed while it runs, and it notes what was asked."""

    def __init__(self, *lines):
        self.zone, self.log = lib.tmp() / "zone", lib.tmp() / "queries"
        self.log.write_text("")
        self.change(*lines)
        sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n")
        sandbox.replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        spawn(sys.executable, lib.ROOT / "tests/tools/dns_server.py", "--port", 53, "--zone", self.zone, "--log", self.log)
        lib.until(lambda: ":0035 " in open("/proc/net/udp", encoding="ascii").read(), "the name server is up")

    def change(self, *lines):
        new = self.zone.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        os.rename(new, self.zone)

    def asked(self, name):
        return sum(line.split()[0] == name for line in self.log.read_text().splitlines())


def start(target, more=""):
    return Gostbpf("-workers", "1", "-L", f"tcp://127.0.0.1:8080/{target}{more}")


def answer():
    client = connect(8080)
    client.shutdown(1)
    data = recv_to_end(client).decode()
    client.close()
    return data


@case
def an_ipv4_answer():
    Dns("a.test 60 A 127.0.0.5")
    name_server(8000, "five", "127.0.0.5")
    start("a.test:8000")
    same(answer(), "five", "answer")


@case
def an_ipv6_answer():
    Dns("a.test 60 AAAA ::1")
    name_server(8000, "six", "::1")
    start("a.test:8000")
    same(answer(), "six", "answer")


@case
def both_families_and_only_one_works():
    Dns("a.test 60 AAAA ::1", "a.test 60 A 127.0.0.1")
    name_server(8000, "four")
    start("a.test:8000")
    same([answer() for _ in range(3)], ["four"] * 3, "answers")


@case
def a_cname_is_followed():
    Dns("a.test 60 CNAME b.test", "b.test 60 A 127.0.0.5")
    name_server(8000, "five", "127.0.0.5")
    start("a.test:8000")
    same(answer(), "five", "answer")


@case
def answers_are_kept_for_their_ttl():
    dns = Dns("a.test 60 A 127.0.0.5")
    name_server(8000, "five", "127.0.0.5")
    start("a.test:8000")
    same({answer() for _ in range(20)}, {"five"}, "answers")
    check(dns.asked("a.test") <= 2, f"20 sessions asked {dns.asked('a.test')} times (A and AAAA once each)")


@case
def a_changed_record_is_followed_after_the_ttl():
    dns = Dns("a.test 2 A 127.0.0.5")
    name_server(8000, "old", "127.0.0.5")
    name_server(8000, "new", "127.0.0.6")
    start("a.test:8000")
    same(answer(), "old", "before the change")
    dns.change("a.test 2 A 127.0.0.6")
    lib.until(lambda: answer() == "new", "sessions go to the new address")


@case
def while_the_server_fails_the_last_answer_serves():
    dns = Dns("a.test 1 A 127.0.0.5")
    name_server(8000, "five", "127.0.0.5")
    start("a.test:8000")
    same(answer(), "five", "before")
    dns.change("a.test SERVFAIL")
    before = dns.asked("a.test")

    def asked_again():
        same(answer(), "five", "a stale answer is better than none")
        return dns.asked("a.test") > before

    lib.until(asked_again, "the answer is too old, and the server is asked")
    same(answer(), "five", "after it has failed")


@case
def one_family_fails():
    Dns("a.test 60 A 127.0.0.5", "a.test AAAA-SERVFAIL")
    name_server(8000, "five", "127.0.0.5")
    start("a.test:8000")
    same(answer(), "five", "answer")


def fails(*zone, limit=12):
    Dns(*zone)
    gost = start("a.test:8000")
    lib.connect_and_end(8080, timeout=limit)
    record = gost.wait_log(lambda r: r["level"] == "error", "an error record")
    check("a.test" in str(record), f"the name is in it: {record}")
    gost.no_leak()


@case
def no_such_name():
    fails("a.test NXDOMAIN")


@case
def a_server_that_fails():
    fails("a.test SERVFAIL")


@case
def a_server_that_never_answers():
    fails("a.test DROP")


@case
def a_slow_lookup_delays_nobody_else():
    dns = Dns("slow.test DROP", "a.test 60 A 127.0.0.1")
    echo_server(8000)
    Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/slow.test:8000", "-L", "tcp://127.0.0.1:8081/a.test:8000")
    slow = connect(8080)
    slow.sendall(b"s")
    lib.until(lambda: dns.asked("slow.test"), "the lookup is under way")
    for _ in range(20):
        client = connect(8081)
        client.sendall(b"x")
        same(recv_exact(client, 1), b"x", "a session of another name")
    dns.change("slow.test 60 A 127.0.0.1", "a.test 60 A 127.0.0.1")
    same(recv_exact(slow, 1), b"s", "the slow one works in the end")


@case
def a_client_that_leaves_during_the_lookup():
    Dns("a.test DELAY 1000", "a.test 60 A 127.0.0.1")
    echo_server(8000)
    gost = start("a.test:8000")
    for _ in range(5):
        client = connect(8080)
        time.sleep(0.05)
        lib.reset(client)
    client = connect(8080)
    client.sendall(b"x")
    same(recv_exact(client, 1), b"x", "one that stays")
    client.close()
    gost.no_leak()


if __name__ == "__main__":
    lib.main("dns")
