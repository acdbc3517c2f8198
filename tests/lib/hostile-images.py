#!/usr/bin/env python3
"""hostile-images.py DIR: write the corpus of hostile images: documents, not tars (hostile-tars.py).

For each case DIR/NAME/ holds it in the forms that consumers take:
    oci/       an OCI layout           dir/       skopeo's dir: form (where the case is a document)
    oci.tar    the layout as a tar     top, type  the document itself, and what it is served as
    want       "error": every consumer refuses it; "ok": every one takes it; "safe": either
Docker archives are DIR/NAME/docker.tar alone. hostile-images-check runs consumers over them."""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar"
CANARY = os.environ.get("CANARY", "/tmp/dhow-canary")
EVIL_DIGESTS = {
    "path": "sha256:../../../../../.." + CANARY + "/secret",
    "escaped": "sha256:%2e%2e%2f%2e%2e%2fdhow.db",
    "slash": "sha256/" + "a" * 64,
    "short": "sha256:" + "a" * 63,
    "long": "sha256:" + "a" * 65,
    "upper": "sha256:" + "A" * 64,
    "nul": "sha256:" + "a" * 64 + "\0x",
    "newline": "sha256:" + "a" * 64 + "\n",
    "empty": "",
    "only-name": "sha256:",
    "algorithm": "md5:" + "a" * 32,
    "algorithm-path": "../../x:" + "a" * 64,
    "huge": "sha256:" + "a" * 100000,
}


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


TAR = b""  # of the case being made: a layer that is there already is not looked at
N_TARS = 0


def fresh_tar():
    global TAR, N_TARS
    N_TARS += 1
    TAR = tar_of([("file", b"of the layer %d\n" % N_TARS)])


class Image:
    """An image that is right; cases change it before (config, manifest) or after (text) it is written."""

    def __init__(self):
        fresh_tar()
        self.blobs = {}
        self.config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
                       "rootfs": {"type": "layers", "diff_ids": [sha(TAR)]}}
        self.layer = self.add(TAR, LAYER)
        self.manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": None, "layers": [self.layer]}
        self.type = MANIFEST

    def add(self, data, media_type):
        self.blobs[sha(data)] = data
        return {"mediaType": media_type, "digest": sha(data), "size": len(data)}

    def finish(self, config_text=None):
        if self.manifest.get("config", 0) is None:
            text = config_text if config_text is not None else json.dumps(self.config).encode()
            self.manifest["config"] = self.add(text, CONFIG)
        return json.dumps(self.manifest).encode()


CASES = {}


def case(name, want, top, blobs, served=MANIFEST, index=None, files=None):
    """index: the text of index.json; files: a function that changes the layout in its directory."""
    name = name.lower()  # it is a repository's name, too
    assert name not in CASES, name
    CASES[name] = {"want": want, "top": top, "blobs": blobs, "type": served, "index": index, "files": files}


def manifest(name, want, change=lambda m: None, text=None, config=None, config_text=None, **more):
    image = Image()
    if config:
        config(image.config)
    image.finish(config_text() if callable(config_text) else config_text)
    change(image.manifest)
    top = json.dumps(image.manifest).encode()
    case(name, want, text(top) if text else top, image.blobs, **more)


def at(*path):
    """A change that sets one value deep inside: at("layers", 0, "size", 5)."""
    def change(m):
        for key in path[:-2]:
            m = m[key]
        m[path[-2]] = path[-1]
    return change


def without(key):
    return lambda m: m.pop(key)


def extend(extra):
    """A text with EXTRA as its first members, as they are."""
    return lambda top: b"{" + extra + b"," + top[1:]


manifest("good", "ok")

