#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Upstreams that cannot be reached, and how the client, the log and other sessions take it."""
import time

import lib
import sandbox
from lib import Gostbpf, case, check, connect, echo_server, name_server, recv_exact, recv_to_end, same

MOMENT = 10  # for what happens at once


def cut_off(gost, limit, what):
    """The client is closed within limit seconds; an error record names the target; gostbpf lives."""
    began = time.monotonic()
    try:
        lib.connect_and_end(8080, b"anybody there?", limit + MOMENT)
    except TimeoutError:
        raise AssertionError(f"{what}: the client is still connected") from None
    took = time.monotonic() - began
    check(took <= limit + MOMENT, f"{what}: the client waited {took:.1f} s")
    record = gost.wait_log(lambda r: r["level"] in ("error", "warning"), f"{what}: an error in the log")
    check(gost.closed()[0]["reason"].startswith("dial"), f"{what}: reason {gost.closed()[0]['reason']}")
    same(gost.proc.poll(), None, "gostbpf runs")
    return record, took


def wants_name(record, name, what):
    text = " ".join(str(v) for v in record.values())
    check(name in text, f"{what}: {name} is not named in {record}")


@case
def refused():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    record, took = cut_off(gost, 1, "refused")
    wants_name(record, "127.0.0.1:8000", "refused")
    check("refused" in str(record), f"the kernel's word: {record}")
    check(took < MOMENT, "at once")


@case
def unreachable():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/203.0.113.1:80")  # no route in this sandbox
    record, _ = cut_off(gost, 1, "unreachable")
    wants_name(record, "203.0.113.1:80", "unreachable")


def black_hole():
    """198.18.9.2: frames go out and nobody takes them."""
    if "h0" not in sandbox.sh("ip -br link"):
        sandbox.add_netns("hole")
        sandbox.join("hole", "h0", "198.18.9.1/24", "198.18.9.3/24")
        sandbox.sh("ip neigh replace 198.18.9.2 lladdr 02:00:00:00:00:01 dev h0 nud permanent")


@case
def black_holed():
    """Packets vanish: dialTimeout ends it."""
    black_hole()
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/198.18.9.2:80?dialTimeout=1s")
    record, took = cut_off(gost, 1, "black-holed")
    wants_name(record, "198.18.9.2:80", "black-holed")
    check(took > 0.7, f"ended after {took:.2f} s, before its time")


@case
def waiting_for_one_target_delays_no_other_service():
    black_hole()
    echo_server(8000)
    Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/198.18.9.2:80?dialTimeout=5m", "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000")
    waiting = [connect(8080) for _ in range(20)]
    client = connect(8081)
    client.sendall(b"x")
    same(recv_exact(client, 1), b"x", "the other service")
    for c in waiting:
        lib.reset(c)


@case
def a_client_that_leaves_while_we_dial_is_forgotten():
    black_hole()
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/198.18.9.2:80?dialTimeout=30s")
    for _ in range(10):
        client = connect(8080)
        lib.until(lambda: gost.sockets() >= gost.sockets_at_start + 2, "dialling")
        lib.reset(client)
    gost.no_leak()


@case
def a_name_that_does_not_exist():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n")
    sandbox.replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # nobody listens
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/nowhere.test:80")
    record, _ = cut_off(gost, 10, "unresolvable")
    wants_name(record, "nowhere.test", "unresolvable")


@case
def two_addresses_of_a_name_one_refuses():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n127.0.0.2 two.test\n127.0.0.1 two.test\n")
    name_server(8000, "second")
    Gostbpf("-L", "tcp://127.0.0.1:8080/two.test:8000")
    for _ in range(4):
        client = connect(8080)
        client.shutdown(1)
        same(recv_to_end(client), b"second", "answer")


@case
def the_upstream_comes_back():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    cut_off(gost, 1, "before")
    echo_server(8000)

    def works():
        try:
            client = connect(8080)
            client.sendall(b"x")
            return client.recv(1) == b"x"
        except ConnectionError:
            return False

    lib.until(works, "sessions after the upstream is back")


@case
def every_failure_is_one_session_and_leaves_nothing():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    for _ in range(200):
        lib.connect_and_end(8080)
    gost.no_leak()


if __name__ == "__main__":
    lib.main("errors")
