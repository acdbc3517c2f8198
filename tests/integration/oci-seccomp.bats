#!/usr/bin/env bats
# dhow-oci: seccomp profiles: actions, arguments, flags, notification.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox python3 || return 1
    oci_setup
}

teardown() {
    oci_cleanup
    [ -z "${agent:-}" ] || kill "$agent" 2>/dev/null || true
}

profile() {
    bundle ".linux.seccomp = {\"defaultAction\":\"SCMP_ACT_ALLOW\"} | .linux.seccomp += $1" "${@:2}"
}

# agent ACTION [COUNT]: in the background, on $T/agent.sock; what it gets is in $T/agent.log
start_agent() {
    rm -f "$T/agent.sock" "$T/agent.log"
    "$TOP/tests/lib/seccomp-agent" "$T/agent.sock" "$T/agent.log" "$@" 3>&- &
    agent=$!
    wait_for 5 test -S "$T/agent.sock"
}

notify() {
    profile "{\"listenerPath\":\"$T/agent.sock\",\"listenerMetadata\":\"some data\",
        \"syscalls\":[{\"names\":[$1],\"action\":\"SCMP_ACT_NOTIFY\"}]}" "${@:2}"
}

@test "errno, and the default one" {
    profile '{"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":28},
        {"names":["rmdir"],"action":"SCMP_ACT_ERRNO"}]}'
    run script 'mkdir /tmp/a; rmdir /tmp; true'
    says "No space left on device"
    says "Operation not permitted"
}

@test "kill, trap and log" {
    profile '{"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}'
    cmd mkdir /tmp/x
    fails 159 oci run s1
    profile '{"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_TRAP"}]}'
    cmd mkdir /tmp/x
    fails 159 oci run s1
    profile '{"flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_LOG"}]}'
    cmd mkdir /tmp/x
    ok oci run s1
}

@test "an errno for an action that has none is refused" {
    profile '{"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","errnoRet":1}]}'
    fails 1 oci run s2
    says "linux.seccomp.syscalls[0].errnoRet"
    profile '{"architectures":["SCMP_ARCH_NONSENSE"]}'
    fails 1 oci run s2
    says "linux.seccomp.architectures[0]"
    profile '{"architectures":["SCMP_ARCH_ARM","SCMP_ARCH_X86_64"]}'
    cmd true
    ok oci run s2
    profile '{"flags":["SECCOMP_FILTER_FLAG_NONSENSE"]}'
    fails 1 oci run s2
    says "linux.seccomp.flags[0]"
}

@test "notification: the agent answers for run" {
    notify '"mkdir"' '.annotations = {"a":"b"}'
    start_agent errno:123
    run script 'mkdir /tmp/never-made || stat /tmp/never-made'
    says "No medium found"
    [ "$status" -eq 1 ]
    run jq -r '.fds[0], .metadata, .state.id, .state.status, .state.annotations.a, .received, .ociVersion' "$T/agent.log"
    [ "$output" = $'seccompFd\nsome data\nc-'"$BATS_TEST_NUMBER"$'\ncreating\nb\n1\n1.3.0' ]
    [ "$(jq .pid "$T/agent.log")" = "$(jq .state.pid "$T/agent.log")" ]
    wait "$agent"
}

@test "notification: create and start, and exec has a listener of its own" {
    notify '"mkdir"' '.process.noNewPrivileges = false'
    cmd sleep 1000
    start_agent return:0 2
    oci create s4 </dev/null >/dev/null 2>&1
    [ ! -s "$T/agent.log" ]
    oci start s4
    ok oci exec --pid-file "$T/exec.pid" s4 mkdir /tmp/never-made
    fails 1 oci exec s4 test -e /tmp/never-made
    run jq -rs '.[1].pid, .[1].state.status, .[1].state.pid' "$T/agent.log"
    [ "$output" = "$(cat "$T/exec.pid")"$'\nrunning\n'"$(oci state s4 | jq .pid)" ]
}

@test "notification: calls of the runtime itself may wait for the agent" {
    notify '"execve","execveat","write","close","fcntl","exit_group","sendmsg","futex"'
    start_agent continue
    cmd echo through
    ok oci run s5
    says through
    bundle ".linux.seccomp = {\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"$T/agent.sock\",
        \"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}"
    start_agent continue
    cmd echo all
    ok oci run s5
    says all
}

@test "notification: without an agent, or a path to it, nothing starts" {
    notify '"mkdir"'
    rm -f "$T/agent.sock"
    cmd true
    fails 1 oci run s6
    says "failed to connect with seccomp agent"
    nothing_left s6
    notify '"mkdir"' '.linux.seccomp.listenerPath = ""'
    fails 1 oci run s6
    says "linux.seccomp.listenerPath"
    nothing_left s6
}

@test "notification: a listener path without such rules is ignored" {
    profile "{\"listenerPath\":\"$T/none\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}"
    cmd true
    ok oci run s7
}
