#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_chain.py - the way to a target through proxies: what each hop is told, what happens when one fails.

Nodes are Python peers that read and answer byte by byte where bytes matter (recorded from GOST in
tests/vectors/gost/wire.jsonl), and other gostbpf processes or haproxy where a real server matters.
"""
import hashlib
import json
import os
import pathlib
import socket
import threading
import time
import zlib

import decode_proxy
import lib
import peers
import socks_world
from lib import case

WIRE = pathlib.Path(__file__).resolve().parent.parent / "vectors/gost/wire.jsonl"
# Rows whose bytes differ on purpose; docs/differences.md has the reasons.
DIFFERENT = {
    "node-socks5-auth-default": "no TLS methods are offered",
    "node-relay-silent": "the request does not wait for payload",
}
ESTABLISHED = [b"HTTP/1.1 200 Connection established\r\n\r\n".hex()]  # where the node's answer was not recorded
TARGET = "10.9.8.7:80"  # nobody's: only nodes are ever asked for it


def rows():
    with open(WIRE, encoding="utf-8") as f:
        return [r for r in map(json.loads, f) if r["side"] == "node" and r["id"] not in DIFFERENT]


def fill(text, sport):
    for name, value in (("SPORT", sport), ("P", 8080), ("U", 8001)):
        text = text.replace("{%s:dec}" % name, str(value).encode().hex())
        text = text.replace("{%s:be16}" % name, value.to_bytes(2, "big").hex())
        text = text.replace("{%s}" % name, str(value))
    return text


def play(up, row, sport, seen):
    """The node's part: reads each recorded message, then says what was recorded."""
    node = up.accept()
    replies = list(row.get("node_replies_hex", ESTABLISHED))
    for part in fill(row["observed_hex"], sport).split(" | "):
        want = bytes.fromhex(part)
        seen.append(lib.recv_exact(node, len(want)) if want else b"")
        if replies:
            node.sendall(bytes.fromhex(replies.pop(0)))
    node.shutdown(socket.SHUT_WR)
    seen.append(lib.recv_to_end(node))


def send_or_reset(sock, data):
    """None, or "reset" when that was there first: it is told once, whoever asks."""
    try:
        sock.sendall(data)
        return None
    except ConnectionError:
        return "reset"


def run_row(row):
    lib.Gostbpf(*[fill(a, 0) for a in row["args"]])
    up, seen = lib.Upstream(8001), []
    client = lib.connect(8080)
    thread = threading.Thread(target=play, args=(up, row, client.getsockname()[1], seen), daemon=True)
    thread.start()
    end = row.get("end", "eof")
    met = send_or_reset(client, bytes.fromhex(row["client_sends_hex"]))
    if end == "eof":
        lib.same(met, None, f"{row['id']}: what the client meets as it sends")
        client.shutdown(socket.SHUT_WR)
        got = lib.recv_to_end(client)
        lib.same(got.hex(), fill(row["client_reads_hex"], 0), f"{row['id']}: what the client reads")
    else:
        lib.same(met or lib.ending(client), end, f"{row['id']}: how it ends for the client")
    thread.join(10)
    want = [bytes.fromhex(p) for p in fill(row["observed_hex"], client.getsockname()[1]).split(" | ")] + [b""]
    lib.same(seen, want, f"{row['id']}: what the node was told")


def recorded(row):
    def run():
        run_row(row)

    run.__name__ = f"recorded_{row['id']}"
    return run


for _row in rows():
    case(recorded(_row))


# --- a proxy of the test's own ---
def http_proxy(port, glue=b"", reply=b"HTTP/1.1 200 OK\r\n\r\n", step=None):
    """Reads a CONNECT head (after a PROXY header, if any), answers, then echoes. Result: (decoded header, head)."""
    def serve(sock):
        data = b""
        while b"\r\n\r\n" not in data[13:]:
            part = sock.recv(4096)
            if not part:
                return None
            data += part
        header = decode_proxy.decode(data) if data[:5] == b"PROXY" or data[:12] == decode_proxy.SIGNATURE else None
        answer = reply + glue
        for i in range(0, len(answer), step or len(answer) or 1):
            sock.sendall(answer[i:i + (step or len(answer))])
        if reply.startswith(b"HTTP/1.1 200"):
            lib.echo(sock)
            sock.shutdown(socket.SHUT_WR)
        return header, data[header["length"] if header else 0:]

    return lib.Server(port, serve)


