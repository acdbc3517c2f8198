#!/usr/bin/env bats
# dhow-oci: every command, states and exit codes.
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

status_of() {
    oci state "$1" | jq -r .status
}

empty_ps() {
    [ "$(oci ps -f json "$1")" = '[]' ]
}

@test "run passes on output and exit code" {
    bundle
    cmd sh -c 'echo out; echo err >&2; exit 7'
    run oci run r1
    [ "$status" -eq 7 ]
    says out
    says err
    nothing_left r1
}

@test "create, start, state, kill, delete" {
    bundle
    cmd sleep 1000
    oci create --pid-file "$T/pid" c1 </dev/null >/dev/null
    [ "$(status_of c1)" = created ]
    [ "$(cat "$T/pid")" = "$(oci state c1 | jq .pid)" ]
    oci start c1
    [ "$(status_of c1)" = running ]
    fails 1 oci start c1
    says "not in the state 'created'"
    fails 1 oci delete c1
    says "it is running"
    oci kill c1 KILL
    wait_for 5 oci_is c1 stopped
    [ "$(oci state c1 | jq .pid)" = 0 ]
    fails 1 oci kill c1 TERM
    says "not running"
    oci delete c1
    fails 1 oci state c1
    says "does not exist"
    nothing_left c1
}

@test "an id is taken once" {
    container c2
    fails 1 oci run c2
    says "exists already"
    [ "$(status_of c2)" = running ]
}

@test "delete --force kills, and forgives what is not there" {
    container c3
    oci delete --force c3
    oci delete --force c3
    fails 1 oci delete c3
    nothing_left c3
}

@test "changing config.json after create changes nothing" {
    bundle
    cmd sh -c 'echo first'
    oci create c4 </dev/null >"$T/out"
    cmd sh -c 'echo second'
    oci start c4
    wait_for 5 grep -q first "$T/out"
}

@test "a container without a process can be created, not started" {
    bundle 'del(.process)'
    oci create c4b </dev/null >/dev/null 2>&1
    [ "$(status_of c4b)" = created ]
    fails 1 oci start c4b
    says "nothing to start"
}

@test "a created container can be ended by a signal" {
    bundle
    cmd sleep 1000
    oci create c4d </dev/null >/dev/null 2>&1
    oci kill c4d TERM
    wait_for 5 oci_is c4d stopped
    oci create c4e </dev/null >/dev/null 2>&1
    oci start c4e
    # and what it executes has no handlers of ours
    [ "$(sed -n 's/SigCgt:\t//p' "/proc/$(oci state c4e | jq .pid)/status")" = 0000000000000000 ]
}

@test "list of a root that is not there fails" {
    fails 1 "$BUILD/dhow-oci" --root "$T/nowhere" list
    says "nowhere"
    [ ! -e "$T/nowhere" ]
}

@test "one of many starters wins" {
    bundle
    cmd sleep 1000
    oci create c4c </dev/null >/dev/null 2>&1
    wins=0
    for _ in 1 2 3 4 5; do
        oci start c4c 2>/dev/null 3>&- &
        pids+=" $!"
    done
    for p in $pids; do
        ! wait "$p" || wins=$((wins + 1))
    done
    [ "$wins" -eq 1 ]
}

@test "list as table, json and ids" {
    container c5
    ok oci list
    says "c5"
    says "running"
    [ "$(oci list -f json | jq -r '.[0].id')" = c5 ]
    [ "$(oci list -q)" = c5 ]
}

@test "kill and delete take a regular expression" {
    container web-1
    container web-2
    container db-1
    oci kill --regex '^web-[0-9]+$' KILL
    wait_for 5 oci_is web-1 stopped
    wait_for 5 oci_is web-2 stopped
    oci_is db-1 running
    oci delete --regex '^web'
    [ "$(oci list -q)" = db-1 ]
    fails 1 oci kill --regex '[' KILL
    says "not a regular expression"
}

@test "ps shows the container's processes only" {
    container c6
    [ "$(oci ps -f json c6)" = "[$(oci state c6 | jq .pid)]" ]
    ok oci ps c6
    [ "${#lines[@]}" -eq 2 ]
    ok oci ps c6 -o pid,args
    says "sleep 1000"
}

@test "pause and resume" {
    container c7
    oci pause c7
    [ "$(status_of c7)" = paused ]
    fails 255 oci exec c7 true
    says "paused"
    fails 1 oci pause c7
    oci resume c7
    [ "$(status_of c7)" = running ]
    oci exec c7 true
}

@test "a paused container can be killed and deleted" {
    container c8
    oci pause c8
    oci delete -f c8
    nothing_left c8
}

