# SPDX-License-Identifier: BSD-2-Clause
"""access_world.py - what the tests of access lists, limits and health checks share: configurations and clients.

Why: all of 127.0.0.0/8 is this machine's, so that a test has as many clients as it wants without a device.
"""
import lib
from lib import Gostbpf, connect, ending


def gost(text, *argv, services=1, workers=2):
    """gostbpf with a YAML configuration."""
    path = lib.tmp() / "gost.yml"
    path.write_text(text)
    return Gostbpf("-workers", workers, "-C", path, *argv, services=services)


def service(more="", port=8080, target="127.0.0.1:8000", handler="type: tcp", node=""):
    """One tcp service with a target, and more fields of it."""
    return (f"- name: s{port}\n  addr: 127.0.0.1:{port}\n  handler: {{{handler}}}\n  listener: {{type: tcp}}\n{more}"
            + (f"  forwarder:\n    nodes:\n    - {{name: t, addr: \"{target}\"{node}}}\n" if target else ""))


def client(ip, port=8080, data=b""):
    """A connection from one of this machine's addresses; what it sends first."""
    sock = connect(port, source=(ip, 0))
    if data:
        sock.sendall(data)
    return sock


def cut(ip, port=8080, data=b""):
    """How it ends for a client that is not let in."""
    try:
        return ending(client(ip, port, data))
    except ConnectionError:  # before connect() or sendall() returned
        return "reset"


def answers(sock, text=b"ping"):
    """An echo server is at the other end."""
    sock.sendall(text)
    return lib.recv_exact(sock, len(text)) == text
