#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Handshakes that never end, for every handler: what thousands of them cost, that each has a deadline however busy it looks."""
import resource
import select
import time

import lib
from lib import Gostbpf, case, check, connect, same, until

COUNT = 2000
BUDGET_BYTES = 8192  # of a session in its handshake, besides what its client has sent
HTTP = b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX-Long: "
# Handler: an opening that is cut before its end, and what may go on for long.
OPENINGS = {
    "http": (HTTP, b"h"),
    "socks4": (b"\4\1\x1f\x40\x7f\0\0\1", b"u"),
    "socks4a": (b"\4\1\x1f\x40\0\0\0\1", b"u"),
    "socks5": (b"\5\xff", b"\x7f"),
    "relay": (b"\1\1\0\x18\1\0\x0a\4", b""),
    "auto": (HTTP, b"h"),
    "forward": (b"", b""),
}
KEY = {"forward": "proxyProtocol=1&proxyProtocol.policy=require&proxyProtocol.timeout="}


def spec(handler, seconds, port=8080):
    if handler == "forward":  # what comes before every handler
        return f"tcp://127.0.0.1:{port}/127.0.0.1:8000?{KEY[handler]}{seconds}s"
    return f"{handler}://127.0.0.1:{port}?readTimeout={seconds}s"


def opening(handler, more):
    begun, letter = OPENINGS[handler]
    return (b"PROXY TCP4 1" if handler == "forward" else begun) + letter * more


def resident(gost):
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def settled(gost):
    """Resident memory, once nothing changes any more."""
    last = [0, time.monotonic()]

    def same_for_a_while():
        now = resident(gost)
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] > 0.3

    until(same_for_a_while, "memory settles")
    return last[0]


def quiet():
    path = lib.tmp() / "quiet.yml"
    path.write_text("log: {level: error}\n")
    return path


def hold(gost, data):
    """COUNT clients, all of them begun and none at an end: resident memory with them. All are gone afterwards."""
    clients = []
    for _ in range(COUNT):
        clients.append(connect(8080))
        clients[-1].sendall(data)
    until(lambda: gost.sockets() >= gost.sockets_at_start + COUNT, "all are accepted")
    memory = settled(gost)
    same(gost.sockets(), gost.sockets_at_start + COUNT, "sessions")
    for c in clients:
        c.close()
    gost.no_leak()
    return memory


@case(limit=240)
def thousands_of_unfinished_ones_are_cheap():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for handler in OPENINGS:
        data = opening(handler, 100)
        gost = Gostbpf("-C", quiet(), "-L", spec(handler, 60), services=0, ports=(8080,))
        steps = [settled(gost), hold(gost, data), hold(gost, data)]
        first, second = ((b - a) / COUNT for a, b in zip(steps, steps[1:]))
        print(f"       {handler}, {len(data)} bytes sent: {first:.0f} bytes a session, the second time {second:.0f} more")
        if not lib.SANITIZED:
            check(first < BUDGET_BYTES + len(data), f"{handler}: {first} bytes a session")
            check(second < 512, f"{handler}: memory is not used again: {second} more bytes a session")
        same(gost.stop(), 0, "exit status")


@case(limit=120)
def each_has_a_deadline():
    """A byte now and then is no progress."""
    handlers = list(OPENINGS)
    gost = Gostbpf(*[a for i, h in enumerate(handlers) for a in ("-L", spec(h, 1, 8080 + i))])
    clients = {h: connect(8080 + i) for i, h in enumerate(handlers)}
    start, ended = time.monotonic(), {}
    for at in range(200):
        for handler, sock in clients.items():
            if handler in ended:
                continue
            data = opening(handler, 100)
            try:
                sock.sendall(data[at:at + 1])
                sock.setblocking(False)
                check(sock.recv(1000) or True, "something was said")
                ended[handler] = time.monotonic() - start
            except BlockingIOError:
                sock.setblocking(True)
            except ConnectionError:
                ended[handler] = time.monotonic() - start
        if len(ended) == len(handlers):
            break
        time.sleep(0.1)
    same(sorted(ended), sorted(handlers), "handlers whose client was sent away")
    check(all(0.8 < took < 9 for took in ended.values()), f"when: {ended}")  # 10 s and 15 s, unless told otherwise
    until(lambda: len({r["service"] for r in gost.log() if r.get("reason")}) == len(handlers), "all are told")
    same({r["service"]: r["reason"] for r in gost.log() if r.get("reason")},
         {f"service-{i}": "proxy-header-timeout" if h == "forward" else "handshake-timeout"
          for i, h in enumerate(handlers)}, "reasons")


def drip(sock, data):
    """A byte every 50 ms, until the other side has enough of it: how long that took."""
    start = time.monotonic()
    try:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)
            if select.select([sock], [], [], 0)[0]:
                break
        lib.ending(sock)
    except ConnectionError:
        pass
    return time.monotonic() - start


@case
def so_has_every_later_step():
    """SOCKS5's password, and the request behind it: the deadline is for all of them together."""
    gost = Gostbpf("-L", "socks5://u:p@127.0.0.1:8080?readTimeout=1s")
    for steps, last in (((b"\5\1\2",), b"\1\xff"), ((b"\5\1\2", b"\1\1u\1p"), b"\5\1\0\3\xff")):
        sock = connect(8080)
        for step in steps:
            sock.sendall(step)
            lib.recv_exact(sock, 2)
        took = drip(sock, last + b"u" * 250)
        check(0.8 < took < 9, f"{last}: after {took:.1f} s")
    gost.reasons("handshake-timeout", 2)


HOPS = {"http": b"HTTP/1.1 200 OK\r\nX: ", "socks5": b"\5\0\5\0\0\3\xff", "socks4": b"", "relay": b"\1\0\1\2\2\0\xff\3\xfb"}


@case
def so_has_a_hop_s_answer():
    """A proxy that answers a byte now and then is given the connector's timeout, not more for each."""
    for scheme, answer in HOPS.items():
        hop = lib.Server(1080, lambda sock, a=answer: (sock.recv(1000), drip(sock, a + b"a" * (250 if a else 0))))
        gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000",
                       "-F", f"{scheme}://127.0.0.1:1080?timeout=1s{'&nodelay=true' if scheme == 'relay' else ''}")
        start = time.monotonic()
        same(lib.ending(connect(8080)), "reset", f"{scheme}: end")
        took = time.monotonic() - start
        check(0.8 < took < 9, f"{scheme}: after {took:.1f} s")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(hop.up.sock)


if __name__ == "__main__":
    lib.main("handshakes")
