# SPDX-License-Identifier: BSD-2-Clause
"""lib.py - what end-to-end tests share: cases, gostbpf under test, upstreams and clients.

Why so: a test file states one behaviour. It enters a sandbox (sandbox.py), so that it may use the ports of the
documentation, and runs its cases one after the other; each case gets a fresh gostbpf. After every case all sockets are
closed, gostbpf must have as many sockets as when it started, must stop with status 0 on SIGTERM, and must not have
printed a sanitizer's report. Waiting is always for a condition, with a limit; nothing sleeps and hopes.
Owns: every process and socket of a case. Never: imports code of gostbpf.
"""
import errno
import json
import os
import pathlib
import queue
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import decode_proxy
import sandbox

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOSTBPF = os.environ.get("GOSTBPF", str(ROOT / "build/gostbpf"))
TOOLS = pathlib.Path(os.environ.get("TOOLS", str(ROOT / "build/tools")))
SANITIZED = "san" in pathlib.Path(GOSTBPF).parent.name
ENGINES = ("copy", "splice", "sockmap", "auto")
SLOW = 3 if SANITIZED else 1  # sanitized programs may take so much longer
PATIENCE = 20  # seconds for what must happen: only a failure waits that long, so a busy machine has them, too
LINGER_RESET = struct.pack("ii", 1, 0)
TCP_INFO_DATA_SEGS_IN = 152  # offset in struct tcp_info (linux/tcp.h)
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior")

_cases = []
_running = None  # the case's Scope
_engine = None  # what gostbpf is started with where a case does not say


class Skip(Exception):
    """The case cannot run here; the text says why."""


def close_socket(sock):
    try:
        if sock.type == socket.SOCK_DGRAM or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.shutdown(socket.SHUT_RDWR)  # wakes a thread in accept() or recvfrom(), which would keep the port
    except OSError:
        pass
    sock.close()


class Scope:
    def __init__(self):
        self.daemons, self.processes, self.sockets = [], [], []
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="e2e.", dir="/run/netns"))

    def close_sockets(self):
        for s in self.sockets:
            close_socket(s)
        self.sockets = []

    def finish(self):
        """Orderly end of a passed case: nothing left open, clean exits."""
        self.close_sockets()
        for d in sorted(self.daemons, key=lambda d: not d.lasting):  # whose sessions last may have some at another
            d.finish()

    def cleanup(self):
        self.close_sockets()
        for p in [d.proc for d in self.daemons] + self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()


def tmp():
    return _running.tmp


def skip(reason):
    raise Skip(reason)


# --- cases ---
def case(fn=None, *, engines=None, each=None, limit=60):
    """Marks a function as a case; with engines (or each) it runs once per engine (or text), which it gets as its argument."""
    def add(f):
        for engine in engines or each or (None,):
            name = f.__name__ + (f"[{engine}]" if engine else "")
            _cases.append((name, f, (engine,) if engine else (), limit))
        return f

    return add(fn) if fn else add


def on_alarm(*_):
    raise TimeoutError("the case took too long")


def run_case(name, fn, args, limit):
    """'ok', 'FAIL' or 'skip', and a text."""
    global _running
    _running = Scope()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(limit * SLOW)
    try:
        if args and args[0] in ENGINES:
            require_engine(args[0])
        fn(*args)
        _running.finish()
        return "ok", ""
    except Skip as reason:
        return "skip", str(reason)
    except Exception:  # pylint: disable=broad-except
        text = traceback.format_exc().strip()
        return "FAIL", text + "".join(d.tail() for d in _running.daemons)
    finally:
        signal.alarm(0)
        _running.cleanup()


def main(title, engine=None):
    """engine: for cases that name none. "copy" starts in a tenth of the time (no self-test of the kernel path): for programs
    about what happens before payload flows."""
    global _engine
    only, _engine = sys.argv[1:], engine
    try:
        sandbox.enter()
    except sandbox.Unavailable as reason:
        print(f"  skip {title}: no namespaces ({reason})\n{title}: 0 passed, 0 failed, 1 skipped")
        return
    count = {"ok": 0, "FAIL": 0, "skip": 0}
    for name, fn, args, limit in _cases:
        if only and not any(o in name for o in only):
            continue
        start = time.monotonic()
        result, text = run_case(name, fn, args, limit)
        count[result] += 1
        took = time.monotonic() - start
        print(f"  {result:4} {title}/{name}" + (f": {text.splitlines()[0]}" if result == "skip" else "")
              + (f" ({took:.1f} s)" if took > 1 else ""), flush=True)
        if result == "FAIL":
            print("\n".join("      " + line for line in text.splitlines()), flush=True)
    print(f"{title}: {count['ok']} passed, {count['FAIL']} failed, {count['skip']} skipped", flush=True)
    os._exit(1 if count["FAIL"] else 0)  # threads of upstreams may still wait for somebody


