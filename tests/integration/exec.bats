#!/usr/bin/env bats
# exec: commands in a running container.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root || return 1
    image busybox
    dhow run -d --name c --network none -e BASE=1 -h box -w /tmp busybox sleep 100000
}

x() {
    dhow exec "$@"
}

@test "output, error output, exit code" {
    run --separate-stderr x c sh -c 'echo out; echo err >&2; exit 9'
    [ "$status" -eq 9 ]
    [ "$output" = out ]
    [ "$stderr" = err ]
    fails 137 x c sh -c 'kill -9 $$'
}

@test "missing command is 127, not executable 126, not running 125" {
    fails 127 x c no-such-command
    says no-such-command
    fails 126 x c /etc/passwd
    ok dhow create --name stopped --network none busybox true
    fails 125 x stopped true
    says "not running"
    fails 125 x nobody true
    ok dhow rm stopped
}

@test "it is in the container: processes, host name, files, environment, directory" {
    ok x c sh -c 'hostname; pwd; echo $BASE; cat /proc/1/cmdline | tr "\0" " "'
    [ "$output" = "$(printf 'box\n/tmp\n1\nsleep 100000 ')" ]
    ok x -e BASE=2 -e MORE=3 -w / c sh -c 'echo $BASE $MORE $PWD'
    [ "$output" = "2 3 /" ]
}

@test "user by number and name; HOME follows" {
    ok x -u 1000:1000 c id
    [[ $output =~ uid=1000.*gid=1000 ]]
    ok x c sh -c 'echo $HOME'
    [ "$output" = /root ]
    fails 125 x -u nobodyknows c true
    says nobodyknows
}

@test "input: piped with -i, none without" {
    run bash -c 'echo hello | "$0" --root "$1/root" --runroot "$1/run" exec -i c cat' "$BUILD/dhow" "$T"
    [ "$output" = hello ]
    run bash -c 'echo hello | "$0" --root "$1/root" --runroot "$1/run" exec c cat' "$BUILD/dhow" "$T"
    [ -z "$output" ]
    head -c 5000000 /dev/urandom >"$T/random"
    [ "$(x -i c cat <"$T/random" | sha256sum)" = "$(sha256sum <"$T/random")" ]
}

@test "capabilities and seccomp are the container's; --privileged lifts them" {
    ok x c grep -E 'CapEff|Seccomp:' /proc/self/status
    own=$output
    ok dhow run --rm --network none busybox grep -E 'CapEff|Seccomp:' /proc/self/status
    [ "$own" = "$output" ]
    ok x --privileged c grep CapEff /proc/self/status
    [ "$output" != "${own%%$'\n'*}" ]
}

@test "its memory counts for the container" {
    require cgroup-v1
    ok x c cat /proc/self/cgroup
    mine=$output
    ok x c cat /proc/1/cgroup
    [ "$mine" = "$output" ]
}

@test "-d starts and returns; the process runs on" {
    ok x -d c sh -c 'sleep 0.3; echo done >/tmp/flag'
    wait_for 5 dhow exec c test -e /tmp/flag
}

@test "a signal to dhow exec reaches the command" {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" exec c sh -c 'trap "exit 33" TERM; echo ready; while :; do sleep 0.1; done' >"$T/out" 3>&- &
    pid=$!
    wait_for 5 grep -q ready "$T/out"
    kill -TERM $pid
    rc=0
    wait $pid || rc=$?
    [ $rc -eq 33 ]
}

@test "the container's end ends its execs" {
    ok dhow run -d --name short --network none busybox sleep 0.5
    fails 137 x short sleep 1000
    ok dhow rm -f short
}

@test "files of ours are not open in it" {
    ok x c sh -c 'ls /proc/self/fd | wc -l'
    [ "$output" -le 4 ]
}
