#!/usr/bin/env bats
# kill -9 of every program of ours at random moments; the store and the state are checked after each.
# DHOW_TEST_FULL=1: 200 kills of each, else 15.
load ../lib/helpers
load ../lib/registry

ROUNDS=15
[ -z "${DHOW_TEST_FULL:-}" ] || ROUNDS=200

setup_file() {
    common_setup_file
    image busybox
}

# A moment between 0 and $1 ms from now, then SIGKILL to process $2.
kill_within() {
    sleep "$(awk -v r="$RANDOM" -v max="$1" 'BEGIN { printf "%.4f", r / 32768 * max / 1000 }')"
    kill -9 "$2" 2>/dev/null || true
}

# Directories of containers that are not listed: strays [FIND-CONDITION...]
strays() {
    comm -13 <(dhow ps -aq --no-trunc | sort) \
        <(find "$T/root/containers" -mindepth 1 -maxdepth 1 "$@" -printf '%f\n' 2>/dev/null | sort)
}

no_strays() {
    [ -z "$(strays)" ]
}

# What must hold at every moment: the database opens, listings work, a container runs, and no process,
# mount or half-made directory is left of containers that are not listed.
check_state() {
    local left
    ok dhow ps -a || return 1
    ok dhow images || return 1
    ok dhow run --rm --network none busybox echo alive || return 1
    [ "$output" = alive ] || { echo "said: $output"; return 1; }
    # what was interrupted is listed or gone; a directory younger than a few seconds may be of a
    # container that is being made, so dhow leaves it for the next command
    left=$(strays ! -newerct '8 seconds ago')
    [ -z "$left" ] || { echo "directories of no container: $left"; return 1; }
}

forget_all() {
    local ids
    ids=$(dhow ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || ok dhow rm -f $ids
}

monitor_of() {
    awk '/^PPid:/ { print $2 }' "/proc/$(dhow inspect -f '{{.State.Pid}}' "$1")/status"
}

@test "kill -9 of dhow run, foreground" {
    for ((i = 0; i < ROUNDS; i++)); do
        dhow run --name "r$i" --network none busybox sh -c 'sleep 0.05; echo done' >/dev/null 2>&1 3>&- &
        kill_within 60 $!
        wait $! 2>/dev/null || true
        check_state || { echo "after kill $i"; false; }
    done
    # those that were started went on without it
    sleep 0.5
    ok dhow ps -a --filter status=running -q
    [ -z "$output" ]
    forget_all
    wait_for 10 no_strays
}

@test "kill -9 of dhow run -d, on the bridge" {
    require root
    for ((i = 0; i < ROUNDS; i++)); do
        dhow run -d --name "b$i" busybox sleep 1000 >/dev/null 2>&1 3>&- &
        kill_within 60 $!
        wait $! 2>/dev/null || true
        check_state || { echo "after kill $i"; false; }
    done
    forget_all
    wait_for 10 no_strays
}

@test "kill -9 of the monitor: the next command knows" {
    for ((i = 0; i < ROUNDS; i++)); do
        id=$(dhow run -d --network none busybox sleep 1000)
        kill -9 "$(monitor_of "$id")"
        # the init was its child, and either goes on or ended: dhow says which
        ok dhow inspect -f '{{.State.Status}} {{.State.Pid}}' "$id"
        case $output in
        running*) [ -d "/proc/${output#* }" ] ;;
        exited*) [ "${output#* }" = 0 ] ;;
        *) false ;;
        esac
        ok dhow rm -f "$id"
        check_state || { echo "after kill $i"; false; }
    done
}

