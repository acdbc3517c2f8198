#!/usr/bin/env bats
# What breaks off in the store's work: kills at its system calls, full disks, power cuts. Afterwards the store is sound, and the
# same operation ends. DHOW_TEST_FULL=1: at every call that changes something, else at a sample of them.
load ../lib/helpers

# calls that change what is on disk, or wait for it
CALLS=write,pwrite64,openat,rename,renameat,renameat2,unlink,unlinkat,mkdirat,fsync,fdatasync,ftruncate,flock,fchmod,syncfs
WRITES=write,pwrite64,fsync,fdatasync,mkdirat,renameat,renameat2,ftruncate

setup_file() {
    common_setup_file
    fixture busybox
    mkdir -p "$T/src/dir"
    head -c 300000 /dev/urandom >"$T/src/dir/blob"
    echo 1 >"$T/src/file"
    tar -C "$T/src" -cf "$T/src.tar" .
    dhow import -q "$DHOW_FIXTURES/busybox.tar" busybox >/dev/null
    dhow import -q "$T/src.tar" small >/dev/null
    dhow save -q -o "$T/small.tar" small
    dhow rmi small >/dev/null
    dhow run --name changed --network none busybox sh -c 'echo 1 >/one; rm /etc/group'
}

sound() {
    ok dhow store check && [ "$output" = "The store is sound." ]
}

# at_calls SET WHAT FAULT OP...: run OP with the fault at the n-th call of SET, for a sample of all n, and call `after N` each time.
# Ends when OP gets through without meeting the fault.
at_calls() {
    local set=$1 fault=$2 n=1 step=1 count
    shift 2
    count=$(strace -f -qq -e trace="$set" -o "$T/trace" "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "$@" >/dev/null 2>&1
        wc -l <"$T/trace")
    after 0
    [ -n "${DHOW_TEST_FULL:-}" ] || step=$((count / ${POINTS:-7} + 1))
    for ((n = 1 + RANDOM % step; n <= count; n += step)); do
        before
        strace -f -qq -o /dev/null -e trace="$set" -e inject="$set:$fault:when=$n" \
            "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "$@" >"$T/out" 2>&1 3>&- || true
        after "$n" || { echo "at call $n of $count: dhow $*"; cat "$T/out"; return 1; }
    done
}

before() {
    :
}

@test "kill -9 at the system calls of load" {
    require strace
    after() {
        sound || return 1
        ok dhow load -q -i "$T/small.tar" || return 1
        ok dhow image files small || return 1
        ok dhow rmi small || return 1
        ok dhow image prune -f || return 1
        sound
    }
    at_calls "$CALLS" signal=KILL load -q -i "$T/small.tar"
}

@test "kill -9 at the system calls of rmi and prune" {
    require strace
    before() {
        dhow load -q -i "$T/small.tar" >/dev/null
    }
    after() {
        dhow rmi small >/dev/null 2>&1 || true
        sound || return 1
        [ "$(find "$T/root/layers" -mindepth 1 -maxdepth 1 -type d ! -name 'tmp-*' | wc -l)" -eq 1 ] || { ls "$T/root/layers"; return 1; }
    }
    before
    at_calls "$CALLS" signal=KILL rmi small
    before() {
        dhow load -q -i "$T/small.tar" >/dev/null
        dhow untag small
    }
    after() {
        ok dhow image prune -f || return 1
        sound || return 1
        [ "$(dhow images -q | wc -l)" -eq 1 ]
    }
    before
    POINTS=4 at_calls "$CALLS" signal=KILL image prune -f
}

@test "kill -9 at the system calls of commit" {
    require strace
    after() {
        sound || return 1
        ok dhow commit changed made || return 1
        ok dhow image files made /one || return 1
        ok dhow rmi made || return 1
        ok dhow image prune -f || return 1
        sound
    }
    at_calls "$CALLS" signal=KILL commit changed made
}

