#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The integrity and stall tools notice what they are there for: run through a proxy that breaks its promise."""
import json
import subprocess
import sys

import lib
from lib import TOOLS, case, check, same, spawn

BROKEN = ("flip", "lose", "dup", "extra", "truncate", "swallow", "nohalfclose", "noeof", "stall", "reset")


def tool(name, *argv):
    done = subprocess.run([TOOLS / name, "-l", "127.0.0.1:8080", "-u", "8000", *map(str, argv)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError as err:
        raise AssertionError(f"{name}: no result: {done.stdout}{done.stderr}") from err


def bad_proxy(mode):
    spawn(sys.executable, lib.ROOT / "tests/tools/badproxy.py", 8080, 8000, mode, wait=8080)


def stress(*argv, deadline=3):
    return tool("pipestress", "-n", 60, "-c", 60, "-max", 262144, "-deadline", deadline, *argv)


@case
def an_honest_proxy_passes():
    bad_proxy("pass")
    rc, out = stress(deadline=lib.PATIENCE * lib.SLOW)
    same((rc, out["ok"], out["mismatches"], out["stuck"], out["resets"]), (0, 60, 0, 0, 0), str(out))


def detects(mode):
    bad_proxy(mode)
    rc, out = stress()
    check(rc != 0 and out["result"] == "FAIL", f"{mode} was not noticed: {out}")
    check(out["mismatches"] + out["stuck"] + out["resets"] > 0, f"{mode} is in no counter: {out}")


for _mode in BROKEN:
    def _detect(mode=_mode):
        detects(mode)

    _detect.__name__ = f"{_mode}_is_noticed"
    case(_detect)


@case
def a_reset_turned_into_a_clean_end_is_noticed():
    bad_proxy("cleanreset")
    rc, out = stress("-aborts", 40)
    check(rc != 0 and out["hiddenAborts"] > 0, f"not noticed: {out}")


@case
def planned_resets_pass_an_honest_path():
    rc, out = tool("pipestress", "-n", 60, "-c", 60, "-l", "127.0.0.1:8000", "-aborts", 40)
    check(rc == 0 and out["aborted"] > 5, str(out))


@case
def no_listener_is_a_failure():
    rc, out = stress()
    check(rc != 0 and out["connectErrors"] == 60, str(out))


@case
def stalled_notices_wrong_bytes_and_loss():
    for mode in ("flip", "lose"):
        bad_proxy(mode)
        rc, out = tool("stalled", "-t", 1)
        check(rc != 0 and out["mismatches"], f"{mode}: {out}")
        lib._running.processes[-1].kill()  # pylint: disable=protected-access
        lib._running.processes[-1].wait()  # pylint: disable=protected-access


@case
def stalled_passes_without_a_proxy_and_respects_its_limit():
    rc, out = tool("stalled", "-l", "127.0.0.1:8000", "-t", 1, "-gap", 10000)
    check(rc == 0 and out["echoes"] > 10, str(out))


if __name__ == "__main__":
    lib.main("pipestress")
