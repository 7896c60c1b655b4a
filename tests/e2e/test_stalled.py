#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An upstream that stops reading: bounded memory, other sessions unharmed, and every byte once it reads again.

Bound: 16 MiB for each flow (flowBudget) and 256 MiB for all (budget), over what the sockets' own buffers take.
"""
import json
import subprocess

import lib
from lib import ENGINES, TOOLS, Gostbpf, case, check

BUDGET_MIB, FLOW_MIB, FLOWS, SECONDS = 256, 16, 20, "4"
# Ordinary socket buffers of a hop (Linux defaults: tcp_rmem and tcp_wmem maxima), which every proxy fills.
BUFFERS_MIB = 12


def stalled(engine, flows, limit, *args):
    gost = Gostbpf("-engine", engine, *args, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    done = subprocess.run([TOOLS / "stalled", "-l", "127.0.0.1:8080", "-u", "8000", "-k", str(flows), "-t", SECONDS,
                           "-gap", str(3000 * lib.SLOW)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120, check=False)
    try:
        out = json.loads(done.stdout)
    except json.JSONDecodeError as err:
        raise AssertionError(f"stalled: {done.stdout}{done.stderr}") from err
    print(f"       {out['takenMiB']:.0f} MiB taken, memory grew by {out['growthPeakMiB']:.0f} MiB (bound {limit} MiB), "
          f"{out['echoes']} echoes, longest gap {out['echoGapMs']:.0f} ms")
    check(done.returncode == 0, f"{out}\n{done.stderr}")
    check(out["takenMiB"] <= limit, f"the path took {out['takenMiB']} MiB from senders whose reader has stopped")
    gost.no_leak()
    return out


@case(engines=ENGINES, limit=120)
def twenty_flows(engine):
    stalled(engine, FLOWS, min(BUDGET_MIB, FLOWS * FLOW_MIB) + FLOWS * BUFFERS_MIB)


@case(engines=("sockmap", "auto"), limit=120)
def one_flow(engine):
    stalled(engine, 1, FLOW_MIB + 2 * BUFFERS_MIB)


@case(engines=("sockmap", "auto"), limit=120)
def a_smaller_budget_is_kept(engine):
    stalled(engine, FLOWS, 64 + FLOWS * BUFFERS_MIB, "-budget", "64M", "-flowBudget", "8M")


if __name__ == "__main__":
    lib.main("stalled")