@test "a container frozen from outside can be deleted" {
    [ -d /sys/fs/cgroup/freezer ] || skip "needs cgroup v1"
    container c8b
    mkdir "/sys/fs/cgroup/freezer/frozen-$$"
    oci state c8b | jq .pid >"/sys/fs/cgroup/freezer/frozen-$$/cgroup.procs"
    echo FROZEN >"/sys/fs/cgroup/freezer/frozen-$$/freezer.state"
    ok oci delete -f c8b
    nothing_left c8b
    wait_for 5 rmdir "/sys/fs/cgroup/freezer/frozen-$$"
}

@test "a creation killed at any moment leaves no process, and can be deleted" {
    bundle
    cmd sleep 1000
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        (cd "$B" && exec "$BUILD/dhow-oci" --root "$T/oci" create "dead$i" </dev/null >/dev/null 2>&1) &
        sleep "0.00$((i % 9))"
        kill -9 $! 2>/dev/null || true
        wait $! 2>/dev/null || true
    done
    sleep 0.3
    for id in $(ls "$T/oci"); do
        [ -e "$T/oci/$id/state.json" ] || ! pgrep -f "create $id\$"
        oci delete -f "$id"
    done
    nothing_left 'dead*'
}

@test "kill --all reaches every process" {
    container c9
    oci exec -d c9 sleep 1000
    [ "$(oci ps -f json c9 | jq length)" -eq 2 ]
    oci kill --all c9 KILL
    wait_for 5 empty_ps c9
}

@test "KILL without a pid namespace of its own is for every process" {
    container c9b 'del(.linux.namespaces[] | select(.type == "pid"))'
    oci exec -d c9b sleep 1000 </dev/null >/dev/null 2>&1
    [ "$(oci ps -f json c9b | jq length)" -eq 2 ]
    oci kill c9b KILL
    wait_for 5 empty_ps c9b
    fails 1 oci kill c9b KILL
    says "container not running"
}

@test "signals by name and number, and not by nonsense" {
    bundle
    cmd sh -c 'trap "exit 42" TERM; while :; do sleep 0.02; done'
    oci run c10 </dev/null &
    wait_for 5 oci_is c10 running
    sleep 0.3
    oci kill c10 SIGTERM
    wait $! || [ $? -eq 42 ]
    fails 1 oci kill c10 NOSUCH
    says "not a signal"
}

@test "a foreground run passes its signals on" {
    bundle
    cmd sh -c 'trap "exit 43" INT; while :; do sleep 0.02; done'
    (cd "$B" && exec "$BUILD/dhow-oci" --root "$T/oci" run c11 </dev/null) &
    wait_for 5 oci_is c11 running
    sleep 0.3
    kill -INT $!
    rc=0
    wait $! || rc=$?
    [ "$rc" -eq 43 ]
}

@test "exec: output, code, environment, user, directory" {
    container e1
    ok oci exec -e A=b e1 sh -c 'echo $A'
    [ "$output" = b ]
    fails 9 oci exec e1 sh -c 'exit 9'
    ok oci exec -u 1000:1001 -g 77 e1 id
    says "uid=1000"
    says "gid=1001"
    says "77"
    ok oci exec --cwd /tmp e1 pwd
    [ "$output" = /tmp ]
    ok oci exec e1 sh -c 'ls /proc | grep -c "^[0-9]"'
    fails 127 oci exec e1 no-such-program
    says "executable file not found"
    fails 126 oci exec e1 /etc
    fails 255 oci exec --user 1abc e1 id
    says "is not UID"
    fails 255 oci exec --cap CAP_NONSENSE e1 id
    says "unknown capability"
}

@test "exec: capabilities are the container's, or more on request" {
    container e2
    ok oci exec e2 grep CapEff /proc/self/status
    says 0000000020000420
    ok oci exec --cap CAP_SYS_TIME e2 grep CapEff /proc/self/status
    says 0000000022000420
    ok oci exec e2 grep CapInh /proc/self/status
    says 0000000000000000
}

@test "exec: a process file" {
    container e3
    printf '{"args":["sh","-c","echo $X; pwd"],"cwd":"/tmp","env":["X=y","PATH=/bin"],"user":{"uid":5,"gid":6}}' >"$T/process.json"
    ok oci exec -p "$T/process.json" e3
    [ "$output" = $'y\n/tmp' ]
    printf '{"args":["x"]}' >"$T/process.json"
    fails 255 oci exec -p "$T/process.json" e3
    says "cwd"
}

@test "exec: detached, with a pid file" {
    container e4
    oci exec -d --pid-file "$T/exec.pid" e4 sleep 1000 </dev/null >/dev/null 2>&1
    [ "$(readlink "/proc/$(cat "$T/exec.pid")/ns/mnt")" = "$(readlink "/proc/$(oci state e4 | jq .pid)/ns/mnt")" ]
}

