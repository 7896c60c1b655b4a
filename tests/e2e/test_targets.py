#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Where sessions go: several targets, host names, address families, port-only targets, port ranges, failing ones."""
import lib
import sandbox
from lib import Gostbpf, case, check, connect, name_server, recv_to_end, same


def answer(port=8080, host="127.0.0.1"):
    client = connect(port, host)
    client.shutdown(1)
    data = recv_to_end(client).decode()
    client.close()
    return data


def three(host="127.0.0.1"):
    for i, name in enumerate("abc"):
        name_server(8000 + i, name, host)


@case
def round_robin_is_the_default():
    three()
    Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001,127.0.0.1:8002")
    got = "".join(answer() for _ in range(9))
    check(got in ("abcabcabc", "bcabcabca", "cabcabcab"), f"order {got}")


@case
def round_robin_over_several_workers():
    three()
    Gostbpf("-workers", "4", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001,127.0.0.1:8002")
    got = [answer() for _ in range(30)]
    same({n: got.count(n) for n in "abc"}, {"a": 10, "b": 10, "c": 10}, "sessions per target")


@case
def a_dead_target_is_passed_over():
    name_server(8000, "a")
    name_server(8002, "c")
    gost = Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001,127.0.0.1:8002?retries=2")
    got = [answer() for _ in range(12)]
    check(set(got) == {"a", "c"}, f"answers {got}")
    same(gost.proc.poll(), None, "still running")


@case
def fifo_uses_the_second_only_when_the_first_fails():
    name_server(8001, "b")
    server = name_server(8000, "a")
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001?strategy=fifo&maxFails=1&failTimeout=30s&retries=1")
    same({answer() for _ in range(6)}, {"a"}, "while the first works")
    lib.close_socket(server.up.sock)
    same([answer() for _ in range(4)], ["b"] * 4, "when it does not")


@case
def ipv6_literals():
    three("::1")
    Gostbpf("-L", "tcp://[::1]:8080/[::1]:8000")
    same(answer(host="::1"), "a", "answer")


@case
def any_address_serves_both_families():
    three()
    gost = Gostbpf("-L", "tcp://:8080/127.0.0.1:8000")
    same((answer(), answer(host="::1")), ("a", "a"), "answers")
    remotes = [r["remote"] for r in gost.closed(2)]
    check(any(r.startswith("127.0.0.1:") for r in remotes), f"an IPv4 client is shown as one: {remotes}")
    check(any(r.startswith("[::1]:") for r in remotes), f"and an IPv6 one: {remotes}")


@case
def explicit_dual_stack():
    three()
    Gostbpf("-L", "tcp://[::]:8080/127.0.0.1:8000")
    same((answer(), answer(host="::1")), ("a", "a"), "answers")


@case
def port_only_target_is_this_host():
    three()
    Gostbpf("-L", "tcp://:8080/:8001")
    same(answer(), "b", "answer")


@case
def port_only_target_on_the_other_family():
    name_server(8001, "six", "::1")
    Gostbpf("-L", "tcp://:8080/:8001")
    same(answer(), "six", "answer")


@case
def port_ranges():
    three()
    Gostbpf("-L", "tcp://127.0.0.1:8080-8082/127.0.0.1:8000-8002", services=3)
    same([answer(8080 + i) for i in range(3)], ["a", "b", "c"], "answers")


@case
def a_name_of_both_families_falls_back():
    """The name has an IPv6 address where nobody listens: the IPv4 one is tried in the same session."""
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\nfd00:dead::1 both.test\n127.0.0.1 both.test\n")
    name_server(8000, "four")
    Gostbpf("-L", "tcp://127.0.0.1:8080/both.test:8000?dialTimeout=2s")
    same(answer(), "four", "answer")


@case
def names_from_hosts():
    sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 here.test\n::1 six.test\n")
    name_server(8000, "four")
    name_server(8001, "six", "::1")
    Gostbpf("-L", "tcp://127.0.0.1:8080/here.test:8000", "-L", "tcp://127.0.0.1:8081/six.test:8001")
    same((answer(8080), answer(8081)), ("four", "six"), "answers")


if __name__ == "__main__":
    lib.main("targets")