# --- image manifests: what they are ---
manifest("both-empty", "error", at("manifests", []))
manifest("both", "error", at("manifests", [{"mediaType": MANIFEST, "digest": "sha256:" + "a" * 64, "size": 5}]))
manifest("served-as-index", "error", served=INDEX)
manifest("media-type-index", "error", at("mediaType", INDEX))
manifest("media-type-number", "error", at("mediaType", 5))
manifest("media-type-docker", "error", at("mediaType", "application/vnd.docker.distribution.manifest.v2+json"))
manifest("schema-1", "error", at("schemaVersion", 1))
manifest("schema-text", "error", at("schemaVersion", "2"))
manifest("schema-missing", "error", without("schemaVersion"))
manifest("schema-huge", "error", text=lambda t: t.replace(b'"schemaVersion": 2', b'"schemaVersion": 1' + b"0" * 400))
manifest("schema-exponent", "error", text=lambda t: t.replace(b'"schemaVersion": 2', b'"schemaVersion": 2e999999999'))
manifest("no-config", "error", without("config"))
manifest("config-null", "error", at("config", None))
manifest("config-list", "error", at("config", [1]))
for key in (b'"layers":[]', b'"config":{}', b'"schemaVersion":2', b'"mediaType":"%s"' % MANIFEST.encode()):
    manifest("twice-" + key.split(b'"')[1].decode(), "error", text=extend(key))
manifest("twice-escaped", "error", text=extend(b'"la\\u0079ers":[]'))
# Go's readers take these for the lower-case ones; ours must not
for key in ("Layers", "CONFIG", "Manifests", "MediaType", "layer\u017f", "Schemaversion"):
    manifest("case-" + ascii(key).strip("'").replace("\\", ""), "safe", at(key, []))
manifest("case-only", "error", text=lambda t: t.replace(b'"layers"', b'"Layers"').replace(b'"config"', b'"Config"'))

# --- JSON ---
for label, data in {
    "empty": b"", "space": b" \n", "html": b"<html>no</html>", "array": b"[]", "text": b'"x"', "null": b"null",
    "nul": b"\0", "open": b"{", "comment": b"/* */{}", "bom": b"\xef\xbb\xbf{}", "nan": b'{"schemaVersion":NaN}',
    "single-quotes": b"{'schemaVersion':2}", "deep": b"[" * 100000 + b"]" * 100000, "deep-open": b'{"a":' * 100000,
}.items():
    case("json-" + label, "error", data, {})
manifest("json-two", "error", text=lambda t: t + t)
manifest("json-garbage-after", "error", text=lambda t: t + b"x")
manifest("json-nul-after", "error", text=lambda t: t + b"\0")
manifest("json-not-utf8", "error", text=extend(b'"x":"\xff\xfe"'))
manifest("json-deep-member", "error", text=extend(b'"x":' + b"[" * 5000 + b"]" * 5000))
manifest("json-big", "error", text=extend(b'"x":"' + b"y" * (5 << 20) + b'"'))
manifest("json-many-members", "safe", text=extend(b",".join(b'"k%d":1' % i for i in range(200000))))
manifest("json-many-annotations", "safe", at("annotations", {"k%d" % i: "v" for i in range(100000)}))
manifest("json-arrays", "safe", text=extend(b'"x":[[]' + b",[]" * 1000000 + b"]"))
manifest("json-objects", "safe", text=extend(b'"x":[{}' + b",{}" * 1000000 + b"]"))
manifest("json-annotation-number", "safe", at("annotations", {"k": 5}))
manifest("json-surrogate", "safe", text=extend(b'"x":"\\ud800"'))

# --- descriptors ---
for label, evil in EVIL_DIGESTS.items():
    manifest("layer-digest-" + label, "error", at("layers", 0, "digest", evil))
    manifest("config-digest-" + label, "error", at("config", "digest", evil))
for label, size in {"negative": -1, "text": "5", "fraction": 5.5, "null": None, "true": True}.items():
    manifest("layer-size-" + label, "error", at("layers", 0, "size", size))
for label, size in {"2-63": 1 << 63, "2-64": 1 << 64, "2-64-more": (1 << 64) + 10240, "huge": 10 ** 300,
                    "tib": 1 << 41, "less": 512, "more": 1 << 20, "zero": 0}.items():
    manifest("layer-size-" + label, "error", at("layers", 0, "size", size))
