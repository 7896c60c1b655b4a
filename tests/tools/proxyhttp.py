#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""proxyhttp.py - an HTTP server that wants a PROXY header first and notes what it says.

  proxyhttp.py HOST PORT [LOG]

Answers every request with "ok". LOG (default: standard output) gets one JSON object per connection: the decoded header
("proxy"), its bytes ("hex") and the request line. Without a valid header the connection is closed and noted as bad.
See: ../e2e/decode_proxy.py (the decoder).
"""
import json
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import decode_proxy  # noqa: E402


def read_header(sock):
    data = b""
    while True:
        try:
            return decode_proxy.decode(data), data
        except decode_proxy.Incomplete:
            part = sock.recv(65536)
            if not part:
                raise decode_proxy.Bad("connection ended inside the header") from None
            data += part


def serve(sock, note):
    with sock:
        sock.settimeout(30)
        try:
            header, data = read_header(sock)
            raw, data = data[:header["length"]], data[header["length"]:]
            while b"\r\n\r\n" not in data:
                part = sock.recv(65536)
                if not part:
                    break
                data += part
        except (decode_proxy.Bad, OSError) as err:
            note({"bad": str(err)})
            return
        note({"proxy": header, "hex": raw.hex(), "request": data.split(b"\r\n")[0].decode("latin-1")})
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    out = open(sys.argv[3], "a", encoding="utf-8") if len(sys.argv) > 3 else sys.stdout
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=256)
    print("listening", flush=True)

    def note(record):
        out.write(json.dumps(record) + "\n")
        out.flush()

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], note), daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
