#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three hosts, real addresses: client 198.18.1.2, gostbpf between, server 198.18.2.2 (and fd00:1::2, fd00:2::2)."""
import json
import sys

import lib
import sandbox
from lib import ENGINES, TOOLS, Gostbpf, case, check, curl, same, spawn

PROXY_HTTP = lib.ROOT / "tests/tools/proxyhttp.py"


def world():
    if "client" not in sandbox.sh("ip netns"):
        sandbox.three_hosts()


def server(host, log):
    p = spawn(sys.executable, PROXY_HTTP, host, 80, log, netns="server")
    lib.until(lambda: "listening" in open(p.log_name, encoding="utf-8").read(), "the server is up")
    return p


def seen(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


@case(engines=ENGINES)
def the_server_is_told_the_real_client(engine):
    world()
    for version in (1, 2):
        for client, listen, target in (("198.18.1.2", "198.18.1.1", "198.18.2.2"), ("fd00:1::2", "[fd00:1::1]", "[fd00:2::2]")):
            log = lib.tmp() / f"seen-{version}-{len(client)}"
            peer = server(target.strip("[]"), log)
            gost = Gostbpf("-engine", engine, "-L", f"tcp://:8080/{target}:80?handler.proxyProtocol={version}")
            rc, out, err = curl(f"http://{listen}:8080/", netns="client")
            same((rc, out), (0, "ok\n"), f"curl ({err})")
            header = seen(log)[0]["proxy"]
            same((header["version"], header["src"], header["dst"], header["dport"]),
                 (version, client, listen.strip("[]"), 8080), "header at the server")
            record = gost.closed()[0]
            check(record["client"].startswith(client if "." in client else f"[{client}]"), f"client in the log: {record['client']}")
            same(gost.stop(), 0, "exit status")
            peer.kill()
            peer.wait()


@case
def an_ipv4_client_of_an_ipv6_server():
    world()
    log = lib.tmp() / "seen"
    server("fd00:2::2", log)
    Gostbpf("-L", "tcp://:8080/[fd00:2::2]:80?handler.proxyProtocol=1")
    rc, out, err = curl("http://198.18.1.1:8080/", netns="client")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header = seen(log)[0]["proxy"]
    same((header["family"], header["src"], header["dst"]), ("INET", "198.18.1.2", "198.18.1.1"), "the client's family, not the server's")


@case
def there_is_no_way_around():
    world()
    log = lib.tmp() / "seen"
    server("198.18.2.2", log)
    rc, _, _ = curl("-m", "2", "http://198.18.2.2/", netns="client")
    check(rc != 0, "the client cannot reach the server by itself: what passes has passed gostbpf")


@case(engines=ENGINES, limit=60)
def bulk_over_veth(engine):
    world()
    spawn("iperf3", "-s", "-B", "198.18.2.2", netns="server")
    lib.until(lambda: "5201" in sandbox.sh("ip netns exec server ss -Hltn"), "iperf3 is up")
    gost = Gostbpf("-engine", engine, "-L", "tcp://:5201/198.18.2.2:5201")
    for direction in ((), ("-R",)):
        rc, out, err = lib.run(*sandbox.in_netns("client", ["iperf3", "-c", "198.18.1.1", "-n", "300M", "-P", "2", "-J", *direction]))
        same(rc, 0, f"{out}{err}")
    records = gost.closed(6)
    total = sum(r["inputBytes"] + r["outputBytes"] for r in records)
    # Uploading, iperf3's server resets when its client has sent everything: what fills receive buffers (two of 32 MiB) is lost then.
    check(total >= 500 << 20, f"bytes in the closing records: {total}")
    if engine == "sockmap":
        moved = sum(r["kernelInputBytes"] + r["kernelOutputBytes"] for r in records)
        check(moved > 0, f"the kernel moved nothing of {total} bytes")  # how much depends on the machine: scripts/bench-peers


@case
def request_response_over_veth():
    world()
    spawn(TOOLS / "rr", "server", "198.18.2.2:7000", netns="server")
    lib.until(lambda: "7000" in sandbox.sh("ip netns exec server ss -Hltn"), "the echo server is up")
    Gostbpf("-C", quiet(), "-L", "tcp://:7000/198.18.2.2:7000", services=0, ports=(7000,))
    for mode in ("rr", "crr"):
        rc, out, err = lib.run(*sandbox.in_netns("client", [TOOLS / "rr", "client", "198.18.1.1", "7000", "20", "64", "1", mode]))
        result = json.loads(out)
        check(rc == 0 and not result["errors"] and not result["mismatches"] and result["rate"] > 50, f"{mode}: {out}{err}")


def quiet():
    path = lib.tmp() / "quiet.yml"
    path.write_text("log:\n  level: error\n")
    return path


if __name__ == "__main__":
    lib.main("netns")
