#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may claim to be whom in a datagram: every policy against everything one can begin with, trusted and not; and TLVs."""
import decode_proxy
import lib
from lib import Gostbpf, case, check, gostbpf_fails, same
from udp_world import LASTING, LOCAL, TTL, Upstream, ask, header, payload, service, udp_socket, v2

FRONT = ("127.0.0.1", 8080)
TRUSTED, OTHER = "127.0.0.2", "127.0.0.3"
CLIENT, SERVICE = ("192.0.2.7", 7777), ("198.51.100.1", 53)
UNSPEC = decode_proxy.SIGNATURE + b"\x21\x00\x00\x00"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 7777 53\r\n"
OPENINGS = {"v2": v2(CLIENT, SERVICE), "LOCAL": LOCAL, "UNSPEC": UNSPEC, "none": b"", "v1": V1, "begun": b"\r\n\r\n\0",
            "broken": v2(CLIENT, SERVICE)[:12] + b"\x33" + v2(CLIENT, SERVICE)[13:], "cut": v2(CLIENT, SERVICE)[:20]}
HEADERS, NONE = ("v2", "UNSPEC"), ("none", "begun")
UNEXPECTED, MISSING = "proxy-header-unexpected", "proxy-header-missing"
INVALID, TRUNCATED = "proxy-header-invalid", "proxy-header-truncated"


def start(*more, **how):
    return service("127.0.0.1:8080/127.0.0.1:8000", *more, **how)


def expected(policy, opening, trusted, untrusted):
    """('claimed' or 'socket', what stays in front of the payload) or a reason; written from the manual's words."""
    whole = OPENINGS[opening]
    if "skip" in (policy, untrusted if not trusted else ""):
        return "socket", whole
    if opening == "LOCAL":
        return "socket", b""
    if opening in ("broken", "v1"):
        return INVALID
    if opening == "cut":
        return MISSING if policy == "require" else TRUNCATED
    if opening in NONE:
        return MISSING if policy == "require" else ("socket", whole)
    effective = policy if trusted else untrusted
    if effective == "reject":
        return UNEXPECTED
    return ("socket" if effective == "ignore" or opening == "UNSPEC" else "claimed"), b""


def data_of(opening):
    """With a payload, where there is room for one."""
    return OPENINGS[opening] + (b"" if opening in ("cut", "begun") else b"payload")


def try_one(up, policy, source, untrusted, opening):
    what = f"policy {policy}, untrusted {untrusted}, from {source}, {opening}"
    client, before = udp_socket(source), len(up.seen)
    want = expected(policy, opening, source == TRUSTED, untrusted)
    client.sendto(data_of(opening), FRONT)
    if isinstance(want, str):
        return want
    seen = up.wait(before + 1)[before][0]
    same(payload(seen), want[1] + data_of(opening)[len(OPENINGS[opening]):], f"{what}: payload")
    same((header(seen)["src"], header(seen)["sport"]), CLIENT if want[0] == "claimed" else client.getsockname(), f"{what}: client")
    return None


def told(gost):
    return {r["reason"] for r in gost.log() if r.get("reason", "").startswith("proxy-header")}


@case(each=("use", "require", "reject", "ignore", "skip"))
def every_opening(policy):
    for untrusted in ("reject", "ignore", "skip"):
        up = Upstream(8000, answer=False)
        gost = start("handler.proxyProtocol=2", "proxyProtocol=1", f"proxyProtocol.policy={policy}",
                     f"proxyProtocol.from={TRUSTED},10.0.0.0/8", f"proxyProtocol.untrusted={untrusted}")
        refused = [try_one(up, policy, source, untrusted, opening) for source in (TRUSTED, OTHER) for opening in OPENINGS]
        reasons = {r for r in refused if r}
        accepted = len([r for r in refused if not r])
        what = f"policy {policy}, untrusted {untrusted}"
        lib.until(lambda: told(gost) >= reasons, f"{what}: {reasons} in the log")
        same(gost.stop(), 0, "exit status")
        same((told(gost), len(up.seen)), (reasons, accepted), f"{what}: reasons told, datagrams at the upstream")
        check("any source" not in gost.text(), "no warning: there is a list")
        lib.close_socket(up.sock)


@case
def without_a_list_everybody_is_believed_and_the_log_says_so():
    for policy, warns in (("use", 1), ("require", 1), ("reject", 0), ("ignore", 0), ("skip", 0)):
        gost = start("proxyProtocol=1", f"proxyProtocol.policy={policy}")
        warnings = [r["msg"] for r in gost.log() if "any source" in r["msg"]]
        same(warnings, ["service service-0 believes PROXY headers from any source: set proxyProtocol.from"] * warns, policy)
        same(gost.stop(), 0, "exit status")


