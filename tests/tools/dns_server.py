#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""dns_server.py - a DNS server for tests, by UDP and TCP, with a zone of a few lines.

Why: tests need answers that expire, fail, come late or never come, and a count of what was asked.
Usage: dns_server.py [--address 127.0.0.1] [--port 0] [--zone FILE] [--log FILE] [LINE ...]
Prints its port as the first line of standard output. FILE is read again for each query (replace it with
rename). Each query adds "name TYPE" to the log before it is answered,
"name TYPE tcp" when it came by TCP (answered at once, whatever DELAY says).

Zone lines: NAME TTL A|AAAA|CNAME VALUE    NAME NXDOMAIN|SERVFAIL|REFUSED|DROP    NAME DELAY MILLISECONDS
NAME A-DROP, NAME AAAA-SERVFAIL, ...: only for queries of that type. A name that is not there: NXDOMAIN.
"""
import argparse
import socket
import struct
import sys
import threading
import time

TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}
CODES = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5}


def parse_zone(lines):
    records, actions = {}, {}
    for line in lines:
        words = line.split("#")[0].split()
        if len(words) == 4:
            records.setdefault(words[0].lower(), []).append((words[2], int(words[1]), words[3]))
        elif len(words) in (2, 3):
            actions.setdefault(words[0].lower(), []).append(words[1:])
        elif words:
            raise ValueError(f"zone line not understood: {line!r}")
    return records, actions


def encode_name(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def encode_record(name, rtype, ttl, value):
    number = {text: code for code, text in TYPES.items()}[rtype]
    if rtype == "CNAME":
        data = encode_name(value)
    else:
        data = socket.inet_pton(socket.AF_INET if rtype == "A" else socket.AF_INET6, value)
    return encode_name(name) + struct.pack("!HHIH", number, 1, ttl, len(data)) + data


def parse_question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
        at += packet[at] + 1
    return ".".join(labels).lower(), struct.unpack("!H", packet[at + 1:at + 3])[0], packet[12:at + 5]


def collect(records, name, rtype):
    """Records that answer, following CNAMEs."""
    found = []
    for _ in range(8):
        cname = [r for r in records.get(name, []) if r[0] == "CNAME"]
        found += [(name, *r) for r in records.get(name, []) if r[0] in (rtype, "CNAME")]
        if not cname:
            return found
        name = cname[0][2].lower()
    return found


def pick_actions(actions, name, rtype):
    """Code (None = do not answer) and delay in seconds; code 0 unless an action says otherwise."""
    code, delay = 0, 0.0
    for action in actions.get(name, []):
        verb = action[0]
        if "-" in verb:
            only, verb = verb.split("-", 1)
            if only != rtype:
                continue
        if verb == "DELAY":
            delay = int(action[1]) / 1000
        else:
            code = None if verb == "DROP" else CODES[verb]
    return code, delay


def reply_to(zone, packet):
    """Reply (None = do not answer) and delay."""
    records, actions = zone
    name, number, question = parse_question(packet)
    rtype = TYPES.get(number, str(number))
    code, delay = pick_actions(actions, name, rtype)
    if code is None:
        return None, delay
    if code == 0 and name not in records:
        code = CODES["NXDOMAIN"]
    answers = [] if code else [encode_record(*r) for r in collect(records, name, rtype)]
    header = packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(answers), 0, 0)
    return header + question + b"".join(answers), delay


def log_query(path, packet, how=""):
    name, number, _ = parse_question(packet)
    with open(path, "a", encoding="ascii") as log:
        log.write(f"{name} {TYPES.get(number, number)}{how}\n")


def answer(args, packet, how=""):
    if args.log:
        log_query(args.log, packet, how)
    lines = list(args.lines)
    if args.zone:
        with open(args.zone, encoding="utf-8") as zone:
            lines += zone.read().splitlines()
    return reply_to(parse_zone(lines), packet)


def serve_tcp(args, client):
    with client, client.makefile("rb") as stream:
        while len(size := stream.read(2)) == 2:
            reply = answer(args, stream.read(struct.unpack("!H", size)[0]), " tcp")[0]
            if reply:
                client.sendall(struct.pack("!H", len(reply)) + reply)


def listen_tcp(args, sock):
    while True:
        threading.Thread(target=serve_tcp, args=(args, sock.accept()[0]), daemon=True).start()


def bind_both(address, port):
    """UDP and TCP at one port; one that the kernel has chosen for UDP may be somebody's for TCP, and a given one for a moment."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for attempt in range(100):
        sock, stream = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.bind((address, port))
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stream.bind((address, sock.getsockname()[1]))
            stream.listen()
            return sock, stream
        except OSError:
            sock.close()
            stream.close()
            if attempt == 99:
                raise
            time.sleep(0.1 if port else 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--zone")
    parser.add_argument("--log")
    parser.add_argument("lines", nargs="*")
    args = parser.parse_args()
    sock, stream = bind_both(args.address, args.port)
    threading.Thread(target=listen_tcp, args=(args, stream), daemon=True).start()
    print(sock.getsockname()[1], flush=True)
    while True:
        packet, peer = sock.recvfrom(4096)
        try:
            reply, delay = answer(args, packet)
        except (IndexError, struct.error, ValueError, OSError) as error:
            print(f"dns_server: {error}", file=sys.stderr, flush=True)
            continue
        if reply and delay:
            threading.Timer(delay, sock.sendto, (reply, peer)).start()
        elif reply:
            sock.sendto(reply, peer)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
