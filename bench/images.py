"""Moving images: push, load, save and registry-to-registry copies of the big image, and listing a thousand."""
import hashlib, io, json, os, shutil, socket, subprocess, sys, tarfile, time

from common import FIXTURES, TOP, Missing, Side, interleave, sh, timed


def ms(results):
    return {k: [(a * 1000, b) for a, b in v] for k, v in results.items()}


class Target:
    """A second registry, emptied between rounds: what was pushed before must not be there."""

    def __init__(self, bench):
        self.work = bench.registry.work + "-target"
        os.makedirs(self.work + "/data")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % s.getsockname()[1]
        with open(self.work + "/config.yml", "w") as f:
            f.write("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %s/data}\n"
                    "http: {addr: \"%s\"}\n" % (self.work, self.address))
        self.server = subprocess.Popen(["docker-registry", "serve", self.work + "/config.yml"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if subprocess.run(["curl", "-sf", "http://%s/v2/" % self.address], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise Missing("docker-registry does not start")

    def empty(self):
        shutil.rmtree(self.work + "/data/docker", ignore_errors=True)
        os.sync()

    def end(self):
        self.server.terminate()
        self.server.wait(30)


def push(bench):
    """Without kept compressed layers: every side compresses, at its default level; then dhow with them."""
    ref = bench.registry.big()
    target = Target(bench)
    try:
        sides = bench.sides(bench.dhow, bench.docker, bench.podman)
        to = target.address + "/big:latest"
        for s in sides:
            if s.name == "dhow":
                os.environ["DHOW_PACKED_LAYERS"] = "discard"
            sh(*s.pull(ref))
            os.environ.pop("DHOW_PACKED_LAYERS", None)
            sh(*s.base, "tag", ref, to)
        tls = {"podman": ["--tls-verify=false"]}
        results = interleave(sides, bench.n, lambda s: target.empty(),
                             lambda s: s.base + ["push", "-q"] + tls.get(s.name, []) + [to], warm=0)
        bench.row("push, compressing", "s", results, {"docker": 0.35, "podman": 0.35})
        if results.get("dhow"):
            bench.row("push, peak resident", "MB", {"dhow": [(rss / 1000, 0) for _, rss in results["dhow"]]}, {"dhow": 64})
        for s in sides:
            sh(*s.base, "rmi", "-f", ref, to)
    finally:
        target.end()


def copy(bench):
    ref = bench.registry.big()
    target = Target(bench)
    try:
        source, to = "docker://" + ref, "docker://%s/copy:latest" % target.address
        sides = bench.sides(bench.dhow, Skopeo(bench.registry.work + "-skopeo"))
        results = interleave(sides, bench.n, lambda s: target.empty(),
                             lambda s: [*s.base, "image", "copy", "-q", source, to] if s.name == "dhow" else
                             [*s.base, "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", source, to], warm=0)
        bench.row("copy between registries", "s", results, {"skopeo": 0.5})
    finally:
        target.end()


class Skopeo(Side):
    name = "skopeo"

    def __init__(self, work):
        super().__init__(work)

    def make(self):
        self.need("skopeo")
        self.base = ["skopeo"]


def load_save(bench):
    """The big image as a docker archive, in and out."""
    sh(TOP + "/tests/lib/fixtures", "big")
    sides = bench.sides(bench.dhow, bench.podman)
    if not sides:
        raise Missing("no side")
    archive = sides[0].work + "/big.tar"
    sh("skopeo", "copy", "-q", "oci:%s/big:big:latest" % FIXTURES, "docker-archive:%s:localhost/big:latest" % archive)
    loads, saves = {s.name: [] for s in sides}, {s.name: [] for s in sides}
    for _ in range(bench.n):
        for s in sides:
            out = s.work + "/saved.tar"
            os.sync()
            loads[s.name].append(timed(s.base + ["load", "-q", "-i", archive]))
            os.sync()
            saves[s.name].append(timed(s.base + ["save", "-q", "-o", out, "localhost/big:latest"]))
            os.unlink(out)
            sh(*s.base, "rmi", "-f", "localhost/big:latest")
    os.unlink(archive)
    bench.row("load, 3 layers", "s", loads, {"podman": 0.25})
    bench.row("save, 3 layers", "s", saves, {"podman": 0.5})


def thousand_images(path):
    """A docker archive of 1,000 small images, each with a layer of its own: with a shared one podman's listing, which looks for
    relations between images, takes minutes."""
    def add(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    manifest = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(1000):
            layer = io.BytesIO()
            with tarfile.open(fileobj=layer, mode="w", format=tarfile.USTAR_FORMAT) as inner:
                add(inner, "file", b"content of %d\n" % i)
            diff_id = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
            add(tar, "%d.tar" % i, layer.getvalue())
            config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
                                 "config": {"Labels": {"number": str(i)}},
                                 "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
            name = hashlib.sha256(config).hexdigest() + ".json"
            add(tar, name, config)
            manifest.append({"Config": name, "RepoTags": ["localhost/many:%d" % i], "Layers": ["%d.tar" % i]})
        add(tar, "manifest.json", json.dumps(manifest).encode())


def images(bench):
    sides = bench.sides(bench.dhow, bench.podman)
    for s in sides:
        path = s.work + "/many.tar"
        thousand_images(path)
        sh(*s.base, "load", "-q", "-i", path)
        os.unlink(path)
    results = interleave(sides, bench.n, lambda s: None, lambda s: s.base + ["images"])
    bench.row("images, of 1,000", "ms", ms(results), {"podman": 0.02})
    for s in sides:
        ids = sh(*s.base, "images", "-q", "--no-trunc", "--filter", "reference=localhost/many").split()
        for i in range(0, len(ids), 100):
            sh(*s.base, "rmi", "-f", *ids[i:i + 100])


ROWS = {"push": push, "copy": copy, "load-save": load_save, "images": images}
