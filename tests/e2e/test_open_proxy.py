#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A proxy that anybody may use is served, as by GOST, and the operator is told once; one that asks for something is not."""
import lib
from lib import Gostbpf, case, same

PROXIES = ("http", "socks4", "socks4a", "socks5", "socks", "relay", "auto")
YAML = """
services:
- name: service-0
  addr: ":8080"
%s  handler: {type: http%s}
  listener: {type: tcp}
authers: [{name: users, auths: [{username: a, password: b}]}]
admissions: [{name: inside, whitelist: true, matchers: [10.0.0.0/8]}]
"""


def told(*argv, **kwargs):
    """What the log says of open proxies, from start to end."""
    gost = Gostbpf(*argv, **kwargs)
    same(gost.stop(), 0, "exit status")
    return [(r["level"], r["service"], r["msg"]) for r in gost.log() if "open proxy" in r["msg"]]


def warning(service, at):
    return ("warning", service, f"service {service} is an open proxy: whoever can reach {at} can use it; "
            "set user:pass@, an admission list or a loopback address")


@case
def every_open_proxy_is_told_once():
    for scheme in PROXIES:
        same(told("-L", f"{scheme}://:8080"), [warning("service-0", "[::]:8080")], scheme)
    same(told("-L", ":8080"), [warning("service-0", "[::]:8080")], "bare")
    same(told("-L", "http://0.0.0.0:8080"), [warning("service-0", "0.0.0.0:8080")], "any IPv4 address")
    same(told("-L", "http://:8080?proxyProtocol=1&proxyProtocol.from=10.0.0.0/8"), [warning("service-0", "[::]:8080")],
         "behind somebody trusted")


@case
def several_services_are_told_apart():
    same(told("-L", "tcp://:8080/:80", "-L", "socks5://:8081", "-L", "http://127.0.0.1:8082", "-L", "relay://:8083"),
         [warning("service-1", "[::]:8081"), warning("service-3", "[::]:8083")], "records")


@case
def nothing_is_told_of_a_loopback_address():
    for at in ("127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080"):
        same(told("-L", f"http://{at}"), [], at)


@case
def nothing_is_told_where_something_is_asked():
    for scheme in PROXIES:
        same(told("-L", f"{scheme}://user:pass@:8080"), [], scheme)
    same(told("-L", "http://:8080?admission=10.0.0.0/8"), [], "admission")
    for service, handler in (("", ", auther: users"), ("", ", authers: [users]"), ("", ", auth: {username: a, password: b}"),
                             ("  admission: inside\n", "")):
        path = lib.tmp() / "gost.yml"
        path.write_text(YAML % (service, handler))
        same(told("-C", path, services=1), [], service + handler)


@case
def nothing_is_told_where_clients_cannot_choose():
    for spec in ("tcp://:8080/:80", "rtcp://:8080/:80", "udp://:8080/:80", "http://:8080/:80", "relay://:8080/:80"):
        same(told("-L", spec), [], spec)


# --- what is asked, in every handler ---
ASKED = """
services:
%s
authers:
- {name: x, auths: [{username: ann, password: "1"}]}
- {name: y, auths: [{username: bob, password: "2"}, {username: eve}]}
log: {level: error}
"""
SERVICE = """- {name: %s, addr: "127.0.0.1:%d", handler: {type: %s, authers: [x, y], auth: {username: inline, password: i}}, listener: {type: tcp}}
"""
HANDLERS = ("http", "socks4", "socks4a", "socks5", "socks", "relay")
USERS = {"ann:1@": True, "bob:2@": True, "ann:2@": False, "inline:i@": False, "nobody:1@": False, "": False}


def answers():
    try:
        client = lib.connect(2200)
        client.sendall(b"hello")
        data = client.recv(5)
        client.close()
    except ConnectionError:
        return False
    return data == b"hello"


def lets_in(url):
    """Does a connection through that hop reach the target?"""
    front = Gostbpf("-L", "tcp://127.0.0.1:2200/127.0.0.1:8000", "-F", url)
    result = answers()
    same(front.stop(), 0, "exit status")
    return result


@case(limit=180)
def authers_of_every_handler():
    """The lists win over the handler's own pair. SOCKS4 has no password: only who needs none gets in."""
    lib.echo_server(8000)
    path = lib.tmp() / "gost.yml"
    path.write_text(ASKED % "".join(SERVICE % (h, 1081 + i, h) for i, h in enumerate((*HANDLERS, "auto"))))
    Gostbpf("-C", path, services=0, ports=[1081 + i for i in range(len(HANDLERS) + 1)])
    ways = {h: f"{h}://%s127.0.0.1:{1081 + i}?nodelay=true" for i, h in enumerate(HANDLERS)}
    ways = {h: url if h == "relay" else url.split("?")[0] for h, url in ways.items()}
    ways |= {f"auto, {h}": f"{h}://%s127.0.0.1:{1081 + len(HANDLERS)}" for h in ("http", "socks4", "socks5")}
    for way, url in ways.items():
        users = {"eve@": True, "ann@": False, "": False} if "socks4" in way else USERS
        for user, want in users.items():
            same(lets_in(url % user), want, f"{way}: {user or 'no user'}")


if __name__ == "__main__":
    lib.main("open_proxy")
