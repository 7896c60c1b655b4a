# SPDX-License-Identifier: BSD-2-Clause
"""programs.py - servers that know nothing of the test, started for one case: sshd, which speaks first, and a websocket echo.

Owns: nothing; processes belong to the running case (lib.spawn). Never: imports code of gostbpf.
"""
import os
import pathlib
import shutil
import subprocess

import lib
from lib import skip, spawn


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def sshd():
    """A server of our own with fresh keys; the options to log in."""
    need("ssh", "ssh-keygen")
    if not pathlib.Path("/usr/sbin/sshd").exists():
        skip("sshd is not installed")
    tmp = lib.tmp()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp / name)], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    (tmp / "sshd_config").write_text(f"""Port 2222
ListenAddress 127.0.0.1
HostKey {tmp}/host
PidFile {tmp}/sshd.pid
AuthorizedKeysFile {tmp}/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
""")
    spawn("/usr/sbin/sshd", "-D", "-e", "-f", tmp / "sshd_config", wait=2222)
    return ["-F", "none", "-i", str(tmp / "user"), "-p", "2222", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={tmp}/known", "-o", "ConnectTimeout=10"]


ECHO = """
import asyncio, sys, websockets
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 8000, max_size=None, compression=None):
        await asyncio.Future()
asyncio.run(main())
"""


def websocket_server():
    if subprocess.run(["/usr/bin/python3", "-c", "import websockets"], check=False, stderr=subprocess.DEVNULL).returncode:
        skip("no python3-websockets")
    spawn("/usr/bin/python3", "-c", ECHO, wait=8000)
