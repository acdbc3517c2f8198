"""What the benchmarks share: running a command and timing it, a side of a comparison, taking turns."""
import os, shutil, statistics, subprocess, sys, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("DHOW_BUILD", os.path.join(TOP, "build"))
FIXTURES = os.environ.setdefault("DHOW_FIXTURES", "/tmp/dhow-fixtures")


class Missing(Exception):
    """A side cannot be measured here; the text says why."""


def sh(*argv, **kw):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, **kw)
    if p.returncode:
        raise Missing("%s: exit %d: %s" % (" ".join(argv[:6]), p.returncode, (p.stderr or p.stdout).strip()[-300:]))
    return p.stdout


def timed(argv):
    """Wall seconds and peak resident KiB of one command."""
    null = os.open("/dev/null", os.O_RDWR)
    start = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ,
                          file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)] +
                          [(os.POSIX_SPAWN_OPEN, 2, "/tmp/bench.stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    os.close(null)
    if status:
        raise Missing("%s failed: %s" % (" ".join(argv[:8]), open("/tmp/bench.stderr").read().strip()[-300:]))
    return seconds, usage.ru_maxrss


class Side:
    """One program under measurement; `make` prepares it once, on first use."""
    name = "?"

    def __init__(self, work):
        self.work, self.ready, self.why_not = os.path.join(work, self.name), False, None

    def use(self):
        if self.why_not:
            raise Missing(self.why_not)
        if not self.ready:
            try:
                os.makedirs(self.work, exist_ok=True)
                self.make()
            except (Missing, OSError) as e:
                self.why_not = str(e)
                raise Missing(self.why_not)
            self.ready = True
        return self

    def need(self, program):
        if not shutil.which(program):
            raise Missing(program + " is not installed")


def interleave(sides, n, prepare, command, warm=1):
    """n timings of each side, taking turns; the first `warm` rounds are not counted."""
    results = {s.name: [] for s in sides}
    alive = list(sides)
    for i in range(n + warm):
        for s in list(alive):
            try:
                prepare(s)
                got = timed(command(s))
            except Missing as e:
                print("  %s: %s" % (s.name, e), file=sys.stderr)
                s_failed(results, alive, s)
                continue
            if i >= warm:
                results[s.name].append(got)
    return results


def s_failed(results, alive, s):
    alive.remove(s)
    results.pop(s.name, None)


def median(values):
    return statistics.median(v[0] for v in values)
