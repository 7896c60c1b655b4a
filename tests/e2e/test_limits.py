#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Time and resources: idle timeout, draining on SIGTERM, a second signal, and running out of descriptors."""
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

import lib
from lib import ENGINES, Gostbpf, Upstream, case, check, connect, echo_server, ending, recv_exact, recv_to_end, same


@case(engines=ENGINES)
def idle_sessions_end(engine):
    """With an idle timeout; without one a session stays that has been silent for longer."""
    up = Upstream(8000)
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?idleTimeout=2s",
                   "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000")
    patient, far = connect(8081), up.accept()
    client = connect(8080)
    sock = up.accept()
    for _ in range(4):  # activity in one direction keeps both alive
        time.sleep(0.6)
        sock.sendall(b"x")
        same(recv_exact(client, 1), b"x", "while there is traffic")
    began = time.monotonic()
    ending(client)
    took = time.monotonic() - began
    check(1.2 < took < 9, f"idle for 2 s ended after {took:.2f} s")
    ending(sock)
    same(gost.closed()[0]["reason"], "idle", "reason")
    patient.sendall(b"x")
    same(recv_exact(far, 1), b"x", "after silence, without an idle timeout")


PIDFD_GETFD = 438  # on every architecture


def sessions_sockets(gost):
    """gostbpf's own connected sockets, by the port that is fixed at one end: 8080.. ours, 8000 the target's."""
    libc, pidfd = ctypes.CDLL(None, use_errno=True), os.pidfd_open(gost.proc.pid)
    found = {}
    for fd in os.listdir(f"/proc/{gost.proc.pid}/fd"):
        if os.readlink(f"/proc/{gost.proc.pid}/fd/{fd}").startswith("socket:"):
            copy = libc.syscall(PIDFD_GETFD, pidfd, int(fd), 0)
            check(copy >= 0, f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
            sock = lib.track(socket.socket(fileno=copy))
            try:
                found[sock.getpeername()[1] if sock.getpeername()[1] == 8000 else sock.getsockname()[1]] = sock
            except OSError:
                sock.close()  # listens
    os.close(pidfd)
    return found


@case
def time_limits_of_the_kernels_are_set_on_both_sockets():
    echo_server(8000)

    def seen(sock):
        return [sock.getsockopt(*option) for option in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT), (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))]

    for query, want in (("", [1, 15, 15, 9, 0]), ("?keepalive=false", None),
                        ("?userTimeout=7s&keepalive.idle=21s&keepalive.interval=3s&keepalive.count=4", [1, 21, 3, 4, 7000])):
        gost = Gostbpf("-workers", 1, "-L", f"tcp://127.0.0.1:8080/127.0.0.1:8000{query}")
        with connect(8080) as client:
            client.sendall(b"x")
            recv_exact(client, 1)
            sockets = sessions_sockets(gost)
            same(sorted(sockets), [8000, 8080], "sockets")
            for port, sock in sockets.items():
                same(seen(sock) if want else seen(sock)[0], want or 0, f"{query}: socket of port {port}")
                sock.close()
        same(gost.stop(), 0, "exit status")


