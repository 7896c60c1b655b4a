#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""transparent=true, `gostbpf routes`, so_mark, interface, netns: what the server sees of the client, and where sockets live.

Three hosts as in test_netns.py. The server's way back to the client leads through gostbpf's host, which does not forward:
whatever arrives has gone through gostbpf's sockets.
"""
import hashlib
import json
import sys
import threading
import time

import lib
import sandbox
from lib import ENGINES, GOSTBPF, Gostbpf, case, check, same

ROUTES = (str(GOSTBPF), "routes")
HOSTS = (("198.18.1.2", "198.18.1.1", "198.18.2.2"), ("fd00:1::2", "fd00:1::1", "fd00:2::2"))

# Runs inside a namespace: says who connected, then echoes; "HOST PORT KIND".
PEER = r"""
import socket, sys, threading
host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((host, port))
def serve(conn, peer):
    conn.sendall(f"{peer[0]} {peer[1]}\n".encode())
    while data := conn.recv(1 << 16):
        conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)
if kind == "tcp":
    sock.listen(64)
print("ready", flush=True)
while True:
    if kind == "tcp":
        threading.Thread(target=serve, args=sock.accept(), daemon=True).start()
    else:
        data, peer = sock.recvfrom(1 << 16)
        sock.sendto(f"{peer[0]} {peer[1]}\n".encode() + data, peer)
"""

# Runs inside a namespace: sends standard input to HOST PORT from SOURCE, prints what comes back. udp: one datagram.
CLIENT = r"""
import socket, sys, threading
host, port, source, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
data = sys.stdin.buffer.read()
family = socket.AF_INET6 if ":" in host else socket.AF_INET
sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
sock.settimeout(20)
if source:
    sock.bind((source, 0))
sock.connect((host, port))
if kind == "udp":
    sock.send(data)
    sys.stdout.buffer.write(sock.recv(1 << 16))
else:
    lost = []
    def send():
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError as err:  # a reset is told once, whoever asks first
            lost.append(err)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    while part := sock.recv(1 << 16):
        sys.stdout.buffer.write(part)
    sender.join(20)
    if lost:
        raise ConnectionResetError(str(lost[0]))
"""


def world():
    if "client" not in sandbox.sh("ip netns"):
        sandbox.three_hosts()
    sandbox.sh("nft flush ruleset")


def peer(host, port=80, kind="tcp", netns="server"):
    p = lib.spawn(sys.executable, "-c", PEER, host, port, kind, netns=netns)
    lib.until(lambda: "ready" in open(p.log_name, encoding="utf-8").read(), "the peer is up")
    return p


def ask(host, port=8080, data=b"", kind="tcp", source="", netns="client"):
    """(first line, rest, error text) of the peer's answer as a client in a namespace gets it."""
    import subprocess  # pylint: disable=import-outside-toplevel
    argv = sandbox.in_netns(netns, [sys.executable, "-c", CLIENT, host, str(port), source, kind])
    done = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=40 * lib.SLOW)
    first, _, rest = done.stdout.partition(b"\n")
    return first.decode("latin-1"), rest, done.stderr.decode()


def routes(*argv):
    return lib.run(*ROUTES, *argv)