@case
def trust_on_a_service_for_both_families():
    """A dual-stack socket sees IPv4 senders as v4-mapped ones: the list speaks of IPv4."""
    up = Upstream(8000)
    gost = Gostbpf("-workers", 1, "-L", f"udp://:8080/127.0.0.1:8000?{TTL}&handler.proxyProtocol=2&proxyProtocol=1"
                   f"&proxyProtocol.from={TRUSTED},::1")
    for host, to in ((TRUSTED, FRONT), ("::1", ("::1", 8080))):
        up.seen.clear()
        ask(udp_socket(host), v2(CLIENT, SERVICE) + b"x", to)
        same(header(up.seen[0][0])["src"], CLIENT[0], f"from {host}")
    udp_socket(OTHER).sendto(v2(CLIENT, SERVICE) + b"x", FRONT)
    gost.wait_log(lambda r: r.get("reason") == UNEXPECTED, "another sender's is refused")


@case
def a_refused_header_leaves_the_senders_session_alone():
    up = Upstream(8000)
    start("proxyProtocol=1", f"proxyProtocol.from={TRUSTED}", ttl=LASTING)
    client = udp_socket(OTHER)
    same(ask(client, b"one", FRONT)[0], b"one", "answer")
    client.sendto(v2(CLIENT, SERVICE) + b"forged", FRONT)
    same(ask(client, b"two", FRONT)[0], b"two", "answer")
    same([d for d, _ in up.seen], [b"one", b"two"], "at the upstream")
    same(len({s for _, s in up.seen}), 1, "source ports")


@case
def versions_crc_and_size():
    up = Upstream(8000)
    crc = lambda h: decode_proxy.crc32c(h)  # noqa: E731
    zero = v2(CLIENT, SERVICE, tlvs=b"\x03\0\4\0\0\0\0")
    right, wrong = (v2(CLIENT, SERVICE, tlvs=b"\x03\0\4" + (crc(zero) ^ x).to_bytes(4, "big")) for x in (0, 1))
    plain, long = v2(CLIENT, SERVICE), v2(CLIENT, SERVICE, tlvs=b"\x04\0\x20" + bytes(32))
    for more, data, good in (("crc32c=verify", right, True), ("crc32c=verify", wrong, False), ("crc32c=verify", plain, True),
                             ("crc32c=require", right, True), ("crc32c=require", plain, False), ("crc32c=ignore", wrong, True),
                             ("versions=2", plain, True), ("versions=2", V1, False), ("versions=1", V1, True),
                             ("versions=1", plain, False), ("versions=1,2", V1, True), ("versions=1,2", plain, True),
                             ("maxSize=63", long, True), ("maxSize=62", long, False), ("unspec=accept", UNSPEC, True),
                             ("unspec=reject", UNSPEC, False)):
        up.seen.clear()
        gost = start("proxyProtocol=1", f"proxyProtocol.{more}")
        client = udp_socket()
        client.sendto(data + b"payload", FRONT)
        if good:
            same(client.recv(100), b"payload", f"{more}: answer")
        else:
            gost.wait_log(lambda r: r.get("reason") == INVALID, f"{more} {data.hex()} is refused")
            same(up.seen, [], more)
        same(gost.stop(), 0, "exit status")


# --- TLVs ---
def tlv(kind, value):
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def tlvs(data):
    return [(kind, bytes.fromhex(value)) for kind, value in header(data)["tlvs"]]


MANY = tlv(1, b"dot") + tlv(2, b"a.example") + tlv(4, bytes(9)) + tlv(5, b"id-1") + tlv(0xEA, b"\x01vpce-1") + tlv(0x77, b"")


@case
def nothing_is_passed_unless_asked():
    up = Upstream(8000)
    start("proxyProtocol=1", "handler.proxyProtocol=2")
    ask(udp_socket(), v2(CLIENT, SERVICE, tlvs=MANY) + b"x", FRONT)
    same(tlvs(up.seen[0][0]), [], "TLVs")


