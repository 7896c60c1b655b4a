#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every vector into haproxy, nginx, varnish and gostbpf, and in datagrams into pdns-recursor and dnsdist: who accepts it, and whom
each takes for the client.

Where they differ, docs/proxy-differences.md says so and why. A difference that is not there fails, and so does a row that is
no longer true. GOSTBPF_WRITE_DIFFERENCES=FILE writes what was seen, for whoever edits the page.
"""
import concurrent.futures
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import threading

import decode_proxy
import lib
import peers
from lib import Gostbpf, case, check, same, skip
from peers import dnsdist, names, recursor
from udp_world import TTL, addresses, query

REQUEST = b"GET / HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n"
PAGE = lib.ROOT / "docs/proxy-differences.md"
WAIT = 3  # a peer that has neither answered nor closed by then waits; varnish gives up after 5
PORTS = {"haproxy": 8001, "nginx": 8002, "varnish": 8003, "gostbpf": 8080}
VERSION_FLAG = {"haproxy": "-v", "nginx": "-v", "varnish": "-V"}
PROGRAM = {"varnish": "varnishd", "pdns-recursor": "pdns_recursor"}


def vectors():
    """(name, what is sent, is a verdict possible) of each row."""
    lines = (lib.ROOT / "tests/vectors/proxy_header.tsv").read_text(encoding="ascii").split("\n")
    head = lines[0].split("\t")
    for line in lines[1:]:
        if not line:
            continue
        row = dict(zip(head, line.split("\t")))
        data = bytes.fromhex(row["hex"]) if row["hex"] != "(empty)" else b""
        if row["expected"] == "accept":
            data = data[:int(row["consumed"])]
        yield row["name"], data, row["expected"] != "need-more"


def read_all(sock):
    """(bytes, how it ended)."""
    data = b""
    sock.settimeout(WAIT)
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data, "closed"
            data += part
    except TimeoutError:
        return data, "open"
    except ConnectionError:
        return data, "closed"


def canonical(text):
    """One spelling of an address and a port that some leave out when it is 0; what is no address stays as it is."""
    address, _, port = text.partition(" ")
    try:
        ip = ipaddress.ip_address(address)
        address = str(getattr(ip, "ipv4_mapped", None) or ip)
    except ValueError:
        pass
    return address and f"{address} {port or 0}"


def outcome(port, data, complete):
    """A address port: accepted as that client; S: accepted, the socket's address or nobody; P: header or not, the rest was no request to
    it; R: closed; W: waits."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        own = "%s %d" % sock.getsockname()
        try:
            sock.sendall(data + (REQUEST if complete else b""))
        except ConnectionError:
            pass
        got, end = read_all(sock)
    if not got:
        return "R" if end == "closed" else "W"
    head, _, body = got.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] + b" ":
        return "P"
    seen = canonical(body.decode().strip())
    return "S" if seen in ("", own, "None None") else "A " + seen


def serve(sock):
    """Upstream of gostbpf: says whom its header names, or that what came behind it is no request."""
    data = b""
    with sock:
        while b"\r\n\r\n" not in data:
            part = sock.recv(65536)
            if not part:
                break
            data += part
        header = decode_proxy.decode(data)
        request = data[header["length"]:]
        body = f"{header['src']} {header['sport']}".encode()
        sock.sendall((b"HTTP/1.1 200 OK\r\n\r\n" + body) if request == REQUEST else b"HTTP/1.1 400 No\r\n\r\n")


def upstream(port):
    listener = lib.track(socket.create_server(("127.0.0.1", port), backlog=256), 600)

    def loop():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def gostbpf():
    """It must see a header, of any size; the upstream says whom it took for the client."""
    upstream(8000)
    Gostbpf("-L", f"tcp://127.0.0.1:{PORTS['gostbpf']}/127.0.0.1:8000?proxyProtocol=1&proxyProtocol.policy=require"
            "&proxyProtocol.maxSize=65551&handler.proxyProtocol=1")


def start_all():
    peers.haproxy("", f"""frontend f
  mode http
  bind 127.0.0.1:{PORTS['haproxy']} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]"
""", PORTS["haproxy"])
    peers.nginx("", PORTS["nginx"], http=f"server {{ listen 127.0.0.1:{PORTS['nginx']} proxy_protocol; location / {{ return 200 "
                '"$proxy_protocol_addr $proxy_protocol_port"; } }')
    peers.varnish(PORTS["varnish"], receive=True)
    gostbpf()


def measured():
    """{vector: {peer: outcome}}"""
    rows = list(vectors())
    with concurrent.futures.ThreadPoolExecutor(128) as pool:
        jobs = {(name, peer): pool.submit(outcome, port, data, complete)
                for name, data, complete in rows for peer, port in PORTS.items()}
    seen = {name: {peer: jobs[name, peer].result() for peer in PORTS} for name, _, _ in rows}
    sent = {name: (data, complete) for name, data, complete in rows}
    return in_peace(seen, tuple(PORTS), "W", lambda name, peer: outcome(PORTS[peer], *sent[name]))


def in_peace(seen, columns, late, again):
    """What a busy machine makes of an answer that comes late is asked for again, alone, where it is not on the page."""
    known = documented(columns)
    for name, row in seen.items():
        for peer in [p for p in row if row[p] == late]:
            for _ in range(3):
                if len(set(row.values())) == 1 or known.get(name, ({},))[0] == row or row[peer] != late:
                    break
                row[peer] = again(name, peer)
    return seen


