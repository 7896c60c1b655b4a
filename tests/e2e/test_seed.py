#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The documentation's PROXY protocol examples, exactly as typed: ports 8000 and 8080, example.com, 192.168.100.100.

The sandbox owns these addresses: 192.168.100.100 is this host, example.com is 198.18.0.80 by /etc/hosts.
"""
import lib
import sandbox
from lib import Gostbpf, case, check, curl, endpoints, gostbpf_fails, http_server, same

HOST = "192.168.100.100"
EXAMPLE = ("-L", "tcp://:8000/:8080", "-L", "tcp://:8080/example.com:80?proxyProtocol=1")


def world():
    sandbox.sh(f"ip addr replace {HOST}/32 dev lo; ip addr replace 198.18.0.80/32 dev lo")
    if "example.com" not in open("/etc/hosts", encoding="utf-8").read():
        sandbox.replace_file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n198.18.0.80 example.com\n")


def line_of(gost, service, sign):
    return gost.wait_log(lambda r: r.get("service") == service and f" {sign} " in r.get("msg", ""), f"{service} {sign}")


@case
def two_services_without_a_header():
    world()
    server = http_server(80, "198.18.0.80")
    gost = Gostbpf(*EXAMPLE)
    rc, out, err = curl("-HHost: example.com", f"http://{HOST}:8000")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    check(b"Host: example.com" in server.result()[1], "the request")
    record = line_of(gost, "service-1", "<>")
    same(record["client"], record["remote"], "client and remote")
    check(record["client"].startswith("127.0.0.1:"), f"client is 127.0.0.1, as documented: {record['client']}")
    same({k: record.get(k) for k in ("handler", "kind", "level", "listener", "local")},
         {"handler": "tcp", "kind": "handler", "level": "info", "listener": "tcp", "local": "127.0.0.1:8080"}, "record")
    same(record["msg"], f"{record['remote']} <> 127.0.0.1:8080", "msg")


@case
def two_services_with_haproxy_protocol():
    world()
    http_server(80, "198.18.0.80")
    gost = Gostbpf(*EXAMPLE)
    rc, out, err = curl("--haproxy-protocol", "-HHost:example.com", f"http://{HOST}:8000")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    first, second = line_of(gost, "service-0", "<>"), line_of(gost, "service-1", "<>")
    same(second["client"], first["remote"], "the client that service-1 sees is the one that connected to service-0")
    check(second["client"].startswith(HOST + ":"), f"client is the real one: {second['client']}")
    check(second["remote"].startswith("127.0.0.1:"), "remote is the peer")
    same(second["msg"], f"{second['remote']} <> 127.0.0.1:8080", "msg")


@case
def four_lines_per_connection():
    world()
    http_server(80, "198.18.0.80")
    gost = Gostbpf(*EXAMPLE)
    curl("-HHost: example.com", f"http://{HOST}:8000")
    gost.closed(2)
    for service, target in (("service-0", ":8080"), ("service-1", "example.com:80")):
        lines = [r for r in gost.log() if r.get("service") == service and r["kind"] == "handler"]
        remote, local = lines[0]["remote"], lines[0]["local"]
        same([r["msg"] for r in lines], [f"{remote} <> {local}", f"{remote} <-> {target}", f"{remote} >-< {target}",
                                         f"{remote} >< {local}"], f"messages of {service}")
        same(len({r["sid"] for r in lines}), 1, "one sid")
        same(len(lines[0]["sid"]), 20, "length of the sid")
        check(all(list(r) == sorted(r) for r in lines), "keys are sorted")
        same(lines[1]["node"], "target-0", "node")
    last = gost.closed(2)[-1]
    same(last["outputBytes"], len(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"), "outputBytes")


@case
def handler_sends_version_1_and_2():
    for version in (1, 2):
        server = http_server(8000, proxy=True)
        gost = Gostbpf("-L", f"tcp://:8080/:8000?handler.proxyProtocol={version}")
        rc, out, err = curl("http://127.0.0.1:8080/")
        same((rc, out), (0, "ok\n"), f"curl ({err})")
        header, request = server.result()
        same(header["version"], version, "version")
        same((header["src"], header["dst"], header["dport"]), ("127.0.0.1", "127.0.0.1", 8080), "addresses")
        check(request.startswith(b"GET / HTTP/1.1\r\n"), "the request follows")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(server.up.sock)


@case
def from_a_load_balancer_to_an_upstream():
    """Both at once: what curl sends as a balancer would is what the upstream is told."""
    world()
    server = http_server(8000, proxy=True)
    gost = Gostbpf("-L", "tcp://:8080/:8000?proxyProtocol=1&handler.proxyProtocol=2")
    rc, out, err = curl("--haproxy-protocol", f"http://{HOST}:8080/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header, _ = server.result()
    src, sport, dst, dport = endpoints(header)
    same((header["version"], src, dst, dport), (2, HOST, HOST, 8080), "header")
    record = line_of(gost, "service-0", "<>")
    same(record["client"], f"{src}:{sport}", "client in the log")


@case
def yaml_of_the_documentation():
    server = http_server(8000, proxy=True)
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
- name: service-0
  addr: :8080
  handler:
    type: tcp
    metadata:
      proxyProtocol: 1
  listener:
    type: tcp
  forwarder:
    nodes:
      - name: target-0
        addr: :8000
""")
    Gostbpf("-C", path, services=1)
    rc, out, err = curl("http://127.0.0.1:8080/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    same(server.result()[0]["version"], 1, "version")


def through_the_proxy(gost, target):
    """curl, as behind a reverse proxy, asks the proxy on port 8080; the log knows both."""
    rc, out, err = curl("--haproxy-protocol", "--noproxy", "", "-x", f"http://{HOST}:8080", f"http://127.0.0.1:{target}/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    record = line_of(gost, "service-0", "<>")
    same((record["handler"], record["proxyVersion"], record["client"].split(":")[0]), ("http", 1, HOST), "record")
    rc, out, err = curl("--noproxy", "", "-x", "http://127.0.0.1:8080", f"http://127.0.0.1:{target}/")
    same((rc, out), (0, "ok\n"), f"without a header ({err})")


@case
def a_proxy_that_receives():
    """-L=:8080?proxyProtocol= and the same as YAML."""
    world()
    http_server(81)
    gost = Gostbpf("-L=:8080?proxyProtocol=", services=1)
    through_the_proxy(gost, 81)
    same(gost.stop(), 0, "exit status")
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
- name: service-0
  addr: :8080
  handler:
    type: http
  listener:
    type: tcp
  metadata:
    proxyProtocol: 1
""")
    through_the_proxy(Gostbpf("-C", path, services=1), 81)


@case
def rtcp_sends_it():
    server = http_server(8000, proxy=True)
    Gostbpf("-L", "rtcp://:8080/:8000?handler.proxyProtocol=1")
    rc, out, err = curl("http://127.0.0.1:8080/")
    same((rc, out), (0, "ok\n"), f"curl ({err})")
    header, _ = server.result()
    same((header["version"], header["src"], header["dst"], header["dport"]), (1, "127.0.0.1", "127.0.0.1", 8080), "header")


def a_node_that_learns_the_client(gost):
    """Who asks the proxy on 8080 is who the node on 8000 is told of, in front of CONNECT."""
    node = lib.Upstream(8000)
    client = lib.connect(8080)
    client.sendall(b"CONNECT 10.9.8.7:80 HTTP/1.1\r\nHost: 10.9.8.7:80\r\n\r\n")
    conn = node.accept()
    want = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d 8080\r\nCONNECT 10.9.8.7:80 HTTP/1.1\r\n" % client.getsockname()[1]
    same(lib.recv_exact(conn, len(want)), want, "what the node reads")
    for sock in (client, conn):
        lib.reset(sock)
    same(gost.stop(), 0, "exit status")
    lib.close_socket(node.sock)


@case
def a_proxy_node():
    a_node_that_learns_the_client(Gostbpf("-L", ":8080", "-F", "http://:8000?proxyProtocol=1"))
    path = lib.tmp() / "gost.yml"
    path.write_text("""services:
  - name: service-0
    addr: :8080
    handler:
      type: auto
      chain: chain-0
    listener:
      type: tcp
chains:
  - name: chain-0
    hops:
      - name: hop-0
        nodes:
          - name: node-0
            addr: :8000
            connector:
              type: http
            dialer:
              type: tcp
        metadata:
          proxyProtocol: 1
""")
    a_node_that_learns_the_client(Gostbpf("-C", path, services=1))


@case
def what_comes_later_is_refused_by_name():
    for flags in (("-api", ":18080"), ("-metrics", ":9000")):
        err = gostbpf_fails("-L", "tcp://:8080/:8000", *flags)
        check(flags[0] in err and "not supported yet" in err, f"{flags}: {err}")


if __name__ == "__main__":
    lib.main("seed")
