#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Random sessions through each engine (pipestress): nothing wrong, nothing lost, nothing stuck, nothing left open.

The short form of scripts/soak: SESSIONS (environment) sets how many per engine, SEED which.
"""
import json
import os
import subprocess

import lib
from lib import ENGINES, TOOLS, Gostbpf, case, check, same

SESSIONS = int(os.environ.get("SESSIONS", "100" if lib.SANITIZED else "300"))
SEED = os.environ.get("SEED", "1")
LIMIT = 200 + SESSIONS // 5
LONG = SESSIONS >= 1000  # scripts/soak
SHAKE = '{"gostbpf": {"shake": "%s"}}'  # dice, not policy, say which flows join and leave the kernel path


def stress(gost, *more, sessions=SESSIONS):
    done = subprocess.run([TOOLS / "pipestress", "-l", "127.0.0.1:8080", "-u", "8000", "-n", str(sessions), "-s", SEED, *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=False)
    try:
        out = json.loads(done.stdout)
    except json.JSONDecodeError as err:
        raise AssertionError(f"pipestress: {done.stdout}{done.stderr}") from err
    check(done.returncode == 0, f"{out}\n{done.stderr}")
    gost.no_leak()
    return out


def totals(gost, out):
    """The closing records add up to what the two ends counted."""
    records = gost.closed(out["sessions"], 20)
    same(len(records), out["sessions"], "closing records")
    same(sum(r["inputBytes"] for r in records), out["bytesUp"], "sum of inputBytes")
    same(sum(r["outputBytes"] for r in records), out["bytesDown"], "sum of outputBytes")
    moved = sum(r["kernelInputBytes"] + r["kernelOutputBytes"] for r in records)
    share = moved / (out["bytesUp"] + out["bytesDown"])
    print(f"       {out['sessions']} sessions, {(out['bytesUp'] + out['bytesDown']) >> 20} MiB in {out['seconds']} s, "
          f"{share:.0%} moved by the kernel")
    return share


@case(engines=ENGINES, limit=LIMIT)
def random_sessions(engine):
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    share = totals(gost, stress(gost))
    if engine in ("copy", "splice"):
        same(share, 0, "bytes moved by the kernel")
    elif engine == "sockmap":
        check(share > 0, "the kernel moved nothing")  # how much depends on the machine: scripts/bench-peers


@case(engines=ENGINES, limit=LIMIT)
def bulk_in_both_directions(engine):
    """Flows fill up and go in and out of the kernel path under full load: where a piece may come twice or not at all."""
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    length, sessions = (16 << 20 if lib.SANITIZED else 64 << 20), (24 if LONG else 8)
    for concurrency in ("1", "4"):
        stress(gost, "-bulk", str(length), "-c", concurrency, sessions=sessions)


@case(engines=ENGINES, limit=LIMIT)
def random_sessions_with_resets(engine):
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    stress(gost, "-aborts", "25", sessions=SESSIONS // 2)


@case(engines=("sockmap", "auto"), limit=LIMIT)
def random_sessions_with_joins_and_leaves_at_random(engine):
    gost = Gostbpf("-engine", engine, "-C", SHAKE % "5ms", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    share = totals(gost, stress(gost))
    check(0 < share < 1, f"the kernel moved {share:.0%}: nothing was shaken")


@case(engines=("sockmap", "auto"), limit=LIMIT)
def bulk_in_both_directions_with_joins_and_leaves_at_random(engine):
    gost = Gostbpf("-engine", engine, "-C", SHAKE % "10ms", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    length, sessions = (4 << 20 if lib.SANITIZED else 32 << 20), (24 if LONG else 8)
    stress(gost, "-bulk", str(length), "-c", "4", sessions=sessions)


@case(engines=("sockmap", "auto"), limit=LIMIT)
def random_sessions_with_a_tight_budget(engine):
    """Flows leave and join the kernel path all the time."""
    gost = Gostbpf("-engine", engine, "-flowBudget", "1M", "-budget", "4M", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    totals(gost, stress(gost, "-s", "7", sessions=SESSIONS // 2))


@case(limit=LIMIT)
def random_sessions_with_the_smallest_budget_that_is_accepted():
    lib.require_engine("sockmap")
    gost = Gostbpf("-engine", "sockmap", "-flowBudget", "1M", "-budget", "1M", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    totals(gost, stress(gost, "-s", "7", sessions=SESSIONS // 2))


@case(limit=LIMIT)
def one_worker():
    gost = Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    totals(gost, stress(gost, "-s", "11", sessions=SESSIONS // 2))


@case(engines=("sockmap", "auto"), limit=LIMIT)
def two_hops(engine):
    """Sockets of one gostbpf joined to sockets of itself."""
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8081?handler.proxyProtocol=2",
                   "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000?proxyProtocol=1")
    stress(gost, sessions=SESSIONS // 2)


if __name__ == "__main__":
    lib.main("integrity")
