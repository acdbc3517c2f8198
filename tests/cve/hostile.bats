#!/usr/bin/env bats
# Hostile documents and answers over everything that reads them: the corpus of tests/lib/hostile-images.py as
# layouts, archives, folders, at a registry and pushed to ours; and the answers of tests/lib/hostile-registry.py.
# Each ends in time and bounded memory, with success or one line; nothing is written outside of the store.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    export CANARY=$T/canary
    mkdir "$CANARY" "$T/hostile"
    echo precious >"$CANARY/secret"
    python3 "$TOP/tests/lib/hostile-images.py" "$T/corpus" >/dev/null
    python3 "$TOP/tests/lib/hostile-registry.py" --port-file "$T/hostile-port" --log "$T/hostile-log" --corpus "$T/corpus" 3>&- &
    echo $! >"$T/hostile-pid"
    wait_for 20 test -e "$T/hostile-port"
    HOSTILE=127.0.0.1:$(cat "$T/hostile-port")
    export HOSTILE
    serve
}

teardown_file() {
    kill "$(cat "$T/hostile-pid")"
    common_teardown_file
}

canary_is_intact() {
    [ "$(find "$CANARY" | sort | tr '\n' ' ')" = "$CANARY $CANARY/secret " ]
    [ "$(cat "$CANARY/secret")" = precious ]
}

# over CONSUMER...: the corpus, then the stores it went into
over() {
    local consumer
    ok "$TOP/tests/lib/hostile-images-check" "$BUILD/dhow" "$T/corpus" "$T/hostile" "$HOSTILE" "$REGISTRY" "$@" || return 1
    canary_is_intact
    for consumer in "$@"; do
        ok "$BUILD/dhow" --root "$T/hostile/root-$consumer" --runroot "$T/hostile/root-$consumer-run" system check || return 1
    done
    [ -z "$(find "$T/hostile" -maxdepth 1 ! -path "$T/hostile" ! -name 'root-*')" ]
}

@test "hostile images: load of layouts and archives" {
    over load-oci load-oci-archive load-docker
}

@test "hostile images: image copy between transports" {
    over copy-oci copy-all copy-oci-archive copy-dir copy-docker
}

@test "hostile images: from a registry, by pull, pull --plan, image copy and artifact pull" {
    over pull pull-plan copy-registry artifact-pull
}

@test "hostile images: pushed to registry serve, and pulled from it" {
    over serve
    ok "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" system check
    [ "$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$T/served.pid")/status")" -lt 131072 ]
}

# answers_to COMMAND...: each answer of the hostile registry; @ stands for the repository
answers_to() {
    local answer begin
    for answer in $(python3 "$TOP/tests/lib/hostile-registry.py" --list); do
        begin=$SECONDS
        run timeout 60 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "${@//@/$HOSTILE/$answer/x}"
        if [ "$status" -ne 125 ] || [ "${#lines[@]}" -ne 1 ] || [[ $output != "dhow: "* ]] || [[ $output == *$'\e'* ]] ||
            [ "${#output}" -gt 600 ] || [ $((SECONDS - begin)) -gt 20 ]; then
            echo "$answer: $status after $((SECONDS - begin)) s: ${output:0:900}"
            return 1
        fi
    done
    ok dhow system check
    [ -z "$(ls "$T/root/ingest")" ]
}

@test "hostile answers: pull" {
    answers_to pull -q --retry 1 --creds alice:secret @:1
    # only who said that it wants a password by Basic got it
    [ "$(grep -c 'auth=Basic' "$T/hostile-log")" -gt 0 ]
    run grep 'auth=Basic' "$T/hostile-log"
    for line in "${lines[@]}"; do
        [[ $line == *challenge-* || $line == *token-* || $line == *body-endless* || $line == *deep* || $line == *newline* ]]
    done
    run grep -c 'X-Evil' "$T/hostile-log"
    [ "$output" = 0 ]
}

@test "hostile answers: image copy" {
    answers_to image copy -q --retry 1 docker://@:1 "oci:$T/out"
    [ ! -e "$T/out" ]
}

@test "hostile answers: lists of tags and of what refers to an image" {
    local name
    for name in links link-same body-endless error-endless tags-climb tags-many; do
        fails 125 timeout 60 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" image sync -q --retry 1 --src docker --dest dir "$HOSTILE/$name/x" "$T/sync"
        [ "${#lines[@]}" -eq 1 ]
        [ ! -e "$T/sync" ]
        fails 125 timeout 60 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" artifact ls "$HOSTILE/$name/x@sha256:$(printf %064d 0)"
        [ "${#lines[@]}" -eq 1 ]
    done
    fails 125 dhow image sync "$HOSTILE/a" "$T/sync"
    says "--src and --dest"
}
