#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ssh, whose server speaks first, and websockets, through every handler: alone, with passwords, by one port for all, over several hops.

The clients know nothing of proxies: a tcp service takes them in and asks the hops, so that each protocol is tried at both ends.
"""
import os
import subprocess

import lib
from lib import Gostbpf, case, check, same
from programs import sshd, websocket_server

SERVERS = {"http": "http://127.0.0.1:1081", "socks4": "socks4://127.0.0.1:1082", "socks4a": "socks4a://127.0.0.1:1083",
           "socks5": "socks5://127.0.0.1:1084", "relay": "relay://127.0.0.1:1085", "http, password": "http://me:secret@127.0.0.1:1086",
           "socks5, password": "socks5://me:secret@127.0.0.1:1087", "relay, password": "relay://me:secret@127.0.0.1:1088"}
AUTO = "127.0.0.1:1089"
WAYS = {
    "no hop": (),
    **{name: (url,) for name, url in SERVERS.items()},
    **{f"auto, {name}": (f"{name}://{AUTO}",) for name in ("http", "socks4", "socks4a", "socks5")},
    "relay, nodelay": (SERVERS["relay"] + "?nodelay=true",),
    "two hops": (SERVERS["http, password"], SERVERS["socks5"]),
    "three hops": (SERVERS["relay"], SERVERS["socks4a"], SERVERS["http"]),
    "PROXY on each hop": tuple(f"{scheme}://127.0.0.1:{port}?proxyProtocol={version}"
                               for scheme, port, version in (("http", 1090, 1), ("socks5", 1091, 2))),
}
RECEIVING = ("http://127.0.0.1:1090?proxyProtocol=1", "socks5://127.0.0.1:1091?proxyProtocol=1")
SIZES = (0, 1, 125, 70000, 3 << 20)
CLIENT = f"""
import asyncio, os, websockets
async def main():
    async with websockets.connect("ws://127.0.0.1:2201", max_size=None, compression=None) as ws:
        for size in {SIZES}:
            data = os.urandom(size)
            await ws.send(data)
            assert await ws.recv() == data, size
    print("same")
asyncio.run(main())
"""


def fronts(hops):
    return Gostbpf("-L", "tcp://127.0.0.1:2200/127.0.0.1:2222", "-L", "tcp://127.0.0.1:2201/127.0.0.1:8000",
                   *[a for hop in hops for a in ("-F", hop)])


def through_ssh(options, data, name):
    done = subprocess.run(["ssh", *options, "-p", "2200", "root@127.0.0.1", "cat"], input=data, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30 * lib.SLOW)
    same(done.returncode, 0, f"{name}: status of ssh ({done.stderr.decode()[-300:]})")
    check(done.stdout == data, f"{name}: other bytes came back through ssh")


def through_a_websocket(name):
    rc, out, err = lib.run("/usr/bin/python3", "-c", CLIENT, timeout=30)
    same((rc, out), (0, "same\n"), f"{name}: websocket client ({err[-300:]})")


@case(limit=240)
def ssh_and_websockets():
    websocket_server()
    options = [o for o in sshd() if o not in ("-p", "2222")]
    Gostbpf(*[a for spec in (*SERVERS.values(), AUTO, *RECEIVING) for a in ("-L", spec)])
    for name, hops in WAYS.items():
        front = fronts(hops)
        through_ssh(options, os.urandom(3 << 20), name)
        through_a_websocket(name)
        ends = front.closed(2)
        check(all(r["reason"].endswith("-eof") for r in ends), f"{name}: ends {[r['reason'] for r in ends]}")
        front.no_leak()
        same(front.stop(), 0, f"{name}: exit status")


if __name__ == "__main__":
    lib.main("every_way")
