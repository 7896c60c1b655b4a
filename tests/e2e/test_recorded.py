#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What GOST was recorded to log and to say on the wire, replayed row by row: all of log.jsonl and wire.jsonl.

A difference must be in docs/differences.md, in the tables "On the wire" and "In the log". One that is not there fails, and so
does a listed one that is none any more.
"""
import json
import re
import socket
import threading

import lib
from lib import Gostbpf, case, check, recv_exact, same, until

VECTORS = lib.ROOT / "tests/vectors/gost"
DOCUMENT = lib.ROOT / "docs/differences.md"
PORTS = {"P": 65080, "Q": 65081, "U": 65010, "CLOSED": 65099}  # five digits, as the recorded byte counts want; nobody else's
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok"  # the recorder's two targets
CLOSING_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"


def rows(name):
    with open(VECTORS / name, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def listed(kind):
    """The table rows "| KIND `id` ... | `what` ... | why |" of the document: [(ids, what)]."""
    out = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| {kind} `"):
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            check(len(cells) == 3 and len(cells[2]) > 3, f"three cells and a reason: {line}")
            out.append((re.findall(r"`([^`]+)`", cells[0]), re.findall(r"`([^`]+)`", cells[1])))
    return out


def fill(text, **more):
    for name, value in {**PORTS, **more}.items():
        text = text.replace("{%s:dec}" % name, str(value).encode().hex()).replace("{%s}" % name, str(value))
        text = text.replace("{%s:be16}" % name, f"{value:04x}")
    return text


def target(answer):
    def serve(sock):
        data = sock.recv(65536)
        while data:
            sock.sendall(answer if data.startswith((b"GET ", b"POST ", b"HEAD ")) else data)
            if answer is CLOSING_ANSWER and data.startswith(b"GET "):
                return
            data = sock.recv(65536)
    return serve


# --- log ---
CONNECT = "CONNECT 127.0.0.1:{%s} HTTP/1.1\r\nHost: 127.0.0.1:{%s}\r\n%s\r\n"
V1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 5555 80\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c010203040506070815b30050")


def connect_request(port, more=""):
    return fill(CONNECT % (port, port, more)).encode()


def opened(host):
    """A socket whose port is known before it connects: the service may reset it in between."""
    sock = lib.track(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    sock.bind((host, 0))
    return sock, sock.getsockname()[1]


def talk(*parts, host="127.0.0.1", end=False):
    """Says parts one by one; (bytes to send, how many to read). end: until the service ends it. The client's port."""
    sock, mine = opened(host)
    try:
        sock.connect((host, PORTS["P"]))
        for say, count in parts:
            sock.sendall(say(mine) if callable(say) else say)
            while count and isinstance(count, bytes):
                count = b"" if sock.recv(4096).endswith(count) else count
            recv_exact(sock, count or 0)
        if end:
            lib.ending(sock)
    except ConnectionError:
        check(end, "the service ended it")
    sock.close()
    return mine


def haproxy_request(mine):
    """As curl --haproxy-protocol: the header says what the connection is."""
    return b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (mine, PORTS["P"]) + REQUEST


