#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Command line and configuration files: what is accepted, what is printed, and errors that name what is wrong."""
import json

import lib
from lib import GOSTBPF, Gostbpf, Upstream, case, check, connect, gostbpf_fails, name_server, recv_to_end, run, same

YAML = """services:
- name: one
  addr: 127.0.0.1:8080
  handler:
    type: tcp
    metadata:
      proxyProtocol: 2
      engine: copy
  listener:
    type: tcp
  forwarder:
    nodes:
    - name: a
      addr: 127.0.0.1:8000
"""


def write(text, name="gost.yml"):
    path = lib.tmp() / name
    path.write_text(text)
    return path


@case
def version_and_help():
    rc, out, _ = run(GOSTBPF, "-V")
    check(rc == 0 and out.startswith("gostbpf "), out)
    for flag in ("-h", "--help", "-help"):
        rc, out, _ = run(GOSTBPF, flag)
        check(rc == 0 and "examples" in out and "proxyProtocol" in out, f"{flag}: {rc} {out[:200]}")


@case
def check_says_whether_it_would_start():
    path = write(YAML)
    same(run(GOSTBPF, "check", "-C", path), (0, "OK: 1 service\n", ""), "a sound file")
    same(run(GOSTBPF, "check", "-C", path, "-L", "tcp://:1/:2")[:2], (0, "OK: 2 services\n"), "with -L")
    path = write(YAML.replace("engine: copy", "engine: cpoy"), "bad.yml")
    err = gostbpf_fails("check", "-C", path)
    check("bad.yml:8:15" in err and "cpoy" in err and err.count("\n") == 1, err)
    err = gostbpf_fails("check", "-L", "tcp://:1/:2?admission=10.0.0.0/99")
    check("10.0.0.0/99" in err, err)


START = (  # what only the assembled service knows, and what it needs around it
    (("-L", "tls://:8443/:80"), "a certificate (certFile) and its key (keyFile) are needed"),
    (("-L", "https://:8443?cert=none.pem&key=none.pem"), "certificate none.pem: No such file"),
    (("-L", ":8080", "-F", "http+tls://a:1?ca=none.pem"), "authorities none.pem: No such file"),
    (("-L", ":8080", "-F", "http+tls://a:1", "-F", "socks5+tls://b:2"), "only one hop of a chain can use TLS"),
    (("-L", "rtcp://:8080/:80", "-F", "http://a:1"), "only relay and socks5 can"),
    (("-L", "udp://:53/:54", "-F", "http://a:1"), "http carries no datagrams"),
    (("-L", "tcp://:8080/:80?netns=none"), "cannot enter the network namespace"),
    (("-L", "tcp://:8080/:80?interface=none0"), "there is no such device"),
)


@case
def check_explain_and_a_run_refuse_alike():
    for words, want in START:
        for command in ("check", "explain", None):
            err = gostbpf_fails(*([command] if command else []), *words)
            check(want in err, f"{command} {words}: {err}")
    other = Upstream(8080)  # no port is opened, so one that is taken does not matter
    same(run(GOSTBPF, "check", "-L", "tcp://127.0.0.1:8080/:80"), (0, "OK: 1 service\n", ""), "a port in use")
    other.sock.close()


@case
def explain_shows_defaults_and_origins():
    path = write(YAML)
    rc, out, err = run(GOSTBPF, "explain", "-C", path, "-workers", "2", "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000")
    same((rc, err), (0, ""), "explain")
    lines = {line.strip().split(":")[0].lstrip("- "): line for line in out.splitlines()}
    check(lines["workers"].endswith("# -workers"), lines["workers"])
    check(lines["drainTimeout"].endswith("# default"), lines["drainTimeout"])
    check(f"# {path}:8:15" in out and '# -L "tcp://127.0.0.1:8081/127.0.0.1:8000"' in out, out)
    check("# one: engine copy, as written" in out, out)
    again = write(out, "explained.yml")
    same(run(GOSTBPF, "check", "-C", again)[:2], (0, "OK: 2 services\n"), "what it prints is a configuration")


@case
def lenient_warns_and_serves():
    path = write(YAML + "metrics: {addr: ':9'}\n")
    check("metrics" in gostbpf_fails("-C", path), "refused by default")
    rc, out, err = run(GOSTBPF, "check", "-lenient", "-C", path)
    same((rc, out), (0, "OK: 1 service\n"), "with -lenient")
    check(err == f'gostbpf: warning: {path}:15:1: section "metrics" is not supported yet: ignored\n', err)
    check("quux" in gostbpf_fails("-lenient", "-C", path, "-L", "tcp://:1/:2?quux=1"), "an unknown word is none")
    name_server(8000, "up")
    gost = Gostbpf("-lenient", "-C", path, services=1)
    client = connect(8080)
    check(recv_to_end(client).endswith(b"up"), "it serves")
    client.close()
    same(gost.stop(), 0, "exit status")