@case(engines=ENGINES)
def sigterm_drains(engine):
    up = Upstream(8000)
    gost = Gostbpf("-engine", engine, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    client = connect(8080)
    sock = up.accept()
    client.sendall(bytes(1 << 20))
    recv_to(sock, 1 << 20)
    gost.proc.send_signal(signal.SIGTERM)
    lib.until(lambda: not lib.listening(8080), "no longer listening")
    same(gost.proc.poll(), None, "still running while a session is open")
    client.sendall(b"still here")
    same(recv_exact(sock, 10), b"still here", "the session goes on")
    sock.sendall(b"answer")
    sock.close()
    same(recv_to_end(client), b"answer", "to its end")
    client.close()
    same(gost.proc.wait(lib.PATIENCE * lib.SLOW), 0, "exit status once the last session ended")
    gost.checked = True
    same(len(gost.closed()), 1, "closing records, written before the end")


def recv_to(sock, count):
    while count:
        count -= len(sock.recv(min(count, 1 << 18)))


@case
def sigint_is_the_same():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    same(gost.stop(signal.SIGINT), 0, "exit status")


@case
def draining_has_a_limit():
    up = Upstream(8000)
    gost = Gostbpf("-drain", "1s", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    client = connect(8080)
    up.accept()
    began = time.monotonic()
    gost.proc.send_signal(signal.SIGTERM)
    ending(client)
    gost.proc.wait(lib.PATIENCE * lib.SLOW)
    gost.checked = True
    took = time.monotonic() - began
    check(0.7 < took < 15, f"the limit of 1 s came after {took:.2f} s")  # 30 s, unless told otherwise
    same(gost.closed()[0]["reason"], "drain", "reason")


@case
def a_second_signal_cuts():
    up = Upstream(8000)
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    client = connect(8080)
    up.accept()
    gost.proc.send_signal(signal.SIGTERM)
    lib.until(lambda: not lib.listening(8080), "draining")
    began = time.monotonic()
    gost.proc.send_signal(signal.SIGTERM)
    gost.proc.wait(lib.PATIENCE * lib.SLOW)
    gost.checked = True
    check(time.monotonic() - began < 15, "at once")  # draining has 30 s
    ending(client)


def flood(gost, connections):
    done = subprocess.run([sys.executable, lib.ROOT / "tests/tools/flood.py", "--pid", str(gost.proc.pid), "--listen",
                           "127.0.0.1:8080", "--upstream", "8000", "--connections", str(connections)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as err:
        raise AssertionError(f"flood: {done.stdout}{done.stderr}") from err


@case(limit=120)
def five_thousand_connections_with_few_descriptors():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", prefix=("prlimit", "--nofile=200:200"))
    out = flood(gost, 5000)
    check(out["alive"] and out["fresh"], f"the service goes on afterwards: {out}")
    check(out["echoed"] > 20, f"as many sessions as there are descriptors for: {out}")
    check(out["cpuShareWhileFull"] < 0.5 * lib.SLOW, f"it does not spin: {out}")
    lines = len(gost.text().splitlines())
    check(lines < 25000, f"{lines} log lines for 5000 connections: a record per failed accept is a flood of its own")
    gost.no_leak()


@case(limit=120)
def five_thousand_connections_with_enough():
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    out = flood(gost, 5000)
    same((out["echoed"], out["closed"], out["waiting"], out["fresh"]), (5000, 0, 0, True), "all served")


@case(limit=120)
def out_of_descriptors_half_open_sessions_end_cleanly():
    """Accepting works, dialling does not: the client must be told."""
    echo_server(8000)
    gost = Gostbpf("-workers", "1", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", prefix=("prlimit", "--nofile=60:60"))
    clients = [connect(8080) for _ in range(100)]
    for c in clients:
        try:
            c.sendall(b"x")
        except OSError:
            pass
    ends = []
    for c in clients:
        c.settimeout(1)
        try:
            ends.append(bool(c.recv(1)))
        except TimeoutError:
            ends.append(None)
        except OSError:
            ends.append(False)
        c.close()
    check(True in ends, "some are served")
    gost.no_leak()
    client = connect(8080)
    client.sendall(b"y")
    same(recv_exact(client, 1), b"y", "afterwards")


@case(limit=90)
def idle_memory_is_small():
    gost = Gostbpf("-C", log_error(), "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", services=0, ports=(8080,))
    done = subprocess.run([sys.executable, lib.ROOT / "tests/tools/idle.py", "--pid", str(gost.proc.pid), "--listen",
                           "127.0.0.1:8080", "--upstream", "8000", "--sessions", "2000"], check=False, stdout=subprocess.PIPE,
                          text=True, timeout=80)
    out = json.loads(done.stdout)
    same((out["sessions"], out["ended"]), (2000, 0), "sessions")
    print(f"       {out['rssBytesPerSession']} bytes of resident memory per idle session")
    if not lib.SANITIZED:
        check(out["rssBytesPerSession"] < 8192, f"resident memory per idle session: {out}")


def log_error():
    path = lib.tmp() / "quiet.yml"
    path.write_text("log:\n  level: error\n")
    return path


if __name__ == "__main__":
    lib.main("limits")