@test "kill -9 of the monitor while the container ends" {
    for ((i = 0; i < ROUNDS; i++)); do
        id=$(dhow run -d --network none busybox sh -c 'sleep 0.03; exit 5')
        pid=$(monitor_of "$id" 2>/dev/null || true)
        [ -z "$pid" ] || kill_within 60 "$pid"
        wait_for 5 sh -c "! '$BUILD/dhow' --root '$T/root' --runroot '$T/run' ps -q --no-trunc | grep -q $id"
        ok dhow inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$id"
        case $output in
        'exited 5' | 'exited 137') ;;
        *)
            echo "kill $i: $output"
            false
            ;;
        esac
        ok dhow rm "$id"
    done
    check_state
}

@test "kill -9 of dhow pull: good blobs kept, no bad one visible" {
    require skopeo
    serve
    push big:latest debian
    for ((i = 0; i < ROUNDS; i++)); do
        dhow pull -q --tls-verify=false "$REGISTRY/big:latest" >/dev/null 2>&1 3>&- &
        kill_within 1200 $!
        wait $! 2>/dev/null || true
        # every visible blob is what its name says
        (cd "$T/root/blobs/sha256" && for f in *; do [ -e "$f" ] && echo "$f  $f"; done | sha256sum --quiet -c)
        ok dhow images
    done
    ok dhow pull -q --tls-verify=false "$REGISTRY/big:latest"
    ok dhow run --rm --network none "$REGISTRY/big:latest" cat /etc/debian_version
    [[ $output == 12.* ]]
    ok dhow rmi "$REGISTRY/big:latest"
    check_state
    [ -z "$(ls "$T/root/ingest" 2>/dev/null)" ] || { ls -la "$T/root/ingest"; false; }
    stop_registry
}

@test "kill -9 of dhow import, load and rmi" {
    for ((i = 0; i < ROUNDS; i++)); do
        dhow import "$DHOW_FIXTURES/debian.tar" deb >/dev/null 2>&1 3>&- &
        kill_within 400 $!
        wait $! 2>/dev/null || true
        dhow rmi deb >/dev/null 2>&1 3>&- &
        kill_within 20 $!
        wait $! 2>/dev/null || true
        check_state || { echo "after kill $i"; false; }
    done
    ok dhow import "$DHOW_FIXTURES/debian.tar" deb
    ok dhow run --rm --network none deb cat /etc/debian_version
    dhow rmi deb
}

# interrupt_within MS ARGS...: dhow with ARGS gets SIGINT within MS; it must end with 0, 130 or by it.
interrupt_within() {
    # a shell without job control ignores SIGINT in what it starts in the background: ask python
    python3 -c '
import random, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(random.random() * int(sys.argv[1]) / 1000)
p.send_signal(signal.SIGINT)
status = p.wait(20)
sys.exit(0 if status in (0, 130, -2) else "ended with %d" % status)' \
        "$1" "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "${@:2}"
}

@test "SIGINT to run leaves a clean state" {
    for ((i = 0; i < ROUNDS; i++)); do
        interrupt_within 60 run --rm --network none busybox sleep 0.2
        check_state || { echo "after signal $i"; false; }
    done
    sleep 0.5
    ok dhow ps -aq
    [ -z "$output" ]
    wait_for 10 no_strays
}

@test "SIGINT to pull: good blobs kept, no bad one visible, and the next pull goes on" {
    start_registry
    push big:latest debian
    for ((i = 0; i < ROUNDS; i++)); do
        interrupt_within 1200 pull -q --tls-verify=false "$REGISTRY/big:latest"
        (cd "$T/root/blobs/sha256" && for f in *; do [ -e "$f" ] && echo "$f  $f"; done | sha256sum --quiet -c)
        ok dhow images
        dhow rmi "$REGISTRY/big:latest" >/dev/null 2>&1 || true # when it had been pulled whole
    done
    ok dhow pull -q --tls-verify=false "$REGISTRY/big:latest"
    ok dhow store check
    ok dhow rmi "$REGISTRY/big:latest"
    check_state
    [ -z "$(ls "$T/root/ingest" 2>/dev/null)" ] || { ls -la "$T/root/ingest"; false; }
    stop_registry
}