@case
def separated_parts_are_processes():
    name_server(8000, "a")
    name_server(8001, "b")
    gost = Gostbpf("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "--", "-L", "tcp://127.0.0.1:8081/127.0.0.1:8001",
                   "-D", services=2)
    for port, want in ((8080, b"a"), (8081, b"b")):
        client = connect(port)
        same(recv_to_end(client), want, f"the part on {port}")
        client.close()
    same(gost.stop(), 0, "SIGTERM reaches all")
    for port in (8080, 8081):
        check(not lib.listening(port), f"nobody listens on {port} any more")
    # one that fails takes the others along, and blanks in arguments stay
    rc, _, err = run(GOSTBPF, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "--", "-C", "no  such.yml")
    check(rc == 1 and "no  such.yml" in err, f"{rc}: {err}")
    check(not lib.listening(8080), "the other part has ended")
    for words in (("--", "-L", ":1/:2"), ("-L", ":1/:2", "--"), ("-L", ":1/:2", "--", "--", "-V")):
        rc, _, err = run(GOSTBPF, *words)
        check(rc == 2 and '"--"' in err, f"{words}: {rc} {err}")


@case
def nothing_to_do_is_an_error():
    check("-L" in gostbpf_fails(), "the message says what to give")


@case
def bad_specs_are_named():
    for spec, word in (("tcp://:8080/:8000?nonsense=1", "nonsense"), ("tcp://:8080/:8000?engine=warp", "warp"),
                       ("tcp://:8080/:8000?handler.proxyProtocol=3", "proxyProtocol"), ("tcp://:8080", "target"),
                       ("tcp://:99999/:8000", "99999"), ("tcp://:8080/:0x1f", "0x1f"), ("tcp://nonsense", "nonsense"),
                       ("quux://:8080/:80", "quux"), ("tcp://:8080/[::1:80", "::1"), ("tcp://:8080/:8000?idleTimeout=soon", "soon")):
        check(word in gostbpf_fails("-L", spec), f"{spec}: the message does not name {word}")


@case
def close_spellings_are_suggested():
    check("idleTimeout" in gostbpf_fails("-L", "tcp://:8080/:8000?idletimout=3s"), "did you mean idleTimeout")
    check("engine" in gostbpf_fails("-L", "tcp://:8080/:8000?engin=copy"), "did you mean engine")


@case
def unknown_flags_are_named():
    check("-frobnicate" in gostbpf_fails("-frobnicate", "-L", "tcp://:8080/:8000", status=2), "flag")
    check("warp" in gostbpf_fails("-engine", "warp", "-L", "tcp://:8080/:8000"), "value")
    gostbpf_fails("-L", status=2)


@case
def yaml_errors_have_file_line_and_column():
    for text, place in ((YAML.replace("metadata:", "metadat:", 1), ":6:5"), (YAML.replace("type: tcp", "type: [tcp", 1), "gost.yml:"),
                        (YAML.replace("engine: copy", "engine: warp"), ":8:"), (YAML.replace("127.0.0.1:8080", "127.0.0.1:http:x"), ":3:"),
                        ("services: 5\n", ":1:"), (YAML + "nonsense: 1\n", ":15:1")):
        err = gostbpf_fails("-C", write(text))
        check("gost.yml" in err and place in err, f"{place} is not in: {err}")
    check("tungo" in gostbpf_fails("-C", write(YAML.replace("type: tcp", "type: tungo", 1))), "handler type")
    check("nothere.yml" in gostbpf_fails("-C", "nothere.yml"), "missing file")


@case
def duplicate_names_and_addresses():
    check("one" in gostbpf_fails("-C", write(YAML + YAML.replace("services:\n", "").replace("8080", "8081"))), "duplicate name")


