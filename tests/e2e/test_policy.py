#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may claim to be whom: every policy against everything a client can open with, trusted and not."""
import itertools
import time

import decode_proxy
import lib
from lib import (Gostbpf, Upstream, case, check, connect, endpoints, ending, gostbpf_fails, recv_exact, recv_header, same,
                 v1, v2)

TRUSTED, OTHER = "127.0.0.2", "127.0.0.3"
REAL = ("192.0.2.7", 40001, "198.51.100.9", 443)
LOCAL = decode_proxy.SIGNATURE + b"\x20\x00\x00\x00"
OPENINGS = {"v1": v1(*REAL), "v2": v2(*REAL), "UNKNOWN": b"PROXY UNKNOWN\r\n", "LOCAL": LOCAL, "none": b"hello",
            "garbage": b"PROXY is my name\r\n", "broken": v2(*REAL)[:12] + b"\x33" + v2(*REAL)[13:], "silence": b""}
HEADERS = ("v1", "v2", "UNKNOWN")
UNEXPECTED, MISSING, INVALID = "proxy-header-unexpected", "proxy-header-missing", "proxy-header-invalid"


PATIENT, HASTY = 8080, 8081  # who says something at once is asked at the first, who says nothing at the second


def start(policy, more="", waits="&proxyProtocol.timeout=400ms&proxyProtocol.wait=200ms"):
    """Two services that differ in how long they wait; so a client that was held up is not taken for a silent one."""
    def spec(port, waits):
        return (f"tcp://127.0.0.1:{port}/127.0.0.1:8000?handler.proxyProtocol=2&proxyProtocol=1&proxyProtocol.policy={policy}"
                f"{waits}{more}")

    return Gostbpf("-L", spec(PATIENT, ""), "-L", spec(HASTY, waits))


def expected(policy, opening, trusted, untrusted):
    """('claimed' or 'socket', what reaches the upstream) or a reason; written from the manual's words."""
    if "skip" in (policy, untrusted if not trusted else ""):
        return "socket", OPENINGS[opening]
    if opening == "LOCAL":
        return "socket", b""
    if opening in ("garbage", "broken"):
        return INVALID
    if opening in ("none", "silence"):
        return MISSING if policy == "require" else ("socket", OPENINGS[opening])
    effective = policy if trusted else untrusted
    if effective == "reject":
        return UNEXPECTED
    return ("socket" if effective == "ignore" or opening == "UNKNOWN" else "claimed"), b""


def accepted(up, client, who, rest, what):
    sock = up.accept()
    header, _ = recv_header(sock)
    want = REAL if who == "claimed" else (*client.getsockname(), *client.getpeername())
    same(endpoints(header), want, f"{what}: addresses")
    client.sendall(b"end")
    same(recv_exact(sock, len(rest) + 3), rest + b"end", f"{what}: payload")
    sock.close()
    client.close()


def refused(gost, up, client, reason, what, before):
    ending(client)
    client.close()
    records = gost.reasons("proxy-header", before + 1)
    same((len(records), records[-1]["reason"]), (before + 1, reason), f"{what}: records and reason")
    same(records[-1]["client"], records[-1]["remote"], f"{what}: what is refused names nobody")
    check(up.nobody(0.02), f"{what}: the upstream was bothered")


def try_all(gost, up, policy, source, untrusted):
    trusted = source == TRUSTED
    for opening, data in OPENINGS.items():
        what = f"policy {policy}, untrusted {untrusted}, {'trusted' if trusted else 'other'}, {opening}"
        before = len([r for r in gost.log() if r.get("reason", "").startswith("proxy-header")])
        client = connect(PATIENT if data else HASTY, source=(source, 0))
        try:
            client.sendall(data)
            want = expected(policy, opening, trusted, untrusted)
            if isinstance(want, str):
                refused(gost, up, client, want, what, before)
            else:
                accepted(up, client, *want, what)
        except ConnectionError as err:
            raise AssertionError(f"{what}: {err}") from err


@case(each=("use", "require", "reject", "ignore", "skip"))
def every_opening(policy):
    for untrusted in ("reject", "ignore", "skip"):
        up = Upstream(8000)
        gost = start(policy, f"&proxyProtocol.from={TRUSTED},10.0.0.0/8&proxyProtocol.untrusted={untrusted}")
        for source in (TRUSTED, OTHER):
            try_all(gost, up, policy, source, untrusted)
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def without_a_list_everybody_is_trusted_and_the_log_says_so():
    for policy, warns in (("use", True), ("require", True), ("reject", False), ("ignore", False), ("skip", False)):
        up = Upstream(8000)
        gost = start(policy)
        try_all(gost, up, policy, TRUSTED, "reject")
        warnings = [r for r in gost.log() if r["level"] == "warning" and "any source" in r["msg"]]
        named = ["service-0", "service-1"] if warns else []
        same([r["service"] for r in warnings], named, f"warnings with policy {policy}")
        check(all(r["service"] in r["msg"] for r in warnings), "it names the service")
        same(gost.stop(), 0, "exit status")
        up.sock.close()


