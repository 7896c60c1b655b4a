#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS as a listener and on a hop: content, half-close, truncation, whom is believed, handshakes that go wrong."""
import contextlib
import socket
import ssl
import subprocess
import threading
import time

import lib
import tls_peer
from lib import ENGINES, Gostbpf, case, check, curl, gostbpf_fails, same
from tls_peer import BIG, TlsPeer, authority, certificates, client_context, exchange, pair, server_context, tls_server


def listener(target=8000, query="", handler="tls"):
    return f"{handler}://:8443/127.0.0.1:{target}?{pair('good')}{query}"


@case(engines=ENGINES)
def listener_content_and_ends(engine):
    lib.echo_server(8000)
    gost = Gostbpf("-engine", engine, "-L", listener())
    client = tls_peer.connect(8443)
    check(exchange(client, BIG) == BIG, "the payload came back changed")
    record = gost.closed()[0]
    same((record["inputBytes"], record["outputBytes"], record["engine"], record["tls"], record["reason"]),
         (len(BIG), len(BIG), "copy", "client", "client-eof"), "closing record")


@case(engines=ENGINES)
def dialer_content_and_ends(engine):
    tls_server(9443, tls_peer.echo)
    gost = Gostbpf("-engine", engine, "-L", "tcp://:8080", "-F", f"forward+tls://localhost:9443?{authority()}")
    check(exchange(lib.connect(8080), BIG) == BIG, "the payload came back changed")
    record = gost.closed()[0]
    same((record["inputBytes"], record["outputBytes"], record["engine"], record["tls"], record["reason"]),
         (len(BIG), len(BIG), "copy", "upstream", "client-eof"), "closing record")


@case
def both_sides_and_versions():
    for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server = tls_server(9443, tls_peer.echo, server_context(maximum=maximum))
        gost = Gostbpf("-L", listener(1), "-F", f"forward+tls://127.0.0.1:9443?{authority()}")
        client = tls_peer.connect(8443, client_context(maximum))
        same(client.tls.version(), maximum.name.replace("v1_", "v1."), "version")
        check(exchange(client, BIG[:1 << 20]) == BIG[:1 << 20], "the payload came back changed")
        same(gost.closed()[0]["tls"], "client,upstream", "tls in the closing record")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def old_versions_are_refused():
    gost = Gostbpf("-L", listener(1))
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:8443", "-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
                          input=b"", capture_output=True, check=False, timeout=20)
    check(done.returncode != 0, "TLS 1.1 is refused")
    gost.reasons("tls-handshake")


@case
def each_flow_ends_on_its_own():
    """The client ends; the server answers for a while yet. And the other way round."""
    up = lib.Upstream(8000)
    Gostbpf("-L", listener())
    client = tls_peer.connect(8443)
    client.sendall(b"question")
    client.say_end()
    server = up.accept()
    same(lib.recv_to_end(server), b"question", "the server has everything, and the end")
    server.sendall(BIG[:1 << 18])
    same(client.recv_exact(1 << 18), BIG[:1 << 18], "half-closed, the client still hears")
    server.sendall(b"last words")
    server.close()
    same((client.recv_to_end(), client.ending()), (b"last words", "eof"), "then close_notify")

    client = tls_peer.connect(8443)
    server = up.accept()
    server.sendall(b"greeting")
    server.shutdown(socket.SHUT_WR)
    same(client.recv_to_end(), b"greeting", "the server ended first, with close_notify for the client")
    client.sendall(BIG[:1 << 18])
    same(lib.recv_exact(server, 1 << 18), BIG[:1 << 18], "the server still hears")
    client.say_end()
    same(lib.ending(server), "eof", "end")


@case
def a_missing_close_notify_is_a_reset():
    up = lib.Upstream(8000)
    gost = Gostbpf("-L", listener())
    client = tls_peer.connect(8443)
    client.sendall(b"half of it")
    server = up.accept()
    same(lib.recv_exact(server, 10), b"half of it", "payload")
    client.sock.shutdown(socket.SHUT_WR)  # a FIN; TLS was not told
    same(lib.ending(server), "reset", "the server")
    record = gost.closed()[0]
    same((record["reason"], record["tlsClientError"]), ("reset-by-client", "the end came without close_notify"), "record")

    client = tls_peer.connect(8443)
    server = up.accept()
    server.sendall(b"half of it")
    same(client.recv_exact(10), b"half of it", "payload")
    lib.reset(server)
    check(client.ending() in ("reset", "truncated"), "the server's reset is no end for the client")
    same(gost.closed(2)[1]["reason"], "reset-by-upstream", "reason")