@test "no space at the writes of load and commit: said so, and nothing is left" {
    require strace
    after() {
        # calls are counted for each thread: the write of the message may be the one that fails
        [ "$1" -eq 0 ] || [ ! -s "$T/out" ] || grep -qi 'no space\|full' "$T/out" || dhow image exists small || dhow image exists made ||
            { echo "the error does not say it"; return 1; }
        sound || return 1
        dhow rmi small made >/dev/null 2>&1 || true
        ok dhow image prune -f || return 1
        sound
    }
    at_calls "$WRITES" error=ENOSPC load -q -i "$T/small.tar"
    POINTS=5 at_calls "$WRITES" error=ENOSPC commit changed made
}

# a file system of its own: disk SIZE; its root is used by ddhow
disk() {
    [ "$(id -u)" -eq 0 ] || { missing root "not uid 0"; return 1; }
    rm -f "$T/disk"
    truncate -s "$1" "$T/disk"
    mke2fs -q -F "$T/disk" -t ext4 -O has_journal 2>/dev/null && mkdir -p "$T/d" && mount -o loop "$T/disk" "$T/d" 2>/dev/null ||
        { missing ext4 "an ext4 in a file cannot be mounted here"; return 1; }
}

ddhow() {
    "$BUILD/dhow" --root "$T/d/root" --runroot "$T/drun" "$@"
}

@test "a full disk: what was there stays, what comes later fits when there is room" {
    require root
    disk 24M
    ddhow import -q "$DHOW_FIXTURES/busybox.tar" busybox >/dev/null
    head -c 30000000 /dev/urandom >"$T/huge"
    tar -C "$T" -cf "$T/huge.tar" huge
    run ddhow import "$T/huge.tar" huge
    said="$status $output"
    run ddhow store check
    checked=$output
    run ddhow run --rm --network none busybox true
    ran=$status
    run ddhow load -q -i "$T/small.tar"
    loaded=$status
    umount "$T/d"
    rm -f "$T/huge" "$T/huge.tar"
    [[ $said == 125* ]]
    [[ $said == *"pace"* || $said == *"disk"* ]] || { echo "$said"; false; }
    [ "$checked" = "The store is sound." ]
    [ "$ran $loaded" = "0 0" ]
}

@test "a power cut: what was said to be there is there" {
    require root python3
    cut() { # the journal as it is on the disk, nothing more reaches it (EXT4_IOC_SHUTDOWN, NOLOGFLUSH)
        python3 -c 'import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$T/d"
    }
    disk 60M
    ddhow import -q "$DHOW_FIXTURES/busybox.tar" busybox >/dev/null
    sync -f "$T/d"
    bad=
    for delay in 0 0.02 0.05 0.1 0.2 1; do
        ddhow load -q -i "$T/small.tar" >"$T/out" 2>&1 3>&- &
        pid=$!
        sleep "$delay"
        cut || { umount "$T/d"; skip "needs EXT4_IOC_SHUTDOWN"; }
        wait $pid && done_=1 || done_=0
        umount "$T/d"
        mount -o loop "$T/disk" "$T/d"
        # what a command reported as done is done
        [ $done_ = 0 ] || ddhow image exists small || bad="load at $delay was lost"
        ddhow image exists busybox || bad="busybox was lost at $delay"
        run ddhow store check
        case $output in
        "The store is sound.") ;;
        *) # files without rows are all that may be left: the next prune takes them
            ! grep -v 'no image refers to it\|does not belong\|^[0-9]* finding' <<<"$output" || bad="at $delay: $output" ;;
        esac
        run ddhow store check --repair
        [ "$status" -eq 0 ] || bad="repair at $delay: $output"
        run ddhow load -q -i "$T/small.tar"
        [ "$status" -eq 0 ] || bad="load again at $delay: $output"
        run ddhow store check
        [ "$output" = "The store is sound." ] || bad="after all at $delay: $output"
        ddhow rmi small >/dev/null 2>&1
        sync -f "$T/d"
        [ -z "$bad" ] || break
    done
    umount "$T/d"
    [ -z "$bad" ] || { echo "$bad"; false; }
}