def echoed(client, size=100_000):
    blob = os.urandom(size)
    threading.Thread(target=lambda: client.sendall(blob) or client.shutdown(socket.SHUT_WR), daemon=True).start()
    lib.same(lib.recv_to_end(client), blob, "what comes back through the chain")


@case
def bytes_behind_the_answer_are_the_targets():
    """GOST's http connector throws them away (defect 23)."""
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    http_proxy(8001, glue=b"220 hello\r\n")
    client = lib.connect(8080)
    lib.same(lib.recv_exact(client, 11), b"220 hello\r\n", "a server that speaks at once")
    echoed(client)


@case
def an_answer_may_come_byte_by_byte():
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    http_proxy(8001, step=1, reply=b"HTTP/1.1 200 Fine\r\nX-A: b\r\n\r\n", glue=b"!")
    client = lib.connect(8080)
    lib.same(lib.recv_exact(client, 1), b"!", "the byte behind the answer")
    echoed(client)


@case
def a_proxy_header_on_any_hop():
    """GOST ignores it past the first (defect 14)."""
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001?proxyProtocol=1",
                "-F", "http://127.0.0.1:8002?proxyProtocol=2")
    lib.Gostbpf("-L", "http://:8001?proxyProtocol=1")
    second = http_proxy(8002)
    client = lib.connect(8080)
    here = client.getsockname()
    echoed(client)
    header, head = second.result()
    lib.same(lib.endpoints(header), (here[0], here[1], "127.0.0.1", 8080), "the second hop's header")
    lib.check(head.startswith(f"CONNECT {TARGET} HTTP/1.1\r\n".encode()), f"the second hop's request: {head!r}")


@case
def three_kinds_of_hops(limit=60):
    lib.Gostbpf("-L", "tcp://:8080/127.0.0.1:9000", "-F", "http://u:p@127.0.0.1:8001", "-F", "socks5://u:p@127.0.0.1:8002",
                "-F", "relay://u:p@127.0.0.1:8003")
    lib.Gostbpf("-L", "http://u:p@:8001", "-L", "socks5://u:p@:8002", "-L", "relay://u:p@:8003")
    lib.echo_server(9000)
    for _ in range(3):
        echoed(lib.connect(8080), 3_000_000)


@case
def a_dead_node_is_passed_over_and_remembered():
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:1,127.0.0.1:8001?strategy=fifo")
    http_proxy(8001)
    echoed(lib.connect(8080))
    echoed(lib.connect(8080))
    g.closed(2)
    failed = [r for r in g.log() if r.get("level") == "error"]
    lib.same(len(failed), 1, "dials of the dead node: the second session knows")