class Applied:
    """gostbpf routes apply, and whatever was there before is there after."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        self.before = rules()
        rc, out, err = routes("apply", *self.flags)
        same((rc, err), (0, ""), f"routes apply ({out})")
        return out

    def __exit__(self, kind, *_):
        rc, _, err = routes("remove", *self.flags)
        if not kind:
            same((rc, err), (0, ""), "routes remove")
            same(rules(), self.before, "rules after remove")


def rules():
    """Everything that routes could have changed, without what the kernel adds by itself (link-local addresses)."""
    return sandbox.sh("ip -4 rule; ip -6 rule; ip -4 route show table all; nft list ruleset;"
                      " ip -6 route show table all | grep -v 'fe80:\\|^multicast\\|^anycast'")


def bind(host):
    return f"[{host}]" if ":" in host else host


@case(engines=ENGINES)
def the_server_sees_the_client(engine):
    world()
    with Applied():
        for client, listen, server in HOSTS:
            p = peer(server)
            gost = Gostbpf("-engine", engine, "-L", f"tcp://:8080/{bind(server)}:80?transparent=true")
            data = bytes(range(256)) * 400
            first, rest, err = ask(listen, data=data)
            same(first.split()[:1], [client], f"the server's peer ({err})")
            check(rest == data, f"the payload came back changed: {len(rest)} of {len(data)} bytes")
            record = gost.closed()[0]
            same(record["src"].rsplit(":", 1)[0], bind(client), "src in the log")
            same(gost.stop(), 0, "exit status")
            p.kill()
            p.wait()


@case
def the_kernel_path_stays():
    world()
    lib.require_engine("sockmap")
    peer("198.18.2.2")
    with Applied():
        gost = Gostbpf("-engine", "sockmap", "-L", "tcp://:8080/198.18.2.2:80?transparent=true")
        data = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(1 << 20))
        first, rest, err = ask("198.18.1.1", data=data)
        same(first.split()[:1], ["198.18.1.2"], f"the server's peer ({err})")
        check(rest == data, f"the payload came back changed: {len(rest)} of {len(data)} bytes")
        record = gost.closed()[0]
        moved = record["kernelInputBytes"] + record["kernelOutputBytes"]
        total = record["inputBytes"] + record["outputBytes"]
        check(moved > 0, f"the kernel moved nothing of {total} bytes")


@case
def many_connections_of_one_client():
    """More than one connection from one address to one target: each has a port of its own."""
    world()
    peer("198.18.2.2")
    with Applied():
        gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?transparent=true")
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(ask("198.18.1.1", data=b"x"))) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        ports = {first for first, rest, _ in seen if rest == b"x" and first.startswith("198.18.1.2 ")}
        same(len(ports), 12, f"distinct connections ({seen})")
        gost.closed(12)


@case
def a_header_names_the_client():
    world()
    peer("198.18.2.2")
    with Applied():
        gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?transparent=true&proxyProtocol=1")
        data = lib.v1("203.0.113.9", 4711, "198.18.1.1", 8080) + b"hello"
        # the server has a way to 203.0.113.9 too: its default route leads here
        first, rest, err = ask("198.18.1.1", data=data)
        same((first.split()[:1], rest), (["203.0.113.9"], b"hello"), f"the header's client ({err})")
        same(gost.closed()[0]["client"], "203.0.113.9:4711", "client in the log")


@case
def a_header_that_names_nobody_who_can_connect():
    world()
    peer("198.18.2.2")
    with Applied():
        gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?transparent=true&proxyProtocol=1")
        for i, client in enumerate(("0.0.0.0", "224.0.0.1", "255.255.255.255")):
            first, _, err = ask("198.18.1.1", data=lib.v1(client, 4711, "198.18.1.1", 8080) + b"hello")
            check("ConnectionReset" in err and not first, f"{client}: {first} {err}")
            found = gost.wait_log(lambda r, c=client: f"dial tcp {c}->" in r["msg"] and "nobody can connect from" in r["msg"],
                                  f"a record about {client}")
            same(found["level"], "error", "level")
            gost.closed(i + 1)


@case
def families_must_match():
    world()
    peer("fd00:2::2")
    with Applied():
        gost = Gostbpf("-L", "tcp://:8080/[fd00:2::2]:80?transparent=true")
        first, _, err = ask("198.18.1.1")
        check("ConnectionReset" in err and not first, f"the client is told by a reset: {first} {err}")
        record = gost.wait_log(lambda r: "another family" in r["msg"], "a record that says why")
        same(record["msg"], "dial tcp 198.18.1.2->[fd00:2::2]:80: transparent=true: the client's address is of another family "
             "than the target's", "message")
        same(gost.closed()[0]["reason"], "dial-failed", "reason")


@case
def datagrams_too():
    world()
    with Applied():
        for client, listen, server in HOSTS:
            p = peer(server, 53, "udp")
            gost = Gostbpf("-L", f"udp://:5353/{bind(server)}:53?transparent=true", ports=())
            for data in (b"first", b"second"):
                first, rest, err = ask(listen, 5353, data, "udp")
                same((first.split()[:1], rest), ([client], data), f"the server's peer ({err})")
            same(gost.stop(), 0, "exit status")
            p.kill()
            p.wait()


@case
def a_server_on_this_machine():
    """It listens on loopback only, and sees the client of another host."""
    world()
    with Applied():
        for client, listen, server in (("198.18.1.2", "198.18.1.1", "127.0.0.1"), ("fd00:1::2", "fd00:1::1", "::1")):
            p = peer(server, 81, netns=None)
            gost = Gostbpf("-L", f"tcp://:8080/{bind(server)}:81?transparent=true")
            data = b"payload" * 10000
            first, rest, err = ask(listen, data=data)
            same(first.split()[:1], [client], f"the server's peer ({err})")
            check(rest == data, "the payload came back changed")
            same(gost.stop(), 0, "exit status")
            p.kill()
            p.wait()


@case
def health_checks_come_from_ourselves():
    """A probe is nobody's connection; and it goes where the service's connections go (netns.out)."""
    world()
    peer("198.18.2.2")
    peer("127.0.0.1", 81, netns="server")
    config = lib.tmp() / "g.yml"
    config.write_text("""
