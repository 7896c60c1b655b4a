# SPDX-License-Identifier: BSD-2-Clause
"""peers.py - real programs that speak the PROXY protocol, started for one case: haproxy, nginx, varnish, dnsdist,
pdns-recursor.

Owns: nothing; processes belong to the running case (lib.spawn). Never: imports code of gostbpf.
"""
import shutil
import sys

import lib
import sandbox
from lib import check, skip, spawn
from udp_world import bound


def need(program):
    if not shutil.which(program):
        skip(f"{program} is not installed")


def haproxy(front, more="", listen=""):
    """A tcp haproxy from the lines of a `listen` section, or whole sections (more)."""
    need("haproxy")
    conf = lib.tmp() / f"haproxy.{listen}.cfg"
    section = f"listen test\n{front}\n" if front else ""
    conf.write_text(f"""global
  maxconn 1000
defaults
  mode tcp
  timeout connect 30s
  timeout client 30s
  timeout server 30s
{section}{more}
""")
    return spawn("haproxy", "-db", "-f", conf, wait=listen)


def nginx(servers, wait, http=""):
    need("nginx")
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    load = f"load_module {module};" if sandbox.sh(f"ls {module}", check=False).strip() == module else ""
    conf = lib.tmp() / "nginx.conf"
    conf.write_text(f"""{load}
daemon off; master_process off; user root; pid {lib.tmp()}/nginx.pid; error_log {lib.tmp()}/nginx.err info;
events {{ worker_connections 256; }}
{"stream { " + servers + " }" if servers else ""}
{"http { access_log off; client_body_temp_path " + str(lib.tmp()) + "; proxy_temp_path " + str(lib.tmp()) +
 "; fastcgi_temp_path " + str(lib.tmp()) + "; uwsgi_temp_path " + str(lib.tmp()) + "; scgi_temp_path " + str(lib.tmp()) +
 "; " + http + " }" if http else ""}
""")
    return spawn("nginx", "-p", lib.tmp(), "-e", lib.tmp() / "nginx.err", "-c", conf, wait=wait)


def varnish(port, receive=False, backend=None, version=0, host="127.0.0.1"):
    """Receives a header (and says whom it names), or sends one of that version to a backend."""
    need("varnishd")
    vcl = lib.tmp() / f"varnish.{port}.vcl"
    if backend:
        header = f".proxy_header = {version};" if version else ""
        vcl.write_text(f"""vcl 4.1;
backend default {{ .host = "{backend[0]}"; .port = "{backend[1]}"; {header} }}
sub vcl_recv {{ return (pass); }}
""")
    else:
        vcl.write_text("""vcl 4.1;
import std;
backend default none;
sub vcl_recv { return (synth(200, client.ip + " " + std.port(client.ip))); }
sub vcl_synth { set resp.body = resp.reason; return (deliver); }
""")
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return spawn("varnishd", "-F", "-j", "none", "-a", at + (",PROXY" if receive else ""), "-T", "none", "-n",
                 lib.tmp() / f"varnish.{port}", "-s", "malloc,16M", "-f", vcl, "-p", "thread_pool_min=10", wait=port)


def self_signed(name="www.example.com"):
    """A file with a key and a certificate of its own."""
    need("openssl")
    pem = lib.tmp() / "self.pem"
    sandbox.sh(f"cd {lib.tmp()} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out crt -days 2 "
               f"-subj /CN={name} 2>/dev/null && cat key crt > self.pem")
    return pem


# --- DNS ---
CLIENT = "203.0.113.7"  # the only one that the recursor lets in


def up(program, port, *argv):
    peer = spawn(program, *argv)
    lib.until(lambda: bound(port) or peer.poll() is not None, f"{program} has port {port}")
    with open(peer.log_name, errors="replace", encoding="utf-8") as f:
        check(peer.poll() is None, f"{program} ended: {f.read()[-1500:]}")
    return peer


def names(port=5355):
    """An authoritative server of a.test and others, and the client's address."""
    sandbox.sh(f"ip addr replace {CLIENT}/32 dev lo")
    up(sys.executable, port, lib.ROOT / "tests/tools/dns_server.py", "--port", port, "a.test 60 A 192.0.2.80",
       "a.root-servers.net 60 A 198.41.0.4")


def dnsdist(backend, port=5300, then="", receive=False, sends=True):
    """Health checks come from dnsdist itself (LOCAL); then=":setUp()" does without them. receive: a header must come, whose
    client is told to the backend."""
    need("dnsdist")
    conf = lib.tmp() / "dnsdist.conf"
    conf.write_text(f"""setLocal("127.0.0.1:{port}")
setACL("0.0.0.0/0")
{"setProxyProtocolACL('127.0.0.0/8')" if receive else ""}
setSecurityPollSuffix("")
newServer({{address="127.0.0.1:{backend}", useProxyProtocol={str(sends).lower()}, checkInterval=1, checkName="a.test."}}){then}
""")
    return up("dnsdist", port, "--supervised", "--disable-syslog", "-C", conf)


def recursor(port=8000, clients=f"{CLIENT}/32"):
    """Answers to CLIENT only, unless told otherwise, so an answer proves that it has believed the header."""
    need("pdns_recursor")
    conf = lib.tmp() / "recursor.conf"
    conf.write_text(f"""local-address=127.0.0.1
local-port={port}
socket-dir={lib.tmp()}
proxy-protocol-from=127.0.0.0/8
allow-from={clients}
forward-zones=test=127.0.0.1:5355
dnssec=off
disable-syslog=yes
daemon=no
threads=1
security-poll-suffix=
hint-file=no
setuid=
setgid=
""")
    up("pdns_recursor", port, f"--config-dir={lib.tmp()}")
