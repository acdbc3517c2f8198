#!/usr/bin/env bats
# The image that comes with the program: the first thing a new user runs.
load ../lib/helpers

check_hello() {
    says "Hello from inside a container."
    says "process      pid 1,"
    says "capabilities 14 of 41: chown dac_override fowner fsetid kill setgid setuid"
    says "system calls are filtered (seccomp)"
    says "file system  overlay, writable"
    # fits a terminal, and is plain text when it is not on one
    [ "$(wc -L <<<"$output")" -le 80 ]
    [[ $output != *$'\033'* ]]
}

@test "hello shows what separates it from the machine" {
    require root
    ok dhow run --rm hello
    check_hello
    says "namespaces   pid mnt net uts ipc cgroup; with the host: user"
    says "user         0 (root) in here, and the same outside"
    says "eth0 10."
}

@test "limits and options show in it" {
    require root cgroup-memory
    ok dhow run --rm --memory 64m --cpus 0.5 --pids-limit 7 --read-only --network none --hostname box \
        --security-opt no-new-privileges hello
    says "limits       64 MiB of memory, 0.5 CPUs, 7 processes"
    says "overlay, read-only"
    says "network      lo 127.0.0.1"
    says "host name    box"
    says "setuid programs gain nothing"
    ok dhow run --rm --network host --pid host --privileged hello
    says "with the host: pid "
    says "no filter for system calls"
    says "sys_ptrace"
}

@test "it is stored once, as an image like any other" {
    require root
    dhow run --rm --network none hello >/dev/null
    ok dhow images --format '{{.Repository}}:{{.Tag}}'
    [ "$output" = hello:latest ]
    dhow rmi hello
    ok dhow run --rm --network none hello:latest
    check_hello
}

@test "an ordinary user's hello" {
    require rootless
    ok udhow run --rm hello
    check_hello
    says "namespaces   pid mnt net uts ipc cgroup user"
    says "but $(id -u "$TEST_USER") outside: a user namespace of its own"
}

@test "on a terminal labels are bold, unless NO_COLOR" {
    require root script
    ok script -qec "$BUILD/dhow --root $T/root --runroot $T/run run -t --rm --network none hello" /dev/null
    [[ $output == *$'\033[1mprocess'* ]]
    ok script -qec "$BUILD/dhow --root $T/root --runroot $T/run run -t --rm --network none -e NO_COLOR=1 hello" /dev/null
    [[ $output != *$'\033[1mprocess'* ]]
}