HELLO = (b"hello", 5)
TO_TARGET = bytes([127, 0, 0, 1]) + PORTS["U"].to_bytes(2, "big")
CLIENTS = {
    "seed-no-header": lambda: talk((REQUEST, 59), end=True),
    "seed-haproxy-protocol": lambda: talk((haproxy_request, 59), end=True),
    "tcp-plain-dual-v6": lambda: talk(HELLO, host="::1"),
    "recv-v1": lambda: talk((V1 + b"hello", 5)),
    "recv-v2": lambda: talk((V2 + b"hello", 5)),
    "recv-v1-unknown": lambda: talk((b"PROXY UNKNOWN\r\nhello", 5)),
    "recv-bad-address": lambda: talk((b"PROXY TCP4 999.2.3.4 5.6.7.8 10 20\r\nhello", 0), end=True),
    "send-v1": lambda: talk((b"hello", 49)),  # the target echoes the header, too
    "tcp-refused": lambda: talk((b"", 0), end=True),
    "http-connect": lambda: talk((connect_request("U"), 62), (b"PING", 4)),
    "http-connect-refused": lambda: talk((connect_request("CLOSED"), 0), end=True),
    "http-get": lambda: talk((fill("GET http://127.0.0.1:{U}/x HTTP/1.1\r\nHost: 127.0.0.1:{U}\r\n\r\n").encode(), b"ok")),
    "http-auth-bad": lambda: talk((connect_request("U", "Proxy-Authorization: Basic dXNlcjpiYWQ=\r\n"), 0), end=True),
    "socks5-connect": lambda: talk((b"\5\1\0", 2), (b"\5\1\0\1" + TO_TARGET, 10), (b"PING", 4)),
    "socks5-auth-bad": lambda: talk((b"\5\1\2", 2), (b"\1\4user\3bad", 2), end=True),
    "socks4-connect": lambda: talk((b"\4\1" + TO_TARGET[4:] + TO_TARGET[:4] + b"joe\0", 8), (b"PING", 4)),
    "auto-http-connect": lambda: talk((connect_request("U"), 62), (b"PING", 4)),
}


def sign_of(msg):
    return next((s for s in ("<->", ">-<", "<>", "><") if f" {s} " in msg), msg)


def normal(record, mine):
    """A record of ours in the words of the recording; nothing that only happens to be equal is kept."""
    names = {v: "{%s}" % k for k, v in PORTS.items()} | {port: "{SPORT}" for port in mine}
    out = {}
    for key, value in record.items():
        if isinstance(value, str):
            value = re.sub(r"(?<=\]:|\d:)(\d{5})(?!\d)", lambda m: names.get(int(m[1]), "{E}"), value)
        out[key] = value
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", out["time"]), f"time: {out['time']}")
    check("duration" not in out or out["duration"] >= 0, "duration")
    check("sid" not in out or len(out["sid"]) == 20, "sid")
    return {k: {"duration": "{NS}", "sid": "{SID}", "time": "{TIME}"}.get(k, v) for k, v in out.items()}


def recorded(record):
    return {k: re.sub(r"\{(SID|E)\d\}", r"{\1}", v) if isinstance(v, str) else v for k, v in record.items() if k != "caller"}


def title(record):
    return f"{record['level']}: {record['msg']}"


def by_session(records):
    """One list per session, in order, sessions by their first record; records without a session are a list of their own."""
    out = {}
    for r in records:
        out.setdefault(r.get("sid"), []).append(r)
    return [out.pop(None, [])] + sorted(out.values(), key=lambda rs: (rs[0]["service"], rs[-1].get("node", "")))


def compare(want, got):
    """Each difference as a short text."""
    out = set()
    titles = [title(r) for r in got]
    for r in want:
        if title(r) not in titles:
            out.add(f"no {title(r)}")
            continue
        mine = got[titles.index(title(r))]
        for key in sorted(r.keys() | mine.keys()):
            if key not in mine:
                out.add(f"-{key} at {sign_of(r['msg'])}")
            elif key not in r:
                out.add(f"+{key} at {sign_of(r['msg'])}")
            elif r[key] != mine[key]:
                out.add(f"{key}={mine[key]} at {sign_of(r['msg'])}")
    wanted = [title(r) for r in want]
    out |= {f"also {t}" for t in titles if t not in wanted}
    common = [t for t in titles if t in wanted]
    if common != [t for t in wanted if t in titles]:
        out.add("another order")
    return out


def replay_log(row):
    gost = Gostbpf(*[fill(a) for a in row["args"]])
    count = 2 if row["id"] == "tcp-two-targets" else 1
    mine = [CLIENTS.get(row["id"], lambda: talk(HELLO))() for _ in range(count)]
    ends = len({r["sid"] for r in row["lines"] if "sid" in r})
    until(lambda: sum(" >< " in r["msg"] or "proxy-header" in r.get("reason", "") for r in gost.log()) >= ends, "all have ended")
    got = by_session(gost.log())
    same(gost.stop(), 0, "exit status")
    want = by_session(row["lines"])
    same(len(got), len(want), f"{row['id']}: sessions")
    return set().union(*(compare([recorded(r) for r in w], [normal(r, mine) for r in g]) for w, g in zip(want, got)))


