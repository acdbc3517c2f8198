#!/usr/bin/env bats
# Real input: a Debian root, a three-layer image with compilers and node from a real registry, the
# network that is there. The network of the machine is used, so:
# check: host-network
load ../lib/helpers

setup_file() {
    common_setup_file
    require root docker-registry skopeo
    start_registry
    push big:latest big
    push debian:12 debian
    dhow pull -q --tls-verify=false "$REGISTRY/big:latest"
    dhow tag "$REGISTRY/big:latest" big
    dhow pull -q --tls-verify=false "$REGISTRY/debian:12"
    dhow tag "$REGISTRY/debian:12" debian
}

@test "a pulled Debian is Debian, whole and of the right owners" {
    ok dhow run --rm debian sh -c '. /etc/os-release; echo $VERSION_ID; dpkg --audit; dpkg -V'
    [ "${lines[0]}" = 12 ]
    [ "${#lines[@]}" -eq 1 ]
    # every file, mode, owner, size and link target as in the tar that mmdebstrap made
    ok dhow run --rm --network none debian sh -c \
        'cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf \) -prune -o -printf "%p %m %U %G %l %y\n" | sort'
    printf '%s\n' "$output" | grep -v '^\. ' >"$T/inside"
    mkdir "$T/unpacked"
    tar -C "$T/unpacked" --numeric-owner -xpf "$DHOW_FIXTURES/debian.tar"
    (cd "$T/unpacked" && find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf \) -prune -o -printf '%p %m %U %G %l %y\n' | sort) |
        grep -v '^\. ' >"$T/outside"
    rm -rf "$T/unpacked"
    diff "$T/outside" "$T/inside" | head -n 20
    cmp "$T/outside" "$T/inside"
}

@test "compilers of one layer, node of another: both work" {
    ok dhow run --rm --network none big sh -c 'cat >/tmp/a.c <<E
#include <stdio.h>
int main(void) { puts("compiled inside"); return 3; }
E
gcc -O2 -o /tmp/a /tmp/a.c && /tmp/a; test $? = 3 && clang -o /tmp/b /tmp/a.c && /tmp/b; node -e "console.log(6*7)"'
    [ "${lines[0]}" = "compiled inside" ]
    [ "${lines[1]}" = "compiled inside" ]
    [ "${lines[2]}" = 42 ]
}

@test "apt-get install over the bridge, then compile with what came" {
    require internet
    ok dhow run --rm debian sh -c \
        'apt-get update -qq && apt-get install -qq -y --no-install-recommends tcc libc6-dev >/dev/null 2>&1 &&
        echo "int printf(const char *, ...); int main(void) { return printf(\"ok by tcc\\n\") != 10; }" >/tmp/a.c &&
        tcc -o /tmp/a /tmp/a.c && /tmp/a'
    says "ok by tcc"
}

# Python's own tests know what a Unix must do. Three look up names in /etc/services, which a minimal
# Debian has not. DHOW_TEST_FULL=1 runs the long ones too.
python_tests() {
    run dhow run --rm "${options[@]}" big python3 -m test -j2 -i testGetServBy -i testGetaddrinfo -i test_create_connection_service_name "$@"
    says "Tests result: SUCCESS"
}

@test "python's own tests: os, posix, files, terminals" {
    options=()
    python_tests test_os test_posix test_fcntl test_mmap test_pty test_shutil test_tempfile
}

@test "python's own tests: subprocess" {
    options=()
    python_tests test_subprocess test_fork1 test_wait3 test_wait4
}

@test "python's own tests: socket, select" {
    options=()
    python_tests test_socket test_select test_poll test_epoll
}

@test "python's own tests as an ordinary user inside" {
    options=(--user 65534:65534 -e HOME=/tmp --read-only --tmpfs /tmp)
    python_tests test_os test_socket test_posix
}

@test "python's own tests, the long ones" {
    [ -n "${DHOW_TEST_FULL:-}" ] || skip "DHOW_TEST_FULL is not set"
    options=()
    python_tests test_signal test_threading test_selectors test_pathlib test_tarfile test_asyncio test_multiprocessing_fork
}

@test "npm installs and runs a package over the bridge" {
    require internet
    # the machine's certificates: there may be a proxy with one of its own
    ok dhow run --rm -v /etc/ssl/certs:/etc/ssl/certs:ro -e NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt -w /tmp big sh -c 'npm install --silent --no-audit --no-fund is-odd >/dev/null 2>&1; node -e "console.log(require(\"is-odd\")(3))"'
    says true
}

@test "git, make and gdb work: ptrace is allowed to one's own children" {
    ok dhow run --rm --network none -w /tmp big sh -c \
        'git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s &&
        printf "all:\n\t@echo made\n" >Makefile && make && gdb -batch -ex run -ex "info inferiors" /bin/true 2>&1 | grep -c "exited normally"'
    [ "${lines[0]}" = x ]
    [ "${lines[1]}" = made ]
    [ "${lines[2]}" = 1 ]
}

@test "a database survives its container in a volume" {
    dhow run --rm --network none -v data:/data big python3 -c \
        'import sqlite3; c = sqlite3.connect("/data/db"); c.execute("create table t(x)"); c.executemany("insert into t values(?)", [(i,) for i in range(1000)]); c.commit()'
    ok dhow run --rm --network none -v data:/data:ro big python3 -c \
        'import sqlite3; print(sqlite3.connect("file:/data/db?immutable=1", uri=True).execute("select sum(x) from t").fetchone()[0])'
    [ "$output" = 499500 ]
}

@test "memory limit: an OOM kill is reported as one" {
    require cgroup-memory
    run dhow run --name hog --network none -m 64m big python3 -c 'x = bytearray(500 << 20)'
    [ "$status" -eq 137 ]
    ok dhow inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hog
    [ "$output" = "true 137" ]
    dhow rm hog
}

@test "memory limit: within it nothing is killed" {
    require cgroup-memory
    ok dhow run --rm --network none -m 256m big python3 -c 'x = bytearray(100 << 20); print(len(x) >> 20)'
    [ "$output" = 100 ]
}

@test "pids limit: fork fails inside, not outside" {
    ok dhow run --rm --network none --pids-limit 20 big python3 -c '
import os, time
n = 0
try:
    while n < 100:
        if os.fork() == 0:
            time.sleep(5); os._exit(0)
        n += 1
except OSError as e:
    print("stopped", 10 < n < 20, e.errno)'
    [ "$output" = "stopped True 11" ]
}

@test "cpu limit: a busy loop gets its share" {
    ok dhow run --rm --network none --cpus 0.25 big python3 -c '
import time
t, c = time.time(), time.process_time()
while time.time() - t < 2: pass
print((time.process_time() - c) / 2 < 0.40)'
    [ "$output" = True ]
}

@test "a server on a published port answers the host" {
    port=$(free_port)
    dhow run -d --name web -p "127.0.0.1:$port:8000" -w /etc big python3 -m http.server 8000
    wait_for 10 curl -sf "http://127.0.0.1:$port/os-release" -o "$T/page"
    grep -q bookworm "$T/page"
    dhow rm -f -t 0 web
    run curl -s --max-time 2 "http://127.0.0.1:$port/"
    [ "$status" -ne 0 ]
}

@test "what was written in a container can be copied out after it ended" {
    dhow run --name made --network none debian sh -c 'echo kept >/root/file'
    dhow cp made:/root/file "$T/file"
    [ "$(cat "$T/file")" = kept ]
    dhow rm made
}
