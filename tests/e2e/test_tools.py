#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""decode, encode and send as a user types them: outputs, exit statuses, round trips, real peers at the other end.

Headers that gostbpf makes are judged by decode_proxy.py, which shares no code with it.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess

import decode_proxy
import lib
from lib import GOSTBPF, Gostbpf, Upstream, case, check, connect, curl, endpoints, http_server, recv_exact, recv_header
from lib import recv_to_end, same, skip, spawn, until, v1, v2

REAL = ("192.0.2.7", 40001, "198.51.100.9", 443)
PAIR = ("-src", "192.0.2.7:40001", "-dst", "198.51.100.9:443")
VECTORS = lib.ROOT / "tests/vectors/proxy_header.tsv"
STATUS = {"accept": 0, "reject": 1, "need-more": 2, "not-proxy": 3}


def tool(*argv, stdin=b"", status=0):
    """Standard output of a command as bytes; the exit status must be the given one."""
    rc, out, err = outcome(*argv, stdin=stdin)
    same(rc, status, f"exit status of gostbpf {argv} ({err})")
    return out


def outcome(*argv, stdin=b""):
    done = subprocess.run([GOSTBPF, *map(str, argv)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=20 * lib.SLOW)
    err = done.stderr.decode(errors="replace")
    check(not lib.SANITIZER.search(err), err)
    return done.returncode, done.stdout, err


def fails(*argv, status, says, stdin=b""):
    rc, out, err = outcome(*argv, stdin=stdin)
    same((rc, out), (status, b""), f"exit status and output of gostbpf {argv} ({err})")
    check(says in err and err.startswith(f"gostbpf {argv[0]}: "), f"gostbpf {argv}: {err!r} does not say {says!r}")


def rows():
    lines = VECTORS.read_text().split("\n")
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:] if line]


def columns(o):
    """An object in the columns of the vectors."""
    if o["result"] != "accept":
        return {"expected": o["result"]}
    text = {k: "" if o[k] is None else str(o[k]) for k in
            ("version", "cmd", "family", "proto", "src", "sport", "dst", "dport", "consumed")}
    tlvs = ",".join(f"{t['type'][2:]}:{t['length']:04x}" for t in o["tlvs"])
    return {"expected": "accept", **text, "tlvs": tlvs}


def check_row(o, row):
    got = columns(o)
    same(got, {k: row[k] for k in got}, row["name"])
    for tlv in o.get("tlvs", ()):
        same(len(tlv["value"]), 2 * tlv["length"], f"{row['name']}: a TLV's value")


# --- decode ---
@case
def every_vector_by_lines():
    table = rows()
    check(len(table) >= 100, f"{len(table)} vectors")
    out = tool("decode", "-lines", stdin="".join(r["hex"] + "\n" for r in table).encode()).decode().splitlines()
    same(len(out), len(table), "objects")
    for line, row in zip(out, table):
        check_row(json.loads(line), row)


@case(limit=120)
def every_vector_raw_and_its_exit_status():
    for row in rows():
        out = tool("decode", stdin=bytes.fromhex(row["hex"]), status=STATUS[row["expected"]])
        same(out.count(b"\n"), 1, f"{row['name']}: lines")
        check_row(json.loads(out), row)


@case
def forms_of_hexadecimal():
    want = json.loads(tool("decode", stdin=v2(*REAL)))
    plain = v2(*REAL).hex()
    pairs = re.findall("..", plain)
    for text in (plain, plain.upper(), " ".join(pairs), ":".join(pairs), " ".join("0x" + p for p in pairs), plain + "\n",
                 "\n".join(pairs)):
        same(json.loads(tool("decode", "-x", stdin=text.encode())), want, f"-x with {text!r}")
        same(json.loads(tool("decode", "-x", text)), want, f"-x {text!r}")
    for argv in (("-x=" + plain,), ("--x", plain), ("--x=" + plain,), (plain, "-x")):
        same(json.loads(tool("decode", *argv)), want, str(argv))