def start_in_use(row):
    """The one that does not start."""
    up = lib.Upstream(PORTS["P"])
    err = lib.gostbpf_fails(*[fill(a) for a in row["args"]], status=int(row["rc"]))
    up.sock.close()
    return compare([recorded(r) for r in row["lines"]], [normal(json.loads(line), []) for line in err.splitlines()])


@case(limit=180)
def every_row_of_the_log():
    table = listed("log")
    seen, wrong = set(), []
    lib.Server(PORTS["U"], target(CLOSING_ANSWER), "127.0.0.1")
    for row in rows("log.jsonl"):
        for what in sorted((start_in_use if row["id"] == "start-port-in-use" else replay_log)(row)):
            hits = {(i, what) for ids, whats in table for i in ids if i in ("*", row["id"]) and what in whats}
            seen |= hits
            if not hits:
                wrong.append(f"| log `{row['id']}` | `{what}` |")
    stale = [f"{i}: {w}" for ids, whats in table for i in ids for w in whats if (i, w) not in seen]
    check(not wrong and not stale, "\n".join(["not in docs/differences.md:", *wrong, "there, and not so:", *stale]))


# --- wire ---
def steps(text, **ports):
    """Hexadecimal steps as patterns; {E:be16} is any port."""
    return [re.escape(step).replace(re.escape("{E:be16}"), "[0-9a-f]{4}") for step in re.split(r" \| |, ", fill(text, **ports))]


def read_step(sock, pattern, what):
    """As many bytes as the pattern wants, and they are those."""
    size = len(re.sub(r"\[0-9a-f\]\{4\}", "0000", pattern)) // 2
    try:
        got = recv_exact(sock, size) if size else b""
    except (OSError, AssertionError) as err:
        raise AssertionError(f"{what}: {err} instead of {pattern}") from err
    check(re.fullmatch(pattern, got.hex()), f"{what}: {got.hex()} ({got!r}) instead of {pattern}")
    return got


def ended(sock, want="eof"):
    """'eof', 'reset' or 'open', and what came until then. Only where it is to stay open, not much patience is needed."""
    sock.settimeout(0.5 if want == "open" else lib.PATIENCE * lib.SLOW)
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
        return "eof", data
    except TimeoutError:
        return "open", data
    except ConnectionError:
        return "reset", data


def open_client(row):
    """A connected client, and its port."""
    six = row.get("client") == "::1" or "client ::1" in row["note"]
    sock, mine = opened("::1" if six else "127.0.0.1")
    sock.connect(("::1" if six else "127.0.0.1", PORTS["P"]))
    return sock, mine


def replay_upstream(row, want):
    """What the target reads, and nothing else until the client's end."""
    up = lib.Upstream(PORTS["U"])
    sock, mine = open_client(row)
    sock.sendall(bytes.fromhex(row["client_sends_hex"]))
    conn = up.accept()
    for step in steps(want["steps"], SPORT=mine):
        read_step(conn, step, row["id"])
    sock.shutdown(socket.SHUT_WR)
    same(ended(conn), ("eof", b""), f"{row['id']}: behind it")
    conn.close()
    sock.close()
    up.sock.close()


def play_node(up, row, want, mine, seen):
    """A node's part: reads a step, answers it."""
    replies = row.get("node_replies_hex", [b"HTTP/1.1 200 Connection established\r\n\r\n".hex()])[:]
    try:
        node = up.accept()
        for step in steps(want, SPORT=mine):
            read_step(node, step, row["id"])
            if replies:
                node.sendall(bytes.fromhex(replies.pop(0)))
        node.shutdown(socket.SHUT_WR)
        seen.append(ended(node)[1])
        node.close()
    except Exception as err:  # pylint: disable=broad-except
        seen.append(err)


