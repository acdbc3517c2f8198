#!/usr/bin/env bats
# dhow-monitor: its size, its log and rotation, the record of the end, its death.
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

monitor_of() {
    dhow inspect -f '{{.State.MonitorPid}}' "$1"
}

@test "an idle monitor is small, alone, and sleeps" {
    ! ldd "$BUILD/dhow-monitor" >/dev/null 2>&1 || skip "a sanitizer build: the monitor is not static"
    ok dhow run -d --name idle --network none busybox sleep 1000
    pid=$(monitor_of idle)
    [ "$(cat "/proc/$pid/comm")" = dhow-monitor ]
    pss=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")
    private=$(awk '/^Private_/ { sum += $2 } END { print sum }' "/proc/$pid/smaps_rollup")
    echo "PSS $pss kB, private $private kB"
    [ "$pss" -le 512 ]
    [ "$private" -le 308 ]
    before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    sleep 1
    [ "$before" = "$(awk '{ print $14 + $15 }' "/proc/$pid/stat")" ]
    # one process for the container's minding: init's parent
    [ "$(ps -o ppid= -p "$(dhow inspect -f '{{.State.Pid}}' idle)" | tr -d ' ')" = "$pid" ]
}

@test "json-file: docker's records" {
    ok dhow run --name j --network none busybox sh -c 'echo "a \"b\""; echo e >&2; printf unfinished'
    log=$(dhow inspect -f '{{.LogPath}}' j)
    jq -es '(map(select(.stream == "stdout").log) | join("")) == "a \"b\"\nunfinished"
        and (map(select(.stream == "stderr").log) | join("")) == "e\n"
        and all(.time | test("^20..-..-..T..:..:..[.][0-9]{9}Z$"))' "$log"
    [ "$(dhow logs j 2>/dev/null)" = "$(printf 'a "b"\nunfinished')" ]
}

@test "k8s-file: lines marked whole or partial" {
    ok dhow run --name k --log-driver k8s-file --network none busybox sh -c 'echo whole; printf part; sleep 0.4; echo ial'
    log=$(dhow inspect -f '{{.LogPath}}' k)
    grep -qE '^20[0-9T:.-]+Z stdout F whole$' "$log"
    grep -qE ' stdout P part$' "$log"
    grep -qE ' stdout F ial$' "$log"
    [ "$(dhow logs k)" = "$(printf 'whole\npartial')" ]
}

@test "none: no log, but attached output" {
    ok dhow run --name n --log-driver none --network none busybox echo hi
    [ "$output" = hi ]
    [ ! -e "$(dhow inspect -f '{{.LogPath}}' n)" ]
}

@test "rotation bounds the disk and loses no line of what it keeps" {
    ok dhow run -d --name rot --log-opt max-size=20k --log-opt max-file=3 --network none busybox seq 1 20000
    ok dhow wait rot
    log=$(dhow inspect -f '{{.LogPath}}' rot)
    [ "$(ls "$(dirname "$log")" | grep -c '^ctr.log')" -eq 3 ]
    for file in "$log" "$log.1" "$log.2"; do [ "$(stat -c %s "$file")" -le 20480 ]; done
    dhow logs rot >"$T/kept"
    [ "$(tail -n 1 "$T/kept")" = 20000 ]
    seq "$(head -n 1 "$T/kept")" 20000 | cmp - "$T/kept"
}

@test "following across rotations sees every line" {
    ok dhow run -d --name fol --log-opt max-size=20k --log-opt max-file=5 --network none busybox \
        sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i % 100)) -ne 0 ] || sleep 0.02; done'
    timeout 20 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" logs -f fol >"$T/followed"
    seq 1 3000 | cmp - "$T/followed"
}

@test "the exit record is complete when the container is seen as ended" {
    for code in 0 1 77; do
        ok dhow run -d --name "e$code" --network none busybox sh -c "exit $code"
        wait_for 5 in_state e$code exited
        ok dhow inspect -f '{{.State.ExitCode}}' "e$code"
        [ "$output" = "$code" ]
        ok dhow inspect -f '{{.State.FinishedAt}}' "e$code"
        [[ $output == 20* ]]
    done
}

@test "TERM, HUP and INT do not end a monitor" {
    ok dhow run -d --name tough --network none busybox sleep 1000
    pid=$(monitor_of tough)
    kill -TERM "$pid"
    kill -HUP "$pid"
    kill -INT "$pid"
    sleep 0.2
    [ "$(cat "/proc/$pid/comm")" = dhow-monitor ]
}

@test "a killed monitor: the container runs on, can be used, stopped, started, removed" {
    ok dhow run -d --name orphan --network none busybox sleep 1000
    kill -9 "$(monitor_of orphan)"
    sleep 0.1
    ok dhow ps --format '{{.Names}} {{.Status}}'
    says "orphan Up"
    ok dhow exec orphan true
    fails 125 dhow attach orphan
    says monitor
    ok dhow stop -t 0 orphan
    ok dhow inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' orphan
    says "exited 137"
    says "monitor was killed"
    ok dhow start orphan
    [ "$(dhow inspect -f '{{.State.Status}}' orphan)" = running ]
    ok dhow rm -f orphan
}

@test "a monitor killed with its container: --rm is still honoured by the next command" {
    ok dhow run -d --rm --name both --network none busybox sleep 1000
    pid=$(dhow inspect -f '{{.State.Pid}}' both)
    kill -9 "$(monitor_of both)"
    kill -9 "$pid"
    wait_for 5 gone both
    [ -z "$(ls "$T/root/containers")" ]
    [ -z "$(ls "$T/run/containers")" ]
    [ -z "$(find /sys/fs/cgroup -type d -path "*$(basename "$T")*" 2>/dev/null)" ]
}

@test "another boot: everything ended, and can be started" {
    ok dhow run -d --name old --network none busybox sleep 1000
    pid=$(dhow inspect -f '{{.State.Pid}}' old)
    kill -9 "$(monitor_of old)"
    kill -9 "$pid"
    python3 - "$T/root/dhow.db" <<-'END'
	import sqlite3, sys
	db = sqlite3.connect(sys.argv[1])
	db.execute("UPDATE container SET boot_id = 'another'")
	db.commit()
	END
    ok dhow inspect -f '{{.State.Status}} {{.State.Error}}' old
    says "exited"
    says "restarted"
    ok dhow start old
}
