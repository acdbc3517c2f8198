#!/usr/bin/env bats
# Many at once: names, addresses, locks and clean-up under contention.
load ../lib/helpers

N=${DHOW_STRESS:-100}

setup_file() {
    common_setup_file
    image busybox
}

# parallel JOBS COMMAND...: run it with $i = 1..N, at most JOBS at once; prints the failures.
parallel_runs() {
    local jobs=$1
    shift
    export -f dhow
    export BUILD T
    seq "$N" | xargs -P "$jobs" -I{} bash -c 'i=$1; shift; eval "$*" || echo "run $i: exit $?"' _ {} "$@"
}

@test "containers in parallel without a network: every exit code and output right" {
    out=$(parallel_runs 16 'test "$(dhow run --rm --network none busybox sh -c "echo out-$i; exit $((i % 100))" 2>&1; echo $?)" = "$(echo out-$i; echo $((i % 100)))"')
    [ -z "$out" ] || { echo "$out" | head -n 10; false; }
    ok dhow ps -aq
    [ -z "$output" ]
}

@test "containers in parallel on the bridge: every address different" {
    require root
    parallel_runs 16 'dhow run -d --name "net-$i" busybox sleep 1000 >/dev/null' >"$T/out"
    [ ! -s "$T/out" ] || { head -n 10 "$T/out"; false; }
    ok dhow ps -q
    [ "${#lines[@]}" -eq "$N" ]
    # shellcheck disable=SC2046
    ok dhow inspect -f '{{.NetworkSettings.IPAddress}}' $(dhow ps -q)
    [ "$(printf '%s\n' "${lines[@]}" | sort -u | grep -c .)" -eq "$N" ]
    # they reach one another
    ok dhow exec net-1 ping -c 1 -W 5 "$(dhow inspect -f '{{.NetworkSettings.IPAddress}}' "net-$N")"
    # shellcheck disable=SC2046
    ok dhow stop -t 0 $(dhow ps -q)
    # shellcheck disable=SC2046
    ok dhow rm $(dhow ps -aq)
    ok dhow ps -aq
    [ -z "$output" ]
}

@test "one name wanted by many: one wins, the others are told" {
    parallel_runs 16 'dhow create --name wanted --network none busybox true >/dev/null 2>&1' >"$T/out"
    [ "$(grep -c 'exit 125' "$T/out")" -eq $((N - 1)) ]
    dhow rm wanted
}

@test "start, stop, exec, rm and ps against each other leave nothing" {
    parallel_runs 12 'dhow run -d --name "c$i" --network none busybox sleep 1000 >/dev/null
        dhow ps >/dev/null
        dhow exec "c$i" true
        dhow stop -t 0 "c$i" >/dev/null
        dhow start "c$i" >/dev/null
        dhow rm -f "c$i" >/dev/null' >"$T/out" 2>&1
    [ ! -s "$T/out" ] || { head -n 10 "$T/out"; false; }
    ok dhow ps -aq
    [ -z "$output" ]
    [ -z "$(ls "$T/root/containers")" ]
}

@test "import and rmi of the same image by many" {
    parallel_runs 8 'dhow import -q "$DHOW_FIXTURES/busybox.tar" "copy:$i" >/dev/null' >"$T/out" 2>&1
    [ ! -s "$T/out" ] || { head -n 10 "$T/out"; false; }
    parallel_runs 8 'dhow rmi "copy:$i" >/dev/null' >"$T/out" 2>&1
    [ ! -s "$T/out" ] || { head -n 10 "$T/out"; false; }
    ok dhow run --rm --network none busybox true # its layer is shared, and still there
}

@test "two hundred containers: ps lists them all, quickly" {
    parallel_runs 8 'dhow create --name "many-$i" --network none busybox true >/dev/null; dhow create --network none busybox true >/dev/null'
    ok dhow ps -aq
    [ "${#lines[@]}" -eq $((2 * N)) ]
    # shellcheck disable=SC2046
    ok dhow rm $(dhow ps -aq)
}