@case
def hash_by_host_keeps_a_target_on_one_node():
    """GOST's hash, CRC-32 of HOST:PORT as it was asked for, whoever asks and by whatever protocol."""
    ports = (8001, 8002, 8003)
    for port in ports:
        lib.Server(port, lambda sock, port=port: (sock.recv(4096), sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n%d" % port)))
    nodes = ",".join(f"127.0.0.1:{port}" for port in ports)
    lib.Gostbpf("-L", "http://127.0.0.1:8080?hash=host", "-L", "socks5://127.0.0.1:1080?hash=host", "-F", f"http://{nodes}?strategy=hash")
    for number in range(12):
        host = f"h{number}.test"
        want = b"%d" % ports[zlib.crc32(f"{host}:443".encode()) % 3]
        for source in "127.0.0.1", "127.0.0.2":
            with lib.connect(8080, source=(source, 0)) as client:
                client.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                lib.same(lib.recv_to_end(client)[-4:], want, f"{host} by HTTP, from {source}")
        sock = socks_world.connect5(1080, host, 443)
        lib.same(lib.recv_exact(sock, 4), want, f"{host} by SOCKS")
    err = lib.gostbpf_fails("-L", "http://:8080?hash=path")
    lib.check('key "hash": bad value "path": expected client or host' in err, err)


@case
def a_proxy_that_does_not_answer_is_given_so_much_time():
    """timeout: of one proxy's answer, within dialTimeout's for the whole way."""
    silent = lib.Upstream(8002)
    http_proxy(8001, glue=b"other")
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8002,127.0.0.1:8001?strategy=fifo&timeout=300ms")
    began = time.monotonic()
    client = lib.connect(8080)
    lib.same(lib.recv_exact(client, 5), b"other", "by the other node")
    lib.check(time.monotonic() - began >= 0.3, "not before its time")
    silent.accept()
    g.wait_log(lambda r: r["msg"] == "node-0@127.0.0.1:8002: i/o timeout", "the node's error")


# --- a conversation that is broken off is never ended in order ---
def asked(node):
    """The node's socket once it has read what it is asked for."""
    sock, head = node.accept(), b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    return sock


@case
def a_client_that_goes_resets_the_conversation_with_a_proxy():
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    node = lib.Upstream(8001)
    client = lib.connect(8080)
    sock = asked(node)
    lib.reset(client)
    lib.same(lib.ending(sock), "reset", "what the proxy sees")
    g.closed()


@case
def so_does_a_proxy_s_time_limit():
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001?timeout=300ms")
    node = lib.Upstream(8001)
    client = lib.connect(8080)
    lib.same(lib.ending(asked(node)), "reset", "what the proxy sees")
    lib.same(lib.ending(client), "reset", "what the client sees")


@case
def so_does_the_end_of_the_process():
    g = lib.Gostbpf("-drain", "0", "-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    node = lib.Upstream(8001)
    client = lib.connect(8080)
    sock = asked(node)
    lib.same(g.stop(), 0, "exit status")
    lib.same((lib.ending(sock), lib.ending(client)), ("reset", "reset"), "what both see")


@case
def so_does_a_race_that_another_target_has_won():
    """Two targets through a chain at once; the proxy answers for the second only."""
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
- name: s
  addr: 127.0.0.1:8080
  handler: {type: tcp, chain: c}
  listener: {type: tcp}
  forwarder: {selector: {strategy: parallel}, nodes: [{name: a, addr: "10.9.8.7:1"}, {name: b, addr: "10.9.8.7:2"}]}
chains: [{name: c, hops: [{name: h, nodes: [{name: n, addr: "127.0.0.1:8001", connector: {type: http}, dialer: {type: tcp}}]}]}]
""")
    lib.Gostbpf("-C", path, services=1)
    node = lib.Upstream(8001)
    client = lib.connect(8080)
    socks = [asked(node), asked(node)]
    socks[1].sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
    lib.same(lib.recv_exact(client, 5), b"hello", "the winner's")
    lib.same(lib.ending(socks[0]), "reset", "what the proxy sees of the other")
    client.close()
    socks[1].close()


@case
def fails_count_until_a_success():
    """A node with maxFails 2 that fails every other time is never left out."""
    turns = []

    def serve(sock):
        turns.append(sock)
        data = b""
        while len(turns) % 2 == 0 and b"\r\n\r\n" not in data:
            data += sock.recv(4096)
        if data:
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nflaky")

    lib.Server(8002, serve)
    http_proxy(8001, glue=b"other")
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8002,127.0.0.1:8001?strategy=fifo&maxFails=2&failTimeout=1h")
    said = []
    for _ in range(6):
        with lib.connect(8080) as client:
            said.append(lib.recv_exact(client, 5))
    lib.same(said, [b"other", b"flaky"] * 3, "who answered")


@case
def without_a_living_node_nobody_is_dialled():
    """GOST goes round the chain then (defect 29)."""
    g = lib.Gostbpf("-L", "tcp://:8080/127.0.0.1:9000", "-F", "http://127.0.0.1:1")
    target = lib.Upstream(9000)
    lib.same(lib.connect_and_end(8080), "reset", "the client's end")
    lib.check(target.nobody(), "the target was dialled directly")
    lib.same(g.closed()[0]["reason"], "dial-failed", "reason")


@case
def a_refusal_of_the_target_does_not_mark_the_node():
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    http_proxy(8001, reply=b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    for _ in range(2):
        lib.same(lib.connect_and_end(8080), "reset", "the client's end")
    g.closed(2)
    texts = [r["msg"] for r in g.log() if r.get("level") == "error"]
    lib.same(len(texts), 2, f"errors: {texts}")
    lib.check(all("503 Service Unavailable" in t for t in texts), f"the node's words are in the log: {texts}")


@case
def a_node_that_ends_early_is_named():
    for cut in range(1, 19):
        g = lib.Gostbpf("-engine", "copy", "-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
        up = lib.Upstream(8001)
        client = lib.connect(8080)
        node = up.accept()
        node.sendall(b"HTTP/1.1 200 OK\r\n\r\n"[:cut])
        node.shutdown(socket.SHUT_WR)
        lib.same(lib.ending(client), "reset", f"the client's end after {cut} bytes")
        text = g.wait_log(lambda r: r.get("level") == "error", "an error")["msg"]
        lib.check("node-0@127.0.0.1:8001" in text, f"names the node: {text}")
        g.stop()
        lib.close_socket(up.sock)


@case
def a_silent_node_costs_the_dial_timeout():
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}?dialTimeout=1s", "-F", "http://127.0.0.1:8001")
    up = lib.Upstream(8001)
    client = lib.connect(8080)
    node = up.accept()
    lib.same(lib.ending(client), "reset", "the client's end")
    lib.check("i/o timeout" in g.wait_log(lambda r: r.get("level") == "error", "an error")["msg"], "says so")
    lib.check(lib.ending(node) in ("eof", "reset"), "the node's connection is closed")


@case
def an_endless_answer_is_cut():
    g = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    up = lib.Upstream(8001)
    client = lib.connect(8080)
    node = up.accept()
    try:
        node.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000)
    except ConnectionError:
        pass
    lib.same(lib.ending(client), "reset", "the client's end")
    g.closed()


@case
def haproxy_is_a_hop():
    config = lib.tmp() / "haproxy.cfg"
    config.write_text("defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
                      "listen l\n bind 127.0.0.1:8001 accept-proxy\n server s 127.0.0.1:9000 send-proxy-v2\n")
    lib.spawn("haproxy", "-f", config, wait=8001)
    lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "tcp://127.0.0.1:8001?proxyProtocol=2")
    up = lib.Upstream(9000)
    client = lib.connect(8080)
    target = up.accept()
    header, _ = lib.recv_header(target)
    lib.same(lib.endpoints(header)[:2], client.getsockname(), "who the target behind haproxy sees")
    client.sendall(b"ping")
    lib.same(lib.recv_exact(target, 4), b"ping", "payload")


@case
def nginx_is_a_hop():
    peers.nginx("server { listen 127.0.0.1:8001 proxy_protocol; proxy_pass 127.0.0.1:9000; proxy_protocol on; }", 8001)
    gost = lib.Gostbpf("-L", f"tcp://:8080/{TARGET}", "-F", "tcp://127.0.0.1:8001?proxyProtocol=1")
    up = lib.Upstream(9000)
    client = lib.connect(8080)
    client.sendall(b"ping")
    target = up.accept()
    header, _ = lib.recv_header(target)
    lib.same(lib.recv_exact(target, 4), b"ping", "payload")
    target.sendall(b"pong")
    lib.same(lib.recv_exact(client, 4), b"pong", "answer")
    lib.same((header["version"], header["command"]), (1, "PROXY"), "nginx's own header")
    target.close()
    client.close()
    lib.same(gost.closed(1)[0]["dst"], "127.0.0.1:8001", "where we are connected to")


def http_sink(port):
    """Reads a CONNECT head, answers, then reads to the end. Result: the hash of what came."""
    def serve(sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        digest = hashlib.sha256()
        while part := sock.recv(1 << 18):
            digest.update(part)
        return digest.hexdigest()

    return lib.Server(port, serve)


@case(engines=("sockmap", "auto"))
def the_kernel_moves_bulk_through_a_chain(engine):
    g = lib.Gostbpf("-engine", engine, "-L", f"tcp://:8080/{TARGET}", "-F", "http://127.0.0.1:8001")
    sink, blob = http_sink(8001), os.urandom(96 << 20)
    client = lib.connect(8080, timeout=30)
    client.sendall(blob)
    client.shutdown(socket.SHUT_WR)
    lib.same(sink.result(30), hashlib.sha256(blob).hexdigest(), "what arrived")
    record = g.closed()[0]
    lib.same(record["inputBytes"], len(blob), "bytes counted")
    # How much depends on the load of the machine (bench-proxies measures it): a sink that gets no CPU is slow, and splice(2)'s.
    if engine == "sockmap" or not lib.SANITIZED:  # sanitized, it may be too slow to pass for bulk
        lib.check(record["kernelInputBytes"] > 0 or record["engine"] == "splice", "all of it was copied")


if __name__ == "__main__":
    lib.main("chain")
