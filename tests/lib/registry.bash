# shellcheck shell=bash
# Registries that misbehave (tests/lib/fake-registry.py), for bats files: load it after helpers.
#
#   fake ARGS...      start one; $FAKE is its host:port, $T/fake.log its requests
#   unfake            stop it; call it in teardown()
#   second ARGS...    another beside it: $SECOND, $T/second.log
#   requests PATTERN  how many requests match (extended regular expression)
#   store_is_sound    `dhow` can verify everything, and nothing is left half done

start_fake() {
    local name=$1
    shift
    rm -f "$T/$name.port" "$T/$name.log"
    python3 "$TOP/tests/lib/fake-registry.py" --port-file "$T/$name.port" --log "$T/$name.log" "$@" \
        >"$T/$name.out" 2>&1 3>&- &
    echo $! >"$T/$name.pid"
    wait_for 20 test -e "$T/$name.port" || {
        cat "$T/$name.out"
        return 1
    }
}

fake() {
    start_fake fake "$@" || return 1
    FAKE=127.0.0.1:$(cat "$T/fake.port")
    export FAKE
}

second() {
    start_fake second "$@" || return 1
    SECOND=127.0.0.1:$(cat "$T/second.port")
    export SECOND
}

unfake() {
    local name pid
    for name in fake second; do
        [ -e "$T/$name.pid" ] || continue
        pid=$(cat "$T/$name.pid")
        kill "$pid" 2>/dev/null || true
        rm -f "$T/$name.pid"
        wait "$pid" 2>/dev/null || true
    done
}

requests() {
    grep -cE "$1" "$T/fake.log" || true
}

# Nothing but whole things: no lease, no temporary file; ingest may hold what can be resumed.
store_is_sound() {
    ok dhow system check || return 1
    wait_for 5 is_swept
}

is_swept() {
    local left
    left=$(find "$T/root/leases" -type f; find "$T/root/layers" "$T/root/blobs" -name '*tmp-*')
    [ -z "$left" ] || { echo "left: $left"; return 1; }
}
