#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""idle.py - memory of a forwarding process per idle session.

  idle.py --pid PID --listen HOST:PORT --upstream PORT [--sessions N] [--hold SECONDS] [--warm BYTES]

Opens N sessions (default 1000) from HOST:PORT to an upstream that this program runs itself on loopback, each proved
by one byte there and back (--warm: that many bytes), then leaves them alone, and compares Rss and private memory of
PID (all its threads; for a program with worker processes give --pid several times) with what they were before.
Prints one JSON line. Exit 1 when a session could not be opened or had ended by itself.
Never: counts kernel memory of sockets; that is slabDelta, of the whole machine and so only a hint.
"""
import argparse
import json
import resource
import select
import socket
import sys
import time


def memory(pids):
    total = {"Rss": 0, "Private_Dirty": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            for line in f:
                key = line.split(":")[0]
                if key in total:
                    total[key] += int(line.split()[1])
    return total


def slab_kib():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Slab:"))


class Upstream:
    """Echoes whatever comes, on the same thread as the clients."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.peers = {}

    def turn(self, timeout):
        for fd, _ in self.poll.poll(timeout):
            if fd == self.listener.fileno():
                self.accept()
                continue
            try:
                data = self.peers[fd].recv(1 << 16)
            except OSError:
                data = b""
            if data:
                self.peers[fd].setblocking(True)
                self.peers[fd].sendall(data)
                self.peers[fd].setblocking(False)
            else:
                self.poll.unregister(fd)
                self.peers.pop(fd).close()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except BlockingIOError:
                return
            peer.setblocking(False)
            self.peers[peer.fileno()] = peer
            self.poll.register(peer, select.EPOLLIN)


def open_session(upstream, where, warm):
    sock = socket.create_connection(where, timeout=30)
    sock.setblocking(False)
    sent = got = 0
    end = time.monotonic() + 30
    while got < warm and time.monotonic() < end:
        if sent < warm:
            try:
                sent += sock.send(bytes(min(65536, warm - sent)))
            except BlockingIOError:
                pass
        upstream.turn(0.001)
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            continue
        if not data:
            raise ConnectionError("closed by the path")
        got += len(data)
    if got < warm:
        raise TimeoutError("no echo")
    return sock


def alive(sock):
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def raise_nofile():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, 200000),) * 2)
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pid", type=int, action="append", required=True)
    ap.add_argument("--listen", required=True)
    ap.add_argument("--upstream", type=int, required=True)
    ap.add_argument("--sessions", type=int, default=1000)
    ap.add_argument("--hold", type=float, default=1)
    ap.add_argument("--warm", type=int, default=1)
    args = ap.parse_args()
    raise_nofile()
    host, port = args.listen.rsplit(":", 1)
    upstream, sessions, error = Upstream(args.upstream), [], None
    before, slab = memory(args.pid), slab_kib()
    try:
        for _ in range(args.sessions):
            sessions.append(open_session(upstream, (host.strip("[]"), int(port)), args.warm))
    except OSError as err:
        error = f"session {len(sessions)}: {err}"
    end = time.monotonic() + args.hold
    while time.monotonic() < end:
        upstream.turn(0.1)
    after, n = memory(args.pid), max(1, len(sessions))
    lost = sum(not alive(s) for s in sessions)
    print(json.dumps({
        "sessions": len(sessions), "ended": lost, "error": error, "rssKiB": after["Rss"],
        "rssBytesPerSession": round((after["Rss"] - before["Rss"]) * 1024 / n),
        "privateBytesPerSession": round((after["Private_Dirty"] - before["Private_Dirty"]) * 1024 / n),
        "slabDeltaBytesPerSession": round((slab_kib() - slab) * 1024 / n)}))
    return 1 if error or lost else 0


if __name__ == "__main__":
    sys.exit(main())
