#!/usr/bin/env bats
# create, start, stop, kill, restart, rename, pause, wait, rm, inspect, ps, events.
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

up() {
    dhow run -d --network none "$@"
}

state() {
    dhow inspect -f '{{.State.Status}}' "$1"
}

TRAP='trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'

@test "create, start, wait, start again, remove" {
    ok dhow create --name c --network none busybox sh -c 'echo run; exit 3'
    [ "$(state c)" = created ]
    ok dhow start c
    [ "$output" = c ]
    ok dhow wait c
    [ "$output" = 3 ]
    [ "$(state c)" = exited ]
    fails 3 dhow start -a c
    [ "$output" = run ]
    ok dhow logs c
    [ "$output" = "$(printf 'run\nrun')" ]
    ok dhow rm c
    fails 125 dhow rm c
    says "no such container 'c'"
    [ -z "$(ls "$T/root/containers")" ]
}

@test "what a container wrote is there when it starts again" {
    ok dhow run --name w --network none busybox sh -c 'echo x >>/file; cat /file'
    ok dhow start -a w
    [ "$output" = "$(printf 'x\nx')" ]
}

@test "stop asks first, kills after the time-out, and does nothing to who is stopped" {
    up --name polite busybox sh -c "$TRAP"
    wait_for 5 logged polite ready
    ok dhow stop polite
    ok dhow inspect -f '{{.State.ExitCode}} {{.State.Running}}' polite
    [ "$output" = "5 false" ]
    ok dhow stop polite
    up --name deaf busybox sh -c 'trap "" TERM; while :; do sleep 1; done'
    start=$SECONDS
    ok dhow stop -t 1 deaf
    [ $((SECONDS - start)) -lt 6 ]
    ok dhow inspect -f '{{.State.ExitCode}}' deaf
    [ "$output" = 137 ]
}

@test "--stop-signal and --stop-timeout are the container's own" {
    up --name own --stop-signal USR1 --stop-timeout 5 busybox sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.1; done'
    wait_for 5 logged own ready
    ok dhow stop own
    ok dhow inspect -f '{{.State.ExitCode}} {{.Config.StopSignal}}' own
    [[ $output == 9* ]]
}

@test "kill: any signal by name and number, only to who runs" {
    up --name k busybox sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
    wait_for 5 logged k ready
    ok dhow kill -s USR1 k
    wait_for 5 logged k usr1
    fails 125 dhow kill -s NOSUCH k
    says NOSUCH
    ok dhow kill k
    ok dhow inspect -f '{{.State.Status}} {{.State.ExitCode}}' k
    [ "$output" = "exited 137" ]
    fails 125 dhow kill k
    says "not running"
}

@test "restart gives a new process, also to one with --rm" {
    up --name r busybox sleep 1000
    first=$(dhow inspect -f '{{.State.Pid}}' r)
    ok dhow restart -t 0 r
    second=$(dhow inspect -f '{{.State.Pid}}' r)
    [ "$first" != "$second" ]
    [ "$(state r)" = running ]
    up --rm --name once busybox sleep 1000
    ok dhow restart -t 0 once
    [ "$(state once)" = running ]
    ok dhow stop -t 0 once
    fails 125 dhow inspect once
}

@test "pause freezes it, unpause lets it go on; stop, kill and rm -f work on a paused one" {
    up --name p busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'
    ok dhow pause p
    [ "$(state p)" = paused ]
    ok dhow ps --format '{{.Status}}'
    says Paused
    sleep 0.3
    n=$(dhow logs p | wc -l)
    sleep 0.3
    [ "$n" = "$(dhow logs p | wc -l)" ]
    fails 125 dhow pause p
    says paused
    fails 125 dhow exec p true
    says paused
    ok dhow unpause p
    [ "$(state p)" = running ]
    wait_for 5 logged_lines p $((n + 1))
    fails 125 dhow unpause p
    ok dhow pause p
    ok dhow stop -t 1 p
    [ "$(state p)" = exited ]
    ok dhow start p
    ok dhow pause p
    ok dhow rm -f p
}

@test "rename: the new name is found, the old is free, a taken one refused" {
    ok dhow create --name old --network none busybox true
    ok dhow create --name other --network none busybox true
    fails 125 dhow rename old other
    says "already in use"
    ok dhow rename old new
    fails 125 dhow inspect old
    ok dhow inspect new
    fails 125 dhow rename new 'x y'
}

@test "rm: running ones only with --force; several at once; volumes with -v" {
    up --name running busybox sleep 1000
    fails 125 dhow rm running
    says "is running"
    [ "$(state running)" = running ]
    ok dhow rm -f running
    ok dhow create --name v --network none -v /data busybox true
    [ "$(dhow volume ls -q | wc -l)" -eq 1 ]
    ok dhow rm -v v
    [ "$(dhow volume ls -q | wc -l)" -eq 0 ]
}

