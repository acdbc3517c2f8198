"""dhow-oci beside crun and runc: one config.json (bench/oci-config.json: all namespaces, docker's default seccomp
profile, limits of memory, pids and cpu), a static `true`."""
import json, os, shutil, subprocess, sys, time

from common import BUILD, FIXTURES, TOP, Missing, Side, interleave, sh, timed


class Oci(Side):
    def make(self):
        self.need(self.program)
        self.base = [self.program, "--root", self.work + "/state"]
        self.bundle = self.bundle_of("true", ["/bin/true"])
        self.idle_bundle = self.bundle_of("idle", ["/bin/sleep", "100000"])

    def bundle_of(self, name, argv, memory=None):
        path = "%s/%s" % (self.work, name)
        os.makedirs(path + "/rootfs")
        sh("tar", "-C", path + "/rootfs", "-xf", FIXTURES + "/busybox.tar")
        with open(os.path.join(TOP, "bench", "oci-config.json")) as f:
            spec = json.load(f)
        spec["process"]["args"] = argv
        spec["linux"]["cgroupsPath"] = "/bench-%s-%s" % (self.name, name)
        if memory:
            spec["linux"]["resources"]["memory"] = {"limit": memory}
        with open(path + "/config.json", "w") as f:
            json.dump(spec, f)
        return path

    def limited_bundle(self, memory):
        path = self.work + "/limited"
        shutil.rmtree(path, ignore_errors=True)
        return self.bundle_of("limited", ["/bin/true"], memory)


class DhowOci(Oci):
    name, program = "dhow-oci", os.path.join(BUILD, "dhow-oci")


class Crun(Oci):
    name, program = "crun", "crun"


class Runc(Oci):
    name, program = "runc", "runc"


def sides_of(bench, *names):
    return bench.sides(*[bench.oci_sides[n] for n in names or ("dhow-oci", "crun", "runc")])


def ms(results):
    return {k: [(a * 1000, b) for a, b in v] for k, v in results.items()}


def run(bench):
    results = interleave(sides_of(bench), max(bench.n, 10) * 3, lambda s: None,
                         lambda s: s.base + ["run", "--bundle", s.bundle, "bench"])
    bench.row("dhow-oci run", "ms", ms(results), {"crun": 0.40, "runc": 0.12})
    bench.row("  the fastest of them", "ms", {k: [(min(a for a, _ in v), 0)] for k, v in ms(results).items() if v},
              {"crun": 0.40, "runc": 0.12})


def exec_(bench):
    sides = sides_of(bench)
    for s in sides:
        timed(s.base + ["run", "--detach", "--bundle", s.idle_bundle, "bench-idle"]) # not by a pipe: it would stay open
    results = interleave(sides, max(bench.n, 10) * 3, lambda s: None, lambda s: s.base + ["exec", "bench-idle", "/bin/true"])
    bench.row("dhow-oci exec", "ms", ms(results), {"crun": 0.35})
    for s in sides:
        sh(*s.base, "delete", "-f", "bench-idle")


def cycle(bench):
    """create, start, delete: three commands of one container, timed together."""
    sides = sides_of(bench)
    results = {s.name: [] for s in sides}
    for i in range(max(bench.n, 10) * 2 + 1):
        for s in sides:
            took = timed(s.base + ["create", "--bundle", s.bundle, "bench"])[0] + timed(s.base + ["start", "bench"])[0]
            for _ in range(200): # until `true` has ended: not a part of the measure
                if '"stopped"' in sh(*s.base, "state", "bench"):
                    break
                time.sleep(0.01)
            took += timed(s.base + ["delete", "bench"])[0]
            if i:
                results[s.name].append((took * 1000, 0))
    bench.row("create + start + delete", "ms", results, {"crun": 0.35})


def calls(bench):
    """System calls of one run, counted by strace -f -c."""
    results = {}
    for s in sides_of(bench):
        out = s.work + "/strace"
        try:
            bench_need("strace")
            sh("strace", "-f", "-c", "-o", out, *s.base, "run", "--bundle", s.bundle, "bench")
            total = [l.split() for l in open(out) if l.rstrip().endswith("total")][0]
            results[s.name] = [(int(total[3 if len(total) > 4 else 2]), 0)]
        except Missing as e:
            print("  %s: %s" % (s.name, e), file=sys.stderr)
    bench.row("system calls of a run", "calls", {**results, "dhow": results.get("dhow-oci", [])}, {"crun": 0.33, "dhow": 250})


def bench_need(program):
    if not shutil.which(program):
        raise Missing(program + " is not installed")


def resident(bench):
    """Peak resident memory of one run. By busybox's `time`, since the figure begins with that of the process that
    executes the program, and Python is large; it takes ru_maxrss, which is in KiB, for pages of 4 KiB."""
    results = {}
    for s in sides_of(bench):
        p = subprocess.run(["/bin/busybox", "time", "-f", "%M", *s.base, "run", "--bundle", s.bundle, "bench"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        results[s.name] = [(int(p.stderr.split()[-1]) / 4 / 1000, 0)]
    bench.row("peak resident of a run", "MB", {**results, "dhow": results.get("dhow-oci", [])}, {"dhow": 1.5})


def smallest(bench):
    """The smallest memory limit that a container starts with, to the next 128 KiB."""
    results = {}
    for s in sides_of(bench):
        for kib in range(128, 16384, 128):
            p = subprocess.run(s.base + ["run", "--bundle", s.limited_bundle(kib << 10), "bench"], capture_output=True)
            if p.returncode == 0:
                results[s.name] = [(kib, 0)]
                break
            subprocess.run(s.base + ["delete", "-f", "bench"], capture_output=True)
    bench.row("smallest memory limit", "KiB", {**results, "dhow": results.get("dhow-oci", [])}, {"dhow": 512})


STARTER = """
import subprocess, sys
base, bundle, first, count = sys.argv[4:], sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(first, first + count):
    subprocess.run(base + ["run", "--bundle", bundle, "many-%d" % i], check=True, stdin=subprocess.DEVNULL)
"""


def many(bench):
    """200 containers, started by 8 processes at once."""
    sides, results = sides_of(bench), {}
    for s in sides:
        results[s.name] = []
        config = json.load(open(s.bundle + "/config.json"))
        del config["linux"]["cgroupsPath"] # a cgroup for each, by its id
        os.makedirs(s.work + "/many", exist_ok=True)
        shutil.copytree(s.bundle + "/rootfs", s.work + "/many/rootfs", symlinks=True, dirs_exist_ok=True)
        json.dump(config, open(s.work + "/many/config.json", "w"))
    for _ in range(5):
        for s in sides:
            start = time.perf_counter()
            procs = [subprocess.Popen([sys.executable, "-c", STARTER, s.work + "/many", str(i * 25), "25", *s.base])
                     for i in range(8)]
            if any([p.wait() for p in procs]):
                raise Missing(s.name + " failed")
            results[s.name].append((1000 * (time.perf_counter() - start) / 200, 0))
    bench.row("one of 200, by 8 at once", "ms", results, {"crun": 0.40})


ROWS = {"oci-run": run, "oci-exec": exec_, "oci-cycle": cycle, "oci-calls": calls, "oci-resident": resident, "oci-smallest": smallest,
        "oci-many": many}
