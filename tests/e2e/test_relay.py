#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""GOST's relay protocol: gostbpf as server, as client, as both, and beside a peer that behaves as GOST's default server.

Bytes on the wire are compared with tests/vectors/gost/wire.jsonl; contents are compared, not only counted.
"""
import json
import os
import random
import socket
import threading

import lib
import relay_peer as relay
from lib import Gostbpf, Server, Upstream, case, check, connect, ending, recv_exact, recv_to_end, reset, same

SERVER, CLIENT, TARGET, CLOSED = 7000, 8080, 9000, 9001
REQUEST = relay.message(relay.CONNECT, relay.addr("127.0.0.1", TARGET))


def recorded(name):
    with open(lib.ROOT / "tests/vectors/gost/wire.jsonl", encoding="utf-8") as f:
        return next(row for row in map(json.loads, f) if row["id"] == name)


def fill(text):
    for name, port in (("U", TARGET), ("CLOSED", CLOSED)):
        text = text.replace(f"{{{name}:be16}}", f"{port:04x}")
    return bytes.fromhex(text.replace(" | ", ""))


# --- server ---
@case
def server_answers_as_recorded():
    lib.echo_server(TARGET)
    for name, extra in (("relay-connect-ok", ""), ("relay-connect-nodelay", "?nodelay=true"), ("relay-refused", ""),
                        ("relay-noauth", "")):
        row = recorded(name)
        at = "user:pass@" if "user" in row["args"][1] else ""
        gost = Gostbpf("-L", f"relay://{at}127.0.0.1:{SERVER}{extra}")
        client = connect(SERVER)
        client.sendall(fill(row["client_sends_hex"]))
        want = fill(row["observed_hex"])
        same(recv_exact(client, len(want)), want, name)
        if row["end"] == "eof":
            same(client.recv(1), b"", f"{name}: the end")
        client.close()
        same(gost.stop(), 0, "exit status")


@case
def server_accepts_credentials():
    lib.echo_server(TARGET)
    gost = Gostbpf("-L", f"relay://user:pass@127.0.0.1:{SERVER}")
    for name, password, status in (("user", "pass", 0), ("user", "pas", 2), ("use", "pass", 2), ("user", "passs", 2), ("", "", 2)):
        client = connect(SERVER)
        request = relay.message(relay.CONNECT, relay.user(name, password), relay.addr("127.0.0.1", TARGET))
        same(relay.ask(client, request)[0], status, f"status for {name}:{password}")
        client.sendall(b"hello") if not status else None
        same(recv_exact(client, 5) if not status else client.recv(1), b"" if status else b"hello", "what follows")
    gost.wait_log(lambda r: r.get("user") == "user" and ">-<" in r.get("msg", "") or r.get("user") == "user", "the user in the log")


@case
def server_refuses_what_it_does_not_serve():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    for request, status in ((relay.message(relay.CONNECT), 1), (relay.message(relay.CONNECT, relay.addr("", 80)), 1),
                            (relay.message(relay.CONNECT, relay.addr("127.0.0.1", 0)), 1), (relay.message(3), 1),
                            (relay.message(relay.BIND, relay.addr("127.0.0.1", 0)), 3), (relay.message(9), 1)):
        client = connect(SERVER)
        same(relay.ask(client, request)[0], status, f"status for {request.hex()}")
        same(client.recv(1), b"", "the end")
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x05\x01\x00", b"\x01\x01\x00\x04\x09\x00\x01\x00", b"\x01\x01\xff\xff"):
        client = connect(SERVER)
        client.sendall(nonsense)
        same(ending(client), "reset", f"the end after {nonsense!r}")


@case
def server_forwards_to_its_own_targets():
    lib.name_server(TARGET, "mine")
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}/127.0.0.1:{TARGET}")
    for request in (relay.message(relay.CONNECT, relay.addr("127.0.0.1", CLOSED)), relay.message(relay.CONNECT)):
        client = connect(SERVER)
        same(relay.ask(client, request), (0, {"addr": []}), "the answer")
        same(recv_to_end(client), b"mine", "the service's target, whatever was asked for")


@case
def server_gives_up_on_its_targets():
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}/127.0.0.1:{CLOSED}")
    same(relay.ask(connect(SERVER), REQUEST)[0], 6, "status")


@case
def request_cut_at_every_byte():
    target = Upstream(TARGET)
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    for cut in range(len(REQUEST)):
        client = connect(SERVER)
        client.sendall(REQUEST[:cut])
        client.shutdown(socket.SHUT_WR)
        same(ending(client), "reset" if cut else "eof", f"the end after {cut} bytes")
    check(target.nobody(), "an incomplete request connects to nobody")
    gost.reasons("handshake-truncated", len(REQUEST) - 1)
    for cut in range(1, len(REQUEST)):
        client = connect(SERVER)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(REQUEST[:cut])
        lib.time.sleep(0.002)
        client.sendall(REQUEST[cut:] + b"payload")
        server = target.accept()
        same(recv_exact(server, 7), b"payload", "what was sent behind the request")
        same(recv_exact(client, 4), relay.message(0), "the answer")
        server.close()


@case
def slow_request_has_a_deadline():
    gost = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?readTimeout=300ms")
    client = connect(SERVER)
    client.sendall(REQUEST[:5])
    same(ending(client), "reset", "the end")
    gost.reasons("handshake-timeout")


# --- client ---
def forward(*query, target=TARGET):
    extra = "?" + "&".join(query) if query else ""
    return Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{target}", "-F", f"relay://127.0.0.1:{SERVER}{extra}")


@case
def request_is_as_recorded():
    for name, url in (("node-relay", "relay://127.0.0.1:7000"), ("node-relay-nodelay", "relay://127.0.0.1:7000?nodelay=true"),
                      ("node-relay-auth", "relay://user:pass@127.0.0.1:7000?nodelay=true")):
        row = recorded(name)
        node = Upstream(SERVER)
        gost = Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/10.9.8.7:80", "-F", url)
        client = connect(CLIENT)
        client.sendall(fill(row["client_sends_hex"]))
        peer = node.accept()
        want = fill(row["observed_hex"])
        if "nodelay" in url:
            same(recv_exact(peer, len(want) - 5), want[:-5], f"{name}: the request")
            peer.sendall(fill(row["node_replies_hex"][0]))
            same(recv_exact(peer, 5), want[-5:], f"{name}: the payload")
        else:
            same(recv_exact(peer, len(want)), want, f"{name}: request and payload")
        for reply in row["node_replies_hex"]["nodelay" in url:]:
            peer.sendall(fill(reply))
        peer.close()
        same(recv_to_end(client), fill(row["client_reads_hex"]), f"{name}: what came back")
        client.close()
        same(gost.stop(), 0, "exit status")
        lib.close_socket(node.sock)


@case
def gost_default_server_and_a_client_that_speaks_first():
    node = relay.GlueServer(SERVER)
    lib.echo_server(TARGET)
    gost = forward()
    client = connect(CLIENT)
    client.sendall(b"hello")
    same(recv_exact(client, 5), b"hello", "the echo")
    client.shutdown(socket.SHUT_WR)
    same(client.recv(1), b"", "the end")
    same(node.requests, [(1, {"addr": [("127.0.0.1", TARGET)]})], "the request")
    same(gost.closed()[0]["reason"], "client-eof", "how it ended")


@case
def gost_default_server_and_a_target_that_speaks_first():
    relay.GlueServer(SERVER)
    lib.name_server(TARGET, "220 ready")
    forward()
    same(recv_to_end(connect(CLIENT)), b"220 ready", "what the target said to a silent client")


@case
def answer_in_single_bytes():
    relay.GlueServer(SERVER, slow=True)
    lib.echo_server(TARGET)
    forward()
    client = connect(CLIENT)
    client.sendall(b"hello")
    same(recv_exact(client, 5), b"hello", "the echo")


@case
def refusal_is_a_reset():
    relay.GlueServer(SERVER, status=relay.UNREACHABLE_NET)
    gost = forward()
    client = connect(CLIENT)
    try:
        client.sendall(b"hello")
        end = ending(client)
    except ConnectionResetError:  # the answer was faster
        end = "reset"
    same(end, "reset", "the end")
    gost.wait_log(lambda r: "relay status 7: network unreachable" in r.get("msg", ""), "the status in the log")


@case
def refusal_that_is_awaited_goes_to_the_next_target():
    relay.GlueServer(SERVER, status=relay.UNREACHABLE_NET)
    gost = Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{CLOSED},127.0.0.1:{TARGET}?strategy=fifo", "-F",
                   f"relay://127.0.0.1:{SERVER}?nodelay=true")
    same(ending(connect(CLIENT)), "reset", "the end")
    lib.until(lambda: len([r for r in gost.log() if "relay status 7" in r.get("msg", "")]) == 2, "both targets were tried")


@case
def end_before_the_answer_is_a_reset():
    node = Upstream(SERVER)
    gost = forward()
    for cut in range(4):
        client = connect(CLIENT)
        peer = node.accept()
        recv_exact(peer, len(REQUEST))
        peer.sendall(relay.message(0)[:cut])
        peer.shutdown(socket.SHUT_WR)
        same(ending(client), "reset", f"the end after {cut} bytes of an answer")
    gost.wait_log(lambda r: "closed the connection before it answered" in r.get("msg", ""), "the reason in the log")


@case
def nonsense_for_an_answer():
    Server(SERVER, lambda sock: recv_exact(sock, len(REQUEST)) and sock.sendall(b"HTTP/1.1 400\r\n\r\n") or recv_to_end(sock) and None)
    gost = forward()
    same(ending(connect(CLIENT)), "reset", "the end")
    gost.wait_log(lambda r: "its answer is wrong" in r.get("msg", ""), "the reason in the log")


# --- both ---
def talk(client, data, got):
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    got.append(recv_to_end(client))
    sender.join(30)


def kernel_share(record):
    return (record["kernelInputBytes"] + record["kernelOutputBytes"]) / (record["inputBytes"] + record["outputBytes"])


def pattern_source(data):
    """A target that sends data and expects nothing but the end."""
    return lambda sock: sock.sendall(data) or sock.shutdown(socket.SHUT_WR) or recv_to_end(sock) and None


@case(engines=lib.ENGINES)
def bulk_through_the_server(engine):
    """256 MiB from the target, contents compared, the kernel path in use."""
    data = os.urandom(1 << 20) * 256
    Server(TARGET, pattern_source(data))
    gost = Gostbpf("-engine", engine, "-L", f"relay://127.0.0.1:{SERVER}")
    client = connect(SERVER, timeout=30)
    same(relay.ask(client, REQUEST)[0], 0, "status")
    at, buf = 0, memoryview(bytearray(1 << 20))
    while n := client.recv_into(buf):
        check(buf[:n] == data[at:at + n], f"the same bytes at {at}")
        at += n
    same(at, len(data), "length")
    client.close()
    record = gost.closed()[0]
    if engine == "sockmap" or engine == "auto" and not lib.SANITIZED:
        # How much depends on the machine (scripts/bench-proxies); a client that gets no CPU is slow, and splice(2)'s.
        check(kernel_share(record) > 0 or record["engine"] == "splice", "all of it was copied")


@case(engines=lib.ENGINES)
def both_ends_bulk(engine):
    """64 MiB each way at once through a relay client and a relay server; contents compared."""
    lib.echo_server(TARGET)
    server = Gostbpf("-engine", engine, "-L", f"relay://127.0.0.1:{SERVER}")
    client = Gostbpf("-engine", engine, "-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{TARGET}", "-F", f"relay://127.0.0.1:{SERVER}")
    data, got = os.urandom(1 << 20) * 64, []
    talk(connect(CLIENT, timeout=30), data, got)
    check(got[0] == data, f"{len(got[0])} of {len(data)} bytes came back, and the same ones")
    for gost in (client, server):
        record = gost.closed()[0]
        same(record["reason"], "client-eof", "how it ended")


def exchange(near, far, data):
    """data both ways at once; what arrives is compared."""
    for a, b in ((near, far), (far, near)):
        threading.Thread(target=a.sendall, args=(data,), daemon=True).start()
    for sock in (near, far):
        check(recv_exact(sock, len(data)) == data, "the same bytes")


@case(engines=("sockmap",))
def a_late_answer_does_not_keep_a_flow_out_of_the_kernel(engine):
    """In whatever pieces the answer comes: once it is off, both directions join, and the kernel moves what follows."""
    answer, first, data = relay.message(0), b"first", os.urandom(1 << 20)
    for cut in (0, 1, 4, 9):  # of answer and first bytes: glued, inside the answer, between, all
        node = Upstream(SERVER)
        gost = Gostbpf("-engine", engine, "-L", f"tcp://127.0.0.1:{CLIENT}/10.9.8.7:80", "-F", f"relay://127.0.0.1:{SERVER}")
        client = connect(CLIENT)
        client.sendall(b"hello")
        far = node.accept()
        relay.read_message(lambda n, sock=far: recv_exact(sock, n))
        same(recv_exact(far, 5), b"hello", "what the client said")
        for part in ((answer + first)[:cut], (answer + first)[cut:]):
            far.sendall(part)
            lib.time.sleep(0.05)
        same(recv_exact(client, 5), first, "the first bytes")
        rounds = 4  # a flow joins where it has found nothing more to read: before the first, or between two
        for _ in range(rounds):
            exchange(client, far, data)
        client.close()
        far.close()
        record = gost.closed()[0]
        total = 5 + rounds * len(data)
        same((record["inputBytes"], record["outputBytes"]), (total, total), "bytes")
        moved = record["kernelInputBytes"], record["kernelOutputBytes"]
        check(min(moved) > len(data) // 2, f"{moved} of {total} bytes each way were moved by the kernel")  # a limit may send some by hand
        same(gost.stop(), 0, "exit status")
        lib.close_socket(node.sock)


@case(engines=("auto",))
def half_closed_sessions_stay_out_of_the_kernel(engine):
    """What does keep one out, with or without relay: no kernel takes a socket into a sockmap that has sent or got a FIN.

    auto, because it wants in only when there is bulk, which is after the FIN here.
    """
    data = os.urandom(8 << 20)
    for chain in ((), ("-F", f"relay://127.0.0.1:{SERVER}")):
        up = Upstream(SERVER if chain else TARGET)
        gost = Gostbpf("-engine", engine, "-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{TARGET}", *chain)
        client = connect(CLIENT)
        client.shutdown(socket.SHUT_WR)
        far = up.accept()
        if chain:
            relay.read_message(lambda n, sock=far: recv_exact(sock, n))
            far.sendall(relay.message(0))
        same(far.recv(1), b"", "the client's end")
        sender = threading.Thread(target=lambda sock=far: sock.sendall(data) or sock.close())
        sender.start()  # nobody need hold it all
        check(recv_to_end(client) == data, "the same bytes")
        sender.join()
        record = gost.closed()[0]
        same((record["outputBytes"], record["kernelOutputBytes"]), (len(data), 0), "bytes, of them by the kernel")
        same(gost.stop(), 0, "exit status")
        lib.close_socket(up.sock)


@case
def many_short_sessions():
    lib.echo_server(TARGET)
    server = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    client = Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{TARGET}", "-F", f"relay://127.0.0.1:{SERVER}")
    rnd = random.Random(7)

    def one(data):
        got = []
        talk(connect(CLIENT), data, got)
        results.append(got[0] == data)

    results = []
    for _ in range(5):
        threads = [threading.Thread(target=one, args=(rnd.randbytes(rnd.randrange(200000)),)) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
    same(results, [True] * 100, "contents of 100 sessions")
    for gost in (client, server):
        gost.closed(100)


@case
def two_relays_in_a_row():
    lib.echo_server(TARGET)
    first = Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    second = Gostbpf("-L", f"relay://u:p@127.0.0.1:{SERVER + 1}")
    Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{TARGET}", "-F", f"relay://127.0.0.1:{SERVER}", "-F",
            f"relay://u:p@127.0.0.1:{SERVER + 1}")
    client = connect(CLIENT)
    client.sendall(b"through two")
    same(recv_exact(client, 11), b"through two", "the echo")
    client.close()
    first.closed()
    second.closed()


@case
def two_glueing_relays_in_a_row():
    relay.GlueServer(SERVER)
    relay.GlueServer(SERVER + 1)
    lib.echo_server(TARGET)
    Gostbpf("-L", f"tcp://127.0.0.1:{CLIENT}/127.0.0.1:{TARGET}", "-F", f"relay://127.0.0.1:{SERVER}", "-F",
            f"relay://127.0.0.1:{SERVER + 1}")
    client = connect(CLIENT)
    client.sendall(b"through two")
    same(recv_exact(client, 11), b"through two", "the echo")


@case
def http_through_a_glueing_relay():
    """A request whose head is looked at (absolute form) and a tunnel: the late answer is no part of either."""
    relay.GlueServer(SERVER)
    lib.http_server(TARGET)
    Gostbpf("-L", f"http://127.0.0.1:{CLIENT}", "-F", f"relay://127.0.0.1:{SERVER}")
    for extra in ((), ("-p",)):
        rc, out, err = lib.run("curl", "-sS", "-m", "10", *extra, "-x", f"http://127.0.0.1:{CLIENT}", f"http://127.0.0.1:{TARGET}/")
        same((rc, out), (0, "ok\n"), f"curl {extra} ({err})")


@case
def real_client_behind_a_relay():
    """?proxyProtocol at the server and handler.proxyProtocol towards the target."""
    target = Upstream(TARGET)
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}?proxyProtocol=1&handler.proxyProtocol=1")
    client = connect(SERVER)
    client.sendall(lib.v1("203.0.113.9", 4711, "192.0.2.1", 443) + REQUEST + b"hello")
    server = target.accept()
    want = lib.v1("203.0.113.9", 4711, "192.0.2.1", 443) + b"hello"
    same(recv_exact(server, len(want)), want, "header and payload")


@case
def reset_is_passed_on():
    target = Upstream(TARGET)
    Gostbpf("-L", f"relay://127.0.0.1:{SERVER}")
    forward()
    client = connect(CLIENT)
    client.sendall(b"x")
    server = target.accept()
    recv_exact(server, 1)
    reset(client)
    same(ending(server), "reset", "what the target sees")
    client = connect(CLIENT)
    client.sendall(b"x")
    server = target.accept()
    recv_exact(server, 1)
    reset(server)
    same(ending(client), "reset", "what the client sees")


if __name__ == "__main__":
    lib.main("relay")