@case
def a_truncated_server_is_a_reset():
    peers = []
    tls_server(9443, lambda peer: peers.append(peer) or peer.sendall(b"half of it") or time.sleep(0.2)
               or peer.sock.shutdown(socket.SHUT_RDWR))
    gost = Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://localhost:9443?{authority()}")
    client = lib.connect(8080)
    same(lib.recv_exact(client, 10), b"half of it", "payload")
    same(lib.ending(client), "reset", "the client")
    record = gost.closed()[0]
    same((record["reason"], record["tlsUpstreamError"]), ("reset-by-upstream", "the end came without close_notify"), "record")


@case
def a_changed_record_ends_the_session():
    """One bit of the ciphertext differs: nothing of it may reach the server."""
    up = lib.Upstream(8000)
    gost = Gostbpf("-L", listener())
    client = tls_peer.connect(8443)
    server = up.accept()
    client.tls.write(b"payload that somebody changes")
    record = bytearray(client.outgoing.read())
    record[-1] ^= 1
    client.sock.sendall(record)
    same(lib.ending(server), "reset", "the server")
    closed = gost.closed()[0]
    check(closed["inputBytes"] == 0 and "bad record mac" in closed["tlsClientError"], f"record: {closed}")


@case
def back_pressure():
    """A server that does not read stops the client; nothing is lost when it reads again."""
    up = lib.Upstream(8000, rcvbuf=65536)
    gost = Gostbpf("-L", listener())
    client = tls_peer.connect(8443)
    server = up.accept()
    client.sock.settimeout(1)
    sent = 0
    try:
        while sent < 256 << 20:
            client.tls.write(bytes([sent >> 14 & 0xff]) * (1 << 14))
            client.sock.sendall(client.outgoing.read())
            sent += 1 << 14
    except TimeoutError:
        pass
    check(sent < 64 << 20, f"the client could send {sent} bytes to somebody who does not read")
    with open(f"/proc/{gost.proc.pid}/status", encoding="ascii") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    check(rss < (300 if lib.SANITIZED else 100) << 10, f"memory: {rss} KiB")
    client.sock.close()  # in the middle of a record
    data = bytearray()
    try:
        while part := server.recv(1 << 16):
            data += part
        ended = "eof"
    except ConnectionError:
        ended = "reset"
    check(all(data[i] == i >> 14 & 0xff for i in range(0, len(data), 511)), "what came is what was sent")
    same(ended, "reset", "how it ended for the server")


@case
def key_updates():
    lib.echo_server(8000)
    Gostbpf("-L", listener())
    p = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:8443", "-tls1_3", "-CAfile", certificates().path("ca.pem")],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    lib._running.processes.append(p)  # pylint: disable=protected-access

    def talk(line, answer):
        p.stdin.write(line)
        while answer not in (got := p.stdout.readline()):
            check(got, f"s_client has ended before {answer!r}")

    talk(b"first\n", b"first")
    for i in range(5):
        talk(b"K\n", b"KEYUPDATE")
        talk(b"after %d\n" % i, b"after %d" % i)
    p.stdin.close()
    p.wait(10)


# --- whom is believed ---------------------------------------------------------------------------------------------------
@case
def servers_that_are_not_believed():
    for name, host, words in (("other", "localhost", "hostname mismatch"), ("other", "127.0.0.1", "IP address mismatch"),
                              ("old", "localhost", "certificate has expired"), ("alone", "localhost", "self-signed certificate")):
        server = tls_server(9443, tls_peer.echo, server_context(name))
        gost = Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://{host}:9443?{authority()}")
        same(lib.connect_and_end(8080, b"secret"), "reset", f"{name}: the client")
        record = gost.wait_log(lambda r: "TLS handshake as" in r["msg"], "a record that says why")
        check(words in record["msg"] and f"TLS handshake as {host}: " in record["msg"], f"{name}: {record['msg']}")
        check(isinstance(server.result(), (ssl.SSLError, OSError)), f"{name}: the server got nothing")
        same(gost.closed()[0]["reason"], "dial-failed", "reason")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def system_authorities_are_the_default():
    tls_server(9443, tls_peer.echo)
    gost = Gostbpf("-L", "tcp://:8080", "-F", "forward+tls://localhost:9443")
    same(lib.connect_and_end(8080, b"secret"), "reset", "the test's authority is none of the system's")
    gost.wait_log(lambda r: "unable to get local issuer certificate" in r["msg"], "a record that says why")
    check(not any("not verified" in r["msg"] for r in gost.log()), "no warning where there is no reason")


