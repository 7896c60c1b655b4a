#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SOCKS with real programs on the other side: ssh through nc and socat, a browser; microsocks and dante as hops of a chain."""
import hashlib
import os
import socket
import subprocess
import threading

import lib
from lib import Gostbpf, Server, case, check, connect, echo_server, recv_exact, same, spawn
from programs import need, sshd
from socks_world import UDP, connect4, connect5, open5, open_port

ALL = ("-L", "socks5://127.0.0.1:1080", "-L", "socks4a://127.0.0.1:1081", "-L", ":8080")
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--proxy-bypass-list=<-loopback>")


WAYS = {"socks5": "nc -X 5 -x 127.0.0.1:1080 %h %p", "socks4": "nc -X 4 -x 127.0.0.1:1081 %h %p",
        "auto, socks5": "nc -X 5 -x 127.0.0.1:8080 %h %p", "auto, socks4": "nc -X 4 -x 127.0.0.1:8080 %h %p",
        "socks4a": "socat STDIO SOCKS4A:127.0.0.1:localhost:%p,socksport=1081"}


@case(limit=120)
def ssh_through_each():
    """The server speaks first; the checksum of what went there and came back is compared."""
    need("nc", "socat")
    options = sshd()
    gost = Gostbpf(*ALL)
    data = os.urandom(3 << 20)
    for name, command in WAYS.items():
        done = subprocess.run(["ssh", *options, "-o", f"ProxyCommand={command}", "root@127.0.0.1", "cat"], input=data, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30 * lib.SLOW)
        same(done.returncode, 0, f"{name}: status of ssh ({done.stderr.decode()[-300:]})")
        check(done.stdout == data, f"{name}: other bytes came back")
    gost.closed(len(WAYS))


def page_server(port):
    """A page whose script fetches a second resource, so that the browser needs more than one request."""
    page = (b"<html><body><p id=a>page</p><script>fetch('/second').then(r=>r.text()).then(t=>document.getElementById('a')"
            b".textContent=t)</script></body></html>")

    def serve(sock):
        data = b""
        while part := sock.recv(65536):
            data += part
            while b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                body = b"second resource" if b"/second" in head.split(b"\r\n")[0] else page
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return Server(port, serve)


@case(limit=120)
def a_browser():
    need("chromium")
    page_server(8000)
    gost = Gostbpf(*ALL)
    for i, port in enumerate((1080, 8080)):
        done = subprocess.run(["chromium", *CHROMIUM, f"--proxy-server=socks5://127.0.0.1:{port}", f"--user-data-dir={lib.tmp()}/c{i}",
                               "--virtual-time-budget=5000", "--dump-dom", "http://127.0.0.1:8000/"], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=50 * lib.SLOW, env=dict(os.environ, HOME=str(lib.tmp())))
        check("second resource</p>" in done.stdout, f"the page: {done.stdout[:300]!r} {done.stderr[-300:]}")
    handlers = {r["handler"] for r in gost.closed(2, 20)}
    same(handlers, {"socks5"}, "handlers")


# --- hops ---
def microsocks(port, *more):
    need("microsocks")
    return spawn("microsocks", "-i", "127.0.0.1", "-p", port, *more, wait=port)


def dante(port):
    """SOCKS4, 4a and 5 without a password; refuses port 8009."""
    need("danted")
    conf = lib.tmp() / "danted.conf"
    conf.write_text(f"""errorlog: stderr
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks block {{ from: 0/0 to: 0/0 port = 8009 }}
socks pass {{ from: 0/0 to: 0/0 }}
""")
    return spawn("danted", "-f", conf, wait=port)


def exchange(sock, data):
    """Sends data; the same must come back (microsocks takes the end of one side for the end of both, so none is sent)."""
    sender = threading.Thread(target=lambda: sock.sendall(data))
    sender.start()
    same(hashlib.sha256(recv_exact(sock, len(data))).hexdigest(), hashlib.sha256(data).hexdigest(), "what came back")
    sender.join()
    sock.close()


def through_a_hop(node, port, names=True):
    """A forwarder's target and targets that clients name, all by way of the node."""
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "-L", "socks5://127.0.0.1:1090?udp=true",
                   "-L", "socks4://127.0.0.1:1091", "-F", node, services=3)
    data = os.urandom(1 << 20)
    exchange(connect(8080), data)
    for host in ("127.0.0.1", "localhost") if names else ("127.0.0.1",):
        exchange(connect5(1090, host, 8000), data)
        exchange(connect4(1091, host, 8000), data)
    for record in gost.closed(5 if names else 3):
        same(record["dst"], f"127.0.0.1:{port}", "where we are connected to")
    sock, code, _ = open5(1090, "127.0.0.1", open_port())
    same(code, 3, "reply when the hop cannot reach the target")
    same(lib.ending(sock), "eof", "end")
    sock, code, _ = open5(1090, "0.0.0.0", 0, command=UDP)
    same(code, 1, "UDP through a hop that cannot carry it: it does not go round the chain")
    return gost


@case
def microsocks_as_a_hop():
    microsocks(1080)
    echo_server(8000)
    through_a_hop("socks5://127.0.0.1:1080?notls=true", 1080)


@case
def microsocks_with_a_password():
    microsocks(1080, "-u", "joe", "-P", "secret")
    echo_server(8000)
    gost = through_a_hop("socks5://joe:secret@127.0.0.1:1080", 1080)
    same(gost.stop(), 0, "exit status")
    for wrong in ("joe:other@", ""):
        gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "-F", f"socks5://{wrong}127.0.0.1:1080")
        same(lib.connect_and_end(8080), "reset", "end")
        same(gost.stop(), 0, "exit status")


@case
def dante_as_a_hop():
    """Dante 1.4 does not know 4a: numeric targets only, with disable4a."""
    dante(1080)
    echo_server(8000)
    for node in ("socks5://127.0.0.1:1080", "socks4://127.0.0.1:1080?disable4a=true"):
        gost = through_a_hop(node, 1080, names="socks5" in node)
        sock, code, _ = open5(1090, "127.0.0.1", 8009)
        same(code, 3, "reply when the hop does not allow it")
        sock.close()
        same(gost.stop(), 0, "exit status")


if __name__ == "__main__":
    lib.main("socks_peers")
