#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS behind every handler, and on any one hop of a chain."""
import lib
import tls_peer
from lib import Gostbpf, case, check, gostbpf_fails, same
from tls_peer import BIG, authority, certificates, exchange, pair


def chain_of(scheme, *hops, query=""):
    """A server with that handler behind TLS, a client-side gostbpf that goes through it: their two processes."""
    lib.echo_server(8000)
    inner = Gostbpf("-L", f"{scheme}+tls://:8443?{pair('good')}")
    flags = [word for hop in hops for word in ("-F", hop)]
    return inner, Gostbpf("-L", f"tcp://:8080/127.0.0.1:8000{query}", *flags)


@case(limit=120)
def every_handler_behind_tls():
    for scheme in ("http", "socks4", "socks5", "auto"):
        connector = "socks5" if scheme == "auto" else scheme
        inner, outer = chain_of(scheme, f"{connector}+tls://localhost:8443?{authority()}")
        check(exchange(lib.connect(8080), BIG[:1 << 20]) == BIG[:1 << 20], f"{scheme}: content")
        same((inner.closed()[0]["tls"], outer.closed()[0]["tls"]), ("client", "upstream"), "tls in the closing records")
        for gost in (outer, inner):
            gost.no_leak()
            same(gost.stop(), 0, "exit status")
        lib._running.close_sockets()  # pylint: disable=protected-access


@case
def a_refusal_behind_tls_ends_in_order():
    """The proxy's answer and close_notify arrive before the end."""
    gost = Gostbpf("-L", f"http+tls://u:p@:8443?{pair('good')}")
    client = tls_peer.connect(8443)
    client.sendall(b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.recv_to_end()
    check(answer.startswith(b"HTTP/1.1 407 "), f"answer: {answer!r}")
    client.say_end()
    gost.closed()


@case
def curl_through_an_https_proxy():
    lib.http_server(8000)
    gost = Gostbpf("-L", f"https://:8443?{pair('good')}")
    for flags in ((), ("--proxytunnel",)):
        rc, out, err = lib.run("curl", "-sS", "-m", 10, "--proxy", "https://localhost:8443", "--proxy-cacert",
                               certificates().path("ca.pem"), *flags, "http://127.0.0.1:8000/")
        same((rc, out), (0, "ok\n"), f"curl {flags}: {err}")
    gost.closed(2)


@case
def tls_on_the_second_hop():
    """The handshake goes through the first hop's tunnel; what the first answered early is not lost."""
    lib.echo_server(8000)
    last = Gostbpf("-L", f"socks5+tls://:8443?{pair('good')}&proxyProtocol=1&proxyProtocol.policy=require")
    first = Gostbpf("-L", "http://:3128")
    outer = Gostbpf("-L", "tcp://:8080/127.0.0.1:8000", "-F", "http://127.0.0.1:3128", "-F",
                    f"socks5+tls://localhost:8443?{authority()}&proxyProtocol=2")
    client = lib.connect(8080)
    at = client.getsockname()
    check(exchange(client, BIG[:1 << 20]) == BIG[:1 << 20], "content")
    same(last.closed()[0]["client"], f"127.0.0.1:{at[1]}", "the last hop knows the client")
    same((first.closed()[0].get("tls"), outer.closed()[0]["tls"]), (None, "upstream"), "who speaks TLS")


@case
def a_server_that_speaks_first_through_a_tls_hop():
    lib.name_server(8000, "hello from the server")
    Gostbpf("-L", f"socks5+tls://:8443?{pair('good')}")
    Gostbpf("-L", "tcp://:8080/127.0.0.1:8000", "-F", f"socks5+tls://localhost:8443?{authority()}")
    same(lib.recv_to_end(lib.connect(8080)), b"hello from the server", "greeting")


@case
def another_node_when_one_is_not_believed():
    lib.echo_server(8000)
    Gostbpf("-L", f"socks5+tls://:8443?{pair('other')}")
    Gostbpf("-L", f"socks5+tls://:8444?{pair('good')}")
    config = lib.tmp() / "g.yml"
    config.write_text(f"""
services:
- name: s
  addr: ":8080"
  handler: {{type: tcp, chain: c}}
  listener: {{type: tcp}}
  forwarder: {{nodes: [{{name: t, addr: "127.0.0.1:8000"}}]}}
chains:
- name: c
  hops:
  - name: h
    selector: {{strategy: fifo, maxFails: 1, failTimeout: 60s}}
    nodes:
    - name: wrong
      addr: 127.0.0.1:8443
      connector: {{type: socks5}}
      dialer: {{type: tls, tls: {{caFile: {certificates().path('ca.pem')}}}}}
    - name: right
      addr: 127.0.0.1:8444
      connector: {{type: socks5}}
      dialer: {{type: tls, tls: {{caFile: {certificates().path('ca.pem')}, serverName: localhost}}}}
""")
    gost = Gostbpf("-C", config, services=1)
    check(exchange(lib.connect(8080), b"abc") == b"abc", "content")
    gost.wait_log(lambda r: "wrong@127.0.0.1:8443: TLS handshake as 127.0.0.1: certificate: IP address mismatch" in r["msg"],
                  "a record about the first")


@case
def a_reverse_tunnel_through_tls():
    """Visitors come to the far end; their streams share one TLS connection."""
    server = lib.Server(8000, lambda sock: (lib.recv_header(sock)[0]["src"], lib.echo(sock))[0])
    far = Gostbpf("-L", f"relay+tls://:8443?{pair('good')}&bind=true")
    near = Gostbpf("-L", "rtcp://:9000/127.0.0.1:8000?handler.proxyProtocol=2", "-F", f"relay+tls://localhost:8443?{authority()}",
                   services=0)
    lib.wait_listening(9000)
    visitors = [lib.connect(9000, source=(f"127.0.0.{i}", 0)) for i in range(2, 6)]
    for v in visitors:
        check(exchange(v, BIG[:1 << 20]) == BIG[:1 << 20], "content")
    same(sorted(server.result() for _ in visitors), [f"127.0.0.{i}" for i in range(2, 6)], "who the target is told")
    near.closed(4)
    same(near.stop(), 0, "exit status")
    lib.until(lambda: not lib.listening(9000), "the port goes with the tunnel")
    lib.until(lambda: any(r.get("tls") == "client" for r in far.log()), "a record of the tunnel's connection")


@case
def one_hop_with_tls_is_enough():
    err = gostbpf_fails("-L", "tcp://:8080/:80", "-F", "socks5+tls://a.example:1", "-F", "socks5+tls://b.example:1")
    check("only one hop of a chain can use TLS" in err, err)


if __name__ == "__main__":
    lib.main("tls_chain")