services:
- name: seen
  addr: ":8080"
  metadata: {transparent: true}
  handler: {type: tcp}
  listener: {type: tcp}
  forwarder:
    selector: {strategy: fifo}
    nodes:
    - {name: dead, addr: "198.18.2.2:9", metadata: {probe.interval: 50ms}}
    - {name: alive, addr: "198.18.2.2:80", metadata: {probe.interval: 50ms}}
- name: inside
  addr: "127.0.0.1:8081"
  metadata: {netns: client, netns.out: server}
  handler: {type: tcp}
  listener: {type: tcp}
  forwarder: {nodes: [{name: n, addr: "127.0.0.1:81", metadata: {probe.interval: 50ms}}]}
""")
    with Applied():
        gost = Gostbpf("-C", config, services=2)
        gost.wait_log(lambda r: "198.18.2.2:9" in r["msg"] and "refused" in r["msg"], "the dead node is found without a client")
        first, rest, err = ask("198.18.1.1", data=b"abc")
        same((first.split()[:1], rest), (["198.18.1.2"], b"abc"), f"the server sees the client ({err})")
        first, rest, err = ask("127.0.0.1", 8081, data=b"abc")
        same(rest, b"abc", f"the other namespace ({err})")
        check(not any("127.0.0.1:81" in r["msg"] and r["level"] in ("warning", "error") for r in gost.log()), "probes reach it")
        time.sleep(0.3)  # some more probes
        same(gost.sessions(2)[0]["node"], "alive", "node")


@case
def from_a_socks_client():
    """The target is the client's choice, the source is still the client."""
    world()
    peer("198.18.2.2")
    with Applied():
        Gostbpf("-L", "socks5://:1080?transparent=true")
        greeting = b"\x05\x01\x00" + b"\x05\x01\x00\x01" + bytes([198, 18, 2, 2]) + (80).to_bytes(2, "big") + b"abc"
        first, rest, err = ask("198.18.1.1", 1080, greeting)
        check(rest.endswith(b"abc") and b"198.18.1.2 " in first.encode("latin-1", "replace"), f"{first!r} {rest!r} {err}")


@case
def without_routes_it_does_not_work():
    """What routes apply is for: without it the server's answers are lost, and the dial times out."""
    world()
    peer("198.18.2.2")
    gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?transparent=true&dialTimeout=1s")
    first, _, err = ask("198.18.1.1")
    check("ConnectionReset" in err and not first, f"reset: {first} {err}")
    record = gost.wait_log(lambda r: "i/o timeout" in r["msg"], "a timeout")
    same(record["msg"], "dial tcp 198.18.1.2->198.18.2.2:80: i/o timeout", "message")


# --- routes ------------------------------------------------------------------------------------------------------
@case
def apply_show_remove():
    world()
    before = rules()
    same(routes("show")[0], 1, "show with nothing there")
    rc, planned, _ = routes("apply", "-n")
    same((rc, rules()), (0, before), "a dry run changes nothing")
    rc, done, err = routes("apply")
    same((rc, done, err), (0, planned, ""), "apply runs what the dry run printed")
    same(len(done.splitlines()), 7, f"commands: {done}")
    after = rules()
    same(routes("apply"), (0, "", ""), "the second time there is nothing to do")
    same(rules(), after, "and nothing was done")
    rc, out, _ = routes("show")
    same((rc, [line.split()[0] for line in out.splitlines()]), (0, ["present"] * 7), "show")
    rc, planned, _ = routes("remove", "-n")
    same((rc, rules()), (0, after), "a dry run of remove")
    same(routes("remove"), (0, planned, ""), "remove runs what its dry run printed")
    same(rules(), before, "everything as before")
    same(routes("remove"), (0, "", ""), "nothing left to remove")


