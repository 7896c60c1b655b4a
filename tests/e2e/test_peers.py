#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""PROXY headers between gostbpf and the real haproxy, nginx, varnish and curl, both ways, both versions, both families."""
import lib
from lib import Gostbpf, case, check, connect, curl, echo_server, endpoints, http_server, recv_exact, same, v1
from peers import haproxy, nginx, self_signed, varnish

FAMILIES = (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"))


def through(front, what):
    """A session from front into gostbpf, which receives and re-sends as v2 to an HTTP upstream that decodes."""
    for host, literal in FAMILIES:
        server = http_server(8000, proxy=True)
        gost = Gostbpf("-L", f"tcp://{literal}:8080/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=2")
        peer = front(host, literal)
        rc, out, err = curl(f"http://{literal}:8079/")
        same((rc, out), (0, "ok\n"), f"{what} over {host}: curl ({err})")
        header, _ = server.result()
        same((header["src"], header["dst"], header["dport"]), (host, host, 8079), f"{what} over {host}: header")
        record = gost.wait_log(lambda r: " <> " in r.get("msg", ""), "first record")
        same(record["client"], f"{literal}:{header['sport']}", f"{what}: client in the log")
        check(record["client"] != record["remote"], "remote is the peer")
        peer.terminate()
        peer.wait()
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def haproxy_sends_version_1():
    through(lambda host, lit: haproxy(f"  bind {lit if ':' in host else host}:8079\n  server s {lit}:8080 send-proxy", listen=8079), "send-proxy")


@case
def haproxy_sends_version_2():
    through(lambda host, lit: haproxy(f"  bind {lit}:8079\n  server s {lit}:8080 send-proxy-v2", listen=8079), "send-proxy-v2")


@case
def haproxy_sends_version_2_with_tlvs_and_checksum():
    through(lambda host, lit: haproxy(f"  unique-id-format %[uuid]\n  bind {lit}:8079\n  server s {lit}:8080 send-proxy-v2 "
                                      "proxy-v2-options crc32c,unique-id,authority", listen=8079), "crc32c,unique-id,authority")


@case
def nginx_sends_version_1():
    through(lambda host, lit: nginx(f"server {{ listen {lit}:8079; proxy_pass {lit}:8080; proxy_protocol on; }}", 8079), "nginx")


@case
def haproxy_health_checks_are_no_errors():
    """send-proxy-v2 checks come as LOCAL: accepted, and no client is invented."""
    echo_server(8000)
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1")
    haproxy("  bind 127.0.0.1:8079\n  server s 127.0.0.1:8080 send-proxy-v2 check inter 100ms", listen=8079)
    records = gost.wait_log(lambda r: " >< " in r.get("msg", ""), "a health check came") and gost.closed(3)
    check(all(r["client"] == r["remote"] for r in records), f"clients of LOCAL headers: {records}")
    check(not [r for r in gost.log() if "proxy-header" in r.get("reason", "")], "no header was refused")


def received_by_haproxy(version):
    for host, literal in FAMILIES:
        server = http_server(8000, proxy=True)
        haproxy(f"  bind {literal}:8001 accept-proxy\n  server s 127.0.0.1:8000 send-proxy-v2", listen=8001)
        gost = Gostbpf("-L", f"tcp://{literal}:8080/{literal}:8001?handler.proxyProtocol={version}")
        rc, out, err = curl(f"http://{literal}:8080/")
        same((rc, out), (0, "ok\n"), f"version {version} over {host}: curl ({err})")
        header, _ = server.result()
        same((header["src"], header["dst"], header["dport"]), (host, host, 8080), "what haproxy understood")
        same(gost.stop(), 0, "exit status")
        lib._running.processes[-1].kill()  # pylint: disable=protected-access
        lib._running.processes[-1].wait()  # pylint: disable=protected-access
        lib.close_socket(server.up.sock)


@case
def haproxy_receives_version_1():
    received_by_haproxy(1)


@case
def haproxy_receives_version_2():
    received_by_haproxy(2)


@case
def haproxy_receives_a_header_that_was_received():
    server = http_server(8000, proxy=True)
    haproxy("  bind 127.0.0.1:8001 accept-proxy\n  server s 127.0.0.1:8000 send-proxy-v2", listen=8001)
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8001?proxyProtocol=1&handler.proxyProtocol=2")
    client = connect(8080)
    client.sendall(v1("2001:db8::7", 40001, "2001:db8::9", 443) + b"GET / HTTP/1.0\r\n\r\n")
    check(recv_exact(client, 15) == b"HTTP/1.1 200 OK", "answer")
    same(endpoints(server.result()[0]), ("2001:db8::7", 40001, "2001:db8::9", 443), "what haproxy understood")


def received_by_nginx(version):
    for host, literal in FAMILIES:
        peer = nginx("", 8001, http=f"server {{ listen {literal}:8001 proxy_protocol; location / {{ return 200 "
                     '"$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port\\n"; } }')
        gost = Gostbpf("-L", f"tcp://{literal}:8080/{literal}:8001?handler.proxyProtocol={version}")
        rc, out, err = curl("-w", "%{local_port}", f"http://{literal}:8080/")
        same(rc, 0, f"version {version} over {host}: curl ({err})")
        text, port = out.split("\n")
        same(text, f"{host} {port} {host} 8080", "what nginx understood")
        peer.terminate()
        peer.wait()
        same(gost.stop(), 0, "exit status")


@case
def nginx_receives_version_1():
    received_by_nginx(1)


@case
def nginx_receives_version_2():
    received_by_nginx(2)


@case
def nginx_stream_receives_both_versions():
    for version in (1, 2):
        server = http_server(8000, proxy=True)
        peer = nginx("server { listen 127.0.0.1:8001 proxy_protocol; set_real_ip_from 127.0.0.1; proxy_pass 127.0.0.1:8000; "
                     "proxy_protocol on; }", 8001)
        gost = Gostbpf("-L", f"tcp://127.0.0.1:8080/127.0.0.1:8001?proxyProtocol=1&handler.proxyProtocol={version}")
        client = connect(8080)
        client.sendall(v1("192.0.2.7", 40001, "198.51.100.9", 443) + b"GET / HTTP/1.0\r\n\r\n")
        check(recv_exact(client, 15) == b"HTTP/1.1 200 OK", "answer")
        same(server.result()[0]["src"], "192.0.2.7", "the client that nginx understood (realip) and sent on")
        peer.terminate()
        peer.wait()
        client.close()
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def curl_sends_version_1():
    for host, literal in FAMILIES:
        server = http_server(8000, proxy=True)
        gost = Gostbpf("-L", f"tcp://{literal}:8080/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=1")
        rc, out, err = curl("--haproxy-protocol", f"http://{literal}:8080/")
        same((rc, out), (0, "ok\n"), f"curl ({err})")
        header, _ = server.result()
        same((header["version"], header["src"], header["dport"]), (1, host, 8080), "header")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def haproxy_sends_all_its_tlvs():
    """TLS in front: SSL with version, name, cipher and algorithms, AUTHORITY, ALPN, UNIQUE_ID and a checksum; all is passed on."""
    server = http_server(8000, proxy=True)
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1&proxyProtocol.crc32c=require&handler.proxyProtocol=2"
                   "&proxyProtocol.pass=all&proxyProtocol.sendCrc32c=true&proxyProtocol.logTLV=true")
    haproxy(f"  unique-id-format %[uuid]\n  bind 127.0.0.1:8079 ssl crt {self_signed()} alpn http/1.1\n"
            "  server s 127.0.0.1:8080 send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,"
            "unique-id", listen=8079)
    rc, out, err = curl("-k", "--resolve", "www.example.com:8079:127.0.0.1", "https://www.example.com:8079/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header, _ = server.result()
    same(header["tlvs"][0][0], 3, "a checksum, right, comes first")
    tlvs = dict(header["tlvs"][1:])
    same(sorted(tlvs), [1, 2, 5, 0x20], "types")
    same((bytes.fromhex(tlvs[2]), bytes.fromhex(tlvs[1])), (b"www.example.com", b"http/1.1"), "AUTHORITY and ALPN")
    check(b"TLSv1." in bytes.fromhex(tlvs[0x20]), "SSL names the version")
    record = gost.wait_log(lambda r: " <> " in r.get("msg", ""), "first record")
    same((record["proxyAuthority"], record["proxyUniqueId"]), ("www.example.com", bytes.fromhex(tlvs[5]).decode()), "in the log")


@case
def varnish_sends_both_versions():
    for version in (1, 2):
        for host in ("127.0.0.1", "::1"):
            server = http_server(8000, proxy=True)
            literal = f"[{host}]" if ":" in host else host
            gost = Gostbpf("-L", f"tcp://{literal}:8080/127.0.0.1:8000?proxyProtocol=1&proxyProtocol.policy=require&handler.proxyProtocol=2")
            peer = varnish(8079, backend=(host, 8080), version=version, host=host)
            rc, out, err = curl("-w", "%{local_port}", f"http://{literal}:8079/")
            same(rc, 0, f"version {version} over {host}: curl ({err})")
            header, _ = server.result()
            same((out, header["src"], header["dport"]), (f"ok\n{header['sport']}", host, 8079), f"version {version} over {host}: header")
            same(gost.wait_log(lambda r: " <> " in r.get("msg", ""), "first record")["proxyVersion"], version, "version")
            same(gost.stop(), 0, "exit status")
            peer.kill()
            peer.wait()
            lib.close_socket(server.up.sock)


@case
def varnish_receives_both_versions_and_tlvs():
    peers = [varnish(8001, receive=True), varnish(8002, receive=True, host="::1")]
    for query in ("1", "2", "2&proxyProtocol.sendCrc32c=true&proxyProtocol.add=AUTHORITY=www.example.com,UNIQUE_ID={unique-id}"):
        gost = Gostbpf("-L", f"tcp://127.0.0.1:8080/127.0.0.1:8001?handler.proxyProtocol={query}",
                       "-L", f"tcp://[::1]:8080/[::1]:8002?handler.proxyProtocol={query}", services=2)
        for host, literal in FAMILIES:
            rc, out, err = curl("-w", " %{local_port}", f"http://{literal}:8080/")
            same(rc, 0, f"{query} over {host}: curl ({err})")
            seen, port = out.rsplit(" ", 1)
            same(seen, f"{host} {port}", f"{query} over {host}: whom varnish takes for the client")
        same(gost.stop(), 0, "exit status")
    check(all(p.poll() is None for p in peers), "varnish runs")


if __name__ == "__main__":
    lib.main("peers")
