#!/usr/bin/env python3
"""A proxy for the tests: HTTP (absolute requests and CONNECT) and SOCKS5 on one port.

It sends every connection to --to HOST:PORT, whatever was asked for, so that a test can use names that
do not exist. One line per request in --log: "http GET URL", "connect HOST:PORT", "socks HOST:PORT".
--user USER:PASSWORD: refuse who does not say so. Writes its port to --port-file.
"""

import argparse
import base64
import os
import socket
import socketserver
import struct
import threading


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def splice(client, server):
    thread = threading.Thread(target=copy, args=(client, server), daemon=True)
    thread.start()
    copy(server, client)
    thread.join()


class Handler(socketserver.BaseRequestHandler):
    def note(self, text):
        with open(self.server.args.log, "a", encoding="utf-8") as log:
            log.write(text + "\n")

    def onward(self):
        host, _, port = self.server.args.to.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)))

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def handle(self):
        try:
            first = self.exactly(1)
            if first == b"\5":
                self.socks()
            else:
                self.http(first)
        except OSError:
            pass

    def socks(self):
        user = self.server.args.user
        methods = self.exactly(self.exactly(1)[0])
        if user:
            if 2 not in methods:
                self.request.sendall(b"\5\xff")
                return
            self.request.sendall(b"\5\2")
            self.exactly(1)
            name = self.exactly(self.exactly(1)[0])
            password = self.exactly(self.exactly(1)[0])
            good = (name + b":" + password).decode() == user
            self.request.sendall(b"\1\0" if good else b"\1\1")
            if not good:
                return
        else:
            self.request.sendall(b"\5\0")
        _, _, _, kind = self.exactly(4)
        if kind == 3:
            host = self.exactly(self.exactly(1)[0]).decode()
        elif kind == 1:
            host = socket.inet_ntop(socket.AF_INET, self.exactly(4))
        else:
            host = "[" + socket.inet_ntop(socket.AF_INET6, self.exactly(16)) + "]"
        port = struct.unpack(">H", self.exactly(2))[0]
        self.note(f"socks {host}:{port}")
        with self.onward() as server:
            self.request.sendall(b"\5\0\0\1\0\0\0\0\0\0")
            splice(self.request, server)

    def http(self, head):
        while b"\r\n\r\n" not in head:
            part = self.request.recv(4096)
            if not part:
                return
            head += part
        head, _, rest = head.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
        user = self.server.args.user
        if user and headers.get("proxy-authorization") != "Basic " + base64.b64encode(user.encode()).decode():
            self.note("refused " + target)
            self.request.sendall(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            return
        with self.onward() as server:
            if method == "CONNECT":
                self.note("connect " + target)
                self.request.sendall(b"HTTP/1.1 200 go\r\n\r\n")
            else:
                self.note(f"http {method} {target}")
                path = "/" + target.split("/", 3)[3]
                keep = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
                request = [f"{method} {path} HTTP/1.1"] + keep + ["Connection: close", "", ""]
                server.sendall("\r\n".join(request).encode())
            if rest:
                server.sendall(rest)
            splice(self.request, server)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port-file", required=True)
    p.add_argument("--log", required=True)
    p.add_argument("--to", required=True)
    p.add_argument("--user")
    server = Server(("127.0.0.1", 0), Handler)
    server.args = p.parse_args()
    with open(server.args.port_file + ".new", "w", encoding="utf-8") as f:
        f.write(str(server.server_address[1]))
    os.rename(server.args.port_file + ".new", server.args.port_file)
    server.serve_forever()


main()
