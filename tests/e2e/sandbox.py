# SPDX-License-Identifier: BSD-2-Clause
"""sandbox.py - a network of one's own for a test: namespaces that vanish with the process.

Why: examples must run exactly as typed (ports 8000 and 8080, example.com), tests run beside each other and beside
whatever the machine does, and nothing may be left behind, not even after SIGKILL. enter() moves the program into new
network, mount and process namespaces: when its first process ends, the kernel ends every other one and drops the
devices. Further network namespaces (add_netns) live in a private /run/netns.
Owns: the namespaces. Never: changes the machine's own network, /etc or sysctls.
See: namespaces(7), veth(4).
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """No namespaces here (no root, or a container that forbids them)."""


def sh(command, check=True):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stdout.strip()}")
    return done.stdout


def enter():
    """Returns in a child that is the first process of its own world; the parent waits for it and exits as it does."""
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0:
        raise Unavailable(f"unshare: {os.strerror(ctypes.get_errno())}")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os._exit(wait_for(child))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: os._exit(143))  # a first process has no default action
    sh("mount --make-rprivate / && mount -t proc proc /proc && mkdir -p /run/netns && mount -t tmpfs none /run/netns"
       " && ip link set lo up")
    # One TIME_WAIT per short session must not run the ports dry; the same for every path that is compared.
    sysctl("net.ipv4.ip_local_port_range", "10000 65000")
    sysctl("net.ipv4.tcp_tw_reuse", "1")


def wait_for(child):
    def pass_on(*_):
        os.kill(child, signal.SIGKILL)

    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, pass_on)
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def sysctl(name, value, netns=None):
    path = "/proc/sys/" + name.replace(".", "/")
    sh(f"{'ip netns exec ' + netns if netns else ''} sh -c \"echo {value} > {path}\"", check=False)


def add_netns(name):
    sh(f"ip netns add {name} && ip -n {name} link set lo up")
    sysctl("net.ipv4.ip_local_port_range", "10000 65000", name)
    sysctl("net.ipv4.tcp_tw_reuse", "1", name)


def join(netns, device, here, there):
    """A veth pair between this namespace and another; addresses with prefix length, several by comma."""
    sh(f"ip link add {device} type veth peer name {device}p netns {netns}")
    for addr in here.split(","):
        sh(f"ip addr add {addr} dev {device} nodad" if ":" in addr else f"ip addr add {addr} dev {device}")
    for addr in there.split(","):
        nodad = " nodad" if ":" in addr else ""
        sh(f"ip -n {netns} addr add {addr} dev {device}p{nodad}")
    sh(f"ip link set {device} up && ip -n {netns} link set {device}p up")
    end = time.monotonic() + 30
    while not (settled(device) and settled(f"{device}p", f"-n {netns}")):
        if time.monotonic() > end:
            raise RuntimeError(f"{device} and its peer do not come up")
        time.sleep(0.01)


def settled(device, where=""):
    """The kernel notices a carrier some time after `up`; until then the routes over that device say linkdown."""
    routes = sh(f"ip {where} -4 route show table all dev {device}; ip {where} -6 route show table all dev {device}")
    return " state UP " in sh(f"ip {where} link show {device}") and "linkdown" not in routes


def three_hosts():
    """client (198.18.1.2) - this namespace (198.18.1.1, 198.18.2.1) - server (198.18.2.2), and fd00:1::/fd00:2:: alike."""
    add_netns("client")
    add_netns("server")
    join("client", "c0", "198.18.1.1/24,fd00:1::1/64", "198.18.1.2/24,fd00:1::2/64")
    join("server", "s0", "198.18.2.1/24,fd00:2::1/64", "198.18.2.2/24,fd00:2::2/64")
    sh("ip -n client route add default via 198.18.1.1; ip -n client -6 route add default via fd00:1::1")
    sh("ip -n server route add default via 198.18.2.1; ip -n server -6 route add default via fd00:2::1")


def replace_file(path, text):
    """Shows text as the content of an existing file (/etc/hosts, /etc/resolv.conf), to this sandbox only."""
    fd, name = tempfile.mkstemp(dir="/run/netns")
    with os.fdopen(fd, "w") as f:
        f.write(text)
    os.chmod(name, 0o644)
    sh(f"mount --bind {name} {os.path.realpath(path)}")
    return name


def in_netns(netns, argv):
    return ["ip", "netns", "exec", netns, *argv] if netns else list(argv)


def spawn(argv, netns=None, **kwargs):
    """Popen in a namespace; the child dies with this process."""
    def tie():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return subprocess.Popen(in_netns(netns, argv), preexec_fn=tie, **kwargs)