def talk_to_node(sock, row, end):
    said, answer = bytes.fromhex(row["client_sends_hex"]), bytes.fromhex(row["client_reads_hex"])
    head = said.find(b"\r\n\r\n") + 4 if said.startswith(b"CONNECT") else len(said)
    sock.sendall(said[:head])
    same(recv_exact(sock, len(answer)), answer, f"{row['id']}: what comes back")
    if said[head:]:  # payload was sent after a pause
        sock.sendall(said[head:])
    if end != "reset":
        sock.shutdown(socket.SHUT_WR)
    same(ended(sock, end), (end or "eof", b""), f"{row['id']}: end")


def replay_node(row, want):
    up, seen = lib.Upstream(PORTS["U"]), []
    sock, mine = opened("127.0.0.1")
    node = threading.Thread(target=play_node, args=(up, row, want["steps"], mine, seen), daemon=True)
    node.start()
    try:
        sock.connect(("127.0.0.1", PORTS["P"]))
        talk_to_node(sock, row, want["end"])
    except ConnectionError:
        same(want["end"], "reset", f"{row['id']}: end")
    sock.close()
    node.join(lib.PATIENCE * lib.SLOW)
    same(seen, [b""], f"{row['id']}: the node's side")
    up.sock.close()


def target_of(row, seen):
    def serve(sock):
        data = b""
        try:
            while part := sock.recv(65536):
                data += part
                sock.sendall(ANSWER if part.startswith((b"GET ", b"POST ", b"HEAD ")) else part)
        finally:
            seen.append(data)
    return lib.Server(PORTS["U"], serve)


def unescape(text):
    return fill(text).encode().decode("unicode_escape").encode("latin-1")


def replay_reply(row, want):
    seen, reads = [], unescape(want["target"])
    server = target_of(row, seen)
    sock, _ = open_client(row)
    answers = steps(want["steps"]) + [""] * 9
    for said, answer in zip(fill(row["client_sends_hex"]).split(" | "), answers):
        sock.sendall(bytes.fromhex(said))
        read_step(sock, answer, row["id"])
    same(ended(sock, want["end"]), (want["end"], b""), f"{row['id']}: end")
    sock.close()
    if reads:
        until(lambda: seen, f"{row['id']}: the target's session ends")
    same(b"".join(seen), reads, f"{row['id']}: what the target read")
    lib.close_socket(server.up.sock)


def expected(row, changes):
    """Steps, end and what the target reads: as recorded, or as the document says instead, which must differ."""
    gost = {"steps": row["observed_hex"], "end": row.get("end"), "target": row.get("upstream_reads_text", "")}
    mine = dict(c.split(" ", 1) for c in changes)
    check(all(key in gost and value != gost[key] for key, value in mine.items()), f"{row['id']}: listed, and no difference")
    return {**gost, **mine}


def replay_wire(row, changes):
    want = expected(row, changes)
    gost = Gostbpf("-engine", "copy", *[fill(a) for a in row["args"]])
    {"upstream": replay_upstream, "node": replay_node, "reply": replay_reply}[row["side"]](row, want)
    gost.no_leak()
    same(gost.stop(), 0, f"{row['id']}: exit status")


@case(limit=300)
def every_row_of_the_wire():
    table = {i: whats for ids, whats in listed("wire") for i in ids}
    wrong, all_rows = [], rows("wire.jsonl")
    for row in all_rows:
        try:
            replay_wire(row, table.get(row["id"], []))
        except Exception as err:  # pylint: disable=broad-except
            wrong.append(f"{row['id']}: {type(err).__name__} {err}"[:300])
            lib._running.cleanup()  # pylint: disable=protected-access
            lib._running.daemons = []  # pylint: disable=protected-access
    same(sorted(table.keys() - {r["id"] for r in all_rows}), [], "rows listed that are none")
    check(len(all_rows) >= 61 and not wrong, "\n".join(wrong))


if __name__ == "__main__":
    lib.main("recorded")