@case
def no_warning_with_a_list_or_without_receiving():
    for query in ("?proxyProtocol=1&proxyProtocol.from=10.0.0.0/8", "", "?proxyProtocol=0"):
        gost = Gostbpf("-L", f"tcp://127.0.0.1:8080/127.0.0.1:8000{query}")
        check("any source" not in gost.text(), f"a warning with {query!r}")
        same(gost.stop(), 0, "exit status")


@case
def skip_does_not_wait():
    up = Upstream(8000)
    start("skip")
    began = time.monotonic()
    client = connect(PATIENT)
    up.accept().sendall(b"220 first")
    same(recv_exact(client, 9), b"220 first", "greeting")
    check(time.monotonic() - began < 9, "a server that speaks first was made to wait")  # 10 s, unless told otherwise


@case
def wait_is_for_silent_clients_only():
    """After it a silent client is served; one that has begun a header has the whole timeout."""
    up = Upstream(8000)
    gost = start("use", waits="&proxyProtocol.wait=300ms")
    began = time.monotonic()
    with gost.paused():
        slow, silent = connect(HASTY), connect(HASTY)
        slow.sendall(v1(*REAL)[:10])
    sock = up.accept()
    took = time.monotonic() - began
    same(endpoints(recv_header(sock)[0])[:2], silent.getsockname(), "the silent one")
    check(0.25 < took < 9, f"a silent client was served after {took:.2f} s instead of 0.3")  # the timeout is 10 s
    check(up.nobody(0.5), "the slow one was given up or passed on")
    slow.sendall(v1(*REAL)[10:])
    same(endpoints(recv_header(up.accept())[0]), REAL, "the slow one")


@case
def a_header_after_the_wait_is_payload():
    up = Upstream(8000)
    gost = start("use")
    client = connect(HASTY)
    sock = up.accept()
    recv_header(sock)
    client.sendall(v1(*REAL))
    same(recv_exact(sock, len(v1(*REAL))), v1(*REAL), "bytes")
    client.close()
    sock.close()
    check(gost.closed()[0]["client"].startswith("127.0.0.1:"), "it names nobody")


@case
def require_and_the_ends_of_a_connection():
    up = Upstream(8000)
    gost = start("require")
    quiet = connect(8080)
    quiet.close()  # a health check: no record, no target
    part = connect(8080)
    part.sendall(v1(*REAL)[:20])
    part.shutdown(1)
    ending(part)
    same(gost.reasons("proxy-header")[-1]["reason"], MISSING, "half a header and the end")
    with gost.paused():
        late = connect(HASTY)
        late.sendall(v1(*REAL)[:20])
    ending(late)
    same(gost.reasons("proxy-header", 2)[-1]["reason"], "proxy-header-timeout", "half a header and silence")
    check(up.nobody(0.1), "the upstream was bothered")
    same(len(gost.reasons("proxy-header")), 2, "records")


def judged(more, header, good):
    """One client that opens so, on a gostbpf of its own: served, or refused as invalid. Returns what was sent on."""
    up, decoded = Upstream(8000), None
    gost = start("use", more)
    client = connect(8080)
    client.sendall(header)
    if good:
        sock = up.accept()
        decoded = recv_header(sock)[0]
        sock.close()
    else:
        ending(client)
        same(gost.reasons("proxy-header")[-1]["reason"], INVALID, f"{more} {header.hex()}")
    client.close()
    lib.close_socket(up.sock)
    same(gost.stop(), 0, "exit status")
    return decoded


@case
def versions():
    for allowed, version in itertools.product(("1", "2", "1,2"), (1, 2)):
        header = (v1 if version == 1 else v2)(*REAL)
        decoded = judged(f"&proxyProtocol.versions={allowed}", header, str(version) in allowed)
        check(not decoded or endpoints(decoded) == REAL, f"version {version} of {allowed}: {decoded}")


def with_crc(wrong=0):
    tlv = lambda value: b"\x03\x00\x04" + value.to_bytes(4, "big")  # noqa: E731
    return v2(*REAL, tlvs=tlv(decode_proxy.crc32c(v2(*REAL, tlvs=tlv(0))) ^ wrong))


