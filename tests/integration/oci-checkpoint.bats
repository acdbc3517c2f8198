#!/usr/bin/env bats
# dhow-oci checkpoint and restore: options everywhere, the real thing where criu works (tests/vm).
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
}

needs_criu() {
    command -v criu >/dev/null || skip "criu is missing"
    criu check >"$T/criu.check" 2>&1 || skip "criu check fails: $(tail -n 1 "$T/criu.check")"
}

# A container that counts in /tmp/n; $1: its id
counter() {
    bundle "${@:2}"
    cmd sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; sleep 0.1; done'
    oci run -d "$1" </dev/null >/dev/null 2>&1
    wait_for 20 test -s "$B/rootfs/tmp/n"
}

count() {
    cat "$B/rootfs/tmp/n"
}

grows() {
    [ "$(count)" -gt "$1" ]
}

@test "a checkpoint ends the container, a restore goes on where it was" {
    needs_criu
    counter k1 '.linux.resources.pids.limit = 50'
    oci checkpoint --image-path "$T/k1" k1
    fails 1 oci state k1
    before=$(count)
    oci restore -d --image-path "$T/k1" --pid-file "$T/pid" k1 </dev/null >/dev/null 2>&1
    wait_for 20 grows "$before"
    [ "$(count)" -lt $((before + 1000)) ]
    oci_is k1 running
    [ "$(oci state k1 | jq .pid)" = "$(cat "$T/pid")" ]
    [ "$(cat "/sys/fs/cgroup/k1/pids.max")" = 50 ]
    grep -q '/k1' "/proc/$(cat "$T/pid")/cgroup"
    [ "$(oci exec k1 cat /proc/1/comm)" = sh ]
    oci pause k1
    oci_is k1 paused
    oci resume k1
    oci kill k1 KILL
    wait_for 10 oci_is k1 stopped
    oci delete k1
    nothing_left k1
    [ ! -e "$T/k1/criu-root" ]
}

@test "leave-running, pre-dump and parent images" {
    needs_criu
    counter k2
    oci checkpoint --pre-dump --image-path "$T/k2/pre" k2
    oci_is k2 running
    oci checkpoint --leave-running --image-path "$T/k2/full" --parent-path ../pre --work-path "$T/k2/logs" k2
    oci_is k2 running
    [ -e "$T/k2/full/parent" ]
    [ -e "$T/k2/logs/dump.log" ]
    at=$(count)
    wait_for 20 grows "$at"
    oci delete -f k2
    oci restore -d --image-path "$T/k2/full" k2 </dev/null >/dev/null 2>&1
    at=$(count)
    wait_for 20 grows "$at"
}

@test "bind mounts come back, and a pipe at standard output" {
    needs_criu
    mkdir -p "$T/vol"
    bundle '.mounts += [{"destination": "/data", "source": "'"$T/vol"'", "options": ["rbind"]}]'
    cmd sh -c 'while :; do [ ! -e /data/say ] || { cat /data/say; exit 4; }; sleep 0.1; done'
    mkfifo "$T/fifo"
    timeout 300 cat "$T/fifo" >/dev/null 3>&- &
    oci run -d k3 </dev/null >"$T/fifo" 2>/dev/null
    oci checkpoint --image-path "$T/k3" k3
    (
        sleep 3
        echo "from outside" >"$T/vol/say"
    ) 3>&- &
    status=0
    oci restore --image-path "$T/k3" k3 </dev/null 2>"$T/err" | cat >"$T/out" || status=$?
    [ "$(cat "$T/out")" = "from outside" ]
    nothing_left k3
}

@test "what criu cannot do is said in one line, and leaves nothing" {
    needs_criu
    mkdir -p "$T/empty"
    bundle
    fails 1 oci restore --image-path "$T/empty" k4
    [ "${#lines[@]}" -eq 1 ]
    nothing_left k4
}

@test "options and states are checked before criu is asked" {
    fails 1 oci checkpoint nobody
    says "does not exist"
    bundle
    cmd sleep 1000
    oci create k5 </dev/null >/dev/null 2>&1
    fails 1 oci checkpoint k5
    says "container 'k5' is created, and has to run"
    oci start k5
    fails 1 oci checkpoint --manage-cgroups-mode some k5
    says "--manage-cgroups-mode: 'some'"
    fails 1 oci checkpoint --page-server localhost k5
    says "--page-server: 'localhost' is not ADDRESS:PORT"
    fails 1 oci checkpoint --network-lock ipchains k5
    says "--network-lock"
    fails 1 oci checkpoint --empty-ns pid k5
    says "--empty-ns: 'pid'"
    fails 1 oci checkpoint --parent-path /abs --image-path "$T/k5" k5
    says "has to be relative"
    fails 1 oci restore --image-path "$T/none" k6
    says "$T/none"
    [ ! -e "$T/oci/k6" ]
    oci_is k5 running
}

@test "without criu the package is named" {
    container k7
    mkdir -p "$T/nobin"
    for program in sh; do
        ln -sf "$(command -v $program)" "$T/nobin/"
    done
    PATH=$T/nobin fails 1 dhow_oci checkpoint --image-path "$T/k7" k7
    says "criu: program not found"
    says "install the package criu"
    oci_is k7 running
}