@case
def what_is_printed_can_be_typed():
    world()
    before = rules()
    sandbox.sh(routes("apply", "-n")[1])
    same(routes("show")[0], 0, "show after the printed commands were typed")
    sandbox.sh(routes("remove", "-n")[1])
    same(rules(), before, "everything as before")


@case
def one_family_and_other_numbers():
    world()
    before = rules()
    rc, out, err = routes("apply", "-4", "-mark", "0x77", "-table", "300")
    same((rc, err, len(out.splitlines())), (0, "", 4), out)
    check("fwmark 0x77 lookup 300" in sandbox.sh("ip -4 rule"), "the rule")
    same(sandbox.sh("ip -6 rule show pref 300"), "", "no rule for IPv6")
    same(routes("show", "-4", "-mark", "119", "-table", "300")[0], 0, "show")
    rc, _, err = routes("apply")
    check(rc == 1 and "another mark" in err, f"other numbers while these are in place: {rc} {err}")
    rc, _, err = routes("remove", "-4", "-mark", "0x77", "-table", "300")
    same((rc, err, rules()), (0, "", before), "remove; the refused apply left nothing either")


@case
def what_is_not_ours_stays():
    world()
    sandbox.sh("ip -4 route add 198.51.100.0/24 via 198.18.2.2 table 26466; ip -4 rule add pref 26466 from 192.0.2.1 lookup main;"
               " nft add table inet other")
    try:
        before = rules()
        rc, out, err = routes("apply")
        check(rc == 1 and "table 26466 holds other routes" in err, f"a table in use: {out}{err}")
        same(rules(), before, "nothing changed")
        rc, _, err = routes("apply", "-table", "26467")
        same((rc, err), (0, ""), "another table")
        same(routes("remove", "-table", "26467")[0], 0, "remove")
        same(rules(), before, "theirs are still there")
        same(routes("remove")[:2], (0, ""), "remove without apply")
        same(rules(), before, "and still there")
    finally:
        sandbox.sh("ip -4 route flush table 26466; ip -4 rule del pref 26466; nft delete table inet other")


@case
def a_failure_leaves_nothing():
    world()
    before = rules()
    env = "PATH=/nowhere"
    rc, out, err = lib.run("env", env, *ROUTES, "apply")
    check(rc == 1 and "cannot run ip" in err, f"without the programs: {out}{err}")
    tools = lib.tmp() / "bin"
    tools.mkdir()
    (tools / "ip").symlink_to(sandbox.sh("command -v ip").strip())
    (tools / "nft").write_text("#!/bin/sh\nexit 3\n")
    (tools / "nft").chmod(0o755)
    rc, out, err = lib.run("env", f"PATH={tools}:/bin:/usr/bin", *ROUTES, "apply")
    check(rc == 1 and "nft has failed with exit status 3" in err, f"nft fails: {out}{err}")
    same(rules(), before, "what was made before is taken away")


@case
def wrong_usage():
    for argv, text in (((), "apply, show or remove is missing"), (("undo",), "is not apply, show or remove"),
                       (("apply", "-mark", "0"), "a number from 1"), (("apply", "-mark", "-1"), "a number from 1"),
                       (("apply", "-table", "255"), "a number from 256"), (("apply", "-table", "32766"), "a number from 256"),
                       (("apply", "-table", "x"), "a number from 256"), (("apply", "-4", "-6"), "exclude each other")):
        rc, out, err = routes(*argv)
        check(rc == 64 and text in err and not out, f"{argv}: {rc} {out}{err}")


