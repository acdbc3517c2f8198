#!/usr/bin/env python3
"""A registry that can be pushed to and misbehaves on request, for the tests of push and copy.

Blobs and manifests are kept in memory, by digest for all repositories, but a blob is seen only in the
repositories that it was pushed or mounted to. Each request is one line in --log:
METHOD PATH status=N type=... range=... bytes=N auth=...; writes its port to --port-file once it listens.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "alice", "secret"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    got = 0

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        with self.server.lock:
            self.server.log.write(
                "%s %s status=%d range=%s bytes=%d auth=%s\n"
                % (self.command, self.path, status, self.headers.get("Content-Range", "-"), self.got,
                   self.headers.get("Authorization", "-"))
            )
            self.server.log.flush()
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, **headers):
        self.drain()
        self.answer(status, json.dumps({"errors": [{"code": "X", "message": "not now"}]}).encode(), **headers)

    def pieces(self):
        """The body, as it comes."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            data = self.rfile.read(min(left, 65536))
            if not data:
                return
            left -= len(data)
            yield data

    def drain(self):
        for data in self.pieces():
            self.got += len(data)

    def spend(self, name):
        """Whether the fault NUMBER:COUNT is still to happen; its number."""
        value = getattr(self.server.args, name)
        if not value:
            return None
        number, _, count = value.partition(":")
        with self.server.lock:
            used = self.server.used.get(name, 0)
            if used >= int(count or 1):
                return None
            self.server.used[name] = used + 1
        return int(number)

    def is_allowed(self, repo, write):
        if not self.server.args.auth:
            return True
        scope = "repository:%s:pull%s" % (repo, ",push" if write else "")
        token = self.headers.get("Authorization", "")
        if token.startswith("Bearer "):
            have = base64.b64decode(token[7:]).decode().split(" ")
            if any(s.startswith("repository:%s:" % repo) and (not write or "push" in s) for s in have):
                return True
        realm = "http://%s/token" % self.headers["Host"]
        self.error(401, WWW_Authenticate='Bearer realm="%s",service="fake",scope="%s"' % (realm, scope))
        return False

    def token(self, query):
        want = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != want:
            return self.error(401)
        token = base64.b64encode(" ".join(query.get("scope", [])).encode()).decode()
        return self.answer(200, json.dumps({"token": token}).encode())

    def handle_any(self):
        self.got = 0
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/token":
            return self.token(query)
        if url.path == "/v2/":
            return self.answer(200, b"{}") if not self.server.args.auth else self.is_allowed("", False)
        m = re.match(r"^/v2/(.+?)/(blobs/uploads|blobs|manifests|referrers|tags)/(.*)$", url.path)
        if not m:
            return self.error(404)
        repo, kind, rest = m.groups()
        write = self.command in ("POST", "PATCH", "PUT", "DELETE")
        if not self.is_allowed(repo, write):
            return None
        if kind == "blobs/uploads":
            return self.upload(repo, rest, query)
        if kind == "blobs":
            if (repo, rest) not in self.server.blobs:
                return self.error(404)
            return self.answer(200, self.server.blobs[repo, rest])
        if kind == "manifests":
            return self.manifest(repo, rest)
        return self.error(404)

    # pylint: disable=invalid-name
    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def manifest(self, repo, reference):
        if self.command == "PUT":
            data = b"".join(self.pieces())
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            with self.server.lock:
                self.server.manifests[repo, reference] = self.server.manifests[repo, digest] = (
                    data, self.headers["Content-Type"])
            return self.answer(201, Docker_Content_Digest=digest)
        if (repo, reference) not in self.server.manifests:
            return self.error(404)
        data, media_type = self.server.manifests[repo, reference]
        return self.answer(200, data, Content_Type=media_type)

    def upload(self, repo, session, query):
        uploads = self.server.uploads
        here = f"http://{self.server.args.location_host or self.headers['Host']}/v2/{repo}/blobs/uploads/"
        if self.command == "POST":
            status = self.spend("busy")
            if status:
                return self.error(status, Retry_After=self.server.args.retry_after or "0")
            mount, source = query.get("mount", [""])[0], query.get("from", [""])[0]
            if mount and (source, mount) in self.server.blobs:
                self.server.blobs[repo, mount] = self.server.blobs[source, mount]
                return self.answer(201)
            with self.server.lock:
                session = str(len(uploads) + 1)
                uploads[session] = bytearray()
            return self.answer(202, Location=here + session)
        if session not in uploads:
            return self.error(404)
        data = uploads[session]
        if self.command == "GET":
            if self.server.args.forget:
                return self.error(404)
            return self.answer(204, Location=here + session, Range=f"0-{max(len(data) - 1, 0)}")
        if self.command == "DELETE":
            return self.answer(204)
        largest = self.server.args.largest
        if largest and int(self.headers.get("Content-Length") or 0) > largest:
            return self.error(413)
        cut = self.spend("cut") if self.command == "PATCH" else None
        for piece in self.pieces():
            self.got += len(piece)
            data += piece
            if cut is not None and self.got >= cut:
                self.close_connection = True
                self.connection.close()
                return None
            if self.server.args.rate:
                time.sleep(len(piece) / self.server.args.rate)
        if self.command == "PATCH":
            return self.answer(202, Location=here + session, Range=f"0-{max(len(data) - 1, 0)}")
        digest = query["digest"][0]
        if digest != "sha256:" + hashlib.sha256(data).hexdigest():
            return self.error(400)
        self.server.blobs[repo, digest] = bytes(data)
        return self.answer(201, Location=f"/v2/{repo}/blobs/{digest}")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port-file", required=True)
    p.add_argument("--log", required=True)
    p.add_argument("--auth", action="store_true", help="bearer tokens with scopes, for alice:secret")
    p.add_argument("--busy", metavar="STATUS[:COUNT]", help="answer so to the beginning of uploads")
    p.add_argument("--retry-after")
    p.add_argument("--cut", metavar="BYTES[:COUNT]", help="break the connection within a PATCH")
    p.add_argument("--forget", action="store_true", help="no state of uploads is told")
    p.add_argument("--largest", type=int, metavar="BYTES", help="refuse larger bodies of uploads, by 413")
    p.add_argument("--rate", type=int, metavar="BYTES_PER_S")
    p.add_argument("--location-host", help="where uploads go, instead of here")
    args = p.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.args, server.lock, server.used = args, threading.Lock(), {}
    server.blobs, server.manifests, server.uploads = {}, {}, {}
    server.log = open(args.log, "a", encoding="utf-8")
    with open(args.port_file + ".tmp", "w", encoding="utf-8") as f:
        f.write(str(server.server_address[1]))
    os.rename(args.port_file + ".tmp", args.port_file)
    server.serve_forever()


main()