@test "exec: not in a stopped container" {
    container e5
    oci kill e5 KILL
    wait_for 5 oci_is e5 stopped
    fails 255 oci exec e5 true
    says "it is stopped"
}

@test "a missing program is 127, one that cannot run is 126, and nothing stays" {
    bundle
    cmd no-such-program
    fails 127 oci run x1
    says "executable file not found in \$PATH"
    cmd /no/such/file
    fails 127 oci run x1
    cmd /etc
    fails 126 oci run x1
    printf '\1\2\3' >"$B/rootfs/bin/garbage"
    printf '#!/no/such/interpreter\n' >"$B/rootfs/bin/script"
    chmod +x "$B/rootfs/bin/garbage" "$B/rootfs/bin/script"
    cmd garbage
    fails 126 oci run x1
    says "Exec format error"
    cmd script
    fails 127 oci run x1
    says "interpreter"
    nothing_left x1
}

@test "exec errors of a start from another process come to it" {
    bundle
    printf '\1\2\3' >"$B/rootfs/bin/garbage"
    chmod +x "$B/rootfs/bin/garbage"
    cmd garbage
    oci create x2 </dev/null >/dev/null 2>&1
    fails 126 oci start x2
    says "Exec format error"
}

@test "bad configurations name the place" {
    bundle '.linux.namespaces[0].type = "nonsense"'
    fails 1 oci run x3
    says "linux.namespaces[0].type: unknown namespace type 'nonsense'"
    bundle '.process.cwd = "relative"'
    fails 1 oci run x3
    says "process.cwd"
    bundle '.mounts[0].options = ["remount"]'
    fails 1 oci run x3
    says "remount '/proc'"
    bundle '.vm = {}'
    fails 1 oci run x3
    says "vm: 'kernel' is missing"
    bundle '.root.path = "nowhere"'
    fails 1 oci run x3
    says "nowhere"
    printf 'no json' >"$B/config.json"
    fails 1 oci run x3
    says "config.json"
    nothing_left x3
}

@test "errors go to the log as JSON, and to standard error" {
    bundle '.process.args = ["no-such-program"]'
    fails 127 oci --log "$T/log.json" --log-format json run x4
    says "no-such-program"
    [ "$(jq -r .level "$T/log.json")" = error ]
    jq -r .msg "$T/log.json" | grep -q "executable file not found"
}

@test "what is not supported is refused by name" {
    fails 1 oci --cgroup-manager openrc list
    says "is not cgroupfs, systemd or disabled"
    fails 1 oci list --format yaml
    says "yaml"
    fails 1 oci no-such-command
    fails 1 oci run --no-such-option x
    says "--no-such-option"
    fails 1 oci run "bad/id"
    says "not a container id"
}

@test "spec, features and version are valid" {
    mkdir "$T/spec"
    oci spec --bundle "$T/spec"
    fails 1 oci spec --bundle "$T/spec"
    says "exists already"
    [ "$(jq -r .ociVersion "$T/spec/config.json")" = 1.3.0 ]
    oci features | jq -e '.ociVersionMin == "1.0.0" and (.mountOptions | index("rro")) and .linux.seccomp.enabled'
    ok oci --version
    says "spec: 1.3.0"
}

@test "update changes limits, and joins what it needs" {
    require cgroup-v1
    container u1
    oci update --memory 64m --pids-limit 20 --cpu-share 512 --cpu-quota 50000 --cpu-period 100000 --cpuset-cpus 0 u1
    [ "$(cat /sys/fs/cgroup/memory/u1/memory.limit_in_bytes)" = 67108864 ]
    [ "$(cat /sys/fs/cgroup/pids/u1/pids.max)" = 20 ]
    [ "$(cat /sys/fs/cgroup/cpu/u1/cpu.shares)" = 512 ]
    [ "$(cat /sys/fs/cgroup/cpu/u1/cpu.cfs_quota_us)" = 50000 ]
    [ "$(cat /sys/fs/cgroup/cpuset/u1/cpuset.cpus)" = 0 ]
    [ "$(cat /sys/fs/cgroup/memory/u1/cgroup.procs)" = "$(oci state u1 | jq .pid)" ]
    printf '{"pids":{"limit":30}}' | oci update -r - u1
    [ "$(cat /sys/fs/cgroup/pids/u1/pids.max)" = 30 ]
    fails 1 oci update --memory nonsense u1
    says "not a size"
    fails 1 oci update --l3-cache-schema x u1
    says "Intel RDT"
    oci delete -f u1
    nothing_left u1
}

@test "events --stats prints figures" {
    container v1
    [ "$(oci events --stats v1 | jq -r .data.pids.current)" -eq 1 ]
    [ "$(oci events --stats v1 | jq -r .type)" = stats ]
}