# --- waiting ---
def until(condition, what, limit=PATIENCE):
    """Calls condition until it returns something true, which is returned."""
    end = time.monotonic() + limit * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.01)


def listening(port):
    hexport = f":{port:04X} "
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name, encoding="ascii") as f:
            if any(hexport in line.split(" rem")[0][:60] and " 0A " in line for line in f):
                return True
    return False


def wait_listening(port, limit=PATIENCE):
    until(lambda: listening(port), f"somebody listens on port {port}", limit)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r} instead of {want!r}")


# --- processes ---
def run(*argv, timeout=20, stdin=""):
    """Runs a program to its end: exit status, standard output, standard error."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout * SLOW, check=False, input=stdin)
    return done.returncode, done.stdout, done.stderr


def gostbpf_fails(*argv, status=1, **kwargs):
    """gostbpf must refuse to start, with that exit status: its standard error."""
    try:
        rc, out, err = run(GOSTBPF, *argv, **kwargs)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"gostbpf {' '.join(map(str, argv))} started instead of failing") from late
    check(not SANITIZER.search(err), err)
    same(rc, status, f"exit status of gostbpf {' '.join(map(str, argv))} (stdout {out!r}, stderr {err!r})")
    return err


def spawn(*argv, netns=None, wait=None):
    """A helper process of the case (a peer, a server); wait: a port that it will listen on."""
    log = open(tmp() / f"{pathlib.Path(str(argv[0])).name}.{len(_running.processes)}.log", "wb")
    p = sandbox.spawn([str(a) for a in argv], netns, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    _running.processes.append(p)
    p.log_name = log.name
    if wait:
        try:
            wait_listening(wait)
        except AssertionError as err:
            raise AssertionError(f"{argv[0]}: {err}: {pathlib.Path(log.name).read_text()[-800:]}") from err
    return p


_engine_errors = {}


def require_engine(engine):
    """Skips when this machine cannot run an engine (BPF forbidden), as gostbpf itself says."""
    if engine != "sockmap":
        return
    if engine not in _engine_errors:
        p = sandbox.spawn([GOSTBPF, "-engine", engine, "-L", "tcp://127.0.0.1:1/127.0.0.1:2"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
        said = ""
        while "listening on" not in said and (line := p.stdout.readline()):
            said += line
        _engine_errors[engine] = None if "listening on" in said else said
        p.kill()
        p.communicate()
    if _engine_errors[engine]:
        skip(f"engine {engine} is not usable here: {_engine_errors[engine].strip().splitlines()[-1]}")


class Gostbpf:
    """gostbpf with the given arguments. Ready when each -L (or `services` many) is listening, as its log says."""

    def __init__(self, *argv, netns=None, services=None, prefix=(), ports=()):
        default = ("-engine", _engine) if _engine and "-engine" not in argv else ()
        self.argv = [GOSTBPF, *default, *map(str, argv)]
        self.path = tmp() / f"gostbpf.{len(_running.daemons)}.log"
        self.checked, self.parsed, self.records, self.began = False, 0, [], time.monotonic()
        self.lasting = False  # sessions may be there at the end of the case
        with open(self.path, "wb") as log:
            self.proc = sandbox.spawn([*prefix, *self.argv], netns, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _running.daemons.append(self)
        want = self.argv.count("-L") if services is None else services
        until(lambda: self.started(want, ports), f"{' '.join(self.argv)} is ready")
        self.sockets_at_start = self.sockets()

    def started(self, want, ports):
        if self.proc.poll() is not None:
            raise AssertionError(f"{' '.join(self.argv)} ended with {self.proc.returncode}: {self.text()[-800:]}")
        ready = sum("listening on" in r.get("msg", "") for r in self.log()) >= want
        return ready and all(listening(p) for p in ports)

    def text(self):
        return self.path.read_text(errors="replace")

    def tail(self):
        return f"\n--- {' '.join(self.argv)} (log, last lines)\n" + "\n".join(line[:400] for line in self.text().splitlines()[-8:])

    def log(self):
        """Records so far; a complete line that is not JSON is none (text(), tail() and check_output() have it)."""
        with open(self.path, "rb") as log:
            log.seek(self.parsed)
            new = log.read()
        new = new[:new.rfind(b"\n") + 1]
        self.parsed += len(new)
        for line in new.splitlines():
            try:
                self.records.append(json.loads(line))
            except ValueError:
                pass
        return self.records[:]

    def wait_log(self, predicate, what, limit=PATIENCE):
        return until(lambda: next((r for r in self.log() if predicate(r)), None), what, limit)

    def closed(self, count=1, limit=PATIENCE):
        """The closing records, once there are at least count of them."""
        def find():
            return [r for r in self.log() if " >< " in r.get("msg", "")]

        until(lambda: len(find()) >= count, f"{count} closing records", limit)
        return find()

    def records_after_stop(self, count=1):
        """The closing records of sessions that SIGTERM has ended."""
        same(self.stop(), 0, "exit status")
        return self.closed(count)

    def sessions(self, count):
        """The closing records in the order in which the sessions began (workers write side by side; a sid counts)."""
        return sorted(self.closed(count), key=lambda r: r["sid"])

    def reasons(self, prefix, count=1, limit=PATIENCE):
        """Records whose reason begins so, once there are at least count: a session may fail before it is one."""
        def find():
            return [r for r in self.log() if r.get("reason", "").startswith(prefix)]

        until(lambda: len(find()) >= count, f"{count} records with reason {prefix}*", limit)
        return find()

    def sockets(self):
        count = 0
        for fd in os.listdir(f"/proc/{self.proc.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.proc.pid}/fd/{fd}").startswith("socket:")
            except FileNotFoundError:
                pass
        return count

    def no_leak(self):
        until(lambda: self.sockets() <= self.sockets_at_start,
              f"as many sockets as at the start ({self.sockets_at_start}); now {self.sockets()}")

    def stop(self, sig=signal.SIGTERM, limit=15):
        """Sends the signal and returns the exit status."""
        self.checked = True
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            rc = self.proc.wait(limit * SLOW)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"gostbpf has not stopped {limit} s after the signal") from late
        self.check_output()
        return rc

    def paused(self):
        """While in the with block gostbpf stands still, so that what clients do meanwhile is all there when it wakes."""
        return Paused(self.proc)

    def check_output(self):
        text = self.text()
        found = SANITIZER.search(text)
        check(not found, f"sanitizer: {text[found.start() - 100:found.start() + 3000]}" if found else "")

    def finish(self):
        if self.checked:
            return
        check(self.proc.poll() is None, f"gostbpf has died with {self.proc.poll()}")
        if not self.lasting:
            self.no_leak()
        same(self.stop(), 0, "exit status after SIGTERM")


class Paused:
    def __init__(self, proc):
        self.proc = proc

    def __enter__(self):
        self.proc.send_signal(signal.SIGSTOP)
        until(lambda: self.states() == {"T"}, "all threads of the process have stopped")

    def states(self):
        found = set()
        for task in pathlib.Path(f"/proc/{self.proc.pid}/task").iterdir():
            found.add((task / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0])
        return found

    def __exit__(self, *_):
        self.proc.send_signal(signal.SIGCONT)


# --- sockets ---
def track(sock, timeout=PATIENCE):
    sock.settimeout(timeout * SLOW)
    _running.sockets.append(sock)
    return sock


class WasReset(socket.socket):
    """A connection whose reset came before connect() had returned: to be met where it is met otherwise."""

    def met(self, *_):
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    recv = recv_into = send = sendall = shutdown = met


def connect(port, host="127.0.0.1", timeout=PATIENCE, source=None):
    try:
        return track(socket.create_connection((host, port), timeout * SLOW, source), timeout)
    except ConnectionResetError:
        return track(WasReset(socket.AF_INET6 if ":" in host else socket.AF_INET), timeout)


def connect_and_end(port, data=b"", timeout=PATIENCE):
    """Connects, sends, and waits for the other side to cut the connection, which may happen before connect() returns."""
    try:
        client = connect(port, timeout=timeout)
        client.sendall(data)
    except ConnectionError:
        return "reset"
    return ending(client)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    sock.close()


def recv_exact(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise AssertionError(f"end after {len(data)} of {count} bytes: {data[:200]!r}")
        data += part
    return data


def recv_to_end(sock):
    parts = []
    while part := sock.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def ending(sock):
    """How a connection ends, payload ignored: 'eof' or 'reset'."""
    try:
        recv_to_end(sock)
        return "eof"
    except ConnectionError:
        return "reset"


def data_segments_in(sock):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232), TCP_INFO_DATA_SEGS_IN)[0]


class Upstream:
    """A listener whose connections the test takes one by one."""

    def __init__(self, port, host="127.0.0.1", backlog=64, rcvbuf=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.bind((host, port))
        self.sock.listen(backlog)
        track(self.sock)

    def accept(self, timeout=PATIENCE):
        self.sock.settimeout(timeout * SLOW)
        try:
            return track(self.sock.accept()[0])
        except TimeoutError as late:
            raise AssertionError("nobody connected to the upstream") from late

    def nobody(self, seconds=0.5):
        """True when nothing connects for that long."""
        self.sock.settimeout(seconds)
        try:
            track(self.sock.accept()[0])
            return False
        except TimeoutError:
            return True


class Server:
    """An upstream that serves each connection on a thread: fn(sock). Results that fn returns go to a queue."""

    def __init__(self, port, fn, host="127.0.0.1"):
        self.up, self.fn, self.results = Upstream(port, host), fn, queue.Queue()
        self.up.sock.settimeout(None)
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                sock = self.up.sock.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock:
            sock.settimeout(30 * SLOW)
            try:
                out = self.fn(sock)
            except OSError as err:
                out = err
            if out is not None:
                self.results.put(out)

    def result(self, timeout=PATIENCE):
        try:
            return self.results.get(timeout=timeout * SLOW)
        except queue.Empty:
            raise AssertionError("the upstream saw no session") from None


def echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)


def echo_server(port, host="127.0.0.1"):
    return Server(port, echo, host)


def name_server(port, name, host="127.0.0.1"):
    """Says its name to whoever connects, and closes."""
    return Server(port, lambda sock: sock.sendall(name.encode()) or sock.shutdown(socket.SHUT_WR) or recv_to_end(sock)
                  and None, host)


def http_server(port, host="127.0.0.1", proxy=False):
    """Answers one HTTP request per connection with 'ok'; result: (decoded PROXY header or None, request head)."""
    def serve(sock):
        data = b""
        while b"\r\n\r\n" not in (data[12:] if data.startswith(b"\r\n\r\n") else data):
            part = sock.recv(65536)
            if not part:
                return None
            data += part
        header = decode_proxy.decode(data) if proxy else None
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
        sock.shutdown(socket.SHUT_WR)
        return header, data[header["length"] if header else 0:]

    return Server(port, serve, host)


def curl(*argv, netns=None):
    done = subprocess.run(sandbox.in_netns(netns, ["curl", "-sS", "--noproxy", "*", "-m", str(PATIENCE), *argv]), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


def v1(src, sport, dst, dport):
    return f"PROXY TCP{6 if ':' in src else 4} {src} {dst} {sport} {dport}\r\n".encode()


def v2(src, sport, dst, dport, tlvs=b"", command=0x21):
    six = ":" in src
    pack = lambda a: socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a)  # noqa: E731
    body = pack(src) + pack(dst) + struct.pack(">HH", sport, dport) + tlvs
    return decode_proxy.SIGNATURE + bytes([command, 0x21 if six else 0x11]) + struct.pack(">H", len(body)) + body


def endpoints(header):
    """(src, sport, dst, dport) of a decoded header."""
    return header["src"], header["sport"], header["dst"], header["dport"]


def recv_header(sock):
    """Reads exactly one PROXY header from a socket and decodes it: (decoded, raw)."""
    raw = b""
    while True:
        try:
            return decode_proxy.decode(raw), raw
        except decode_proxy.Incomplete:
            raw += recv_exact(sock, 1)
