#!/usr/bin/env bats
# Limits that bite.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
}

box() {
    case " $* " in *" --network "*) dhow run --rm "$@" ;; *) dhow run --rm --network none "$@" ;; esac
}

@test "memory: the limit is set, and reaching it is an OOM kill that is reported" {
    require cgroup-memory
    dhow run --name greedy --network none --memory 16m --memory-swap 16m busybox \
        sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1' || status=$?
    [ "$status" -eq 137 ]
    ok dhow inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' greedy
    [ "$output" = "true 137" ]
    dhow rm greedy
}

@test "pids: a fork bomb is stopped" {
    ok box --pids-limit 10 busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 & done; true' || true
    [[ $output == *"can't fork"* || $output == *"temporarily unavailable"* ]]
}

@test "cpus: a quota throttles" {
    start=$(date +%s%N)
    id=$(dhow run -d --network none --cpus 0.2 busybox sh -c 'while :; do :; done')
    sleep 2
    pid=$(dhow inspect --format '{{.State.Pid}}' "$id")
    ticks=$(awk '{print $14 + $15}' "/proc/$pid/stat")
    elapsed=$((($(date +%s%N) - start) / 10000000))
    dhow rm -f "$id"
    [ "$ticks" -lt $((elapsed * 35 / 100)) ]
}

@test "cpuset, shares and the files behind them" {
    ok box --cpuset-cpus 0 busybox sh -c 'grep Cpus_allowed_list /proc/self/status'
    says "	0"
    ok box --cpu-shares 512 --memory-reservation 32m --memory 64m busybox true
}

@test "bad limits: one line, the option and what would be right" {
    fails 125 box --memory 1k busybox true
    says "--memory 1024: the least is 6m"
    fails 125 box --memory 10x busybox true
    says "--memory"
    fails 125 box --memory 64m --memory-swap 32m busybox true
    fails 125 box --cpus 1000 busybox true
    says "as there are"
    fails 125 box --cpuset-cpus 99 busybox true
    says "this machine has"
    fails 125 box --pids-limit -2 busybox true
    fails 125 box --ulimit nofile=999999999 busybox true || require sys_resource
}
