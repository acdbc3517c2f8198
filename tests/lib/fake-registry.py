#!/usr/bin/env python3
"""A registry that misbehaves on request, for the tests of pull.

It makes its own images: every repository has the same small one (two layers, the first of
--layer-bytes incompressible bytes), tag "latest". Options say what goes wrong. Each request is
one line in --log: METHOD PATH status=N range=... auth=...
Prints nothing; writes its port to --port-file once it listens.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import random
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCI = "application/vnd.oci.image."
MANIFEST = OCI + "manifest.v1+json"
INDEX = OCI + "index.v1+json"
CONFIG = OCI + "config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
USER, PASSWORD, TOKEN, REFRESH = "alice", "secret", "token-of-alice", "refresh-me"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def make_bomb(bytes_out):
    """gzip of a tar with one huge file of zeros, made without holding it."""
    info = tarfile.TarInfo("zeros")
    info.size = bytes_out
    head = info.tobuf(tarfile.GNU_FORMAT)
    hasher = hashlib.sha256()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = []
    block = bytes(1 << 20)
    for piece in [head] + [block] * (bytes_out >> 20) + [bytes(1024)]:
        hasher.update(piece)
        out.append(packer.compress(piece))
    out.append(packer.flush())
    return b"".join(out), "sha256:" + hasher.hexdigest()


class Content:
    """Blobs and manifests by digest, and what "latest" is."""

    def __init__(self, args):
        self.blobs = {}
        self.manifests = {}
        rng = random.Random(args.seed)
        tars = [
            make_tar([("data", rng.randbytes(args.layer_bytes)), ("etc/first", b"1\n")]),
            make_tar([("etc/second", b"2\n")]),
        ]
        layers, diff_ids = [], []
        for i, tar in enumerate(tars):
            packed = gzip.compress(tar, 1, mtime=0)
            diff_id = digest(tar)
            if args.bomb and i == 0:
                packed, diff_id = make_bomb(args.bomb << 20)
            if args.wrong_diffid and i == 0:
                diff_id = digest(b"something else")
            if args.bad_gzip and i == 0:
                packed = packed[: len(packed) // 2] + bytes(1000) + packed[len(packed) // 2 :]
            if args.trailing and i == 0:
                packed += b"trailing garbage"
            layers.append(self.add_blob(packed, OCI + "layer.v1.tar+gzip"))
            diff_ids.append(diff_id)
        if args.traversal:
            layers[0]["digest"] = "sha256:../../../../etc/passwd"
        if args.size_lie:
            layers[0]["size"] += args.size_lie
        if args.foreign_url:
            layers[0]["urls"] = [args.foreign_url]
        config = {
            "architecture": args.arch,
            "os": "linux",
            "config": {"Cmd": ["/bin/true"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "first"}, {"created_by": "second"}],
        }
        if args.extra_diffid:
            diff_ids.append(digest(b"one more"))
        config_blob = self.add_blob(json.dumps(config).encode(), CONFIG)
        if args.config_mismatch:
            data = self.blobs[config_blob["digest"]]
            self.blobs[config_blob["digest"]] = data.replace(b"first", b"fiRst")
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config_blob,
            "layers": layers,
        }
        self.type = args.content_type or MANIFEST
        if args.confused:
            manifest["manifests"] = []
        if args.artifact:
            manifest["config"]["mediaType"] = "application/vnd.example.thing"
        if args.schema1:
            manifest = {"schemaVersion": 1, "name": "x", "tag": "latest", "fsLayers": [], "history": []}
            self.type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        if args.duplicate_key:
            text = json.dumps(manifest)
            text = text[:-1] + ', "layers": []}'
        elif args.big_manifest:
            text = json.dumps(manifest)[:-1] + ', "annotations": {"x": "' + "y" * (6 << 20) + '"}}'
        elif args.deep_manifest:
            text = json.dumps(manifest)[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}"
        elif args.bad_json:
            text = "<html>sorry</html>"
        else:
            text = json.dumps(manifest)
        data = text.encode()
        self.manifests[digest(data)] = data
        self.latest = data
        if args.index_depth:
            for _ in range(args.index_depth):
                entry = {
                    "mediaType": self.type,
                    "digest": digest(data),
                    "size": len(data),
                    "platform": {"os": "linux", "architecture": args.arch},
                }
                data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
                self.type = INDEX
                self.manifests[digest(data)] = data
            self.latest = data

    def add_blob(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake"

    def log_message(self, *_):
        pass

    def note(self, status):
        line = "%s %s status=%d range=%s auth=%s\n" % (
            self.command,
            self.path,
            status,
            self.headers.get("Range", "-"),
            self.headers.get("Authorization", "-"),
        )
        with self.server.lock:
            self.server.log.write(line)
            self.server.log.flush()

    def answer(self, status, body=b"", content_type="application/json", **headers):
        self.note(status)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, message, **headers):
        body = json.dumps({"errors": [{"code": "X", "message": message}]}).encode()
        self.answer(status, body, **headers)

    def spend(self, name):
        """Whether the fault `name` (STATUS:COUNT or BYTES:COUNT) is still to happen; its number."""
        value = getattr(self.server.args, name)
        if not value:
            return None
        number, _, count = value.partition(":")
        with self.server.lock:
            used = self.server.used.get(name, 0)
            if count and used >= int(count):
                return None
            self.server.used[name] = used + 1
        return int(number)

    def is_allowed(self):
        args = self.server.args
        got = self.headers.get("Authorization", "")
        if args.auth == "basic":
            want = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if got == want:
                return True
            self.error(401, "who are you?", WWW_Authenticate='Basic realm="fake"')
            return False
        if args.auth == "bearer":
            with self.server.lock:
                good = f"Bearer {TOKEN}{self.server.tokens}"
            if got == good:
                if self.spend("expire"):
                    with self.server.lock:
                        self.server.tokens += 1
                else:
                    return True
            realm = args.realm or f"{self.server.scheme}://{self.headers['Host']}/token"
            self.error(
                401,
                "no token",
                WWW_Authenticate=f'Bearer realm="{realm}",service="fake, \\"quoted\\"",scope="repository:x:pull"',
            )
            return False
        return True

    def token(self):
        args = self.server.args
        got = self.headers.get("Authorization", "")
        want = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if args.private and got != want:
            self.error(401, "bad credentials")
            return
        with self.server.lock:
            token = f"{TOKEN}{self.server.tokens}"
        body = json.dumps({"token": token, "expires_in": 60}).encode()
        if args.big_token:
            body = json.dumps({"token": "x" * (3 << 20)}).encode()
        self.answer(200, body)

    def do_GET(self):
        args = self.server.args
        path = self.path.partition("?")[0]
        if path == "/token":
            return self.token()
        if path.startswith("/elsewhere/"):
            return self.blob(path.rpartition("/")[2], False)
        if not self.is_allowed():
            return None
        if "/manifests/" in path:
            return self.manifest(path.rpartition("/")[2])
        if "/blobs/" in path:
            return self.blob(path.rpartition("/")[2], True)
        self.answer(200, b"{}")
        return None

    do_HEAD = do_GET

    def do_POST(self):
        """OAuth2: a refresh token, which docker calls an identity token, for an access token."""
        length = int(self.headers.get("Content-Length", 0))
        form = self.rfile.read(length).decode()
        if "grant_type=refresh_token" not in form or f"refresh_token={REFRESH}" not in form:
            self.error(401, "bad refresh token")
            return
        with self.server.lock:
            token = f"{TOKEN}{self.server.tokens}"
        self.answer(200, json.dumps({"access_token": token}).encode())

    def manifest(self, reference):
        args, content = self.server.args, self.server.content
        status = self.spend("fail_manifest")
        if status:
            headers = {"Retry_After": args.retry_after} if args.retry_after else {}
            return self.error(status, "not \x1b[31mnow", **headers)
        if args.redirect_loop:
            return self.answer(307, Location=self.path)
        if reference == "latest":
            data = content.latest
        else:
            data = content.manifests.get(reference)
        if data is None:
            return self.error(404, "manifest unknown")
        content_type = content.type if data is content.latest else MANIFEST
        if data is not content.latest and b'"manifests"' in data[:200]:
            content_type = INDEX
        told = "sha256:" + "0" * 64 if args.wrong_digest_header else digest(data)
        return self.answer(200, data, content_type, Docker_Content_Digest=told)

    def blob(self, name, may_redirect):
        args, content = self.server.args, self.server.content
        data = content.blobs.get(name)
        if data is None:
            return self.error(404, "blob unknown")
        is_layer = data[:2] == b"\x1f\x8b"
        if is_layer:
            status = self.spend("fail_blob")
            if status:
                headers = {"Retry_After": args.retry_after} if args.retry_after else {}
                return self.error(status, "no blob now", **headers)
            if args.redirect and may_redirect:
                return self.answer(307, Location=f"{args.redirect}/elsewhere/{name}")
            if args.long and len(data) > 10000:
                data = data + bytes(args.long)
            if args.corrupt and len(data) > 10000:
                # a stored gzip header field: the data still inflates to the same bytes
                data = data[:4] + b"\1\2\3\4" + data[8:]
            if args.short and len(data) > 10000:
                data = data[: -args.short]
        return self.send_blob(data, is_layer)

    def send_blob(self, data, is_layer):
        args = self.server.args
        start, status, headers = 0, 200, {}
        asked = self.headers.get("Range")
        if asked and not args.no_range:
            start = int(asked[len("bytes=") :].split("-")[0])
            if start >= len(data):
                return self.error(416, "range")
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        piece = data[start:]
        cut = self.spend("cut") if is_layer and len(data) > 10000 else None
        self.note(status)
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        if args.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(piece)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if cut is not None:
            piece = piece[:cut]
        step = args.rate // 20 if args.rate and is_layer else 1 << 16
        for i in range(0, len(piece), step):
            part = piece[i : i + step]
            if args.chunked:
                part = b"%x\r\n%s\r\n" % (len(part), part)
            self.wfile.write(part)
            if args.rate and is_layer:
                time.sleep(0.05)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        elif args.chunked:
            self.wfile.write(b"0\r\n\r\n")
        return None


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument("--port-file", required=True)
    p.add_argument("--log", required=True)
    p.add_argument("--layer-bytes", type=int, default=1 << 20)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--arch", default="amd64")
    p.add_argument("--tls", help="directory for a self-signed certificate: ca.crt, key.pem")
    p.add_argument("--client-cert", action="store_true", help="with --tls: the client must show the same certificate")
    p.add_argument("--bind", default="127.0.0.1")
    p.add_argument("--auth", choices=["basic", "bearer"])
    p.add_argument("--private", action="store_true", help="no token without the password")
    p.add_argument("--realm")
    p.add_argument("--expire", help="1:COUNT: so many tokens are too old at first use")
    p.add_argument("--fail-manifest", metavar="STATUS[:COUNT]")
    p.add_argument("--fail-blob", metavar="STATUS[:COUNT]")
    p.add_argument("--retry-after")
    p.add_argument("--cut", metavar="BYTES[:COUNT]", help="break the connection within a layer")
    p.add_argument("--short", type=int, help="the big layer lacks so many bytes")
    p.add_argument("--long", type=int, help="so many bytes too many")
    p.add_argument("--size-lie", type=int)
    p.add_argument("--bomb", type=int, metavar="MIB")
    p.add_argument("--index-depth", type=int)
    p.add_argument("--rate", type=int, metavar="BYTES_PER_S")
    p.add_argument("--redirect", metavar="URL")
    p.add_argument("--foreign-url")
    p.add_argument("--content-type")
    for flag in (
        "corrupt chunked no-range confused schema1 artifact wrong-diffid extra-diffid traversal"
        " config-mismatch duplicate-key big-manifest deep-manifest bad-json big-token bad-gzip trailing"
        " wrong-digest-header redirect-loop"
    ).split():
        p.add_argument("--" + flag, action="store_true")
    return p.parse_args()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the client went away: that is what many tests are about


def main():
    args = parse_args()
    if ":" in args.bind:
        Server.address_family = socket.AF_INET6
    server = Server((args.bind, 0), Handler)
    server.args = args
    server.content = Content(args)
    server.lock = threading.Lock()
    server.used = {}
    server.tokens = 0
    server.scheme = "http"
    server.log = open(args.log, "a", encoding="utf-8")
    if args.tls:
        os.makedirs(args.tls, exist_ok=True)
        cert, key = os.path.join(args.tls, "ca.crt"), os.path.join(args.tls, "key.pem")
        if not os.path.exists(cert):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                 "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if args.client_cert:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cert)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    with open(args.port_file + ".new", "w", encoding="utf-8") as f:
        f.write(str(server.server_address[1]))
    os.rename(args.port_file + ".new", args.port_file)
    server.serve_forever()


main()