manifest("config-size-less", "error", at("config", "size", 10))
manifest("config-size-more", "error", at("config", "size", 5000))
manifest("config-size-huge", "error", at("config", "size", 1 << 39))
manifest("layer-missing", "error", at("layers", 0, "digest", sha(b"nowhere")))
manifest("layer-missing-url", "error", lambda m: (
    at("layers", 0, "digest", sha(b"nowhere"))(m),
    at("layers", 0, "mediaType", OCI + "layer.nondistributable.v1.tar")(m),
    at("layers", 0, "urls", ["file://" + CANARY + "/secret", "http://169.254.169.254/", "../../x"])(m)))
manifest("layer-with-urls", "safe", at("layers", 0, "urls", ["file://" + CANARY + "/secret", "gopher://x"]))
manifest("layer-urls-number", "safe", at("layers", 0, "urls", 5))
manifest("layer-data", "safe", at("layers", 0, "data", "bm90IHRoaXM="))
manifest("layer-type-text", "error", at("layers", 0, "mediaType", "text/plain"))
manifest("layer-type-missing", "error", lambda m: m["layers"][0].pop("mediaType"))
manifest("layer-is-manifest", "error", at("layers", 0, "mediaType", MANIFEST))
manifest("layers-object", "error", at("layers", {}))
manifest("layers-of-numbers", "error", at("layers", [1, 2]))
manifest("layers-20000", "error", lambda m: at("layers", m["layers"] * 20000)(m))
manifest("layers-one-more", "error", lambda m: at("layers", m["layers"] * 2)(m))
manifest("layers-none", "error", at("layers", []))
manifest("config-is-layer", "error", lambda m: m["config"].update(digest=m["layers"][0]["digest"], size=len(TAR)))
manifest("subject-evil", "safe", at("subject", {"mediaType": MANIFEST, "digest": EVIL_DIGESTS["path"], "size": 5}))
manifest("subject-itself", "safe", at("subject", {"mediaType": MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1}))

# --- configs ---
for label, data in {"empty": b"", "html": b"<html>", "array": b"[]", "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
                    "big": b'{"x":"' + b"y" * (9 << 20) + b'"}', "cut": b'{"rootfs":'}.items():
    manifest("config-" + label, "error", config_text=data)
manifest("config-twice", "error", config_text=lambda: b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers",'
         b'"diff_ids":["%s"]},"rootfs":{"type":"layers","diff_ids":[]}}' % sha(TAR).encode())
manifest("config-case", "error", config_text=lambda: b'{"os":"linux","architecture":"amd64","RootFS":{"type":"layers",'
         b'"diff_ids":["%s"]}}' % sha(TAR).encode())
manifest("diff-id-wrong", "error", config=at("rootfs", "diff_ids", [sha(b"x")]))
manifest("diff-ids-more", "error", config=lambda c: at("rootfs", "diff_ids", [sha(TAR)] * 2)(c))
manifest("diff-ids-100000", "error", config=lambda c: at("rootfs", "diff_ids", [sha(TAR)] * 100000)(c))
manifest("diff-ids-text", "error", config=at("rootfs", "diff_ids", "x"))
manifest("rootfs-type", "safe", config=at("rootfs", "type", "../../x"))
for label, evil in EVIL_DIGESTS.items():
    manifest("diff-id-" + label, "error", config=at("rootfs", "diff_ids", [evil]))
manifest("history-100000", "safe", config=at("history", [{"created_by": "x"}] * 100000))
manifest("history-numbers", "safe", config=at("history", [5, None, "x"]))
manifest("created-nonsense", "safe", config=at("created", "\x1b[31mnever"))
manifest("env-strange", "safe", config=at("config", "Env", ["=x", "A\0B=1", "A=\n", "LD_PRELOAD=/x", "noequals"]))
manifest("user-overflow", "safe", config=at("config", "User", "4294967296:18446744073709551616"))
manifest("labels-logger", "safe", config=at("config", "Labels", {"containerd.io/restart.loguri": "binary:///x"}))
manifest("volume-climbs", "safe", config=at("config", "Volumes", {"/../../.." + CANARY: {}}))
manifest("os-other", "safe", config=at("os", "../windows"))