# --- marks, interfaces, namespaces --------------------------------------------------------------------------------
@case
def marks_are_seen():
    world()
    peer("198.18.2.2")
    peer("198.18.2.2", 53, "udp")
    sandbox.sh("nft 'add table inet seen; add chain inet seen out { type filter hook output priority 0; };"
               " add counter inet seen to_tcp; add counter inet seen to_udp; add counter inet seen to_client;"
               " add rule inet seen out meta mark 4660 tcp dport 80 counter name to_tcp;"
               " add rule inet seen out meta mark 4660 udp dport 53 counter name to_udp;"
               " add rule inet seen out meta mark 4660 tcp sport 8080 counter name to_client'")
    Gostbpf("-L", "tcp://:8080/198.18.2.2:80?so_mark=4660", "-L", "udp://:5353/198.18.2.2:53?so_mark=4660", services=2, ports=(8080,))
    same(ask("198.18.1.1", data=b"abc")[1], b"abc", "payload")
    same(ask("198.18.1.1", 5353, b"abc", "udp")[1], b"abc", "datagram")
    counted = {c["counter"]["name"]: c["counter"]["packets"] for c in
               json.loads(sandbox.sh("nft -j list counters table inet seen"))["nftables"] if "counter" in c}
    check(counted["to_tcp"] >= 3 and counted["to_udp"] == 1 and counted["to_client"] == 0, f"marked packets: {counted}")


@case
def a_device_or_an_address_to_connect_from():
    world()
    sandbox.sh("ip addr replace 198.18.2.77/32 dev s0; ip addr replace fd00:2::77/128 dev s0 nodad")
    peer("198.18.2.2")
    peer("198.18.2.2", 53, "udp")
    for interface, source in (("s0", "198.18.2.1"), ("198.18.2.77", "198.18.2.77"), ("fd00:2::77,198.18.2.77", "198.18.2.77"),
                              ("fd00:2::77!,s0", "198.18.2.1"), ("c0,s0", "198.18.2.1")):
        gost = Gostbpf("-L", f"tcp://:8080/198.18.2.2:80?interface={interface}",
                       "-L", f"udp://:5353/198.18.2.2:53?interface={interface}", services=2, ports=(8080,))
        if interface != "c0,s0":  # a datagram is not answered, so nobody learns that the first device is the wrong one
            first, rest, err = ask("198.18.1.1", 5353, b"abc", "udp")
            same((first.split()[:1], rest), ([source], b"abc"), f"udp, interface={interface} ({err})")
        first, rest, err = ask("198.18.1.1", data=b"abc")
        same((first.split()[:1], rest), ([source], b"abc"), f"interface={interface} ({err})")
        same(gost.stop(), 0, "exit status")
    gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?interface=c0!,s0&dialTimeout=1s")
    first, _, err = ask("198.18.1.1")
    check(not first and "ConnectionReset" in err, f"a strict device that leads nowhere: {first} {err}")
    same(gost.closed()[0]["reason"], "dial-failed", "reason")
    same(gost.stop(), 0, "exit status")
    gost = Gostbpf("-L", "tcp://:8080/198.18.2.2:80?interface=fd00:2::77")
    first, _, err = ask("198.18.1.1")
    check(not first, "no interface fits")
    gost.wait_log(lambda r: "dial tcp 198.18.2.2:80: connect: address family not supported" in r["msg"], "the reason")


@case
def other_namespaces():
    world()
    peer("127.0.0.1", 80, netns="server")
    peer("127.0.0.1", 53, "udp", netns="server")
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:80?netns=client&netns.out=server",
                   "-L", "udp://127.0.0.1:5353/127.0.0.1:53?netns=/run/netns/client&netns.out=server",
                   "-L", "tcp://127.0.0.1:8081/127.0.0.1:80?netns.out=server", services=3, ports=(8081,))
    data = bytes(range(256)) * 1000
    for _ in range(3):
        first, rest, err = ask("127.0.0.1", data=data)
        check(first.startswith("127.0.0.1 ") and rest == data, f"from client to server: {first} {err}")
        first, rest, err = ask("127.0.0.1", 5353, b"abc", "udp")
        check(first.startswith("127.0.0.1 ") and rest == b"abc", f"datagrams: {first} {err}")
        first, rest, err = ask("127.0.0.1", 8081, data=data, netns=None)
        check(first.startswith("127.0.0.1 ") and rest == data, f"from here to server: {first} {err}")
    check(not lib.listening(8080), "nobody listens here on the client's port")
    for name in ("client", "server"):
        check(gost.proc.poll() is None and ":8081" not in sandbox.sh(f"ip netns exec {name} ss -Hltn"), f"nothing of 8081 in {name}")


