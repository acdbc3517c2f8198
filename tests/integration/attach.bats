#!/usr/bin/env bats
# attach: several clients, input, slow ones, the end.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root || return 1
    image busybox
}

teardown() {
    ids=$(dhow ps -aq)
    [ -z "$ids" ] || dhow rm -f $ids
}

D() {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "$@"
}

@test "output and exit code reach everyone who is attached" {
    ok dhow run -d -i --name a --network none busybox sh -c 'read x; echo got $x; exit 4'
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach --no-stdin a >"$T/one" 3>&- &
    one=$!
    sleep 0.3
    rc=0
    echo hello | D attach a >"$T/two" || rc=$?
    [ $rc -eq 4 ]
    rc=0
    wait $one || rc=$?
    [ $rc -eq 4 ]
    [ "$(cat "$T/one")" = "got hello" ]
    [ "$(cat "$T/two")" = "got hello" ]
}

@test "standard error stays apart" {
    ok dhow run -d -i --name e --network none busybox sh -c 'read x; echo out; echo err >&2'
    run --separate-stderr bash -c 'echo | "$0" --root "$1/root" --runroot "$1/run" attach e' "$BUILD/dhow" "$T"
    [ "$output" = out ]
    [ "$stderr" = err ]
}

@test "with run -d -i the input stays open for the next client" {
    ok dhow run -d -i --name n --network none busybox cat
    echo one | timeout 2 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach --sig-proxy=false n >/dev/null || true
    echo two | timeout 2 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach --sig-proxy=false n >/dev/null || true
    ok dhow logs n
    [ "$output" = "$(printf 'one\ntwo')" ]
    ok dhow inspect -f '{{.State.Running}}' n
    [ "$output" = true ]
}

@test "not to a stopped or a paused one" {
    ok dhow create --name s --network none busybox true
    fails 125 dhow attach s
    says "not running"
    ok dhow run -d --name p --network none busybox sleep 1000
    ok dhow pause p
    fails 125 dhow attach p
    says paused
}

@test "a client that does not read stops neither the log nor the others" {
    ok dhow run -d -i --name slow --network none busybox sh -c 'read x; seq 1 200000; echo finished'
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach --no-stdin slow >"$T/stuck" 3>&- &
    stuck=$!
    sleep 0.3
    kill -STOP $stuck
    echo go | D attach slow >"$T/quick"
    [ "$(tail -n 1 "$T/quick")" = finished ]
    [ "$(wc -l <"$T/quick")" -eq 200001 ]
    wait_for 5 in_state slow exited
    [ "$(dhow logs slow | wc -l)" -eq 200001 ]
    # and even that client gets all of it when it wakes up
    kill -CONT $stuck
    wait $stuck
    [ "$(wc -l <"$T/stuck")" -eq 200001 ]
}

@test "killing a client does not disturb the container" {
    ok dhow run -d --name k --network none busybox sh -c 'while :; do echo tick; sleep 0.05; done'
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach k >/dev/null 3>&- &
    client=$!
    sleep 0.3
    kill -9 $client
    wait $client || true
    n=$(dhow logs k | wc -l)
    wait_for 5 logged_lines k $((n + 1))
}

@test "killing dhow run leaves the container to its monitor, and --rm still works" {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" run --rm --name fg --network none busybox sh -c 'sleep 1' >/dev/null 3>&- &
    client=$!
    wait_for 5 in_state fg running
    kill -9 $client
    wait $client || true
    ok dhow ps -q
    [ -n "$output" ]
    wait_for 5 gone fg
    [ -z "$(ls "$T/root/containers")" ]
}

@test "start -a of a container that ran before" {
    fails 3 dhow run --name again --network none busybox sh -c 'echo hi; exit 3'
    fails 3 dhow start -a again
    [ "$output" = hi ]
}

@test "a client that sleeps through more than its file holds is told what it missed" {
    ok dhow run -d -i --name gap --log-driver none --network none busybox \
        sh -c 'read x; head -c 80000000 /dev/zero | tr "\0" x; echo; echo finished'
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" attach --no-stdin gap >"$T/stuck" 2>"$T/stuck.err" 3>&- &
    stuck=$!
    sleep 0.3
    kill -STOP $stuck
    echo go | D attach gap | tail -n 1 >"$T/last"
    [ "$(cat "$T/last")" = finished ]
    kill -CONT $stuck
    wait $stuck
    [ "$(wc -c <"$T/stuck")" -lt 70000000 ]
    grep -q "KiB of output were skipped" "$T/stuck.err"
    rm "$T/stuck"
}