def documented(peers_of_table):
    """{vector: ({peer: outcome}, reason)} of the table with these columns."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").split("\n"):
        cells = [c.strip() for c in line.strip("|").split("|")]
        found = re.match(r"`(\w+)`$", cells[0])
        if line.startswith("|") and found and len(cells) == len(peers_of_table) + 2:
            check(found[1] not in rows, f"{found[1]} has two rows")
            rows[found[1]] = (dict(zip(peers_of_table, cells[1:-1])), cells[-1])
    return rows


def page_versions(names):
    return dict(re.findall(rf"\b({'|'.join(names)}) (\d+\.\d+)", PAGE.read_text(encoding="utf-8")))


def compare(seen, columns):
    """How many differ; each must be on the page as it is, with a reason, and no other."""
    known = documented(columns)
    differing = {name: row for name, row in seen.items() if len(set(row.values())) > 1}
    if "GOSTBPF_WRITE_DIFFERENCES" in os.environ:
        with open(os.environ["GOSTBPF_WRITE_DIFFERENCES"], "a", encoding="utf-8") as f:
            for name, row in differing.items():
                f.write(f"| `{name}` | {' | '.join(row[p] for p in columns)} | {known.get(name, ('', ''))[1]} |\n")
    wrong = [f"{name}: {row}" for name, row in differing.items() if name not in known or known[name][0] != row]
    stale = [f"{name}: {row}, on the page {known[name][0]}" for name, row in seen.items() if name in known and name not in differing]
    check(not wrong, "not on the page, or otherwise: " + "; ".join(wrong))
    check(not stale, "no difference any more: " + "; ".join(stale))
    check(not set(known) - set(seen), f"no such vector: {set(known) - set(seen)}")
    check(all(reason for _, reason in known.values()), "a row without a reason")
    return len(differing)


def require_versions(versions):
    for peer, wanted in versions.items():
        program = PROGRAM.get(peer, peer)
        if not shutil.which(program):
            skip(f"{program} is not installed")
        done = subprocess.run([program, VERSION_FLAG.get(peer, "--version")], capture_output=True, text=True, check=False)
        found = re.search(r"(\d+\.\d+)\.\d+", done.stdout + done.stderr)
        if not found or found[1] != wanted:
            skip(f"the page speaks of {peer} {wanted}, here is {found and found[1]}")


@case
def every_vector_and_every_difference():
    require_versions(page_versions(VERSION_FLAG))
    start_all()
    seen = measured()
    count = compare(seen, ("haproxy", "nginx", "varnish", "gostbpf"))
    text = PAGE.read_text(encoding="utf-8")
    check(f"({len(seen)}) went into" in text and f"On {len(seen) - count} of them" in text, "the page's numbers are others")
    print(f"       {len(seen)} vectors, {count} with a difference")


def answered(port, data):
    """A: a query behind that header in one datagram is answered; P: something else was taken for the query; R: silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(2)
        sock.send(data + query(7, "a.test"))
        try:
            return "A" if addresses(sock.recv(65535), 7) == ["192.0.2.80"] else "P"
        except TimeoutError:
            return "R"
        except AssertionError:  # another query's answer, or an error
            return "P"


@case
def every_vector_in_a_datagram():
    """A DNS query behind each header that is complete: answered or not."""
    require_versions(page_versions(("pdns-recursor", "dnsdist")))
    names()
    recursor(5301, clients="0.0.0.0/0,::/0")
    dnsdist(5355, port=5302, then=":setUp()", receive=True, sends=False)
    Gostbpf("-L", f"udp://127.0.0.1:8080/127.0.0.1:5355?{TTL}&proxyProtocol=1&proxyProtocol.policy=require&proxyProtocol.maxSize=65551")
    ports = {"pdns-recursor": 5301, "dnsdist": 5302, "gostbpf": 8080}
    rows = [(name, data) for name, data, complete in vectors() if complete]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        jobs = {(name, peer): pool.submit(answered, port, data) for name, data in rows for peer, port in ports.items()}
    seen = {name: {peer: jobs[name, peer].result() for peer in ports} for name, _ in rows}
    seen = in_peace(seen, tuple(ports), "R", lambda name, peer: answered(ports[peer], dict(rows)[name]))
    count = compare(seen, tuple(ports))
    check(sum(row["gostbpf"] == "A" for row in seen.values()) > 20, "gostbpf answers")
    check(f"{len(rows)} complete ones" in PAGE.read_text(encoding="utf-8"), f"the page says another number than {len(rows)}")
    print(f"       {len(rows)} vectors, {count} with a difference")


@case
def gostbpf_does_what_the_vectors_say():
    """The column of the page that is ours is no opinion: it follows from the vectors."""
    gostbpf()
    lines = (lib.ROOT / "tests/vectors/proxy_header.tsv").read_text(encoding="ascii").split("\n")
    table = {line.split("\t")[0]: dict(zip(lines[0].split("\t"), line.split("\t"))) for line in lines[1:] if line}
    with concurrent.futures.ThreadPoolExecutor(128) as pool:
        sent = {name: (PORTS["gostbpf"], data, complete) for name, data, complete in vectors()}
        jobs = {name: pool.submit(outcome, *what) for name, what in sent.items()}
    for name, job in jobs.items():
        row = table[name]
        want = {"need-more": "W", "reject": "R", "not-proxy": "R", "accept": "S"}[row["expected"]]
        if row["expected"] == "accept" and row["src"] and row["family"] != "UNIX":
            want = "A " + canonical(f"{row['src']} {row['sport']}")
        same(outcome(*sent[name]) if job.result() == "W" != want else job.result(), want, name)


if __name__ == "__main__":
    lib.main("differential")