@case
def nodes_of_a_chain_too():
    world()
    peer("198.18.2.2")
    peer("127.0.0.1", 81, netns="server")
    sandbox.sh("ip addr replace 198.18.2.77/32 dev s0")
    sandbox.sh("nft 'add table inet seen; add chain inet seen out { type filter hook output priority 0; };"
               " add counter inet seen to_node; add rule inet seen out meta mark 77 tcp dport 80 counter name to_node'")
    for node, source in (("198.18.2.2:80?so_mark=77", "198.18.2.1"), ("198.18.2.2:80?interface=198.18.2.77", "198.18.2.77"),
                         ("127.0.0.1:81?netns=server", "127.0.0.1")):
        gost = Gostbpf("-L", "tcp://:8080", "-F", f"forward://{node}")
        first, rest, err = ask("198.18.1.1", data=b"abc")
        same((first.split()[:1], rest), ([source], b"abc"), f"{node} ({err})")
        same(gost.stop(), 0, "exit status")
    counted = sandbox.sh("nft list counter inet seen to_node")
    check("packets 0" not in counted, f"marked packets: {counted}")
    for query, text in (("netns=nosuch", "netns=nosuch: cannot enter"), ("interface=nosuch0", "interface=nosuch0: there is no such device")):
        rc, out, err = lib.run(GOSTBPF, "-L", "tcp://:8080", "-F", f"forward://198.18.2.2:80?{query}")
        check(rc == 1 and "node \"node-0\": " + text in json.loads((out + err).splitlines()[-1])["msg"], f"{query}: {rc} {out}{err}")


@case
def the_kernel_path_between_namespaces():
    world()
    lib.require_engine("sockmap")
    peer("127.0.0.1", 80, netns="server")
    gost = Gostbpf("-engine", "sockmap", "-L", "tcp://127.0.0.1:8080/127.0.0.1:80?netns=client&netns.out=server", ports=())
    data = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(1 << 19))
    first, rest, err = ask("127.0.0.1", data=data)
    check(first and rest == data, f"the payload came back changed: {len(rest)} of {len(data)} bytes ({err})")
    record = gost.closed()[0]
    moved = record["kernelInputBytes"] + record["kernelOutputBytes"]
    check(moved > 0, "the kernel moved nothing")


@case
def mistakes_are_found_at_the_start():
    world()
    regular = lib.tmp() / "file"
    regular.write_text("")
    for query, text in (
            ("netns=nosuch", "netns=nosuch: cannot enter the network namespace /run/netns/nosuch: No such file"),
            ("netns.out=nosuch", "netns.out=nosuch: cannot enter"),
            (f"netns={regular}", "Invalid argument"),
            ("interface=nosuch0", "interface=nosuch0: there is no such device"),
            ("interface=s0,192.0.2.77", "interface=192.0.2.77: not an address of this machine"),
            ("interface=198.18.2.1&netns.out=client", "interface=198.18.2.1: not an address of this machine"),
            ("interface=2001:db8::77!", "interface=2001:db8::77: not an address of this machine"),
            ("interface=a/b", "is neither a device's name nor an IP address"),
            ("interface=", "is neither a device's name nor an IP address"),
            ("netns=a/b", "is neither a namespace's name nor an absolute path"),
            ("so_mark=-1", "so_mark"), ("so_mark=4294967296", "so_mark"),
            ("interface=198.18.2.1&transparent=true", "connects from the client's address"),
            ("transparent=maybe", "true or false"), ("handler.transparent=true", "it belongs in: service")):
        rc, out, err = lib.run(GOSTBPF, "-L", f"tcp://:8080/198.18.2.2:80?{query}")
        check(rc == 1 and text in out + err, f"{query}: {rc} {out}{err}")
    for query, cap in (("transparent=true", "CAP_NET_ADMIN"), ("so_mark=5", "CAP_NET_ADMIN"), ("netns=client", "CAP_SYS_ADMIN")):
        rc, out, err = lib.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", str(GOSTBPF), "-engine", "copy",
                               "-L", f"tcp://:8080/198.18.2.2:80?{query}")
        check(rc == 1 and f"{query}: " in out + err and cap in out + err, f"{query} without capabilities: {rc} {out}{err}")


if __name__ == "__main__":
    lib.main("transparent")
