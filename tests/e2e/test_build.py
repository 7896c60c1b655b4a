#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_build.py - what the Makefile promises: installed files, the manual, dependencies on headers, the kernel types.

Nothing is compiled: make is asked what it would do (-n) if a file were newer (-W).
"""
import os
import pathlib
import platform
import re
import shutil

import lib
from lib import case, check, run, same, skip

BUILD = pathlib.Path(lib.GOSTBPF).parent.name
FLAGS = (*(["SAN=1"] if "-san" in BUILD else []), *(["TLS=0"] if "-notls" in BUILD else []))


def make(*argv):
    for tool in ("make", "clang", "scdoc"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    rc, out, err = run("make", "-C", lib.ROOT, *FLAGS, *argv, timeout=60)
    same(rc, 0, f"make {argv}: {err}")
    return out


def would_make(*argv):
    return {pathlib.Path(path).name for path in re.findall(r" -o (\S+)", make("-n", "V=1", *argv, "all", "tools"))}


def needs_a_built_tree():
    if would_make():
        skip("this tree is not built")


def rebuilt(header):
    """Objects and programs that would be made again."""
    needs_a_built_tree()
    return would_make("-W", header)


@case
def a_header_is_known_to_whoever_includes_it():
    for header in ("bpf_abi.h", "hex.h", "proto_proxy.h", "proxy_send.h"):
        users = [p for folder in ("user", "bpf", "include") for p in (lib.ROOT / folder).glob("*.[ch]")
                 if f'"{header}"' in p.read_text(encoding="utf-8")]
        objects = {p.stem + ".o" for p in users if p.suffix == ".c"}
        got = rebuilt(f"include/{header}")
        check(objects <= got and "gostbpf" in got, f"{header}: {objects - got} would stay as they are")
        check(header != "hex.h" or "session.o" not in got, "more than depends on it")
    check("parse" in rebuilt("include/proto_proxy.h"), "the benchmark of the parser")


@case
def the_bpf_object_is_made_again_and_embedded():
    for path in ("include/bpf_abi.h", "vmlinux/vmlinux.h", "bpf/sockmap.bpf.c"):
        got = rebuilt(path)
        check({"sockmap.bpf.o", "sockmap_maps.o", "gostbpf"} <= got, f"{path}: {got}")


@case
def commands_are_shown_on_demand():
    argv = ("-n", "-W", "user/hex.c", "all")
    check(re.search(r"^printf|^\s*printf", make(*argv), re.M), "a short line by default")
    shown = make(*argv, "V=1")
    check("printf" not in shown and "-Wall -Wextra" in shown, shown)


@case
def make_install_puts_everything_below_destdir():
    needs_a_built_tree()
    where = lib.tmp() / "root"
    make("install", "PREFIX=/usr", f"DESTDIR={where}")
    found = {str(p.relative_to(where)): oct(p.stat().st_mode & 0o777) for p in where.rglob("*") if p.is_file()}
    same(found, {"usr/sbin/gostbpf": "0o755", "usr/share/doc/gostbpf/README.md": "0o644", "usr/share/man/man8/gostbpf.8": "0o644"},
         "files")
    same(run(where / "usr/sbin/gostbpf", "-V")[::2], (0, ""), "the installed program")
    rendered(where / "usr/share/man/man8/gostbpf.8")


def rendered(page):
    """man has nothing to complain about, and shows the sections, both directions and the recipes."""
    if not shutil.which("man"):
        return
    os.environ["MANWIDTH"] = "100"
    rc, text, err = run("man", "--warnings", "-l", page)
    same((rc, err), (0, ""), "man")
    for section in ("RECEIVING THE PROXY PROTOCOL", "SENDING IT", "TRUST", "RECIPES", "UDP", "TOOLS", "EXIT STATUS"):
        check(re.search(rf"^{section}$", text, re.M), f"no section {section}")
    for name in ("AWS NLB", "HAProxy", "nginx", "Cloudflare Spectrum"):
        check(name in text.split("\nRECIPES\n")[1].split("\nSIGNALS\n")[0], f"no recipe for {name}")


@case
def vmlinux_h_is_what_its_script_makes():
    """The kernel whose types it holds is 6.18; of another one enums are longer or shorter."""
    os.environ["PATH"] += ":/usr/sbin"
    if not shutil.which("bpftool") or not pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        skip("no bpftool or no BTF")
    if not platform.release().startswith("6.18."):
        skip(f"Linux {platform.release()}")
    rc, out, err = run(lib.ROOT / "scripts/gen-vmlinux")
    same((rc, out == (lib.ROOT / "vmlinux/vmlinux.h").read_text(encoding="utf-8")), (0, True), f"the same text ({err})")


if __name__ == "__main__":
    lib.main("build")