@test "wait: several at once, and by condition" {
    up --name w1 busybox sh -c 'sleep 0.3; exit 4'
    up --name w2 busybox sh -c 'sleep 0.1; exit 6'
    ok dhow wait w1 w2
    [ "$output" = "$(printf '4\n6')" ]
    ok dhow wait w1
    [ "$output" = 4 ]
    up --rm --name w3 busybox sh -c 'sleep 0.3; exit 8'
    ok dhow wait --condition removed w3
    [ "$output" = 8 ]
    fails 125 dhow inspect w3
    fails 125 dhow wait nobody
}

@test "restart policies: how often, how fast, and that stop ends them" {
    up --name f --restart on-failure:2 busybox sh -c 'echo try; exit 1'
    wait_for 10 logged_lines f 3
    wait_for 5 in_state f exited
    ok dhow inspect -f '{{.RestartCount}} {{.State.ExitCode}}' f
    [ "$output" = "2 1" ]
    up --name z --restart on-failure busybox sh -c 'exit 0'
    ok dhow wait z
    sleep 0.3
    ok dhow inspect -f '{{.RestartCount}} {{.State.Status}}' z
    [ "$output" = "0 exited" ]
    up --name a --restart always busybox sh -c 'echo try; sleep 0.1'
    wait_for 10 logged_lines a 3
    ok dhow stop -t 1 a
    n=$(dhow logs a | wc -l)
    sleep 1
    [ "$n" = "$(dhow logs a | wc -l)" ]
    [ "$(state a)" = exited ]
}

@test "a container between two tries can be stopped, started and removed" {
    up --name b --restart always busybox false
    wait_for 10 restarted b 4
    wait_for 5 in_state b restarting
    ok dhow ps
    says Restarting
    ok dhow stop b
    [ "$(state b)" = exited ]
    ok dhow start b
    wait_for 10 in_state b restarting
    fails 125 dhow rm b
    ok dhow rm -f b
}

@test "an OOM kill is reported" {
    require cgroup-memory
    fails 137 dhow run --name oom --network none --memory 16m --memory-swap 16m busybox \
        sh -c 'exec tail /dev/zero'
    ok dhow inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
    [ "$output" = "true 137" ]
    fails 0 dhow run --name fine --network none --memory 64m busybox true
    ok dhow inspect -f '{{.State.OOMKilled}}' fine
    [ "$output" = false ]
}

@test "inspect has docker's shape" {
    up --name i -e A=1 -l tier=web -v /data --restart always -m 64m busybox sleep 1000
    dhow inspect i >"$T/inspect.json"
    jq -e '.[0] | (.Id | length == 64) and .Name == "/i" and .State.Running and (.State.Pid > 0)
        and .Path == "sleep" and .Args == ["1000"] and .Config.Labels.tier == "web"
        and (.Config.Env | index("A=1")) and .HostConfig.RestartPolicy.Name == "always"
        and .HostConfig.Memory == 67108864 and .HostConfig.NetworkMode == "none"
        and (.Mounts[0].Type == "volume") and .Mounts[0].Destination == "/data"
        and (.State.StartedAt | startswith("20"))' "$T/inspect.json"
    ok dhow inspect -s -f '{{.SizeRw}}' i
}

@test "ps: filters, order, states" {
    up --name run1 busybox sleep 1000
    ok dhow create --name made -l x=y --network none busybox true
    ok dhow ps --format '{{.Names}}'
    [ "$output" = run1 ]
    ok dhow ps -a --format '{{.Names}}'
    [ "$output" = "$(printf 'made\nrun1')" ]
    ok dhow ps -a -f label=x=y --format '{{.Names}} {{.Status}}'
    [ "$output" = "made Created" ]
    ok dhow ps -f status=created --format '{{.Names}}'
    [ "$output" = made ]
    fails 125 dhow ps -f colour=red
    says colour
}

@test "a busy image is not removed" {
    ok dhow create --name user --network none busybox true
    fails 125 dhow rmi busybox
    says user
}

@test "stop and rm -f win against a restart policy at any moment" {
    for i in 1 2 3 4 5 6; do
        id=$(up --restart always busybox sh -c "sleep 0.0$i")
        sleep "0.$((RANDOM % 6))"
        ok timeout 20 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" stop -t 1 "$id"
        sleep 0.2
        ok dhow inspect -f '{{.State.Status}} {{.State.MonitorPid}}' "$id"
        [ "$output" = "exited 0" ]
        ok dhow start "$id"
        sleep "0.$((RANDOM % 6))"
        ok timeout 20 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" rm -f "$id"
    done
    [ -z "$(ls "$T/root/containers")" ]
    [ -z "$(ls "$T/run/containers")" ]
}