@case
def passed_added_and_summed_up():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "handler.proxyProtocol=2", "proxyProtocol.pass=all", "proxyProtocol.sendCrc32c=true",
                 "proxyProtocol.add=UNIQUE_ID={unique-id},0xE1={client} of {service}", "proxyProtocol.logTLV=true", ttl=LASTING)
    client = udp_socket()
    for i in range(3):
        same(ask(client, v2(CLIENT, SERVICE, tlvs=MANY) + b"%d" % i, FRONT)[0], b"%d" % i, "answer")
    record = gost.records_after_stop()[0]
    for data, _ in up.seen:
        got = tlvs(data)
        same((header(data)["proto"], header(data)["src"]), ("DGRAM", CLIENT[0]), "header")
        same([k for k, _ in got], [3, 1, 2, 0xEA, 0x77, 5, 0xE1], "types, with a checksum that is right")
        same(dict(got)[0xE1], b"192.0.2.7:7777 of service-0", "template")
        same(dict(got)[5].decode(), record["uniqueId"], "unique id, as in the log")
    same((record["proxyAuthority"], record["proxyUniqueId"], record["proxyVpcEndpoint"], record["inputDatagrams"]),
         ("a.example", "id-1", "vpce-1", 3), "closing record")


@case
def tlvs_may_change_from_datagram_to_datagram():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "handler.proxyProtocol=2", "proxyProtocol.pass=all", ttl=LASTING)
    client = udp_socket()
    for i in range(20):
        for _ in range(2):
            client.sendto(v2(CLIENT, SERVICE, tlvs=tlv(0xE1, b"%d" % i) if i % 5 else b"") + b"x%d" % i, FRONT)
    up.wait(40)
    for i, (data, _) in enumerate(up.seen):
        n = i // 2
        same((tlvs(data), payload(data)), ([(0xE1, b"%d" % n)] if n % 5 else [], b"x%d" % n), f"datagram {i}")
    same(len({s for _, s in up.seen}), 1, "source ports")
    same(len(gost.records_after_stop()), 1, "sessions")


@case
def with_first_a_change_is_said_again():
    up = Upstream(8000)
    start("proxyProtocol=1", "handler.proxyProtocol=2", "proxyProtocol.pass=all", "proxyProtocol.udp=first", ttl=LASTING)
    client = udp_socket()
    for value in (b"a", b"a", b"b", b"b"):
        ask(client, v2(CLIENT, SERVICE, tlvs=tlv(0xE1, value)) + value, FRONT)
    same([d[-1:] if len(d) == 1 else tlvs(d)[0][1] + b"+" + d[-1:] for d, _ in up.seen], [b"a+a", b"a", b"b+b", b"b"], "datagrams")


@case
def only_believed_tlvs_are_passed():
    up = Upstream(8000)
    start("proxyProtocol=1", "handler.proxyProtocol=2", "proxyProtocol.pass=all", f"proxyProtocol.from={TRUSTED}",
          "proxyProtocol.untrusted=ignore")
    ask(udp_socket(OTHER), v2(CLIENT, SERVICE, tlvs=MANY) + b"x", FRONT)
    same((tlvs(up.seen[0][0]), header(up.seen[0][0])["src"]), ([], OTHER), "from somebody else")
    ask(udp_socket(TRUSTED), v2(CLIENT, SERVICE, tlvs=MANY) + b"x", FRONT)
    same(len(tlvs(up.seen[1][0])), 5, "from a trusted one")


@case
def what_does_not_fit_is_not_cut():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.maxSize=65551", "handler.proxyProtocol=2", "proxyProtocol.pass=all",
                 "proxyProtocol.add=0xE2=" + "y" * 40000)
    client = udp_socket()
    for _ in range(2):
        client.sendto(v2(CLIENT, SERVICE, tlvs=tlv(0xE1, bytes(30000))) + b"x", FRONT)
    gost.wait_log(lambda r: r.get("reason") == "proxy-header-overflow" and r["level"] == "warning", "told")
    client.sendto(v2(CLIENT, SERVICE, tlvs=tlv(0xE1, bytes(20000))) + b"fits", FRONT)
    same(payload(up.wait(1)[0][0]), b"fits", "the next one")
    same({r["reason"] for r in gost.closed(3)}, {"proxy-header-overflow", "idle"}, "ends")


@case
def each_node_its_own():
    first, second = Upstream(8000), Upstream(8001)
    conf = lib.tmp() / "gost.yml"
    conf.write_text(f"""services:
- name: dns
  addr: 127.0.0.1:8080
  metadata:
    proxyProtocol: {{policy: require, from: [{TRUSTED}]}}
  handler: {{type: udp, metadata: {{proxyProtocol: 2, proxyProtocol.pass: AUTHORITY}}}}
  listener: {{type: udp, metadata: {{ttl: 1s}}}}
  forwarder:
    nodes:
    - {{name: a, addr: "127.0.0.1:8000"}}
    - {{name: b, addr: "127.0.0.1:8001", metadata: {{proxyProtocol: 2, proxyProtocol.pass: [UNIQUE_ID], proxyProtocol.sendCrc32c: true, proxyProtocol.dst: local}}}}
""")
    Gostbpf("-C", conf, "-workers", 1, services=1)
    proxy = udp_socket(TRUSTED)
    for port in (1, 2):
        ask(proxy, v2(("192.0.2.7", port), SERVICE, tlvs=MANY) + b"x", FRONT)
    same(([k for k, _ in tlvs(first.seen[0][0])], [k for k, _ in tlvs(second.seen[0][0])]), ([2], [3, 5]), "TLVs of a and b")
    same((header(first.seen[0][0])["dst"], header(second.seen[0][0])["dst"]), (SERVICE[0], FRONT[0]), "destinations")


