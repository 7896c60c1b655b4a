#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_readme.py - every command and every YAML text of the documentation, the manual included, is what it claims to be.

Commands that would run are given to `gostbpf check`, which is the same up to opening sockets; decode and encode are run.
What the examples do once they run has tests of its own (test_seed.py and others).
"""
import pathlib
import re
import shlex

import lib
from lib import case

DOCS = ("README.md", "docs/trust.md")
MANUAL = "docs/gostbpf.8.scd"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
NEEDS = {"gost.yml": "services: [{name: s, addr: ':8080', handler: {type: tcp}, listener: {type: tcp}, "
                     "forwarder: {nodes: [{name: t, addr: ':80'}]}}]\n"}


def blocks():
    for name in DOCS:
        for language, text in FENCE.findall((lib.ROOT / name).read_text(encoding="utf-8")):
            yield name, language, text


def commands():
    for name, language, text in blocks():
        for line in text.splitlines() if not language else ():
            if line.startswith("gostbpf "):
                yield name, line
    for line in (lib.ROOT / MANUAL).read_text(encoding="utf-8").splitlines():
        command = line.strip().removesuffix("++")
        if re.match("gostbpf (-[A-Z]|decode|encode) ", command) and not re.search(r"\.pem|\.\.\.", command):  # certificates are read
            yield MANUAL, command


def words(line):
    out = shlex.split(line, comments=True)[1:]
    return [str(lib.tmp() / w) if w in NEEDS else w for w in out]


@case
def every_command_is_accepted():
    for name, text in NEEDS.items():
        (lib.tmp() / name).write_text(text)
    seen = 0
    for name, line in commands():
        argv = words(line.split(" | ")[0])
        if argv[0] in ("-L", "-C"):
            rc, out, err = lib.run(lib.GOSTBPF, "check", *[a for a in argv if a not in ("-O", "json", "yaml")])
            lib.same((rc, err), (0, ""), f"{name}: {line}: {out}")
            seen += 1
    lib.check(seen >= 20, f"only {seen} commands were found")


@case
def decode_and_encode_do_what_is_shown():
    done = 0
    for name, line in commands():
        argv = words(line.split(" | ")[0])
        if argv[0] in ("decode", "encode") and "-listen" not in argv:
            rc, out, err = lib.run(lib.GOSTBPF, *(argv + ["-x"] if argv[0] == "encode" else argv))
            lib.same((rc, err), (0, ""), f"{name}: {line}")
            lib.check(out.strip(), f"{name}: {line} prints nothing")
            done += 1
    lib.check(done >= 2, f"only {done} were found")


@case
def every_yaml_is_accepted():
    seen = 0
    for name, language, text in blocks():
        if language == "yaml" and "services:" in text:
            rc, out, err = lib.run(lib.GOSTBPF, "check", "-C", "-", stdin=text)
            lib.same((rc, err), (0, ""), f"{name}: {text}{out}")
            seen += 1
    lib.check(seen >= 2, f"only {seen} texts were found")


@case
def every_link_leads_somewhere():
    for name in (*DOCS, "ARCHITECTURE.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (lib.ROOT / name).read_text(encoding="utf-8")):
            lib.check((lib.ROOT / name).parent.joinpath(target).exists(), f"{name} links to {target}")


if __name__ == "__main__":
    lib.main("readme")
