#!/usr/bin/env bats
# run: output, input, exit codes, names, ids, what is left afterwards.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root || return 1
    image busybox
}

bb() {
    dhow run --rm --network none "$@"
}

nothing_left() {
    ok dhow ps -aq
    [ -z "$output" ]
    [ -z "$(ls "$T/root/containers")" ]
    [ -z "$(ls "$T/run/containers" "$T/run/attach" 2>/dev/null | grep -v :)" ]
}

@test "output, error output and exit code come through" {
    run --separate-stderr bb busybox sh -c 'echo out; echo err >&2; exit 7'
    [ "$status" -eq 7 ]
    [ "$output" = out ]
    [ "$stderr" = err ]
    nothing_left
}

@test "a container killed by a signal exits with 128 + its number" {
    fails 137 bb busybox sh -c 'kill -9 $$; sleep 5; kill -9 1; exit 137'
    fails 143 bb busybox sh -c 'trap "exit 143" TERM; kill -TERM $$; sleep 1'
}

@test "missing command is 127, what cannot be executed 126, our own failures 125" {
    fails 127 bb busybox no-such-command
    says "no-such-command"
    fails 126 bb busybox /etc/passwd
    says "/etc/passwd"
    fails 126 bb busybox /etc
    fails 125 bb --name '/bad name' busybox true
    fails 125 bb --pull never no-such-image true
    nothing_left
}

@test "a container that could not be started stays, with the reason, unless --rm" {
    fails 127 dhow run --name unstarted --network none busybox no-such-command
    ok dhow inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' unstarted
    says "created 127"
    says "no-such-command"
    ok dhow rm unstarted
    nothing_left
}

@test "input: piped, closed, not asked for" {
    run bash -c 'echo hello | "$0" --root "$1/root" --runroot "$1/run" run --rm -i --network none busybox cat' "$BUILD/dhow" "$T"
    [ "$output" = hello ]
    run bash -c 'echo hello | "$0" --root "$1/root" --runroot "$1/run" run --rm --network none busybox cat' "$BUILD/dhow" "$T"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    nothing_left
}

@test "megabytes go through in both directions unharmed" {
    head -c 20000000 /dev/urandom >"$T/random"
    want=$(sha256sum <"$T/random")
    got=$(bb -i busybox cat <"$T/random" | sha256sum)
    [ "$want" = "$got" ]
    got=$(bb -v "$T/random:/random:ro" busybox sh -c 'cat /random >&2' 2>&1 >/dev/null | sha256sum)
    [ "$want" = "$got" ]
    rm "$T/random"
}

@test "a slow reader loses nothing" {
    want=$(seq 1 300000 | sha256sum)
    got=$(bb busybox seq 1 300000 | (sleep 1; cat) | sha256sum)
    [ "$want" = "$got" ]
    nothing_left
}

@test "-d prints the id and leaves it running; --cidfile has it, too" {
    ok dhow run -d --network none --cidfile "$T/cid" --name det busybox sleep 1000
    [ "$(cat "$T/cid")" = "$output" ]
    [ ${#output} -eq 64 ]
    ok dhow ps -q --no-trunc
    [ "$output" = "$(cat "$T/cid")" ]
    fails 125 dhow run -d --network none --cidfile "$T/cid" busybox true
    says cid
    ok dhow rm -f det
    nothing_left
}

@test "nothing of ours keeps the caller's files open" {
    # a monitor that held the pipe would keep the substitution waiting
    start=$SECONDS
    id=$(dhow run -d --network none busybox sleep 30)
    [ $((SECONDS - start)) -lt 10 ]
    monitor=$(dhow inspect -f '{{.State.MonitorPid}}' "$id")
    ! ls -l "/proc/$monitor/fd" | grep -E "$BATS_RUN_TMPDIR|bats"
    [ "$(readlink "/proc/$monitor/cwd")" = / ]
    ok dhow rm -f "$id"
}

@test "names: random ones are made, taken ones refused, a failed run frees its name" {
    id=$(dhow create --network none busybox true)
    ok dhow inspect -f '{{.Name}}' "$id"
    [[ $output =~ ^/[a-z]+_[a-z]+[0-9]*$ ]]
    ok dhow create --name taken --network none busybox true
    fails 125 bb --name taken busybox true
    says "already in use"
    ok dhow rm taken "$id"
    fails 127 bb --name again busybox nothing-here
    ok bb --name again busybox true
    nothing_left
}

@test "signals to dhow run reach the container" {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" run --rm --name sig --network none busybox \
        sh -c 'trap "echo got term; exit 42" TERM; echo ready; while :; do sleep 0.1; done' >"$T/out" 3>&- &
    pid=$!
    wait_for 5 grep -q ready "$T/out"
    kill -TERM $pid
    rc=0
    wait $pid || rc=$?
    [ $rc -eq 42 ]
    grep -q "got term" "$T/out"
    nothing_left
}

@test "environment, working directory, user, host name, read-only root" {
    ok bb -e A=1 -w /tmp -h box busybox sh -c 'echo $A $PWD $(hostname) $HOME'
    [ "$output" = "1 /tmp box /root" ]
    ok bb -u 1000:1001 busybox id
    [[ $output =~ uid=1000.*gid=1001 ]]
    fails 1 bb --read-only busybox touch /x
    ok bb --read-only --tmpfs /tmp busybox touch /tmp/x
}

@test "init is process 1 with default signals and no open files but its own" {
    trap '' QUIT USR1
    ok bb busybox sh -c 'echo $$; grep -E "^Sig(Ign|Blk)" /proc/self/status; ls /proc/self/fd'
    [ "${lines[0]}" = 1 ]
    [[ ${lines[1]} =~ 0000000000000000$ ]]
    [[ ${lines[2]} =~ 0000000000000000$ ]]
    [ "${lines[*]:3:3}" = "0 1 2" ]
    [ ${#lines[@]} -le 7 ] # ls has its directory open
}

@test "hosts, hostname and resolv.conf are the container's" {
    ok bb -h box --add-host db:10.1.2.3 --dns 9.9.9.9 busybox sh -c 'cat /etc/hosts /etc/hostname /etc/resolv.conf'
    says "10.1.2.3"
    says "box"
    says "nameserver 9.9.9.9"
}

@test "a stranger's user may write to its own standard output again" {
    ok bb -u 1000 busybox sh -c 'echo hi >/dev/stdout'
    [ "$output" = hi ]
}

@test "--init reaps and forwards" {
    [ -x "$BUILD/dhow-init" ] || skip "dhow-init is not built"
    ok bb --init busybox sh -c 'ps | head -n 2 | tail -n 1'
    says dhow-init
    fails 3 bb --init busybox sh -c 'exit 3'
}

@test "the id prefix finds it, an ambiguous one is refused" {
    a=$(dhow create --network none busybox true)
    ok dhow inspect -f '{{.Id}}' "${a:0:8}"
    [ "$output" = "$a" ]
    for _ in $(seq 1 17); do dhow create --network none busybox true; done >"$T/ids"
    prefix=$(cut -c1 "$T/ids" | sort | uniq -d | head -n 1)
    fails 125 dhow inspect "$prefix"
    says ambiguous
    ok dhow rm "$a" $(cat "$T/ids")
    nothing_left
}

@test "a start writes nothing into the container's own layer" {
    ok dhow create --name clean --network none busybox true
    ok dhow start -a clean
    [ -z "$(find "$T"/root/containers/*/upper -mindepth 1)" ]
    ok dhow rm clean
}