@case
def crc32c():
    plain, right, wrong = v2(*REAL), with_crc(), with_crc(1)
    for mode, header, good in (("verify", plain, True), ("verify", right, True), ("verify", wrong, False),
                               ("require", plain, False), ("require", right, True), ("require", wrong, False),
                               ("ignore", plain, True), ("ignore", right, True), ("ignore", wrong, True),
                               ("require", v1(*REAL), True), ("require", LOCAL, True)):
        judged(f"&proxyProtocol.crc32c={mode}", header, good)


@case
def unspec_and_v4_in_tcp6():
    unspec = decode_proxy.SIGNATURE + b"\x21\x00\x00\x00"
    mixed = b"PROXY TCP6 2001:db8::1 192.0.2.1 1 2\r\n"
    judged("", unspec, True)
    judged("&proxyProtocol.unspec=reject", unspec, False)
    judged("&proxyProtocol.unspec=reject", LOCAL, True)
    judged("", mixed, False)
    same(judged("&proxyProtocol.v4InTCP6=true", mixed, True)["src"], "2001:db8::1", "source of a mixed pair")


@case
def trust_over_ipv6_and_v4_mapped_peers():
    """A dual-stack listener sees IPv4 clients as v4-mapped ones: the list speaks of IPv4."""
    up = Upstream(8000)
    gost = Gostbpf("-L", "tcp://:8080/127.0.0.1:8000?handler.proxyProtocol=2&proxyProtocol=1"
                   f"&proxyProtocol.from={TRUSTED},::1")
    for host, source in (("127.0.0.1", (TRUSTED, 0)), ("::1", ("::1", 0))):
        client = connect(8080, host, source=source)
        client.sendall(v2(*REAL))
        same(endpoints(recv_header(up.accept())[0]), REAL, f"trusted {source[0]}")
    client = connect(8080, source=(OTHER, 0))
    client.sendall(v2(*REAL))
    ending(client)
    same(gost.reasons("proxy-header")[-1]["reason"], UNEXPECTED, "another IPv4 client")


@case
def keys_without_effect_are_errors():
    base = "tcp://127.0.0.1:8080/127.0.0.1:8000?"
    for query, sentence in (
            ("proxyProtocol.policy=require", 'key "proxyProtocol.policy" has no effect without proxyProtocol=1'),
            ("proxyProtocol.from=10.0.0.0/8", 'key "proxyProtocol.from" has no effect without proxyProtocol=1'),
            ("proxyProtocol=1&proxyProtocol.untrusted=skip", "has no effect without proxyProtocol.from"),
            ("proxyProtocol=1&proxyProtocol.wait=20s", "proxyProtocol.wait is longer than proxyProtocol.timeout"),
            ("proxyProtocol=1&proxyProtocol.policy=maybe", "expected use, require, reject, ignore or skip"),
            ("proxyProtocol=1&proxyProtocol.from=10.1.2.3/8", '"10.1.2.3/8" has address bits beyond its prefix'),
            ("proxyProtocol=1&proxyProtocol.from=lb.example", '"lb.example" is not an IPv4 or IPv6 address or network'),
            ("proxyProtocol=1&proxyProtocol.versions=3", "expected 1, 2 or 1,2"),
            ("proxyProtocol=1&proxyProtocol.form=::1", 'did you mean "proxyProtocol.from"?')):
        err = gostbpf_fails("-L", base + query)
        check(sentence in err, f"{query}: {err}")


@case
def the_same_in_yaml():
    conf = lib.tmp() / "gost.yml"
    conf.write_text(f"""
services:
- name: edge
  addr: 127.0.0.1:8080
  metadata:
    proxyProtocol: {{policy: require, from: [{TRUSTED}, 10.0.0.0/8], untrusted: ignore, versions: 2}}
    proxyProtocol.logTLV: true
  handler: {{type: tcp, metadata: {{proxyProtocol: 2}}}}
  listener: {{type: tcp}}
  forwarder: {{nodes: [{{name: a, addr: "127.0.0.1:8000"}}]}}
""")
    up = Upstream(8000)
    gost = Gostbpf("-C", conf, services=1)
    for source, want in ((TRUSTED, REAL[0]), (OTHER, OTHER)):
        client = connect(8080, source=(source, 0))
        client.sendall(v2(*REAL) + b"x")
        same(recv_header(up.accept())[0]["src"], want, f"client behind {source}")
    client = connect(8080, source=(TRUSTED, 0))
    client.sendall(v1(*REAL))
    ending(client)
    same(gost.reasons("proxy-header")[-1]["service"], "edge", "service of the record")


if __name__ == "__main__":
    lib.main("policy")
