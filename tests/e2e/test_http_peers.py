#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An HTTP proxy used by programs that know nothing of the test: curl, a websocket server, a browser."""
import base64
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import lib
import sandbox
import tls_peer
from http_world import Talk, pattern, read_head, web
from lib import Gostbpf, case, check, recv_exact, same
from programs import websocket_server

MIB = 1 << 20
HTTP = ("-L", "http://127.0.0.1:8080")
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def curl(*argv, proxy="http://127.0.0.1:8080"):
    """Exit status, output (bytes), errors."""
    done = subprocess.run(["curl", "-sS", "-m", "30", "-x", proxy, "--noproxy", "", *argv], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr.decode()


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()


def a_file(size):
    path = pathlib.Path(lib.tmp()) / "upload"
    path.write_bytes(os.urandom(size))
    return path, path.read_bytes()


@case
def curl_downloads():
    web(8000)
    gost = Gostbpf(*HTTP)
    for tunnel in ((), ("-p",)):
        for path in ("/0", "/1", "/5000000", "/chunked/5000000", "/chunked/0"):
            rc, out, err = curl(*tunnel, f"http://127.0.0.1:8000{path}")
            same((rc, err, digest(out)), (0, "", digest(pattern(int(path.split("/")[-1])))), f"{tunnel} {path}")
    check(all(r["reason"] == "client-eof" for r in gost.closed(10)), f"{[r['reason'] for r in gost.closed()]}")


@case
def curl_uploads():
    web(8000)
    Gostbpf(*HTTP)
    path, data = a_file(3 * MIB + 17)
    for tunnel in ((), ("-p",)):
        for how in (("-T", str(path)), ("-T", str(path), "-H", "Transfer-Encoding: chunked"), ("--data-binary", f"@{path}"),
                    ("--data-binary", f"@{path}", "-H", "Expect: 100-continue"), ("--data-binary", f"@{path}", "-H", "Expect:")):
            rc, out, err = curl(*tunnel, *how, "http://127.0.0.1:8000/up")
            same((rc, err, out), (0, "", digest(data)), f"{tunnel} {how}")


@case
def curl_keeps_one_connection_for_several_hosts():
    web(8000)
    web(8001)
    web(8002, "::1")
    gost = Gostbpf(*HTTP)
    urls = [f"http://{host}/{i}" for i in range(1, 8) for host in ("127.0.0.1:8000", "127.0.0.1:8001", "[::1]:8002")]
    rc, out, err = curl("-w", "|%{num_connects}\n", *urls)
    got = out.decode().splitlines()
    same((rc, err), (0, ""), "curl")
    same([g.split("|")[0] for g in got], [pattern(int(u.rsplit("/", 1)[1])).decode() for u in urls], "bodies")
    same(sum(int(g.split("|")[1]) for g in got), 1, "connections to the proxy")
    same(len(gost.closed()), 1, "sessions")
    same(sum(" <-> " in r["msg"] for r in gost.log()), len(urls), "records of requests")


@case
def curl_over_ipv6_and_with_credentials():
    web(8000, "::1")
    Gostbpf("-L", "http://user:p%40ss@[::1]:8080")
    for tunnel in ((), ("-p",)):
        rc, out, err = curl(*tunnel, "http://[::1]:8000/10", proxy="http://user:p%40ss@[::1]:8080")
        same((rc, err, out), (0, "", pattern(10)), "right password")
        rc, out, err = curl(*tunnel, "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", "http://[::1]:8000/10",
                            proxy="http://user:wrong@[::1]:8080")
        check(b"407" in out, f"wrong password: {rc} {out} {err}")


@case
def curl_is_told_that_a_target_is_not_there():
    Gostbpf(*HTTP)
    same(curl("-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8999/")[1], b"503", "request")
    rc, out, _ = curl("-p", "-o", "/dev/null", "-w", "%{http_connect}", "http://127.0.0.1:8999/")
    same((rc, out), (56, b"503"), "tunnel")


def check_with_curl(tunnel, *how, proxy="http://127.0.0.1:8080"):
    """Downloads in both framings, an upload, and several requests on one connection."""
    path, data = a_file(2 * MIB + 5)
    for url in ("/3000000", "/chunked/3000000"):
        rc, out, err = curl(*how, *tunnel, f"http://127.0.0.1:8000{url}", proxy=proxy)
        same((rc, err, digest(out)), (0, "", digest(pattern(3000000))), f"{tunnel} {url}")
    rc, out, err = curl(*how, *tunnel, "--data-binary", f"@{path}", "http://127.0.0.1:8000/up", proxy=proxy)
    same((rc, err, out), (0, "", digest(data)), f"{tunnel}, upload")
    rc, out, err = curl(*how, *tunnel, *[f"http://127.0.0.1:8000/{n}" for n in (5, 50000, 7)], proxy=proxy)
    same((rc, err, out), (0, "", pattern(5) + pattern(50000) + pattern(7)), f"{tunnel}, several")


@case
def curl_to_a_proxy_that_speaks_tls():
    web(8000)
    gost = Gostbpf("-L", f"https://127.0.0.1:8080?{tls_peer.pair('good')}")
    for tunnel in ((), ("-p",)):
        check_with_curl(tunnel, "--proxy-cacert", tls_peer.certificates().path("ca.pem"), proxy="https://127.0.0.1:8080")
    same({r["reason"] for r in gost.closed(8)}, {"client-eof"}, "reasons")


@case
def curl_through_a_chain():
    web(8000)
    second = Gostbpf("-L", "http://u:p@127.0.0.1:8081?proxyProtocol=1")
    first = Gostbpf(*HTTP, "-F", "http://u:p@127.0.0.1:8081?proxyProtocol=2")
    for tunnel in ((), ("-p",)):
        check_with_curl(tunnel)
    clients = {r["client"] for r in first.closed(8)}
    check({r["client"] for r in second.closed(8)} == clients, "the second proxy knows the clients of the first")


# --- websockets ---
def open_websocket(talk, target):
    key = base64.b64encode(os.urandom(16))
    talk.say(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    head = read_head(talk.sock)
    accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
    check(head.startswith(b"HTTP/1.1 101 ") and accept in head, f"{head}")


def send_frame(talk, data):
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(data) // 4 + 1))[:len(data)], "big")
    masked = (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")
    size = struct.pack(">BQ", 0xff, len(data)) if len(data) > 65535 else struct.pack(">BH", 0xfe, len(data))
    talk.say(b"\x82" + size + mask + masked)


def recv_frame(talk):
    first, size = recv_exact(talk.sock, 2)
    same(first, 0x82, "opcode")
    if size > 125:
        size = int.from_bytes(recv_exact(talk.sock, 2 if size == 126 else 8), "big")
    return recv_exact(talk.sock, size)


@case(engines=lib.ENGINES)
def a_websocket_through_both_ways(engine):
    websocket_server()
    Gostbpf("-engine", engine, *HTTP)
    for tunnel in (False, True):
        talk = Talk()
        if tunnel:
            talk.tunnel("127.0.0.1:8000")
        open_websocket(talk, b"/" if tunnel else b"http://127.0.0.1:8000/")
        for size in (200, 70000, 2 * MIB):
            data = os.urandom(size)
            send_frame(talk, data)
            check(recv_frame(talk) == data, f"echo of {size} bytes, tunnel: {tunnel}")
        talk.sock.close()


# --- a browser ---
@case(limit=90)
def a_browser_loads_a_page():
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        lib.skip("no chromium")
    web(8000)
    gost = Gostbpf(*HTTP)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(sandbox.in_netns(None, [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={home}",
            "--proxy-bypass-list=<-loopback>", "--proxy-server=http://127.0.0.1:8080", "--dump-dom", "http://127.0.0.1:8000/page"]),
            check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=80 * lib.SLOW,
            env={**os.environ, "HOME": home})
    check("hello from 127.0.0.1:8000" in done.stdout, f"{done.returncode}: {done.stdout[-300:]} {done.stderr[-800:]}")
    check(any(r.get("host") == "127.0.0.1:8000" and " <-> " in r["msg"] for r in gost.log()), "the page came through the proxy")


if __name__ == "__main__":
    lib.main("http_peers")