@case
def a_port_in_use_is_named_and_nothing_is_left_running():
    Upstream(8080)
    check("8080" in gostbpf_fails("-L", "tcp://127.0.0.1:8081/127.0.0.1:8000", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000"),
          "port in use")


@case
def a_file_and_a_service_together():
    name_server(8000, "file")
    name_server(8001, "flag")
    gost = Gostbpf("-C", write(YAML.replace("proxyProtocol: 2\n      ", "")), "-L", "tcp://127.0.0.1:8081/127.0.0.1:8001", services=2)
    same((recv_to_end(half(8080)), recv_to_end(half(8081))), (b"file", b"flag"), "who answers")
    names = {r["service"] for r in gost.log() if "listening on" in r["msg"]}
    check("one" in names and len(names) == 2, f"names {names}")


def half(port):
    client = connect(port)
    client.shutdown(1)
    return client


@case
def json_files_and_inline_text_and_standard_input():
    config = {"services": [{"name": "j", "addr": "127.0.0.1:8080", "handler": {"type": "tcp"}, "listener": {"type": "tcp"},
                            "forwarder": {"nodes": [{"name": "a", "addr": "127.0.0.1:8000"}]}}]}
    for source, stdin in ((write(json.dumps(config), "gost.json"), ""), (json.dumps(config), ""), ("-", json.dumps(config))):
        rc, out, err = run(GOSTBPF, "-C", source, "-O", "json", stdin=stdin)
        same(rc, 0, err)
        same(json.loads(out)["services"][0]["name"], "j", "name")


@case
def printed_configuration_starts_the_same_service():
    rc, out, _ = run(GOSTBPF, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000,127.0.0.1:8001?proxyProtocol=1&engine=copy", "-O", "yaml")
    same(rc, 0, "exit status")
    rc, again, err = run(GOSTBPF, "-C", write(out), "-O", "yaml")
    same((rc, again), (0, out), f"printed, read, printed ({err})")
    name_server(8000, "zero")
    name_server(8001, "one")
    Gostbpf("-C", write(out), services=1)
    client = connect(8080)
    client.sendall(b"x")
    client.shutdown(1)
    check(recv_to_end(client) in (b"zero", b"one"), "one of the two answers")


@case
def printing_starts_nothing():
    Upstream(8080)  # the port is taken: printing must not care
    rc, out, err = run(GOSTBPF, "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "-O", "json")
    same(rc, 0, err)
    same(json.loads(out)["services"][0]["forwarder"]["nodes"][0]["addr"], "127.0.0.1:8000", "target")


def outline(config):
    """What both programs must agree on; metadata is typed and sorted into its scope here, and copied about by GOST."""
    return [{"name": s["name"], "addr": s["addr"], "handler": s["handler"]["type"], "listener": s["listener"]["type"],
             "nodes": [(n["name"], n["addr"]) for n in s.get("forwarder", {}).get("nodes", [])]} for s in config["services"]]


@case
def recorded_gost_configurations_for_tcp_mean_the_same():
    """Rows of tests/vectors/gost/cli.jsonl that use nothing but tcp. What GOST lets pass by mistake may be refused."""
    compared, wrong = 0, []
    with open(lib.ROOT / "tests/vectors/gost/cli.jsonl", encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    for row in filter(plain_tcp, rows):
        rc, out, err = run(GOSTBPF, "-O", "json", *row["args"])
        if rc:
            check(err.startswith("gostbpf: "), f"{row['id']}: refused without a sentence: {err}")
            continue
        compared += 1
        if outline(json.loads(out)) != outline(row["config"]):
            wrong.append(f"{row['id']} {row['args']}:\n  {outline(json.loads(out))}\n  {outline(row['config'])}")
    check(compared > 10, f"only {compared} rows could be compared")
    check(not wrong, "\n".join(wrong))


def plain_tcp(row):
    args = row["args"]
    return (row["rc"] == 0 and row["config"] and not row.get("env") and not row.get("files") and not row.get("stdin")
            and len(args) % 2 == 0 and all(a == "-L" for a in args[::2]) and all(a.startswith("tcp://") for a in args[1::2]))


@case
def log_level_and_output_of_the_file():
    out = lib.tmp() / "own.log"
    name_server(8000, "x")
    gost = Gostbpf("-C", write(f"log:\n  level: info\n  output: {out}\n"), "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000",
                   services=0, ports=(8080,))
    recv_to_end(half(8080))
    lib.until(lambda: " >< " in out.read_text(), "a closing record in the file")
    same(gost.text(), "", "standard error")


@case
def log_level_error_is_silent():
    name_server(8000, "x")
    gost = Gostbpf("-C", write("log:\n  level: error\n"), "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", services=0, ports=(8080,))
    recv_to_end(half(8080))
    same(gost.stop(), 0, "exit status")
    same(gost.text(), "", "standard error")


@case
def without_bpf_splice_serves_and_the_log_says_so_once():
    lib.echo_server(8000)
    weak = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    services = ("-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", "-L", "tcp://127.0.0.1:8081/127.0.0.1:8000")
    gost = Gostbpf("-engine", "auto", *services, prefix=weak)
    said = [r for r in gost.log() if "sockmap is not available, using splice: " in r["msg"]]
    same([r["level"] for r in said], ["warning"], "records about it")
    check("CAP_BPF" in said[0]["msg"], said[0]["msg"])
    client = connect(8080)
    for _ in range(4):
        client.sendall(bytes(200_000))
        lib.recv_exact(client, 200_000)
    client.close()
    same(gost.closed()[0]["engine"], "splice", "engine")
    same(gost.stop(), 0, "exit status")
    for argv in (("-engine", "sockmap", *services), ("-L", f"{services[1]}?engine=sockmap")):
        rc, out, err = run(*weak, GOSTBPF, *argv)
        same((rc, out), (1, ""), f"{argv}: {err}")
        check("CAP_BPF" in err and '"level":"fatal"' in err and "listening on" not in err, err)


@case
def debug_has_more_lines():
    name_server(8000, "x")
    gost = Gostbpf("-D", "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000")
    recv_to_end(half(8080))
    gost.closed()
    check(any(r["level"] == "debug" for r in gost.log()), "debug records")


@case
def text_format():
    name_server(8000, "x")
    gost = Gostbpf("-C", write("log:\n  format: text\n"), "-L", "tcp://127.0.0.1:8080/127.0.0.1:8000", services=0, ports=(8080,))
    recv_to_end(half(8080))
    lib.until(lambda: "><" in gost.text(), "a closing record")
    check(not any(line.startswith("{") for line in gost.text().splitlines()), "no JSON")


if __name__ == "__main__":
    lib.main("cli")
