#!/usr/bin/env bats
# The test harness itself: what the other files rely on.
load ../lib/helpers

@test "the busybox fixture is a valid OCI layout" {
    fixture busybox
    require skopeo
    ok skopeo inspect "oci:$DHOW_FIXTURES/busybox:busybox:latest"
    says '"Os": "linux"'
}

@test "a pushed image can be listed in the registry" {
    start_registry
    push team/app:v1 busybox
    ok curl -sf "http://$REGISTRY/v2/team/app/tags/list"
    says '"v1"'
    stop_registry
}

@test "the ordinary user can map its subuids" {
    require rootless
    ok as_user unshare --user --map-root-user --map-auto cat /proc/self/uid_map
    [ "${#lines[@]}" -eq 2 ]
}

@test "a process that is left behind is seen" {
    cp "$(command -v sleep)" "$T/dhow-left"
    "$T/dhow-left" 60 3>&- &
    pid=$!
    sleep 0.2
    leftovers | grep -q "process: $T/dhow-left 60"
    kill $pid
}