@case
def verification_can_be_turned_off():
    tls_server(9443, tls_peer.echo, server_context("other"))
    gost = Gostbpf("-L", "tcp://:8080", "-F", "forward+tls://localhost:9443?secure=false")
    check(exchange(lib.connect(8080), b"abc") == b"abc", "content")
    warned = [r for r in gost.log() if "is not verified" in r["msg"]]
    same([r["level"] for r in warned], ["warning"], "one warning")


@case
def another_name_can_be_asked_for():
    names = []

    def remember(_, name, __):
        names.append(name)

    context = server_context("other")
    context.sni_callback = remember
    tls_server(9443, tls_peer.echo, context)
    Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://127.0.0.1:9443?{authority()}&serverName=other.example")
    check(exchange(lib.connect(8080), b"abc") == b"abc", "content")
    same(names, ["other.example"], "the server is asked for (SNI)")


@case
def addresses_are_not_asked_for_by_name():
    names = []
    context = server_context()
    context.sni_callback = lambda _, name, __: names.append(name)
    tls_server(9443, tls_peer.echo, context)
    Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://127.0.0.1:9443?{authority()}")
    check(exchange(lib.connect(8080), b"abc") == b"abc", "content")
    same(names, [None], "no SNI for an address")


@case
def clients_that_must_show_a_certificate():
    lib.echo_server(8000)
    gost = Gostbpf("-L", listener(query="&" + authority()))
    context = client_context()
    context.load_cert_chain(certificates().path("client.pem"), certificates().path("client.key"))
    check(exchange(tls_peer.connect(8443, context), b"abc") == b"abc", "with one")
    try:
        client = tls_peer.connect(8443)
        check(client.ending() == "reset", "without one")
    except (ssl.SSLError, ConnectionError):
        pass
    record = gost.reasons("tls-handshake")[0]
    check("peer did not return a certificate" in record["msg"], record["msg"])


@case
def our_certificate_for_a_server_that_asks():
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates().path("ca.pem"))
    tls_server(9443, tls_peer.echo, context)
    Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://localhost:9443?{authority()}&{pair('client')}")
    check(exchange(lib.connect(8080), b"abc") == b"abc", "content")