@case
def files():
    path, hexed = lib.tmp() / "header", lib.tmp() / "cafe"
    path.write_bytes(v1(*REAL) + b"GET / HTTP/1.0\r\n\r\n")
    same(json.loads(tool("decode", path))["consumed"], len(v1(*REAL)), "consumed")
    hexed.write_text(v2(*REAL).hex())
    done = subprocess.run([GOSTBPF, "decode", "-x", "cafe"], cwd=lib.tmp(), stdout=subprocess.PIPE, check=False)
    same((done.returncode, json.loads(done.stdout)["src"]), (0, REAL[0]), "a file whose name is hexadecimal")
    same(json.loads(tool("decode", "-", stdin=v1(*REAL)))["src"], REAL[0], "-")


@case
def the_largest_header_and_one_byte_less():
    head = v2(*REAL, tlvs=b"\x04" + (65520).to_bytes(2, "big") + bytes(65520))
    same(len(head), 65551, "length")
    for argv, data in (((), head), (("-x",), head.hex(" ").encode())):
        same(json.loads(tool("decode", *argv, stdin=data))["consumed"], 65551, f"{argv}")
    tool("decode", stdin=head[:-1], status=2)


@case
def an_open_pipe_is_answered_at_the_verdict():
    with subprocess.Popen([GOSTBPF, "decode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        for byte in v1(*REAL):
            p.stdin.write(bytes([byte]))
            p.stdin.flush()
        same(p.wait(lib.PATIENCE * lib.SLOW), 0, "exit status while standard input is open")
        same(json.loads(p.stdout.read())["sport"], REAL[1], "sport")


@case
def what_a_reject_says():
    o = json.loads(tool("decode", stdin=b"PROXY TCP4 1.2.3.4 5.6.7.8 080 443\r\n", status=1))
    same((list(o), o["offset"], o["spec"]), (["result", "error", "offset", "spec"], 27, "2.1"), "reject")
    o = json.loads(tool("decode", stdin=b"GET / HTTP/1.1\r\n", status=3))
    same((list(o), o["offset"]), (["result", "error", "offset", "spec"], 0), "not-proxy")


@case
def lines_that_are_not_hexadecimal():
    out = tool("decode", "-lines", stdin=b"zz\n" + v2(*REAL).hex().encode() + b"\n\n0\n50").decode().splitlines()
    same([json.loads(o)["result"] for o in out], ["bad-input", "accept", "need-more", "bad-input", "need-more"], "results")


@case
def wrong_usage():
    for argv, says in ((("-nope",), "-nope"), (("a", "b"), "one FILE only"), (("-x", "no-such-file"), "No such file"),
                       (("/no/such/file",), "No such file"), (("-x=zz",), "not hexadecimal"), (("-listen",), "needs an argument"),
                       (("-listen", ":1", "-x"), "goes with nothing else"), (("-listen", "nonsense"), "HOST:PORT"),
                       (("-x", "/"), "cannot read"), (("-lines", "/"), "cannot read"), (("--",), "bad flag syntax")):
        fails("decode", *argv, status=64, says=says)
    fails("decode", "-x", status=64, says="not hexadecimal", stdin=b"zz")
    fails("decode", "-x", status=64, says="longer than", stdin=b"00" * 600000)
    fails("encode", "word", status=64, says="neither a flag")
    fails("encode", "-v", status=64, says="needs an argument")
    fails("send", status=64, says="ADDR is missing")
    fails("send", "a:1", "b:2", status=64, says="one ADDR only")


@case
def help_names_every_flag_and_its_examples_work():
    for name, flags in (("decode", "x lines listen"), ("encode", "v src dst local tlv crc dgram x"),
                        ("send", "proxy src dst local tlv crc")):
        for flag in ("-h", "--help"):
            text = tool(name, flag).decode()
            check(text.startswith(f"usage: gostbpf {name} "), text)
            for f in flags.split():
                check(re.search(rf"^  -{f}\b", text, re.M), f"{name} -h does not list -{f}")
        check(name in lib.run(GOSTBPF, "-h")[1], f"gostbpf -h does not list {name}")
        for example in re.findall(r"^  ((?:printf|gostbpf) .*)$", text, re.M):
            if "-listen" in example or "send" in example:
                continue
            done = subprocess.run(f'gostbpf() {{ "{GOSTBPF}" "$@"; }}; {example}', shell=True, stdout=subprocess.PIPE, check=False)
            check(done.returncode == 0 and done.stdout, f"the example {example!r}")


@case
def a_full_disk_is_an_error():
    for argv, status in ((("decode", "-x", v2(*REAL).hex()), 64), (("encode", "-local"), 1)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([GOSTBPF, *argv], stdout=full, stderr=subprocess.PIPE, check=False)
        same(done.returncode, status, f"{argv}")
        check(b"No space left" in done.stderr, str(done.stderr))


# --- encode ---
@case
def encode_writes_what_the_specification_says():
    same(tool("encode", "-v", "1", *PAIR), v1(*REAL), "version 1")
    same(tool("encode", *PAIR), v1(*REAL), "the default is version 1")
    same(tool("encode", "-v", "2", *PAIR), v2(*REAL), "version 2")
    same(tool("encode", "-v=2", "--x", *PAIR), v2(*REAL).hex().encode() + b"\n", "-x")
    same(tool("encode", "-v", "1", "-local"), b"PROXY UNKNOWN\r\n", "UNKNOWN")
    same(decode_proxy.decode(tool("encode", "-v", "2", "-local"))["command"], "LOCAL", "LOCAL")
    header = decode_proxy.decode(tool("encode", "-dgram", *PAIR))
    same((header["version"], header["proto"], endpoints(header)), (2, "DGRAM", REAL), "-dgram")
    tlvs = ("-tlv", "authority=a.example", "-tlv", "0xE5=hex:00:ff", "-tlv", "unique-id=", "-crc")
    header = decode_proxy.decode(tool("encode", *PAIR, *tlvs))
    same([t for t in header["tlvs"] if t[0] != 3], [(2, b"a.example".hex()), (0xE5, "00ff"), (5, "")], "TLVs")
    same(len(header["tlvs"]), 4, "TLVs with the checksum")


@case
def every_type_has_its_name():
    names = {0x01: "ALPN", 0x02: "AUTHORITY", 0x03: "CRC32C", 0x04: "NOOP", 0x05: "UNIQUE_ID", 0x20: "SSL", 0x30: "NETNS", 0xE0: "GCP",
             0xE1: "ALIBABA", 0xEA: "AWS", 0xEE: "AZURE"}
    for kind in sorted({0x00, 0x06, 0x1F, 0x21, 0x2F, 0x31, 0xDF, 0xE2, 0xF0, 0xFF} | set(names) - {0x03, 0x20}):
        header = tool("encode", "-v", "2", *PAIR, "-tlv", f"0x{kind:02x}=x\\y", "-crc")
        got = {t["type"]: t["name"] for t in json.loads(tool("decode", stdin=header))["tlvs"]}
        same(got, {"0x03": "CRC32C", f"0x{kind:02x}": names.get(kind)}, "names")
        if kind in names:
            same(tool("encode", "-v", "2", *PAIR, "-tlv", f"{names[kind].lower()}=x\\y", "-crc"), header, "by its name")
    ssl = b"\x01" + bytes(4) + b"".join(bytes((kind, 0, 1)) + b"a" for kind in range(0x21, 0x29))
    o = json.loads(tool("decode", stdin=v2(*REAL, tlvs=b"\x20" + len(ssl).to_bytes(2, "big") + ssl)))["tlvs"][0]
    same([t["name"] for t in o["sub"]], ["SSL_VERSION", "SSL_CN", "SSL_CIPHER", "SSL_SIG_ALG", "SSL_KEY_ALG", "SSL_GROUP",
                                         "SSL_SIG_SCHEME", "SSL_CLIENT_CERT"], "inside SSL")


@case
def encode_refuses():
    for argv, says in (((), "-src is missing"), (("-src", "1.2.3.4:5"), "-dst is missing"), (("-v", "3", *PAIR), "expected 1 or 2"),
                       (("-v", "1", *PAIR, "-crc"), "version 1 has no CRC32C"), (("-src", "host:1", "-dst", "[::1]:1"), "IP:PORT"),
                       ((*PAIR, "-tlv", "0x02"), "TYPE=VALUE"), ((*PAIR, "-tlv", "nope=1"), "unknown type"),
                       ((*PAIR, "-tlv", "crc32c=1"), "-crc"), ((*PAIR, "-local"), "names nobody"),
                       ((*PAIR, "-tlv", "2=x"), "unknown type"), ((*PAIR, "-tlv", "unique-id=" + "x" * 129), "longer than 128"),
                       ((*PAIR, "-tlv", "0xE5=" + "x" * 65521), "65535")):
        fails("encode", *argv, status=1, says=says)


def random_address(rng, six):
    port = rng.randrange(65536)
    if six:
        groups = [rng.choice((0, 0, rng.randrange(1, 65536))) for _ in range(7)]
        return f"[{':'.join(f'{g:x}' for g in [0x2001] + groups)}]:{port}"
    return f"{'.'.join(str(rng.randrange(256)) for _ in range(4))}:{port}"


def canonical(text):
    host, port = text.rsplit(":", 1)
    six = host.startswith("[")
    family = socket.AF_INET6 if six else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, host.strip("[]"))), int(port)


@case(limit=120)
def decode_of_encode_is_the_same():
    """Random addresses and TLVs through the commands, read by decode and by the independent decoder."""
    rng = random.Random(20261124)
    headers, wanted = [], []
    for _ in range(100):
        six, first = rng.random() < .5, rng.random() < .2
        src, dst = random_address(rng, six), random_address(rng, six)
        tlvs = [] if first else [(rng.choice([t for t in range(256) if t not in (3, 0x20)]), rng.randbytes(rng.randrange(60)))
                                 for _ in range(rng.randrange(6))]
        crc, dgram = not first and rng.random() < .5, not first and rng.random() < .5
        words = [w for t, v in tlvs for w in ("-tlv", f"0x{t:02x}=hex:{v.hex()}")]
        words += ["-crc"] * crc + ["-dgram"] * dgram
        headers.append(tool("encode", "-v", 1 if first else 2, "-src", src, "-dst", dst, "-x", *words).strip())
        wanted.append((1 if first else 2, "DGRAM" if dgram else "STREAM", *canonical(src), *canonical(dst),
                       [(t, v.hex()) for t, v in tlvs], crc))
    out = tool("decode", "-lines", stdin=b"\n".join(headers)).decode().splitlines()
    same(len(out), len(wanted), "objects")
    for line, header, want in zip(out, headers, wanted):
        o, other = json.loads(line), decode_proxy.decode(bytes.fromhex(header.decode()))
        tlvs = [(int(t["type"], 16), t["value"]) for t in o["tlvs"]]
        same(other["tlvs"], tlvs, "TLVs by both decoders")
        rest = [t for t in tlvs if t[0] != 3]
        same((o["version"], o["proto"], o["src"], o["sport"], o["dst"], o["dport"], rest, len(tlvs) > len(rest)), want,
             header.decode())
        same((other["version"], other["proto"], other["src"], other["sport"], other["dst"], other["dport"]), want[:6],
             "the independent decoder")


# --- decode -listen ---
class Listen:
    def __init__(self, port, address=None):
        self.out = lib.tmp() / f"listen.{port}"
        with open(self.out, "wb") as out:
            self.proc = subprocess.Popen([GOSTBPF, "decode", "-listen", address or f"127.0.0.1:{port}"], stdout=out,
                                         stderr=subprocess.PIPE)
        lib._running.processes.append(self.proc)  # pylint: disable=protected-access
        lib.wait_listening(port)

    def objects(self, count):
        until(lambda: self.out.read_bytes().count(b"\n") >= count, f"{count} objects")
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def stop(self, sig=signal.SIGINT):
        self.proc.send_signal(sig)
        err = self.proc.communicate(timeout=lib.PATIENCE * lib.SLOW)[1].decode()
        check(not lib.SANITIZER.search(err), err)
        same(self.proc.returncode, 0, f"exit status ({err})")
        return err


def socket_links(pid):
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return [link for link in links if link.startswith("socket:")]


@case
def listen_shows_what_arrives_and_answers_nothing():
    listen = Listen(8080)
    client = connect(8080)
    client.sendall(v2(*REAL, tlvs=b"\x02\x00\x01a") + b"GET / HTTP/1.0\r\n" + b"x" * 1000)
    same(recv_to_end(client), b"", "answer")
    o = listen.objects(1)[0]
    same((o["result"], o["src"], o["sport"], o["tlvs"][0]["text"]), ("accept", REAL[0], REAL[1], "a"), "header")
    same(o["peer"], f"127.0.0.1:{client.getsockname()[1]}", "peer")
    same((o["payload"]["length"], o["end"]), (1016, "open"), "payload")
    same(bytes.fromhex(o["payload"]["preview"]), b"GET / HTTP/1.0\r\n" + b"x" * 48, "preview")
    check(o["payload"]["text"].startswith("GET / HTTP/1.0\r\nxx"), "text")
    check("listening on 127.0.0.1:8080" in listen.stop(), "the address is announced")


@case
def listen_serves_one_after_the_other():
    listen = Listen(8080)
    for data, result, length in ((b"hello", "not-proxy", 5), (v1(*REAL), "accept", 0), (v1(*REAL)[:20], "need-more", 20),
                                 (b"PROXY nonsense\r\n", "reject", 16), (b"", "need-more", 0)):
        client = connect(8080)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        same(recv_to_end(client), b"", "answer")
        client.close()
    for o, want in zip(listen.objects(5), (("not-proxy", 5), ("accept", 0), ("need-more", 20), ("reject", 16), ("need-more", 0))):
        same((o["result"], o["payload"]["length"], o["end"]), (*want, "eof"), "object")
    client = connect(8080)
    for byte in v1(*REAL):
        client.sendall(bytes([byte]))
    same(listen.objects(6)[5]["result"], "accept", "a header in pieces")
    client = connect(8080)
    client.sendall(b"PRO")
    lib.reset(client)
    o = listen.objects(7)[6]
    same((o["result"], o["end"]), ("need-more", "reset"), "a reset")
    listen.stop(signal.SIGTERM)


@case
def listen_on_both_families():
    listen = Listen(8080, ":8080")
    for host in ("127.0.0.1", "::1"):
        client = connect(8080, host)
        client.sendall(v1(*REAL))
        recv_to_end(client)
    same([o["peer"].rsplit(":", 1)[0] for o in listen.objects(2)], ["127.0.0.1", "[::1]"], "peers")
    listen.stop()


@case
def listen_while_a_client_says_nothing():
    """SIGINT shows what there is and ends."""
    listen = Listen(8080)
    client = connect(8080)
    client.sendall(b"PROXY ")
    until(lambda: len(socket_links(listen.proc.pid)) == 2, "it is accepted")
    listen.stop()
    same(listen.objects(1)[0]["result"], "need-more", "result")


@case
def listen_shows_curl_and_haproxy():
    if not shutil.which("haproxy"):
        skip("haproxy is not installed")
    listen = Listen(8080)
    curl("--haproxy-protocol", "http://127.0.0.1:8080/")
    o = listen.objects(1)[0]
    same((o["version"], o["dport"]), (1, 8080), "curl's header")
    check(o["payload"]["text"].startswith("GET / HTTP/1.1\r\n"), "curl's request")
    haproxy("  unique-id-format id-%pid\n  bind 127.0.0.1:8079\n  server s 127.0.0.1:8080 send-proxy-v2 proxy-v2-options crc32c,unique-id")
    client = connect(8079)
    client.sendall(b"hello")
    o = listen.objects(2)[1]
    same((o["version"], o["src"], o["sport"]), (2, *client.getsockname()), "haproxy's header")
    same([t["name"] for t in o["tlvs"]], ["CRC32C", "UNIQUE_ID"], "haproxy's TLVs")


def haproxy(front):
    conf = lib.tmp() / "haproxy.cfg"
    conf.write_text("defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nlisten test\n" + front + "\n")
    spawn("haproxy", "-db", "-f", conf, wait=8079)


@case
def reading_a_header_allocates_nothing():
    done = subprocess.run([lib.TOOLS.parent / "bench/parse", "1000"], stdout=subprocess.PIPE, text=True, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    same([(r["bytes"], r["accepted"], r["allocations"]) for r in results], [(108, True, 0), (104, True, 0)], "headers")


@case
def readme_examples():
    """The commands of "See it", which listen and send to one another."""
    section = (lib.ROOT / "README.md").read_text().split("### See it\n")[1].split("\n### ")[0]
    commands = re.search(r"```\n(.*?)```", section, re.S).group(1).splitlines()
    sample = re.search(r"```json\n(.*?)\n```", section, re.S).group(1)
    same(len([c for c in commands if "-listen :8080" in c]), 1, "commands that listen")
    listen, out = Listen(8080, ":8080"), []
    for command in commands:
        if "-listen" not in command:
            done = subprocess.run(f'gostbpf() {{ "{GOSTBPF}" "$@"; }}; {command}', shell=True, stdout=subprocess.PIPE, check=False)
            same(done.returncode, 0, command)
            out.append(done.stdout.decode().strip())
    same(len(out), 3, "the other commands")
    same(out[0], sample, "the object that README shows")
    same([t["name"] for t in json.loads(out[1])["tlvs"]], ["CRC32C", "AUTHORITY"], "TLVs")
    o = listen.objects(1)[0]
    same((o["version"], o["src"], o["payload"]["text"]), (2, REAL[0], "GET / HTTP/1.0\r\n\r\n"), "what was sent")
    listen.stop()


# --- send ---
@case
def send_with_its_own_addresses():
    for argv, version in (((), 1), (("-proxy", "1"), 1), (("-proxy=2",), 2), (("-tlv", "unique-id=x"), 2)):
        for host, address in (("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")):
            up = Upstream(8000, host)
            with subprocess.Popen([GOSTBPF, "send", *argv, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
                sock = up.accept()
                header, _ = recv_header(sock)
                same((header["version"], endpoints(header)), (version, (*sock.getpeername()[:2], host, 8000)), f"{argv}")
                p.stdin.write(b"question")
                p.stdin.flush()
                same(recv_exact(sock, 8), b"question", "standard input")
                p.stdin.close()
                same(recv_to_end(sock), b"", "half-close")
                sock.sendall(b"answer")
                sock.close()
                same((p.stdout.read(), p.wait(lib.PATIENCE * lib.SLOW)), (b"answer", 0), "standard output")
            lib.close_socket(up.sock)


@case
def send_ends_when_the_other_side_does():
    up = Upstream(8000)
    with subprocess.Popen([GOSTBPF, "send", *PAIR, "127.0.0.1:8000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        sock = up.accept()
        same(endpoints(recv_header(sock)[0]), REAL, "addresses")
        sock.sendall(b"bye")
        sock.close()
        same((p.wait(lib.PATIENCE * lib.SLOW), p.stdout.read()), (0, b"bye"), "with standard input still open")


@case
def send_much_both_ways():
    """An echo larger than every buffer: who only writes while he writes stands still."""
    lib.echo_server(8000)
    Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1")
    data = random.Random(7).randbytes(20_000_000)
    same(tool("send", "127.0.0.1:8080", stdin=data) == data, True, "20 MB come back")


@case
def send_through_a_small_socket_buffer():
    """Chunks are then sent in parts: none may be lost or sent twice."""
    limits = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem")
    before = limits.read_text()
    limits.write_text("4096 16384 16384")
    try:
        server = lib.Server(8000, lambda sock: (recv_header(sock), recv_to_end(sock))[1])
        data = random.Random(8).randbytes(3_000_000)
        tool("send", "127.0.0.1:8000", stdin=data)
        check(server.result() == data, "3 MB arrive as they were")
    finally:
        limits.write_text(before)


@case
def send_to_gostbpf():
    up = Upstream(8000)
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000?proxyProtocol=1&handler.proxyProtocol=2")
    for version in "12":
        with subprocess.Popen([GOSTBPF, "send", "-proxy", version, *PAIR, "127.0.0.1:8080"], stdin=subprocess.PIPE) as p:
            p.stdin.write(b"hello")
            p.stdin.close()
            sock = up.accept()
            same(endpoints(recv_header(sock)[0]), REAL, "what was sent on")
            same(recv_to_end(sock), b"hello", "payload")
            sock.close()
            same(p.wait(lib.PATIENCE * lib.SLOW), 0, "exit status")
    same({r["client"] for r in gost.closed(2)}, {"192.0.2.7:40001"}, "client in the log")


@case
def send_that_is_cut_is_an_error():
    up = Upstream(8000)
    with subprocess.Popen([GOSTBPF, "send", "127.0.0.1:8000"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        sock = up.accept()
        recv_header(sock)
        lib.reset(sock)
        same(p.wait(lib.PATIENCE * lib.SLOW), 1, "exit status")
        check(b"reset" in p.stderr.read(), "it says why")


@case
def send_fails_before_it_connects():
    up = Upstream(8000)
    fails("send", "-tlv", "x=1", "127.0.0.1:8000", status=1, says="unknown type")
    fails("send", "-proxy", "1", "-crc", "127.0.0.1:8000", status=1, says="version 1 has no CRC32C")
    fails("send", "127.0.0.1", status=1, says="HOST:PORT")
    fails("send", "127.0.0.1:8001", status=1, says="refused")
    check(up.nobody(0.2), "somebody connected")


@case
def haproxy_reads_what_encode_and_send_make():
    if not shutil.which("haproxy"):
        skip("haproxy is not installed")
    server = http_server(8000, proxy=True)
    haproxy("  bind 127.0.0.1:8079 accept-proxy\n  server s 127.0.0.1:8000 send-proxy-v2")
    request = b"GET / HTTP/1.0\r\n\r\n"
    for argv in (("-v", "1"), ("-v", "2"), ("-crc", "-tlv", "authority=a.example", "-tlv", "unique-id=u", "-tlv", "0xE5=hex:00")):
        client = connect(8079)
        client.sendall(tool("encode", *PAIR, *argv) + request)
        check(recv_to_end(client).startswith(b"HTTP/1.1 200"), f"{argv}: answer")
        same(endpoints(server.result()[0]), REAL, f"{argv}: what haproxy understood")
        argv = ("-proxy", argv[1]) if argv[0] == "-v" else argv
        check(tool("send", *argv, *PAIR, "127.0.0.1:8079", stdin=request).startswith(b"HTTP/1.1 200"), f"send {argv}: answer")
        same(endpoints(server.result()[0]), REAL, f"send {argv}: what haproxy understood")
    client = connect(8079)
    client.sendall(tool("encode", "-v", "2", "-local") + request)
    check(recv_to_end(client).startswith(b"HTTP/1.1 200"), "LOCAL: answer")
    same(endpoints(server.result()[0])[:2], client.getsockname(), "LOCAL: haproxy takes the socket's address")


if __name__ == "__main__":
    lib.main("tools")