# --- indexes ---


def index_of(entries, **more):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}).encode()


def entry_of(data, media_type=MANIFEST, **more):
    return {"mediaType": media_type, "digest": sha(data), "size": len(data),
            "platform": {"os": "linux", "architecture": "amd64"}, **more}


def indexes(name, want, entries, **more):
    """entries: of the good image's manifest, a list of descriptors."""
    image = Image()
    top = image.finish()
    image.blobs[sha(top)] = top
    case(name, want, index_of(entries(top)), image.blobs, served=INDEX, **more)


def nested(depth, width):
    image = Image()
    top, kind = image.finish(), MANIFEST
    for _ in range(depth):
        image.blobs[sha(top)] = top
        top, kind = index_of([entry_of(top, kind)] * width), INDEX
    return top, image.blobs


indexes("index-good", "ok", lambda t: [entry_of(t)])
indexes("index-none", "error", lambda t: [])
indexes("index-10000", "error", lambda t: [entry_of(t)] * 10000)
indexes("index-1000-missing", "error", lambda t: [
    entry_of(b"%d" % i, platform={"os": "linux", "architecture": "x%d" % i}) for i in range(1000)])
indexes("index-calls-image-index", "safe", lambda t: [entry_of(t, INDEX)])
indexes("index-entry-is-config", "error", lambda t: [dict(entry_of(t), **json.loads(t)["config"])])
indexes("index-entry-is-layer", "error", lambda t: [dict(entry_of(t), digest=sha(TAR), size=len(TAR))])
indexes("index-size-less", "error", lambda t: [dict(entry_of(t), size=len(t) - 1)])
indexes("index-size-more", "error", lambda t: [dict(entry_of(t), size=len(t) + 1)])
indexes("index-platform-evil", "safe", lambda t: [
    entry_of(t, platform={"os": "\x1b[2J", "architecture": "../.." * 9999, "variant": "\n"})])
indexes("index-platform-number", "error", lambda t: [entry_of(t, platform=5)])
indexes("index-type-missing", "safe", lambda t: [
    {k: v for k, v in entry_of(t).items() if k != "mediaType"}] * 2)
indexes("index-nulls", "error", lambda t: [None, None])
for depth_of_it in (5, 30):
    case("index-deep-%d" % depth_of_it, "error", *nested(depth_of_it, 1), served=INDEX)
# a thousand times a thousand times a thousand images, in three small documents
case("index-bomb", "safe", *nested(3, 1000), served=INDEX)
for label, evil in EVIL_DIGESTS.items():
    indexes("index-digest-" + label, "error", lambda t, evil=evil: [dict(entry_of(t), digest=evil)])


# --- layouts: index.json and files that are something else ---


def layout(name, want, index=None, files=None):
    image = Image()
    top = image.finish()
    case(name, want, top, image.blobs, index=index(top) if index else None, files=files)
    CASES[name.lower()]["only_layout"] = True


NAMES = "org.opencontainers.image.ref.name"
for n, evil in enumerate(("../../etc/x:1", "a:b\n", "\x1b[31mx/y:1", "/", "x/" * 500 + ":1", "x/y@sha256:abc", "X/Y:1")):
    layout("layout-name-%d" % n, "safe", index=lambda t, evil=evil: index_of([
        dict(entry_of(t), annotations={NAMES: evil, "io.containerd.image.name": evil})]))
layout("layout-index-is-image", "error", index=lambda t: t)
layout("layout-index-empty", "error", index=lambda t: b"")


def in_place(path, make):
    def change(folder):
        full = os.path.join(folder, path)
        os.unlink(full)
        make(full)
    return change


def first_blob(make):
    def change(folder):
        folder = os.path.join(folder, "blobs/sha256")
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
            make(os.path.join(folder, name))
    return change


for label, how in {"fifo": os.mkfifo, "directory": os.mkdir, "link": lambda p: os.symlink(CANARY + "/secret", p),
                   "loop": lambda p: os.symlink(os.path.basename(p), p),
                   "zero": lambda p: os.symlink("/dev/zero", p)}.items():
    layout("layout-index-" + label, "error", files=in_place("index.json", how))
    layout("layout-blobs-" + label, "error", files=first_blob(how))