# --- handshakes that go wrong --------------------------------------------------------------------------------------------
@case
def garbage():
    up = lib.Upstream(8000)
    gost = Gostbpf("-L", listener())
    for i, (data, words) in enumerate(((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request"), (b"\0" * 100, "TLS handshake"),
                                       (b"\x16\x03\x01\xff\xff" + b"a" * 100, "TLS handshake"), (bytes(range(256)) * 300, "TLS handshake"))):
        same(lib.connect_and_end(8443, data), "reset", "the client")
        record = gost.reasons("tls-handshake", i + 1)[i]
        check(words in record["msg"], f"{data[:20]!r}: {record['msg']}")
    check(up.nobody(), "nobody bothered the server")
    same(len([r for r in gost.log() if r.get("kind") == "handler"]), 4, "one record for each")


@case
def every_truncation_of_a_hello():
    up = lib.Upstream(8000)
    gost = Gostbpf("-L", listener())
    hello = TlsPeer(None, client_context(), handshake=False).first_flight()
    for n in [*range(0, 60), *range(60, len(hello), 37)]:
        sock = lib.connect(8443)
        sock.sendall(hello[:n])
        sock.shutdown(socket.SHUT_WR)
        ended = lib.ending(sock)
        same(ended, "reset" if n else "eof", f"after {n} bytes")
        sock.close()
    check(up.nobody(), "nobody bothered the server")
    gost.no_leak()


@case
def slow_handshakes():
    lib.echo_server(8000)
    gost = Gostbpf("-L", listener(query="&readTimeout=1s"))
    silent, half = lib.connect(8443), lib.connect(8443)
    hello = TlsPeer(None, client_context(), handshake=False).first_flight()
    half.sendall(hello[:-1])
    start = time.monotonic()
    same((lib.ending(silent), lib.ending(half)), ("reset", "reset"), "who says nothing, and who never finishes")
    check(0.5 < time.monotonic() - start < 9, f"after {time.monotonic() - start:.1f} s")
    gost.reasons("tls-timeout", 2)
    busy, start = lib.connect(8443), time.monotonic()
    try:
        for byte in hello[:-1]:
            busy.sendall(bytes([byte]))
            time.sleep(0.02)
    except ConnectionError:
        pass
    check(0.5 < time.monotonic() - start < 9, f"a byte now and then: after {time.monotonic() - start:.1f} s")
    gost.reasons("tls-timeout", 3)


@case
def byte_by_byte():
    """Nothing depends on how the handshake is cut."""
    lib.echo_server(8000)
    Gostbpf("-L", listener(query="&proxyProtocol=1"))
    sock = lib.connect(8443)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    class Dripping:
        recv = sock.recv

        @staticmethod
        def sendall(data):
            for byte in data:
                sock.send(bytes([byte]))

    Dripping.sendall(lib.v1("192.0.2.7", 4711, "192.0.2.8", 443))
    client = TlsPeer(Dripping, client_context())
    check(exchange(client, b"abc" * 100) == b"abc" * 100, "content")


@case
def a_target_that_is_no_tls_server():
    lib.name_server(9443, "hello")
    gost = Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://localhost:9443?{authority()}")
    same(lib.connect_and_end(8080, b"secret"), "reset", "the client")
    gost.wait_log(lambda r: "TLS handshake as localhost: wrong version number" in r["msg"], "a record that says why")


@case
def a_server_that_never_answers():
    up = lib.Upstream(9443)
    gost = Gostbpf("-L", "tcp://:8080?dialTimeout=1s", "-F", f"forward+tls://localhost:9443?{authority()}")
    same(lib.connect_and_end(8080, b"secret"), "reset", "the client")
    check(b"secret" not in up.accept().recv(1 << 16), "no payload in the clear")
    gost.wait_log(lambda r: "i/o timeout" in r["msg"], "a timeout")


# --- PROXY headers -------------------------------------------------------------------------------------------------------
@case
def a_proxy_header_comes_before_tls():
    server = lib.http_server(8000, proxy=True)
    gost = Gostbpf("-L", listener(query="&proxyProtocol=1&handler.proxyProtocol=2"))
    for header in (lib.v1("192.0.2.7", 4711, "192.0.2.8", 443), lib.v2("192.0.2.7", 4711, "192.0.2.8", 443)):
        sock = lib.connect(8443)
        hello = TlsPeer(sock, client_context(), handshake=False)
        sock.sendall(header + hello.first_flight())  # one segment: the hello is read with the header
        hello.run(hello.tls.do_handshake)
        hello.sendall(b"GET / HTTP/1.0\r\n\r\n")
        check(hello.recv_to_end().endswith(b"\r\n\r\nok\n"), "answer")
        seen, request = server.result()
        same((lib.endpoints(seen), request), (("192.0.2.7", 4711, "192.0.2.8", 443), b"GET / HTTP/1.0\r\n\r\n"), "what the server got")
        hello.say_end()
    for record in gost.closed(2):
        same((record["client"], record["inputBytes"]), ("192.0.2.7:4711", 18), "closing record")


@case
def a_header_for_a_tls_hop_comes_before_tls_too():
    lib.echo_server(8000)
    inner = Gostbpf("-L", listener(query="&proxyProtocol=1&proxyProtocol.policy=require"))
    outer = Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://localhost:8443?{authority()}&proxyProtocol=1")
    client = lib.connect(8080)
    at = client.getsockname()
    check(exchange(client, b"abc") == b"abc", "content")
    same(inner.closed()[0]["client"], f"127.0.0.1:{at[1]}", "the inner one knows the client")
    outer.closed()


# --- other programs ------------------------------------------------------------------------------------------------------
@case
def curl_and_http():
    lib.http_server(8000)
    gost = Gostbpf("-L", listener())
    for version in ("--tlsv1.2", "--tlsv1.3"):
        rc, out, err = curl(version, "--cacert", certificates().path("ca.pem"), "https://localhost:8443/")
        same((rc, out), (0, "ok\n"), f"curl {version}: {err}")
    rc, _, _ = curl("https://localhost:8443/")
    same(rc, 60, "curl does not believe without the authority")
    check(all(r["reason"].endswith("-eof") for r in gost.closed(2)), "clean ends")


@case
def who_leaves_with_the_answer_has_ended_in_order():
    """Clients say close_notify and are gone when ours comes: their reset is about that, and no failure."""
    lib.http_server(8000)
    gost = Gostbpf("-L", listener())
    for i in range(60):
        client = tls_peer.connect(8443)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok\n"):
            answer += client.recv()
        with gost.paused() if i % 2 else contextlib.nullcontext():
            client.say_end()
            client.sock.close()
    reasons = {r["reason"] for r in gost.closed(60)}
    check(reasons <= {"client-eof", "upstream-eof"}, f"reasons: {reasons}")


@case
def haproxy_and_nginx_as_servers():
    tmp, cert = lib.tmp(), certificates()
    lib.http_server(8000)
    both = tmp / "both.pem"
    both.write_text(open(cert.path("good.pem"), encoding="ascii").read() + open(cert.path("good.key"), encoding="ascii").read())
    (tmp / "haproxy.cfg").write_text(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend f\n  bind 127.0.0.1:9443 ssl crt {both}\n  default_backend b\nbackend b\n  server s 127.0.0.1:8000\n")
    (tmp / "nginx.conf").write_text(
        f"daemon off;\npid {tmp}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {tmp};\n"
        f"  server {{ listen 127.0.0.1:9444 ssl; ssl_certificate {cert.path('good.pem')}; ssl_certificate_key {cert.path('good.key')};\n"
        "    location / { return 200 'ok\\n'; } } }\n")
    lib.spawn("haproxy", "-db", "-f", tmp / "haproxy.cfg", wait=9443)
    lib.spawn("nginx", "-e", "stderr", "-c", tmp / "nginx.conf", wait=9444)
    for port in (9443, 9444):
        gost = Gostbpf("-L", "tcp://:8080", "-F", f"forward+tls://localhost:{port}?{authority()}")
        rc, out, err = curl("-H", "Connection: close", "http://127.0.0.1:8080/")
        same((rc, out), (0, "ok\n"), f"port {port}: {err}")
        check(gost.closed()[0]["reason"].endswith("-eof"), f"a clean end: {gost.closed()[0]}")
        same(gost.stop(), 0, "exit status")


@case
def many_at_once():
    lib.echo_server(8000)
    gost = Gostbpf("-L", listener())
    failures = []

    def one(i):
        try:
            data = bytes([i]) * 50000
            if exchange(tls_peer.connect(8443), data) != data:
                failures.append(i)
        except Exception as err:  # pylint: disable=broad-except
            failures.append((i, err))

    for _ in range(4):
        threads = [threading.Thread(target=one, args=(i,)) for i in range(25)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    same(failures, [], "failures")
    gost.closed(100, 20)


# --- mistakes --------------------------------------------------------------------------------------------------------------
@case
def mistakes_are_found_at_the_start():
    good = certificates().path("good.pem")
    for argv, words in (
            (("-L", "tls://:8443/:80"), "listener tls: a certificate (certFile) and its key (keyFile) are needed"),
            (("-L", f"tls://:8443/:80?cert=/nowhere.pem&key={good}"), "certificate /nowhere.pem: No such file"),
            (("-L", f"tls://:8443/:80?cert={good}&key=/nowhere.pem"), "key /nowhere.pem: No such file"),
            (("-L", f"tls://:8443/:80?cert={good}&key={good}"), "key "),
            (("-L", f"tls://:8443/:80?cert={good}&key={certificates().path('ca.key')}"), "key"),
            (("-L", "tcp://:8080", "-F", "forward+tls://localhost:1?ca=/nowhere.pem"), "dialer tls: authorities /nowhere.pem: No such file"),
            (("-L", "tcp://:8080", "-F", "forward+tls://localhost:1?cert=/nowhere.pem&key=/nowhere.pem"), "dialer tls: certificate")):
        err = gostbpf_fails(*argv)
        check(words in err, f"{argv}: {err}")


if __name__ == "__main__":
    lib.main("tls")
