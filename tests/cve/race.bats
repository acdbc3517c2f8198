#!/usr/bin/env bats
# What a container that runs can do to one that starts on the same volume or root: exchange paths, all the
# time, while containers start. Nothing of the host may be made, changed or mounted on, whoever wins.
# DHOW_TEST_FULL=1: 2000 containers for each kind of attack, else 60.
load ../lib/helpers
load ../lib/oci

STARTERS=4
EACH=15
[ -z "${DHOW_TEST_FULL:-}" ] || EACH=500

setup_file() {
    common_setup_file
    require root jq busybox python3 || return 1
    oci_setup
    mkdir -p "$T/canary/dir/deep" "$T/canary/dev" "$T/canary/proc/sys"
    echo secret >"$T/canary/file"
    echo secret >"$T/canary/dir/deep/file"
    # renameat2(RENAME_EXCHANGE) of each pair that is named, over and over
    cat >"$T/racer.py" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None)
pairs = [tuple(os.path.join(sys.argv[1], n).encode() for n in p.split("=")) for p in sys.argv[2:]]
open(sys.argv[1] + ".ready", "w").close()
while os.getppid() != 1:
    for a, b in pairs:
        libc.renameat2(-100, a, -100, b, 2)
END
}

teardown() {
    [ -z "${racer:-}" ] || kill "$racer" 2>/dev/null || true
    oci_cleanup
}

canary() {
    (cd "$T/canary" && find . -printf '%p %y %m %U %G %s %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
    grep -cF " $T" /proc/self/mountinfo || true
}

unchanged() {
    canary >"$T/after"
    diff <(printf '%s\n' "$before") "$T/after"
}

# start_racer DIR A=B...: exchange A and B below DIR until the test ends.
start_racer() {
    rm -f "$1.ready"
    python3 "$T/racer.py" "$@" 3>&- 8>&- &
    racer=$!
    wait_for 5 test -e "$1.ready"
}

# Start containers on this configuration from several processes at once. Most lose against the racer
# and say so; some must win, or nothing was tested.
storm() {
    local s i
    : >"$T/won"
    for ((s = 0; s < STARTERS; s++)); do
        for ((i = 0; i < EACH; i++)); do
            ! oci run "storm-$s-$i" </dev/null >/dev/null 2>>"$T/lost" || echo won >>"$T/won"
        done &
    done
    # shellcheck disable=SC2046
    wait $(jobs -p | grep -vx "$racer")
    kill "$racer"
    racer=
    [ -s "$T/won" ] || { tail -n 3 "$T/lost"; return 1; }
}

@test "targets of mounts on a shared volume" {
    mkdir -p "$T/volume/dir"
    : >"$T/volume/file"
    ln -s "$T/canary/dir" "$T/volume/dir.link"
    ln -s "$T/canary/file" "$T/volume/file.link"
    before=$(canary)
    bundle ".mounts += [
        {destination: \"/v\", source: \"$T/volume\", options: [\"bind\"]},
        {destination: \"/v/dir/made/here\", type: \"tmpfs\", source: \"tmpfs\"},
        {destination: \"/v/dir\", type: \"tmpfs\", source: \"tmpfs\", options: [\"tmpcopyup\"]},
        {destination: \"/v/file\", source: \"$B/config.json\", options: [\"bind\", \"ro\"]},
        {destination: \"/v/dir.link/new-file\", source: \"$B/config.json\", options: [\"bind\"]}]"
    cmd true
    start_racer "$T/volume" dir=dir.link file=file.link
    storm
    unchanged
}

@test "the root's own /dev, /proc, /sys and /etc" {
    mkdir -p "$B/rootfs/elsewhere"
    for name in dev proc sys; do
        ln -sfn "$T/canary/dev" "$B/rootfs/$name.link"
    done
    ln -sfn "$T/canary/dir" "$B/rootfs/etc.link"
    before=$(canary)
    bundle '.mounts += [{destination: "/etc/made/by", type: "tmpfs", source: "tmpfs"}]'
    cmd true
    start_racer "$B/rootfs" dev=dev.link proc=proc.link sys=sys.link etc=etc.link
    storm
    unchanged
    for name in dev proc sys etc; do # put them where they were
        [ ! -L "$B/rootfs/$name" ] || {
            rm "$B/rootfs/$name"
            mv "$B/rootfs/$name.link" "$B/rootfs/$name"
        }
        rm -f "$B/rootfs/$name.link"
    done
}

@test "masked and read-only paths, devices and the working directory" {
    mkdir -p "$T/shared/dir/deep" "$T/shared/cwd"
    : >"$T/shared/file"
    ln -s "$T/canary/dir" "$T/shared/dir.link"
    ln -s "$T/canary/file" "$T/shared/file.link"
    ln -s "$T/canary" "$T/shared/cwd.link"
    before=$(canary)
    bundle ".mounts += [{destination: \"/s\", source: \"$T/shared\", options: [\"bind\"]}]
        | .linux.maskedPaths += [\"/s/file\", \"/s/dir/deep\"] | .linux.readonlyPaths += [\"/s/dir\", \"/s/file\"]
        | .linux.devices = [{path: \"/s/dir/device\", type: \"c\", major: 1, minor: 3, fileMode: 438}]
        | .process.cwd = \"/s/cwd/made\""
    cmd true
    start_racer "$T/shared" dir=dir.link file=file.link cwd=cwd.link
    storm
    unchanged
}

@test "a link that leads through /proc" {
    mkdir -p "$T/magic/dir"
    ln -s /proc/self/fd "$T/magic/dir.link"
    ln -s /proc/self/root "$T/magic/up.link"
    mkdir "$T/magic/up"
    before=$(canary)
    bundle ".mounts += [
        {destination: \"/m\", source: \"$T/magic\", options: [\"bind\"]},
        {destination: \"/m/dir/3\", type: \"tmpfs\", source: \"tmpfs\"},
        {destination: \"/m/up$T/canary/dir/made\", type: \"tmpfs\", source: \"tmpfs\"}]"
    cmd true
    start_racer "$T/magic" dir=dir.link up=up.link
    storm
    unchanged
}
