#!/usr/bin/env bats
# Archives that made other programs write, link, chmod or delete outside of the layer: the whole
# corpus of tests/lib/hostile-tars.py over the reader, the EROFS index and the extracted directory.
#   CVE-2021-32760, CVE-2025-47290 (containerd: chmod and races through links on unpack)
#   CVE-2021-29136 (umoci: the root is a symbolic link), CVE-2025-11395 (podman: load, import)
#   CVE-2018-15664, CVE-2021-41089 (docker cp), CVE-2024-9676, CVE-2022-4318 are in other files
load ../lib/helpers

setup_file() {
    common_setup_file
    export CANARY=$T/canary
    mkdir "$CANARY"
    echo precious >"$CANARY/secret"
    echo precious >"$CANARY/victim"
    python3 "$TOP/tests/lib/hostile-tars.py" "$T/corpus" >"$T/cases"
}

teardown_file() { common_teardown_file; }

setup() {
    require root python3
    TOOL=$BUILD/tests/lib/tools/layer-tool
    [ -x "$TOOL" ] || skip "layer-tool is not built"
}

canary_is_intact() {
    [ "$(find "$CANARY" | sort | tr '\n' ' ')" = "$CANARY $CANARY/secret $CANARY/victim " ]
    [ "$(cat "$CANARY/secret" "$CANARY/victim")" = $'precious\nprecious' ]
    [ "$(stat -c '%a %h' "$CANARY/secret")" = "644 1" ]
}

@test "hostile archives as an EROFS index" {
    mkdir -p "$T/index"
    ok "$TOP/tests/lib/hostile-check" "$TOOL" "$T/corpus" "$T/index" erofs
    says ' 0 bad'
    canary_is_intact
}

@test "hostile archives as an extracted directory" {
    mkdir -p "$T/dir"
    ok "$TOP/tests/lib/hostile-check" "$TOOL" "$T/corpus" "$T/dir" directory
    says ' 0 bad'
    canary_is_intact
    # no failed import left anything
    [ -z "$(find "$T/dir/layers" "$T/index/layers" -name 'tmp-*')" ]
}

@test "both forms of a layer are the same tree" {
    for dump in "$T"/corpus/*.erofs; do
        cmp "$dump" "${dump%.erofs}.directory"
    done
}

@test "dhow import refuses them in one line and keeps nothing" {
    [ -x "$BUILD/dhow" ] || skip "dhow is not built"
    dhow import --help >/dev/null 2>&1 || skip "dhow import is not there"
    for name in name-dotdot hardlink-canary root-symlink size-negative pax-too-large gzip-garbage-after; do
        fails 125 dhow import "$T/corpus/$name.tar" "hostile-$name"
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == "dhow: "* ]]
    done
    canary_is_intact
    [ -z "$(find "$T/root/layers" -mindepth 1 ! -name probe.json)" ]
}