# --- docker archives ---


def docker(name, want, documents):
    image = Image()
    config = json.dumps(image.config).encode()
    files = [("config.json", config), ("layer.tar", TAR)]
    CASES["docker-" + name] = {"want": want, "docker": tar_of(files + documents)}


def docker_manifest(**changes):
    item = {"Config": "config.json", "RepoTags": ["evil:1"], "Layers": ["layer.tar"]}
    item.update(changes)
    return [("manifest.json", json.dumps([item]).encode())]


docker("good", "ok", docker_manifest(RepoTags=None))
docker("empty", "error", [("manifest.json", b"")])
docker("object", "error", [("manifest.json", b"{}")])
docker("none", "error", [("manifest.json", b"[]")])
docker("2000", "error", [("manifest.json", json.dumps(json.loads(docker_manifest()[0][1]) * 2000).encode())])
docker("twice", "error", [("manifest.json", b'[{"Config":"config.json","Config":"x","Layers":["layer.tar"]}]')])
docker("config-absolute", "error", docker_manifest(Config=CANARY + "/secret"))
docker("config-climbs", "error", docker_manifest(Config="../" * 20 + CANARY + "/secret"))
docker("config-is-layer", "error", docker_manifest(Config="layer.tar"))
docker("layer-absolute", "error", docker_manifest(Layers=[CANARY + "/secret"]))
docker("layer-is-config", "error", docker_manifest(Layers=["config.json"]))
docker("layers-more", "error", docker_manifest(Layers=["layer.tar"] * 2))
docker("layers-number", "error", docker_manifest(Layers=[5]))
docker("link-out", "error", [("l", (tarfile.SYMTYPE, CANARY + "/secret"))] + docker_manifest(Config="l"))
docker("link-loop", "error", [("l", (tarfile.SYMTYPE, "l"))] + docker_manifest(Config="l"))
docker("fifo", "error", [("l", (tarfile.FIFOTYPE, ""))] + docker_manifest(Config="l"))
docker("name-evil", "safe", docker_manifest(RepoTags=["../../x:\x1b[31m"]))
docker("big", "error", [("manifest.json", b"[" + b" " * (20 << 20) + b"]")])
docker("many-members", "safe", [("m%d" % i, b"") for i in range(20000)] + docker_manifest(RepoTags=None))
CASES["docker-gzip-bomb"] = {"want": "error", "docker": gzip.compress(bytes(300 << 20), 9)}


# --- writing ---


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def write_case(folder, c):
    os.makedirs(folder)
    write(folder + "/want", c["want"].encode())
    if "docker" in c:
        write(folder + "/docker.tar", c["docker"])
        return
    blobs = dict(c["blobs"])
    blobs[sha(c["top"])] = c["top"]
    index = c["index"]
    if index is None:
        index = index_of([{"mediaType": c["type"], "digest": sha(c["top"]), "size": len(c["top"])}])
    os.makedirs(folder + "/oci/blobs/sha256")
    write(folder + "/oci/oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    write(folder + "/oci/index.json", index)
    for name, data in blobs.items():
        write(folder + "/oci/blobs/sha256/" + name[7:], data)
    if c["files"]:
        c["files"](folder + "/oci")
    with tarfile.open(folder + "/oci.tar", "w") as tar:
        tar.add(folder + "/oci", ".")
    if c.get("only_layout"):
        return
    write(folder + "/top", c["top"])
    write(folder + "/type", c["type"].encode())
    os.makedirs(folder + "/dir")
    write(folder + "/dir/version", b"Directory Transport Version: 1.1\n")
    write(folder + "/dir/manifest.json", c["top"])
    for name, data in blobs.items():
        write(folder + "/dir/" + name[7:], data)
        write(folder + "/dir/" + name[7:] + ".manifest.json", data)


for case_name, what in CASES.items():
    write_case(os.path.join(sys.argv[1], case_name), what)
print(len(CASES))
