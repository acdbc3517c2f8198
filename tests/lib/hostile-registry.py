#!/usr/bin/env python3
"""hostile-registry.py --port-file FILE --log FILE [--corpus DIR]: a registry of which each
repository is one way to misbehave.

    case/NAME    the case NAME of hostile-images.py, whatever the tag
    NAME         an answer of the table below, by its name, whatever is asked for
Each request is a line of --log: METHOD PATH auth=VALUE. Bodies without an end go on until the client hangs up."""
import argparse
import hashlib
import os
import socket
import socketserver
import threading
import time

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def endless(h, piece, pause=0.0):
    """Until the client has had enough; a GiB is all that a test may cost."""
    sent = 0
    try:
        while sent < 1 << 30:
            h.wfile.write(piece)
            sent += len(piece)
            if pause:
                h.wfile.flush()
                time.sleep(pause)
    except OSError:
        pass
    h.is_open = False


def raw(text, body=b""):
    """An answer as it is; the connection ends behind it."""
    def answer(h):
        h.wfile.write(text.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)
        h.is_open = False
    return answer


def endless_body(status, kind):
    def answer(h):
        h.wfile.write(b"HTTP/1.1 %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % (status, kind))
        endless(h, b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    return answer


def endless_headers(h):
    h.wfile.write(b"HTTP/1.1 200 OK\r\n")
    endless(h, b"X-More: " + b"y" * 1000 + b"\r\n")


def endless_line(h):
    h.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    endless(h, b"y" * 65536)


def endless_continue(h):
    endless(h, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def redirect(where):
    return lambda h: raw("HTTP/1.1 307 x\nLocation: %s\nContent-Length: 0\n" % (where(h) if callable(where) else where))(h)


def challenge(text):
    return lambda h: raw("HTTP/1.1 401 no\nWWW-Authenticate: %s\nContent-Length: 0\n" %
                         (text(h) if callable(text) else text))(h)


def retry_after(value, status="429 slow down"):
    return raw("HTTP/1.1 %s\nRetry-After: %s\nContent-Length: 0\n" % (status, value))


def page(h):
    """A list whose next page is always another one."""
    h.server.pages += 1
    n = h.server.pages
    if "/referrers/" in h.path:
        body = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % INDEX.encode()
    else:
        body = b'{"name":"x","tags":["t%d"]}' % n
    link = "/v2/%s/x?n=1&last=%d" % (h.path.split("/")[2], n) if "links" in h.path else h.path
    raw('HTTP/1.1 200 OK\nContent-Type: %s\nLink: <%s>; rel="next"\nContent-Length: %d\n' % (INDEX, link, len(body)), body)(h)


DOC = b'{"schemaVersion":2}'
ANSWERS = {
    "redirect-loop": redirect(lambda h: h.path),
    "redirect-grows": redirect(lambda h: h.path + "x"),
    "redirect-file": redirect("file:///etc/passwd"),
    "redirect-gopher": redirect("gopher://127.0.0.1:1/x"),
    "redirect-empty": redirect(""),
    "redirect-garbage": redirect("http://[::1"),
    "redirect-long": redirect("/" + "x" * 200000),
    "redirect-endless": lambda h: (h.wfile.write(b"HTTP/1.1 307 x\r\nLocation: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                 % h.path.encode()), endless(h, b"10000\r\n" + b" " * 0x10000 + b"\r\n")),
    "headers-endless": endless_headers,
    "header-endless": endless_line,
    "header-200k": raw("HTTP/1.1 200 OK\nX-Long: %s\nContent-Length: 0\n" % ("y" * 200000)),
    "header-escapes": raw("HTTP/1.1 404 \x1b[31mx\nContent-Type: \x1b[2J\nContent-Length: 0\n"),
    "continue-endless": endless_continue,
    "body-endless": endless_body(b"200 OK", MANIFEST.encode()),
    "error-endless": endless_body(b"404 Not Found", b"text/plain"),
    "unavailable-endless": endless_body(b"503 Busy", b"text/plain"),
    "denied-endless": endless_body(b"401 Who", b"text/plain"),
    "length-more": raw("HTTP/1.1 200 OK\nContent-Type: %s\nContent-Length: 100000\n" % MANIFEST, DOC),
    "length-less": raw("HTTP/1.1 200 OK\nContent-Type: %s\nContent-Length: 5\n" % MANIFEST, DOC),
    "length-negative": raw("HTTP/1.1 200 OK\nContent-Length: -1\n", DOC),
    "length-huge": raw("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999\n", DOC),
    "length-twice": raw("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 19\n", DOC),
    "chunk-negative": raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n", b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk-huge": raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n", b"ffffffffffffffffff\r\nhello\r\n"),
    "encoded-gzip": raw("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Type: %s\nContent-Length: 19\n" % MANIFEST, DOC),
    "status-garbage": raw("HTTP/9.9 abc\nContent-Length: 0\n"),
    "status-999": raw("HTTP/1.1 999 x\nContent-Length: 0\n"),
    "status-204": raw("HTTP/1.1 204 nothing\n"),
    "status-206": raw("HTTP/1.1 206 part\nContent-Range: bytes 5-9/10\nContent-Length: 5\n", b"hello"),
    "not-http": raw("SSH-2.0-OpenSSH_9\n"),
    "nothing": lambda h: setattr(h, "is_open", False),
    "retry-huge": retry_after("99999999999999999999999"),
    "retry-negative": retry_after("-5"),
    "retry-words": retry_after("tomorrow", "503 busy"),
    "retry-past": retry_after("Sat, 01 Jan 0000 00:00:00 GMT"),
    "challenge-none": raw("HTTP/1.1 401 no\nContent-Length: 0\n"),
    "challenge-empty": challenge(""),
    "challenge-unknown": challenge("Negotiate abc"),
    "challenge-file": challenge('Bearer realm="file:///etc/passwd",service="x"'),
    "challenge-relative": challenge('Bearer realm="/token",service="x"'),
    "challenge-none-realm": challenge('Bearer service="x"'),
    "challenge-open": challenge('Bearer realm="http://x'),
    "challenge-long": challenge('Bearer realm="http://127.0.0.1:1/%s"' % ("x" * 150000)),
    "challenge-many": raw("HTTP/1.1 401 no\n" + "WWW-Authenticate: Basic realm=x\n" * 5000 + "Content-Length: 0\n"),
    "challenge-loop": challenge(lambda h: 'Bearer realm="http://%s%s"' % (h.headers.get("host", "x"), h.path)),
    "token-endless": challenge(lambda h: 'Bearer realm="http://%s/body-endless"' % h.headers.get("host", "x")),
    "token-deep": challenge(lambda h: 'Bearer realm="http://%s/deep"' % h.headers.get("host", "x")),
    "token-newline": challenge(lambda h: 'Bearer realm="http://%s/newline"' % h.headers.get("host", "x")),
    "deep": raw("HTTP/1.1 200 OK\n", b"[" * 100000),
    "newline": raw("HTTP/1.1 200 OK\n", b'{"token":"x\\r\\nX-Evil: 1"}'),
    "digest-evil": raw("HTTP/1.1 200 OK\nContent-Type: %s\nDocker-Content-Digest: ../../x\nContent-Length: 19\n" % MANIFEST, DOC),
    "links": page,
    "link-same": page,
    "tags-climb": raw("HTTP/1.1 200 OK\n", b'{"tags":["../../../../../../tmp/dhow-climbed/x"]}'),
    "tags-many": raw("HTTP/1.1 200 OK\n", b'{"tags":["a"' + b',"a"' * 500000 + b"]}"),
}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_open = True
        try:
            # who tries TLS first is not kept waiting
            if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                return
            while self.is_open and self.one():
                pass
        except OSError:
            pass

    def one(self):
        words = self.rfile.readline(70000).decode("latin-1").split()
        self.headers = {}
        if len(words) != 3:
            return False
        while line := self.rfile.readline(70000).strip():
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        self.method, self.path = words[0], words[1]
        with self.server.lock:
            self.server.log.write("%s %s auth=%s\n" % (self.method, self.path[:200], self.headers.get("authorization", "-")))
            self.server.log.flush()
        parts = self.path.partition("?")[0].split("/")
        if parts[1:4:2] == ["v2", ""] or self.path in ("/v2/", "/v2"):
            return self.answer("200 OK", b"{}", "application/json")
        if parts[1] == "v2" and parts[2] == "case":
            return self.case(parts[3], parts[4:])
        ANSWERS.get(parts[2] if parts[1] == "v2" else parts[1], raw("HTTP/1.1 404 x\nContent-Length: 0\n"))(self)
        return self.is_open

    def answer(self, status, body, kind):
        self.wfile.write(b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), kind.encode(), len(body)))
        if self.method != "HEAD":
            self.wfile.write(body)
        return True

    def case(self, name, rest):
        folder = os.path.join(self.server.corpus, name)
        try:
            with open(folder + "/type", encoding="ascii") as f:
                kind = f.read()
            with open(folder + "/top", "rb") as f:
                top = f.read()
            if rest[0] == "manifests" and not rest[1].startswith("sha256:"):
                return self.answer("200 OK", top, kind)
            if rest[0] == "manifests" and rest[1][7:] == hashlib.sha256(top).hexdigest():
                return self.answer("200 OK", top, kind)
            with open(folder + "/dir/" + os.path.basename(rest[1])[7:], "rb") as f:
                body = f.read()
        except (OSError, IndexError):
            return self.answer("404 no", b"{}", "application/json")
        kind = INDEX if b'"manifests"' in body[:200] else MANIFEST
        return self.answer("200 OK", body, kind if rest[0] == "manifests" else "application/octet-stream")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


p = argparse.ArgumentParser()
p.add_argument("--port-file")
p.add_argument("--log")
p.add_argument("--corpus", default="/nonexistent")
p.add_argument("--list", action="store_true", help="print the names of the answers")
args = p.parse_args()
if args.list:
    print("\n".join(n for n in ANSWERS if n not in ("deep", "newline")))
else:
    server = Server(("127.0.0.1", 0), Handler)
    server.corpus, server.lock, server.pages = args.corpus, threading.Lock(), 0
    server.log = open(args.log, "a", encoding="latin-1")
    with open(args.port_file + ".tmp", "w", encoding="ascii") as port_file:
        port_file.write(str(server.server_address[1]))
    os.rename(args.port_file + ".tmp", args.port_file)
    server.serve_forever()
