#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""demo.py - the play of scripts/demo: client, gostbpf and server on three hosts of their own.

Every command is printed as it could be typed. Nothing outside the sandbox is touched.
See: ../e2e/sandbox.py (the three hosts), proxyhttp.py (the server).
"""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import sandbox  # noqa: E402

GOSTBPF = os.environ.get("GOSTBPF", str(ROOT / "build/gostbpf"))
VOLUME = os.environ.get("VOLUME", "2G")
started = []


def title(text):
    print(f"\n== {text}", flush=True)


def show(host, argv):
    print(f"{host}$ " + shlex.join(map(str, argv)), flush=True)


def spawn(argv, netns, log):
    with open(log, "ab") as out:
        started.append(sandbox.spawn([str(a) for a in argv], netns, stdout=out, stderr=out, stdin=subprocess.DEVNULL))
    return started[-1]


def wait_for(condition, what):
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"demo: {what} did not happen within 10 s")
        time.sleep(0.05)


def gostbpf(tmp, name, *argv):
    log = tmp / f"{name}.jsonl"
    show("gostbpf", ["gostbpf", *argv])
    p = spawn([GOSTBPF, *argv], None, log)
    wait_for(lambda: p.poll() is not None or "listening on" in log.read_text(), "the start of gostbpf")
    if p.poll() is not None:
        sys.exit(log.read_text())
    return p, log


def records(log):
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def stop(p):
    p.terminate()
    p.wait(10)


def in_client(argv):
    show("client", argv)
    done = subprocess.run(sandbox.in_netns("client", [str(a) for a in argv]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    return done.stdout


def describe(header):
    return f"v{header['version']} {header['command']} {header['src']}:{header['sport']} -> {header['dst']}:{header['dport']}"


def header_in_and_out(tmp):
    title("a PROXY header comes in (version 1) and goes out (version 2)")
    seen = tmp / "server.jsonl"
    show("server", ["proxyhttp.py", "198.18.2.2", "80"])
    spawn([sys.executable, ROOT / "tests/tools/proxyhttp.py", "198.18.2.2", "80", seen], "server", tmp / "server.out")
    wait_for(lambda: "listening" in (tmp / "server.out").read_text(), "the start of the server")
    proxy, log = gostbpf(tmp, "proxy", "-L", "tcp://:8080/198.18.2.2:80?proxyProtocol=1&handler.proxyProtocol=2")
    print(in_client(["curl", "-s", "--haproxy-protocol", "http://198.18.1.1:8080/"]), end="")
    print("   a balancer in front would name somebody else, for example:")
    line = r"PROXY TCP4 203.0.113.77 192.0.2.10 51234 443\r\nGET / HTTP/1.0\r\n\r\n"
    in_client(["sh", "-c", f'printf "{line}" | socat -t 2 - TCP:198.18.1.1:8080'])
    wait_for(lambda: sum(" >< " in r["msg"] for r in records(log)) >= 2, "the end of both sessions")
    told = {(t["proxy"]["src"], t["proxy"]["sport"]): t for t in map(json.loads, seen.read_text().splitlines())}
    for record in (r for r in records(log) if " <> " in r["msg"]):
        host, port = record["client"].rsplit(":", 1)
        server = told[host, int(port)]
        print(f"   gostbpf's log:   client {record['client']}  (connection from {record['remote']})")
        print(f"   server was told: {describe(server['proxy'])}\n                    {server['hex']}")
    stop(proxy)


def busy_seconds(before, after, elapsed):
    idle = (after[0] - before[0]) / os.sysconf("SC_CLK_TCK")
    return elapsed * os.cpu_count() - idle


def cpu():
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (v[3] + v[4] + v[7],)


def bulk(tmp, engine):
    p, log = gostbpf(tmp, f"bulk-{engine}", "-engine", engine, "-L", "tcp://:5201/198.18.2.2:5201")
    before, start = cpu(), time.monotonic()
    out = json.loads(in_client(["iperf3", "-c", "198.18.1.1", "-n", VOLUME, "-P", "4", "-J"]))
    busy = busy_seconds(before, cpu(), time.monotonic() - start)
    stop(p)
    total = out["end"]["sum_received"]
    closing = [r for r in records(log) if " >< " in r["msg"]]
    moved = sum(r["kernelInputBytes"] + r["kernelOutputBytes"] for r in closing)
    everything = sum(r["inputBytes"] + r["outputBytes"] for r in closing)
    return {"engine": engine, "gbps": total["bits_per_second"] / 1e9, "cpu": busy / (total["bytes"] / 1e9), "sessions": len(closing),
            "bytes": everything, "kernel": moved}


def bulk_transfers(tmp):
    title(f"{VOLUME} in bulk, copied by gostbpf and then moved by the kernel (BPF sockmap)")
    spawn(["iperf3", "-s", "-B", "198.18.2.2"], "server", tmp / "iperf.out")
    wait_for(lambda: "5201" in sandbox.sh("ip netns exec server ss -Hltn"), "the start of iperf3")
    rows = [bulk(tmp, "copy"), bulk(tmp, "sockmap")]
    title("what gostbpf's closing records say")
    print(f"   {'engine':8} {'sessions':>8} {'bytes':>14} {'by the kernel':>14} {'share':>6}   {'Gbit/s':>6} {'CPU-s/GB (whole machine)':>24}")
    for r in rows:
        print(f"   {r['engine']:8} {r['sessions']:8} {r['bytes']:14,} {r['kernel']:14,} {r['kernel'] / max(1, r['bytes']):6.1%}   "
              f"{r['gbps']:6.2f} {r['cpu']:24.2f}")


def main():
    try:
        sandbox.enter()
        sandbox.three_hosts()
    except (sandbox.Unavailable, RuntimeError) as err:
        sys.exit(f"demo: needs root and network namespaces: {err}")
    title("three hosts")
    print("   client 198.18.1.2  ---  198.18.1.1 gostbpf 198.18.2.1  ---  198.18.2.2 server   (no other way between them)")
    with tempfile.TemporaryDirectory(prefix="demo.") as name:
        try:
            header_in_and_out(pathlib.Path(name))
            bulk_transfers(pathlib.Path(name))
        finally:
            for p in started:
                p.kill()
    print("\nNothing is left behind: processes and networks vanish with this program.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
