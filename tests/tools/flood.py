#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""flood.py - many connections at once at a service that may hold only a few, and whether it goes on afterwards.

  flood.py --pid PID --listen HOST:PORT --upstream PORT [--connections 5000] [--hold SECONDS]

The upstream (run by this program, loopback) echoes. Opens the connections without waiting, keeps them, counts which
answer an echo, which were closed or reset, which wait; measures the CPU time PID burns meanwhile (a service out of
descriptors must not spin); closes all; then one fresh session must work within 20 s.
Prints one JSON line. Exit 1 when the fresh session fails or PID has died.
"""
import argparse
import json
import os
import socket
import sys
import threading
import time

import idle


def echo_server(port):
    upstream = idle.Upstream(port)

    def loop():
        while True:
            upstream.turn(1)

    threading.Thread(target=loop, daemon=True).start()


def open_all(where, count):
    socks = []
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    for _ in range(count):
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex(where)
        socks.append(s)
    return socks


class Census:
    """Which of many connections have been sent a byte, have had it back, have ended, or wait."""

    def __init__(self, socks):
        self.unsent, self.waiting, self.seen = list(socks), [], {"echoed": 0, "closed": 0, "waiting": 0}

    def send(self, sock):
        try:
            sock.send(b"x")
            self.waiting.append(sock)
        except BlockingIOError:  # not connected yet
            return True
        except OSError:
            self.seen["closed"] += 1
        return False

    def receive(self, sock):
        try:
            self.seen["echoed" if sock.recv(16) else "closed"] += 1
        except BlockingIOError:
            return True
        except OSError:
            self.seen["closed"] += 1
        return False

    def turn(self):
        self.unsent = [s for s in self.unsent if self.send(s)]
        self.waiting = [s for s in self.waiting if self.receive(s)]
        self.seen["waiting"] = len(self.unsent) + len(self.waiting)
        return dict(self.seen)

    def settle(self, quiet):
        """Until nobody waits, or nothing has changed for that long."""
        last, since = self.turn(), time.monotonic()
        while last["waiting"] and time.monotonic() < since + quiet:
            time.sleep(0.05)
            now = self.turn()
            if now != last:
                last, since = now, time.monotonic()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fresh_session(where):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with socket.create_connection(where, timeout=10) as s:
                s.sendall(b"fresh")
                if s.recv(16) == b"fresh":
                    return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pid", type=int, required=True)
    ap.add_argument("--listen", required=True)
    ap.add_argument("--upstream", type=int, required=True)
    ap.add_argument("--connections", type=int, default=5000)
    ap.add_argument("--hold", type=float, default=2)
    args = ap.parse_args()
    idle.raise_nofile()
    host, port = args.listen.rsplit(":", 1)
    where = (host.strip("[]"), int(port))
    echo_server(args.upstream)
    socks = open_all(where, args.connections)
    census = Census(socks)
    census.settle(3)
    cpu = cpu_seconds(args.pid)
    if census.waiting:
        time.sleep(args.hold)
    cpu = cpu_seconds(args.pid) - cpu
    result = census.turn()
    for s in socks:
        s.close()
    result["fresh"] = fresh_session(where)
    result["cpuShareWhileFull"] = round(cpu / args.hold, 3)
    result["alive"] = os.path.exists(f"/proc/{args.pid}")
    print(json.dumps(result))
    return 0 if result["fresh"] and result["alive"] else 1


if __name__ == "__main__":
    sys.exit(main())
