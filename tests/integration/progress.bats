#!/usr/bin/env bats
# What a pull shows: on a terminal, elsewhere, quiet, and when it is interrupted.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require script
    require skopeo
    serve
    push app:1 busybox
    push deb:1 debian
}

# on_terminal ENV... -- ARGS...: dhow under a terminal of 80 columns; everything it writes in $output
on_terminal() {
    local env=()
    while [ "$1" != -- ]; do
        env+=("$1")
        shift
    done
    shift
    run env TERM=xterm "${env[@]}" script -qefc \
        "stty cols 80 rows 24; '$BUILD/dhow' --root '$T/root' --runroot '$T/run' $*" /dev/null </dev/null
}

ESC=$'\033'

@test "off a terminal: plain lines to standard error, the id to standard output" {
    dhow pull "$REGISTRY/app:1" >"$T/out" 2>"$T/err"
    [[ $(cat "$T/out") =~ ^[0-9a-f]{64}$ ]]
    grep -q "resolving" "$T/err"
    grep -qE "^[0-9a-f]{12}  downloading +[0-9.]+[kM]B$" "$T/err"
    grep -qE "^[0-9a-f]{12}  done +[0-9.]+[kM]B$" "$T/err"
    ! grep -q "$ESC" "$T/err"
    dhow pull "$REGISTRY/app:1" >"$T/out" 2>"$T/err"
    grep -q "is up to date" "$T/err"
    dhow rmi "$REGISTRY/app:1"
}

@test "--quiet prints the id and nothing else" {
    ok dhow pull -q "$REGISTRY/app:1"
    [[ $output =~ ^[0-9a-f]{64}$ ]]
    dhow rmi "$REGISTRY/app:1"
}

@test "on a terminal: live lines within the window, what is done stays" {
    on_terminal -- pull "$REGISTRY/deb:1"
    [ "$status" -eq 0 ]
    says "$ESC["
    [[ $output =~ [0-9a-f]{12}\ \ .*done ]]
    # no line is longer than the window, whatever escapes it has
    sed "s/$ESC\[[0-9;]*[A-Za-z]//g; s/\r/\n/g" <<<"$output" >"$T/lines"
    awk 'length($0) > 80 { print; bad = 1 } END { exit bad }' "$T/lines"
    dhow rmi "$REGISTRY/deb:1"
}

@test "NO_COLOR and TERM=dumb" {
    on_terminal NO_COLOR=1 -- pull "$REGISTRY/app:1"
    [ "$status" -eq 0 ]
    [[ $output != *"$ESC[3"* ]]
    dhow rmi "$REGISTRY/app:1"
    on_terminal TERM=dumb -- pull "$REGISTRY/app:1"
    [ "$status" -eq 0 ]
    [[ $output != *"$ESC"* ]]
    dhow rmi "$REGISTRY/app:1"
}

@test "interrupted: one line, exit 130, no half of anything; the next pull goes on" {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" pull "$REGISTRY/deb:1" 2>"$T/err" 3>&- &
    wait_for 10 grep -q downloading "$T/err"
    kill -INT $!
    status=0
    wait $! || status=$?
    # a machine that is quick enough has it all by then
    [ "$status" -eq 130 ] || [ "$status" -eq 0 ]
    [ "$status" -eq 0 ] || grep -q "^dhow: interrupted (what came whole is kept" "$T/err"
    [ -z "$(find "$T/root/layers" -name 'tmp-*')" ]
    ok dhow store check
    ok dhow pull -q "$REGISTRY/deb:1"
}

@test "run pulls what is missing, on standard error" {
    require root
    dhow run --rm --network none "$REGISTRY/app:1" echo from inside >"$T/out" 2>"$T/err"
    [ "$(cat "$T/out")" = "from inside" ]
    grep -q downloading "$T/err"
    dhow rmi "$REGISTRY/app:1"
    dhow run -q --rm --network none "$REGISTRY/app:1" echo again >"$T/out" 2>"$T/err"
    [ ! -s "$T/err" ]
}
