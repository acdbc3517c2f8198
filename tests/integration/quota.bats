#!/usr/bin/env bats
# --storage-opt: the writable layer's quota, on an ext4 with project quotas; refused elsewhere.
load ../lib/helpers

setup_file() {
    common_setup_file
    fixture busybox
    if [ "$(id -u)" -eq 0 ] && truncate -s 300M "$T/disk" &&
        mke2fs -q -O quota,project -E quotatype=prjquota "$T/disk" 2>/dev/null && mkdir "$T/q" &&
        mount -o loop,prjquota "$T/disk" "$T/q" 2>/dev/null; then
        touch "$T/has-quota"
        qdhow import -q "$DHOW_FIXTURES/busybox.tar" busybox >/dev/null
    fi
}

teardown_file() {
    local id
    if [ -e "$T/has-quota" ]; then
        for id in $(qdhow ps -aq); do qdhow rm -f "$id" >/dev/null; done
        umount "$T/q"
    fi
    common_teardown_file
}

qdhow() {
    "$BUILD/dhow" --root "$T/q/root" --runroot "$T/run" "$@"
}

needs_quota() {
    require root
    [ -e "$T/has-quota" ] || missing prjquota "an ext4 with project quotas cannot be mounted here"
}

fill() {
    qdhow run --network none "$@" busybox sh -c 'dd if=/dev/zero of=/big bs=1M count=30 2>&1; stat -c %s /big; rm -f /big'
}

@test "size: writes end at the limit, for root and for others" {
    needs_quota
    ok fill --rm --storage-opt size=10m
    says "Disk quota exceeded"
    [ "${lines[-1]}" -le $((10 * 1024 * 1024)) ]
    [ "${lines[-1]}" -ge $((9 * 1024 * 1024)) ]
    ok fill --rm --storage-opt size=10m --user 1000 --tmpfs /x
    ok fill --rm
    [ "${lines[-1]}" -eq $((30 * 1024 * 1024)) ]
    ok fill --rm --privileged --storage-opt size=5m
    says "Disk quota exceeded"
}

@test "inodes; and a restart keeps the quota" {
    needs_quota
    ok qdhow run --rm --network none --storage-opt inodes=60 busybox sh -c \
        'mkdir /d; i=0; while touch /d/$i 2>/dev/null && [ $i -lt 200 ]; do i=$((i + 1)); done; echo $i'
    [ "$output" -lt 60 ]
    ok qdhow run --name kept --network none --storage-opt size=10m busybox sh -c 'dd if=/dev/zero of=/one bs=1M count=6 2>&1'
    [[ $output != *quota* ]]
    qdhow run --rm --network none busybox true
    dhow_out=$(qdhow start -a kept 2>&1 || true)
    ok qdhow cp kept:/one - # the file is there
    ok qdhow inspect -f '{{.HostConfig.StorageOpt.size}}' kept
    [ "$output" = 10m ]
    qdhow rm kept
}

@test "two containers have quotas of their own, given back when they are gone" {
    needs_quota
    qdhow create --name a --network none --storage-opt size=8m busybox true
    qdhow create --name b --network none --storage-opt size=9m busybox true
    projects() { for d in "$T"/q/root/containers/*/upper; do lsattr -pd "$d" | awk '{ print $1 }'; done | sort -u; }
    [ "$(projects | wc -l)" -eq 2 ]
    qdhow rm a b
    qdhow create --name c --network none --storage-opt size=7m busybox true
    # ids with limits: only c's is left
    ok python3 - "$T/q/root/dhow.db" <<'END'
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM container_quota").fetchone()[0])
END
    [ "$output" = 1 ]
    qdhow rm c
}

@test "refused where there are no project quotas, and for bad values" {
    dhow import -q "$DHOW_FIXTURES/busybox.tar" busybox
    truncate -s 40M "$T/plain"
    if [ "$(id -u)" -eq 0 ] && mke2fs -q "$T/plain" && mkdir -p "$T/p" && mount -o loop "$T/plain" "$T/p" 2>/dev/null; then
        run "$BUILD/dhow" --root "$T/p/root" --runroot "$T/run" import -q "$DHOW_FIXTURES/busybox.tar" busybox
        run "$BUILD/dhow" --root "$T/p/root" --runroot "$T/run" create --network none --storage-opt size=10m busybox true
        said="$status $output" left=$(ls "$T/p/root/containers" | wc -l)
        umount "$T/p"
        [[ $said == 125*"has no project"* ]]
        [ "$left" -eq 0 ]
    fi
    fails 125 dhow create --network none --storage-opt size=big busybox true
    says "not a size"
    fails 125 dhow create --network none --storage-opt dm.basesize=1g busybox true
    says "no such option"
    ok dhow ps -aq
    [ -z "$output" ]
}
