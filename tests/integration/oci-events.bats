#!/usr/bin/env bats
# dhow-oci: events and their format, features, global options, what callers parse.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
    [ -z "${events:-}" ] || kill "$events" 2>/dev/null || true
}

lines_of() {
    [ "$(grep -c "$2" "$1")" -ge "$3" ]
}

@test "events --stats: one line in runc's format" {
    container g1 '.linux.resources.pids.limit = 55'
    oci exec g1 sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done'
    run oci events --stats g1
    [ "${#lines[@]}" -eq 1 ]
    [ "$(jq -r '.type, .id' <<<"$output")" = $'stats\ng1' ]
    jq -e '.data | (.cpu.usage.total > 0) and (.pids.current == 1) and (.pids.limit == 55)
        and (.cpu.usage | has("kernel") and has("user")) and has("hugetlb") and has("network_interfaces")
        and (.cpuset | has("cpu_exclusive")) and has("intel_rdt") and has("blkio")
        and (.cpu | has("throttling"))' <<<"$output"
    if [ -d /sys/fs/cgroup/memory ]; then
        jq -e '.data.memory | (.usage.limit > 0) and (.usage.usage > 0) and has("swap")
            and has("kernel") and has("kernelTCP") and (.raw | has("rss"))' <<<"$output"
        jq -e '.data.cpu.usage.percpu | length > 0' <<<"$output"
    fi
}

@test "events: at intervals, until the container ends" {
    container g2
    oci events --interval 100ms g2 >"$T/events" 3>&- &
    events=$!
    wait_for 5 lines_of "$T/events" '"type":"stats"' 3
    oci kill g2 KILL
    wait "$events"
    events=
    jq -es 'all(.type == "stats" and .id == "g2")' "$T/events"
}

@test "events: an out-of-memory kill is told at once" {
    require cgroup-memory
    bundle '.linux.resources.memory.limit = 12582912 | .linux.resources.memory.swap = 12582912'
    cmd sh -c 'while [ ! -e /tmp/go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M; sleep 1000'
    rm -f "$B/rootfs/tmp/go"
    oci create g3 </dev/null >/dev/null 2>&1
    oci start g3
    oci events --interval 1h g3 >"$T/oom" 3>&- &
    events=$!
    sleep 0.3
    touch "$B/rootfs/tmp/go"
    wait_for 10 lines_of "$T/oom" '"type":"oom"' 1
    [ "$(jq -rs '.[0].id' "$T/oom")" = g3 ]
    oci delete -f g3
    wait "$events"
    events=
    rm -f "$B/rootfs/tmp/go"
}

@test "events: not of what does not run" {
    fails 1 oci events --stats none
    says "does not exist"
    bundle
    cmd true
    ok oci run --keep g4
    fails 1 oci events --stats g4
    says "is not running"
    fails 1 oci events --interval 0 g4
    says "above 0"
}

@test "features: what is claimed, by the specification's names" {
    run oci features
    jq -e '.ociVersionMax == "1.3.0" and (.hooks | length == 6)
        and .linux.seccomp.enabled and (.linux.seccomp.actions | index("SCMP_ACT_NOTIFY"))
        and (.linux.seccomp.archs | index("SCMP_ARCH_AARCH64") and index("SCMP_ARCH_RISCV64"))
        and (.linux.seccomp.knownFlags | index("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
        and .linux.apparmor.enabled and .linux.selinux.enabled
        and .linux.intelRdt.enabled and .linux.intelRdt.schemata and .linux.intelRdt.monitoring
        and (.linux.memoryPolicy.modes | length == 7) and (.linux.memoryPolicy.flags | length == 3)
        and (.potentiallyUnsafeConfigAnnotations | index("run.oci.pidfd_receiver"))' <<<"$output"
}

@test "the log: a line of JSON with level, msg and time, and the text on standard error" {
    run oci --log "$T/log" --log-format json state none
    [ "$status" -eq 1 ]
    [ "$output" = "dhow-oci: container 'none' does not exist" ]
    jq -e '.level == "error" and (.msg | contains("does not exist")) and (.time | test("^20.*T.*"))' "$T/log"
    bundle '.process.capabilities.bounding += ["CAP_NONSENSE"]'
    cmd true
    rm "$T/log"
    ok oci --log "$T/log" --log-format json run g6
    jq -e '.level == "warning" and (.msg | contains("CAP_NONSENSE"))' "$T/log"
    fails 1 oci --log-format xml list
    says "neither text nor json"
    fails 1 oci --log-level loud list
    says "is not a level"
}

@test "--rootless says when; nonsense is refused" {
    ok oci --rootless auto list
    ok oci --rootless=true list
    ok oci --rootless false list
    fails 1 oci --rootless perhaps list
    says "not auto, true or false"
}

@test "capabilities that are not there to be given are a warning" {
    setpriv -d | grep -q 'Capability bounding set:.*sys_resource' && skip "needs a capability that root lacks"
    bundle '.process.capabilities.bounding += ["CAP_SYS_RESOURCE"] | .process.capabilities.permitted += ["CAP_SYS_RESOURCE"]'
    cmd true
    ok oci run g8
    says "CAP_SYS_RESOURCE cannot be granted"
}

@test "a fault in config.json: its path, what was expected, and where the specification says so" {
    bundle '.linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":7}]}'
    fails 1 oci run g9
    says "linux.seccomp.syscalls[0].action: expected a string, got a number"
    says 'config-linux.md, "Seccomp"'
    bundle '.process.scheduler = {"policy":"SCHED_NONSENSE"}'
    fails 1 oci run g9
    says "process.scheduler.policy"
    says 'config.md, "Linux Process"'
    bundle '.mounts[0].destination = 7'
    fails 1 oci run g9
    says "mounts[0].destination"
    says 'config.md, "Mounts"'
    bundle 'del(.ociVersion)'
    fails 1 oci run g9
    says "ociVersion"
    says "Specification version"
    nothing_left g9
}