# --- a header that counts for what follows ---
@case
def a_remembered_header():
    """Senders that put one in front of the first datagram only, or into one of its own (no payload: the target sees none)."""
    for first in (b"one", b""):
        up = Upstream(8000)
        gost = start("proxyProtocol=1", "proxyProtocol.policy=require", f"proxyProtocol.from={TRUSTED}", "proxyProtocol.remember=true",
                     "handler.proxyProtocol=2", "proxyProtocol.pass=all", ttl=LASTING)
        proxy, stranger = udp_socket(TRUSTED), udp_socket(OTHER)
        proxy.sendto(b"too early", FRONT)
        gost.wait_log(lambda r: r.get("reason") == MISSING, "refused without a header")
        proxy.sendto(v2(CLIENT, SERVICE, tlvs=tlv(0xE1, b"kept")) + first, FRONT)
        want = [first] if first else []
        for text in (b"two", b"three"):
            proxy.sendto(text, FRONT)
            want.append(text)
        stranger.sendto(b"nothing of mine", FRONT)
        up.wait(len(want))
        same([(payload(d), header(d)["src"], tlvs(d)) for d, _ in up.seen],
             [(text, CLIENT[0], [(0xE1, b"kept")]) for text in want], "datagrams at the upstream")
        same(len({s for _, s in up.seen}), 1, "source ports")
        same([proxy.recv(100) for _ in want], want, "answers")
        records = gost.records_after_stop()
        same([(r["client"], r["proxyVersion"], r["inputDatagrams"]) for r in records], [("192.0.2.7:7777", 2, len(want))], "records")
        lib.close_socket(up.sock)


@case
def a_remembered_header_until_the_next():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.remember=true", "handler.proxyProtocol=2", ttl=LASTING)
    proxy, other = udp_socket(TRUSTED), udp_socket(OTHER)
    steps = ((proxy, b"", None), (proxy, v2(("192.0.2.1", 1), SERVICE), "192.0.2.1"), (proxy, b"", "192.0.2.1"), (other, b"", None),
             (proxy, v2(("192.0.2.2", 2), SERVICE), "192.0.2.2"), (proxy, b"", "192.0.2.2"), (proxy, LOCAL, None), (proxy, b"", None))
    for i, (sock, head, client) in enumerate(steps):
        ask(sock, head + b"%d" % i, FRONT)
        same(header(up.seen[i][0])["src"], client or sock.getsockname()[0], f"client of datagram {i}")
    ends = [r["reason"] for r in gost.records_after_stop(5)]
    same((ends.count("another-client"), ends.count("drain")), (3, 2), f"ends: {ends}")


@case
def one_gostbpf_remembers_what_another_sends_first():
    up = Upstream(8000)
    gost = start("proxyProtocol=1", "proxyProtocol.policy=require", "proxyProtocol.remember=true", ttl=LASTING)
    service("127.0.0.1:8079/127.0.0.1:8080", "handler.proxyProtocol=2", "proxyProtocol.udp=first", ttl=LASTING)
    clients = [udp_socket() for _ in range(5)]
    for turn in range(4):
        for client in clients:
            same(ask(client, b"%d" % turn, ("127.0.0.1", 8079))[0], b"%d" % turn, "answer")
    same(len(up.seen), 20, "at the upstream")
    records = gost.records_after_stop(5)
    same(sorted((r["client"], r["inputDatagrams"]) for r in records), sorted(("%s:%d" % c.getsockname(), 4) for c in clients), "clients")


@case
def keys_that_cannot_mean_anything_are_errors():
    for query, words in (("proxyProtocol=1&proxyProtocol.wait=1s", "means nothing for a udp service"),
                         ("proxyProtocol=1&proxyProtocol.timeout=1s", "means nothing for a udp service"),
                         ("proxyProtocol.from=::1", "has no effect without proxyProtocol=1"),
                         ("proxyProtocol.pass=all", "has no effect without handler.proxyProtocol")):
        err = gostbpf_fails("-L", f"udp://:8080/:53?{query}")
        check(words in err, f"{query}: {err}")


if __name__ == "__main__":
    lib.main("udp_policy")
