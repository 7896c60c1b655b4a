#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""badproxy.py - a TCP proxy that breaks its promise in one chosen way.

  badproxy.py LISTEN_PORT TARGET_PORT MODE [EVERY]

Why: a check that has never failed proves nothing. tests/e2e/test_pipestress.py runs pipestress through each
mode and expects it to notice. Every EVERY-th session (default 7) is mistreated, after its first bytes:
  pass         nothing is wrong (the control)
  flip         one bit of one byte is inverted            lose      one byte is left out
  dup          one byte comes twice                       extra     one byte is added after the end
  truncate     the client's stream ends early, cleanly    swallow   the whole stream is replaced by an end
  nohalfclose  the first end closes both directions       noeof     an end is not passed on
  stall        nothing is moved any more                  reset     the session is reset
  cleanreset   a reset is passed on as a clean end
Never: used by anything but tests; listens on loopback only.
"""
import socket
import struct
import sys
import threading

LINGER_RESET = struct.pack("ii", 1, 0)


class Session:
    def __init__(self, client, target_port, mode, bad):
        self.client, self.mode, self.bad = client, mode, bad
        self.upstream = socket.create_connection(("127.0.0.1", target_port))
        self.done, self.lock = 0, threading.Lock()

    def start(self):
        for src, dst, up in ((self.client, self.upstream, True), (self.upstream, self.client, False)):
            threading.Thread(target=self.pump, args=(src, dst, up), daemon=True).start()

    def spoil(self, data, first):
        """What is sent instead of data; None ends the direction."""
        if not self.bad or not first or self.mode in ("pass", "nohalfclose", "noeof", "extra", "cleanreset"):
            return data
        i = len(data) // 2
        if self.mode == "flip":
            return data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]
        if self.mode == "lose":
            return data[:i] + data[i + 1:]
        if self.mode == "dup":
            return data[:i] + data[i:i + 1] + data[i:]
        if self.mode == "truncate":
            return data[:len(data) - 1] or None
        if self.mode == "swallow":
            return None
        if self.mode == "stall":
            threading.Event().wait()
        self.reset()
        raise ConnectionError("reset on purpose")

    def reset(self):
        for s in (self.client, self.upstream):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            self.shut(s, socket.SHUT_RDWR)

    @staticmethod
    def shut(sock, how):
        try:
            sock.shutdown(how)
        except OSError:
            pass

    def pump(self, src, dst, up):
        try:
            self.move(src, dst, up)
        except (ConnectionError, OSError):
            if not self.bad or self.mode != "cleanreset":
                self.reset()
        if self.bad and up and self.mode == "extra":
            dst.send(b"!")
        if self.bad and self.mode == "nohalfclose":
            self.shut(self.client, socket.SHUT_RDWR)
            self.shut(self.upstream, socket.SHUT_RDWR)
        elif not (self.bad and self.mode == "noeof"):
            self.shut(dst, socket.SHUT_WR)
        self.finish()

    def move(self, src, dst, up):
        first = up
        while True:
            data = src.recv(65536)
            if not data:
                return
            # truncate and lose touch the last bytes of what has come: they need a chunk worth cutting
            sent = self.spoil(data, first and len(data) > 16)
            first = first and len(data) <= 16
            if sent is None:
                return self.drain(src)
            dst.sendall(sent)
            if sent is not data and self.mode == "truncate":
                return self.drain(src)

    @staticmethod
    def drain(src):
        while src.recv(65536):
            pass

    def finish(self):
        with self.lock:
            self.done += 1
            last = self.done == 2
        if last:
            self.client.close()
            self.upstream.close()


def main():
    listen, target, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    every = int(sys.argv[4]) if len(sys.argv) > 4 else 7
    if mode not in __doc__:
        sys.exit(f"unknown mode {mode}")
    threading.stack_size(256 * 1024)
    server = socket.create_server(("127.0.0.1", listen), backlog=1024)
    count = 0
    while True:
        client, _ = server.accept()
        count += 1
        try:
            Session(client, target, mode, count % every == 0).start()
        except OSError:
            client.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
